"""What a training set determines: nullity, closure, ideal accuracy.

Linear algebra on sums of embeddings, which refuses an operation that composes by a
product. `elimination` says how surely the numbers are known. What a given
embedding realises is in `embeddings`.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from efftheory import _checks
from efftheory.elimination import DENSE_NULLITY, Nullity, nullity_of, primes, rank_and_reach, sparse_nullity
from efftheory.operations import Operation, Seed, require_sum
from efftheory.parallelograms import Mask, trained_flags, training_samples

SOLUTIONS = 2  # random null vectors that a sample must agree on


def in_table_order(op: Operation, flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Flags over `op.samples` as flags over `op.pairs`."""
    ordered = np.empty_like(flags)
    ordered[op.by_result] = flags
    return ordered


def nullity_and_reach(op: Operation, mask: Mask, seed: Seed = 0) -> tuple[Nullity, NDArray[np.bool_]]:
    """(n_0, Dbar(D, P(D)) as bool (N,) over `op.pairs`)."""
    require_sum(op)
    if op.n_symbols <= DENSE_NULLITY:
        rank, reached = rank_and_reach(op.samples, trained_flags(op, mask), op.n_symbols, op.least_nullity)
        return Nullity(op.n_symbols - rank, "elimination", 0.0), in_table_order(op, reached)
    rng = _checks.generator("seed", seed)
    reached = _checks.training_mask(mask, op.n_samples).copy()
    samples = training_samples(op, mask)
    found, system = sparse_nullity(samples, op.n_symbols, op.least_nullity, rng)
    solutions = []
    if found.value > op.least_nullity:  # else what is left after D is left after D0
        solved = ((*system.solve(q, rng), q) for q in primes(rng))
        solutions = list(islice((each for each in solved if each[0] == found.value), SOLUTIONS))
    sizes = np.diff(samples.first)
    totals = np.zeros((len(solutions), op.n_results), np.int64)  # what each solution gives to the classes in D
    for total, (_, E, _) in zip(totals, solutions, strict=True):
        total[np.repeat(np.arange(op.n_results), sizes)] = E[samples.left] + E[samples.right]
    for numbers in op.in_chunks():
        left, right, results = op.rule(numbers)
        tied = sizes[results] > 0
        for total, (_, E, q) in zip(totals, solutions, strict=True):
            tied &= (E[left] + E[right] - total[results]) % q == 0
        reached[numbers] |= tied
    return found, reached


def exact_nullity(op: Operation, mask: Mask = None, seed: Seed = 0) -> Nullity:
    """n_0 (see `nullity`) and how it is known: the method, and a bound on the chance
    that the value is too large.

    Up to p = 128 dense elimination modulo as many primes as Hadamard's bound asks for:
    a proof. Above, sparse elimination modulo random primes (see `elimination`): a proof
    wherever the value is the least possible beside unknowns that no equation binds,
    else wrong with a probability below 1e-9. Memory O(|D| + m^2) beside the mask, where
    m is a few per cent of p near the critical size, and less for a dense set.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        seed: fixes the primes and random combinations, an int or a numpy Generator.

    Source: paper, section 4.2 and appendix G (degrees of freedom n_0 - 2).

    Raises:
        ArgumentError: `op` composes by a product.
    """
    require_sum(op)
    return nullity_of(training_samples(op, mask), op.n_symbols, op.least_nullity, seed)


def nullity(op: Operation, mask: Mask = None) -> int:
    """n_0 = p - rank A(P0(D)): the dimension, per embedding dimension, of the
    representations that satisfy D.

    At least 2 for addition (translation and scaling of E_k = a + k b), 1 for any sum.
    Exact integer arithmetic, no eigenvalue threshold; `exact_nullity` says how it is
    found, and how surely above p = 128.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 4.2 and appendix G (degrees of freedom n_0 - 2).

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return exact_nullity(op, mask).value


def is_linear(op: Operation, mask: Mask = None) -> bool:
    """Whether n_0 is that of all of D0, 2 for addition: the linear representation is
    the only one that satisfies D.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 4.2 ("unique linear representation").

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return nullity(op, mask) == op.full_nullity


def generalizable(op: Operation, mask: Mask = None) -> NDArray[np.bool_]:
    """Dbar(D, P(D)), bool (N,): the samples of D and those that the closure of P0(D)
    ties to one of them.

    P(D) holds P0(D) and every parallelogram of P0 whose equation depends linearly on
    A(P0(D)). The paper finds it by a rank test a parallelogram; here a sample is in
    reach exactly if a trained sample of its result has the same value E_i + E_j on
    every null vector of A(P0(D)), which is equivalent and needs no list of P0. Above
    p = 128 two random null vectors, each modulo a random prime, stand for all: a sample
    out of reach is taken for one in reach with a probability below 1e-9.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 3.2 and appendix B.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return nullity_and_reach(op, mask)[1]


def ideal_accuracy(op: Operation, mask: Mask = None) -> float:
    """|Dbar(D, P(D))| / |D0|, over the full data set.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.

    Source: paper, section 3.2.

    Raises:
        ArgumentError: `op` composes by a product.
    """
    return float(generalizable(op, mask).mean())
