"""What networks of tables learn: sums, quotients, products in a group. Each is a table,
int (p, p): what the first and the second symbol give. Of quotients the column 0 is
missing, and the table (p, p - 1).

The elements of a group are numbered so that 0 is the identity, and their product is the
group's: of two permutations, the second goes first.
"""

from __future__ import annotations

from itertools import permutations
from math import factorial, isqrt

import numpy as np
from numpy.typing import NDArray

OPERATIONS = ("modular_addition", "addition", "division", "symmetric", "dihedral")
_PERMUTED = {factorial(n): n for n in (3, 4, 5)}  # how many things, by the number of their permutations


def misfit(operation: str, p: int) -> str:
    """What `p` would have to be for there to be this operation on p symbols; "" if it
    is.
    """
    if operation == "division" and any(p % factor == 0 for factor in range(2, isqrt(p) + 1)):
        return "a prime"
    if operation == "symmetric" and p not in _PERMUTED:
        return "one of " + ", ".join(map(str, _PERMUTED))
    if operation == "dihedral" and (p % 2 or p < 6):  # two corners have no reflection of their own
        return "an even number of at least 6"
    return ""


def table(operation: str, p: int) -> NDArray[np.int64]:
    """Results of all pairs, (p, p), or (p, p - 1) of quotients."""
    symbols = np.arange(p)
    if operation == "division":
        return symbols[:, None] * np.array([pow(b, -1, p) for b in range(1, p)]) % p
    if operation == "symmetric":
        return _permutations(_PERMUTED[p])
    if operation == "dihedral":
        return _symmetries(p // 2)
    sums = symbols[:, None] + symbols
    return sums % p if operation == "modular_addition" else sums


def _permutations(n: int) -> NDArray[np.int64]:
    """Of n things, in lexicographic order: (a b)(k) = a(b(k))."""
    moves = np.array(list(permutations(range(n))))
    digits = n ** np.arange(n)[::-1]
    # read as a number, a permutation is the larger the later it stands
    return np.searchsorted(moves @ digits, moves[:, moves] @ digits)


def _symmetries(n: int) -> NDArray[np.int64]:
    """Of a polygon with corners modulo n: rotations k -> k + a first, then reflections
    k -> a - k, which turn the other way what comes before them.
    """
    flipped, a = np.divmod(np.arange(2 * n), n)
    turned = a[:, None] + np.where(flipped[:, None], -a, a)
    return n * (flipped[:, None] ^ flipped) + turned % n
