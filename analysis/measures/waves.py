"""How much of what a network says of a product in a finite group is a few waves of that
group.

The functions of g in a group of n elements fall into orthogonal parts that no
multiplication mixes: of each irreducible representation rho, together with its complex
conjugate, the functions that are spanned by its matrix entries. The projection onto one
needs no matrices, only the character chi(g) = tr rho(g):

    (P f)(g) = sum_h K(g h^-1) f(h),    K = d/n chi, or 2 d/n Re chi if chi is not real.

Modulo n part k, a frequency, has the waves cos(2 pi k g / n) and sin(2 pi k g / n).

Logits are (n, n, C): C outputs for each ordered pair of elements (a, b), of which what
depends on ab alone is looked at: their means over the n pairs of each product.

Sources: Nanda et al., "Progress measures for grokking via mechanistic
interpretability", 2301.05217, for addition modulo p; Chughtai et al., "A toy model of
universality: reverse engineering how networks learn group operations", 2302.03025, for
other groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import Floats, as_finite, as_whole, check_number

_SEED = 0
_DRAWS = 8  # of the matrix whose eigenvectors are the kernels
_WHOLE = 1e-6  # dimensions are whole numbers to within this


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group: int64 (n, n), a b and a b^-1; and float64 (r, n), K at every
    element of each of the r parts of the functions on it, the constants first.
    """

    products: NDArray[np.int64]
    quotients: NDArray[np.int64]
    kernels: Floats


