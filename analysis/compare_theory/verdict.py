"""The numbers in words: what agrees and what does not. Every sentence follows from an
interval or a count of the report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.compare_theory.outcomes import Accuracy, SettingAccuracy, SuccessCalibration, SuccessShare
from analysis.compare_theory.predictors import NAMES, NULL_MODEL, PREDICTORS
from analysis.compare_theory.success import BASELINE, LOGISTIC, Irreducible, SuccessScore
from analysis.compare_theory.times import StepsScore, TimeScore
from analysis.report.words import (
    NOT_CERTAIN,
    TARGETS_IN_WORDS,
    judged,
    rates,
    surely_above,
    surely_below,
    with_span,
)
from analysis.runs.tables import TARGETS, Setting
from analysis.scores.bootstrap import MIN_OBSERVED
from analysis.theory.predictions import DECODER_FLOWS

SUCCESS_NAMES = {
    "share_by_size": "share by size",
    "linear_probability": "P(linear)",
    **{name: f"logistic of {NAMES[steps]}" for name, steps in LOGISTIC.items()},
    **{name: NAMES[name] for name in DECODER_FLOWS},
}
# Absolute times are right if the interval of the median ratio of measured to predicted
# steps lies in this band.
RIGHT_TIME = (0.8, 1.25)


def verdict(
    time: list[TimeScore],
    probability: list[SuccessShare],
    calibration: list[SuccessCalibration],
    accuracy: Accuracy,
    success: list[SuccessScore],
    irreducible: list[Irreducible],
) -> list[str]:
    """Sentences for each setting: success, order and size of the times, accuracy; and
    for all settings: success.
    """
    sentences = []
    for chance, exact in zip(calibration, accuracy.by_setting, strict=True):
        setting = Setting(chance.repr_lr, chance.decoder_lr)
        shares = [entry for entry in probability if setting.has(entry)]
        times = [entry for entry in time if setting.has(entry)]
        by_target = {target: {e.predictor: e for e in times if e.target == target} for target in TARGETS}
        here = _success(chance, shares) + _run_by_run(setting, success, irreducible)
        here += _order(by_target["rqi"]) + _absolute("Times", by_target["rqi"], PREDICTORS)
        for target in ("train", "test"):
            here += _beyond(target, by_target[target])
            here += _absolute(f"Times to {TARGETS_IN_WORDS[target]}", by_target[target], DECODER_FLOWS)
        here += _accuracy(exact)
        sentences += [f"**{rates(vars(setting))}.** {here[0]}", *here[1:]]
    if len(calibration) > 1:
        here = _run_by_run(Setting(None, None), success, irreducible)
        sentences += [f"**All settings.** {here[0]}", *here[1:]]
    return sentences


def _success(chance: SuccessCalibration, shares: list[SuccessShare]) -> list[str]:
    against = judged(
        chance.brier_gap_interval, (0, 0), below="better than", above="worse than", otherwise="not to be told from"
    )
    n_runs = " or ".join(map(str, sorted({entry.n for entry in shares})))
    outside = [
        str(entry.n_train)
        for entry in shares
        if not entry.measured_interval[0] <= entry.predicted <= entry.measured_interval[1]
    ]
    where = (
        f"outside, at {len(outside)} of {len(shares)} sizes ({', '.join(outside)})," if outside else "everywhere inside"
    )
    sentences = [
        f"P(linear) says {chance.mean_predicted:.0%} of the runs succeed, {chance.mean_measured:.0%} did; its "
        f"Brier score {chance.brier:.3f} is {against} the {chance.brier_base_rate:.3f} of always saying the latter.",
        f"P(linear) lies {where} the 95 % interval of the share measured on {n_runs} runs a size.",
    ]
    n_linear = chance.linear_and_success + chance.linear_and_failure
    n_other = chance.not_linear_and_success + chance.not_linear_and_failure
    if n_linear:
        sentences.append(
            f"With a unique linear representation {chance.linear_and_success} of {n_linear} runs succeeded within "
            f"the budget; by the exact flow it leaves time enough for {chance.linear_with_time} of them."
        )
    if n_other:
        alike = chance.same_sizes_linear_and_success
        n_alike = alike + chance.same_sizes_linear_and_failure
        sentences.append(
            f"Without one {chance.not_linear_and_success} of {n_other} runs succeeded; with one, at the same sizes, "
            f"{alike} of {n_alike}."
        )
    if chance.n_diverged:
        sentences.append(f"{chance.n_diverged} of {chance.n} runs diverged; they count as failures.")
    return sentences


def _run_by_run(setting: Setting, success: list[SuccessScore], irreducible: list[Irreducible]) -> list[str]:
    """How the theories with a decoder predict each run's success, beside the best fit
    without one, and beside what can be.
    """
    scores = {entry.predictor: entry for entry in success if setting.has(entry)}
    base = scores[BASELINE]
    n_successes = round(base.mean_measured * base.n)
    if base.auc_interval is None:
        return [f"Who succeeds is not judged run by run: {n_successes} of {base.n} runs did."]
    sentences = [
        f"Who succeeds, run by run ({n_successes} of {base.n} runs did): the {SUCCESS_NAMES[BASELINE]}, fitted to "
        f"the other seeds, has the Brier score {base.brier:.3f}, the share by size "
        f"{scores['share_by_size'].brier:.3f}."
    ]
    for name in DECODER_FLOWS:
        entry = scores[name]
        gap = entry.brier_minus_baseline_interval
        against = judged(gap, (0, 0), below="better than it", above="worse than it", otherwise="not to be told from it")
        sentences.append(
            f"Success, {NAMES[name]}, not fitted: {against}. Brier score {entry.brier:.3f}, difference "
            f"{with_span(entry.brier_minus_baseline, gap, '+.3f')}; AUC {entry.auc:.2f}; "
            f"it says {entry.mean_predicted:.0%} succeed, {entry.mean_measured:.0%} did."
        )
    for entry in irreducible:
        if setting.has(entry):
            if entry.brier_interval is None:
                sentences.append("Replicas, which differ in the decoder's initial weights alone, never disagreed.")
                continue
            left = with_span(entry.brier, entry.brier_interval, ".3f")
            sentences.append(
                f"Replicas, which differ in the decoder's initial weights alone, leave {left} of the Brier score to "
                "any predictor that does not know these weights."
            )
    return sentences


def _judged(times: dict[str, TimeScore]) -> bool:
    """Whether the order of the times can be: enough runs got there, and not all at
    once.
    """
    return all(entry.interval for entry in times.values())


def _beats_null(entry: TimeScore) -> bool:
    """Whether the order is better than the null model's, and than none."""
    return surely_above(0, entry.gain_over_null_interval) and surely_above(0.5, entry.interval)


