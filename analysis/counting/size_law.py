"""How the critical size grows with p: the median threshold and its interval, laws held
against it, and the collapse of all transitions onto one curve. P(linear at n) = P(T <=
n) of a threshold T. All numbers are rows of one table: `STATISTICS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.stats import chi2, ks_2samp, kstwo, norm, quantile_test

import efftheory as et
from analysis.counting.thresholds import closed_form, counted, covered, expected_free, predicted, predicted_size

Floats = NDArray[np.float64]
# What the numbers are; the page has it as well.
STATISTICS = """| at one p | |
|---|---|
| n_samples | N = p(p + 1)/2 |
| critical_size, per_symbol, fraction | n_c, at which P(linear) = 1/2; n_c/p; n_c/N |
| width, relative_width | from the size with P = 0.1 to that with 0.9; width/n_c |
| predicted, ratio; predicted_width, width_ratio | by both bounds; measured by predicted |
| closed_form | n_c by the coupon collector, to leading orders |
| distance, distance_by_chance | from the predicted P(linear), at most; 95 % of chance |
| size, reduced | where P(linear) is `level`: the size, and -ln Lambda |
| exact, covering, counting | share of orders in which T is the larger bound; which |

| of all p in `from_p` .. `p` | |
|---|---|
| exponent, predicted_exponent | d ln n_c / d ln p, of two neighbouring p |
| n_c | by a `law`, fitted to ln n_c by least squares, weighted by its standard error |
| a, b, c; a_bootstrap, ... | fitted numbers if the law is true: by curvature; by refits |
| chi2, chi2_per_degree, p_value | of that fit; P(a larger chi^2) |
| aic, delta_aic | chi^2 + 2 parameters; above that of the best law |
| from_largest, largest | distance of P(linear) at p, in a `unit`, from the last; of all |
| by_chance, by_chance_95, one_by_chance_95 | median and 95 % of it if all have one law |"""
COLUMNS = ["p", "from_p", "law", "unit", "level", "statistic", "value", "low", "high", "n"]

LEAST_DRAWS = 10  # fewer have no 95 % interval of the median worth the name
WIDTH = (0.1, 0.5, 0.9)  # between its ends, around n_c
LEVELS = np.arange(1, 100) / 100
RANGES = (0, 20, 80, 320)  # the smallest p of a fit: how much do laws owe to small p?
BOUNDS = "both bounds"
_BOOTSTRAPS, _REFITS, _NULL_DRAWS = 1000, 200, 200
_SIGMAS = float(norm.ppf(0.975))


def scores_of(thresholds: Mapping[int, Sequence[int]], bounds: Mapping[int, Sequence[Sequence[int]]]) -> pd.DataFrame:
    """All numbers on the draws of each p, ascending: thresholds and `of_bounds`."""
    rng = np.random.default_rng(0)
    draws = {p: np.array(numbers) for p, numbers in thresholds.items()}
    boots = {p: resampled(numbers, rng) for p, numbers in draws.items()}
    found = [transition(p, draws[p], boots[p]) for p in draws] + [decisions(p, bounds[p]) for p in draws]
    n_c = pd.concat(found).query("statistic == 'critical_size'").set_index("p")
    n_c["error"] = np.log(n_c["high"] / n_c["low"]) / (2 * _SIGMAS)  # the standard error of ln n_c
    found += [exponents(n_c), *laws(n_c, np.array([boot[:, 1] for boot in boots.values()]))]
    return pd.concat([*found, *collapse(draws, rng)], ignore_index=True).reindex(columns=COLUMNS)


def score(statistic: str | list[str], value: Any, low: Any = np.nan, high: Any = np.nan, **by: Any) -> pd.DataFrame:
    """Rows of the table: of one number, or of a list of them."""
    return pd.DataFrame({**by, "statistic": statistic, "value": np.atleast_1d(value), "low": low, "high": high})


def spread(thresholds: NDArray[np.integer]) -> Floats:
    """The thresholds sorted, those with the same value t spread evenly over (t - 1, t]:
    their distribution function is P(linear) with straight lines between the sizes, and
    n_c, where it crosses 1/2, a quantile, also where whole samples are coarse.
    """
    values, counts = np.unique(thresholds, return_counts=True)
    rank = np.arange(len(thresholds)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(values - 1.0, counts) + (rank + 0.5) / np.repeat(counts, counts)


def quantiles(ordered: Floats, levels: Sequence[float] | Floats) -> Floats:
    """Where the distribution function, through the middles of its steps, has these."""
    return np.interp(np.asarray(levels), (np.arange(len(ordered)) + 0.5) / len(ordered), ordered)


def resampled(thresholds: NDArray[np.integer], rng: np.random.Generator) -> Floats:
    """Bootstrap draws of the sizes of WIDTH, (_BOOTSTRAPS, 3)."""
    draws = (rng.choice(thresholds, len(thresholds)) for _ in range(_BOOTSTRAPS))
    return np.array([quantiles(spread(draw), WIDTH) for draw in draws])


def transition(p: int, thresholds: NDArray[np.integer], boots: Floats) -> pd.DataFrame:
    """The transition at one p, measured and predicted; `boots`: of `resampled`."""
    ordered, n, n_samples = spread(thresholds), len(thresholds), p * (p + 1) // 2
    at, (low, n_c, high) = quantiles(ordered, LEVELS), quantiles(ordered, WIDTH)
    theory, theory_width = predicted_size(p), predicted_size(p, WIDTH[-1]) - predicted_size(p, WIDTH[0])
    width, (width_low, width_high) = high - low, np.quantile(boots[:, 2] - boots[:, 0], (0.025, 0.975))
    sizes, counts = np.unique(thresholds, return_counts=True)
    steps = np.append(0, np.cumsum(counts)) / n
    here, before = ([predicted(p, m) for m in some] for some in (sizes, sizes - 1))  # no threshold is between two sizes
    numbers = {"n_samples": n_samples, "relative_width": width / n_c, "closed_form": closed_form(p)}
    numbers |= {"predicted": theory, "predicted_width": theory_width}
    numbers |= {"distance": float(max(abs(steps[1:] - here).max(), abs(steps[:-1] - before).max()))}
    numbers |= {"distance_by_chance": kstwo.ppf(0.95, n)}
    by, units = {"p": p, "n": n}, np.array([1, p, n_samples, theory])
    interval = quantile_test(ordered, p=0.5).confidence_interval(0.95)  # distribution-free
    of_n_c = [value / units for value in (n_c, interval.low, interval.high)]
    of_width = [value / np.array([1, theory_width]) for value in (width, width_low, width_high)]
    rows = [
        score([*numbers], [*numbers.values()], **by),
        score(["critical_size", "per_symbol", "fraction", "ratio"], *of_n_c, **by),
        score(["width", "width_ratio"], *of_width, **by),
        score("size", at, level=LEVELS, **by),
        score("reduced", [-math.log(expected_free(p, size)) for size in at], level=LEVELS, **by),
    ]
    return pd.concat(rows)


def decisions(p: int, draws: Sequence[Sequence[int]]) -> pd.DataFrame:
    """How often T is the larger bound, and which (they may be equal)."""
    covering, counting, exact = np.array(draws).T
    hits = {"exact": exact, "covering": exact * (covering >= counting), "counting": exact * (counting >= covering)}
    shares = [et.proportion(int(hit.sum()), len(draws)) for hit in hits.values()]
    intervals = np.transpose([share.interval for share in shares])
    return score([*hits], [share.value for share in shares], *intervals, p=p, n=len(draws))


def exponents(n_c: pd.DataFrame) -> pd.DataFrame:
    """d ln n_c / d ln p of neighbours, from n_c and its logarithm's error, by p."""
    p, sizes, errors = (n_c.reset_index()[name].to_numpy() for name in ("p", "value", "error"))
    run = np.log(p[1:] / p[:-1])
    slope, theory = (np.log(n[1:] / n[:-1]) / run for n in (sizes, _solved(p)))
    error, by = _SIGMAS * np.hypot(errors[1:], errors[:-1]) / run, {"p": p[1:], "from_p": p[:-1]}
    found = score("exponent", slope, slope - error, slope + error, **by)
    return pd.concat([found, score("predicted_exponent", theory, **by)])


