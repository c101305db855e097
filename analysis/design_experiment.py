"""The causal test of the theory: networks that differ in nothing but a training set
that was designed for its speed.

    python -m analysis.design_experiment

trains, for each seed, one network's initial weights and targets on four training sets
of one size: fast (the largest lambda_3 that a search finds), wide (the largest ideal
accuracy, then lambda_3), random (the seed's own) and slow (the smallest lambda_3 that
still leaves the linear representation alone); and leaves report.json, report.md, its
tables and pictures in results/design_experiment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest
from tqdm.auto import tqdm

import efftheory as et
from analysis.arms.engine import Arms, arm_rows, beside, leave_arms, looks, row_of, score_arms, survival, train
from analysis.report.command import check_at_least, check_given
from analysis.report.files import table
from analysis.report.look import LOOK
from analysis.report.tables import NOT_CERTAIN, judged, rows_of, wide
from analysis.runs import session
from analysis.scores.table import measured
from neural import ConfigError, RunConfig, write_samples
from neural.command import run_command

PROG = "python -m analysis.design_experiment"
ERRORS = (*session.ERRORS, et.ArgumentError)
# In the order that the theory wants; what each is searched for.
OBJECTIVES = {"fast": "lambda3", "wide": "generalizable", "random": None, "slow": "slow"}
SETTING = {"n_train": "size", "repr_lr": "eta_r", "decoder_lr": "eta_d"}
BASE = "random"
DESIGN = SETTING | {"arm": "design"}
TARGETS = ("rqi", "train", "test")
ENDS = ("train_accuracy", "test_accuracy", "accuracy")
PREDICTED = {"inverse_lambda3": "Z0/(lambda_3 eta)", "exact_flow": "exact gradient flow"}
PREDICTED |= {"memory_flow": "with a decoder"}
# Columns of tables: the statistic, and how it is written.
FIRST = {
    "set": {"lambda_3": ("lambda3", ".3g")},
    "rqi": {"reach RQI > 0.95": ("did", ".2f"), "predicted": ("said", ".2f"), "steps to it": ("median", ",.0f")},
    "test_accuracy": {"test accuracy": ("mean", ".2f")},
}
SETS = {"sets": ("sets", ".0f"), "lambda_3": ("lambda3", ".3g"), "n_0": ("nullity", ".0f")}
SETS |= {"ideal accuracy": ("ideal_accuracy", ".2f")}
PAIRS = {"first": ("rqi first", ".0f"), "second": ("rqi second", ".0f"), "wanted": ("lambda3 larger", ".0f")}
PAIRS |= {"share": ("rqi earlier", ".2f"), "ratio": ("rqi ratio", ".2f"), "successes": ("rqi did", "+.2f")}
PAIRS |= {"test accuracy": ("test_accuracy mean", "+.2f"), "accuracy": ("accuracy mean", "+.2f")}
_MARKS = dict(zip(OBJECTIVES, "o^sD", strict=True))
_TITLE = "|D| = {}, eta_r = {:g}, eta_d = {:g}"  # of a setting
_AS, _AGAINST = "as the theory says", "against the theory"


@dataclass(frozen=True)
class Arguments(session.Trains):
    """Train the same networks on training sets designed to be fast, wide and slow, and
    on random ones of their size.

    The defaults: a size at which designs differ much (30) and one at which most runs
    succeed (40). A decoder still slower would not finish learning within the budget.
    """

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = (30, 40)
    """Training-set sizes |D|."""
    seeds: int = 20
    """How many seeds a size, each with one network and a training set of every design."""
    budget: int = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: tuple[float, ...] = (RunConfig.repr_lr,)
    """Learning rates of the embeddings, one or several."""
    decoder_lr: tuple[float, ...] = (3e-5,)
    """Learning rates of the decoder, one or several."""
    decoder_draws: int = 8
    """Initial weights of the decoder behind each prediction of the theory with a decoder."""
    out: Path = Path("results/design_experiment")


def main(arguments: Arguments) -> None:
    draws = dict.fromkeys(PREDICTED, 0) | {"memory_flow": arguments.decoder_draws}
    runs, said = train(arguments, plan(arguments), draws, [*SETTING])
    runs = described(runs)
    scores = scored(runs, said)
    groups = {_TITLE.format(*values): group for values, group in runs.groupby([*SETTING], sort=False)}
    pictures = {"survival.png": survival(groups, TARGETS, BASE), "lambda3.png": lambda3(groups)}
    answer, first, title = verdict(scores), arm_rows(scores, DESIGN, FIRST), "Training sets by design"
    tables = {"runs": runs, "predictions": said, "scores": scores}
    leave_arms(arguments, PROG, title, answer, first, page(arguments, scores), pictures, **tables)


def plan(arguments: Arguments) -> Arms:
    """The runs of each design, in one order: those at one place share all that their
    seed fixes but the training set. Their seed is the designs' too, so that there are
    several sets wherever the search finds several. ConfigError: one cannot be.
    """
    check_at_least(1, arguments, "decoder_draws")
    check_given(arguments, "sizes", "repr_lr", "decoder_lr")
    check_at_least(3, arguments, "p")  # fewer symbols make no parallelogram
    op = et.addition(arguments.p)
    if wrong := [size for size in arguments.sizes if not 0 < size < op.n_samples]:
        sizes = f"1..{op.n_samples - 1}, not all {op.n_samples} samples"
        raise ConfigError(f"`sizes` must be in {sizes}, but one is {wrong[0]}.")
    grid = product(sorted(set(arguments.sizes)), arguments.repr_lr, arguments.decoder_lr, arguments.seed_range())
    base = RunConfig(p=op.n_symbols, n_train=1, budget=arguments.budget)
    found = (replace(base, n_train=n, repr_lr=eta_r, decoder_lr=eta_d, seed=seed) for n, eta_r, eta_d, seed in grid)
    runs = list(dict.fromkeys(found))  # once, also where a rate is given twice

    @cache
    def samples(objective: Any, n_train: int, seed: int) -> str:
        return write_samples(et.design_training_set(op, n_train, objective=objective, seed=seed))

    arms = dict.fromkeys(OBJECTIVES, runs)
    for name, objective in OBJECTIVES.items():
        if objective is not None:
            with tqdm(runs, desc=f"designs: {name}", unit="set", leave=False) as bar:
                arms[name] = [replace(run, samples=samples(objective, run.n_train, run.seed)) for run in bar]
    return arms


def described(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with lambda_3, nullity and ideal accuracy of their training sets."""
    op = et.addition(int(runs["p"].iloc[0]))
    of = {name: et.describe(op, mask) for name, mask in {mask.tobytes(): mask for mask in runs["mask"]}.items()}
    found = [of[mask.tobytes()] for mask in runs["mask"]]
    return runs.assign(**{one: [getattr(of, one) for of in found] for one in ("lambda3", "nullity", "ideal_accuracy")})


