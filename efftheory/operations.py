"""A binary operation as a list of samples: which pairs there are, and which share a
result.

The list is a rule from the number of a sample to its pair and result. What needs all
samples asks for the table (`pairs`, `results`, `samples`); what needs D only asks the
rule, so that memory stays O(|D|) beside the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks, _kernels
from efftheory._checks import ArgumentError
from efftheory._html import page
from efftheory._kernels import Index, Samples
from efftheory._records import short
from efftheory._square import square
from efftheory.elimination import nullity_of

Seed = int | np.random.Generator
Composition = Literal["sum", "product"]

MAX_SYMBOLS = 60_000  # of an addition: its samples are numbered by 31 bits
CHUNK = 1 << 20  # samples that are evaluated at a time
_MOST_SHOWN = 200  # symbols, in a notebook
# Of cividis, which any colour vision sees as a ladder.
_LADDER = ("#00224E", "#434E6C", "#7D7C78", "#BCAF6F", "#FEE838")

# the numbers of samples -> the two symbols and the result of each
Rule = Callable[[NDArray[np.integer]], tuple[Index, Index, Index]]


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation on `n_symbols` symbols, and how their embeddings are composed.

    Attributes:
        name: what it is called in reports, for example "addition(10)".
        n_symbols: p, the number of symbols.
        n_samples: N = |D0|: one unordered pair i <= j a sample where embeddings of one
            table are composed by a sum (the operation commutes), else all ordered
            pairs. Samples are in ascending order of their pairs.
        n_results: the number of result classes.
        rule: the numbers of some samples -> their left symbols, right symbols and
            results, int32 each.
        composition: "sum", E_i + E_j of embeddings (p, d), or "product", the matrix
            product E_i E_j of embeddings (p, d, d).
        known_nullity: n_0 of all of D0 where theory tells it: 2 for addition
            (translation and scaling cost nothing).
        permutations: int (p, n), where the operation was built from permutations of
            0..n-1: each symbol's own.
        linear: whether the line E_i = i satisfies all of D0, composed by a sum.
        tables: 2 where each side of the sum has embeddings of its own, E_a + F_b: the
            symbols of the left are then 0..p/2-1, those of the right p/2..p-1, and
            embeddings have p rows, E above F.
        names: what reports call the symbols, p / tables of them; None is their number.
        pairs: int32 (N, 2), the two symbols of each sample.
        results: int32 (N,), the result class of each sample, in 0..n_results-1.
    """

    name: str
    n_symbols: int
    n_samples: int
    n_results: int
    rule: Rule
    composition: Composition = "sum"
    known_nullity: int | None = None
    permutations: NDArray[np.integer] | None = None
    linear: bool = False
    tables: int = 1
    names: tuple[str, ...] | None = None

    __repr__ = short

    def _repr_html_(self) -> str:
        """With the table of results, a colour a fifth of them."""
        samples = "all ordered pairs" if self.composition == "product" or self.tables == 2 else "pairs i <= j"
        embeddings = "one table" if self.tables == 1 else "two tables, E_a + F_b"
        rows = [
            ("symbols", self.n_symbols // self.tables),
            ("samples", f"{self.n_samples}, {samples}"),
            ("results", self.n_results),
            ("embeddings", f"{embeddings}, composed by a {self.composition}"),
        ]
        return page(self.name, rows, picture(self, lambda: self.results * len(_LADDER) // self.n_results, _LADDER))

    @cached_property
    def pairs(self) -> Index:
        return np.stack(self.rule(np.arange(self.n_samples))[:2], axis=1)

    @cached_property
    def results(self) -> Index:
        return self.rule(np.arange(self.n_samples))[2]

    @cached_property
    def by_result(self) -> Index:
        """int32 (N,): the samples ordered by result class, each class in one run."""
        return _kernels.class_order(self.results, self.n_results)[0]

    @cached_property
    def samples(self) -> Samples:
        """All of D0, ordered by result class."""
        return self.chosen(np.arange(self.n_samples))

    @cached_property
    def full_nullity(self) -> int:
        """n_0 of all of D0: the dimensions, per embedding dimension, that no training
        set takes away.
        """
        if self.known_nullity is not None:
            return self.known_nullity
        require_sum(self)
        return nullity_of(self.samples, self.n_symbols, self.least_nullity, seed=0).value

    @cached_property
    def n_parallelograms(self) -> int:
        """|P0|: pairs of samples that share a result."""
        return self.count_parallelograms(None)

    @property
    def least_nullity(self) -> int:
        """What n_0 cannot fall below, as far as known beforehand: a translation costs
        nothing in any sum, and each table has its own.
        """
        return self.tables if self.known_nullity is None else self.known_nullity

    def in_chunks(self, mask: NDArray[np.bool_] | None = None) -> Iterator[NDArray[np.int64]]:
        """The numbers of all samples, or of those that `mask` (N,) marks, a part at a
        time.
        """
        for begin in range(0, self.n_samples, CHUNK):
            end = min(begin + CHUNK, self.n_samples)
            yield np.arange(begin, end) if mask is None else begin + np.flatnonzero(mask[begin:end])

    def count_parallelograms(self, mask: NDArray[np.bool_] | None) -> int:
        """Pairs of samples that `mask` (N,) marks, and that share a result."""
        sizes = np.zeros(self.n_results, np.int64)
        for numbers in self.in_chunks(mask):
            sizes += np.bincount(self.rule(numbers)[2], minlength=self.n_results)
        return int((sizes * (sizes - 1)).sum() // 2)

    def chosen(self, numbers: NDArray[np.integer]) -> Samples:
        """The samples with these numbers, ordered by result class; O(n)."""
        left, right, results = self.rule(numbers)
        order, first = _kernels.class_order(results, self.n_results)
        return Samples(left[order], right[order], first)

    def first_pairs(self, mask: NDArray[np.bool_] | None, most: int) -> Index:
        """int32 (n, 2): the pairs of the first samples of a training set.

        Args:
            mask: bool (N,); None is all of D0.
            most: how many samples at most.

        Raises:
            ArgumentError: `mask` is not bool (N,), or `most` no number of at least 0.
        """
        flags, most = _checks.training_mask(mask, self.n_samples), _checks.integer("most", most, 0)
        found = [np.zeros(0, np.int64)]
        for numbers in self.in_chunks(flags):
            found.append(numbers[:most])
            most -= len(found[-1])
            if most <= 0:
                break
        return np.stack(self.rule(np.concatenate(found))[:2], axis=1)

    def mask(self, pairs: ArrayLike) -> NDArray[np.bool_]:
        """The training set of these samples, as a mask.

        >>> addition(3).mask([(0, 2), (1, 1)]).tolist()
        [False, False, True, True, False, False]

        Args:
            pairs: int (n, 2), the two symbols of each sample, as in `op.pairs`; a sum
                does not ask for their order. A sample may be named more than once.

        Returns:
            bool (N,), True for the samples of D.

        Raises:
            ArgumentError: `pairs` are not whole numbers (n, 2), or no samples of the
                operation.
        """
        wanted = _checks.whole_numbers("pairs", pairs, "(n, 2)", lambda shape: shape == (0,) or shape[1:] == (2,))
        wanted = wanted.reshape(-1, 2)  # a list without pairs
        inside = np.all((wanted >= 0) & (wanted < self.n_symbols), axis=1)
        ends = np.where(inside[:, None], wanted, 0).astype(np.int64)
        if self.composition == "sum":
            ends.sort(axis=1)
        numbers, found = self._numbers(ends[:, 0] * self.n_symbols + ends[:, 1])
        if not (inside & found).all():
            finding = f"has {tuple(wanted[np.argmin(inside & found)].tolist())}"
            raise ArgumentError("pairs", f"be samples of {self.name}", finding)
        mask = np.zeros(self.n_samples, dtype=np.bool_)
        mask[numbers] = True
        return mask

    def _numbers(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The numbers of the samples (i, j) with these keys i p + j, and whether there
        are such samples. By bisection: the samples are in the order of their keys.
        """

        def key(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
            left, right, _ = self.rule(numbers)
            return left.astype(np.int64) * self.n_symbols + right

        low, high = np.zeros(len(keys), np.int64), np.full(len(keys), self.n_samples - 1)
        for _ in range(self.n_samples.bit_length()):
            middle = (low + high + 1) // 2
            reached = key(middle) <= keys
            low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
        return low, key(low) == keys

    def random_training_set(self, n_train: int, seed: Seed) -> NDArray[np.bool_]:
        """A training set of `n_train` samples, all sets of that size equally likely.

        Args:
            n_train: |D|, in 0..N.
            seed: an int or a numpy Generator.

        Returns:
            bool (N,), True for the samples of D.

        Raises:
            ArgumentError: `n_train` is not in 0..N; `seed` is neither.
        """
        n_train = _checks.integer("n_train", n_train, 0, self.n_samples)
        mask = np.zeros(self.n_samples, dtype=np.bool_)
        rng = _checks.generator("seed", seed)
        mask[rng.choice(self.n_samples, n_train, replace=False)] = True
        return mask


def picture(
    op: Operation, values: Callable[[], NDArray[np.integer]], colours: Sequence[str], legend: Sequence[str] = ()
) -> str:
    """The square of all samples by their `values` (N,), for a notebook; a word in its
    place where there are many symbols.
    """
    p = op.n_symbols // op.tables
    if p > _MOST_SHOWN:
        return f"<p>No picture: more than {_MOST_SHOWN} symbols.</p>"
    return square(op.pairs % p, values(), op.names or [str(k) for k in range(p)], colours, legend)


def require_operation(op: Operation) -> None:
    """ArgumentError where `op` is none."""
    _checks.instance("op", op, Operation)


def require_sum(op: Operation) -> None:
    """ArgumentError unless `op` composes by a sum: the representations that satisfy a
    training set are a linear space.
    """
    require_operation(op)
    if op.composition != "sum":
        raise ArgumentError("op", "compose by a sum", f"{op.name} composes by a matrix {op.composition}")


def require_one_table(op: Operation) -> None:
    """ArgumentError unless `op` has one table of embeddings, whose quality can be
    measured.
    """
    require_operation(op)
    if op.tables != 1:
        finding = f"{op.name} has two, for which RQI and flows are not defined"
        raise ArgumentError("op", "have one table of embeddings", finding)


def addition(p: int) -> Operation:
    """Addition of the symbols 0..p-1, not modular: result i + j, 2p - 1 classes.

    D0 = {(i, j): i <= j} in the order (0,0), (0,1) .. (0,p-1), (1,1) ..,
    so |D0| = p(p+1)/2.

    Args:
        p: number of symbols, in 2..60000.

    Source: paper, section 3.1 (toy model).

    Raises:
        ArgumentError: `p` is not in that range.
    """
    p = _checks.integer("p", p, 2, MAX_SYMBOLS)
    return _unordered("addition", p, lambda i, j: i + j, 2 * p - 1, 2, linear=True)


def modular_addition(p: int, tables: int = 1) -> Operation:
    """Addition modulo p, composed by a sum: result (i + j) mod p, p classes.

    With one table of embeddings D0 is as for `addition`. With two, one for each side of
    the sum, the symbols are 0..p-1 on the left and p..2p-1 on the right, and D0 = all
    ordered pairs (a, b), a outer, b inner, as the symbols (a, p + b); |D0| = p^2.

    No sum of real embeddings tells the symbols apart: Z_p has no homomorphism to the
    reals but 0, so all pairs leave only constants (n_0 = 1 or 2). What a network learns
    instead of the linear representation is a circle. Its angles, 2 pi k i / p with any
    whole k, obey the same equations modulo a full turn, and what a small deviation of
    the angles costs has the same Hessian. To compose by products, `from_table`.

    Args:
        p: the modulus, in 2..60000 (30000 with two tables).
        tables: of embeddings, 1 or 2.

    Source: paper, section 3 and appendix B; the angles are ours.

    Raises:
        ArgumentError: `p` or `tables` is out of its range.
    """
    tables = _checks.integer("tables", tables, 1, 2)
    p = _checks.integer("p", p, 2, MAX_SYMBOLS // tables)
    if tables == 1:
        return _unordered("modular_addition", p, lambda i, j: (i + j) % np.int32(p), p, 1)

    def rule(numbers: NDArray[np.integer]) -> tuple[Index, Index, Index]:
        a, b = (part.astype(np.int32) for part in np.divmod(numbers, p))
        return a, b + np.int32(p), (a + b) % np.int32(p)

    return Operation(f"modular_addition({p}, tables=2)", 2 * p, p * p, p, rule, "sum", 2, tables=2)


def _unordered(
    name: str, p: int, result: Callable[[Index, Index], Index], n_results: int, known_nullity: int, linear: bool = False
) -> Operation:
    """The operation with D0 = {(i, j): i <= j}."""
    begins = np.concatenate(([0], np.cumsum(np.arange(p, 0, -1))))  # row i: the samples (i, i) .. (i, p-1)

    def rule(numbers: NDArray[np.integer]) -> tuple[Index, Index, Index]:
        i = np.searchsorted(begins, numbers, side="right").astype(np.int32) - np.int32(1)
        j = (numbers - begins[i]).astype(np.int32) + i
        return i, j, result(i, j)

    return Operation(f"{name}({p})", p, int(begins[-1]), n_results, rule, "sum", known_nullity, linear=linear)


def symmetric_group(n: int) -> Operation:
    """The permutations of 0..n-1, composed by a matrix product: (a b)(k) = a(b(k)),
    p = n! symbols and classes.

    The symbols are the permutations in lexicographic order, so that 0 is the identity,
    and the result is the product's own index. D0 = all ordered pairs (a, b), a outer, b
    inner, so |D0| = p^2; S3 has 36 samples and |P0| = 90.

    Args:
        n: letters that are permuted, in 2..6 (S6 has half a million samples, S7
            twenty-five million).

    Source: paper, appendix H.

    Raises:
        ArgumentError: `n` is not in that range.
    """
    n = _checks.integer("n", n, 2, 6)
    return _permutations(f"symmetric_group({n})", np.array(list(permutations(range(n)))))


def dihedral_group(n: int) -> Operation:
    """The symmetries of a regular polygon of `n` corners, composed by a matrix product;
    p = 2n symbols and classes.

    Symbols 0..n-1 are the rotations k -> k + a, symbols n..2n-1 the reflections
    k -> a - k, of corners modulo n; (a b)(k) = a(b(k)). D0 = all ordered pairs, a
    outer, b inner.

    Args:
        n: corners, in 3..100 (two corners have no reflection of their own).

    Raises:
        ArgumentError: `n` is not in that range.
    """
    n = _checks.integer("n", n, 3, 100)
    corners, turns = np.arange(n), np.arange(n)[:, None]
    return _permutations(f"dihedral_group({n})", np.concatenate([turns + corners, turns - corners]) % n)


def from_table(
    table: ArrayLike,
    composition: Composition = "product",
    name: str = "table",
    tables: int = 1,
    names: Sequence[str] | None = None,
) -> Operation:
    """Any operation on 0..p-1 by its Cayley table: result table[a, b]. It need not be a
    group.

    With two tables of embeddings, one for each side of the sum, the operation need not
    commute either: parallelograms (a, b), (m, n) of one result then say
    E_a + F_b = E_m + F_n, the same linear algebra on 2p columns. The symbols are 0..p-1
    on the left and p..2p-1 on the right, as in `modular_addition`.

    All data leave open at least the constants, one of each table of embeddings. Where
    each result stands once in every row and column (in a group, or any quasigroup)
    nothing else is left: the sum over row a, p E_a + sum_b F_b, is that of all values,
    so E_a is the same for every a; likewise F_b. So n_0 = 1 or 2 there, and what a
    training set can make unique is a constant: see `modular_addition`. Of other tables
    n_0 is computed, 3 for plain addition or subtraction with two tables.

    Args:
        table: int (p, p); equal entries are one result, whatever their value: they are
            numbered in ascending order.
        composition: "product": all p^2 ordered pairs are samples. "sum": E_a + E_b
            cannot tell (a, b) from (b, a), so with one table of embeddings the
            operation must commute, and the pairs a <= b are the samples; with two, all
            ordered pairs are, as the symbols (a, p + b).
        name: what it is called in reports.
        tables: of embeddings, 1 or 2; 1 for a product.
        names: what reports call the symbols, p strings; None is their number.

    Raises:
        ArgumentError: `table` is not a square of whole numbers with p >= 2 rows, or not
            symmetric where composed by a sum of one table; another argument is out of
            its range.
    """
    _checks.choice("composition", composition, ("sum", "product"))
    tables = _checks.integer("tables", tables, 1, 2 if composition == "sum" else 1)
    square = "(p, p) with p of at least 2"
    cells = _checks.whole_numbers("table", table, square, lambda s: len(s) == 2 and s[0] == s[1] >= 2)
    p = len(cells)
    if not isinstance(name, str):
        raise ArgumentError("name", "be a string", f"is {_checks.shown(name)}")
    listed: Any = names.tolist() if isinstance(names, np.ndarray) else names
    strings = isinstance(listed, Sequence) and all(isinstance(each, str) for each in listed)
    if names is not None and not (strings and len(listed) == p):
        raise ArgumentError("names", f"be {p} strings", f"is {_checks.shown(names)}")
    if listed and len(set(listed)) < p:
        raise ArgumentError("names", "be different", f"is {_checks.shown(names)}")
    unordered = composition == "sum" and tables == 1
    if unordered and len(unlike := np.argwhere(cells != cells.T)):
        a, b = unlike[0].tolist()
        finding = f"has {cells[a, b]} at ({a}, {b}) and {cells[b, a]} at ({b}, {a})"
        raise ArgumentError("table", "be symmetric to be composed by a sum of one table", finding)
    left, right = np.triu_indices(p) if unordered else np.divmod(np.arange(p * p), p)
    values, results = np.unique(cells[left, right], return_inverse=True)
    op = _listed(name, p * tables, (left, right + p * (tables - 1)), results, len(values), composition)
    known = tables if composition == "sum" and _is_latin(cells) else None
    return replace(op, tables=tables, known_nullity=known, names=None if names is None else tuple(listed))


def _is_latin(cells: NDArray[np.integer]) -> bool:
    """Whether the same p values are in every row and in every column, each once."""
    first = np.unique(cells[0])
    return len(first) == len(cells) and all((np.sort(lines) == first).all() for lines in (cells, cells.T))


def _permutations(name: str, elements: NDArray[np.integer]) -> Operation:
    """A group of permutations, elements (p, n), composed by a matrix product."""
    p = len(elements)
    numbers = {element.tobytes(): number for number, element in enumerate(elements)}
    left, right = np.divmod(np.arange(p * p), p)
    products = np.ascontiguousarray(elements[left[:, None], elements[right]])  # (p^2, n): (a b)(k) = a(b(k))
    results = np.array([numbers[row.tobytes()] for row in products])
    return replace(_listed(name, p, (left, right), results, p, "product"), permutations=elements)


def _listed(
    name: str, p: int, pairs: tuple[NDArray, NDArray], results: NDArray, n_results: int, composition: Composition
) -> Operation:
    """The operation whose samples are listed."""
    left, right, results = (part.astype(np.int32) for part in (*pairs, results))

    def rule(numbers: NDArray[np.integer]) -> tuple[Index, Index, Index]:
        return left[numbers], right[numbers], results[numbers]

    of_result = np.zeros(n_results, np.int32)
    of_result[results] = left + right
    linear = composition == "sum" and bool((of_result[results] == left + right).all())
    return Operation(name, p, len(results), n_results, rule, composition, linear=linear)
