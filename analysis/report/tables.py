"""Tables of a page: tidy scores, turned so that a statistic is a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def scalars(table: pd.DataFrame) -> pd.DataFrame:
    """A table of runs as runs.csv has it: without the columns of arrays."""
    arrays = [name for name in table if any(isinstance(cell, np.ndarray | list) for cell in table[name].head(1))]
    return table.drop(columns=arrays)


def number(value: Any, form: str = ".2f") -> str:
    """A number; a dash for none, or one beyond all bounds."""
    return format(value, form) if value is not None and np.isfinite(value) else "-"


def cell(row: Any, form: str = ".2f") -> str:
    """A score and its interval: 0.34 [0.33, 0.35]; a dash stands for no bound."""
    known = np.isfinite([row.low, row.high])
    said = number(row.value, form)
    return f"{said} [{number(row.low, form)}, {number(row.high, form)}]" if known.any() else said


def wide(
    scores: pd.DataFrame,
    rows: Mapping[str, str],
    columns: Mapping[str, tuple[str, ...]],
    words: Mapping[str, str] | None = None,
) -> list[dict[str, str]]:
    """Scores as rows of a text table, in the order in which they stand.

    Args:
        scores: tidy rows, as `analysis.scores.table.score` gives them.
        rows: columns of the scores that tell one row of the table from another, with
            the words above them.
        columns: by the words above them, (statistic, format) or (statistic, format,
            against).
        words: what a name in the first columns is called.
    """
    words = words or {}
    found: dict[tuple, dict[str, str]] = {}
    statistics = {name: (*of, "")[:3] for name, of in columns.items()}
    wanted = {(statistic, against): (name, form) for name, (statistic, form, against) in statistics.items()}
    for row in scores.itertuples():
        row: Any
        if (row.statistic, row.against) not in wanted:
            continue
        label: Any = tuple(getattr(row, name) for name in rows)
        name, form = wanted[row.statistic, row.against]
        begun = {title: words.get(value, _plain(value)) for title, value in zip(rows.values(), label, strict=True)}
        found.setdefault(label, begun | dict.fromkeys(columns, "-"))[name] = cell(row, form)
    return list(found.values())


def reached(scores: pd.DataFrame, rows: Sequence[str]) -> dict[tuple, str]:
    """How many runs got there, of how many, by these columns."""
    return {
        tuple(getattr(row, name) for name in rows): f"{row.n - row.n_censored}/{row.n}"
        for row in scores.drop_duplicates([*rows]).itertuples()
    }


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
