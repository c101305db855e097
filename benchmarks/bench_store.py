"""How long do looks into a store of 100,000 runs take, and how much memory?

    python -m benchmarks.bench_store [FOLDER]

Trains one network, and writes its row 100,000 times with other settings into
FOLDER/runs.sqlite, 1.8 GB, unless that is there (by default in a temporary folder).
Each command is a process of its own. Bars are for what it computes beyond Python's
start, which the first line has alone: machines are shared. Exit status 1 if one is
missed.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.runs.store import RunStore, key, values_of
from neural import RunConfig, train_runs

RUNS = 100_000
SEEDS, DECAYS = 10, 10
BASE = RunConfig(budget=2_000)
GRID = ["--x", "repr_lr=1e-4:1e-1:100:log", "--y", "decoder_lr=1e-5:1e-2:100:log", "--seeds", "10", "--budget", "2000"]


def settings() -> Iterator[RunConfig]:
    """A plane of 1,000 settings for each of ten decays, ten seeds a setting."""
    rates = [float(f"{rate:.3g}") for rate in np.geomspace(1e-5, 1e-1, 100)]
    for number in range(RUNS):
        seed, rest = number % SEEDS, number // SEEDS
        decay, rest = rest % DECAYS, rest // DECAYS
        yield replace(
            BASE, seed=seed, decoder_wd=float(decay), repr_lr=rates[rest % 10 * 10], decoder_lr=rates[rest // 10]
        )


def fill(path: Path) -> None:
    """A store of RUNS rows."""
    [history] = train_runs([BASE], device="cpu", compiled=False)
    with RunStore(path) as store:
        store.add(history, "cpu", "benchmark")
    with closing(sqlite3.connect(path)) as connection, connection:
        names = [row[1] for row in connection.execute("PRAGMA table_info(runs)")]
        row = dict(zip(names, connection.execute("SELECT * FROM runs").fetchone(), strict=True))
        curves = connection.execute("SELECT curves FROM curves").fetchone()[0]
        for config in settings():
            changed = row | values_of(config) | {"key": key(config)}
            slots = ", ".join(f":{name}" for name in names)
            connection.execute(f"INSERT OR IGNORE INTO runs VALUES ({slots})", changed)
            connection.execute("INSERT OR IGNORE INTO curves VALUES (?, ?)", (changed["key"], curves))


def measure(words: list[str]) -> tuple[float, float, float]:
    """Seconds, of them computing, and megabytes of a command."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(words)} failed")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(folder: Path) -> int:
    path, missed = folder / "runs.sqlite", 0
    if not path.exists():
        fill(path)
    store = ["--store", str(path)]
    look = ["-m", "analysis.runs"]
    commands: list[tuple[str, list[str], float | None]] = [
        ("start alone", ["-c", "import analysis.runs.__main__"], None),
        ("list", [*look, "list", *store], 2),
        ("list --where", [*look, "list", "--where", "decoder_lr < 1e-4 and seed = 3", *store], 2),
        ("inspect", [*look, "inspect", "50000", *store], 2),
        ("export", [*look, "export", str(folder / "runs.csv"), *store], None),
        ("export parquet", [*look, "export", str(folder / "runs.parquet"), *store], None),
        ("dry run", ["-m", "analysis.sweep", *GRID, "--dry-run", *store], 10),
        ("gallery", ["-m", "analysis.gallery", "--out", str(folder / "gallery"), *store], 60),
    ]
    start = 0.0
    for name, words, bar in commands:
        seconds, computing, megabytes = measure(words)
        start = start or computing
        missed += bar is not None and computing - start > bar
        print(
            f"{name:15} {seconds:6.1f} s, computing {computing:6.1f} s, {megabytes:6.0f} MB"
            + (f", bar {bar:g} s" if bar else ""),
            flush=True,
        )
    return int(missed > 0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as name:
        sys.exit(main(Path(name)))
