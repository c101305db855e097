"""What the report of the size law has: a record for each kind of row, in report.json's
order of fields.

Intervals are (low, high), 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """The transition at one p: its thresholds as drawn, and as the bounds predict them.

    All sizes are numbers of samples, between whole ones where P(linear) is.

    Attributes:
        p: number of symbols.
        n_samples: N = p(p + 1)/2, all samples.
        draws: random orders behind the numbers.
        critical_size, interval: n_c, the size at which P(linear) = 1/2.
        per_symbol, per_symbol_interval: n_c/p.
        fraction, fraction_interval: n_c/N.
        width, width_interval: from the size with P(linear) = 0.1 to that with 0.9.
        relative_width: width / n_c.
        predicted, predicted_width: n_c and width by the two bounds.
        closed_form: n_c by the coupon collector to leading orders.
        ratio, ratio_interval: measured n_c / predicted.
        width_ratio, width_ratio_interval: measured width / predicted.
        distance: the largest difference of the measured and the predicted P(linear).
        distance_by_chance: what 95 % of as many draws from the prediction stay below.
        quantiles: sizes at which P(linear) has the `LEVELS` of `size_law`, (99,).
        reduced: -ln Lambda at these, (99,); Lambda: expected number of free symbols.
    """

    p: int
    n_samples: int
    draws: int
    critical_size: float
    interval: Interval
    per_symbol: float
    per_symbol_interval: Interval
    fraction: float
    fraction_interval: Interval
    width: float
    width_interval: Interval
    relative_width: float
    predicted: float
    predicted_width: float
    closed_form: float
    ratio: float
    ratio_interval: Interval
    width_ratio: float
    width_ratio_interval: Interval
    distance: float
    distance_by_chance: float
    quantiles: list[float]
    reduced: list[float]


@dataclass(frozen=True)
class Decisions:
    """What decides: shares of random orders.

    Attributes:
        draws: random orders of which it was asked.
        exact: the threshold is the larger of its two lower bounds.
        covering: it is, and that is when the last symbol is covered.
        counting: it is, and that is when there are p - 2 equations (both may be).
    """

    draws: int
    exact: float
    exact_interval: Interval
    covering: float
    covering_interval: Interval
    counting: float
    counting_interval: Interval


@dataclass(frozen=True)
class Size(Estimate):
    """All that is known at one p."""

    bounds: Decisions


@dataclass(frozen=True)
class Slope:
    """d ln n_c / d ln p between two neighbouring p, measured, and by the bounds."""

    p: list[int]
    slope: float
    interval: Interval
    predicted: float


@dataclass(frozen=True)
class Parameter:
    """A fitted number of a law.

    Attributes:
        interval: from the curvature of chi^2.
        bootstrap_interval: from fits to bootstrapped n_c.
    """

    name: str
    value: float
    interval: Interval
    bootstrap_interval: Interval


@dataclass(frozen=True)
class LawScore:
    """A law held against the n_c of a range of p.

    Attributes:
        law, formula: name and n_c in symbols.
        least_p, n: where the range begins, and how many p it has.
        parameters: those that were fitted.
        chi2: of ln n_c; degrees_of_freedom: n less the parameters.
        p_value: the probability of a larger chi^2 if the law is right.
        aic: chi^2 + 2 parameters; delta_aic: above that of the range's best law.
        critical_sizes: n_c by the law, (n,).
    """

    law: str
    formula: str
    least_p: int
    n: int
    parameters: list[Parameter]
    chi2: float
    degrees_of_freedom: int
    chi2_per_degree: float
    p_value: float
    aic: float
    critical_sizes: list[float]
    delta_aic: float


@dataclass(frozen=True)
class Distance:
    """Kolmogorov and Smirnov's, of the transition at p from that at the largest p."""

    p: int
    distance: float


@dataclass(frozen=True)
class Collapse:
    """How near all transitions are to one curve, each from its own n_c and in one
    scale.

    Attributes:
        scale: what sizes are measured in.
        reference: the largest p.
        distances: of each smaller p from it; largest: of these.
        by_chance, by_chance_95: median and 95 % of `largest` where all have one law.
        one_by_chance_95: 95 % of a single distance there.
    """

    scale: str
    reference: int
    distances: list[Distance]
    largest: float
    by_chance: float
    by_chance_95: float
    one_by_chance_95: float


@dataclass(frozen=True)
class Study:
    """The report.

    Attributes:
        verdict: what the numbers say, a sentence each.
        sizes: by ascending p.
        slopes: between these.
        laws: each law in each range of p in which it can be held against the sizes.
        collapse: a scale each; empty for one p alone.
        seed: of all random orders.
        environment: what the numbers were made with.
    """

    verdict: list[str]
    sizes: list[Size]
    slopes: list[Slope]
    laws: list[LawScore]
    collapse: list[Collapse]
    seed: int
    environment: dict[str, Any]
