"""The loss over parallelograms of matrix products: what `loss` and `flow` use where an
operation composes by them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from efftheory._kernels import Samples


def loss_and_gradient(samples: Samples, E: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """(l0, dl0/dE) with l0 = sum over P0(D) of |E_a E_b - E_c E_e|_F^2, E (p, d, d)
    trusted; O(|D| d^3).

    As for sums, the sum over the pairs of one class is
    l0 = sum_c k_c sum_{s in c} |P_s - mean_c|^2
    with P_s = E_a E_b. The mean's own derivative drops out, for the
    deviations of a class add up to 0: dl0/dP_s = 2 k_c (P_s - mean_c), then dl0/dE_a
    collects dl0/dP_s E_b^T, and dl0/dE_b collects E_a^T dl0/dP_s.
    """
    left, right, first = samples
    sizes = np.diff(first)
    classes = np.repeat(np.arange(len(sizes)), sizes)
    L, R = E[left], E[right]
    P = L @ R  # (n, d, d)
    means = np.zeros((len(sizes), *P.shape[1:]))
    np.add.at(means, classes, P)
    means /= np.maximum(sizes, 1)[:, None, None]  # a class without samples has none to be read
    deviation = P - means[classes]
    slope = 2 * sizes[classes, None, None] * deviation  # dl0/dP
    gradient = np.zeros_like(E)
    np.add.at(gradient, left, slope @ R.transpose(0, 2, 1))
    np.add.at(gradient, right, L.transpose(0, 2, 1) @ slope)
    return float((slope * deviation).sum() / 2), gradient
