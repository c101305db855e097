"""Descending the effective loss: in closed form (sums), by an ODE solver, and by the
optimiser of a real run.

Time t is that of dE/dt = -grad l_eff; a gradient step of learning rate eta advances it
by eta, so t / eta is in steps. No function here centres `E0`: centre it (the paper's
embeddings have mean 0) before you compare.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from efftheory import _checks, _kernels
from efftheory._checks import ArgumentError
from efftheory._records import short
from efftheory.constants import RQI_THRESHOLD
from efftheory.embeddings import DELTA, rqi_path, spread_embedding
from efftheory.loss import POWER, loss_argument, normalized_gradient, parallelogram_loss
from efftheory.operations import Operation, require_one_table, require_sum
from efftheory.parallelograms import Mask, training_samples
from efftheory.spectrum import Spectrum, spectrum

# The scan for the first RQI crossing: from the time scale of the fastest mode to where
# the slowest has decayed by e^-60, past any float64 threshold, on a grid that
# multiplies time by about 1.01 a step.
_SCAN_DECAY = 60.0
_SCAN_RATIO = 1.01
_BISECTIONS = 40
_ABSENT = 1e-14  # an amplitude below this share of |E0| is round-off

# Products are integrated until they stand, or as long as this, in units of Z0
# (that of time: l_eff has none).
_STANDING = 1e-9
_HORIZON = 1000.0
_COURSE_RTOL = 1e-10


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Embeddings along a flow.

    Attributes:
        times: float64 (T,), flow time, or optimiser steps (from `optimizer_flow`).
        E: float64 (T, p, d), or (T, p, d, d) of matrix products.
        loss: float64 (T,), l_eff with normalization "sum".
        z0: float64 (T,), Z0 = sum_k |E_k|^2: constant along the exact gradient flow.
        rqi: float64 (T,), at the composition's own delta (see `rqi`); nan where P0 is
            empty.
    """

    times: NDArray[np.float64]
    E: NDArray[np.float64]
    loss: NDArray[np.float64]
    z0: NDArray[np.float64]
    rqi: NDArray[np.float64]

    __repr__ = short

    @property
    def z0_drift(self) -> float:
        """max over t of |Z0(t)/Z0(0) - 1|: the solver's error in the conserved
        quantity.
        """
        return float(np.abs(self.z0 / self.z0[0] - 1).max())

    def time_to_rqi(self, threshold: float = RQI_THRESHOLD) -> float:
        """The first of `times` with RQI above `threshold`; inf where there is none."""
        above = np.flatnonzero(self.rqi > threshold)
        return float(self.times[above[0]]) if len(above) else math.inf


def _trajectory(op: Operation, mask: Mask, times: NDArray[np.float64], path: NDArray[np.float64]) -> Trajectory:
    z0 = (path**2).reshape(len(path), -1).sum(axis=1)
    if op.composition == "sum":
        l0 = _kernels.loss_path(*training_samples(op, mask), path)
    else:
        l0 = np.array([parallelogram_loss(op, mask, E)[0] for E in path])
    rqi = rqi_path(op, path, DELTA[op.composition])
    return Trajectory(times=times, E=path, loss=l0 / z0 ** POWER[op.composition], z0=z0, rqi=rqi)