def scored(runs: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """All scores, of pairs in the order that the theory wants. Intervals of one
    statistic that compare two designs hold at once at 95 % (Bonferroni). Of the
    training "set" of each design: how many different `sets`, the medians of `lambda3`,
    with its quartiles, and of `nullity`, with the smallest and the largest, and the
    mean `ideal_accuracy`.
    """
    pairs, of_sets = list(combinations(dict.fromkeys(runs["arm"]), 2)), []
    coverage = 1 - 0.05 / max(1, len(runs.groupby([*SETTING])) * len(pairs))
    for values, group in runs.groupby([*SETTING, "arm"], sort=False):
        low, middle, high = group["lambda3"].quantile([0.25, 0.5, 0.75])
        least, n_0, most = group["nullity"].quantile([0, 0.5, 1])
        label, different = dict(zip((*SETTING, "arm"), values, strict=True)), {mask.tobytes() for mask in group["mask"]}
        numbers: dict[str, tuple[Any, Any]] = {"sets": (len(different), None), "lambda3": (middle, (low, high))}
        numbers |= {"nullity": (n_0, (least, most)), "ideal_accuracy": (group["ideal_accuracy"].mean(), None)}
        of_sets += [label | row_of("set", "", name, *number, len(group)) for name, number in numbers.items()]
    found = score_arms(runs, TARGETS, said, by=[*SETTING], pairs=pairs, coverage=coverage, ends=ENDS, also=in_order)
    return pd.concat([found, pd.DataFrame(of_sets)], ignore_index=True)


def in_order(one: pd.DataFrame, other: pd.DataFrame, name: str, coverage: float) -> Iterator[dict[str, Any]]:
    """`first` and `second`: in how many seeds either was earlier at RQI > 0.95.
    `earlier`: the share of the first among these, with its exact interval. `larger`: in
    how many seeds it does have the larger lambda_3 (of random sets not each does).
    """
    x, y = (arm["steps_to_rqi"].astype(float).fillna(np.inf).to_numpy() for arm in (one, other))
    first, second = int((x < y).sum()), int((x > y).sum())
    decided = first + second
    bounds = binomtest(first, decided).proportion_ci(coverage, method="exact") if decided else None
    yield row_of("rqi", name, "first", first, None, len(x))
    yield row_of("rqi", name, "second", second, None, len(x))
    yield row_of("rqi", name, "earlier", first / decided if decided else np.nan, bounds, decided)
    larger = one["lambda3"].to_numpy() > other["lambda3"].to_numpy()
    yield row_of("lambda3", name, "larger", larger.sum(), None, len(x))


def ordered(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores `earlier` with what their intervals say of the theory's `order`."""
    earlier = scores[scores["statistic"] == "earlier"]
    return earlier.assign(order=[judged(one, 0.5, below=_AGAINST, above=_AS) for one in rows_of(earlier)])


def verdict(scores: pd.DataFrame) -> list[str]:
    """A sentence a setting, and one for all of them."""
    earlier, sentences = ordered(scores), []
    for values, group in earlier.groupby([*SETTING], sort=False):
        pairs = (group["arm"] + " before " + group["against"]).groupby(group["order"], sort=False)
        said = "; ".join(f"{word}: {', '.join(names)}" for word, names in pairs)
        sentences.append(f"**{_TITLE.format(*values)}.** Times to RQI > 0.95, {said}.")
    count = earlier["order"].tolist().count
    sentences.append(
        f"**All.** The order of lambda_3 is the order of the times in {count(_AS)} of {len(earlier)} comparisons, the "
        f"reverse in {count(_AGAINST)}, and {NOT_CERTAIN} in {count(NOT_CERTAIN)}."
    )
    return sentences


def page(arguments: Arguments, scores: pd.DataFrame) -> str:
    """What stands on the page after the answer."""
    at_rqi = scores[scores["target"] == "rqi"]
    said = ((at_rqi[at_rqi["predictor"] == name], {title: ("median", ",.0f")}) for name, title in PREDICTED.items())
    predicted = (wide(some, DESIGN, column) for some, column in said)
    to = SETTING | {"target": "to", "arm": "design"}
    reached = {"share": ("did", ".2f"), "predicted": ("said", ".2f"), "steps": ("median", ",.0f")}
    ends = {name: {name.replace("_", " "): ("mean", ".3f")} for name in ENDS}
    return f"""\
![lambda_3](lambda3.png)

Steps to RQI > 0.95 against lambda_3 of the training set; open: not within the budget; on the left edge: no unique
linear representation.

{arguments.seeds} seeds from {arguments.first_seed} on, {arguments.budget:,} steps. The networks of one seed and size
share their targets and all initial weights, and differ in their training sets alone: fast (searched for the largest
lambda_3), wide (for the largest ideal accuracy, of equals the largest lambda_3), random, slow (searched for the
smallest that leaves only the linear representation). A run that did not get there within the budget is censored.
Intervals are 95 %, over seeds: where all seeds have one set, they say nothing of another one of the design. Tested is
the choice of the set, by lambda_3: sets that differ in it also differ in what else they teach (ideal accuracy).

## Seed by seed

First, second: seeds in which that one of the pair was earlier at RQI > 0.95. Wanted: those in which the first set does
have the larger lambda_3. Share: of the first among the decided seeds, with its exact interval (above 0.5: as the theory
says). Ratio: of the steps, median over the seeds in which one of them got there; 0: mostly the first alone, a dash: the
second alone. Gains of the first over the second: paired differences of shares, bootstrap intervals of accuracies. All
intervals of a column of this table hold at once at 95 %.

{table(pair_rows(scores))}

## The sets, and what the theories say of them

Sets: how many different ones. lambda_3: median and quartiles; n_0: median, smallest and largest. Ideal accuracy: mean.
Steps to RQI > 0.95: medians; a dash: most runs are predicted never to get there (with a decoder: within the budget).
Z0/(lambda_3 eta) is an e-folding time: RQI needs several.

{table(beside(arm_rows(scores, DESIGN, {"set": SETS}), *predicted))}

## What the networks did

Shares within the budget with exact intervals, the share that the theory with a decoder had predicted, and Kaplan-Meier
medians of the steps over all runs with intervals (a dash: beyond the budget); mean accuracies at the end, bootstrapped.

{table([row for of in TARGETS for row in arm_rows(scores, to, {of: reached})])}

{table(arm_rows(scores, DESIGN, ends))}"""


def pair_rows(scores: pd.DataFrame) -> list[dict[str, str]]:
    """The table of the pairs."""
    some = scores[scores["against"] != ""]
    statistic, pair = some["target"] + " " + some["statistic"], some["arm"] + ", " + some["against"]
    rows = wide(some.assign(pair=pair, statistic=statistic, against=""), SETTING | {"pair": "pair"}, PAIRS)
    return beside(rows, [{"order": one} for one in ordered(scores)["order"]])


def lambda3(groups: dict[str, pd.DataFrame]) -> Figure:
    """Steps to RQI > 0.95 against lambda_3, a mark a run, a panel a setting."""
    everyone = pd.concat(groups.values())
    positive = everyone["lambda3"][everyone["lambda3"] > 0]
    low = positive.min() / 2 if len(positive) else 0.5  # a logarithmic axis has no 0: it lies on the left edge
    colours = looks(list(dict.fromkeys(everyone["arm"])), BASE)
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(max(4.2 * len(groups), 6), 3.8))
        panels: Any = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
        for axes, (title, group) in zip(panels, groups.items(), strict=True):
            for name, runs in group.groupby("arm", sort=False):
                steps, seen = measured(runs, "rqi")
                x, y = runs["lambda3"].to_numpy(float).clip(min=low), steps.clip(min=1)
                look: Any = {"color": colours[str(name)][0], "marker": _MARKS[str(name)], "s": 22}
                axes.scatter(x[seen], y[seen], alpha=0.8, label=name, **look)
                axes.scatter(x[~seen], y[~seen], facecolors="none", clip_on=False, **look)
            axes.set(xscale="log", yscale="log", xlim=(low, None), xlabel=r"$\lambda_3$ of the training set")
            axes.set_title(title, loc="left")
        panels[0].set_ylabel("steps to RQI > 0.95")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(colours))
        return figure


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
