"""What a training set determines, and what a representation realises of it.

What it determines (nullity, closure, ideal accuracy) is linear algebra on sums of embeddings, and refuses an operation
that composes by a product. What a representation realises is measured for both.

Exactness. Ranks are computed modulo primes. A rank modulo q never exceeds the true one, and falls short of
it only if q divides every maximal minor. By Hadamard an r-row minor of equations e_i + e_j - e_m - e_n (norm
at most sqrt(8)) is at most 8^(r/2), so among primes whose product is larger at least one gives the true rank.
The same argument, once for the rank and once for the row that is asked about, makes the closure exact.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks, _kernels
from efftheory.elimination import Nullity, primes, sparse_nullity
from efftheory.operations import Operation, Samples, Seed
from efftheory.parallelograms import Mask, count_parallelograms, trained_flags, training_samples

# Below 2^31, so that a product of two residues fits an int64; each prime used is above 2^30.
_LARGEST_PRIME = 2**31 - 1
_PRIME_BITS = 30

DENSE_NULLITY = 128  # up to here a dense echelon form is as quick as a sparse one, and a proof
SOLUTIONS = 2  # random null vectors that a sample must agree on
_CHUNK = 1 << 20  # samples looked at a time

# What counts as a parallelogram, where nothing else is said: see `rqi`.
DELTA = {"sum": 0.1, "product": math.sqrt(0.5)}


@cache
def primes_beyond(log2_bound: float) -> tuple[int, ...]:
    """The largest primes below 2^31, as many as it takes for their product to exceed 2^log2_bound."""
    primes = [_LARGEST_PRIME]
    while _PRIME_BITS * len(primes) <= log2_bound:
        from sympy import prevprime  # half a second to import, and small p needs one prime only

        primes.append(int(prevprime(primes[-1])))
    return tuple(primes)


def minor_bits(n_rows: int) -> float:
    """log2 of Hadamard's bound 8^(n/2) on a minor of n parallelogram equations."""
    return 1.5 * n_rows


def rank_and_reach(op: Operation, trained: NDArray[np.bool_]) -> tuple[int, NDArray[np.bool_]]:
    """(rank of A(P0(D)), Dbar(D, P(D)) as bool (N,) over `op.samples`), both exact; `trained` as by `trained_flags`.

    By dense elimination, O(p^2) memory: for small p.
    """
    p, samples = op.n_symbols, op.samples
    full_rank = p - op.least_nullity
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


