"""How a command leaves its results."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from analysis.report.files import prepare_folder, printable, table, write_page
from analysis.report.tables import NOT_CERTAIN, cell, fitting, judged, wide
from neural._files import replacing

UNKNOWN = math.nan


def test_two_commands_may_write_one_file(tmp_path):
    """Neither breaks the other; the last to finish stays, and nothing else."""
    page = tmp_path / "report.md"
    with replacing(page) as first:
        first.write_text("first")
        write_page(page, ["second"])
        assert page.read_text() == "second\n"
    assert page.read_text() == "first"
    assert list(tmp_path.iterdir()) == [page]


def test_a_page_can_hold_any_name(tmp_path):
    """Of a file of before UTF-8, say."""
    write_page(tmp_path / "report.md", ["Kähler r\udce9s"])
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == "Kähler r\\udce9s\n"


def test_a_prepared_folder_is_empty(tmp_path):
    out = tmp_path / "a" / "b"
    prepare_folder(out)
    assert list(out.iterdir()) == []


def test_a_page_is_text(tmp_path):
    """What a store says on it is neither html nor obeyed by a terminal; signs of
    arithmetic stay.
    """
    write_page(tmp_path / "report.md", ["# 2 < 3 -> 5 <= 5\n", "torch <script>alert(1)</script><!-- \x1b[2J\u202e"])
    text = (tmp_path / "report.md").read_text()
    assert text == "# 2 < 3 -> 5 <= 5\n\n\ntorch &lt;script>alert(1)&lt;/script>&lt;!-- \\x1b[2J\\u202e\n"


def test_control_characters_are_shown():
    assert printable("η = 1 |D|") == "η = 1 |D|"
    assert printable("a\x1b[31m\r\n\x9b") == "a\\x1b[31m\\r\\n\\x9b"
    assert "\x1b" not in table([{"a": "\x1b[2J", "b": 1}])


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.4075, 0.4051, 0.4098), "0.4075 [0.4051, 0.4098]"),
        ((1150.2, 1143.1, 1158.4), "1,150 [1,143, 1,158]"),
        ((1, 1, 1), "1.0000000 [1.0000000, 1.0000000]"),
        ((12345.6, math.nan, math.nan), "12,346"),
        ((0.123456, math.nan, math.nan), "0.123"),
        ((math.inf, math.nan, math.nan), "-"),
    ],
)
def test_a_number_has_a_digit_more_than_its_interval_knows(numbers, text):
    """In `cell`, by the form ""; another form is obeyed."""
    row = pd.Series(numbers, ["value", "low", "high"])
    assert cell(row, "") == text
    if math.isfinite(numbers[0]):
        assert cell(row, ".0f").startswith(f"{numbers[0]:.0f}")
    assert fitting(numbers[0]) in (".3g", ",.0f")


def test_scores_of_no_comparison_make_a_table():
    scores = pd.DataFrame({"p": [5, 10], "statistic": "n_c", "value": [9.87, 22.4], "low": [9.79, 22.28]})
    scores["high"] = [9.95, 22.54]
    found = wide(scores, {"p": "symbols"}, {"size": ("n_c", ""), "whole": ("n_c", ".0f", "another"), "?": ("x", "")})
    none = {"whole": "-", "?": "-"}
    assert found == [
        {"symbols": "5", "size": "9.87 [9.79, 9.95]", **none},
        {"symbols": "10", "size": "22.40 [22.28, 22.54]", **none},
    ]
    assert wide(scores[:1].assign(n_sets=7), ["n_sets"], ["n_c"]) == [{"n sets": "7", "n c": "9.87 [9.79, 9.95]"}]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-1, -0.1, "low"),
        (-1, 0, NOT_CERTAIN),
        (0, 0, NOT_CERTAIN),
        (0, 1, NOT_CERTAIN),
        (0.1, math.inf, "high"),
        (UNKNOWN, -0.1, "low"),
        (0.1, UNKNOWN, "high"),
        (-1, UNKNOWN, NOT_CERTAIN),
        (UNKNOWN, UNKNOWN, NOT_CERTAIN),
    ],
)
def test_a_verdict_holds_where_all_of_the_interval_does(low: float, high: float, word: str) -> None:
    """And nowhere else."""
    for than in (0, 3):
        moved = SimpleNamespace(low=low + than, high=high + than)
        assert judged(moved, than, below="low", above="high") == word
