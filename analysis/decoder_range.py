"""How far does the theory with a decoder hold? Other shapes, losses, optimisers, sizes and groups than the paper's.

    python -m analysis.decoder_range
    python -m analysis.decoder_range --only "width 400" "d = 2"

trains networks of each set-up and holds the theory against them, as it is: nothing in it is adapted. Leaves report.json
and report.md in results/decoder_range.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro
from tqdm import tqdm

from analysis._report import environment, prepare_folder, table, write_json, write_page
from analysis.agreement.calibration import calibrate
from analysis.agreement.concordance import compare_pairs
from analysis.agreement.decoder_theory import Outlook, outlooks
from analysis.agreement.tables import number
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from neural import ConfigError, RunConfig
from neural.command import run_command

PROG = "python -m analysis.decoder_range"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Setup:
    """Runs of one kind: what they share, training-set sizes, seeds a size."""

    base: RunConfig
    sizes: tuple[int, ...] = (25, 30, 35, 40, 45, 50)
    seeds: int = 5

    def configs(self) -> list[RunConfig]:
        return [replace(self.base, n_train=n, seed=seed) for n in self.sizes for seed in range(self.seeds)]


_S3 = RunConfig(operation="s3", p=6, n_train=16, d=3, init_scale=0.1, repr_l1=1e-3)  # as the official S3 code
SETUPS = {
    "the paper's": Setup(RunConfig()),
    "width 50": Setup(RunConfig(width=50)),
    "width 100": Setup(RunConfig(width=100)),
    "width 400": Setup(RunConfig(width=400)),
    "depth 1": Setup(RunConfig(depth=1)),
    "depth 3": Setup(RunConfig(depth=3)),
    "10 outputs": Setup(RunConfig(n_outputs=10)),
    "100 outputs": Setup(RunConfig(n_outputs=100)),
    "ReLU": Setup(RunConfig(activation="relu")),
    "classification": Setup(RunConfig(loss="ce")),
    "SGD embeddings": Setup(RunConfig(repr_optimizer="sgd", repr_lr=0.3)),
    "SGD decoder": Setup(RunConfig(decoder_optimizer="sgd", decoder_lr=0.1)),
    "decoder decay 1": Setup(RunConfig(decoder_wd=1.0)),
    "decoder decay 5": Setup(RunConfig(decoder_wd=5.0)),
    "mini-batches of 10": Setup(RunConfig(batch_size=10)),
    "d = 2": Setup(RunConfig(d=2)),
    "S3": Setup(_S3, (16, 20, 24, 28, 32), 6),
    "p = 7": Setup(RunConfig(p=7, n_train=13), (13, 15, 18, 20, 23, 25)),
    "p = 15": Setup(RunConfig(p=15), (55, 65, 76, 87, 98, 109)),
    "p = 20": Setup(RunConfig(p=20), (115, 134, 153, 172, 191), 2),
    "p = 30": Setup(RunConfig(p=30), (254, 296, 338, 380, 423), 1),
}


@dataclass(frozen=True)
class Arguments:
    """Hold the theory with a decoder against networks of other kinds than the paper's."""

    only: tuple[str, ...] = ()
    """Set-ups by name; by default all of them (a wrong name lists them)."""
    seeds: int | None = None
    """How many seeds a size; by default 5, fewer where a run is dear."""
    decoder_draws: int = 8
    """Initial functions of the decoder behind each of the theory's probabilities (large p: fewer, at least 2)."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/decoder_range")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    setups = chosen(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    rows, devices = [], set()
    with RunStore(arguments.store) as store, tqdm(setups.items(), desc="set-ups", leave=False) as bar:
        for name, setup in bar:
            bar.set_postfix_str(name)
            configs = setup.configs()
            ensure(configs, store, execution)
            runs = store.table(configs)
            devices |= set(zip(runs["device"], runs["torch"], strict=True))
            # a flow costs as the cube of the training set
            draws = max(2, min(arguments.decoder_draws, round(arguments.decoder_draws * 120 / max(setup.sizes))))
            rows.append(score(name, runs, outlooks(configs, draws), draws))
    report = {
        "setups": rows,
        "shared": {name: asdict(setup.base) | {"sizes": setup.sizes} for name, setup in setups.items()},
        "environment": environment(sorted(devices), " ".join([PROG, *sys.argv[1:]])),
    }
    write_json(arguments.out / "report.json", report)
    write_page(arguments.out / "report.md", page(report))
    print(table(page_rows(rows), "simple"), f"\n{arguments.out / 'report.md'}", sep="\n")


def chosen(arguments: Arguments) -> dict[str, Setup]:
    """The set-ups that the arguments ask for; ConfigError if one has no such name."""
    unknown = set(arguments.only) - set(SETUPS)
    if unknown:
        raise ConfigError(f"`only` must be among {', '.join(SETUPS)}, but is {', '.join(sorted(unknown))}.")
    for name in ("seeds", "decoder_draws"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ConfigError(f"`{name}` must be an integer of at least 1, but is {value}.")
    names = arguments.only or tuple(SETUPS)
    return {name: replace(SETUPS[name], seeds=arguments.seeds or SETUPS[name].seeds) for name in names}


def score(name: str, runs: pd.DataFrame, theory: list[Outlook], draws: int) -> dict[str, Any]:
    """Success (RQI > 0.95 within the budget) and times of one set-up.

    `ratios`: measured over predicted steps, the predicted ones the median over the draws: quartiles and how many runs
    got there in both.
    """
    success = runs["steps_to_rqi"].notna().to_numpy()
    chance = np.array([one.success for one in theory])
    order = compare_pairs(~success, success, -chance)
    ratios = {}
    for target in ("rqi", "train", "test"):
        measured = runs[f"steps_to_{target}"].fillna(np.inf).to_numpy(float)
        predicted = np.array([one.median(target) for one in theory])
        both = np.isfinite(measured) & np.isfinite(predicted) & (predicted > 0)
        quartiles = np.quantile(measured[both] / predicted[both], [0.25, 0.5, 0.75]) if both.any() else None
        ratios[target] = {
            "quartiles": None if quartiles is None else quartiles.tolist(),
            "n_both": int(both.sum()),
            "n_measured": int(np.isfinite(measured).sum()),
            "n_predicted": int(np.isfinite(predicted).sum()),
        }
    auc = number(order.index(np.ones((1, len(success))))[0])
    return {"setup": name, "draws": draws, "auc": auc, **asdict(calibrate(chance, success)), "ratios": ratios}


def page_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table of the page."""

    def ratio(entry: dict[str, Any]) -> str:
        if entry["quartiles"] is None:
            return f"- ({entry['n_measured']}, {entry['n_predicted']})"
        low, middle, high = entry["quartiles"]
        return f"{middle:.2f} [{low:.2f}, {high:.2f}] ({entry['n_both']})"

    return [
        {
            "set-up": row["setup"],
            "n": row["n"],
            "succeed": f"{row['mean_measured']:.2f}",
            "predicted": f"{row['mean_predicted']:.2f}",
            "AUC": "-" if row["auc"] is None else f"{row['auc']:.2f}",
            "Brier": f"{row['brier']:.3f}",
            "constant's": f"{row['brier_base_rate']:.3f}",
            "steps to RQI > 0.95": ratio(row["ratios"]["rqi"]),
            "to train 0.9": ratio(row["ratios"]["train"]),
            "to test 0.9": ratio(row["ratios"]["test"]),
        }
        for row in rows
    ]


def page(report: dict[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# How far the theory with a decoder holds",
        f"`{report['environment']['command']}`",
        "Success is RQI > 0.95 within the budget; the theory's probability is the share of draws of the decoder's "
        "initial function. Brier: mean squared error of that probability, beside that of always saying the measured "
        "share. Steps: measured over predicted, median [quartiles] (runs that get there in both); in brackets alone: "
        "how many get there in measurement, in theory.",
        table(page_rows(report["setups"])),
        "The theory does not know mini-batches and the L1 penalty of S3, takes the cross-entropy as quadratic around "
        "its start, and lets no growth of the weights sharpen a ReLU decoder. Learning rates 1e-3 and 1e-4, 10,000 "
        "steps, unless the set-up says otherwise (report.json has each in full).",
    ]


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
