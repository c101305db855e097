"""Are the times right? Their order (concordance) and their size (measured over
predicted), for each setting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.compare_theory.predictors import GRADIENT_FLOWS, NULL_MODEL, PREDICTORS
from analysis.runs.tables import TARGETS, Setting, measured, settings, sizes, with_target
from analysis.scores.bootstrap import BOOTSTRAPS, MIN_OBSERVED, bootstrap_weights, interval
from analysis.scores.concordance import compare_pairs
from analysis.scores.entries import number
from analysis.scores.survival import survival_curve
from analysis.theory.predictions import time_column

# The gain over the null model is asked of all others: each interval is wide enough for
# all to hold at 95 %.
_GAIN_COVERAGE = 1 - 0.05 / (len(PREDICTORS) - 1)


@dataclass(frozen=True)
class SizeConcordance:
    """The order of the times at one training-set size, as `TimeScore` has it."""

    n_train: int
    c_index: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Quartiles:
    """Measured over predicted steps, censored runs counted as "longer than".

    Attributes:
        lower_quartile, median, upper_quartile: Kaplan-Meier's; None: beyond what was
            seen.
        median_interval: the 95 % interval of the median; None: no bound.
        observed_only: the three quartiles of the observed runs alone, which look faster
            than all runs are; None where there are none.
        n_observed: how many these are.
    """

    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None
    median_interval: tuple[float | None, float | None]
    observed_only: list[float | None]
    n_observed: int


@dataclass(frozen=True)
class _Asked:
    """A predictor (of PREDICTORS) of the steps to a target (of TARGETS)."""

    target: str
    predictor: str


@dataclass(frozen=True)
class TimeScore(Setting, _Asked):
    """The order of one predictor's times to one target; all that the null model has.

    Attributes:
        c_index, interval: concordance of all runs, with its 95 % interval.
        gain_over_null_interval: of the concordance less the null model's, wide enough
            for all predictors to hold at once.
        c_index_within_size, interval_within_size: concordance of the pairs of runs of
            one training-set size.
        by_size: the concordance at each size.
        n, n_observed: runs, and those that reached the target within their budget.

    A concordance without comparable pairs is None; so are intervals where fewer than
    MIN_OBSERVED runs got there.
    """

    c_index: float | None
    interval: tuple[float, float] | None
    gain_over_null_interval: tuple[float, float] | None
    c_index_within_size: float | None
    interval_within_size: tuple[float, float] | None
    by_size: list[SizeConcordance]
    n: int
    n_observed: int


@dataclass(frozen=True)
class StepsScore(TimeScore):
    """And their size, for a predictor that gives steps.

    Attributes:
        n_predicted: runs with a finite prediction above 0.
        n_reached_though_not_predicted: runs that got there although the theory says
            never (for `optimizer_flow` and `memory_flow`, which are followed to the
            budget only: not within it).
        ratio: measured over predicted steps of the n_predicted runs; None without any.
    """

    n_predicted: int
    n_reached_though_not_predicted: int
    ratio: Quartiles | None


@dataclass(frozen=True)
class GradientFlowScore(StepsScore):
    """And the same in the paper's units, for times that are proportional to Z0.

    Attributes:
        ratio_standardized: `ratio` with the Z0 = (p - 1) d of a standardised embedding
            instead of the run's own Z0. (Adam's flow does not see Z0.)
    """

    ratio_standardized: Quartiles | None


@dataclass(frozen=True)
class MedianSteps(Setting):
    """Median steps of a setting's runs of one size to one target, measured and
    predicted.

    Attributes:
        n, n_observed: runs, and those that reached the target within their budget.
        median, interval: Kaplan-Meier's, with its 95 % interval; None: more than half
            were censored.
        predicted_median_...: of each predictor; None: most are predicted never, or the
            table of runs does not have this predictor.
    """

    n_train: int
    target: str
    n: int
    n_observed: int
    median: float | None
    interval: tuple[float | None, float | None]
    predicted_median_inverse_lambda3: float | None
    predicted_median_exact_flow: float | None
    predicted_median_optimizer_flow: float | None
    predicted_median_memory_flow_blind: float | None
    predicted_median_memory_flow: float | None


def score_time(runs: pd.DataFrame, seed: int) -> list[TimeScore]:
    """Order and size of each predictor's times for each setting and target.

    Sizes with fewer than MIN_TEST_SAMPLES test samples are left out of the target
    "test".
    """
    scores = []
    for setting, everyone in settings(runs):
        for target in TARGETS:
            group = with_target(everyone, target)
            if group.empty:
                continue
            times, observed = measured(group, target)
            draws = BOOTSTRAPS if observed.sum() >= MIN_OBSERVED else 0
            weights = bootstrap_weights(group["n_train"], seed, draws)
            null = compare_pairs(times, observed, group[NULL_MODEL]).index(weights)
            for predictor in PREDICTORS:
                order = _order(setting, group, target, predictor, weights, null)
                scores.append(order if predictor == NULL_MODEL else _with_size(order, group))
    return scores


def _order(
    setting: Setting,
    group: pd.DataFrame,
    target: str,
    predictor: str,
    weights: NDArray[np.float64],
    null: NDArray[np.float64],
) -> TimeScore:
    """The order of a group's times; `null`: the null model's concordance in each
    bootstrap of `weights`.
    """
    times, observed = measured(group, target)
    predicted, n_train = _predicted(group, predictor, target), group["n_train"]
    once = np.ones((1, len(times)))
    overall = compare_pairs(times, observed, predicted)
    within = compare_pairs(times, observed, predicted, n_train)
    by_size = []
    for size in sizes(group):
        here = (n_train == size).to_numpy()
        pairs = compare_pairs(times[here], observed[here], predicted[here])
        value = number(pairs.index(once[:, here])[0])
        by_size.append(SizeConcordance(size, value, interval(pairs.index(weights[:, here]))))
    return TimeScore(
        target=target,
        predictor=predictor,
        **vars(setting),
        c_index=number(overall.index(once)[0]),
        interval=interval(overall.index(weights)),
        gain_over_null_interval=interval(overall.index(weights) - null, _GAIN_COVERAGE),
        c_index_within_size=number(within.index(once)[0]),
        interval_within_size=interval(within.index(weights)),
        by_size=by_size,
        n=len(group),
        n_observed=int(observed.sum()),
    )


def _with_size(order: TimeScore, group: pd.DataFrame) -> StepsScore:
    times, observed = measured(group, order.target)
    predicted = _predicted(group, order.predictor, order.target)
    score = StepsScore(
        **vars(order),
        n_predicted=int(_usable(predicted).sum()),
        n_reached_though_not_predicted=int((observed & np.isinf(predicted)).sum()),
        ratio=_quartiles(times, observed, predicted),
    )
    if order.predictor not in GRADIENT_FLOWS:
        return score
    standard = predicted * ((group["p"] - 1) * group["d"] / group["z0"]).to_numpy()
    return GradientFlowScore(**vars(score), ratio_standardized=_quartiles(times, observed, standard))


def _predicted(group: pd.DataFrame, predictor: str, target: str) -> NDArray[np.float64]:
    return group[time_column(predictor, target)].to_numpy(float)


def _usable(predicted: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isfinite(predicted) & (predicted > 0)


def _quartiles(
    times: NDArray[np.float64], observed: NDArray[np.bool_], predicted: NDArray[np.float64]
) -> Quartiles | None:
    """Of measured over predicted steps; None without a finite prediction above 0."""
    usable = _usable(predicted)
    if not usable.any():
        return None
    ratio, observed = times[usable] / predicted[usable], observed[usable]
    curve = survival_curve(ratio, observed)
    seen = np.quantile(ratio[observed], [0.25, 0.5, 0.75], method="inverted_cdf") if observed.any() else [math.nan] * 3
    return Quartiles(
        lower_quartile=curve.quantile(0.25),
        median=curve.quantile(0.5),
        upper_quartile=curve.quantile(0.75),
        median_interval=curve.quantile_interval(0.5),
        observed_only=[number(value) for value in seen],
        n_observed=int(observed.sum()),
    )


def score_medians(runs: pd.DataFrame) -> list[MedianSteps]:
    """Median of each measured time for each setting and size (Kaplan-Meier), and of the
    predictions that the table has.

    The median of an even number is the lower middle one throughout: that is what
    Kaplan-Meier gives, and it exists where half of the times are "never".
    """
    medians = []
    for setting, everyone in settings(runs):
        for target in TARGETS:
            with_it = with_target(everyone, target)
            for size in sizes(with_it):
                group = with_it[with_it["n_train"] == size]
                times, observed = measured(group, target)
                curve = survival_curve(times, observed)
                predicted = {
                    f"predicted_median_{name}": _middle(group, time_column(name, target))
                    for name in PREDICTORS
                    if name != NULL_MODEL
                }
                medians.append(
                    MedianSteps(
                        **vars(setting),
                        n_train=size,
                        target=target,
                        n=len(group),
                        n_observed=int(observed.sum()),
                        median=curve.quantile(0.5),
                        interval=curve.quantile_interval(0.5),
                        **predicted,
                    )
                )
    return medians


def _middle(group: pd.DataFrame, column: str) -> float | None:
    return number(group[column].quantile(0.5, interpolation="lower")) if column in group else None
