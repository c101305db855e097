"""The slope and the sharpest curvature of a loss at a network's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

import efftheory as et

# Relative, of Lanczos' residual: by its quadratic convergence the value is mostly far
# better than that. Sharpness is compared among runs, where it differs by much more.
SHARPNESS_TOLERANCE = 1e-2
_VECTORS = 6  # of Lanczos between restarts: with more, most come after it has converged
_RESTARTS = 100
_SEED = 0  # of the vector from which it starts

Loss = Callable[[dict[str, Tensor]], Tensor]


def gradient_norm(loss: Loss, weights: Mapping[str, Tensor | NDArray]) -> float:
    """|grad L(w)| over all weights together, of a loss of named tensors such as these;
    nan where a weight, the loss or the gradient is not finite.

    Raises:
        ArgumentError: `weights` are no floating point numbers or none, or `loss` gives
            more or fewer numbers than one.
    """
    return _size(_slope(loss, weights)[1])


def sharpness(loss: Loss, weights: Mapping[str, Tensor | NDArray]) -> float:
    """The largest eigenvalue of the Hessian of the loss at these weights (not the
    largest in size: at a maximum it is below 0).

    By Lanczos' method from products of the Hessian with vectors (reverse mode twice),
    never the Hessian itself, to SHARPNESS_TOLERANCE, in the weights' own precision. nan
    where a weight, the loss or a product is not finite, or Lanczos has not converged.
    The loss must be the same number whenever it is called. Raises as `gradient_norm`.
    """
    leaves, gradient = _slope(loss, weights)
    if math.isnan(_size(gradient)):
        return math.nan

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        along = torch.as_tensor(vector.ravel()).to(gradient)
        return _flat(torch.autograd.grad(gradient, leaves, along, retain_graph=True)).double().cpu().numpy()

    size = gradient.numel()
    v0 = np.random.default_rng(_SEED).normal(size=size)
    first = product(v0)
    if not np.isfinite(first).all():
        return math.nan
    if size == 1 or not first.any():  # H is a number, or 0: ARPACK takes neither
        return float(first[0] / v0[0])
    H = LinearOperator((size, size), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    options: dict[str, Any] = {"v0": v0, "ncv": min(_VECTORS, size), "tol": SHARPNESS_TOLERANCE}
    try:
        values = eigsh(H, k=1, which="LA", return_eigenvectors=False, maxiter=_RESTARTS, **options)
    except ArpackNoConvergence:
        return math.nan
    return float(values[0])


def _slope(loss: Loss, weights: Mapping[str, Tensor | NDArray]) -> tuple[list[Tensor], Tensor]:
    """The weights, and the gradient in one row, as a function of them; nan where a
    weight or the loss is not finite.
    """
    tensors = {name: torch.as_tensor(weight).detach() for name, weight in weights.items()}
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise et.ArgumentError("weights", "be floating point", f"are {[str(t.dtype) for t in tensors.values()]}")
    if not sum(tensor.numel() for tensor in tensors.values()):
        raise et.ArgumentError("weights", "hold at least one number", "hold none")
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    value = loss(leaves)
    if value.numel() != 1:
        raise et.ArgumentError("loss", "give one number", f"gives shape {tuple(value.shape)}")
    # nothing, but a function of all weights, also where the loss or its slope is none
    nothing = sum(0 * leaf.square().sum() for leaf in leaves.values())
    w = list(leaves.values())
    gradient = _flat(torch.autograd.grad(value.squeeze() + nothing, w, create_graph=True))
    return w, gradient if bool(value.isfinite()) else gradient * math.nan


def _size(gradient: Tensor) -> float:
    norm = float(gradient.detach().double().norm())
    return norm if math.isfinite(norm) else math.nan


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.ravel() for tensor in tensors])
