"""What a page says: targets, numbers and what their intervals decide as text; tidy
scores as tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

TARGETS_IN_WORDS = {
    "rqi": "RQI > 0.95",
    "train": "train accuracy 0.9",
    "test": "test accuracy 0.9",
    "learned_rqi": "RQI > 0.95 and train accuracy 0.9",
    "learned_test": "test and train accuracy 0.9",
    "train_99": "train accuracy 0.99",
    "test_95": "test accuracy 0.95",
}

NOT_CERTAIN = "not certain"


def judged(score: Any, than: float, *, below: str, above: str, otherwise: str = NOT_CERTAIN) -> str:
    """The verdict of a score: it is below or above a number only where all of its
    interval is; a bound that is not known, nan, decides nothing.
    """
    return below if score.high < than else above if score.low > than else otherwise


def words(target: str) -> str:
    """A target, as in `steps_to_...`."""
    metric, _, percent = target.partition("_")
    return TARGETS_IN_WORDS.get(target, f"{metric} accuracy {int(percent) / 100:g}" if percent.isdigit() else target)


def seed_range(seeds: Iterable[int]) -> str:
    """The seeds of runs, which follow one another: 0..7, or the only one."""
    found = sorted(seeds)
    first, last = found[0], found[-1]
    return f"{first}" if first == last else f"{first}..{last}"


def scalars(table: pd.DataFrame) -> pd.DataFrame:
    """A table of runs as runs.csv has it: without the columns of arrays."""
    arrays = [name for name in table if any(isinstance(cell, np.ndarray | list) for cell in table[name].head(1))]
    return table.drop(columns=arrays)


def rows_of(table: pd.DataFrame) -> list[Any]:
    """A table's rows, each with its columns as attributes."""
    return list(table.itertuples())


def number(value: Any, form: str = ".2f") -> str:
    """A number; a dash for none, or one beyond all bounds."""
    return format(value, form) if value is not None and np.isfinite(value) else "-"


def fitting(value: float, low: float = np.nan, high: float = np.nan) -> str:
    """The format that shows a digit more than the interval knows; where there is none,
    three digits, or all before the point.
    """
    if np.isfinite(high - low):
        return f",.{next((k for k in range(7) if (high - low) * 10**k >= 5), 7)}f"
    return ",.0f" if abs(value) >= 100 else ".3g"


def cell(row: Any, form: str = ".2f") -> str:
    """A score and its interval: 0.34 [0.33, 0.35]; a dash stands for no bound. The form
    "" is the one that is `fitting`.
    """
    form = form or fitting(row.value, row.low, row.high)
    known = np.isfinite([row.low, row.high])
    said = number(row.value, form)
    return f"{said} [{number(row.low, form)}, {number(row.high, form)}]" if known.any() else said


def wide(
    scores: pd.DataFrame,
    rows: Mapping[str, str] | Sequence[str],
    columns: Mapping[str, tuple[str, ...]] | Sequence[str],
    words: Mapping[str, str] | None = None,
) -> list[dict[str, str]]:
    """Scores as rows of a text table, in the order in which they stand.

    Args:
        scores: tidy rows, as `analysis.scores.table.score` gives them; they need not
            have the column `against`.
        rows: columns of the scores that tell one row of the table from another, with
            the words above them.
        columns: by the words above them, (statistic, format) or (statistic, format,
            against). Names of either alone are their own words, in the form "".
        words: what a name in the first columns is called.
    """
    words = words or {}
    if not isinstance(rows, Mapping):
        rows = {name: name.replace("_", " ") for name in rows}
    if not isinstance(columns, Mapping):
        columns = {name.replace("_", " "): (name, "") for name in columns}
    found: dict[tuple, dict[str, str]] = {}
    statistics = {name: (*of, "")[:3] for name, of in columns.items()}
    wanted = {(statistic, against): (name, form) for name, (statistic, form, against) in statistics.items()}
    for row in rows_of(scores):
        of = (row.statistic, getattr(row, "against", ""))
        if of not in wanted:
            continue
        label: Any = tuple(getattr(row, name) for name in rows)
        name, form = wanted[of]
        begun = {title: words.get(value, _plain(value)) for title, value in zip(rows.values(), label, strict=True)}
        found.setdefault(label, begun | dict.fromkeys(columns, "-"))[name] = cell(row, form)
    return list(found.values())


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
