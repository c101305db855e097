"""How many representations satisfy given samples: the rank of their equations, by
elimination modulo primes. Nothing here knows an operation.

Dense elimination, up to p = 128, is a proof. A rank modulo q never exceeds the true
one, and falls short of it only if q divides every maximal minor. By Hadamard an r-row
minor of equations e_i + e_j - e_m - e_n (norm at most sqrt(8)) is at most 8^(r/2), so
among primes whose product is larger at least one gives the true rank. The same
argument, once for the rank and once for the row that is asked about, makes the closure
exact.

Sparse elimination, above, is modulo random primes.

Its unknowns are the p embeddings and, beside them, the value V_c of each result class
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
from functools import cache

import numpy as np
from numpy.typing import NDArray

from efftheory import _checks, _kernels
from efftheory import _elimination_kernels as kernels
from efftheory._kernels import Samples, class_order, null_vector
from efftheory._records import table

DENSE_NULLITY = 128  # up to here a dense echelon form is as quick as a sparse one, and a proof
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

    _repr_html_ = table

    def __str__(self) -> str:
        if self.method == "elimination":
            return str(self.value)
        doubt = "proved" if self.error_probability == 0 else f"wrong with chance < {self.error_probability:.0e}"
        return f"{self.value}, {doubt}, by {self.method}"


# Dense


@cache
def primes_beyond(log2_bound: float) -> tuple[int, ...]:
    """The largest primes below 2^31, as many as it takes for their product to exceed
    2^log2_bound.
    """
    primes = [2**31 - 1]
    while _PRIME_BITS * len(primes) <= log2_bound:
        from sympy import prevprime  # half a second to import, and small p needs one prime only

        primes.append(int(prevprime(primes[-1])))
    return tuple(primes)


def minor_bits(n_rows: int) -> float:
    """log2 of Hadamard's bound 8^(n/2) on a minor of n parallelogram equations."""
    return 1.5 * n_rows


def rank_and_reach(
    samples: Samples, trained: NDArray[np.bool_], n_symbols: int, least_nullity: int
) -> tuple[int, NDArray[np.bool_]]:
    """(rank of A(P0(D)), Dbar(D, P(D)) as bool (n,) over `samples`), both exact;
    `trained`: which of them are in D.

    By dense elimination, O(p^2) memory: for small p.
    """
    p, full_rank = n_symbols, n_symbols - least_nullity
    rank, reached = -1, trained
    for q in primes_beyond(minor_bits(full_rank) + minor_bits(full_rank + 1)):
        echelon, has_pivot, rank_mod_q = _kernels.echelon_form(*samples, trained, p, q, full_rank)
        if rank_mod_q < rank:
            continue  # q divides a maximal minor: it cannot be trusted
        reached_mod_q = _kernels.reach_closure(*samples, trained, echelon, has_pivot, q)
        reached = reached_mod_q if rank_mod_q > rank else reached & reached_mod_q
        rank = rank_mod_q
        if rank == full_rank:
            break  # the largest there is, so the null space is that of the linear representation
    return rank, reached


# Sparse


class System:
    """The equations of a training set, planned.

    Attributes:
        n_guessed: m.
        least_nullity: what is left free where the guesses are bound as far as they can
            be.
        error: a bound on the chance that one `solve` is too large. A bad prime
            divides a maximal minor of A, at most 8^(p/2); a random combination shows no
            rank that is there with a chance of 1/q.
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


# Either


def nullity_of(samples: Samples, n_symbols: int, least_nullity: int, seed: int | np.random.Generator) -> Nullity:
    """n_0 of the training set with these samples; `seed` fixes the primes and
    combinations of large p.
    """
    if n_symbols <= DENSE_NULLITY:
        everything = np.ones(len(samples.left), dtype=np.bool_)
        rank, _ = rank_and_reach(samples, everything, n_symbols, least_nullity)
        return Nullity(n_symbols - rank, "elimination", 0.0)
    return sparse_nullity(samples, n_symbols, least_nullity, _checks.generator("seed", seed))[0]
