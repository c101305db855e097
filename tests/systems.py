"""Exactly solvable systems as test objects, solved by hand: nothing here calls the
theory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import efftheory as et

# |P0(D0)| for p symbols (paper, appendix F and the official code's counts)
FULL_PARALLELOGRAMS = {2: 0, 3: 1, 4: 3, 6: 13, 10: 70, 11: 95}

# p = 10, all data; with Z0 = 9 and eta = 1e-3 the paper's n_h = 150 steps
FULL_LAMBDA3_10 = 60

# the training set of the paper's golden run
GOLDEN = {"p": 10, "n_train": 45, "seed": 58}


def mask_of(op: et.Operation, *pairs: tuple[int, int]) -> NDArray[np.bool_]:
    """The training set with just these pairs."""
    wanted = {tuple(sorted(pair)) for pair in pairs}
    return np.array([(int(i), int(j)) in wanted for i, j in op.pairs], dtype=np.bool_)


def reflected(op: et.Operation, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The training set under k -> p-1-k, a symmetry of addition: i+j = m+n is kept."""
    last = op.n_symbols - 1
    return mask_of(op, *((last - int(j), last - int(i)) for i, j in op.pairs[mask]))


def linear_representation(p: int, d: int = 1, seed: int = 0) -> NDArray[np.float64]:
    """E_k = a + k b, (p, d): every parallelogram closes, l0 = 0."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(-1, 1, d), rng.uniform(0.5, 1, d)
    return a + np.arange(p)[:, None] * b


@dataclass(frozen=True, eq=False)
class Solvable:
    """A training set whose Hessian is diagonalised by hand.

    Attributes:
        mask: the training set, of addition of `p` symbols.
        modes: (r, p), the modes that cost something, orthogonal, in whole numbers.
        eigenvalues: (r,), theirs, ascending; the other p - r are 0.
    """

    name: str
    op: et.Operation
    mask: NDArray[np.bool_]
    modes: NDArray[np.int64]
    eigenvalues: tuple[float, ...]

    @property
    def nullity(self) -> int:
        return self.op.n_symbols - len(self.modes)

    @property
    def spectrum(self) -> NDArray[np.float64]:
        return np.array([0.0] * self.nullity + list(self.eigenvalues))

    def flow(self, E0: NDArray[np.float64], t: float) -> NDArray[np.float64]:
        """Subtract from E0 what each mode has lost, then restore Z0."""
        z0 = (E0**2).sum()
        E = E0.copy()
        for mode, value in zip(self.modes, self.eigenvalues, strict=True):
            share = np.outer(mode, mode @ E0) / (mode @ mode)
            E -= (1 - np.exp(-value * t / z0)) * share
        return E * np.sqrt(z0 / (E**2).sum())

    def loss(self, E0: NDArray[np.float64], t: float) -> float:
        """l_eff of a single mode is a logistic curve: with the mode's share s of Z0,
        l_eff = lambda s / 2 and ds/dt = -(2 lambda / Z0) s (1 - s)."""
        (mode,), (value,) = self.modes, self.eigenvalues
        z0 = (E0**2).sum()
        s = ((mode @ E0) ** 2).sum() / (mode @ mode) / z0
        return value / 2 * s / (s + (1 - s) * np.exp(2 * value * t / z0))


def _solvable(name, p, pairs, modes, eigenvalues) -> Solvable:
    op = et.addition(p)
    return Solvable(name, op, mask_of(op, *pairs), np.array(modes), eigenvalues)


# One parallelogram a: H = 2 a a^T has the one mode a, eigenvalue 2 |a|^2.
THREE_SYMBOLS = _solvable("one parallelogram of p = 3", 3, [(0, 2), (1, 1)], [[1, -2, 1]], (12.0,))
TWO_SAMPLES = _solvable("two samples of p = 4", 4, [(0, 3), (1, 2)], [[1, -1, -1, 1]], (8.0,))
# All of p = 4: a1 = (1,-2,1,0), a2 = (1,-1,-1,1), a3 = (0,1,-2,1). The modes are
# a2 = a1 + a3 and a1 - a3, for a1 a1^T + a3 a3^T is half the sum of their squares:
# eigenvalues 2 (1/2 + 1) |a2|^2 = 12 and 2 (1/2) |a1 - a3|^2 = 20.
FOUR_SYMBOLS = _solvable(
    "all of p = 4",
    4,
    [(0, 0), (0, 1), (0, 2), (1, 1), (0, 3), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)],
    [[1, -1, -1, 1], [1, -3, 3, -1]],
    (12.0, 20.0),
)
SINGLE_MODE = (THREE_SYMBOLS, TWO_SAMPLES)
SOLVABLE = (*SINGLE_MODE, FOUR_SYMBOLS)
