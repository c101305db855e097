"""How far a network's weights are from where they began, which coordinates of the input
they tell from the others, and how many neurons decide what it predicts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import Floats, as_finite, as_reals, as_whole

_FEW = 8  # samples that are followed from one k to the next


def largest_change(weights: Mapping[str, ArrayLike], start: Mapping[str, ArrayLike]) -> float:
    """||w_t - w_0||_inf, the largest change of any one weight, at least one, since a
    `start` with the same names and shapes; nan if one of them is.

    Source: Barak et al., "Hidden progress in deep learning" (2207.08799).
    """
    now = {name: as_reals("weights", array) for name, array in weights.items()}
    begin = {name: as_reals("start", array) for name, array in start.items()}
    shapes, found = ({name: array.shape for name, array in some.items()} for some in (now, begin))
    if not sum(array.size for array in now.values()):
        raise et.ArgumentError("weights", "hold at least one number", "holds none")
    if found != shapes:
        raise et.ArgumentError("start", f"have the names and shapes of weights, {shapes}", f"has {found}")
    return float(np.max([np.abs(now[name] - begin[name]).max() for name in now if now[name].size]))


def gradient_gap(gradient: ArrayLike, relevant: ArrayLike) -> float:
    """How well the gradient of the first layer's weights (w, n), or these themselves,
    tell the k relevant coordinates of the n, distinct and not all, from the others.

    For each neuron the mean of |g| over the relevant coordinates, less that over the
    others, over that of all; then the mean over the w neurons. 0 if they cannot be told
    apart, n/k if all of it is at the relevant ones, -n/(n - k) if none is. A neuron
    without gradient counts as 0.

    Source: ours, after the Fourier gap of Barak et al. (2207.08799), of any network.
    """
    sizes = np.abs(as_finite("gradient", gradient, "(w, n)"))
    n = sizes.shape[1]
    chosen = as_whole("relevant", relevant, "(k,)", 0, n - 1)
    mask = np.isin(np.arange(n), chosen)
    if not len(chosen) == mask.sum() in range(1, n):
        raise et.ArgumentError("relevant", "be distinct, at least one and not all", f"is {relevant!r}")
    means = sizes.mean(axis=1)
    gaps = sizes[:, mask].mean(axis=1) - sizes[:, ~mask].mean(axis=1)
    return float(np.divide(gaps, means, out=np.zeros_like(gaps), where=means > 0).mean())


def effective_sparsity(
    hidden: ArrayLike, readout: ArrayLike, incoming: ArrayLike, direct: ArrayLike | None = None
) -> int:
    """The smallest k of neurons that predict as the whole layer of w neurons does, on
    all N samples.

    Neurons are kept in the order of their incoming norm, largest first. With the first
    k of them in K, the outputs of a sample are f_c = direct_c + sum_{i in K} readout_ci
    hidden_i, and its prediction is the class of the largest output (the first of
    equals), or the sign of the output if there is but one. 0 if no neuron is needed:
    without `direct` all outputs are 0 then, and every prediction is class 0, or sign 0.

    Args:
        hidden: float (N, w), what each neuron sends on for each sample.
        readout: float (C, w), the weights of the C outputs.
        incoming: float (w,), the norms of the neurons' incoming weights.
        direct: float (N, C), what reaches the outputs past the neurons and is always
            kept: biases, a residual stream; nothing by default.

    Source: Merrill et al., "A tale of two circuits" (2303.11873).
    """
    H = as_finite("hidden", hidden, "(N, w)")
    N, w = H.shape
    R = as_finite("readout", readout, f"(C, {w})")
    order = np.argsort(-as_finite("incoming", incoming, f"({w},)"), kind="stable")
    base = np.zeros((N, len(R))) if direct is None else as_finite("direct", direct, f"({N}, {len(R)})")
    H, R = H[:, order], R[:, order]

    def outputs(k: int) -> Floats:
        """(N, C), with the first k neurons."""
        return base + H[:, :k] @ R[:, :k].T

    whole, k = _predicted(outputs(w)), 0
    while (wrong := np.flatnonzero(_predicted(now := outputs(k)) != whole)).size:
        # on to the first k with which a few of the wrong samples are right
        few = wrong[:_FEW]
        terms = H[few, k:].T[:, :, None] * R[:, k:].T[:, None]  # (w - k, few, C)
        right = (_predicted(now[few] + terms.cumsum(axis=0)) == whole[few]).all(axis=1)
        right[-1] = True  # all neurons, whose sum may round otherwise here
        k += 1 + int(right.argmax())
    return k


def _predicted(outputs: Floats) -> NDArray:
    """What each sample of outputs (.., C) is taken for."""
    return np.sign(outputs[..., 0]) if outputs.shape[-1] == 1 else outputs.argmax(axis=-1)
