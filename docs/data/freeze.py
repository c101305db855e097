"""Makes docs/data anew from what the commands of commands.csv left.

    python docs/data/freeze.py NAME FOLDER

Of a folder: its runs.csv, predictions.csv and scores.csv, without columns of arrays; a
run's key is its number, and of the league's readings that at memorisation is kept. Of
report.json: the runs of a phase diagram, and of another
.json, as neural.train leaves it, the run. Of a page, report.md: a row of scores for
every number of its tables, `section` and `row` say where, and the word above the column
is the statistic; and a row `said` for a decimal number of its sentences, by the words
before it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

DATA = Path(__file__).parent
TABLES = ("runs", "predictions", "scores")
MEMORISED = "memorised"
SCORE = ("target", "predictor", "against", "statistic", "value", "low", "high", "n", "n_censored")
# What does not tell runs of one table from one another, or is said in commands.csv.
UNUSED = ("samples", "device", "torch", "compiled", "dtype", "retired", "experiment", "replica")
_NUMBER = r"[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_SAID = re.compile(r"(?<![\w.\[])([+-]?\d*\.\d+)(?![\w%\]])(?: \[([^],]+), ([^]]+)\])?")
_CELL = re.compile(
    rf"(?P<value>{_NUMBER}) ?(?P<percent>%?)(?: of (?P<of>{_NUMBER}))?"
    rf"(?: \[(?P<low>{_NUMBER}|-) ?%?, (?P<high>{_NUMBER}|-) ?%?\])?(?: \((?P<n>{_NUMBER})\))?(?: \(.*\))?"
)


def freeze_runs(name: str, folder: Path) -> None:
    """The three tables of a comparison, packed."""
    runs, predictions, scores = (pd.read_csv(folder / f"{table}.csv") for table in TABLES)
    if "reading" in predictions:
        scores = scores[(scores["reading"] == MEMORISED) & (scores["setting"] != "together")]
        predictions = predictions[predictions["reading"] == MEMORISED].merge(runs[["setting", "seed", "key"]])
        predictions = predictions.drop(columns=["setting", "seed", "reading", "measure"])
    number = {key: k for k, key in enumerate(runs["key"])}
    for table in (runs, predictions):
        table["key"] = table["key"].map(number)
    predictions = predictions[predictions["target"].isin(scores["target"])].drop(columns="version", errors="ignore")
    predictions = predictions.dropna(axis="columns", how="all")
    scores = scores[scores["n_train"].isna()] if "n_train" in scores else scores
    runs = runs.drop(columns=[one for one in UNUSED if one in runs]).dropna(axis="columns", how="all")
    (DATA / name).mkdir(exist_ok=True)
    for table, rows in zip(TABLES, (runs, predictions, scores), strict=True):
        packed = {"method": "gzip", "mtime": 0, "compresslevel": 9}
        rows.to_csv(DATA / name / f"{table}.csv.gz", index=False, compression=packed)


def freeze_tables(name: str, page: Path) -> None:
    """All tables of a page of markdown."""
    rows = pd.DataFrame(scores_of(page.read_text()), columns=["section", "row", *SCORE])
    rows.dropna(axis="columns", how="all").to_csv(DATA / f"{name}.csv", index=False)


def freeze_record(name: str, record: Path) -> None:
    """The runs of a phase diagram, or what one run came to."""
    said = json.loads(record.read_text())
    alone = {key: value for key, value in said.items() if not isinstance(value, list | dict)}
    runs = said.get("runs", [alone])
    pd.DataFrame(runs).to_csv(DATA / f"{name}.csv", index=False)


def scores_of(page: str) -> Iterator[dict]:
    """The cells with a number, a row each."""
    section, block, prose = "", [], ""
    for line in [*page.splitlines(), ""]:
        if line.startswith(("|", "- ", "#")) or not line:
            yield from _of_prose(section, prose)
            prose = ""
        if line.startswith("|"):
            block.append([cell.strip(" *") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
            continue
        if len(block) > 2:
            yield from _of_table(section, block)
        block = []
        if line.startswith("#"):
            section = line.strip("# ")
        else:
            prose = f"{prose} {line}".strip()


def _of_table(section: str, block: list[list[str]]) -> Iterator[dict]:
    above, _, *lines = block
    # A word that stands above two columns says nothing without the column before.
    header = [f"{above[k - 1]}, {word}" if above.count(word) > 1 and k else word for k, word in enumerate(above)]
    # As many columns as it takes to tell the rows apart, and one at least, say which row.
    keys = next((k for k in range(1, len(header)) if len({tuple(line[:k]) for line in lines}) == len(lines)), 1)
    for line in lines:
        row = ", ".join(
            f"{word} {cell}".strip() if word else cell for word, cell in zip(header, line[:keys], strict=False)
        )
        for word, cell in zip(header[keys:], line[keys:], strict=True):
            if (found := _CELL.fullmatch(cell.replace("**", ""))) is None:
                continue
            said = {key: _plain(found[key]) for key in ("value", "low", "high", "of", "n")}
            unit = 100 if found["percent"] else 1
            numbers = {key: None if (x := said[key]) is None else x / unit for key in ("value", "low", "high")}
            numbers["n"] = said["n"] if said["of"] is None else said["of"]
            yield {"section": section, "row": row, "statistic": word} | numbers


def _of_prose(section: str, prose: str) -> Iterator[dict]:
    """What a paragraph says in decimal numbers, with their intervals."""
    for found in _SAID.finditer(prose):
        value, low, high = map(_plain, found.groups())
        row = " ".join(prose[max(0, found.start() - 80) : found.start()].split())
        yield {"section": section, "row": row, "statistic": "said", "value": value, "low": low, "high": high}


def _plain(text: str | None) -> float | None:
    return None if text in (None, "-") else round(float(text.replace(",", "")), 12)


def main(name: str, left: Path) -> None:
    freeze = freeze_runs if left.is_dir() else freeze_record if left.suffix == ".json" else freeze_tables
    freeze(name, left)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