def cyclic(p: int) -> Group:
    """Addition modulo p. Part k, for k = 0..p//2, is frequency k."""
    a, k = np.arange(p), np.arange(p // 2 + 1)
    dimensions = np.where((k == 0) | (2 * k == p), 1, 2)
    kernels = dimensions[:, None] / p * np.cos(2 * np.pi * (np.outer(k, a) % p) / p)
    return Group(np.add.outer(a, a) % p, np.subtract.outer(a, a) % p, kernels)


def group_of_table(table: ArrayLike) -> Group:
    """A group from its table int (n, n) alone, a b at [a, b], elements 0..n-1 in any
    order; its parts by dimension, and within one by the kernel's values at the elements
    0, 1, .., larger ones first.

    Let t be constant on classes of conjugates, and the same at g and g^-1. It acts on
    all such functions by f -> sum_h t(g h^-1) f(h), which is symmetric, and the kernels
    are common eigenvectors of all t (Burnside). So they are those of one t at random,
    whose eigenvalues all differ. A kernel is its own convolution with itself: of a unit
    eigenvector v it is v(1) v, and n K(1) is the part's dimension.

    In floating point, where Dixon ("High speed computation of group characters", 1967)
    has a prime field. Of several draws, the same every time, the one with the largest
    smallest gap between eigenvalues is taken; ArithmeticError if two are too close in
    all of them. n = 120 takes hundredths of a second.
    """
    products, identity = _as_group(table)
    n = len(products)
    inverses = np.argmax(products == identity, axis=1)
    quotients = products[:, inverses]
    least = products[products, inverses[:, None]].min(axis=0)  # of g x g^-1 over all g, at [x]
    first, classes = np.unique(np.minimum(least, least[inverses]), return_inverse=True)
    basis = (classes[:, None] == np.arange(len(first))).astype(np.float64)
    basis /= np.sqrt(basis.sum(axis=0))

    rng = np.random.default_rng(_SEED)
    widest, vectors = -1.0, basis
    for _ in range(_DRAWS):
        t = rng.normal(size=len(first))[classes]
        values, found = np.linalg.eigh(basis.T @ t[quotients] @ basis)
        gap = np.diff(values).min(initial=np.inf)
        if gap > widest:
            widest, vectors = gap, basis @ found
    kernels = (vectors * vectors[identity]).T
    dimensions = n * kernels[:, identity]
    if (np.abs(dimensions - np.maximum(np.rint(dimensions), 1)) > _WHOLE).any():
        raise ArithmeticError("the parts could not be told apart: two eigenvalues are too close")
    order = np.lexsort(np.hstack([np.rint(dimensions)[:, None], -np.round(n * kernels, 6)]).T[::-1])
    return Group(products, quotients, kernels[order])


def powers(logits: ArrayLike, group: Group) -> Floats:
    """Power (r,) of each part in the logits (n, n, C): the sum of the squares, over
    pairs and classes, of what `restricted` keeps of it alone.

    With the average M (n, C) of the logits over the n pairs of each product, n sum |P
    M|^2. They add up to n sum M^2 (Parseval); the first is that of the constant. They
    change neither where elements are renamed, in the group as in the logits, nor where
    a becomes ha, or b becomes bh.
    """
    M = _means(_as_logits(logits, group), group)
    n = len(M)
    products = np.bincount(group.quotients.ravel(), (M @ M.T).ravel(), n)  # of M's rows, by their quotient
    return np.maximum(n * group.kernels @ products, 0.0)


def key_parts(logits: ArrayLike, group: Group, share: float = 0.9) -> NDArray[np.int64]:
    """The parts (m,) that matter, ascending: the fewest which together hold a `share`,
    in (0, 1], of the sum of `powers`, the constant's left out; none if that is all.
    Modulo p they are the key frequencies.

    Nanda et al. choose them by eye, where the Fourier components of the final network's
    map from neurons to logits stand out. Ours are of any network, and need its logits
    alone.
    """
    check_number("share", share, above=0, most=1)
    there = powers(logits, group)[1:]
    order = np.argsort(-there, kind="stable")
    held = np.cumsum(there[order])
    enough = int(np.searchsorted(held, share * held[-1])) + 1 if there.any() else 0
    return 1 + np.sort(order[:enough])


def restricted(logits: ArrayLike, group: Group, parts: ArrayLike) -> Floats:
    """The logits (n, n, C) with nothing left but, of each class, the constant over all
    pairs and these parts (m,), in 1..r-1, of what depends on ab.

    Their loss on the test set, or on all pairs, is the restricted loss: it falls as the
    waves form, while the network still memorises.
    """
    array = _as_logits(logits, group)
    return array.mean(axis=(0, 1)) + _part(array, group, parts)


def excluded(logits: ArrayLike, group: Group, parts: ArrayLike) -> Floats:
    """The logits (n, n, C) without these parts of what depends on ab. All else stays,
    also waves of a or of b alone. Their loss on the training set is the excluded loss:
    what memorising alone would get.
    """
    array = _as_logits(logits, group)
    return array - _part(array, group, parts)


def correlations(logits: ArrayLike, group: Group) -> Floats:
    """Cosine similarity (r,) of the logits with each Re chi(a b c^-1), as arrays (n, n,
    n), class c element c.

    1 is a network that composes by one representation alone. Before, from the logits of
    each pair their mean over the classes is taken, which softmax does not see; so the
    constant has 0. nan if nothing is left.

    Source: Chughtai et al., who have S_n, where all characters are real.
    """
    array = _as_logits(logits, group)
    n = len(array)
    if array.shape[2] != n:
        raise et.ArgumentError("logits", f"have n = {n} classes", f"has shape {array.shape}")
    centred = array - array.mean(axis=2, keepdims=True)
    # the sum of logits over all (a, b, c) of each a b c^-1
    sums = np.bincount(group.quotients.ravel(), n * _means(centred, group).ravel(), n)
    size = np.linalg.norm(centred)
    floor = 1e-14 * np.sqrt(n) * np.linalg.norm(array)  # what is left of equal logits
    norms = n * np.linalg.norm(group.kernels, axis=1)
    return group.kernels @ sums / (norms * (size if size > floor else np.nan))


def mean_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> float:
    """The mean of log(sum_c e^(l_c)) - l_label over N samples, natural logarithm, of
    logits (N, C) and labels int (N,) in 0..C-1.
    """
    array = as_finite("logits", logits, "(N, C)")
    n, classes = array.shape
    where = as_whole("labels", labels, f"({n},)", 0, classes - 1)
    largest = array.max(axis=1)
    sums = np.exp(array - largest[:, None]).sum(axis=1)
    return float(np.mean(np.log(sums) + largest - array[np.arange(n), where]))


def _as_logits(logits: ArrayLike, group: Group) -> Floats:
    array, n = as_finite("logits", logits, "(n, n, C)"), len(group.products)
    if len(array) != n:
        raise et.ArgumentError("logits", f"have shape (n, n, C) with the group's n = {n}", f"has shape {array.shape}")
    return array


def _means(array: Floats, group: Group) -> Floats:
    """(n, C), the mean over the pairs of each product."""
    pairs = np.argsort(group.products, axis=1)  # at [a, g] the b with a b = g
    return array[np.arange(len(array))[:, None], pairs].mean(axis=0)


def _part(array: Floats, group: Group, parts: ArrayLike) -> Floats:
    """What lies in these parts, of functions of ab."""
    chosen = as_whole("parts", parts, "(m,)", 1, len(group.kernels) - 1)
    kernel = group.kernels[np.unique(chosen)].sum(axis=0)
    return (kernel[group.quotients] @ _means(array, group))[group.products]


def _as_group(table: ArrayLike) -> tuple[NDArray[np.int64], int]:
    """The table as int64 (n, n), once it is known to be a group's, and the identity."""
    products = as_whole("table", table, "(n, n)", 0)
    everyone = np.arange(len(products))
    if (np.sort(products, axis=0) != everyone[:, None]).any() or (np.sort(products, axis=1) != everyone).any():
        raise et.ArgumentError("table", "be a group's", "does not have each of 0..n-1 once in each row and column")
    wrong = np.argwhere(products[products] != products[:, products])  # where none is, there is an identity
    if len(wrong):
        raise et.ArgumentError("table", "be a group's", f"has (a b) c unlike a (b c) at {tuple(wrong[0].tolist())}")
    return products, int(np.flatnonzero((products == everyone).all(axis=1))[0])
