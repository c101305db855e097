"""Means of activations over two jointly Gaussian preactivations, and their derivatives:
see `_decoder_kernels.py`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.polynomial import Polynomial

# tanh u = sum_k a_k erf(s_k u) within 1.03e-3, the best two terms: then every Gaussian
# mean has a closed form.
A1, A2, S1, S2 = 0.4355577, 0.5644423, 0.61554595, 1.08696827


def _arcsine_coefficients() -> tuple[float, ...]:
    """(asin(s) / s - 1) / s^2 as a polynomial in s^2 on [0, 1/4], to 1e-15: numba's own
    asin is a call per entry.
    """
    nodes = 0.125 + 0.125 * np.cos(np.pi * (np.arange(14) + 0.5) / 14)
    values = (np.arcsin(np.sqrt(nodes)) / np.sqrt(nodes) - 1) / nodes
    fit = Polynomial.fit(nodes, values, 11, domain=[0, 0.25], window=[0, 0.25])
    return tuple(fit.coef.tolist())


# by name: a loop over them would keep the compiler from taking several entries at once
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11 = _arcsine_coefficients()


@njit(inline="always")
def arcsine(z):
    """asin z, to the last digits."""
    size = abs(z)
    big = size > 0.5
    t = 0.5 * (1.0 - size) if big else z * z
    s = math.sqrt(t)
    series = ((((((_C11 * t + _C10) * t + _C9) * t + _C8) * t + _C7) * t + _C6) * t + _C5) * t + _C4
    series = (((series * t + _C3) * t + _C2) * t + _C1) * t + _C0
    angle = s + s * t * series
    return math.copysign(math.pi / 2 - 2.0 * angle if big else angle, z)


@njit(inline="always")
def _erf_means(ca, cab, cb, s, t, amplitude):
    """What a pair of terms erf(s u), erf(t v) adds to `tanh_mean`."""
    ss, tt, st = 2.0 * s * s, 2.0 * t * t, 2.0 * s * t
    A, B, C = 1.0 + ss * ca, 1.0 + tt * cb, st * cab
    AB = A * B
    root = 1.0 / math.sqrt(AB - C * C)
    slope = 2.0 / math.pi * amplitude * root
    q = 2.0 / math.pi * amplitude * arcsine(C / math.sqrt(AB))
    qa, qb = -0.5 * slope * C / A * ss, -0.5 * slope * C / B * tt
    d = slope * st
    bend = d * root * root
    return q, d, qa, qb, -0.5 * bend * B * ss, -0.5 * bend * A * tt, bend * C * st


@njit(inline="always")
def tanh_mean(ca, cab, cb):
    """For (u, v) ~ N(0, [[ca, cab], [cab, cb]]): q = E[h(u) h(v)],
    d = E[h'(u) h'(v)] = dq/dcab, and the derivatives dq/dca, dq/dcb, dd/dca, dd/dcb,
    dd/dcab.
    """
    q1, d1, qa1, qb1, da1, db1, dab1 = _erf_means(ca, cab, cb, S1, S1, A1 * A1)
    q2, d2, qa2, qb2, da2, db2, dab2 = _erf_means(ca, cab, cb, S1, S2, A1 * A2)
    q3, d3, qa3, qb3, da3, db3, dab3 = _erf_means(ca, cab, cb, S2, S1, A1 * A2)
    q4, d4, qa4, qb4, da4, db4, dab4 = _erf_means(ca, cab, cb, S2, S2, A2 * A2)
    return (
        q1 + q2 + q3 + q4,
        d1 + d2 + d3 + d4,
        qa1 + qa2 + qa3 + qa4,
        qb1 + qb2 + qb3 + qb4,
        da1 + da2 + da3 + da4,
        db1 + db2 + db3 + db4,
        dab1 + dab2 + dab3 + dab4,
    )


@njit(inline="always")
def relu_mean(ca, cab, cb):
    """As `tanh_mean`, for max(u, 0)."""
    norm = math.sqrt(ca * cb)
    cosine = min(max(cab / norm, -1.0), 1.0)
    sine = math.sqrt(1.0 - cosine * cosine)
    opening = math.pi - math.acos(cosine)
    q = norm * (sine + opening * cosine) / (2.0 * math.pi)
    d = opening / (2.0 * math.pi)
    dab = 1.0 / (2.0 * math.pi * norm * sine) if sine > 1e-6 else 0.0  # where two samples meet, d has a kink
    share = sine / (4.0 * math.pi)
    return (
        q,
        d,
        share * math.sqrt(cb / ca),
        share * math.sqrt(ca / cb),
        -0.5 * dab * cab / ca,
        -0.5 * dab * cab / cb,
        dab,
    )
