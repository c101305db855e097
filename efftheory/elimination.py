"""The nullity at any size: sparse elimination modulo random primes.

The unknowns are the p embeddings and, beside them, the value V_c of each result class
that D has a sample of; the sample (i, j) of class c is the equation E_i + E_j = V_c:
three entries, and no parallelogram. A solution's embeddings fix its V_c, so there are
as many solutions as of A(P0(D)).

1. Peeling: an unknown in a single equation takes that equation away with it, and never
   matters again.
2. Guessing: of what is left, some m unknowns are guessed, so that equations with one
   unknown left tell all others. What remains are the spare equations, linear in the m
   guesses.
3. n_0 = m - their rank + the unknowns that peeling left without an equation. A dense
   set needs two guesses, or little more; near the critical size m is a few per cent of
   p. The rank is found from random combinations of the spare equations, one after the
   other, O(|D| + m^2) each, until one depends on those before it.

What can go wrong. All steps but the rank divide by 1, -1 and 2 only, hence are exact.
The rank modulo a prime can only fall short, so a nullity that is the least possible is
proved: that of the linear representation (2 for addition) beside the unknowns without
an equation. Any other one is found again with new primes and combinations until the
chance that all were unlucky is below MAX_ERROR. Where D is much larger than a critical
set, a random part of D is tried first: adding samples cannot raise the nullity, so if
the part's is the least, D's is.

Memory O(|D| + m^2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from efftheory import _elimination_kernels as kernels
from efftheory._kernels import Samples, class_order, null_vector

MAX_ERROR = 1e-9
# Primes between 2^30 and 2^31, where products of residues fit an int64; there are more
# than 5e7 of them.
_PRIME_BITS, _N_PRIMES = 30, 5e7


@dataclass(frozen=True)
class Nullity:
    """n_0, and how it is known.

    Attributes:
        value: n_0.
        method: "elimination" (dense, deterministic), "sparse elimination", or "sparse
            elimination of a part", which certifies the whole.
        error_probability: a bound on the chance that `value` is too large (it cannot be
            too small); 0 is a proof.
    """

    value: int
    method: str
    error_probability: float

    def __str__(self) -> str:
        if self.method == "elimination":
            return str(self.value)
        doubt = "proved" if self.error_probability == 0 else f"wrong with chance < {self.error_probability:.0e}"
        return f"{self.value}, {doubt}, by {self.method}"


class System:
    """The equations of a training set, planned.

    Attributes:
        n_guessed: m.
        least_nullity: what is left free where the guesses are bound as far as they can
            be.
        error: a bound on the chance that one `nullity` is too large. A bad prime
            divides a maximal minor of A, at most 8^(p/2) (see `ranks`); a random
            combination shows no rank that is there with a chance of 1/q.
    """

    def __init__(self, samples: Samples, n_symbols: int, least_nullity: int):
        self._p = n_symbols
        sizes = np.diff(samples.first)
        n_classes = np.count_nonzero(sizes)
        nobody = n_symbols + n_classes
        members = np.stack([samples.left, samples.right, samples.left], axis=1)
        coefficients = np.ones((len(members), 3), np.int8)
        same = samples.left == samples.right
        members[same, 1], coefficients[same] = nobody, (2, 0, 1)
        members[:, 2], coefficients[:, 2] = np.repeat(np.arange(n_symbols, nobody), sizes[sizes > 0]), -1
        places, first = class_order(members.ravel(), nobody + 1)
        self._equations = kernels.Equations(members, coefficients, first, places // 3)
        self._plan = kernels.plan(self._equations)
        self.n_guessed = len(self._plan.guessed)
        # the linear representation is always among the solutions, and is not nothing
        # where equations are left
        self._largest_rank = max(self.n_guessed - least_nullity, 0)
        self.least_nullity = self._plan.n_free + self.n_guessed - self._largest_rank
        self.error = 1.5 * n_symbols / _PRIME_BITS / _N_PRIMES + self.n_guessed / 2**_PRIME_BITS

    def solve(self, q: int, rng: np.random.Generator) -> tuple[int, NDArray[np.int64]]:
        """(n_0 modulo q, or more with the chance `error`; a random solution modulo q,
        the symbols' values (p,)).
        """
        echelon, has_pivot, rank = kernels.eliminate(self._equations, self._plan, q, self._largest_rank, rng)
        values = rng.integers(q, size=len(self._equations.first) - 1)
        values[-1] = 0
        values[self._plan.guessed] = null_vector(echelon, has_pivot, values[self._plan.guessed], q)
        kernels.fill(self._equations, self._plan, values, q)
        return self._plan.n_free + self.n_guessed - rank, values[: self._p]


def primes(rng: np.random.Generator) -> Iterator[int]:
    """Random primes between 2^30 and 2^31, all equally likely."""
    from sympy import isprime  # half a second to import

    while True:
        candidate = int(rng.integers(2**_PRIME_BITS, 2 ** (_PRIME_BITS + 1)))
        if isprime(candidate):
            yield candidate


def sparse_nullity(
    samples: Samples, n_symbols: int, least_nullity: int, rng: np.random.Generator
) -> tuple[Nullity, System]:
    """n_0 of the training set with these samples, and its planned equations.

    `least_nullity`: what n_0 of an operation on `n_symbols` symbols cannot fall below,
    as far as known beforehand.
    """
    n = len(samples.left)
    enough = math.ceil(2 * n_symbols * math.log(n_symbols))  # several times a critical set
    if n > 2 * enough:
        part = np.sort(rng.choice(n, enough, replace=False))
        chosen = Samples(samples.left[part], samples.right[part], np.searchsorted(part, samples.first))
        found, system = sparse_nullity(chosen, n_symbols, least_nullity, rng)
        if found.value == least_nullity:  # of other values the part says nothing: D may bind what it leaves free
            return Nullity(found.value, f"{found.method} of a part", 0.0), system
    system = System(samples, n_symbols, least_nullity)
    value, error = n_symbols, 1.0
    for q in primes(rng):
        value = min(value, system.solve(q, rng)[0])
        error *= system.error
        if value == system.least_nullity or error < MAX_ERROR:
            break
    return Nullity(value, "sparse elimination", 0.0 if value == system.least_nullity else error), system
