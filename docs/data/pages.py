"""Makes the reports and pictures that are not kept in git, by commands.csv.

    python docs/data/pages.py [--dry-run]

What is missing and what it costs is said first. Each report is left in
results/pages/NAME; all share the run store, and a second time nothing is trained.
"""

from __future__ import annotations

import csv
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands() -> list[dict[str, str]]:
    """Those that leave a report."""
    with (ROOT / "docs/data/commands.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if "--json" not in row["command"]]


def words(row: dict[str, str]) -> list[str]:
    """The command line of a report."""
    _, *others = shlex.split(row["command"])
    return [sys.executable, *others, "--out", f"results/pages/{row['name']}"]


def main(dry_run: bool) -> None:
    for row in commands():
        print(f"\n{row['name']} ({row['cost']}): {row['command']}", flush=True)
        if row["dry_run"] == "yes":
            subprocess.run([*words(row), "--dry-run"], cwd=ROOT, check=True)
    for row in [] if dry_run else commands():
        print(f"\n{row['name']}", flush=True)
        subprocess.run(words(row), cwd=ROOT, check=True)


if __name__ == "__main__":
    main("--dry-run" in sys.argv[1:])