def exact_path(system: Spectrum, E0: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """E(t) = sqrt(Z0) e^{-H t/Z0} E0 / |e^{-H t/Z0} E0|_F at each time, (T, p, d)."""
    z0 = (E0**2).sum()
    amplitudes = system.modes.T @ E0
    # what E0 does not hold must not grow out of round-off: relative to the others, mode
    # i gains e^{lambda_max t/Z0}
    amplitudes[np.abs(amplitudes) < _ABSENT * np.sqrt(z0)] = 0.0
    present = amplitudes.any(axis=1)
    slowest = system.eigenvalues[present].min()  # factored out: the ratio never underflows to 0/0
    decay = np.exp(-np.outer(times / z0, np.maximum(system.eigenvalues - slowest, 0.0)))
    path = np.einsum("kn,tn,nd->tkd", system.modes, decay, amplitudes, optimize=True)
    norm = np.sqrt((path**2).sum(axis=(1, 2), keepdims=True))
    return np.sqrt(z0) * path / norm


def flow(
    op: Operation,
    mask: Mask,
    E0: ArrayLike,
    times: ArrayLike,
    method: Literal["exact", "ode"] | None = None,
    rtol: float = 1e-10,
) -> Trajectory:
    """Gradient flow of the effective loss, dE/dt = -grad l_eff; of sums
    -(1/Z0)(H - rho I) E, rho = E^T H E / Z0.

    Closed form ("exact"): E(t) = sqrt(Z0) e^{-H t/Z0} E0 / |e^{-H t/Z0} E0|_F, so that
    mode i falls as e^{-lambda_i t/Z0} against the null space. "ode" integrates the
    equation (scipy's DOP853 with error control) and knows nothing of the closed form;
    it takes about lambda_max t/Z0 steps. Matrix products have no closed form; there
    "ode" is LSODA, because the flow is stiff once the faster directions have settled.
    Their l_eff is that of `effective_loss`, over Z0^2.

    Z0 is conserved. The sum C = sum_k E_k obeys dC/dt = (2 l0/Z0^2) C: conserved only
    if it is 0, where the paper claims it always. The paper prints dR/dt = -H R, without
    the rho term; its official code uses all of P0 instead of P0(D).

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E0: float (p, d), or (p, d, d) where `op` composes by a matrix product; taken as
            it is (not centred).
        times: strictly ascending, from 0 on, (T,).
        method: "exact" or "ode"; None is "exact" for sums and "ode" for products.
        rtol: relative tolerance of the ODE solver; the absolute one is rtol times the
            root mean square of E0.

    Returns:
        Trajectory; its `z0_drift` tells the solver's error. nan from the time on at
        which the solver gave up.

    Source: paper, section 4.1, equations 7 and 8; for products our extension.

    Raises:
        ArgumentError: `E0` is not finite, has another shape or is zero; `times` are not
            ascending from 0 on; unknown `method`, or "exact" for products; `op` has two
            tables of embeddings.
    """
    require_one_table(op)
    E = loss_argument(op, E0, "E0")
    t = _checks.ascending_times("times", times)
    sums = op.composition == "sum"
    method = ("exact" if sums else "ode") if method is None else method
    if _checks.choice("method", method, ("exact", "ode")) == "exact":
        if not sums:
            raise ArgumentError("method", "be ode where op composes by a matrix product", "is 'exact'")
        return _trajectory(op, mask, t, exact_path(spectrum(op, mask), E, t))
    rtol = _checks.positive("rtol", rtol)
    if t[-1] == 0:
        return _trajectory(op, mask, t, np.repeat(E[None], len(t), axis=0))
    size = _size(E)
    solution = _integrate(op, mask, E / size, t[-1] / size**2, rtol, t_eval=t / size**2)
    path = np.full((len(t), *E.shape), np.nan)  # nan where the solver gave up
    if len(solution.t):
        path[: len(solution.t)] = size * solution.y.T.reshape(-1, *E.shape)
    return _trajectory(op, mask, t, path)


def _size(E: NDArray[np.float64]) -> float:
    """About sqrt(Z0): the flow of E / size is the same, in times of size^2, and within
    a solver's range.

    A power of 2, so that nothing is rounded.
    """
    return float(np.exp2(np.round(np.log2(np.sqrt((E**2).sum())))))


def _integrate(op: Operation, mask: Mask, E0: NDArray[np.float64], end: float, rtol: float, **options: Any):
    """scipy's solution of dE/dt = -grad l_eff on 0..end, E flattened."""

    def velocity(_: float, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return -normalized_gradient(op, mask, flat.reshape(E0.shape)).ravel()

    atol = rtol * np.sqrt((E0**2).mean())
    solver = "DOP853" if op.composition == "sum" else "LSODA"
    return solve_ivp(velocity, (0.0, end), E0.ravel(), method=solver, rtol=rtol, atol=atol, **options)


class _Course(NamedTuple):
    """The flow from one E0 as a function of time, and the times within which it moves;
    end = 0: it does not.
    """

    path: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    begin: float
    end: float


def _exact_course(op: Operation, mask: Mask, E: NDArray[np.float64]) -> _Course:
    system = spectrum(op, mask)
    moving = system.eigenvalues[system.nullity :]
    z0 = (E**2).sum()
    begin, end = (0.01 * z0 / moving[-1], _SCAN_DECAY * z0 / moving[0]) if len(moving) else (0.0, 0.0)
    return _Course(lambda times: exact_path(system, E, times), begin, end)


def _integrated_course(op: Operation, mask: Mask, E: NDArray[np.float64]) -> _Course:
    size = np.sqrt((E**2).sum())

    def motion(_: float, flat: NDArray[np.float64]) -> float:
        return float(np.linalg.norm(normalized_gradient(op, mask, flat.reshape(E.shape)))) * size - _STANDING

    motion.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    fastest = motion(0.0, E.ravel()) + _STANDING
    if fastest <= _STANDING:
        return _Course(lambda times: np.repeat(E[None], len(times), axis=0), 0.0, 0.0)
    solution = _integrate(op, mask, E, _HORIZON * size**2, _COURSE_RTOL, events=motion, dense_output=True)
    end = float(solution.t[-1])
    begin = min(1e-3 * size**2 / fastest, end / 2)
    return _Course(lambda times: solution.sol(times).T.reshape(-1, *E.shape), begin, end)


def time_to_rqi(op: Operation, mask: Mask, E0: ArrayLike, threshold: float = RQI_THRESHOLD) -> float:
    """The first time t at which the flow from E0 has RQI above `threshold`; inf where
    it never has.

    Divide by the embeddings' learning rate for steps. RQI is a step function of t: it
    is looked for on a grid of times in ratio 1.01, from a hundredth of the fastest
    mode's decay time to e^-60 of the slowest, and the first crossing is bisected to
    machine precision. A rise and fall within one grid step is not seen.

    Matrix products: the flow is integrated (as by `flow`) until it stands, |grad l_eff|
    sqrt(Z0) < 1e-9, or to t = 1000 Z0, and what has not crossed by then counts as
    never; the first time looked at is a thousandth of the time in which E0, at its
    initial speed, would move by its own size. There RQI goes up also where symbols fall
    together.

    Source: paper, section 4.2, figure 4 (b); for products our extension.

    Raises:
        ArgumentError: `E0` is not finite, has another shape, or is constant along a
            dimension, for products zero; `op` has two tables of embeddings.
    """
    E = spread_embedding(E0, op, "E0") if op.composition == "sum" else loss_argument(op, E0, "E0")
    threshold = _checks.positive("threshold", threshold, zero=True)
    size = _size(E)
    course = (_exact_course if op.composition == "sum" else _integrated_course)(op, mask, E / size)

    def first_above(times: NDArray[np.float64]) -> int | None:
        above = np.flatnonzero(rqi_path(op, course.path(times), DELTA[op.composition]) > threshold)
        return int(above[0]) if len(above) else None

    if first_above(np.zeros(1)) is not None:
        return 0.0
    if not course.end:
        return math.inf
    n_grid = math.ceil(math.log(course.end / course.begin) / math.log(_SCAN_RATIO)) + 1
    grid = np.concatenate(([0.0], np.geomspace(course.begin, course.end, n_grid)))
    crossing = first_above(grid)
    if crossing is None:
        return math.inf
    low, high = grid[crossing - 1], grid[crossing]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if first_above(np.array([middle])) is None:
            low = middle
        else:
            high = middle
    return float(high * size**2)


_OPTIMIZERS = {"adam": _kernels.ADAM, "adamw": _kernels.ADAMW, "sgd": _kernels.SGD}


def optimizer_flow(
    op: Operation,
    mask: Mask,
    E0: ArrayLike,
    optimizer: Literal["adam", "adamw", "sgd"] = "adam",
    learning_rate: float = 1e-3,
    steps: int = 10_000,
    weight_decay: float = 0.0,
) -> Trajectory:
    """Descend l_eff from a run's own initial embedding with its own optimiser: a
    prediction in steps, no free parameter.

    The update rules are torch's with their default moments (beta 0.9 and 0.999, eps
    1e-8; SGD without momentum). `weight_decay` is added to the gradient for "adam" and
    "sgd", decoupled for "adamw"; at 0 "adam" and "adamw" agree. Adam does not see the
    size of a gradient, so under it the normalisation of l_eff (and Z0) drops out of the
    time scale. SGD does: its times depend on the convention "sum", and on l_eff being
    of the size of the network's own loss, which nothing guarantees.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E0: float (p, d), taken as it is (not centred).
        learning_rate: eta of the embeddings.
        steps: how many updates.

    Returns:
        Trajectory with times 0, 1 .. steps; the state after that many updates.

    Source: our extension; the paper uses gradient flow although its networks are
    trained by AdamW.

    Raises:
        ArgumentError: `E0` is not finite (p, d) or is zero; unknown optimizer; a rate
            or `steps` out of range; `op` composes by a product, or has two tables of
            embeddings.
    """
    require_sum(op)
    require_one_table(op)
    E = loss_argument(op, E0, "E0")
    kind = _OPTIMIZERS[_checks.choice("optimizer", optimizer, tuple(_OPTIMIZERS))]
    learning_rate = _checks.positive("learning_rate", learning_rate)
    weight_decay = _checks.positive("weight_decay", weight_decay, zero=True)
    steps = _checks.integer("steps", steps, 0)
    path = np.empty((steps + 1, *E.shape))
    path[0] = E
    _kernels.optimizer_flow(*training_samples(op, mask), path, kind, learning_rate, weight_decay)
    return _trajectory(op, mask, np.arange(steps + 1.0), path)
