"""Two lower bounds of the threshold T from which on the linear representation is
unique; neither has a fitted number.

Counting. A class with k samples of D gives k - 1 independent equations, and p - 2 are
needed: T is at least the first size at which n - (classes seen) >= p - 2. With
rho = n/N, lambda = p rho = 2n/(p + 1) (the mean number of samples that a symbol is in),
and classes of up to p/2 samples, a share 1 - e^(-m_c rho) of them is seen: in the
continuum lambda/2 - 2 + 4/lambda (1 - e^(-lambda/2)) = 1, that is lambda = 4.38 for
every p. So counting needs 2.2 p samples for large p, a fraction 4.38/p (for p = 10,
with p - 2 in place of p, 20.5 of 55: 0.37).

Coupons. A sample (k, j) says something about E_k only if its result class has another
sample in D. As long as some symbol k is in no such sample, E_k alone is free and
n_0 > 2: the *covering time* of a random order, the number of samples after which no
symbol is free in this way, is a coupon collector's. Let each sample be in D with
probability rho. Symbol k is in p samples, all of different classes, so what happens in
them is independent, and with m_c the size of class c

    P(k free) = prod over j of [1 - rho (1 - (1 - rho)^(m_{k+j} - 1))],
    Lambda(n) = sum over k of P(k free).

Free symbols are rare and nearly independent: P(none) = exp(-Lambda). In the continuum,
with x = k/p,

    P(k free) = exp(-lambda + 2 e^(-lambda x/2) + 2 e^(-lambda (1-x)/2)
                    - 4 e^(-lambda/2)),

the last three because classes near the sums 0 and 2p - 2 are small: symbols near the
ends are covered later. Their excess is confined to a share 1/lambda of the symbols, so
that

    Lambda = p e^(-lambda) (1 + ENDS/lambda),
    ENDS = 4 int_0^1 (e^(2u) - 1)/u du = 4 (Ei(2) - gamma - ln 2) = 14.7,

up to relative terms of e^(-lambda/2) and lambda/p. The median solves Lambda = ln 2:

    n_c = (p + 1)/2 lambda_c,    lambda_c = ln p - ln ln 2 + ln(1 + ENDS/lambda_c),

which is p/2 (ln p + const) with a constant that falls to 0.37 only as 14.7/ln p; the
law of lambda is Gumbel's, its 10-90 % width ln(ln 10/ln(10/9)) = 3.08, times p/2 in
samples: a share of about 3.08/ln p of n_c.

The two are equal near p = 16: counting decides below, coupons above, and other
obstructions (two symbols free together) are rarer than either by a factor ln p / p. The
prediction for T is the larger of the two, as if they were independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expi
from scipy.stats import norm

import efftheory as et

Law = Callable[[int, ArrayLike], NDArray[np.float64]]  # p, sizes -> probability

ENDS = 4 * (float(expi(2)) - np.euler_gamma - math.log(2))


def expected_free(p: int, sizes: ArrayLike) -> NDArray[np.float64]:
    """Lambda: the expected number of symbols that no sample determines, in random sets
    of n samples, (n,).

    The last factor, e^(-rho), is for exactly n samples instead of n on average: of a
    set without p of its N possible samples, C(N - p, n)/C(N, n) against (1 - rho)^p, to
    leading order.
    """
    classes = np.arange(2 * p - 1)
    others = np.minimum(classes, 2 * p - 2 - classes) // 2  # m_c - 1

    def total(n: float) -> float:
        rho = min(n / (p * (p + 1) / 2), 1 - 1e-12)
        logs = np.cumsum(np.append(0.0, np.log1p(-rho * (1 - (1 - rho) ** others))))
        free = np.exp(logs[p : 2 * p] - logs[:p])  # symbol k has one sample in each of the classes k .. k+p-1
        return float(free.sum()) * math.exp(-rho)

    return np.array([total(float(n)) for n in np.atleast_1d(sizes)])


def covered(p: int, sizes: ArrayLike) -> NDArray[np.float64]:
    """P(no symbol is free) in random sets of these sizes, (n,)."""
    return np.exp(-expected_free(p, sizes))


def counted(p: int, sizes: ArrayLike) -> NDArray[np.float64]:
    """P(there are p - 2 equations) in random sets of these sizes, (n,).

    Normal: the number of classes seen is a sum of independent ones where n is free to
    vary; what it shares with n is taken off its variance.
    """
    classes = np.arange(2 * p - 1)
    m = np.minimum(classes, 2 * p - 2 - classes) // 2 + 1
    n_samples = p * (p + 1) / 2

    def share(n: float) -> float:
        rho = min(max(n / n_samples, 1e-12), 1 - 1e-12)
        unseen = (1 - rho) ** m
        equations = n - (1 - unseen).sum()
        variance = (unseen * (1 - unseen)).sum() - (m * rho * unseen).sum() ** 2 / (n_samples * rho * (1 - rho))
        return float(norm.cdf((equations - (p - 2) + 0.5) / math.sqrt(max(variance, 1e-9))))

    return np.array([share(float(n)) for n in np.atleast_1d(sizes)])


def predicted(p: int, sizes: ArrayLike) -> NDArray[np.float64]:
    """P(linear) in random sets of these sizes, (n,), if nothing else is in its way."""
    return covered(p, sizes) * counted(p, sizes)


@cache
def predicted_size(p: int, probability: float = 0.5, law: Law = predicted) -> float:
    """The size, a real number, at which `law` has this probability."""
    root: Any = brentq(lambda n: law(p, n)[0] - probability, 0, p * (p + 1) / 2)
    return root


def closed_form(p: int, probability: float = 0.5) -> float:
    """The size at which every symbol is covered with this probability, to leading
    orders in 1/lambda and 1/p.
    """

    def excess(rate: float) -> float:
        return math.log(p) - rate + math.log1p(ENDS / rate) - math.log(-math.log(probability))

    rate: Any = brentq(excess, 1e-6, 1e3)
    return (p + 1) / 2 * rate


def lower_bounds(op: et.Operation, order: NDArray[np.integer]) -> tuple[float, float]:
    """How many samples of the order it takes until each symbol is in a class with two
    samples, and until there are p - 2 equations; inf: more than these.
    """
    left, right, results = op.rule(order)
    by_class = np.argsort(results, kind="stable")
    times, classes = by_class + 1.0, results[by_class]  # each class's samples by time
    first = np.diff(classes, prepend=-1) != 0
    equations = np.sort(times[~first])
    counting = equations[op.n_symbols - 3] if len(equations) > op.n_symbols - 3 else np.inf
    # The first of a class says something from the second on.
    following = np.where(np.append(first[1:], True), np.inf, np.append(times[1:], np.inf))
    times = np.where(first, following, times)
    free_until = np.full(op.n_symbols, np.inf)
    for symbols in (left, right):
        np.minimum.at(free_until, symbols[by_class], times)
    return float(free_until.max()), float(counting)


def bounds_draw(op: et.Operation, rng: np.random.Generator) -> tuple[int, int, bool]:
    """The two bounds of one random order (at least 3 symbols), and whether its
    threshold is just the larger.
    """
    p, n_samples = op.n_symbols, op.n_samples
    order = rng.choice(n_samples, min(n_samples, math.ceil(p * (math.log(p) + 5))), replace=False)
    covering, counting = lower_bounds(op, order)
    if math.inf in (covering, counting):  # hardly ever: twice the critical size did not do
        rest = rng.permutation(np.setdiff1d(np.arange(n_samples), order))
        order = np.concatenate([order, rest])
        covering, counting = lower_bounds(op, order)
    mask = np.zeros(n_samples, np.bool_)
    mask[order[: int(max(covering, counting))]] = True
    return int(covering), int(counting), et.is_linear(op, mask)