class Law(NamedTuple):
    """n_c of p (an array) and parameters, which a fit begins at `start`."""

    name: str
    formula: str
    size: Callable[..., Floats]
    start: Mapping[str, float] = {}


def _solved(p: Floats, law: Callable[[int, float], float] = predicted) -> Floats:
    return np.array([predicted_size(int(each), 0.5, law) for each in p])


def _drifting(p: Floats, a: float, b: float, c: float) -> Floats:
    return a * p ** (b + c * np.log(p))


LAWS = (
    Law("the paper's fraction", "0.4 N", lambda p: 0.2 * p * (p + 1)),
    Law("constant fraction", "a N", lambda p, a: a * p * (p + 1) / 2, {"a": 0.1}),
    Law("samples per symbol", "c p", lambda p, c: c * p, {"c": 3.0}),
    Law("power law", "a p^b", lambda p, a, b: a * p**b, {"a": 1.5, "b": 1.1}),
    Law("power law with a drift", "a p^(b + c ln p)", _drifting, {"a": 1.5, "b": 1.1, "c": 0.0}),
    Law("leading order", "p/2 ln p", lambda p: p / 2 * np.log(p)),
    Law("leading order and a constant", "p/2 (ln p + c)", lambda p, c: p / 2 * (np.log(p) + c), {"c": 1.0}),
    Law("logarithm", "p (a ln p + c)", lambda p, a, c: p * (a * np.log(p) + c), {"a": 0.5, "c": 0.5}),
    Law("coupon collector, closed form", "closed form", lambda p: np.array([closed_form(int(each)) for each in p])),
    Law(BOUNDS, "both", _solved),
    Law("counting", "enough equations", lambda p: _solved(p, counted)),
    Law("coupon collector", "every symbol covered", lambda p: _solved(p, covered)),
    Law(f"{BOUNDS}, with a power", "a p^b both", lambda p, a, b: a * p**b * _solved(p), {"a": 1.0, "b": 0.0}),
)