def _order(times: dict[str, TimeScore]) -> list[str]:
    null = times[NULL_MODEL]
    if not _judged(times):
        return [f"The order of the times to RQI > 0.95 is not judged: {null.n_observed} runs got there."]
    sentences = [
        f"Order of the times to RQI > 0.95: the null model (training fraction) has concordance {null.c_index:.2f}."
    ]
    for name in PREDICTORS:
        if name == NULL_MODEL:
            continue
        entry = times[name]
        gain, within = entry.gain_over_null_interval, entry.interval_within_size
        against = "is worse" if surely_below(0, gain) else "cannot be said to beat it"
        against = "beats it" if _beats_null(entry) else against
        inside = "within one size nothing can be said"
        if within is not None:
            informed = judged(within, (0.5, 0.5), below="misleads:", above="carries", otherwise="shows no certain")
            inside = f"within one size it {informed} information ({with_span(entry.c_index_within_size, within)})"
        sentences.append(f"{NAMES[name]} ({entry.c_index:.2f}) {against}; {inside}.")
    return sentences


def _beyond(target: str, times: dict[str, TimeScore]) -> list[str]:
    """Which predictors of the times to RQI also tell the order of this accuracy's."""
    if not times or not _judged(times):
        return []
    null = times[NULL_MODEL]
    better = [NAMES[name] for name, entry in times.items() if name != NULL_MODEL and _beats_null(entry)]
    reversed_ = " (small training sets get there first)" if surely_below(0.5, null.interval) else ""
    # names have commas, so that a list of several needs another mark
    several = f"these beat it: {'; '.join(better)}"
    beaten = several if len(better) > 1 else f"{(*better, 'none of the others')[0]} beats it"
    return [
        f"Order of the times to {TARGETS_IN_WORDS[target]}: the null model has concordance {null.c_index:.2f}"
        f"{reversed_}; {beaten}."
    ]


def _absolute(what: str, times: dict[str, TimeScore], predictors: Sequence[str]) -> list[str]:
    """Judged over all runs with a prediction: those that got there alone look faster
    than all are.
    """
    sentences = []
    for name in predictors:
        entry = times.get(name)
        ratio = entry.ratio if isinstance(entry, StepsScore) else None
        if ratio is None or ratio.n_observed < MIN_OBSERVED:
            continue
        low, high = (math.inf if bound is None else bound for bound in ratio.median_interval)
        said = judged((low, high), RIGHT_TIME, below="too late", within="the right size", above="too early")
        bounds = "" if math.isinf(low) else f" [{low:.2g}, {_in_budget(high)}]"
        median = _in_budget(math.inf if ratio.median is None else ratio.median)
        sentences.append(
            f"{what}, {NAMES[name]}: {said}. Measured over predicted steps, median {median}{bounds}, failures "
            f"counted as longer; {ratio.observed_only[1]:.2g} among the {ratio.n_observed} runs that got there."
        )
    return sentences


def _in_budget(ratio: float) -> str:
    return "beyond the budget" if math.isinf(ratio) else f"{ratio:.2g}"


def _accuracy(accuracy: SettingAccuracy) -> list[str]:
    sentences = []
    for found, name in (
        (accuracy.predicted, "predicted accuracy (of the trained embedding)"),
        (accuracy.ideal, "ideal accuracy"),
    ):
        if found.mean_absolute_error is None or found.mean_error is None:
            continue
        r = found.pearson_r
        way = judged(found.mean_error_interval, (0, 0), below="too low", above="too high")
        off = f"{abs(found.mean_error):.3f} {way}"
        if way == NOT_CERTAIN:
            off = f"{found.mean_error:+.3f} off ({way} which way)"
        sentences.append(
            f"The {name} is {off} on average, mean absolute error {found.mean_absolute_error:.3f}, correlation "
            f"{'not defined' if r is None else f'{r:.2f}'}; the network was above it in {found.n_accuracy_above} of "
            f"{found.n} runs."
        )
    return sentences
