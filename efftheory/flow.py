"""Descending the effective loss: in closed form (sums), by an ODE solver, and by the
optimiser of a real run.

Time t is that of dE/dt = -grad l_eff; a gradient step of learning rate eta advances it
by eta, so t / eta is in steps. No function here centres `E0`: centre it (the paper's
embeddings have mean 0) before you compare.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import DOP853, LSODA, OdeSolver, solve_ivp

from efftheory import _checks, _kernels
from efftheory._checks import ArgumentError
from efftheory._html import Line, page, plot, relative
from efftheory._kernels import Samples
from efftheory._records import short
from efftheory._sample_kernels import collapsed
from efftheory.constants import RQI_THRESHOLD
from efftheory.embeddings import DELTA, embedding, rqi_path
from efftheory.loss import in_units_of, loss_argument, losses, normalized_gradient, size_of
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

MAX_STEPS = 10_000  # of a solver: some seconds
_LEAST_RTOL = 100 * np.finfo(np.float64).eps  # what scipy's solvers can keep

_SHORTEST = 1e-290  # in units of Z0: nothing moves in so short a time


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
        converged: False where a solver gave up, or E grew or decayed beyond floats,
            before the last of `times`: from there on E or loss are nan, and rqi is 0.
    """

    times: NDArray[np.float64]
    E: NDArray[np.float64]
    loss: NDArray[np.float64]
    z0: NDArray[np.float64]
    rqi: NDArray[np.float64]
    converged: bool = field(default=True, kw_only=True)

    __repr__ = short

    def _repr_html_(self) -> str:
        """With the curves of RQI and of the loss."""
        reached = self.time_to_rqi()
        rows = [
            ("embeddings", self.E.shape[1:]),
            ("times", f"{len(self.times)}, up to {self.times[-1]:g}"),
            ("RQI", f"{self.rqi[0]:.4g}, at the end {self.rqi[-1]:.4g}"),
            ("time to RQI > 0.95", f"{reached:g}" if reached < math.inf else "not within these times"),
            ("effective loss", f"{self.loss[0]:.4g}, at the end {self.loss[-1]:.4g}"),
            ("drift of Z0", f"{self.z0_drift:.1e}"),
            ("converged", "yes" if self.converged else "no"),
        ]
        lines = [Line("RQI", self.times, self.rqi), Line("loss / initial loss", self.times, relative(self.loss))]
        return page("Embeddings along the flow", rows, plot(lines, "time", "share"))

    @property
    def z0_drift(self) -> float:
        """max over t of |Z0(t)/Z0(0) - 1|: the solver's error in the conserved
        quantity; nan where it gave up.
        """
        with np.errstate(all="ignore"):  # Z0 may have left the range of floats
            return float(np.abs(self.z0 / self.z0[0] - 1).max()) if len(self.z0) else math.nan

    def time_to_rqi(self, threshold: float = RQI_THRESHOLD) -> float:
        """The first of `times` with RQI above `threshold`; inf where there is none."""
        above = np.flatnonzero(self.rqi > _checks.positive("threshold", threshold, zero=True))
        return float(self.times[above[0]]) if len(above) else math.inf


