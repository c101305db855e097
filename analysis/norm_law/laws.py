"""Laws of the number of steps until a network generalises.

Weight decay alone moves the norm of a network that has learned its training set: by
AdamW at learning rate eta and decay gamma, w(t) = w0 exp(-eta gamma t). (Liu, Michaud
and Tegmark, "Omnigrok", section 2: steps = ln(w0/w_c)/(eta gamma).) The laws differ in
what the norm has to fall to, and whether time counts before it has. Norms are in units
of the usual initial one, rates are eta gamma, a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import cumulative_trapezoid, solve_ivp

from analysis.landscape.shells import crossing, least

_POINTS = 4_001  # of the integral over a path of norms


@dataclass(frozen=True, eq=False)
class Reduced:
    """The landscape of one seed, and one threshold.

    Attributes:
        scales: float64 (n,), norms, ascending.
        steps: int64 (L,), of the looks.
        accuracies: float64 (n, L), test accuracy.
        test_loss, train_loss: float64 (n,), after all steps.
        threshold: of the accuracy.
        usual_norm: the norm, in the units of the weights, that is 1 here.
    """

    scales: NDArray[np.float64]
    steps: NDArray[np.int64]
    accuracies: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    threshold: float
    usual_norm: float

    @cached_property
    def steps_held(self) -> NDArray[np.float64]:
        """T(w), (n,): the first look, after the start, at which the accuracy is at the
        threshold; inf if it never is.
        """
        there = self.accuracies >= self.threshold
        return np.where(there.any(axis=1), np.maximum(self.steps[there.argmax(axis=1)], self.steps[1]), np.inf)

    @cached_property
    def shells(self) -> NDArray[np.float64]:
        """w_c(t), (L,): where the accuracy after t steps falls through the
        threshold.
        """
        return np.array([crossing(self.scales, column, self.threshold) for column in self.accuracies.T])


def time_to_fall(scale: float, to: float, rate: float) -> float:
    """Steps until scale exp(-rate t) is `to`: 0 if it is there, inf if it never is, or
    if `to` is nan.
    """
    if to >= scale:
        return 0.0
    return float(np.log(scale / to) / rate) if to > 0 and rate > 0 else float("inf")


def minimum_of_the_u(scale: float, rate: float, reduced: Reduced) -> float:
    """The paper's w_c: where the test loss is least."""
    return time_to_fall(scale, least(reduced.scales, reduced.test_loss), rate)


def crossing_in_time(scale: float, rate: float, reduced: Reduced) -> float:
    """The norm meets w_c(t), read off the landscape after as many steps: a step counts
    wherever the norm was.

    After the landscape's last step w_c stays what it is there. The first look at which
    the norm is below; from then on to the step.
    """
    return first_meeting(reduced.steps, np.log(scale) - rate * reduced.steps, reduced.shells, rate)


def first_meeting(steps: ArrayLike, log_norms: ArrayLike, shells: ArrayLike, rate: float) -> float:
    """When the norm is first below the shell: steps (L,), ln w (L,), w_c (L,). After
    the last of the steps ln w falls by `rate` a step, and the shell stays.
    """
    at, x, wall = (np.asarray(values, float) for values in (steps, log_norms, shells))
    below = np.flatnonzero(x <= np.log(wall))  # nan, no shell yet, is not
    if len(below):
        return float(at[below[0]])
    return float(at[-1]) + time_to_fall(float(np.exp(x[-1])), float(wall[-1]), rate)


def time_inside(scale: float, rate: float, reduced: Reduced) -> float:
    """Only steps inside the shell count: a run at norm w does 1/T(w) of its way in a
    step, where T(w) is what one that is held there takes, and is there when these
    shares add up to 1.

    1/T is 0 where the held run never gets there, linear in ln w between the
    landscape's norms, and at smaller norms what it is at the least.
    """
    x, pace = np.log(reduced.scales), 1 / reduced.steps_held
    begin = float(np.log(scale))
    here = float(np.interp(begin, x, pace))
    if rate <= 0:
        return 1 / here if here > 0 else float("inf")
    path = np.linspace(begin, min(begin, x[0]), _POINTS)
    shares = cumulative_trapezoid(np.interp(path, x, pace), (begin - path) / rate, initial=0)
    if shares[-1] >= 1:
        return float(np.interp(1, shares, begin - path) / rate)
    left = (1 - shares[-1]) / pace[0] if pace[0] > 0 else np.inf
    return float((begin - path[-1]) / rate + left)