def in_table_order(op: Operation, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Flags over `op.samples` as flags over `op.pairs`."""
    ordered = np.empty_like(flags)
    ordered[op.by_result] = flags
    return ordered


def nullity_and_reach(op: Operation, mask: Mask, seed: Seed = 0) -> tuple[Nullity, NDArray[np.bool_]]:
    """(n_0, Dbar(D, P(D)) as bool (N,) over `op.pairs`)."""
    _checks.sum_composition(op)
    if op.n_symbols <= DENSE_NULLITY:
        rank, reached = rank_and_reach(op, trained_flags(op, mask))
        return Nullity(op.n_symbols - rank, "elimination", 0.0), in_table_order(op, reached)
    rng = _checks.generator("seed", seed)
    reached = _checks.training_mask(mask, op.n_samples).copy()
    samples = training_samples(op, mask)
    found, system = sparse_nullity(op, samples, rng)
    occupied = np.diff(samples.first) > 0
    everywhere = found.value == op.least_nullity  # what is left after D is left after D0
    good = (q for q in primes(rng) if system.nullity(q, rng) == found.value)
    solutions = [] if everywhere else [system.null_vector(q, rng) for q in islice(good, SOLUTIONS)]
    for begin in range(0, op.n_samples, _CHUNK):
        left, right, results = op.rule(np.arange(begin, min(begin + _CHUNK, op.n_samples)))
        tied = occupied[results]
        for E in solutions:
            tied &= (E.symbols[left] + E.symbols[right] - E.classes[results]) % E.prime == 0
        reached[begin : begin + _CHUNK] |= tied
    return found, reached


def exact_nullity(op: Operation, mask: Mask = None, seed: Seed = 0) -> Nullity:
    """n_0 (see `nullity`) and how it is known: the method, and a bound on the chance that the value is too large.

    Up to p = 128 dense elimination modulo as many primes as Hadamard's bound asks for: a proof. Above, sparse
    elimination modulo random primes (see `elimination`): a proof wherever the value is the least possible beside
    unknowns that no equation binds, else wrong with a probability below 1e-9. Memory O(|D|) beside the mask.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        seed: fixes the primes and projections, an int or a numpy Generator.

    Source: paper, section 4.2 and appendix G (degrees of freedom n_0 - 2).

    Raises:
        ArgumentError: `op` composes by a product.
    """
    _checks.sum_composition(op)
    if op.n_symbols <= DENSE_NULLITY:
        return Nullity(op.n_symbols - rank_and_reach(op, trained_flags(op, mask))[0], "elimination", 0.0)
    return sparse_nullity(op, training_samples(op, mask), _checks.generator("seed", seed))[0]


def nullity(op: Operation, mask: Mask = None) -> int:
    """n_0 = p - rank A(P0(D)): the dimension, per embedding dimension, of the representations that satisfy D.

    At least 2 for addition (translation and scaling of E_k = a + k b), 1 for any sum. Exact integer arithmetic, no
    eigenvalue threshold; how it is found, and how surely above p = 128, says `exact_nullity`.

    Source: paper, section 4.2 and appendix G (degrees of freedom n_0 - 2).

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return exact_nullity(op, mask).value


def is_linear(op: Operation, mask: Mask = None) -> bool:
    """Whether n_0 is that of all of D0, 2 for addition: the linear representation is the only one that satisfies D.

    Source: paper, section 4.2 ("unique linear representation").

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return nullity(op, mask) == op.full_nullity


def generalizable(op: Operation, mask: Mask = None) -> NDArray[np.bool_]:
    """Dbar(D, P(D)), bool (N,): the samples of D and those that the closure of P0(D) ties to one of them.

    P(D) holds P0(D) and every parallelogram of P0 whose equation depends linearly on A(P0(D)). The paper
    finds it by a rank test a parallelogram; here a sample is in reach exactly if a trained sample of its
    result has the same value E_i + E_j on every null vector of A(P0(D)), which is equivalent and needs no
    list of P0. Above p = 128 two random null vectors, each modulo a random prime, stand for all: a sample out of reach
    is taken for one in reach with a probability below 1e-9.

    Source: paper, section 3.2 and appendix B.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return nullity_and_reach(op, mask)[1]


def ideal_accuracy(op: Operation, mask: Mask = None) -> float:
    """|Dbar(D, P(D))| / |D0|, over the full data set. Source: paper, section 3.2.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return float(generalizable(op, mask).mean())


def standardize(E: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each dimension of E (..., p, d) to mean 0 and unbiased standard deviation 1."""
    centred = E - E.mean(axis=-2, keepdims=True)
    return centred / centred.std(axis=-2, ddof=1, keepdims=True)


def _measured(op: Operation, E: ArrayLike, delta: float | None) -> tuple[NDArray[np.float64], float]:
    """`E` and `delta` checked, each as `op`'s composition wants it."""
    E = _checks.spread_embedding(E, op) if op.composition == "sum" else _checks.matrix_embedding(E, op)
    return E, DELTA[op.composition] if delta is None else _checks.positive("delta", delta)


def _composed(op: Operation, E: NDArray[np.float64]) -> tuple[Samples, NDArray[np.float64]]:
    """The samples and the standardised embeddings whose sums the kernels compare.

    E (..., p, d) of sums is standardised, and that is all. E (..., p, d, d) of products is divided by its root mean
    square; half of each product E_a E_b, flattened, is then a symbol of its own, and the sample adds it to itself.
    """
    if op.composition == "sum":
        return op.samples, standardize(E)
    E = E / np.sqrt((E**2).mean(axis=(-3, -2, -1), keepdims=True))
    left, right, first = op.samples
    products = E[..., left, :, :] @ E[..., right, :, :]
    own = np.arange(op.n_samples, dtype=np.int32)
    return Samples(own, own, first), products.reshape(*products.shape[:-2], -1) / 2  # (..., N, d*d)


def rqi(op: Operation, E: ArrayLike, delta: float | None = None) -> float:
    """Representation quality index |P(R, delta)| / |P0|, in [0, 1]; nan if P0 is empty (addition of two symbols).

    Sums: each dimension of E (p, d) is standardised (mean 0, unbiased standard deviation 1); (i, j, m, n) of P0
    counts if the mean over dimensions of (E_i + E_j - E_m - E_n)^2 is below delta^2.

    Products: E (p, d, d) is divided by its root mean square over all entries, and (a, b, c, e) of P0 counts if the mean
    over the d*d entries of (E_a E_b - E_c E_e)^2 is below delta^2. Every matrix representation of the group has RQI 1,
    also one that does not tell all elements apart (the trivial one: all E_a equal to the identity).

    Args:
        op: the operation.
        E: float (p, d), or (p, d, d) where `op` composes by a product.
        delta: None is 0.1 for sums and sqrt(1/2) for products.

    Source: paper, equation 4 and appendix H, with the official code's conventions. Sums: in one dimension delta = 0.1,
    where the text prints 0.01 (the code compares the square with 0.01). Products: the text has the squared Frobenius
    norm, without a scale; the code divides by the root mean square and compares the mean square with 0.5.

    Raises:
        ArgumentError: `E` is not finite (p, d) or is constant along a dimension, for products not finite (p, d, d) or
            zero; `delta` is not positive.
    """
    E, delta = _measured(op, E, delta)
    return float(rqi_path(op, E[None], delta)[0])


def rqi_path(op: Operation, E: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """`rqi` of each E[t], E (T, p, d) or (T, p, d, d) -> (T,). A collapsed E counts no parallelogram."""
    with np.errstate(invalid="ignore", divide="ignore"):
        samples, composed = _composed(op, E)
    counts = _kernels.count_close(*samples, composed, delta**2)
    n_all = count_parallelograms(op)
    return counts / n_all if n_all else np.full(len(E), np.nan)


def predicted_accuracy(op: Operation, mask: Mask, E: ArrayLike, delta: float | None = None) -> float:
    """Acc-hat = |Dbar(D, P(R, delta))| / |D0|: what the decoder can get right through parallelograms of E.

    A sample counts if it is trained, or if a trained sample of its result lies within delta. `E`, its standardisation
    and `delta` as in `rqi`.

    Source: paper, equations 5 and 6, and appendix H; over the full data set.

    Raises:
        ArgumentError: as `rqi`; `mask` is not bool (N,).
    """
    E, delta = _measured(op, E, delta)
    trained = trained_flags(op, mask)
    samples, composed = _composed(op, E)
    return float(_kernels.reach_close(*samples, trained, composed, delta**2).mean())