def _trajectory(op: Operation, mask: Mask, times: NDArray[np.float64], path: NDArray[np.float64]) -> Trajectory:
    loss, z0 = losses(op, mask, path)
    with np.errstate(all="ignore"):  # where the solver gave up
        rqi = rqi_path(op, path, DELTA[op.composition])
    converged = bool(np.isfinite(path).all() and np.isfinite(loss).all())
    return Trajectory(times=times, E=path, loss=loss, z0=z0, rqi=rqi, converged=converged)


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
    max_steps: int = MAX_STEPS,
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
        max_steps: of the ODE solver; it gives up after so many.

    Returns:
        Trajectory; its `z0_drift` tells the solver's error. nan from the time on at
        which the solver gave up, and then `converged` is False.

    Source: paper, section 4.1, equations 7 and 8; for products our extension.

    Raises:
        ArgumentError: `E0` is not finite, has another shape or is zero; `times` are not
            ascending from 0 on; unknown `method`, or "exact" for products; `rtol` or
            `max_steps` out of range; `op` has two tables of embeddings.
    """
    require_one_table(op)
    E = loss_argument(op, E0, "E0")
    t = _checks.ascending_times("times", times)
    size = size_of(E)
    scaled = in_units_of(size, t)
    sums = op.composition == "sum"
    method = ("exact" if sums else "ode") if method is None else method
    if _checks.choice("method", method, ("exact", "ode")) == "exact":
        if not sums:
            raise ArgumentError("method", "be ode where op composes by a matrix product", "is 'exact'")
        path = size * exact_path(spectrum(op, mask), E / size, scaled)
        return _trajectory(op, mask, t, path)
    rtol = _checks.positive("rtol", rtol, high=1.0)
    max_steps = _checks.integer("max_steps", max_steps, 1)
    if scaled[-1] < _SHORTEST:
        return _trajectory(op, mask, t, np.repeat(E[None], len(t), axis=0))
    ask, place = np.unique(scaled, return_inverse=True)  # at the limits of floats times may be one
    samples = training_samples(op, mask)
    solution = _integrate(samples, E / size, float(ask[-1]), rtol, max_steps=max_steps, t_eval=ask)
    found = np.full((len(ask), *E.shape), np.nan)  # nan where the solver gave up
    n = len(solution.t)
    if n:
        found[:n] = size * solution.y.T.reshape(-1, *E.shape)
    return _trajectory(op, mask, t, found[place])


class _Bounded(OdeSolver):
    """A solver of scipy's that gives up after `max_steps` steps."""

    def __init__(self, *arguments: Any, max_steps: int, **options: Any):
        super().__init__(*arguments, **options)
        self._left = max_steps

    def _step_impl(self) -> Any:
        self._left -= 1
        return super()._step_impl() if self._left >= 0 else (False, "too many steps")


class _Explicit(_Bounded, DOP853):
    pass


class _Stiff(_Bounded, LSODA):
    pass


