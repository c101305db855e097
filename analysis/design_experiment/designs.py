"""Networks of one seed on differently designed training sets of one size: what the sets are, what came of them, and
which network was first.

They share targets and all initial weights (`neural.start`), so that what differs is what the training set caused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

import efftheory as et
from analysis._words import rates, span, with_span
from analysis.runs.store import config_columns
from analysis.runs.tables import SETTING, TARGETS, measured, with_target
from analysis.statistics.bootstrap import MIN_OBSERVED
from analysis.statistics.entries import Entry, number
from analysis.statistics.survival import survival_curve
from neural.families.toy import Toy

GROUP = ["n_train", *SETTING]
PREDICTED = ("inverse_lambda3", "exact_flow", "decoder_flow")
ACCURACIES = ("accuracy", "train_accuracy", "test_accuracy")
_BOOTSTRAPS = 10_000
_AS, _AGAINST = "as the theory says", "against the theory"


def score_designs(runs: pd.DataFrame) -> list[Entry]:
    """An entry a setting and `design`: its sets, what is predicted for them, and what was measured on all of them.

    Predicted steps are lower medians (None: most are predicted never), measured ones Kaplan-Meier's (None: most did
    not get there). The target "test" is left out where there are too few test samples for it.
    """
    entries = []
    for values, group in runs.groupby([*GROUP, "design"], sort=False):
        entry: Entry = dict(zip([*GROUP, "design"], values, strict=True))
        entry |= {
            "n": len(group),
            "n_sets": len({mask.tobytes() for mask in group["mask"]}),
            "lambda3": group["lambda3"].quantile([0.25, 0.5, 0.75]).tolist(),
            "nullity": [int(group["nullity"].min()), int(group["nullity"].max())],
            "ideal_accuracy": float(group["ideal_accuracy"].mean()),
            "predicted_success": float(group["decoder_flow_success"].mean()),
            "predicted_steps": {name: number(_median(group[name].to_numpy(float))) for name in PREDICTED},
        }
        for target in TARGETS:
            if not with_target(group, target).empty:
                entry[target] = _reached(*measured(group, target))
        for name in ACCURACIES:
            values = group[name].to_numpy(float)
            entry[name] = {"mean": float(values.mean()), "interval": _of_the_mean(values, 0.95)}
        entries.append(entry)
    return entries


def _reached(times: NDArray[np.float64], observed: NDArray[np.bool_]) -> Entry:
    share, curve = et.proportion(int(observed.sum()), len(observed)), survival_curve(times, observed)
    return {
        "share": share.value,
        "interval": share.interval,
        "median_steps": curve.quantile(0.5),
        "median_interval": curve.quantile_interval(0.5),
    }


def compare_designs(runs: pd.DataFrame, designs: Sequence[str]) -> list[Entry]:
    """An entry a setting and pair of `designs`, which the theory wants in this order: seed by seed, who was first at
    RQI > 0.95, the ratio of the median steps, and the gain of the first over the second in successes and accuracies.

    `ordered`: seeds in which the first set does have the larger lambda_3 (of random ones not each does). `interval`: of
    the share of seeds in which the first was earlier, among those in which one of them was (exact; None: in none). All
    intervals of a kind hold at once at 95 % (Bonferroni).
    """
    groups = [(dict(zip(GROUP, values, strict=True)), group) for values, group in runs.groupby(GROUP, sort=False)]
    pairs = list(combinations(designs, 2))
    coverage = 1 - 0.05 / (len(groups) * len(pairs))
    entries = []
    for setting, group in groups:
        by_design = {name: group[group["design"] == name].sort_values("seed") for name in designs}
        for first, second in pairs:
            one, other = by_design[first], by_design[second]
            if one["seed"].tolist() != other["seed"].tolist():
                raise AssertionError("designs are compared seed by seed")
            x, y = (arm["steps_to_rqi"].fillna(math.inf).to_numpy(float) for arm in (one, other))
            earlier, later = int((x < y).sum()), int((x > y).sum())
            gains = {name: one[name].to_numpy(float) - other[name].to_numpy(float) for name in ACCURACIES}
            gains["success"] = np.isfinite(x).astype(float) - np.isfinite(y)
            entries.append(
                {
                    **setting,
                    "first": first,
                    "second": second,
                    "n": len(x),
                    "ordered": int((one["lambda3"].to_numpy() > other["lambda3"].to_numpy()).sum()),
                    "earlier": earlier,
                    "later": later,
                    "equal": len(x) - earlier - later,
                    "interval": _of_the_share(earlier, earlier + later, coverage),
                    "ratio": _ratio_of_medians(x, y, coverage),
                    "gain": {
                        name: {"mean": float(gain.mean()), "interval": _of_the_mean(gain, coverage)}
                        for name, gain in gains.items()
                    },
                }
            )
    return entries


def _of_the_share(successes: int, n: int, coverage: float) -> tuple[float, float] | None:
    if n == 0:
        return None
    interval = binomtest(successes, n).proportion_ci(coverage, method="exact")
    return float(interval.low), float(interval.high)


def _of_the_mean(values: NDArray[np.float64], coverage: float) -> tuple[float, float] | None:
    """Bootstrap interval over the seeds; None for few, of which a bootstrap does not know its own error."""
    if len(values) < MIN_OBSERVED:
        return None
    low, high = np.quantile(values[_draws(len(values))].mean(axis=1), [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def _ratio_of_medians(x: NDArray[np.float64], y: NDArray[np.float64], coverage: float) -> Entry:
    """median(y) / median(x), None where one of them is never; bootstrap over the seeds, which both share.

    `interval`: where both medians are never a draw could be anything, and widens it on both sides. Its bounds may be
    None: beyond what was seen; all of it, with few seeds.
    """
    draws = _draws(len(x))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.array(_median(y[draws]) / _median(x[draws]))
        ratio = float(_median(y) / _median(x)) if np.isfinite(_median(y)) else math.nan
    if len(x) < MIN_OBSERVED:
        return {"value": number(ratio), "interval": None}
    low = np.quantile(np.nan_to_num(ratios, nan=0, posinf=math.inf), (1 - coverage) / 2, method="inverted_cdf")
    high = np.quantile(np.nan_to_num(ratios, nan=math.inf, posinf=math.inf), (1 + coverage) / 2, method="inverted_cdf")
    return {"value": number(ratio), "interval": (number(low), number(high))}


def _median(times: NDArray[np.float64]) -> Any:
    """The lower middle one, along the last axis, as Kaplan-Meier's; inf where most are never."""
    return np.quantile(times, 0.5, axis=-1, method="inverted_cdf")


