"""A square of all samples as a small picture of a notebook's page: see `_html.py`."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from efftheory._html import svg, words

_SIDE, _LEFT, _TOP = 200, 48, 4  # of the square, in pixels, and where it begins


def square(
    pairs: NDArray[np.integer],
    values: NDArray[np.integer],
    symbols: Sequence[str],
    colours: Sequence[str],
    legend: Sequence[str] = (),
) -> str:
    """Samples (i, j), i to the right and j upwards; the colour of each is that of its
    value, in 0..14, and `legend` says what the first values mean.
    """
    p = len(symbols)
    cells = np.zeros((p, p), np.uint8)  # 0: no sample
    i, j = pairs.T
    cells[p - 1 - j, i] = 1 + values.astype(np.uint8)
    image = base64.b64encode(_png(cells, colours)).decode()
    place = f'x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" preserveAspectRatio="none"'
    parts = [f'<image {place} style="image-rendering:pixelated" href="data:image/png;base64,{image}"/>']
    first, last = (one if len(one) <= 6 else f"{one[:5]}…" for one in (symbols[0], symbols[-1]))
    left, right, bottom = _LEFT - 4, _LEFT + _SIDE, _TOP + _SIDE
    parts += [words(left, bottom - 4, first, "end"), words(left, bottom - _SIDE / 2, "j", "end")]
    parts += [words(left, _TOP + 10, last, "end"), words(_LEFT, bottom + 14, first)]
    parts += [words(_LEFT + _SIDE / 2, bottom + 14, "i", "middle"), words(right, bottom + 14, last, "end")]
    for number, (name, colour) in enumerate(zip(legend, colours, strict=False)):
        y = _TOP + 18 * number
        parts.append(f'<rect x="{right + 12}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(words(right + 30, y + 10, name))
    return svg(right + (120 if legend else 8), bottom + 20, "the samples (i, j)", "".join(parts))


def _png(cells: NDArray[np.uint8], colours: Sequence[str]) -> bytes:
    """An image of four bits a pixel by a palette, whose number 0 is transparent."""
    height, width = cells.shape
    even = np.pad(cells, ((0, 0), (0, width % 2)))
    rows = np.pad(even[:, ::2] << 4 | even[:, 1::2], ((0, 0), (1, 0)))  # each begins with how it is filtered: not
    palette = bytes(3) + b"".join(bytes.fromhex(colour[1:]) for colour in colours)
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    chunks = {
        b"IHDR": header,
        b"PLTE": palette,
        b"tRNS": b"\0",
        b"IDAT": zlib.compress(rows.tobytes(), 9),
        b"IEND": b"",
    }
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks.items():
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content
