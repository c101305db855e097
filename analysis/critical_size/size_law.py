"""How the critical size grows with p: the median threshold and its interval, laws held
against it, and the collapse of all transitions onto one curve.

A threshold T is the number of samples from which on the linear representation is
unique, P(linear at n) = P(T <= n).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.stats import binom, chi2, kstwo, norm

import efftheory as et
from analysis.critical_size.bounds import Law as Probability
from analysis.critical_size.bounds import closed_form, counted, covered, expected_free, predicted, predicted_size
from analysis.critical_size.records import (
    Collapse,
    Decisions,
    Distance,
    Estimate,
    Interval,
    LawScore,
    Parameter,
    Slope,
)

Floats = NDArray[np.float64]

LEAST_DRAWS = 10  # fewer have no 95 % interval of the median worth the name
WIDTH = (0.1, 0.9)
LEVELS = np.arange(1, 100) / 100
RANGES = (0, 20, 80, 320)  # the smallest p of a fit: how much do laws owe to small p?
BOUNDS = "both bounds"
_BOOTSTRAPS = 1000
_REFITS = 200
_NULL_DRAWS = 200
_SIGMAS = float(norm.ppf(0.975))


def spread(thresholds: NDArray[np.integer]) -> Floats:
    """The thresholds sorted, those with the same value t spread evenly over (t - 1, t].

    Their distribution function is P(linear) with straight lines between the sizes: so
    n_c, where it crosses 1/2, and every other size below is a quantile of these
    numbers, also where p is so small that whole samples are coarse.
    """
    values, counts = np.unique(thresholds, return_counts=True)
    rank = np.arange(len(thresholds)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(values - 1.0, counts) + (rank + 0.5) / np.repeat(counts, counts)


def median_interval(ordered: Floats) -> tuple[float, float]:
    """95 % for the median of whatever distribution: between two order statistics, by
    the binomial law of how many draws are below it. `ordered`: ascending, at least
    LEAST_DRAWS.
    """
    lower = int(binom.ppf(0.025, len(ordered), 0.5))
    return float(ordered[lower - 1]), float(ordered[len(ordered) - lower])


def quantiles(ordered: Floats, levels: Sequence[float] | Floats) -> Floats:
    """Where the distribution function, drawn through the middles of its steps, has
    these levels.
    """
    return np.interp(np.asarray(levels), (np.arange(len(ordered)) + 0.5) / len(ordered), ordered)


def resampled(thresholds: NDArray[np.integer], rng: np.random.Generator) -> Floats:
    """Bootstrap draws of the 10, 50 and 90 % sizes, (_BOOTSTRAPS, 3)."""
    levels = (WIDTH[0], 0.5, WIDTH[1])
    return np.array(
        [quantiles(spread(rng.choice(thresholds, len(thresholds))), levels) for _ in range(_BOOTSTRAPS)]
    )  # fmt: skip


def estimate(p: int, thresholds: NDArray[np.integer], boots: Floats) -> Estimate:
    """The transition at one p as measured, and as the bounds predict it; `boots`: of
    `resampled`.
    """
    n_samples = p * (p + 1) // 2
    ordered = spread(thresholds)
    low, median, high = quantiles(ordered, (WIDTH[0], 0.5, WIDTH[1]))
    interval = np.array(median_interval(ordered))
    width_interval = np.quantile(boots[:, 2] - boots[:, 0], (0.025, 0.975))
    theory, theory_width = predicted_size(p), predicted_size(p, WIDTH[1]) - predicted_size(p, WIDTH[0])
    sizes, counts = np.unique(thresholds, return_counts=True)
    steps = np.cumsum(counts) / len(thresholds)
    expected = predicted(p, sizes)
    before = predicted(p, sizes - 1) - np.append(0, steps[:-1])  # sizes without a threshold matter on their last one
    return Estimate(
        p=p,
        n_samples=n_samples,
        draws=len(thresholds),
        critical_size=median,
        interval=_pair(interval),
        per_symbol=median / p,
        per_symbol_interval=_pair(interval / p),
        fraction=median / n_samples,
        fraction_interval=_pair(interval / n_samples),
        width=high - low,
        width_interval=_pair(width_interval),
        relative_width=(high - low) / median,
        predicted=theory,
        predicted_width=theory_width,
        closed_form=closed_form(p),
        ratio=median / theory,
        ratio_interval=_pair(interval / theory),
        width_ratio=(high - low) / theory_width,
        width_ratio_interval=_pair(width_interval / theory_width),
        distance=float(max(np.abs(steps - expected).max(), np.abs(before).max())),
        distance_by_chance=float(kstwo.ppf(0.95, len(thresholds))),
        quantiles=quantiles(ordered, LEVELS).tolist(),
        reduced=(-np.log(expected_free(p, quantiles(ordered, LEVELS)))).tolist(),
    )


def _pair(ends: Floats) -> Interval:
    low, high = ends.tolist()
    return low, high


def score_bounds(draws: Sequence[tuple[int, int, bool]]) -> Decisions:
    """How often the threshold is the larger of its two lower bounds, and how often it
    is each (they may be equal).
    """
    covering, counting, exact = (np.array(column) for column in zip(*draws, strict=True))
    whole, symbols, equations = (
        et.proportion(int(hits.sum()), len(exact))
        for hits in (exact, exact & (covering >= counting), exact & (counting >= covering))
    )
    return Decisions(
        draws=len(exact),
        exact=whole.value,
        exact_interval=whole.interval,
        covering=symbols.value,
        covering_interval=symbols.interval,
        counting=equations.value,
        counting_interval=equations.interval,
    )


def slopes(entries: Sequence[Estimate]) -> list[Slope]:
    """d ln n_c / d ln p between neighbouring p, measured (95 %) and predicted by the
    bounds.
    """
    found = []
    for one, other in pairwise(entries):
        run = np.log(other.p / one.p)
        slope = np.log(other.critical_size / one.critical_size) / run
        error = _SIGMAS * np.hypot(relative_error(one), relative_error(other)) / run
        found.append(
            Slope(
                p=[one.p, other.p],
                slope=slope,
                interval=(slope - error, slope + error),
                predicted=np.log(other.predicted / one.predicted) / run,
            )
        )
    return found


def relative_error(entry: Estimate) -> float:
    """The standard error of ln n_c: the interval is 2 times 1.96 of them."""
    low, high = entry.interval
    return float(np.log(high / low) / (2 * _SIGMAS))


@dataclass(frozen=True)
class Law:
    """n_c as a function of p (an array) and parameters, which a fit starts from
    `start`.
    """

    name: str
    formula: str
    size: Callable[..., Floats]
    parameters: tuple[str, ...] = ()
    start: tuple[float, ...] = ()


def _solved(p: Floats, law: Probability = predicted) -> Floats:
    return np.array([predicted_size(int(each), 0.5, law) for each in p])


LAWS = (
    Law("the paper's fraction", "0.4 N", lambda p: 0.2 * p * (p + 1)),
    Law("constant fraction", "a N", lambda p, a: a * p * (p + 1) / 2, ("a",), (0.1,)),
    Law("samples per symbol", "c p", lambda p, c: c * p, ("c",), (3.0,)),
    Law("power law", "a p^b", lambda p, a, b: a * p**b, ("a", "b"), (1.5, 1.1)),
    Law(
        "power law with a drift",
        "a p^(b + c ln p)",
        lambda p, a, b, c: a * p ** (b + c * np.log(p)),
        ("a", "b", "c"),
        (1.5, 1.1, 0.0),
    ),
    Law("leading order", "p/2 ln p", lambda p: p / 2 * np.log(p)),
    Law("leading order and a constant", "p/2 (ln p + c)", lambda p, c: p / 2 * (np.log(p) + c), ("c",), (1.0,)),
    Law("logarithm", "p (a ln p + c)", lambda p, a, c: p * (a * np.log(p) + c), ("a", "c"), (0.5, 0.5)),
    Law("coupon collector, closed form", "closed form", lambda p: np.array([closed_form(int(each)) for each in p])),
    Law(BOUNDS, "both", _solved),
    Law("counting", "enough equations", lambda p: _solved(p, counted)),
    Law("coupon collector", "every symbol covered", lambda p: _solved(p, covered)),
    Law(f"{BOUNDS}, with a power", "a p^b both", lambda p, a, b: a * p**b * _solved(p), ("a", "b"), (1.0, 0.0)),
)


def fit(law: Law, p: Floats, sizes: Floats, errors: Floats) -> tuple[Floats, Floats, float]:
    """Weighted least squares of ln n_c with standard errors `errors`: parameters, their
    standard errors, chi^2.
    """

    def log_size(at: Floats, *values: float) -> Floats:
        return np.log(law.size(at, *values).clip(min=1e-9))  # a step to negative sizes is turned back

    values, spreads = np.empty(0), np.empty(0)
    if law.parameters:
        values, covariance = curve_fit(log_size, p, np.log(sizes), law.start, errors, absolute_sigma=True)
        spreads = np.sqrt(np.diag(covariance))
    return values, spreads, float((((np.log(sizes) - log_size(p, *values)) / errors) ** 2).sum())


def score_laws(entries: Sequence[Estimate], boots: Sequence[Floats], ranges: Sequence[int] = RANGES) -> list[LawScore]:
    """A score a law and range of p; a range of fewer than three sizes or a law with no
    degree of freedom is left out.

    `boots`: the bootstrap medians of each entry.
    """
    scores = []
    begins = sorted({sum(entry.p < least for entry in entries) for least in ranges})
    for begin in begins:
        if len(entries) - begin >= 3:
            scores += _score_range(entries[begin:], boots[begin:])
    return scores


def _score_range(entries: Sequence[Estimate], boots: Sequence[Floats]) -> list[LawScore]:
    """A score a law that has a degree of freedom; all `entries` are its range."""
    p = np.array([entry.p for entry in entries], float)
    sizes = np.array([entry.critical_size for entry in entries])
    errors = np.array([relative_error(entry) for entry in entries])
    laws = [law for law in LAWS if len(law.parameters) < len(p)]
    fits = [fit(law, p, sizes, errors) for law in laws]
    aics = [misfit + 2 * len(law.parameters) for law, (_, _, misfit) in zip(laws, fits, strict=True)]
    scores = []
    for law, (values, spreads, misfit), aic in zip(laws, fits, aics, strict=True):
        freedom = len(p) - len(law.parameters)
        score = LawScore(
            law=law.name,
            formula=law.formula,
            least_p=int(p[0]),
            n=len(p),
            parameters=_parameters(law, values, spreads, p, errors, boots),
            chi2=misfit,
            degrees_of_freedom=freedom,
            chi2_per_degree=misfit / freedom,
            p_value=float(chi2.sf(misfit, freedom)),
            aic=aic,
            critical_sizes=law.size(p, *values).tolist(),
            delta_aic=aic - min(aics),
        )
        scores.append(score)
    return scores


def _parameters(
    law: Law, values: Floats, spreads: Floats, p: Floats, errors: Floats, boots: Sequence[Floats]
) -> list[Parameter]:
    """The fitted numbers with their standard errors, and fits to bootstrapped n_c."""
    if not law.parameters:
        return []
    refits = np.array([fit(law, p, draw, errors)[0] for draw in np.array(boots).T[:_REFITS]])
    parameters = []
    for number, name in enumerate(law.parameters):
        value, error = values[number], _SIGMAS * spreads[number]
        refitted = np.quantile(refits[:, number], (0.025, 0.975))
        parameters.append(Parameter(name, value, (value - error, value + error), _pair(refitted)))
    return parameters


def distance(one: Floats, other: Floats) -> float:
    """Kolmogorov and Smirnov's: the largest difference of two distribution functions;
    both ascending.
    """
    at = np.concatenate([one, other])
    shares = [np.searchsorted(values, at, side="right") / len(values) for values in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


# What a transition is measured in, from its draws in ascending order and p.
SCALES: dict[str, Callable[[Floats, int], Floats]] = {
    "p/2": lambda ordered, p: (ordered - quantiles(ordered, [0.5])) / (p / 2),
    "its own 10-90 % width": lambda ordered, p: (
        (ordered - quantiles(ordered, [0.5])) / np.diff(quantiles(ordered, WIDTH))
    ),
}


def collapse(draws: dict[int, NDArray[np.integer]], rng: np.random.Generator) -> list[Collapse]:
    """A record a scale: how far each p's transition, from its own n_c and in this
    scale, is from that of the largest p; `by_chance` is what this gives where all are
    one Gumbel law.
    """
    *smaller, largest = draws
    if not smaller:
        return []
    ordered = {p: spread(thresholds) for p, thresholds in draws.items()}
    found = []
    for name, scaled in SCALES.items():
        reference = scaled(ordered[largest], largest)
        distances = [Distance(p, distance(scaled(ordered[p], p), reference)) for p in smaller]
        null = np.array([_by_chance(scaled, {p: len(draws[p]) for p in draws}, rng) for _ in range(_NULL_DRAWS)])
        found.append(
            Collapse(
                scale=name,
                reference=largest,
                distances=distances,
                largest=max(each.distance for each in distances),
                by_chance=float(np.median(null.max(axis=1))),
                by_chance_95=float(np.quantile(null.max(axis=1), 0.95)),
                one_by_chance_95=float(np.quantile(null, 0.95)),
            )
        )
    return found


def _by_chance(
    scaled: Callable[[Floats, int], Floats], counts: dict[int, int], rng: np.random.Generator
) -> list[float]:
    *smaller, reference = (scaled(np.sort(rng.gumbel(size=n)), 2) for n in counts.values())
    return [distance(each, reference) for each in smaller]
