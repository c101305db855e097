"""How much of what a network says of a product in a finite group is a few irreducible
representations: `fourier.py` for groups that need not commute.

The functions of g are spanned by the matrix entries of the irreducible representations
rho. Those of one rho span its isotypic component, d_rho^2 dimensions, and these are
orthogonal to each other. The projection onto one needs no matrices, only the character
chi_rho(g) = tr rho(g):

    (P_rho f)(g) = d_rho / n sum_h chi_rho(g h^-1) f(h).

In a group modulo n each rho is a wave e^(i w_k g), and k and n - k together are a
frequency.

Logits are (n, n, C): C outputs for each ordered pair of elements (a, b), of which what
depends on ab alone is looked at. Real logits have equal parts in rho and in its complex
conjugate, so these are kept, or removed, together.

Source: Chughtai et al., "A toy model of universality: reverse engineering how networks
learn group operations", 2302.03025, if nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import efftheory as et
from analysis.measures.arrays import as_numbers
from analysis.measures.fourier import as_choice, as_logits

_SEED = 0
_DRAWS = 8  # of the matrix whose eigenvectors are the characters
_WHOLE = 1e-6  # dimensions are whole numbers to within this


@dataclass(frozen=True, eq=False)
class CharacterTable:
    """The characters of a group's r irreducible representations, over the complex
    numbers.

    By dimension; within one, by the real parts and then the imaginary parts at the
    elements 0, 1, .., larger ones first. So the trivial representation is the first,
    and modulo n the frequencies follow as e^(i w g), e^(-i w g), e^(2 i w g), ..

    Attributes:
        dimensions: int64 (r,).
        characters: complex128 (r, n), chi_rho of every element.
        products: int64 (n, n), the group's multiplication table.
        quotients: int64 (n, n), a b^-1.
    """

    dimensions: NDArray[np.int64]
    characters: NDArray[np.complex128]
    products: NDArray[np.int64]
    quotients: NDArray[np.int64]


def character_table(table: ArrayLike) -> CharacterTable:
    """The character table of a finite group, from its multiplication table alone.

    A function t that is constant on classes of conjugates acts on all such functions by
    f -> sum_h t(g h^-1) f(h), and the characters are common eigenvectors of all t
    (Burnside). So they are those of one t at random, whose eigenvalues all differ; with
    t(g^-1) the conjugate of t(g) the matrix is Hermitian, and its eigenvectors are
    orthogonal to the last digit. The identity's entry says dimension and phase: a
    character has norm sqrt(n), and chi(1) = d.

    In floating point, where Dixon has a prime field. Of several draws the one with the
    largest smallest gap between eigenvalues is taken, and is the same every time. n =
    120 takes hundredths of a second.

    Args:
        table: int (n, n), the element a b at [a, b], elements 0..n-1 in any order.

    Source: Dixon, "High speed computation of group characters", 1967.

    Raises:
        ArgumentError: `table` is no group's.
        ArithmeticError: the eigenvectors are no characters, because two eigenvalues are
            too close.
    """
    products, identity = _as_group(table)
    n = len(products)
    inverses = np.argmax(products == identity, axis=1)
    quotients = products[:, inverses]
    conjugates = products[products, inverses[:, None]]  # g x g^-1 at [g, x]
    first, classes = np.unique(conjugates.min(axis=0), return_inverse=True)
    basis = (classes[:, None] == np.arange(len(first))).astype(np.float64)
    basis /= np.sqrt(basis.sum(axis=0))

    rng = np.random.default_rng(_SEED)
    widest, vectors = -1.0, basis
    for _ in range(_DRAWS):
        drawn = (rng.normal(size=(2, len(first))).T @ [1, 1j])[classes]
        values, found = np.linalg.eigh(basis.T @ (drawn + drawn[inverses].conj())[quotients] @ basis)
        gap = np.diff(values).min(initial=np.inf)
        if gap > widest:
            widest, vectors = gap, found
    at_identity = vectors[classes[identity]]
    sizes = np.sqrt(n) * np.abs(at_identity)
    dimensions = np.maximum(np.rint(sizes), 1).astype(np.int64)
    if (np.abs(sizes - dimensions) > _WHOLE).any():
        raise ArithmeticError("the characters could not be told apart: two eigenvalues are too close")
    characters = (basis @ (vectors / at_identity * dimensions)).T / basis[identity, classes[identity]]

    # rational characters are whole numbers, so none is half-way between two of these
    rounded = np.round(characters, 6)
    keys = np.hstack([dimensions[:, None], -rounded.real, -rounded.imag])
    order = np.lexsort(keys.T[::-1])
    return CharacterTable(dimensions[order], characters[order], products, quotients)


def representation_powers(logits: ArrayLike, table: CharacterTable) -> NDArray[np.float64]:
    """Power (r,) of each irreducible representation in functions of ab.

    The sum of the squares, over pairs and classes, of what `restricted_to` keeps of
    rho alone: with the average M (n, C) of the logits over the n pairs of each product,
    n sum |P_rho M|^2. They add up to n sum M^2; that of the trivial one, the first, is
    the constant's. They change neither where elements are renamed, in the table as in
    the logits, nor where a becomes ha, or b becomes bh.

    Modulo n, the powers of k and n - k add up to `frequency_powers`.

    Args:
        logits: float (n, n, C).
        table: of the group.

    Source: ours, after the powers of Fourier components.

    Raises:
        ArgumentError: `logits` is not finite (n, n, C) with the n of `table`.
    """
    means = _means(_checked(logits, table), table)
    n = len(means)
    kernels = table.dimensions[:, None] * table.characters / n
    return np.array([n * np.square(np.abs(kernel[table.quotients] @ means)).sum() for kernel in kernels])


def restricted_to(logits: ArrayLike, table: CharacterTable, representations: ArrayLike) -> NDArray[np.float64]:
    """The logits (n, n, C) with nothing left but, of each class, the constant over all
    pairs and what lies, as a function of ab, in the isotypic components of these
    representations and of their conjugates.

    Args:
        logits: float (n, n, C).
        table: of the group.
        representations: indices (m,) in 1..r-1; 0 is the constant.

    Raises:
        ArgumentError: as `representation_powers`; `representations` are something else.
    """
    array = _checked(logits, table)
    return array.mean(axis=(0, 1)) + _part(array, table, representations)


def excluded_of(logits: ArrayLike, table: CharacterTable, representations: ArrayLike) -> NDArray[np.float64]:
    """The logits (n, n, C) without what lies, as a function of ab, in the isotypic
    components of these representations and of their conjugates.

    Args, and Raises:
        as `restricted_to`.
    """
    array = _checked(logits, table)
    return array - _part(array, table, representations)


def character_correlations(logits: ArrayLike, table: CharacterTable) -> NDArray[np.float64]:
    """Cosine similarity (r,) of the logits with each Re chi_rho(a b c^-1), as arrays
    (n, n, n), c the class.

    1 is a network that composes by rho alone. Before, from the logits of each pair
    their mean over the classes is taken, which softmax does not see; so the trivial
    character has 0. nan if nothing is left.

    The paper has S_n, where all characters are real. The real part stands for rho and
    its conjugate; modulo n it is cos(w_k (a + b - c)).

    Args:
        logits: float (n, n, n); class c is element c.
        table: of the group.

    Raises:
        ArgumentError: `logits` is not finite (n, n, n) with the n of `table`.
    """
    array = _checked(logits, table)
    n = len(array)
    if array.shape[2] != n:
        raise et.ArgumentError("logits", f"have n = {n} classes", f"has shape {array.shape}")
    centred = array - array.mean(axis=2, keepdims=True)
    # the sum of logits over all (a, b, c) of each a b c^-1
    sums = np.bincount(table.quotients.ravel(), n * _means(centred, table).ravel(), n)
    characters = table.characters.real
    norms = n * np.linalg.norm(characters, axis=1)
    size = np.linalg.norm(centred)
    floor = 1e-14 * np.sqrt(n) * np.linalg.norm(array)  # what is left of equal logits
    return characters @ sums / (norms * (size if size > floor else np.nan))


def _checked(logits: ArrayLike, table: CharacterTable) -> NDArray[np.float64]:
    array, n = as_logits(logits), len(table.products)
    if len(array) != n:
        raise et.ArgumentError("logits", f"have shape (n, n, C) with n = {n}, as the table", f"has shape {array.shape}")
    return array


def _means(array: NDArray[np.float64], table: CharacterTable) -> NDArray[np.float64]:
    """(n, C), the mean over the pairs of each product."""
    n = len(array)
    pairs = np.argsort(table.products, axis=1)  # at [a, g] the b with a b = g
    return array[np.arange(n)[:, None], pairs].mean(axis=0)


def _part(array: NDArray[np.float64], table: CharacterTable, representations: ArrayLike) -> NDArray[np.float64]:
    """What lies in the isotypic components of these representations and of their
    conjugates.
    """
    characters = table.characters
    chosen = as_choice("representations", representations, len(characters) - 1)
    # chi and the conjugate of chi alone have a product with a sum, n, that is not 0
    conjugates = np.abs(characters @ characters.T).argmax(axis=1)
    chosen = np.union1d(chosen, conjugates[chosen])
    kernel = (table.dimensions[chosen] @ characters[chosen]).real / len(array)
    return (kernel[table.quotients] @ _means(array, table))[table.products]


def _as_group(table: ArrayLike) -> tuple[NDArray[np.int64], int]:
    """The table as int64 (n, n), once it is known to be a group's, and the identity."""
    array = as_numbers("table", "hold whole numbers", table, "iu")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.size == 0:
        raise et.ArgumentError("table", "have shape (n, n)", f"has shape {array.shape}")
    products, everyone = array.astype(np.int64), np.arange(len(array))
    if (np.sort(products, axis=0) != everyone[:, None]).any() or (np.sort(products, axis=1) != everyone).any():
        raise et.ArgumentError("table", "be a group's", "does not have each of 0..n-1 once in each row and column")
    neutral = (products == everyone).all(axis=1) & (products == everyone[:, None]).all(axis=0)
    if not neutral.any():
        raise et.ArgumentError("table", "be a group's", "has no identity")
    for a in everyone:
        wrong = np.argwhere(products[products[a]] != products[a, products])
        if len(wrong):
            b, c = wrong[0].tolist()
            raise et.ArgumentError("table", "be a group's", f"has (a b) c unlike a (b c) at {(int(a), b, c)}")
    return products, int(neutral.argmax())