def _integrate(samples: Samples, E0: NDArray[np.float64], end: float, rtol: float, **options: Any):
    """scipy's solution of dE/dt = -grad l_eff on 0..end, E flattened."""

    def velocity(_: float, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        return -normalized_gradient(samples, flat.reshape(E0.shape)).ravel()

    rtol = max(rtol, _LEAST_RTOL)
    options |= {"rtol": rtol, "atol": rtol * np.sqrt((E0**2).mean())}
    solver: Any = _Explicit if E0.ndim == 2 else _Stiff
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", "lsoda: ")  # that it gave up, which the result says
        return solve_ivp(velocity, (0.0, end), E0.ravel(), method=solver, **options)


class _Course(NamedTuple):
    """The flow from one E0: `path` takes times (T,) to embeddings.

    The flow moves between the times `begin` and `end`; where it never moves, end is 0.
    `complete`: whether it is known to the point where it comes to rest.
    """

    path: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    begin: float
    end: float
    complete: bool = True


def _exact_course(op: Operation, mask: Mask, E: NDArray[np.float64]) -> _Course:
    system = spectrum(op, mask)
    moving = system.eigenvalues[system.nullity :]
    z0 = (E**2).sum()
    begin, end = (0.01 * z0 / moving[-1], _SCAN_DECAY * z0 / moving[0]) if len(moving) else (0.0, 0.0)
    return _Course(lambda times: exact_path(system, E, times), begin, end)


def _integrated_course(op: Operation, mask: Mask, E: NDArray[np.float64]) -> _Course:
    samples, size = training_samples(op, mask), np.sqrt((E**2).sum())

    def motion(_: float, flat: NDArray[np.float64]) -> float:
        return float(np.linalg.norm(normalized_gradient(samples, flat.reshape(E.shape)))) * size - _STANDING

    motion.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    fastest = motion(0.0, E.ravel()) + _STANDING
    standing = _Course(lambda times: np.repeat(E[None], len(times), axis=0), 0.0, 0.0)
    if fastest <= _STANDING:
        return standing
    options: Any = {"max_steps": MAX_STEPS, "events": motion, "dense_output": True}
    solution = _integrate(samples, E, _HORIZON * size**2, _COURSE_RTOL, **options)
    end, complete = float(solution.t[-1]), solution.status >= 0
    if end == 0:  # gave up at once
        return standing._replace(complete=complete)
    begin = min(1e-3 * size**2 / fastest, end / 2)
    return _Course(lambda times: solution.sol(times).T.reshape(-1, *E.shape), begin, end, complete)


def time_to_rqi(op: Operation, mask: Mask, E0: ArrayLike, threshold: float = RQI_THRESHOLD) -> float:
    """The first time t at which the flow from E0 has RQI above `threshold`; inf where
    it never has.

    Divide by the embeddings' learning rate for steps. RQI is a step function of t. It
    is evaluated on a grid of times in ratio 1.01, from a hundredth of the fastest
    mode's decay time to e^-60 of the slowest, and the first crossing is bisected to
    machine precision. A rise and fall within one grid step is missed. A collapsed E0
    has RQI 0 (see `rqi`) and keeps it.

    Matrix products: the flow is integrated (as by `flow`) until it rests, |grad l_eff|
    sqrt(Z0) < 1e-9, or to t = 1000 Z0, and what has not crossed by then counts as
    never. The grid begins at a thousandth of the time in which E0, at its initial
    speed, would move by its own size. There RQI goes up also where symbols fall
    together. nan where the solver gave up (after 10,000 steps) and there was no
    crossing before.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E0: float (p, d), or (p, d, d) where `op` composes by a product.
        threshold: of RQI, at least 0.

    Source: paper, section 4.2, figure 4 (b); for products our extension.

    Raises:
        ArgumentError: `E0` is not finite or has another shape; `threshold` is below 0;
            `op` has two tables of embeddings.
    """
    require_one_table(op)
    E = embedding(E0, op, "E0")
    threshold = _checks.positive("threshold", threshold, zero=True)
    if collapsed(E.reshape(len(E), -1), op.composition == "product"):
        return math.inf
    E = loss_argument(op, E, "E0")
    size = size_of(E)
    course = (_exact_course if op.composition == "sum" else _integrated_course)(op, mask, E / size)

    def first_above(times: NDArray[np.float64]) -> int | None:
        above = np.flatnonzero(rqi_path(op, course.path(times), DELTA[op.composition]) > threshold)
        return int(above[0]) if len(above) else None

    if first_above(np.zeros(1)) is not None:
        return 0.0
    never = math.inf if course.complete else math.nan
    if not course.end:
        return never
    n_grid = math.ceil(math.log(course.end / course.begin) / math.log(_SCAN_RATIO)) + 1
    grid = np.concatenate(([0.0], np.geomspace(course.begin, course.end, n_grid)))
    crossing = first_above(grid)
    if crossing is None:
        return never
    low, high = grid[crossing - 1], grid[crossing]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if first_above(np.array([middle])) is None:
            low = middle
        else:
            high = middle
    return float(high * size**2)


OPTIMIZERS = {"adam": _kernels.ADAM, "adamw": _kernels.ADAMW, "sgd": _kernels.SGD}


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
    "sgd", decoupled for "adamw"; at 0 "adam" and "adamw" agree. Adam does not depend on
    the size of a gradient, so the normalisation of l_eff (and Z0) drops out of its time
    scale. SGD does: its times depend on the convention "sum", and on l_eff being of the
    size of the network's own loss, which nothing guarantees.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E0: float (p, d), taken as it is (not centred).
        optimizer: "adam", "adamw" or "sgd".
        learning_rate: eta of the embeddings.
        steps: how many updates.
        weight_decay: of the optimiser.

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
    rule = _kernels.Rule(
        kind=OPTIMIZERS[_checks.choice("optimizer", optimizer, tuple(OPTIMIZERS))],
        rate=_checks.positive("learning_rate", learning_rate),
        decay=_checks.positive("weight_decay", weight_decay, zero=True),
    )
    steps = _checks.integer("steps", steps, 0)
    path = np.empty((steps + 1, *E.shape))
    path[0] = E
    _kernels.optimizer_flow(*training_samples(op, mask), path, rule)
    return _trajectory(op, mask, np.arange(steps + 1.0), path)
