"""Every number of the pages, beside the number that the frozen tables give.

    python -m analysis.audit

A mark stands behind its number and is not seen on the page: .99<!--=NAME-->. NAME is a
row of docs/data/audit.csv, which says from which frozen table of docs/data, and how,
the number comes. Of sources with runs and predictions the scores are computed anew.
A number without a mark must be a setting, one of the phrases of SETTINGS, or stand in
code or a formula. Nothing is trained, and torch is not loaded. The exit status is 1 if
a number differs, or is neither.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from operator import methodcaller
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from analysis.scores.table import score, score_settings
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.audit"
ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/findings.md")
NUMBER = r"[+-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)"
MARK = re.compile(rf"(?P<number>{NUMBER})(?P<mark><!--=(?P<name>[\w.-]+)-->)")
# Thresholds, sizes and versions; whole phrases, so that no result is taken for one.
SETTINGS = ("RQI > 0.95", "RQI = 1", "accuracy 0.9", "p = 10", "p = 16", "p = 31", "30 samples", "48 fresh pairs")
SETTINGS += ("Python 3.11", "NeurIPS 2022", "figures 1 to 22")
_CODE = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\]\([^)]*\)"  # and formulas, and where links lead
_NO_RESULT = re.compile(rf"{_CODE}|(?:{'|'.join(map(re.escape, SETTINGS))})(?![\w.]*\w)", re.DOTALL)
# What is scored as its own command does it: what its predictors give, and the options.
SCORED: dict[str, tuple[str, dict[str, Any]]] = {
    "league": ("order", {"by": ["setting"]}),
    "norm_transformer": ("steps", {"clusters": ["seed"], "fewest": 5, "against": ["crossing_in_time"]}),
}
# What is frozen, and what of it is computed by the audit.
ORIGINS = {
    "runs": "counted, or scored with their predictions, by this audit",
    "a report": "looked up in the tables and sentences that a command wrote",
    "an earlier report": "the same, by a form of the theory that merged steps",
    "a page": "looked up in the tables of the page itself",
    "a benchmark": "processor times, on a machine of as many cores as the table says",
}
TARGETS = ("rqi", "train", "test", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Print the numbers of the pages beside those of the frozen tables."""

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

    @property
    def table(self) -> str:
        """The frozen table, or the folder of tables."""
        return self.source.partition("/")[0]


def main(arguments: Arguments) -> None:
    checked = [one for page in PAGES for one in check(arguments.root, page)]
    loose = [f"{page}:{line} {number}" for page in PAGES for line, number in unmarked(arguments.root, page)]
    known = sources(arguments.root)
    for one in checked:
        verdict, where = "[ok]" if one.agrees else "[differs]", f"{one.page}:{one.line}"
        print(f"{where:22}{one.printed:>9}{one.computed:>9}  {verdict:10} {one.name} ({known[one.table]['from']})")
    wrong = sum(not one.agrees for one in checked)
    print(*(f"{one}  [no mark]" for one in loose), sep="\n")
    print(f"{len(checked)} numbers, {len(checked) - wrong} [ok], {wrong} [differs]; {len(loose)} [no mark].\n")
    print(*tiers(known, checked), sep="\n")
    sys.exit(1 if wrong or loose else 0)


def check(root: Path, page: str) -> Iterator[Checked]:
    """The marked numbers of a page, in order."""
    for k, line in enumerate((root / page).read_text(encoding="utf-8").splitlines(), 1):
        for found in MARK.finditer(line):
            row = definitions(root).get(found["name"])
            if row is None:
                raise ConfigError(f"{page}:{k} has the mark {found['name']}, which docs/data/audit.csv lacks.")
            yield Checked(page, k, found["name"], row["source"], found["number"], compute(root, row))


def unmarked(root: Path, page: str) -> Iterator[tuple[int, str]]:
    """The numbers of a page that are neither marked nor a setting, with their lines."""
    text = MARK.sub("", (root / page).read_text(encoding="utf-8"))
    text = _NO_RESULT.sub(lambda found: "x" + "\n" * found[0].count("\n"), text)
    for k, line in enumerate(text.splitlines(), 1):
        yield from ((k, number) for number in re.findall(rf"(?<![\w.]){NUMBER}(?!\w)", line))


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
    said = predictions["predictor"].unique()
    if name in SCORED:
        gives, how = SCORED[name]
        others: list[Any] = [SimpleNamespace(name=one, gives=gives) for one in said if one != "training_fraction"]
        predictions = predictions.reindex(columns=[*predictions, "probability"])
        return score(runs, predictions, others, list(predictions["target"].unique()), within=None, **how)
    n_samples = runs["p"] * (runs["p"] + 1) // 2
    runs["mask"] = [np.arange(n) < k for n, k in zip(n_samples, runs["n_train"], strict=True)]  # as many as there were
    known: Any = _read(root, "predictors.csv").to_dict("records")
    predictors: list[Any] = [SimpleNamespace(**one) for one in known if one["name"] in said]
    return pd.concat(score_settings(runs, predictions, predictors, TARGETS, ["repr_lr", "decoder_lr"], "n_train"))


def _read(root: Path, name: str, **options: Any) -> pd.DataFrame:
    try:
        return pd.read_csv(root / "docs/data" / name, **options)
    except FileNotFoundError:
        raise ConfigError(f"`root` must be the repository, but {root} has no docs/data/{name}.") from None


@cache
def sources(root: Path) -> dict[str, dict[str, str]]:
    """The rows of commands.csv by name."""
    rows: Any = _read(root, "commands.csv", dtype=str).to_dict("records")
    return {row["name"]: row for row in rows}


def tiers(known: dict[str, dict[str, str]], checked: list[Checked]) -> Iterator[str]:
    """Where the numbers come from, how much can be done again, and what it costs."""
    for origin, n in Counter(known[one.table]["from"] for one in checked).items():
        yield f"{n} numbers from {origin}: {ORIGINS[origin]}"
    yield f"\naudit, seconds: {PROG}"
    yield "re-analyse, a minute or two: a command below, where its runs are in results/runs.sqlite"
    yield "retrain: the same with an empty store, on two cores (make pages runs them all):"
    for name in dict.fromkeys(one.table for one in checked):
        row = known[name]
        yield f"  {name}, {row['from']}: {row['cost']}\n    {row['command']}"


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