def fit(law: Law, p: Floats, sizes: Floats, errors: Floats) -> tuple[Floats, Floats, float]:
    """Least squares of ln n_c with these errors: parameters, their errors, chi^2."""

    def log_size(at: Floats, *values: float) -> Floats:
        return np.log(law.size(at, *values).clip(min=1e-9))  # a step to negative sizes is turned back

    values, covariance = np.empty(0), np.empty((0, 0))
    if law.start:
        values, covariance = curve_fit(log_size, p, np.log(sizes), [*law.start.values()], errors, absolute_sigma=True)
    misfit = float((((np.log(sizes) - log_size(p, *values)) / errors) ** 2).sum())
    return values, np.sqrt(np.diag(covariance)), misfit


def laws(n_c: pd.DataFrame, boots: Floats, ranges: Sequence[int] = RANGES) -> Iterator[pd.DataFrame]:
    """How each law fits in each range of p but those with fewer than three sizes, or no
    degree of freedom. `n_c`: as in `exponents`; `boots`: bootstrapped, (n_p, draws).
    """
    begins = {int((n_c.index < least).sum()) for least in ranges}
    for begin in sorted(begin for begin in begins if len(n_c) - begin >= 3):
        p, sizes, errors = (n_c.reset_index()[name].to_numpy()[begin:] for name in ("p", "value", "error"))
        fits = [(law, *fit(law, p, sizes, errors)) for law in LAWS if len(law.start) < len(p)]
        least = min(misfit + 2 * len(values) for _, values, _, misfit in fits)
        for law, values, spreads, misfit in fits:
            freedom, aic = len(p) - len(values), misfit + 2 * len(values)
            by = {"from_p": p[0], "law": law.name, "n": len(p)}
            quality = {"chi2": misfit, "degrees_of_freedom": freedom, "chi2_per_degree": misfit / freedom}
            quality |= {"p_value": chi2.sf(misfit, freedom), "aic": aic, "delta_aic": aic - least}
            yield score([*quality], [*quality.values()], p=p[-1], **by)
            yield score("n_c", law.size(p, *values), p=p, **by)
            if law.start:
                refits = [fit(law, p, draw, errors)[0] for draw in boots[begin:].T[:_REFITS]]
                bounds, error = np.quantile(refits, (0.025, 0.975), axis=0), _SIGMAS * spreads
                yield score([*law.start], values, values - error, values + error, p=p[-1], **by)
                yield score([f"{name}_bootstrap" for name in law.start], values, *bounds, p=p[-1], **by)


# What sizes are measured in, from the draws of a transition, ascending, and its p.
UNITS: dict[str, Callable[[Floats, int], Any]] = {
    "p/2": lambda ordered, p: p / 2,
    "its own 10-90 % width": lambda ordered, p: np.diff(quantiles(ordered, (WIDTH[0], WIDTH[-1]))),
}


def collapse(draws: Mapping[int, NDArray[np.integer]], rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """How far each transition is from the last, in each of UNITS, and by chance."""
    *smaller, largest = draws
    for name, unit in UNITS.items() if smaller else ():
        distances = _distances(unit, [(p, spread(thresholds)) for p, thresholds in draws.items()])
        alike = ([(2, np.sort(rng.gumbel(size=len(one)))) for one in draws.values()] for _ in range(_NULL_DRAWS))
        null = np.array([_distances(unit, transitions) for transitions in alike])
        numbers = {"largest": max(distances), "by_chance": np.median(null.max(axis=1))}
        numbers |= {"by_chance_95": np.quantile(null.max(axis=1), 0.95), "one_by_chance_95": np.quantile(null, 0.95)}
        by = {"from_p": smaller[0], "unit": name}
        yield score("from_largest", distances, p=smaller, **by)
        yield score([*numbers], [*numbers.values()], p=largest, **by)


def _distances(unit: Callable[[Floats, int], Any], transitions: Iterable[tuple[int, Floats]]) -> list[float]:
    """Kolmogorov and Smirnov's, of transitions (p, ascending sizes) and the last."""
    *others, last = ((ordered - quantiles(ordered, [0.5])) / unit(ordered, p) for p, ordered in transitions)
    found: list[Any] = [ks_2samp(one, last, method="asymp") for one in others]
    return [float(one.statistic) for one in found]
