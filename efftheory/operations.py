"""A binary operation as a table of samples: which pairs there are, and which share a result."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from efftheory import _checks

Seed = int | np.random.Generator


class Samples(NamedTuple):
    """Samples ordered by result class, as the kernels take them: class c is first[c] .. first[c+1]-1.

    left, right: int64 (n,), the two symbols of each sample. first: int64 (n_results + 1,).
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    first: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation on `n_symbols` symbols, and how their embeddings are composed.

    Attributes:
        name: what it is called in reports, for example "addition(10)".
        n_symbols: p, the number of symbols.
        pairs: int64 (N, 2), the full data set D0: one unordered pair i <= j a sample where embeddings are composed by
            a sum (the operation commutes), all ordered pairs where by a product.
        results: int64 (N,), the result class of each sample, in 0..n_results-1.
        n_results: the number of result classes.
        composition: "sum", E_i + E_j of embeddings (p, d), or "product", the matrix product E_i E_j of embeddings
            (p, d, d).
    """

    name: str
    n_symbols: int
    pairs: NDArray[np.int64]
    results: NDArray[np.int64]
    n_results: int
    composition: Literal["sum", "product"] = "sum"

    @property
    def n_samples(self) -> int:
        """N = |D0|."""
        return len(self.pairs)

    @cached_property
    def by_result(self) -> NDArray[np.int64]:
        """int64 (N,): the samples ordered by result class, each class in one run."""
        return np.argsort(self.results, kind="stable")

    @cached_property
    def samples(self) -> Samples:
        """All of D0, ordered by result class."""
        sizes = np.bincount(self.results, minlength=self.n_results)
        left, right = np.ascontiguousarray(self.pairs[self.by_result].T)
        return Samples(left, right, np.concatenate(([0], np.cumsum(sizes))))

    def random_training_set(self, n_train: int, seed: Seed) -> NDArray[np.bool_]:
        """A training set of `n_train` samples, all sets of that size equally likely.

        Args:
            n_train: |D|, in 0..N.
            seed: an int or a numpy Generator.

        Returns:
            bool (N,), True for the samples of D.
        """
        n_train = _checks.integer("n_train", n_train, 0, self.n_samples)
        mask = np.zeros(self.n_samples, dtype=np.bool_)
        rng = _checks.generator("seed", seed)
        mask[rng.choice(self.n_samples, n_train, replace=False)] = True
        return mask


def addition(p: int) -> Operation:
    """Addition of the symbols 0..p-1, not modular: result i + j, 2p - 1 classes.

    D0 = {(i, j): i <= j} in the order (0,0), (0,1) .. (0,p-1), (1,1) .., so |D0| = p(p+1)/2.

    Source: paper, section 3.1 (toy model).
    """
    p = _checks.integer("p", p, 2)
    i, j = np.triu_indices(p)
    return Operation(
        name=f"addition({p})",
        n_symbols=p,
        pairs=np.stack([i, j], axis=1),
        results=i + j,
        n_results=2 * p - 1,
    )


def symmetric_group(n: int) -> Operation:
    """The permutations of 0..n-1, composed by a matrix product: (a b)(k) = a(b(k)), p = n! symbols and classes.

    The symbols are the permutations in lexicographic order, so that 0 is the identity, and the result is the product's
    own index. D0 = all ordered pairs (a, b), a outer, b inner, so |D0| = p^2; S3 has 36 samples and |P0| = 90.

    Source: paper, appendix H.

    Raises:
        ArgumentError: `n` is not in 2..6 (S6 has half a million samples, S7 twenty-five million).
    """
    n = _checks.integer("n", n, 2, 6)
    elements = np.array(list(permutations(range(n))))
    p = len(elements)
    products = elements[:, elements]  # (p, p, n): [a, b, k] is a(b(k))
    digits = n ** np.arange(n)[::-1]  # read as numbers, permutations in lexicographic order ascend
    return Operation(
        name=f"symmetric_group({n})",
        n_symbols=p,
        pairs=np.stack(np.divmod(np.arange(p * p), p), axis=1),
        results=np.searchsorted(elements @ digits, products @ digits).ravel(),
        n_results=p,
        composition="product",
    )
