"""The nullity at any size: sparse elimination modulo random primes, and products alone
where it would fill in.

The unknowns are the p embeddings and, beside them, the value V_c of each result class
that D has a sample of; the sample (i, j) of class c is the equation E_i + E_j = V_c:
three entries, and no parallelogram. A solution's embeddings fix its V_c, so there are
as many solutions as of A(P0(D)).

1. Peeling: an unknown in a single equation takes that equation away with it, and never
   matters again.
2. Guessing: of what is left, some m unknowns are guessed, so that equations with one
   unknown left tell all others. What remains are the spare equations, linear in the m
   guesses: a matrix R, known by its products with vectors, O(|D|) each.
3. n_0 = m - rank R + the unknowns that peeling left without an equation. A dense set
   needs two guesses, or little more; near the critical size m is a few per cent of p. A
   small R is eliminated; for a large one the rank comes from the minimal polynomial of
   D1 R^T D2 R D1 with random diagonals D1 and D2 (Wiedemann).

What can go wrong. All steps but R's rank divide by 1, -1 and 2 only, hence are exact.
R's rank modulo a prime, and the rank by products, can only fall short, so a nullity
that is the least possible is proved: that of the linear representation (2 for addition)
beside the unknowns without an equation. Any other one is found again with new primes
and diagonals until the chance that all were unlucky is below MAX_ERROR. Where D is much
larger than a critical set, a random part of D is tried first: adding samples cannot
raise the nullity, so if the part's is the least, D's is.

Memory O(|D|).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from efftheory import _elimination_kernels as kernels
from efftheory._kernels import Samples, eliminate, null_vector
from efftheory._records import short

MAX_ERROR = 1e-9
_MOST_TRIES = 50  # where even they do not bring the error below MAX_ERROR (m above 10,000), the record says so
MAX_FILL = 64  # columns of R that are eliminated; more go by products
# Primes between 2^30 and 2^31, where products of residues fit an int64; there are more
# than 5e7 of them.
_PRIME_BITS, _N_PRIMES = 30, 5e7


@dataclass(frozen=True)
class Nullity:
    """n_0, and how it is known.

    Attributes:
        value: n_0.
        method: "elimination" (dense, deterministic), "sparse elimination", "products"
            (of vectors with R), or one of the latter two "of a part", which certifies
            the whole.
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


@dataclass(frozen=True, eq=False)
class NullVector:
    """A random solution of D's equations modulo `prime`: values int64 (p,) of the
    symbols, (n_results,) of the classes (those without a sample in D have none)."""

    symbols: NDArray[np.int64]
    classes: NDArray[np.int64]
    prime: int

    __repr__ = short


