"""What records show in a notebook: pages that are well-formed, small, of the notebook's
own colours, and whose pictures show what the record says.
"""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

import efftheory as et
from efftheory._html import BLUE, ORANGE, SKY, Line, page, plot

LARGEST = 20_000  # bytes of a page
SVG = "{http://www.w3.org/2000/svg}"


def every() -> Iterator[Any]:
    """One of each kind that a public function returns, and the smallest and largest
    squares.
    """
    op, rng = et.addition(10), np.random.default_rng(0)
    mask, E = op.random_training_set(30, seed=0), rng.normal(size=(10, 1))
    yield from (op, et.describe(op, mask), et.describe(op), et.spectrum(op, mask), et.exact_nullity(op, mask))
    yield et.flow(op, mask, E, np.linspace(0, 3, 2000))
    yield et.flow(op, mask, E, [0.0])
    yield et.optimizer_flow(op, mask, E, steps=50)
    yield et.memory_flow(op, mask, E, steps=50)
    yield et.success_probability(op, mask, steps=20, draws=2)
    yield et.linear_probability(op, 30, 10)
    yield et.class_flow(np.arange(10) % 3, E, np.linspace(0, 10, 200))
    yield et.Decoder()
    yield from (et.symmetric_group(3), et.dihedral_group(100), et.addition(2), et.addition(60_000))
    yield from (et.describe(et.addition(2)), et.spectrum(et.addition(2)))
    yield et.from_table(rng.integers(0, 200, (200, 200)), name="random")
    large = et.addition(200)
    some = large.random_training_set(6000, seed=0)
    yield from (et.describe(large, some), et.spectrum(large, some), et.describe(et.addition(201)))
    ordered = et.modular_addition(100, tables=2)
    yield et.describe(ordered, ordered.random_training_set(3000, seed=0))
    yield et.describe(et.modular_addition(200), et.modular_addition(200).random_training_set(300, seed=0))


@pytest.fixture(scope="module")
def records() -> list[Any]:
    return list(every())


def shown(record: Any) -> ET.Element:
    return ET.fromstring(record._repr_html_())


def test_pages_are_whole_and_small_and_without_ids(records: list[Any]) -> None:
    for record in records:
        text = record._repr_html_()
        assert len(text.encode()) < LARGEST, record
        assert text == record._repr_html_()
        assert "id=" not in text
        assert all(len(row) == 2 and row[0].text for row in shown(record).iter("tr"))


def test_words_and_axes_have_the_colour_of_the_notebook(records: list[Any]) -> None:
    """Nothing has a ground of its own, so a dark notebook stays dark."""
    pictures = 0
    for record in records:
        assert "background" not in record._repr_html_()
        for picture in shown(record).iter(f"{SVG}svg"):
            pictures += 1
            assert picture.get("fill") == "currentColor"
            assert [word for word in picture.iter(f"{SVG}text") if "fill" in word.attrib] == []
    assert pictures > 10


def cells(record: Any) -> np.ndarray:
    """The square as it is seen, i first and j second: RGBA."""
    (image,) = shown(record).iter(f"{SVG}image")
    content = base64.b64decode((image.get("href") or "").partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))[::-1].transpose(1, 0, 2)


