"""How many neurons of a hidden layer decide what the network predicts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.components import as_embedding
from analysis.measures.signature import as_series

_FEW = 8  # samples that are followed from one k to the next


def effective_sparsity(
    hidden: ArrayLike, readout: ArrayLike, incoming: ArrayLike, direct: ArrayLike | None = None
) -> int:
    """The fewest neurons that predict as the whole layer of w neurons does, on all N
    samples.

    Neurons are kept in the order of their incoming norm, largest first. With the first
    k of them in K, the outputs of a sample are f_c = direct_c + sum_{i in K} readout_ci
    hidden_i, and its prediction is the class of the largest output (the first of
    equals), or the sign of the output if there is but one. The smallest k with the
    predictions of k = w is returned. It is 0 if no neuron is needed: without `direct`
    all outputs are 0 then, so that class 0 (or the sign 0) is what the whole network
    predicts for every sample.

    Args:
        hidden: float (N, w), what each neuron sends on for each sample.
        readout: float (C, w), the weights of the C outputs.
        incoming: float (w,), the norms of the neurons' incoming weights.
        direct: float (N, C), what reaches the outputs past the neurons and is always
            kept: biases, a residual stream; nothing by default.

    Source: Merrill et al., "A tale of two circuits" (2303.11873).

    Raises:
        ArgumentError: `hidden` or `readout` is not finite and two-dimensional,
            `incoming` not finite and (w,), or their w differ; `direct` is not (N, C).
    """
    H, R = as_embedding(hidden, "hidden", least=1), as_embedding(readout, "readout", least=1)
    w = H.shape[1]
    if R.shape[1] != w:
        raise et.ArgumentError("readout", f"have w = {w} columns, as hidden", f"has shape {R.shape}")
    base = np.zeros((len(H), len(R))) if direct is None else as_embedding(direct, "direct", least=1)
    if base.shape != (len(H), len(R)):
        raise et.ArgumentError("direct", f"have shape {(len(H), len(R))}", f"has shape {base.shape}")
    order = np.argsort(-as_series(incoming, "incoming", length=w), kind="stable")
    H, R = H[:, order], R[:, order]

    def outputs(k: int) -> NDArray[np.float64]:
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


def _predicted(outputs: NDArray[np.float64]) -> NDArray:
    """What each sample of outputs (.., C) is taken for."""
    return np.sign(outputs[..., 0]) if outputs.shape[-1] == 1 else outputs.argmax(axis=-1)
