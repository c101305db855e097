"""Every marked number of the pages, beside the number that the frozen tables give.

    python -m analysis.audit

A mark stands behind its number and is not seen on the page: .99<!--=NAME-->. NAME is a
row of docs/data/audit.csv, which says from which frozen table of docs/data, and how,
the number comes. Of sources with runs and predictions the scores are computed anew.
Nothing is trained, and torch is not loaded. The exit status is 1 if a number differs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from operator import methodcaller
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from analysis.scores.table import score_settings
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.audit"
ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/findings.md")
MARK = re.compile(r"(?P<number>[+-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+))(?P<mark><!--=(?P<name>[\w.-]+)-->)")
TARGETS = ("rqi", "train", "test", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Print the marked numbers of the pages beside those of the frozen tables."""

    root: Path = ROOT
    """Folder of the repository: its pages and docs/data."""


@dataclass(frozen=True)
class Checked:
    """A marked number."""

    page: str
    line: int
    name: str
    source: str
    printed: str  # on the page
    computed: str  # from the frozen tables

    @property
    def agrees(self) -> bool:
        return self.printed == self.computed


def main(arguments: Arguments) -> None:
    checked = [one for page in PAGES for one in check(arguments.root, page)]
    for one in checked:
        verdict, where = "[ok]" if one.agrees else "[differs]", f"{one.page}:{one.line}"
        print(f"{where:22}{one.printed:>9}{one.computed:>9}  {verdict:10} {one.name} ({one.source})")
    wrong = sum(not one.agrees for one in checked)
    print(f"\n{len(checked)} numbers, {len(checked) - wrong} [ok], {wrong} [differs].\n")
    print(*tiers(arguments.root, checked), sep="\n")
    sys.exit(1 if wrong else 0)


def check(root: Path, page: str) -> Iterator[Checked]:
    """The marked numbers of a page, in order."""
    for k, line in enumerate((root / page).read_text(encoding="utf-8").splitlines(), 1):
        for found in MARK.finditer(line):
            row = definitions(root).get(found["name"])
            if row is None:
                raise ConfigError(f"{page}:{k} has the mark {found['name']}, which docs/data/audit.csv lacks.")
            yield Checked(page, k, found["name"], row["source"], found["number"], compute(root, row))


def fill(root: Path, page: str) -> str:
    """The page with its marked numbers computed anew."""
    text = (root / page).read_text(encoding="utf-8")
    computed = iter([one.computed for one in check(root, page)])
    return MARK.sub(lambda found: next(computed) + found["mark"], text)


def compute(root: Path, row: dict[str, str]) -> str:
    """What a row of audit.csv says, as text: of the rows of `source` that `select`
    selects their number (`count`), or of what `of` makes of their columns the only
    value, or a statistic of pandas. A form such as .2f has no zero before the point,
    one with a zero in front has; that of a share in percent ends in %.
    """
    try:
        table = tables(root, row["source"])
        chosen = table.query(row["select"]) if row["select"] else table
        values = chosen.eval(row["of"]) if row["of"] else chosen
        value = {"count": len, "only": methodcaller("item")}.get(row["how"], methodcaller(row["how"]))(values)
    except (ValueError, KeyError, AttributeError, NameError) as error:
        raise ConfigError(f"docs/data/audit.csv, {row['name']}: {type(error).__name__}: {error}") from error
    text = format(value, row["form"]).removesuffix("%")
    return text if row["form"].startswith("0") else re.sub(r"^([+-]?)0\.", r"\1.", text)


@cache
def definitions(root: Path) -> dict[str, dict[str, str]]:
    """The rows of audit.csv by name."""
    rows: Any = _read(root, "audit.csv", dtype=str).fillna("").to_dict("records")
    return {row["name"]: row for row in rows}


@cache
def tables(root: Path, source: str) -> pd.DataFrame:
    """A frozen table: NAME.csv, NAME/runs, or for NAME alone, where there are runs and
    predictions, their scores, computed now.
    """
    name, _, part = source.partition("/")
    if not (root / "docs/data" / name).is_dir():
        return _read(root, f"{name}.csv")
    if part:
        return _read(root, f"{source}.csv.gz")
    runs, predictions = (_read(root, f"{name}/{table}.csv.gz") for table in ("runs", "predictions"))
    n_samples = runs["p"] * (runs["p"] + 1) // 2
    runs["mask"] = [np.arange(n) < k for n, k in zip(n_samples, runs["n_train"], strict=True)]  # as many as there were
    known: Any = _read(root, "predictors.csv").to_dict("records")
    predictors: list[Any] = [SimpleNamespace(**one) for one in known if one["name"] in set(predictions["predictor"])]
    return pd.concat(score_settings(runs, predictions, predictors, TARGETS, ["repr_lr", "decoder_lr"], "n_train"))


def _read(root: Path, name: str, **options: Any) -> pd.DataFrame:
    try:
        return pd.read_csv(root / "docs/data" / name, **options)
    except FileNotFoundError:
        raise ConfigError(f"`root` must be the repository, but {root} has no docs/data/{name}.") from None


def tiers(root: Path, checked: list[Checked]) -> Iterator[str]:
    """How much of it can be done again, and what it costs."""
    rows = _read(root, "commands.csv", dtype=str).set_index("name")
    yield f"audit, seconds: {PROG}"
    yield "re-analyse, a minute or two: a command below, where its runs are in results/runs.sqlite"
    yield "retrain: the same with an empty store, on two cores (make pages runs them all):"
    for name in dict.fromkeys(one.source.partition("/")[0] for one in checked):
        row = rows.loc[name]
        yield f"  {name}, {row['kind']} frozen: {row['cost']}\n    {row['command']}"


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