@pytest.mark.parametrize("p", [2, 10, 13])
def test_the_square_shows_what_becomes_of_each_sample(p: int) -> None:
    op = et.addition(p)
    mask = op.random_training_set(op.n_samples // 2, seed=3)
    seen, reached = cells(et.describe(op, mask)), et.generalizable(op, mask)
    assert seen.shape == (p, p, 4)
    for (i, j), trained, within in zip(op.pairs, mask, reached, strict=True):
        colour = BLUE if trained else SKY if within else ORANGE
        np.testing.assert_array_equal(seen[i, j], [*(round(255 * part) for part in to_rgb(colour)), 255])
    assert (seen[np.tril_indices(p, -1)][:, 3] == 0).all()  # there is no sample


def test_more_symbols_than_can_be_seen_have_a_word_in_place_of_the_square() -> None:
    assert "No picture: more than 200 symbols." in et.addition(201)._repr_html_()
    assert "No picture" not in et.modular_addition(200, tables=2)._repr_html_()


def test_two_tables_are_one_square() -> None:
    op = et.modular_addition(5, tables=2)
    mask = op.mask([(0, 5 + 3)])
    seen = cells(et.describe(op, mask))
    assert seen.shape[:2] == (5, 5)
    assert {(i, j) for i in range(5) for j in range(5) if tuple(seen[i, j, :3]) == (0, 0x72, 0xB2)} == {(0, 3)}


def test_a_table_of_results_has_one_colour_a_result() -> None:
    seen = cells(et.addition(3))
    colours = {tuple(seen[i, j]) for i, j in et.addition(3).pairs}
    assert len(colours) == 5
    np.testing.assert_array_equal(seen[0, 2], seen[1, 1])


def test_a_description_keeps_the_training_set_it_was_asked_of() -> None:
    op = et.addition(10)
    mask = op.random_training_set(25, seed=3)
    description = et.describe(op, mask)
    before = description._repr_html_()
    mask[:] = True
    assert description._repr_html_() == before


def test_what_is_printed_stands_in_the_table() -> None:
    description = et.describe(et.addition(10), et.addition(10).random_training_set(25, seed=3))
    rows = ["".join(row.itertext()) for row in shown(description).iter("tr")]
    assert rows == [line.replace(": ", "", 1) for line in str(description).splitlines()]


def test_names_of_users_are_text() -> None:
    named = et.from_table(
        [[0, 1], [1, 0]],
        "sum",
        "</table><script>&\x1b\x00\ud800",
        names=["<b>", '"&\x07'],
    )
    text = named._repr_html_() + et.describe(named, np.array([True, False, False]))._repr_html_()
    ET.fromstring(f"<x>{text}</x>")
    assert "<script" not in text
    assert "<b>" not in text
    assert "\\x1b" in text
    assert "\\x00" in text
    assert text.isprintable()


def points(text: str) -> list[tuple[float, float]]:
    """Of the first curve."""
    curves = [one for one in ET.fromstring(text).iter(f"{SVG}path") if one.get("stroke") != "currentColor"]
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", curves[0].get("d") or "")]


def test_a_logarithmic_axis_has_equal_ratios() -> None:
    marks = points(plot([Line("a", [0, 1, 10, 100], [0, 0.25, 0.5, 1], 4)], "steps", "share"))
    x, y = np.array(marks).T
    assert x[0] == x[1]  # 0 is drawn where the axis begins
    assert x[3] - x[2] == x[2] - x[1] > 0
    np.testing.assert_allclose(y[0] - y, (y[0] - y[3]) * np.array([0, 0.25, 0.5, 1]), atol=0.11)


def test_marks_of_zero_are_below_all_others() -> None:
    dots = points(plot([Line("a", [1, 2, 3, 4], [0, 1, 10, 100], 4)], "number", "value", x_log=False, y_log=True))
    heights = [y for _, y in dots]
    assert heights[0] - heights[1] == 10
    assert [a - b for a, b in pairwise(heights[1:])] == [75, 75]


def test_a_curve_has_a_gap_where_it_is_not_known() -> None:
    text = plot([Line("a", [1, 10, 100, 1000, 10_000], [0, 1, np.nan, 1, 0])], "steps", "share")
    assert re.search(r'd="M[^M"]*M[^M"]*" fill="none" stroke="#', text)


floats = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.lists(st.tuples(floats, floats), max_size=30), st.booleans(), st.booleans(), st.sampled_from([0.0, 4.0]))
def test_whatever_is_drawn_is_within_its_picture(pairs: list, x_log: bool, y_log: bool, size: float) -> None:
    x, y = np.array(pairs, float).reshape(-1, 2).T
    text = plot([Line("a", x, np.abs(y), size)], "x", "y", x_log=x_log, y_log=y_log)
    if text:
        root = ET.fromstring(text)
        across, up = float(root.get("width", 0)), float(root.get("height", 0))
        assert all(0 <= a <= across and 0 <= b <= up for a, b in points(text))
    else:
        assert not (np.isfinite(x).any() and np.isfinite(y).any())


def test_nothing_is_drawn_of_nothing() -> None:
    assert plot([], "x", "y") == plot([Line("a", [], [])], "x", "y") == ""
    assert len(list(ET.fromstring(page("title", [])).iter("tr"))) == 0
