"""Thresholds T: from how many samples on a representation is unique. What is drawn, in
chunks with random streams of their own: random orders of the samples of an operation,
and flows from random matrices. And two lower bounds of addition's T without a fitted
number, which docs/size_law/README.md derives; the larger of them predicts T.

Counting: n - (classes seen) >= p - 2. Coupons: no symbol k is free, without a sample
whose class has another in D. With rho = n/N and m_c the size of class c,

    P(k free) = prod over j of [1 - rho (1 - (1 - rho)^(m_{k+j} - 1))],
    Lambda(n) = sum over k of P(k free) = p e^(-lambda) (1 + ENDS/lambda),
    lambda = p rho,    ENDS = 4 int_0^1 (e^(2u) - 1)/u du = 4 (Ei(2) - gamma - ln 2),

up to relative terms of e^(-lambda/2) and lambda/p; P(none is free) = exp(-Lambda), and
the median n_c = (p + 1)/2 lambda_c solves lambda_c = ln p - ln ln 2 + ln(1 +
ENDS/lambda_c).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expi
from scipy.stats import norm

import efftheory as et
from efftheory.criticality import covering

ENDS = 4 * (float(expi(2)) - np.euler_gamma - math.log(2))
_EDGE = 1e-12  # rho is a probability, and neither 0 nor 1
GROUPS: dict[str, Callable[[], et.Operation]] = {f"s{n}": partial(et.symmetric_group, n) for n in (2, 3, 4)}
GROUPS |= {f"d{n}": partial(et.dihedral_group, n) for n in (3, 4, 5, 6)}
FLOWS_OF = "s3"  # of other groups a flow takes too long
_HORIZON = 1000.0  # in units of Z0, as `et.time_to_rqi` has it
_RTOL = 1e-8  # of the solver: at 1e-10 and 1e-6 the same flows end well


def others_in_class(p: int) -> NDArray[np.integer]:
    """m_c - 1 of the classes c = 0 .. 2p - 2."""
    classes = np.arange(2 * p - 1)
    return np.minimum(classes, 2 * p - 2 - classes) // 2


def expected_free(p: int, n: float) -> float:
    """Lambda: the expected number of free symbols in random sets of n samples.

    The last factor is for exactly n samples instead of n on average: of a set without p
    of its N samples, C(N - p, n)/C(N, n) against (1 - rho)^p, to leading order.
    """
    rho = min(n / (p * (p + 1) / 2), 1 - _EDGE)
    logs = np.cumsum(np.append(0.0, np.log1p(-rho * (1 - (1 - rho) ** others_in_class(p)))))
    free = np.exp(logs[p : 2 * p] - logs[:p])  # symbol k has one sample in each of the classes k .. k+p-1
    return float(free.sum()) * math.exp(-rho)


def covered(p: int, n: float) -> float:
    """P(no symbol is free) in random sets of n samples."""
    return math.exp(-expected_free(p, n))


def counted(p: int, n: float) -> float:
    """P(there are p - 2 equations) in random sets of n samples: normal, as the classes
    seen are independent where n may vary; what they share with n is off the variance.
    """
    m, n_samples = others_in_class(p) + 1, p * (p + 1) / 2
    rho = min(max(n / n_samples, _EDGE), 1 - _EDGE)
    unseen = (1 - rho) ** m
    equations = n - (1 - unseen).sum()
    variance = (unseen * (1 - unseen)).sum() - (m * rho * unseen).sum() ** 2 / (n_samples * rho * (1 - rho))
    return float(norm.cdf((equations - (p - 2) + 0.5) / math.sqrt(max(variance, 1e-9))))


def predicted(p: int, n: float) -> float:
    """P(linear) in random sets of n samples, if nothing else is in its way."""
    return covered(p, n) * counted(p, n)


@cache
def predicted_size(p: int, probability: float = 0.5, law: Callable[[int, float], float] = predicted) -> float:
    """The size, a real number, at which `law` (of p and size) has this probability."""
    root: Any = brentq(lambda n: law(p, n) - probability, 0, p * (p + 1) / 2)
    return root


def closed_form(p: int, probability: float = 0.5) -> float:
    """The size at which all are covered, to leading orders in 1/lambda and 1/p."""
    gumbel = math.log(-math.log(probability))
    rate: Any = brentq(lambda x: math.log(p) - x + math.log1p(ENDS / x) - gumbel, 1e-6, 1e3)
    return (p + 1) / 2 * rate


def lower_bounds(op: et.Operation, order: NDArray[np.int64]) -> tuple[int, int]:
    """How many samples of the order it takes until each symbol is in a class with two
    samples, and until there are p - 2 equations; one more than there are: more.
    """
    first = np.unique(op.rule(order)[2], return_index=True)[1]
    equations = np.setdiff1d(np.arange(len(order)), first)  # each other sample of a class is one
    counting = equations[op.n_symbols - 3] if len(equations) > op.n_symbols - 3 else len(order)
    return covering(op, order), int(counting) + 1


def bounds_draw(op: et.Operation, rng: np.random.Generator) -> tuple[int, int, bool]:
    """The two bounds of a random order (p > 2), and whether T is just the larger."""
    p, n_samples = op.n_symbols, op.n_samples
    order = rng.choice(n_samples, min(n_samples, math.ceil(p * (math.log(p) + 5))), replace=False)
    bounds = lower_bounds(op, order)
    if max(bounds) > len(order):  # hardly ever: twice the critical size did not do
        order = np.concatenate([order, rng.permutation(np.setdiff1d(np.arange(n_samples), order))])
        bounds = lower_bounds(op, order)
    mask = np.zeros(n_samples, np.bool_)
    mask[order[: max(bounds)]] = True
    return *bounds, et.is_linear(op, mask)


def of_addition(p: int, seed: int, n: int, k: int) -> list[int]:
    """Thresholds of n random orders of the samples of p symbols."""
    return et.linear_thresholds(et.addition(p), n, np.random.default_rng((seed, p, k, 0))).tolist()


def of_bounds(p: int, seed: int, n: int, k: int) -> list[tuple[int, int, bool]]:
    """What decides in n others: `bounds_draw`."""
    op, rng = et.addition(p), np.random.default_rng((seed, p, k, 1))
    return [bounds_draw(op, rng) for _ in range(n)]


def of_group(name: str, seed: int, n: int, k: int) -> list[int]:
    """Thresholds of n random orders of a group's samples."""
    rng = np.random.default_rng((seed, 0, list(GROUPS).index(name), k))
    return et.linear_thresholds(GROUPS[name](), n, rng).tolist()


def of_flows(d: int, size: int, seed: int, n: int, k: int) -> list[tuple[float, float]]:
    """`end_of_flow` of n random starts in [-1, 1], each with a random set."""
    op, rng = GROUPS[FLOWS_OF](), np.random.default_rng((seed, 1, d, size, k))
    starts = ((op.random_training_set(size, rng), rng.uniform(-1, 1, (op.n_symbols, d, d))) for _ in range(n))
    return [end_of_flow(op, *start) for start in starts]


def end_of_flow(op: et.Operation, mask: NDArray[np.bool_], E0: NDArray[np.float64]) -> tuple[float, float]:
    """RQI at the end of the flow from E0, and how far its two nearest elements are
    apart (mean square difference of their matrices, in units of the mean square entry);
    nan where the solver gave up.
    """
    end = et.flow(op, mask, E0, [0.0, _HORIZON * (E0**2).sum()], rtol=_RTOL)
    E = end.E[-1] / np.sqrt((end.E[-1] ** 2).mean())
    a, b = np.triu_indices(len(E), 1)
    return float(end.rqi[-1]), float(((E[a] - E[b]) ** 2).mean(axis=(1, 2)).min())