class System:
    """The equations of a training set, planned; products with R and its transpose
    modulo any prime.
    """

    def __init__(self, samples: Samples, n_symbols: int, least_nullity: int):
        self._p = n_symbols
        self._plan = kernels.plan(*samples, n_symbols)
        self.guessed, self.n_free, self.n_spare = self._plan.guessed, self._plan.n_free, len(self._plan.spare)
        told = np.zeros(self.n_unknowns, np.bool_)
        told[self._plan.unknowns] = told[self.guessed] = True
        self._free = np.flatnonzero(~told)
        # the linear representation is always among the solutions, and is not nothing
        # where equations are left
        self._largest_rank = max(len(self.guessed) - least_nullity, 0)
        self.least_nullity = self.n_free + len(self.guessed) - self._largest_rank

    @property
    def n_unknowns(self) -> int:
        return self._plan.rows.n_unknowns

    def nullity(self, q: int, rng: np.random.Generator) -> int:
        """n_0 modulo q, or more with the chance `error`."""
        return self.n_free + len(self.guessed) - self._rank(q, rng)

    def _rank(self, q: int, rng: np.random.Generator) -> int:
        """Rank of R modulo q, or less."""
        if len(self.guessed) <= MAX_FILL:
            return int(self._echelon(q)[1].sum())
        box, m = BlackBox(self, q, rng), len(self.guessed)
        row, start = rng.integers(q, size=(2, m))
        recurrence = box.recurrence(start, row)
        # x divides a minimal polynomial of degree L only as often as B has a null
        # space: rank B >= L - 1, and L without
        return len(recurrence) - 1 - int(recurrence[-1] == 0)

    def error(self) -> float:
        """A bound on the chance that one `nullity` is too large.

        A bad prime divides a maximal minor of A, at most 8^(p/2) (see `ranks`). By
        products: the diagonals of an m x m matrix fail with a chance below 11 m^2 / 2q
        (Chen, Eberly, Kaltofen, Saunders, Turner, Villard 2002), the projections with
        2m/q.
        """
        prime = 1.5 * self._p / _PRIME_BITS / _N_PRIMES
        m, q = len(self.guessed), 2.0**_PRIME_BITS
        return prime if m <= MAX_FILL else prime + (5.5 * m**2 + 2 * m) / q

    def null_vector(self, q: int, rng: np.random.Generator) -> NullVector:
        """A random solution modulo q."""
        values = np.zeros(self.n_unknowns, np.int64)
        values[self._free] = rng.integers(q, size=len(self._free))
        values[self.guessed] = self._null_of_rest(q, rng)
        kernels.fill(self._plan, values, q)
        return NullVector(values[: self._p], values[self._p :], q)

    def _null_of_rest(self, q: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """A random null vector of R modulo q."""
        m = len(self.guessed)
        if m <= MAX_FILL:
            return null_vector(*self._echelon(q), rng.integers(q, size=m), q)
        while True:  # each time with a chance of nearly 1
            box = BlackBox(self, q, rng)
            anyhow, row = rng.integers(q, size=(2, m))
            image = box.product(anyhow)
            recurrence = box.recurrence(image, row)
            if recurrence[-1] == 0:
                continue
            found = box.scaled(anyhow - box.preimage(image, recurrence))
            if found.any() and not self.misfits(found, q).any():
                return found

    def misfits(self, guesses: NDArray[np.int64], q: int) -> NDArray[np.int64]:
        """R times `guesses` (m,), modulo q."""
        values = np.zeros(self.n_unknowns, np.int64)
        values[self.guessed] = guesses
        out = np.empty(self.n_spare, np.int64)
        kernels.misfits(self._plan, values, q, out)
        return out

    def pull_back(self, weights: NDArray[np.int64], q: int) -> NDArray[np.int64]:
        """R^T times `weights` (spare,), modulo q."""
        sums = np.zeros(self.n_unknowns, np.int64)
        kernels.pull_back(self._plan, weights, sums, q)
        return sums[self.guessed] % q

    def _echelon(self, q: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        return eliminate(kernels.misfit_rows(self._plan, q), q, self._largest_rank)


class BlackBox:
    """B = D1 R^T D2 R D1 modulo q, by its products."""

    def __init__(self, system: System, q: int, rng: np.random.Generator):
        self._system, self._q = system, q
        self._outer = rng.integers(1, q, size=len(system.guessed))
        self._inner = rng.integers(1, q, size=system.n_spare)

    def scaled(self, x: NDArray[np.int64]) -> NDArray[np.int64]:
        return x % self._q * self._outer % self._q

    def product(self, x: NDArray[np.int64]) -> NDArray[np.int64]:
        q = self._q
        misfits = self._system.misfits(self.scaled(x), q)
        return self.scaled(self._system.pull_back(misfits * self._inner % q, q))

    def recurrence(self, start: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[np.int64]:
        """The shortest recurrence of row . B^t start, t = 0, 1 .. 2m+1."""
        sequence, x = [], start
        for _ in range(2 * len(start) + 2):
            sequence.append(kernels.dot(row, x, self._q))
            x = self.product(x)
        return kernels.recurrence(np.array(sequence), self._q)

    def preimage(self, image: NDArray[np.int64], recurrence: NDArray[np.int64]) -> NDArray[np.int64]:
        """x with B x = image, by the recurrence of the powers of B on it:
        c_L image + c_(L-1) B image + .. = 0.
        """
        q, x = self._q, np.zeros_like(image)
        power = image
        for coefficient in recurrence[-2::-1]:  # c_(L-1) .. c_0
            x = (x + coefficient * power) % q
            power = self.product(power)
        return (q - x) * pow(int(recurrence[-1]), -1, q) % q


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
    method = "sparse elimination" if len(system.guessed) <= MAX_FILL else "products"
    value, error = n_symbols, 1.0
    for q in islice(primes(rng), _MOST_TRIES):
        value = min(value, system.nullity(q, rng))
        error *= min(system.error(), 1.0)
        if value == system.least_nullity or error < MAX_ERROR:
            break
    return Nullity(value, method, 0.0 if value == system.least_nullity else error), system
