"""Matrix representations of a group, and how far a training set determines them.

Where embeddings are matrices and compose by products, the representations that satisfy
D are no linear space but a variety, so "how many are left" is asked at a point of it:
the null space of the constraints' Jacobian. The points are E_a = z rho(a) with rho a
representation and z an invertible matrix that commutes with it, because
E_a E_b = z^2 rho(ab) depends on ab alone. All invertible solutions of all data are of
this form: z = E_identity commutes with every E_a, and z^-1 E_a is a representation.

What no training set takes away. The same argument over the dual numbers gives the
tangent space for all of D0: rho can only be conjugated, for a finite group's
representations are rigid (d^2 - c dimensions, c = dim of the centraliser: what commutes
with rho moves nothing), and z can move within the centraliser (c dimensions). Together
d^2, whatever the group and the representation: S3 by 3 x 3 permutation matrices has 54
unknowns, c = 2, and 9 = 7 + 2 dimensions left by all of its 36 samples.

Exactness. rho is in whole numbers, z is random modulo a random prime q between 2^30 and
2^31, and the null space is found by elimination modulo q: no eigenvalue threshold. A
rank so found cannot exceed the generic one over the reals. It falls short (a null space
too large, never too small) if q or the draw of z zeroes all maximal minors, which are
polynomials in z of degree at most p d^2: by Schwartz and Zippel a chance of at most
p d^2 / q (5e-8 for S3), beside that of a prime that divides all their coefficients,
which is as small (few of the 5e7 primes in that range can).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks
from efftheory._checks import ArgumentError
from efftheory.generalization import nullity
from efftheory.operations import Operation, Seed, require_operation
from efftheory.parallelograms import Mask, trained_flags

Integers = NDArray[np.int64]

_PRIMES = 2**30, 2**31  # a product of two residues fits an int64
_LARGEST_ENTRY = 2**24
_MAX_UNKNOWNS = 5000  # p d^2: the null space starts as a matrix of that side


def permutation_representation(op: Operation) -> Integers:
    """rho(a), int64 (p, d, d): permutation matrices with rho(a) rho(b) = rho(ab),
    different for different a.

    rho(a) takes corner k to a(k). d = n for `symmetric_group(n)` and
    `dihedral_group(n)`, which permute n corners; any other group permutes its own
    symbols (the regular representation, d = p).

    Args:
        op: the group, composed by a matrix product.

    Source: paper, appendix H (S3 by 3 x 3 matrices).

    Raises:
        ArgumentError: `op` composes by a sum, or is not a group.
    """
    table = _group_table(op)
    permutations = table if op.permutations is None else op.permutations
    p, d = permutations.shape
    rho = np.zeros((p, d, d), dtype=np.int64)
    rho[np.arange(p)[:, None], permutations, np.arange(d)] = 1
    return rho


def degrees_of_freedom(
    op: Operation, mask: Mask = None, representation: ArrayLike | None = None, seed: Seed = 0
) -> int:
    """How many dimensions of representations D leaves beyond those that all of D0
    leaves; 0: locally unique.

    Sums: n_0(D) - n_0(D0), n_0 the nullity, which for addition is the paper's n_0 - 2.
    One number, whatever d.

    Matrix products: the null dimension of the Jacobian of the constraints E_a E_b - E_c
    E_e, (a, b, c, e) in P0(D), at a generic point E_a = z rho(a), minus d^2, which is
    that of all of D0 (conjugation and z: see the module). It depends on the
    representation, and is local: 0 says that nothing near rho but its symmetries
    satisfies D, not that no other solution does, nor that the flow ends at one that
    closes P0. Nearly all sets of 24 of S3's 36 samples leave 0, and from random
    matrices 3 x 3 the flow takes about 30 % of them to RQI > 0.95. Costs O((p d^2)^3):
    milliseconds for S3, a tenth of a second for S4.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        representation: rho, int (p, d, d); None is `permutation_representation(op)`.
            Products only.
        seed: of the random point, an int or a numpy Generator. Products only.

    Source: paper, appendix G (dof = n_0 - 2) for addition; for products our extension.

    Raises:
        ArgumentError: `op` composes by a product and is not a group; `representation`
            is not one of it in whole numbers, or is given for a sum; p d^2 is above
            5000.
    """
    flags = trained_flags(op, mask)
    if op.composition == "sum":
        if representation is not None:
            raise ArgumentError("representation", "be None where op composes by a sum", "is given")
        return nullity(op, mask) - op.full_nullity
    E, q = _generic_point(op, representation, _checks.generator("seed", seed))
    left = [E.size, *_nullities(op, E, q, op.by_result[flags])]
    return left[-1] - E.shape[1] ** 2


def unique_thresholds(op: Operation, draws: int, seed: Seed) -> NDArray[np.int64]:
    """For `draws` random orders of D0, the number of samples from which on
    `degrees_of_freedom` is 0; int64 (draws,).

    For an operation that composes by products what `linear_thresholds` is for sums,
    with the permutation representation: the first n of a random order are a uniformly
    random set of size n, and adding data never raises the degrees of freedom, so one
    draw serves every size. One elimination a draw: a few milliseconds for S3.

    Raises:
        ArgumentError: `draws` is below 1; `op` composes by a sum, or is not a group;
            p d^2 is above 5000.
    """
    draws = _checks.integer("draws", draws, 1)
    rng = _checks.generator("seed", seed)
    E, q = _generic_point(op, None, rng)
    thresholds = np.empty(draws, dtype=np.int64)
    for draw in range(draws):
        left = _nullities(op, E, q, rng.permutation(op.n_samples))
        thresholds[draw] = next(n for n, dimension in enumerate(left, start=1) if dimension == E.shape[1] ** 2)
    return thresholds


def _group_table(op: Operation) -> Integers:
    """The Cayley table (p, p) of `op`, once it is known to be a group: associative,
    rows and columns permutations.
    """
    require_operation(op)
    if op.composition != "product":
        raise ArgumentError("op", "compose by a matrix product", f"{op.name} composes by a sum")
    p = op.n_symbols
    table, everyone = op.results.reshape(p, p).astype(np.int64), np.arange(p)
    if (np.sort(table, axis=0) != everyone[:, None]).any() or (np.sort(table, axis=1) != everyone).any():
        raise ArgumentError("op", "be a group", f"{op.name} repeats a result in a row or column of its table")
    for a in range(p):
        wrong = np.argwhere(table[table[a]] != table[a, table])
        if len(wrong):
            b, c = wrong[0].tolist()
            raise ArgumentError("op", "be a group", f"{op.name} has (a b) c unlike a (b c) at {(a, b, c)}")
    return table


def _representation(op: Operation, representation: ArrayLike | None) -> Integers:
    """`representation` as int64 (p, d, d), checked against the table of `op`."""
    if representation is None:
        return permutation_representation(op)
    table, shape = _group_table(op), f"(p, d, d) with p = {op.n_symbols}"
    rho = _checks.whole_numbers(
        "representation", representation, shape, lambda s: len(s) == 3 and s == (op.n_symbols, s[1], s[1]) and s[1] > 0
    )
    if max(abs(int(rho.max())), abs(int(rho.min()))) >= _LARGEST_ENTRY:  # their products must fit an int64
        raise ArgumentError("representation", f"have entries below {_LARGEST_ENTRY}", f"has {rho.min()}..{rho.max()}")
    rho = rho.astype(np.int64)
    wrong = np.argwhere((rho[:, None] @ rho != rho[table]).any(axis=(2, 3)))
    if len(wrong):
        a, b = wrong[0].tolist()
        raise ArgumentError("representation", "have rho(a) rho(b) = rho(ab)", f"has not at {(a, b)}")
    identity = rho[np.flatnonzero(table[:, 0] == 0)[0]]
    if (identity != np.eye(rho.shape[1])).any():
        raise ArgumentError("representation", "be invertible", "takes the identity to another matrix")
    return rho


def _generic_point(op: Operation, representation: ArrayLike | None, rng: np.random.Generator) -> tuple[Integers, int]:
    """(E (p, d, d), q): a solution E_a = z rho(a) of all of D0 modulo a random prime q,
    z a random matrix of the centraliser.
    """
    from sympy import prevprime  # half a second to import

    rho = _representation(op, representation)
    p, d, _ = rho.shape
    if p * d**2 > _MAX_UNKNOWNS:
        raise ArgumentError("op", f"have p d^2 of at most {_MAX_UNKNOWNS} here", f"{op.name} has {p} * {d}^2")
    q = int(prevprime(int(rng.integers(*_PRIMES))))
    commuting = np.eye(d * d, dtype=np.int64)
    for element in rho:
        z = commuting.reshape(-1, d, d)
        commuting = _vanishing((z @ element - element @ z) % q, commuting, q)
    z = _times(rng.integers(0, q, (1, len(commuting))), commuting, q).reshape(d, d)
    return _times(z, rho % q, q), q


def _nullities(op: Operation, E: Integers, q: int, order: Iterable[np.integer]) -> Iterator[int]:
    """The null dimension of the Jacobian after each further sample of `order` (numbers
    of samples of D0).

    A class with k samples gives (k - 1) d^2 equations: each product against that of the
    first.
    """
    pairs, results = op.pairs, op.results
    basis = np.eye(E.size, dtype=np.int64)  # of the null space, a vector a row
    anchors: dict[int, int] = {}
    for s in order:
        anchor = anchors.setdefault(int(results[s]), int(s))
        if anchor != s:
            X = basis.reshape(-1, *E.shape)
            (a, b), (c, e) = pairs[s], pairs[anchor]
            change = _times(X[:, a], E[b], q) + _times(E[a], X[:, b], q)
            change -= _times(X[:, c], E[e], q) + _times(E[c], X[:, e], q)
            basis = _vanishing(change % q, basis, q)
        yield len(basis)


def _times(A: Integers, B: Integers, q: int) -> Integers:
    """A @ B modulo q, entries in 0..q-1: a reduction after every term, so that nothing
    exceeds an int64.
    """
    total = np.zeros(1, dtype=np.int64)
    for k in range(A.shape[-1]):
        total = (total + A[..., :, k, None] * B[..., k, None, :]) % q
    return total


def _vanishing(values: Integers, basis: Integers, q: int) -> Integers:
    """A basis of the combinations of the rows of `basis` (v, n) whose `values` (v, ...)
    vanish, modulo q.
    """
    n_values = values[0].size
    rows = np.concatenate([values.reshape(len(basis), n_values), basis], axis=1)
    for x in range(n_values):
        involved = np.flatnonzero(rows[:, x])
        if not len(involved):
            continue
        pivot, others = rows[involved[0]].copy(), involved[1:]
        columns = np.flatnonzero(pivot)
        factors = rows[others, x] * pow(int(pivot[x]), -1, q) % q
        block = np.ix_(others, columns)
        rows[block] = (rows[block] - factors[:, None] * pivot[columns]) % q
        rows[involved[0]] = rows[-1]  # the pivot has served
        rows = rows[:-1]
    return rows[:, n_values:]
