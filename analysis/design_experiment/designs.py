"""Networks of one seed on differently designed training sets of one size: what the sets
are, what came of them, and which network was first.

They share targets and all initial weights (`neural.start`), so that what differs is
what the training set caused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest

import efftheory as et
from analysis.report.words import NOT_CERTAIN, judged, rates, span, with_span
from analysis.runs.store import config_columns
from analysis.runs.tables import SETTING, TARGETS, measured, with_target
from analysis.scores.bootstrap import MIN_OBSERVED
from analysis.scores.entries import Entry, number
from analysis.scores.survival import survival_curve
from neural.families.toy import Toy

GROUP = ["n_train", *SETTING]
ACCURACIES = ("accuracy", "train_accuracy", "test_accuracy")
_BOOTSTRAPS = 10_000
_AS, _AGAINST = "as the theory says", "against the theory"


@dataclass(frozen=True)
class Estimate:
    """A mean over the seeds.

    Attributes:
        mean: the mean.
        interval: bootstrap over the seeds; None: too few of them.
    """

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PredictedSteps:
    """Lower medians of the steps to RQI > 0.95 that are predicted for the sets of one
    design; None: most are predicted never.

    Attributes:
        inverse_lambda3: the e-folding time Z0/(lambda_3 eta).
        exact_flow: by the exact gradient flow.
        memory_flow: by the theory with a decoder.
    """

    inverse_lambda3: float | None
    exact_flow: float | None
    memory_flow: float | None


@dataclass(frozen=True)
class Reached:
    """How many runs reach a target within the budget, and when.

    Attributes:
        share: of the runs.
        interval: of the share, exact, at 95 %.
        median_steps: Kaplan-Meier's; None: most do not get there.
        median_interval: of these, at 95 %; None: no bound.
    """

    share: float
    interval: tuple[float, float]
    median_steps: float | None
    median_interval: tuple[float | None, float | None]


@dataclass(frozen=True)
class DesignScore:
    """The sets of one design and setting, what is predicted for them, and what was
    measured on all of them.

    Attributes:
        n_train: their size |D|.
        repr_lr, decoder_lr: learning rates of the runs.
        design: its name.
        n: number of runs.
        n_sets: of different sets among theirs.
        lambda3: quartiles, (3,).
        nullity: the smallest and the largest, (2,).
        ideal_accuracy: the mean.
        predicted_success: the share of runs with RQI > 0.95 within the budget, by the
            theory with a decoder.
        predicted_steps: to RQI > 0.95.
        rqi, train, test: what came of RQI > 0.95, of train and of test accuracy 0.9.
            Without enough test samples `test` is None, and left out of report.json.
        accuracy, train_accuracy, test_accuracy: at the end, over all samples, those of
            the set, and the others; intervals at 95 %.
    """

    n_train: int
    repr_lr: float
    decoder_lr: float
    design: str
    n: int
    n_sets: int
    lambda3: list[float]
    nullity: list[int]
    ideal_accuracy: float
    predicted_success: float
    predicted_steps: PredictedSteps
    rqi: Reached
    train: Reached
    test: Reached | None
    accuracy: Estimate
    train_accuracy: Estimate
    test_accuracy: Estimate


@dataclass(frozen=True)
class Ratio:
    """Median steps of the second of a pair over those of the first.

    Attributes:
        value: None: one of them is never.
        interval: bootstrap over the seeds. A bound may be None: beyond what was seen.
            None as a whole: too few seeds.
    """

    value: float | None
    interval: tuple[float | None, float | None] | None


@dataclass(frozen=True)
class Gains:
    """Of the first of a pair over the second, seed by seed.

    Attributes:
        accuracy, train_accuracy, test_accuracy: of the accuracies at the end.
        success: of the share of runs that get to RQI > 0.95 within the budget.
    """

    accuracy: Estimate
    train_accuracy: Estimate
    test_accuracy: Estimate
    success: Estimate


@dataclass(frozen=True)
class Pair:
    """Two designs in one setting, in the order that the theory wants, seed by seed. All
    intervals of a kind hold at once at 95 % (Bonferroni).

    Attributes:
        n_train: size |D| of the training sets.
        repr_lr, decoder_lr: learning rates.
        first, second: names of the designs.
        n: number of seeds.
        ordered: seeds in which the first set does have the larger lambda_3 (of random
            ones not each does).
        earlier: seeds in which the first was earlier at RQI > 0.95.
        later: seeds in which the second was.
        equal: the other seeds.
        interval: of the share of seeds in which the first was earlier, among those in
            which one of them was (exact; None: in none).
        ratio: of the median steps to RQI > 0.95.
        gain: in successes and accuracies.
    """

    n_train: int
    repr_lr: float
    decoder_lr: float
    first: str
    second: str
    n: int
    ordered: int
    earlier: int
    later: int
    equal: int
    interval: tuple[float, float] | None
    ratio: Ratio
    gain: Gains


def score_designs(runs: pd.DataFrame) -> list[DesignScore]:
    """A score a setting and `design`."""
    scores = []
    for values, group in runs.groupby([*GROUP, "design"], sort=False):
        setting: Entry = dict(zip([*GROUP, "design"], values, strict=True))
        scores.append(
            DesignScore(
                **setting,
                n=len(group),
                n_sets=len({mask.tobytes() for mask in group["mask"]}),
                lambda3=group["lambda3"].quantile([0.25, 0.5, 0.75]).tolist(),
                nullity=[int(group["nullity"].min()), int(group["nullity"].max())],
                ideal_accuracy=float(group["ideal_accuracy"].mean()),
                predicted_success=float(group["memory_flow_success"].mean()),
                predicted_steps=PredictedSteps(
                    inverse_lambda3=_median_of(group["inverse_lambda3"]),
                    exact_flow=_median_of(group["exact_flow"]),
                    memory_flow=_median_of(group["memory_flow"]),
                ),
                rqi=_reached(group, "rqi"),
                train=_reached(group, "train"),
                test=None if with_target(group, "test").empty else _reached(group, "test"),
                accuracy=_estimate(group["accuracy"].to_numpy(float), 0.95),
                train_accuracy=_estimate(group["train_accuracy"].to_numpy(float), 0.95),
                test_accuracy=_estimate(group["test_accuracy"].to_numpy(float), 0.95),
            )
        )
    return scores


def _median_of(steps: pd.Series) -> float | None:
    return number(_median(steps.to_numpy(float)))


def _reached(runs: pd.DataFrame, target: str) -> Reached:
    times, observed = measured(runs, target)
    share, curve = et.proportion(int(observed.sum()), len(observed)), survival_curve(times, observed)
    return Reached(
        share=share.value,
        interval=share.interval,
        median_steps=curve.quantile(0.5),
        median_interval=curve.quantile_interval(0.5),
    )


def compare_designs(runs: pd.DataFrame, designs: Sequence[str]) -> list[Pair]:
    """Each pair of `designs`, which the theory wants in this order, in each setting."""
    groups: list[tuple[Entry, pd.DataFrame]] = [
        (dict(zip(GROUP, values, strict=True)), group) for values, group in runs.groupby(GROUP, sort=False)
    ]
    pairs = list(combinations(designs, 2))
    coverage = 1 - 0.05 / (len(groups) * len(pairs))
    compared = []
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
            compared.append(
                Pair(
                    **setting,
                    first=first,
                    second=second,
                    n=len(x),
                    ordered=int((one["lambda3"].to_numpy() > other["lambda3"].to_numpy()).sum()),
                    earlier=earlier,
                    later=later,
                    equal=len(x) - earlier - later,
                    interval=_of_the_share(earlier, earlier + later, coverage),
                    ratio=_ratio_of_medians(x, y, coverage),
                    gain=Gains(**{name: _estimate(gain, coverage) for name, gain in gains.items()}),
                )
            )
    return compared


def _of_the_share(successes: int, n: int, coverage: float) -> tuple[float, float] | None:
    if n == 0:
        return None
    interval = binomtest(successes, n).proportion_ci(coverage, method="exact")
    return float(interval.low), float(interval.high)


def _estimate(values: NDArray[np.float64], coverage: float) -> Estimate:
    return Estimate(float(values.mean()), _of_the_mean(values, coverage))


def _of_the_mean(values: NDArray[np.float64], coverage: float) -> tuple[float, float] | None:
    """Bootstrap interval over the seeds; None for few, of which a bootstrap does not
    know its own error.
    """
    if len(values) < MIN_OBSERVED:
        return None
    low, high = np.quantile(values[_draws(len(values))].mean(axis=1), [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def _ratio_of_medians(x: NDArray[np.float64], y: NDArray[np.float64], coverage: float) -> Ratio:
    """median(y) / median(x), None where one of them is never; bootstrap over the seeds,
    which both share.

    `interval`: where both medians are never a draw could be anything, and widens it on
    both sides. Its bounds may be None: beyond what was seen; all of it, with few seeds.
    """
    draws = _draws(len(x))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.array(_median(y[draws]) / _median(x[draws]))
        ratio = float(_median(y) / _median(x)) if np.isfinite(_median(y)) else math.nan
    if len(x) < MIN_OBSERVED:
        return Ratio(number(ratio), None)
    low = np.quantile(np.nan_to_num(ratios, nan=0, posinf=math.inf), (1 - coverage) / 2, method="inverted_cdf")
    high = np.quantile(np.nan_to_num(ratios, nan=math.inf, posinf=math.inf), (1 + coverage) / 2, method="inverted_cdf")
    return Ratio(number(ratio), (number(low), number(high)))


def _median(times: NDArray[np.float64]) -> Any:
    """The lower middle one, along the last axis, as Kaplan-Meier's; inf where most are
    never.
    """
    return np.quantile(times, 0.5, axis=-1, method="inverted_cdf")


def _draws(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(n, size=(_BOOTSTRAPS, n))


def order(pair: Pair) -> str:
    """What the interval of a pair says of the theory's order."""
    if pair.interval is None:
        return "not judged"
    return judged(pair.interval, (0.5, 0.5), below=_AGAINST, above=_AS, otherwise=f"which is {NOT_CERTAIN}")