# What a law of ours is called in tables.
FORMS = {"crossing in time": crossing_in_time, "time inside": time_inside}


def with_radial_gradient(scale: float, rate: float, reduced: Reduced, learning_rate: float) -> float:
    """As `crossing_in_time`, but the norm also descends the reduced training loss:
    dw/dt = -eta (dl~/dw + gamma w), the paper's equation (section 4).

    Scales without a finite loss are left out; nan where fewer than two have one. Below
    the landscape's least norm decay alone moves it.
    """
    known = np.isfinite(reduced.train_loss)
    if known.sum() < 2:
        return float("nan")
    log_scales = np.log(reduced.scales[known])
    slope = np.gradient(reduced.train_loss[known], log_scales)  # dl~/d ln w

    def pace(_: float, x: NDArray) -> NDArray:
        w = np.exp(x) * reduced.usual_norm
        return -rate - learning_rate * np.interp(x, log_scales, slope) / w**2

    def left(_: float, x: NDArray) -> float:
        return x[0] - log_scales[0]

    left.terminal = True  # pyright: ignore[reportFunctionMemberAccess]
    left.direction = -1  # pyright: ignore[reportFunctionMemberAccess]
    steps = reduced.steps
    found = solve_ivp(pace, (0, steps[-1]), np.log([scale]), t_eval=steps, rtol=1e-6, events=left)
    if not found.success:
        return float("nan")
    path, after = found.y[0], steps[len(found.t) :]
    path = np.concatenate([path, path[-1] - rate * (after - found.t[-1])])
    return first_meeting(steps, path, reduced.shells, rate)


@dataclass(frozen=True)
class Calibrated:
    """What the laws that begin at memorisation take from one cell of runs.

    Attributes:
        contraction: kappa, the rate at which ln w falls after memorisation, in units of
            eta gamma.
        shell: the norm at generalisation.
        factor: what turns ln(V_mem/V_post)/(eta gamma) into the delay, V = w^2.
    """

    contraction: float
    shell: float
    factor: float


def calibrate(
    delays: ArrayLike, rates: ArrayLike, learned_norms: ArrayLike, final_norms: ArrayLike
) -> Calibrated | None:
    """From runs (n,) of one cell that generalised: steps between memorisation and
    generalisation, eta gamma, and the norms there. Medians. None without runs.
    """
    delay, rate, begin, end = (np.asarray(values, float) for values in (delays, rates, learned_norms, final_norms))
    if not len(delay):
        return None
    fall, shell = np.log(begin / end), float(np.median(end))
    separation = 2 * np.log(begin / shell)
    return Calibrated(
        contraction=float(np.median(fall / (rate * delay))),
        shell=shell,
        factor=float((delay * separation / rate).sum() / ((separation / rate) ** 2).sum()),
    )


def first_passage(learned: float, learned_norm: float, rate: float, by: Calibrated) -> float:
    """T_mem + ln(V_mem/V*)/(2 kappa eta gamma), V = w^2; kappa and V* from one cell.

    Source: arXiv 2605.18845. Reads the run itself until it has learned its training
    set: T_mem and V_mem.
    """
    return learned + time_to_fall(learned_norm, by.shell, by.contraction * rate)


def norm_separation(learned: float, learned_norm: float, rate: float, by: Calibrated) -> float:
    """T_mem + C ln(V_mem/V_post)/(eta gamma), V = w^2.

    Source: arXiv 2603.13331, which gives the form up to the factor C: ours is the
    least-squares one of the same cell. Reads T_mem and V_mem off the run.
    """
    return learned + 2 * by.factor * time_to_fall(learned_norm, by.shell, rate)