def _draws(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(n, size=(_BOOTSTRAPS, n))


def judged(pair: Entry) -> str:
    """What the interval of a pair says of the theory's order."""
    if pair["interval"] is None:
        return "not judged"
    low, high = pair["interval"]
    return _AS if low > 0.5 else _AGAINST if high < 0.5 else "which is not certain"


def verdict(pairs: list[Entry]) -> list[str]:
    """Sentences for each pair of designs, and one for all of them."""
    sentences = []
    for pair in pairs:
        decided = pair["earlier"] + pair["later"]
        order = (
            f"Earlier at RQI > 0.95 in {pair['earlier']} of the {decided} seeds in which one of them was "
            f"{span(pair['interval'])}, {judged(pair)}"
            if decided
            else "Neither was earlier at RQI > 0.95 in any seed"
        )
        success, accuracy = pair["gain"]["success"], pair["gain"]["test_accuracy"]
        sentences.append(
            f"**|D| = {pair['n_train']}, {rates(pair)}: {pair['first']} against {pair['second']}.** {order}. "
            f"Share of runs that get there: {_gain(success)}. Test accuracy at the end: {_gain(accuracy)}."
        )
    n_as, n_against = (sum(judged(pair) == word for pair in pairs) for word in (_AS, _AGAINST))
    sentences.append(
        f"**All.** The order of lambda_3 is the order of the times in {n_as} of {len(pairs)} comparisons, the reverse "
        f"in {n_against}, and not certain in {len(pairs) - n_as - n_against}."
    )
    return sentences


def _gain(gain: Entry) -> str:
    if gain["interval"] is None:
        return f"{gain['mean']:+.2f} (too few seeds for an interval)"
    low, high = gain["interval"]
    word = "higher" if low > 0 else "lower" if high < 0 else "no certain difference"
    return f"{with_span(gain['mean'], gain['interval'], '+.2f')}, {word}"


def run_entries(runs: pd.DataFrame) -> list[Entry]:
    """Each run in plain numbers; null = not within the budget, or predicted never."""
    names = ["design", *config_columns(Toy), *(f"steps_to_{target}" for target in TARGETS), "steps_run", "rqi"]
    names += ["accuracy", "train_accuracy", "test_accuracy", "nullity", "lambda3", "ideal_accuracy", "z0"]
    names += ["inverse_lambda3", "exact_flow", "decoder_flow", "decoder_flow_success"]
    records: Any = runs[names].astype(object).where(runs[names].notna(), None).to_dict("records")
    return records
