"""The rules of a verdict, and the verdict.

Thresholds were chosen on 2,072 published runs, read at a quarter, half, three quarters
and just before the end of their time: a rule's evidence says how often it spoke on the
1,839 that generalised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

import efftheory as et
from analysis.logs.log import Log
from analysis.measures.curves import LEAST_LOSS, count_slingshots
from analysis.verdict.case import Case, Mask, UnknownError, case_of
from analysis.verdict.seeds import seeds
from analysis.verdict.sentences import Sentence, Verdict

_NEAR = 1.25  # times the ln M law's fraction, up to where seeds disagree
_LARGEST = {6: 2, 24: 3, 120: 6, 720: 16}  # dimension of the largest irreducible representation of S3 .. S6
_DRAWS, _SETS, _DECODERS = 200, 20, 16
_RISE, _LONG = 1.025, 4  # of the norm; times the steps to memorisation, until when every norm rises
_SHRUNK = 0.5  # of the initial norm
RATIOS = ((10**-1.9, 17, 18), (10**-0.9, 10, 27), (1.1, 13, 39), (np.inf, 0, 63))  # of the rates; generalise, of
_LOST = 0.5  # of the late looks; of the samples
_SPIKES = 2
_FALL = 0.05  # of the test accuracy
_BEGUN = {"generalising": "begun to generalise", "diverged": "diverged"}  # what a forecast sees beside the log
_NO_MASK = "no training samples: give `task=(operation, mask)`"
_TOY = "known for the toy model's recipe alone: repr_lr and decoder_lr"


def diverged(case: Case) -> str | None:
    case.curve("train_loss")  # else nothing is known
    at = case.log.diverged_at
    return None if at is None else f"The training loss is no number since step {at:,.0f}: the run diverged."


def law(case: Case) -> str | None:
    op, fraction = case.operation(), case.fraction()
    least = threshold(op)
    if fraction >= _NEAR * least:
        return None
    where = "below" if fraction < least else "hardly above"
    return f"The training set has {_share(fraction)} of all samples, {where} the {_share(least)} of the ln M law."


def threshold(op: et.Operation) -> float:
    """The training fraction of a group of M elements, 2.7482 ln M / M, times half the
    dimension of its largest irreducible representation where that is above 2.

    Source: "Li2" (2509.21519), its code.
    """
    m, name = op.n_symbols // op.tables, op.name.partition("(")[0]
    if name not in ("modular_addition", "symmetric_group", "dihedral_group") or m < 3:
        raise UnknownError(f"the ln M law is of groups, and not of {op.name}")
    return 2.7482 * math.log(m) / m * (_LARGEST[m] if name == "symmetric_group" else 2) / 2


def undetermined(case: Case) -> str | None:
    op, n = case.operation(), round(case.fraction() * case.operation().n_samples)
    if op.composition == "product":
        raise UnknownError("it is counted for sums alone; of groups ask et.degrees_of_freedom")
    chance = _chance(op, n) if case.mask is None else float(et.is_linear(op, case.mask))
    if chance >= 0.5:
        return None
    of = "The training set does not determine"
    if case.mask is None:
        of = f"Of {_DRAWS} random training sets of this size {chance:.0%} determine"
    return f"{of} the representation; half of all sets do with {_share(_critical(op))} of the samples."


@lru_cache(maxsize=64)
def _chance(op: et.Operation, n_train: int) -> float:
    return et.linear_probability(op, n_train, _DRAWS).value


@lru_cache(maxsize=64)
def _critical(op: et.Operation) -> float:
    return et.critical_fraction(op, _DRAWS).value


def unshuffled(case: Case) -> str | None:
    op, mask = case.operation(), case.mask
    if mask is None:
        raise UnknownError(_NO_MASK)
    lost = _lost(op, mask)
    most = max(_lost(op, op.random_training_set(int(mask.sum()), seed)) for seed in range(_SETS))
    if lost <= max(1 - case.log.generalised, most):
        return None
    return f"The training set leaves open {lost:.0%} of the test samples, {_SETS} random ones {most:.0%} at most."


def _lost(op: et.Operation, mask: Mask) -> float:
    """The share of the test samples that the training set does not determine; of
    products, those with a symbol on a side where it is never trained on.
    """
    if op.composition == "sum":
        known = et.generalizable(op, mask)
    else:
        known = np.all([np.isin(side, side[mask]) for side in op.pairs.T], axis=0)
    return float((~known[~mask]).mean()) if not mask.all() else 0.0


def no_decay(case: Case) -> str | None:
    decay = case.settings.get("weight_decay")
    if case.settings.get("targets") == "numbers":
        raise UnknownError("its evidence is of classes")
    if decay is None and not case.toy:
        raise UnknownError("no weight_decay in the settings: a watch has it from `optimizer=`")
    return None if decay or case.toy else "The run has no weight decay."


def norm_rises(case: Case) -> str | None:
    if "weight_decay" in case.settings or case.toy:
        return None
    steps, norm = case.memorised("weight_norm")
    _, late = case.memorised("weight_norm", last=0.5)
    if len(late) < 2 or steps[-1] < _LONG * steps[0] or late[-1] < max(_RISE * late[0], norm.max()):
        return None
    return f"The weight norm still rises, by {late[-1] / late[0] - 1:.0%} in the last half: decay is weak, or none."


def strong_decay(case: Case) -> str | None:
    norm, best = case.curve("weight_norm"), np.nanmax(case.curve("train_accuracy"))
    first, last = norm[np.isfinite(norm)][[0, -1]]
    if best >= case.log.memorised or last > _SHRUNK * first or first == 0 or case.settings.get("weight_decay") == 0:
        return None
    return f"The norm fell to {last / first:.2f} of the initial one, and train accuracy never passed {best:.2f}."


def rates(case: Case) -> str | None:
    if not case.toy:
        raise UnknownError(_TOY)
    ratio = case.settings["decoder_lr"] / case.settings["repr_lr"]
    done, runs = next((done, runs) for most, done, runs in RATIOS if ratio <= most)
    return f"With this ratio of the learning rates {done} of {runs} networks generalised." if 3 * done <= runs else None


def theory(case: Case) -> str | None:
    if not (case.toy and case.op is not None and case.op.linear and case.mask is not None):
        raise UnknownError(_TOY if not case.toy else _NO_MASK)
    own = {name: case.settings[name] for name in ("repr_lr", "decoder_lr")}
    steps = int(case.settings.get("budget", case.log.steps[-1]))
    chance = et.success_probability(case.op, case.mask, draws=_DECODERS, steps=steps, **own).value
    if chance >= 0.5:
        return None
    return f"Of {_DECODERS} runs that the theory drew {chance:.0%} find the linear representation."


def precision(case: Case) -> str | None:
    kind = {name: str(case.settings.get(name, "")) for name in ("dtype", "loss", "targets")}
    if kind["loss"] == "mse" or kind["targets"] not in ("", "classes") or "64" in kind["dtype"]:
        return None
    lost = f"softmax_lost_float{16 if '16' in kind['dtype'] else 32}"
    if not (has := case.has(lost)):
        lost = "train_loss"
    _, looks = case.memorised(lost, last=0.5)
    gone = looks >= _LOST if has else looks < LEAST_LOSS
    if not len(looks) or gone.mean() < _LOST:
        return None
    return f"At {gone.mean():.0%} of the late looks the training loss is 0 within rounding: the softmax is saturated."


def slingshots(case: Case) -> str | None:
    norm = "last_layer_norm" if case.has("last_layer_norm") else "weight_norm"
    _, loss, norms = case.memorised("train_loss", norm)
    count = count_slingshots(np.maximum(loss, 0), norms) if len(loss) else 0
    return f"The training loss had {count} spikes since it memorised, while weights grew." if count >= _SPIKES else None


def overfits(case: Case) -> str | None:
    (_, test), (_, late) = case.memorised("test_accuracy"), case.memorised("test_accuracy", last=0.1)
    if not len(late) or test.max() - late.max() <= _FALL:
        return None
    return f"Test accuracy fell from {test.max():.2f} to {late.max():.2f} after it memorised: over-fitting, so far."


class Rule(NamedTuple):
    """What is asked, what the finding is (None: none), what it stands on; what to do,
    and what that stands on.
    """

    name: str
    finds: Callable[[Case], str | None]
    evidence: str
    remedy: str
    tried: str


_LEAGUE, _PHASES, _DECODER = "docs/league/README.md", "docs/phase_diagrams/README.md", "docs/decoder/README.md"
_LAW = "arXiv 2509.21519; of published runs 0 of 72 below it generalised, 33 of 84 up to 1.25 times it, 1,045 of 1,056"
_NO_DECAY = f"{_LEAGUE}: none of 32 networks that add or compose generalised without it"
_DECAY = "Use decoupled weight decay, as AdamW's, or hold the norm."
_SLOWER = "Let the decoder learn a hundred times slower than the embeddings."
_COUNTED = "counted; networks that add modulo 31 needed two to four times as many, docs/modular/README.md"
_NUMBER = "{} of the published runs that generalised looked so before".format
RULES = (
    Rule("divergence", diverged, "its log", "Use a smaller learning rate, or clip the gradient.", "not tried here"),
    Rule(
        "number of samples",
        law,
        f"{_LAW} above",
        "Train on 1.5 times the law's share.",
        "all 952 published runs with it",
    ),
    Rule("what samples determine", undetermined, _COUNTED, "Train on more samples.", "docs/size_law/README.md"),
    Rule("split", unshuffled, "counted, as et.generalizable does", "Shuffle before you split.", "the random sets"),
    Rule("weight decay", no_decay, _NO_DECAY, _DECAY, f"{_LEAGUE}: 15 of 16 transformers whose norm was held"),
    Rule("weight norm", norm_rises, _NUMBER("at most 4.5 %"), _DECAY, _NO_DECAY),
    Rule("too much decay", strong_decay, _NUMBER("none"), "Use less weight decay.", f"{_PHASES}: decay 8 and 10"),
    Rule("learning rates", rates, _PHASES, _SLOWER, f"{_PHASES}: 17 of 18 networks"),
    Rule("theory with a decoder", theory, f"{_DECODER}: AUC .93 on 200 networks", _SLOWER, f"{_DECODER}: .60, not .45"),
    Rule(
        "precision",
        precision,
        f"train_loss: {_NUMBER('at most .5 %')}",
        "Compute logits and loss in float64, or use more weight decay.",
        "arXiv 2501.04697; not tried here",
    ),
    Rule(
        "slingshots",
        slingshots,
        _NUMBER("at most .8 %"),
        "Use a smaller learning rate, or Adam's epsilon 1e-4.",
        f"{_LEAGUE}: all 32 networks with that epsilon generalised, 1.2 and 1.6 times later",
    ),
    Rule("falling test accuracy", overfits, _NUMBER("at most .9 %"), "Train on more samples.", f"{_LAW} above"),
)


def judge(log: Log, task: Any = None, forecast: Any = None, others: Sequence[Log] = ()) -> Verdict:
    """What stands in the way of a run, and what to do about it.

    Args:
        log: the run's. Of one that has generalised only its time and its seeds are
            judged.
        task: an efftheory operation, alone or with the mask of its training samples,
            (operation, mask); or a dict of settings, which stand above the log's, or
            the operation's name alone. Settings with a `p` and no `operation` are taken
            for addition modulo p.
        forecast: of the same log, by `analysis.forecast`.
        others: logs of other seeds of the same settings.

    Raises:
        ConfigError: the task is none of these, or the mask does not fit.
    """
    case = case_of(log, task)
    told, clear = outlook(log, forecast), []
    for rule in RULES if log.generalised_at is None else ():
        try:
            found = rule.finds(case)
        except UnknownError as want:
            told.append(Sentence(rule.name, str(want), "not known"))
            continue
        if found is None:
            clear.append(rule.name)
        else:
            told += [Sentence(found, rule.evidence), Sentence(rule.remedy, rule.tried, "remedy")]
    return Verdict(log.name, (*told, seeds([log, *others])), tuple(clear))


def outlook(log: Log, forecast: Any) -> list[Sentence]:
    """How far the run is, and how much longer it takes."""
    if log.generalised_at is not None:
        return [Sentence(f"It generalised at step {log.generalised_at:,.0f}.", "its log", "fact")]
    if not np.isfinite(log.curves.get("test_accuracy", np.nan)).any():
        return [Sentence("whether it generalises", "test accuracy was never logged", "not known")]
    far = "not memorised" if log.memorised_at is None else f"memorised, at {log.memorised_at:,.0f}, and not generalised"
    if not np.isfinite(log.curves.get("train_accuracy", np.nan)).any():
        far = "not generalised; whether it has memorised was not logged"
    far = _BEGUN.get(getattr(forecast, "phase", ""), far)
    found = Sentence(f"By step {log.steps[-1]:,.0f} it has {far}.", "its log", "fact")
    if forecast is None or math.isnan(forecast.probability):
        return [found, Sentence("how much longer", forecast.basis if forecast else "no forecast", "not known")]
    left, low, high = (max(step - forecast.step, 0) for step in (forecast.median, forecast.low, forecast.high))
    span = f"{low:,.0f} to {high:,.0f}" if math.isfinite(high) else f"at least {low:,.0f}"
    text = f"It is foreseen to take {left:,.0f} more steps (90 %: {span})."
    return [
        found,
        Sentence(text if math.isfinite(left) else "It is not foreseen to generalise.", forecast.basis, "fact"),
    ]


def _share(value: float) -> str:
    return f"{value:.{2 if value >= 0.1 else 3}f}".removeprefix("0")