def verdict(pairs: list[Pair]) -> list[str]:
    """Sentences for each pair of designs, and one for all of them."""
    sentences = []
    for pair in pairs:
        decided = pair.earlier + pair.later
        earlier = (
            f"Earlier at RQI > 0.95 in {pair.earlier} of the {decided} seeds in which one of them was "
            f"{span(pair.interval)}, {order(pair)}"
            if decided
            else "Neither was earlier at RQI > 0.95 in any seed"
        )
        success, accuracy = pair.gain.success, pair.gain.test_accuracy
        sentences.append(
            f"**|D| = {pair.n_train}, {rates(vars(pair))}: {pair.first} against {pair.second}.** {earlier}. "
            f"Share of runs that get there: {_gain(success)}. Test accuracy at the end: {_gain(accuracy)}."
        )
    n_as, n_against = (sum(order(pair) == word for pair in pairs) for word in (_AS, _AGAINST))
    sentences.append(
        f"**All.** The order of lambda_3 is the order of the times in {n_as} of {len(pairs)} comparisons, the reverse "
        f"in {n_against}, and {NOT_CERTAIN} in {len(pairs) - n_as - n_against}."
    )
    return sentences


def _gain(gain: Estimate) -> str:
    if gain.interval is None:
        return f"{gain.mean:+.2f} (too few seeds for an interval)"
    word = judged(gain.interval, (0, 0), below="lower", above="higher", otherwise="no certain difference")
    return f"{with_span(gain.mean, gain.interval, '+.2f')}, {word}"


def run_entries(runs: pd.DataFrame) -> list[Entry]:
    """Each run in plain numbers; null = not within the budget, or predicted never."""
    names = ["design", *config_columns(Toy), *(f"steps_to_{target}" for target in TARGETS), "steps_run", "rqi"]
    names += ["accuracy", "train_accuracy", "test_accuracy", "nullity", "lambda3", "ideal_accuracy", "z0"]
    names += ["inverse_lambda3", "exact_flow", "memory_flow", "memory_flow_success"]
    records: Any = runs[names].astype(object).where(runs[names].notna(), None).to_dict("records")
    return records
