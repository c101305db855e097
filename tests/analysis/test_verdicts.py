"""A verdict holds where all of its interval does, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.report.words import NOT_CERTAIN, judged

WORDS = {"below": "low", "above": "high"}


@pytest.mark.parametrize(
    ("bounds", "word"),
    [
        ((0.5, 0.79), "low"),
        ((0.76, 0.97), NOT_CERTAIN),  # all of it below 1, part of it in the band
        ((0.5, 0.8), NOT_CERTAIN),  # the ends are in the band
        ((0.8, 1.25), "right"),
        ((0.9, 1.1), "right"),
        ((0.79, 1.25), NOT_CERTAIN),
        ((0.8, 1.26), NOT_CERTAIN),
        ((1.25, 2.0), NOT_CERTAIN),
        ((1.26, float("inf")), "high"),
        ((0.5, 2.0), NOT_CERTAIN),
        ((None, 0.7), "low"),
        ((1.3, None), "high"),
        ((1.0, None), NOT_CERTAIN),
        ((None, 1.0), NOT_CERTAIN),
        ((None, None), NOT_CERTAIN),
        ((float("nan"), float("nan")), NOT_CERTAIN),
        (None, NOT_CERTAIN),
    ],
)
def test_a_verdict_holds_where_all_of_the_interval_does(bounds: Any, word: str) -> None:
    assert judged(bounds, (0.8, 1.25), **WORDS, within="right") == word


@pytest.mark.parametrize(
    ("bounds", "word"),
    [((-1, -0.1), "low"), ((-1, 0), "open"), ((0, 0), "open"), ((0, 1), "open"), ((0.1, 1), "high"), (None, "open")],
)
def test_a_threshold_is_a_band_of_one_number(bounds: Any, word: str) -> None:
    assert judged(bounds, (0, 0), **WORDS, otherwise="open") == word
