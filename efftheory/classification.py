"""The effective theory of classification: representations of one class attract each
other, and keep their total size.

A quadratic form over a norm, as for parallelograms, but with every class its own
complete graph: H F = 2 k_c (F_x - mean_c). Its modes are known beforehand: deviations
from the mean of a class with k members have eigenvalue 2 k, class means have 0. So the
flow is a formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks
from efftheory._checks import ArgumentError
from efftheory._html import Line, page, plot, relative
from efftheory._records import short
from efftheory.loss import effective_loss, effective_loss_gradient, in_units_of, loss_argument, size_of
from efftheory.operations import Operation

_ABSENT = 1e-14  # a part of F below this share of |F| is round-off


@dataclass(frozen=True, eq=False)
class ClassTrajectory:
    """Representations of classified samples along the flow.

    Attributes:
        times: float64 (T,).
        F: float64 (T, n, d).
        loss: float64 (T,), l / Z.
        z: float64 (T,), Z = sum_x |F_x|^2, which the flow conserves.
    """

    times: NDArray[np.float64]
    F: NDArray[np.float64]
    loss: NDArray[np.float64]
    z: NDArray[np.float64]

    __repr__ = short

    def _repr_html_(self) -> str:
        """With the curve of the loss."""
        rows = [
            ("samples", self.F.shape[1:]),
            ("times", f"{len(self.times)}, up to {self.times[-1]:g}"),
            ("loss", f"{self.loss[0]:.4g}, at the end {self.loss[-1]:.4g}"),
        ]
        lines = [Line("loss / initial loss", self.times, relative(self.loss))]
        return page("Representations of classes along the flow", rows, plot(lines, "time", "share"))


def _as_sums(labels: ArrayLike, F: ArrayLike, name: str) -> tuple[Operation, NDArray[np.float64]]:
    """An operation and embeddings whose parallelograms are the pairs of a class: sample
    x is the sum of symbol x, F_x, and of one more symbol, whose embedding is 0.
    """
    array = _checks.real_array(name, F)
    if array.ndim != 2 or array.size == 0:
        raise ArgumentError(name, "have shape (n, d)", f"has shape {array.shape}")
    n = len(array)
    requirement = f"be {n} values of one kind"
    known = _checks.as_array("labels", labels, requirement)
    if known.shape != (n,):
        raise ArgumentError("labels", f"have shape (n,) = ({n},)", f"has shape {known.shape}")
    try:
        values, classes = np.unique(known, return_inverse=True)
    except (TypeError, ValueError):  # of kinds that have no order
        raise ArgumentError("labels", requirement, f"is {_checks.shown(labels)}") from None
    left, right, classes = np.arange(n, dtype=np.int32), np.full(n, n, np.int32), classes.astype(np.int32)
    op = Operation("classes", n + 1, n, len(values), lambda x: (left[x], right[x], classes[x]))
    return op, loss_argument(op, np.concatenate([array, np.zeros_like(array[:1])]), name)


def class_loss(labels: ArrayLike, F: ArrayLike) -> float:
    """l / Z, l = sum over pairs of one label of |F_x - F_y|^2, Z = sum_x |F_x|^2.

    By class, l = sum_c k_c sum_{x in c} |F_x - mean_c|^2: O(n d). A pair counts once,
    as a parallelogram does (the paper's formula does not say; ordered pairs would
    double l and halve all times). F is taken as it is, not centred.

    Args:
        labels: (n,), the class of each sample: whole numbers, or any values that can be
            sorted.
        F: float (n, d), the representation of each sample.

    Source: paper, appendix I.

    Raises:
        ArgumentError: `F` is not finite (n, d) or is zero; `labels` is not (n,).
    """
    op, E = _as_sums(labels, F, "F")
    return effective_loss(op, None, E)


def class_loss_gradient(labels: ArrayLike, F: ArrayLike) -> NDArray[np.float64]:
    """d(l/Z)/dF_x = (2/Z) (k_c (F_x - mean_c) - (l/Z) F_x), float64 (n, d).

    Args:
        labels, F: (n,) and float (n, d), as in `class_loss`, whose conventions and
            errors hold here.
    """
    op, E = _as_sums(labels, F, "F")
    return effective_loss_gradient(op, None, E)[:-1]


def class_flow(labels: ArrayLike, F0: ArrayLike, times: ArrayLike) -> ClassTrajectory:
    """Gradient flow dF/dt = -d(l/Z)/dF in closed form.

    F_x(t) = s(t) [mean_c + e^{-2 k_c t/Z} (F_x - mean_c)] with the means and deviations
    of F0, and s(t) such that Z stays what it was. So deviations within a class of k
    members fall as e^{-2 k t/Z} against the means: classes collapse, large ones first.
    All class means are multiplied by the same s(t), which never falls and ends at
    sqrt(Z / sum_c k_c |mean_c|^2): classes with different means stay apart, at
    distances in constant ratios. Only where all class means are 0 is there nothing to
    keep them apart, and the smallest class is left.

    Args:
        labels: (n,), as in `class_loss`.
        F0: float (n, d), taken as it is (not centred).
        times: strictly ascending, from 0 on, (T,). A gradient step of learning rate eta
            advances time by eta.

    Source: paper, appendix I, which descends by Adam (learning rate 1e-3, 100 steps);
    the closed form is ours.

    Raises:
        ArgumentError: `F0` is not finite (n, d) or is zero; `labels` is not (n,);
            `times` are not ascending from 0 on.
    """
    op, E = _as_sums(labels, F0, "F0")
    t = _checks.ascending_times("times", times)
    size, classes = size_of(E), op.results
    F, sizes = E[:-1] / size, np.bincount(classes).astype(np.float64)
    means = np.zeros((len(sizes), F.shape[1]))
    np.add.at(means, classes, F)
    means /= sizes[:, None]
    z, k, deviation = (F**2).sum(), sizes[classes, None], F - means[classes]
    # the share of Z that each mode holds: the class means, then the deviations of each
    # class
    shares = np.concatenate(([(sizes[:, None] * means**2).sum()], np.bincount(classes, (deviation**2).sum(axis=1)))) / z
    rates = np.concatenate(([0.0], 2 * sizes / z))
    present = shares > _ABSENT**2  # what F0 does not hold must not grow out of round-off
    # measured from the slowest that is there: the sum below never underflows to 0
    scaled = in_units_of(size, t)
    decay = np.exp(-np.outer(scaled, np.maximum(rates - rates[present].min(), 0.0))) * present
    scale = 1 / np.sqrt((shares * decay**2).sum(axis=1))
    weights = scale[:, None] * decay
    deviations = weights[:, 1 + classes, None] * deviation
    path = weights[:, 0, None, None] * means[classes] + deviations
    z_path = (path**2).sum(axis=(1, 2))
    loss = (k * deviations**2).sum(axis=(1, 2)) / z_path
    return ClassTrajectory(t, size * path, loss, size**2 * z_path)
