"""How many representations satisfy given samples: the rank of their equations, exactly.

Nothing here knows an operation: `Operation` asks for the nullity of its own samples.

Exactness. Ranks are computed modulo primes. A rank modulo q never exceeds the true one,
and falls short of it only if q divides every maximal minor. By Hadamard an r-row minor
of equations e_i + e_j - e_m - e_n (norm at most sqrt(8)) is at most 8^(r/2), so among
primes whose product is larger at least one gives the true rank. The same argument, once
for the rank and once for the row that is asked about, makes the closure exact.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from efftheory import _checks, _kernels
from efftheory._kernels import Samples
from efftheory.elimination import Nullity, sparse_nullity

# Below 2^31, so that a product of two residues fits an int64; each prime used is above
# 2^30.
_LARGEST_PRIME = 2**31 - 1
_PRIME_BITS = 30

DENSE_NULLITY = 128  # up to here a dense echelon form is as quick as a sparse one, and a proof


@cache
def primes_beyond(log2_bound: float) -> tuple[int, ...]:
    """The largest primes below 2^31, as many as it takes for their product to exceed
    2^log2_bound.
    """
    primes = [_LARGEST_PRIME]
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


def nullity_of(samples: Samples, n_symbols: int, least_nullity: int, seed: int | np.random.Generator) -> Nullity:
    """n_0 of the training set with these samples; `seed` fixes the primes and
    combinations of large p.
    """
    if n_symbols <= DENSE_NULLITY:
        everything = np.ones(len(samples.left), dtype=np.bool_)
        rank, _ = rank_and_reach(samples, everything, n_symbols, least_nullity)
        return Nullity(n_symbols - rank, "elimination", 0.0)
    return sparse_nullity(samples, n_symbols, least_nullity, _checks.generator("seed", seed))[0]
