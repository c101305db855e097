"""Every tolerance of the tests, with its reason. A test that needs another one states
it here first.

Combinatorics (pairs, parallelograms, closure, nullity, thresholds) has none: `==`.
Networks against theory have none either: a statistic with its interval, in the package
that measures it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EPS = float(np.finfo(np.float64).eps)

# float64 linear algebra on inputs of norm about 1 to 10 and integer matrices: a few
# thousand operations, each off by EPS, leave 1e-13; three digits are kept for what
# eigenvectors and quotients lose.
LINALG = 1e-10

# An ODE solver controls the error of one step, relative to the solution. The flow
# contracts (all modes but the null ones decay), so over the whole path the errors add
# up to a modest multiple.
ODE_MULTIPLE = 100

# Observed order of a first-order method from two step sizes that are not infinitely
# small.
ORDER = 0.1

# Observed order in rtol of an adaptive solver: the steps it takes are few and whole, so
# one refinement does not always gain its share; over six decades the slope is 1 to
# within this.
SOLVER_ORDER = 0.3

# Two points of RQI, or of a crossing, this far apart (relative) are on the two sides of
# a step that was bisected to about 1e-14.
STEP_SIDE = 1e-9

# Two integrations of one flow of products at rtol 1e-10: thousands of steps, and
# saddles that spread what they leave.
INTEGRATED = 1e-6

# What is left of the faster modes, relative to the slowest, when a test looks at late
# times (it says when).
LATE = 1e-3

# A quantile of the beta distribution comes from a root finder, in scipy.stats and in
# binomtest alike.
QUANTILE = 1e-6

# Monte Carlo with a fixed seed: a failure by chance would need a 4-sigma draw (6e-5),
# once and for all.
SIGMAS = 4


def assert_close(actual: ArrayLike, expected: ArrayLike) -> None:
    """Equal within LINALG, relative to what is above 1 and absolute below."""
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=LINALG, atol=LINALG)


def null_eigenvalue(H: NDArray[np.float64]) -> float:
    """Below this, an eigenvalue of H is round-off: a symmetric solver is backward
    stable, so eigenvalues move by a small multiple of lambda_max p EPS.
    """
    return 10 * float(np.linalg.norm(H, 2)) * len(H) * EPS


def standard_error(probability: float, draws: int) -> float:
    """Of a proportion among independent draws."""
    return float(np.sqrt(probability * (1 - probability) / draws))


def loss_difference(lambda_max: float, radius: float, step: float, n_terms: int) -> float:
    """Bound on |central difference - derivative| of l_eff along a unit direction at |E|
    = radius.

    Truncation: with l_eff Z0 = l0, a quadratic, differentiating three times gives, in
    turn, |f| <= L/2, |f'| <= 2L/r, |f''| <= 10L/r^2, |f'''| <= 72L/r^3 (L =
    lambda_max); the error is step^2/6 |f'''|, doubled for the radius that changes
    within the step. Round-off: f is a sum of `n_terms` terms, each formed by about 8
    operations, of total size L/2, and the difference divides it by the step.
    """
    truncation = 2 * 72 * lambda_max / radius**3 * step**2 / 6
    round_off = 8 * n_terms * EPS * lambda_max / step
    return truncation + round_off


def product_loss_difference(largest_class: int, radius: float, step: float, n_terms: int) -> float:
    """As `loss_difference` for l_eff = l0 / Z0^2 of matrix products.

    |P_s - P_t|^2 <= 2 |P_s|^2 + 2 |P_t|^2, a class of k samples meets each k - 1 times,
    sum |E_a|^2 |E_b|^2 <= Z0^2: l0 <= L |E|^4, L = 2 k, also for complex E. Going s <=
    r/4 from |E| = r into the complex plane, |l0| is at most (5/4)^4 L r^4 and |Z0| >=
    (1 - 1/2 - 1/16) r^2, so |l_eff| <= 13 L, and by Cauchy the third derivative is at
    most 6 * 13 L / (r/4)^3 <= 5000 L / r^3. Round-off: each term takes about 20
    operations.
    """
    size = 2 * max(largest_class, 1)
    truncation = 2 * 5000 * size / radius**3 * step**2 / 6
    round_off = 20 * n_terms * EPS * size / step
    return truncation + round_off


def flow_difference(lambda_max: float, z0: float, step: float, norm: float) -> float:
    """Bound on |central difference - derivative| along the flow, of E or of its sum C;
    `norm` is the largest |E| or |C| within the step.

    dE/dt = (a - H/Z0) E with a = <lambda>/Z0, the mean of the eigenvalues over the
    modes' shares of Z0. With s = L/Z0: |a - H/Z0| <= s, |a'| = 2 variance <= s^2/2, and
    |a''| = 4 |third central moment|, at most 4 s^3 / (6 sqrt 3) <= 0.4 s^3. All these
    commute: |d3E/dt3| <= (1 + 3/2 + 0.4) s^3 |E|. C obeys the same with H dropped.
    Round-off: what is divided is numbers of total square Z0, each the outcome of tens
    of operations.
    """
    truncation = 2.9 * (lambda_max / z0) ** 3 * norm * step**2 / 6
    round_off = 100 * EPS * float(np.sqrt(z0)) / step
    return truncation + round_off


# The share of 1,500 simulated tests that see an effect has a standard error of .01; the
# formula is one of large samples, and gives whole seeds, of 6 on.
POWER = 0.1
