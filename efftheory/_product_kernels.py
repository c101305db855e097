"""The product of two small matrices, in a third of the time that BLAS takes, whose call
and packing cost more than the work.

A tile of the result stays in registers while its sums run. numba has no vectors:
the tile is written for LLVM, which makes of a vector what the processor has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from efftheory._cache import CACHE
from efftheory._kernels import FAST


def _lanes() -> int:
    try:
        return 16 if get_host_cpu_features().get("avx512f") else 8
    except RuntimeError:  # LLVM does not know this processor
        return 8


# Of a tile, which has two vectors a row: 8 of AVX-512's 32 registers, or of AVX2's 16.
_ROWS, _LANES = 4, _lanes()
_VECTOR = ir.VectorType(ir.FloatType(), _LANES)


@intrinsic
def _tile(_context: Any, a: Any, b: Any, c: Any, row: Any, first: Any, second: Any) -> Any:
    """c = a @ b in the rows from `row` on and the columns from `first` and from
    `second` on.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kinds = signature.args[:3]
        arrays = [
            context.make_array(kind)(context, builder, value) for kind, value in zip(kinds, arguments[:3], strict=True)
        ]
        row, *columns = arguments[3:]
        rows = [builder.add(row, ir.Constant(row.type, r)) for r in range(_ROWS)]

        def pointer(which: int, i: Any, j: Any) -> Any:
            return cgutils.get_item_pointer(context, builder, kinds[which], arrays[which], [i, j])

        def vector(which: int, i: Any, j: Any) -> Any:
            return builder.bitcast(pointer(which, i, j), _VECTOR.as_pointer())

        def repeated(number: Any) -> Any:
            first = builder.insert_element(ir.Constant(_VECTOR, None), number, ir.Constant(ir.IntType(32), 0))
            places = ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES)
            return builder.shuffle_vector(first, ir.Constant(_VECTOR, None), places)

        zero = ir.Constant(_VECTOR, None)
        totals = [[cgutils.alloca_once_value(builder, zero) for _ in columns] for _ in rows]
        _, inner = cgutils.unpack_tuple(builder, arrays[0].shape)
        with cgutils.for_range(builder, inner) as loop:
            right = [builder.load(vector(1, loop.index, j), align=4) for j in columns]
            for i, sums in zip(rows, totals, strict=True):
                left = repeated(builder.load(pointer(0, i, loop.index)))
                for part, total in zip(right, sums, strict=True):
                    added = builder.fmul(left, part, flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), added, flags=("contract",)), total)
        for i, sums in zip(rows, totals, strict=True):
            for j, total in zip(columns, sums, strict=True):
                builder.store(builder.load(total), vector(2, i, j), align=4)
        return context.get_dummy_value()

    return types.void(a, b, c, types.intp, types.intp, types.intp), code


@njit(cache=CACHE, nogil=True, fastmath=FAST)
def product(a, b, c):
    """c = a @ b of float32 matrices: a (n, m) of any strides, the rows of b and c
    contiguous. b and c may have further rows, which are left out.

    Tiles at the lower and the right edge overlap those before.
    """
    (n, m), k = a.shape, c.shape[1]
    if n < _ROWS or k < _LANES:
        for i in range(n):
            c[i] = np.float32(0.0)
            for s in range(m):
                for j in range(k):
                    c[i, j] += a[i, s] * b[s, j]
        return
    for j in range(0, k, 2 * _LANES):
        for i in range(0, n, _ROWS):
            row, first, second = min(i, n - _ROWS), min(j, k - _LANES), min(j + _LANES, k - _LANES)
            _tile(a, b, c, row, first, second)  # pyright: ignore[reportCallIssue]  # numba gives the context
