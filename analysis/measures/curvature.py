"""The slope and the sharpest curvature of a loss at a network's weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

import efftheory as et

# Relative. Sharpness is compared among runs, where it differs by much more; by
# Lanczos' quadratic convergence the value is mostly far better than that.
SHARPNESS_TOLERANCE = 1e-3

Loss = Callable[[dict[str, Tensor]], Tensor]


def gradient_norm(loss: Loss, weights: Mapping[str, Tensor | NDArray]) -> float:
    """|grad L(w)| over all weights together; nan where a weight, the loss or the
    gradient is not finite.

    Args:
        loss: named tensors, as `weights`, -> a tensor of one number.
        weights: floating point, of any shapes.

    Raises:
        ArgumentError: `weights` are no floating point numbers or none, or `loss` gives
            more or fewer numbers than one.
    """
    tensors = _tensors(weights)
    if not _all_finite(loss, tensors):
        return math.nan
    norm = float(np.linalg.norm(_flat(torch.func.grad(lambda w: loss(w).squeeze())(tensors))))
    return norm if math.isfinite(norm) else math.nan


def sharpness(loss: Loss, weights: Mapping[str, Tensor | NDArray], iterations: int = 100, seed: int = 0) -> float:
    """The largest eigenvalue of the Hessian of the loss at these weights (not the
    largest in size: at a maximum it is below 0).

    By Lanczos' method from products of the Hessian with vectors (reverse mode twice),
    never the Hessian itself, to SHARPNESS_TOLERANCE, in the weights' own precision. nan
    where a weight, the loss or a product is not finite, or Lanczos has not converged.

    Args:
        loss: named tensors, as `weights`, -> a tensor of one number; the same number
            whenever it is called.
        weights: floating point, of any shapes.
        iterations: the most restarts of Lanczos, each of up to about 20 products.
        seed: of the vector from which Lanczos starts.

    Raises:
        ArgumentError: as `gradient_norm`; `iterations` is not an integer above 0.
    """
    tensors = _tensors(weights)
    if isinstance(iterations, bool) or not isinstance(iterations, int | np.integer) or iterations < 1:
        raise et.ArgumentError("iterations", "be an integer above 0", f"is {iterations!r}")
    if not _all_finite(loss, tensors):
        return math.nan
    gradient, transposed = torch.func.vjp(torch.func.grad(lambda w: loss(w).squeeze()), tensors)[:2]

    def product(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = torch.as_tensor(vector.ravel()).split([tensor.numel() for tensor in gradient.values()])
        named = {name: part.to(g).view_as(g) for part, (name, g) in zip(parts, gradient.items(), strict=True)}
        return _flat(transposed(named)[0])  # H is symmetric

    size = sum(tensor.numel() for tensor in tensors.values())
    v0 = np.random.default_rng(seed).normal(size=size)
    first = product(v0)
    if not np.isfinite(first).all():
        return math.nan
    if size == 1 or not first.any():  # H is a number, or 0: ARPACK takes neither
        return float(first[0] / v0[0])
    H = LinearOperator((size, size), matvec=product, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    options: dict[str, Any] = {"v0": v0, "tol": SHARPNESS_TOLERANCE, "maxiter": int(iterations)}
    try:
        values = eigsh(H, k=1, which="LA", return_eigenvectors=False, **options)
    except ArpackNoConvergence:
        return math.nan
    return float(values[0])


def _tensors(weights: Mapping[str, Tensor | NDArray]) -> dict[str, Tensor]:
    tensors = {name: torch.as_tensor(weight).detach() for name, weight in weights.items()}
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise et.ArgumentError("weights", "be floating point", f"are {[str(t.dtype) for t in tensors.values()]}")
    if not sum(tensor.numel() for tensor in tensors.values()):
        raise et.ArgumentError("weights", "hold at least one number", "hold none")
    return tensors


def _all_finite(loss: Loss, tensors: dict[str, Tensor]) -> bool:
    """The weights and the loss; the latter is one number."""
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        return False
    value = loss(tensors)
    if value.numel() != 1:
        raise et.ArgumentError("loss", "give one number", f"gives shape {tuple(value.shape)}")
    return bool(value.isfinite().all())


def _flat(tensors: dict[str, Tensor]) -> NDArray[np.float64]:
    return torch.cat([tensor.detach().ravel().to("cpu", torch.float64) for tensor in tensors.values()]).numpy()
