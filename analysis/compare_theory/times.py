"""Are the times right? Their order (concordance) and their size (measured over predicted), for each setting."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from analysis.compare_theory.predictors import GRADIENT_FLOWS, NULL_MODEL, PREDICTORS, time_column
from analysis.runs.tables import TARGETS, measured, settings, sizes, with_target
from analysis.statistics.bootstrap import BOOTSTRAPS, MIN_OBSERVED, bootstrap_weights, interval
from analysis.statistics.concordance import compare_pairs
from analysis.statistics.entries import Entry, number
from analysis.statistics.survival import survival_curve

# The gain over the null model is asked of all others: each interval is wide enough for all to hold at 95 %.
_GAIN_COVERAGE = 1 - 0.05 / (len(PREDICTORS) - 1)


def score_time(runs: pd.DataFrame, seed: int) -> list[Entry]:
    """Order and size of each predictor's times for each setting and target; an entry each.

    `ratio_standardized` has the prediction in the paper's units, a standardised embedding's Z0 = (p - 1) d, instead of
    with the run's own Z0. Adam's flow does not see Z0.

    No intervals of the order where fewer than MIN_OBSERVED runs got there.
    Sizes with fewer than MIN_TEST_SAMPLES test samples are left out of the target "test".
    """
    entries = []
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
                predicted = group[time_column(predictor, target)].to_numpy(float)
                entry = {"target": target, "predictor": predictor, **setting}
                entry |= _concordance(times, observed, predicted, group["n_train"], weights, null)
                entry |= {"n": len(group), "n_observed": int(observed.sum())}
                if predictor != NULL_MODEL:
                    entry |= _ratio(times, observed, predicted)
                if predictor in GRADIENT_FLOWS:
                    standard = predicted * ((group["p"] - 1) * group["d"] / group["z0"]).to_numpy()
                    entry["ratio_standardized"] = _ratio(times, observed, standard)["ratio"]
                entries.append(entry)
    return entries


def _concordance(times, observed, predicted, n_train: pd.Series, weights, null) -> Entry:
    once = np.ones((1, len(times)))
    overall = compare_pairs(times, observed, predicted)
    within = compare_pairs(times, observed, predicted, n_train)
    by_size = []
    for size in sorted(set(n_train)):
        here = (n_train == size).to_numpy()
        pairs = compare_pairs(times[here], observed[here], predicted[here])
        value = number(pairs.index(once[:, here])[0])
        by_size.append({"n_train": size, "c_index": value, "interval": interval(pairs.index(weights[:, here]))})
    return {
        "c_index": number(overall.index(once)[0]),
        "interval": interval(overall.index(weights)),
        "gain_over_null_interval": interval(overall.index(weights) - null, _GAIN_COVERAGE),
        "c_index_within_size": number(within.index(once)[0]),
        "interval_within_size": interval(within.index(weights)),
        "by_size": by_size,
    }


def _ratio(times, observed, predicted) -> Entry:
    """Measured / predicted steps over the runs with a finite prediction above 0; censored runs count as "longer than".

    `n_reached_though_not_predicted`: runs that got there although the theory says never (for `optimizer_flow` and the
    decoder's, which are followed to the budget only: not within it).
    """
    usable = np.isfinite(predicted) & (predicted > 0)
    return {
        "n_predicted": int(usable.sum()),
        "n_reached_though_not_predicted": int((observed & np.isinf(predicted)).sum()),
        "ratio": _quartiles(times[usable] / predicted[usable], observed[usable]) if usable.any() else None,
    }


def _quartiles(ratio: np.ndarray, observed: np.ndarray) -> Entry:
    """Kaplan-Meier quartiles (None: beyond what was seen) and the median's 95 % interval (None: no bound).

    Also the quartiles of the observed runs alone, which look faster than all runs are.
    """
    curve = survival_curve(ratio, observed)
    seen = np.quantile(ratio[observed], [0.25, 0.5, 0.75], method="inverted_cdf") if observed.any() else [math.nan] * 3
    return {
        "lower_quartile": curve.quantile(0.25),
        "median": curve.quantile(0.5),
        "upper_quartile": curve.quantile(0.75),
        "median_interval": curve.quantile_interval(0.5),
        "observed_only": [number(value) for value in seen],
        "n_observed": int(observed.sum()),
    }


def score_medians(runs: pd.DataFrame) -> list[Entry]:
    """Median of each measured time for each setting and size (Kaplan-Meier), and of the predictions.

    The median of an even number is the lower middle one throughout: that is what Kaplan-Meier gives, and it exists
    where half of the times are "never". None = more than half were censored, or are predicted never. Predictions: those
    that the table has.
    """
    entries = []
    for setting, everyone in settings(runs):
        for target in TARGETS:
            with_it = with_target(everyone, target)
            for size in sizes(with_it):
                group = with_it[with_it["n_train"] == size]
                times, observed = measured(group, target)
                curve = survival_curve(times, observed)
                entry = {**setting, "n_train": size, "target": target}
                entry |= {"n": len(group), "n_observed": int(observed.sum())}
                entry |= {"median": curve.quantile(0.5), "interval": curve.quantile_interval(0.5)}
                for name in PREDICTORS:
                    column = time_column(name, target)
                    if name != NULL_MODEL and column in group:
                        middle = group[column].quantile(0.5, interpolation="lower")
                        entry[f"predicted_median_{name}"] = number(middle)
                entries.append(entry)
    return entries
