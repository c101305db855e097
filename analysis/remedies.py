"""What to do about runs that fail: the remedies that the theory with a decoder implies, tried on real networks.

    python -m analysis.remedies

trains the same training sets and initial embeddings under each remedy, and leaves report.json, report.md and
survival.png in results/remedies: how many succeed, when, and what the theory had said.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm import tqdm

import efftheory as et
from analysis._report import environment, prepare_folder, save_picture, table, write_json, write_page
from analysis.agreement.decoder_theory import Outlook, outlooks
from analysis.agreement.pictures import BLUE, GREEN, GREY, LOOK, ORANGE, VERMILION
from analysis.agreement.survival import survival_curve
from analysis.agreement.tables import measured
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import ensure
from neural import ConfigError, RunConfig
from neural.command import run_command

PROG = "python -m analysis.remedies"
ERRORS = (StoreError, WorkerError)
BASE = "none"
_BOOTSTRAPS = 10_000
_STYLES = ((GREY, "-"), (BLUE, "-"), (GREEN, "--"), (GREEN, "-"), (ORANGE, "-"), (VERMILION, "-"))


@dataclass(frozen=True)
class Arguments:
    """Train the same training sets under each remedy that the theory implies, and say which of them help."""

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = (30, 40, 45)
    """Training-set sizes |D|."""
    seeds: int = 16
    """How many seeds a size: 0..seeds-1."""
    budget: int = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: float = RunConfig.repr_lr
    """Learning rate of the embeddings."""
    decoder_lr: float = RunConfig.decoder_lr
    """Learning rate of the decoder, without a remedy."""
    decoder_draws: int = 8
    """Initial functions of the decoder behind each of the theory's probabilities."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/remedies")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    arms = plan(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    configs = [config for arm in arms.values() for config in arm]
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, execution)
        runs = {name: store.table(arm) for name, arm in arms.items()}
    print(f"{len(configs)} runs, {n_trained} of them trained now", file=sys.stderr)
    with tqdm(total=len(configs), desc="theory", unit="run", leave=False) as bar:
        theory = {name: outlooks(arm, arguments.decoder_draws, on_run=bar.update) for name, arm in arms.items()}
    rows = [score(name, runs, theory[name]) for name in arms]
    trained_on = sorted({pair for arm in runs.values() for pair in zip(arm["device"], arm["torch"], strict=True)})
    report = {
        "remedies": rows,
        "sizes": arguments.sizes,
        "seeds": arguments.seeds,
        "budget": arguments.budget,
        "environment": environment(trained_on, " ".join([PROG, *sys.argv[1:]])),
    }
    write_json(arguments.out / "report.json", report)
    save_picture(arguments.out / "survival.png", picture(runs, arguments.budget))
    write_page(arguments.out / "report.md", page(report))
    print(table(page_rows(rows), "simple"), f"\n{arguments.out / 'report.md'}", sep="\n")


def plan(arguments: Arguments) -> dict[str, list[RunConfig]]:
    """The runs of each remedy, the same (n_train, seed) in the same order in each.

    A warm-up is chosen by the theory's clock: embeddings need some 0.5/eta_r steps to sort themselves.
    """
    if not arguments.sizes or arguments.seeds < 1 or arguments.decoder_draws < 1:
        raise ConfigError("`sizes`, `seeds` and `decoder_draws` must leave something to do, but one of them does not.")
    base = RunConfig(
        p=arguments.p,
        n_train=arguments.sizes[0],
        budget=arguments.budget,
        repr_lr=arguments.repr_lr,
        decoder_lr=arguments.decoder_lr,
        n_outputs=max(RunConfig.n_outputs, 2 * arguments.p - 1),  # orthogonal targets need one a result
    )
    clock = 1 / arguments.repr_lr
    orthogonal = replace(base, targets="orthogonal")
    arms = {
        BASE: base,
        "decoder 10 times slower": replace(base, decoder_lr=base.decoder_lr / 10),
        "warm-up over 1/eta_r steps": replace(base, decoder_warmup=round(clock)),
        "warm-up over 3/eta_r steps": replace(base, decoder_warmup=round(3 * clock)),
        "orthogonal targets": orthogonal,
        "orthogonal targets and warm-up over 3/eta_r": replace(orthogonal, decoder_warmup=round(3 * clock)),
    }
    points = [(n, seed) for n in arguments.sizes for seed in range(arguments.seeds)]
    return {name: [replace(arm, n_train=n, seed=seed) for n, seed in points] for name, arm in arms.items()}


def score(name: str, runs: dict[str, pd.DataFrame], theory: list[Outlook]) -> dict[str, Any]:
    """How many runs succeed (RQI > 0.95) and generalise (test accuracy 0.9) within the budget, and how many more than
    without a remedy; bootstrap over the pairs of runs that share training set and initial embeddings.
    """
    rng = np.random.default_rng(0)
    row: dict[str, Any] = {"remedy": name, "n": len(theory)}
    for target in ("rqi", "test"):
        here, base = (runs[arm][f"steps_to_{target}"].notna().to_numpy(float) for arm in (name, BASE))
        share = et.proportion(int(here.sum()), len(here))
        draws = rng.integers(len(here), size=(_BOOTSTRAPS, len(here)))
        low, high = np.quantile((here - base)[draws].mean(axis=1), [0.025, 0.975])
        steps, seen = measured(runs[name], target)
        row[target] = {
            "share": share.value,
            "interval": share.interval,
            "gain": float((here - base).mean()),
            "gain_interval": (float(low), float(high)),
            "predicted": float(np.mean([np.isfinite(getattr(one, f"steps_to_{target}")).mean() for one in theory])),
            "median_steps": survival_curve(steps, seen).quantile(0.5),
        }
    return row


def page_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table of the page."""
    shown = []
    for row in rows:
        rqi, test = row["rqi"], row["test"]
        shown.append(
            {
                "remedy": row["remedy"],
                "RQI > 0.95": f"{rqi['share']:.2f} [{rqi['interval'][0]:.2f}, {rqi['interval'][1]:.2f}]",
                "predicted": f"{rqi['predicted']:.2f}",
                "gain": _gain(row, rqi),
                "test accuracy 0.9": f"{test['share']:.2f} [{test['interval'][0]:.2f}, {test['interval'][1]:.2f}]",
                "predicted ": f"{test['predicted']:.2f}",
                "gain ": _gain(row, test),
            }
        )
    return shown


def _gain(row: dict[str, Any], target: dict[str, Any]) -> str | None:
    if row["remedy"] == BASE:
        return None
    return f"{target['gain']:+.2f} [{target['gain_interval'][0]:+.2f}, {target['gain_interval'][1]:+.2f}]"


def page(report: dict[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    rows = report["remedies"]
    better = [row["remedy"] for row in rows if row["rqi"]["gain_interval"][0] > 0]
    worse = [row["remedy"] for row in rows if row["rqi"]["gain_interval"][1] < 0]
    verdict = f"More runs find the linear representation with: {', '.join(better) or 'none of these'}."
    if worse:
        verdict += f" Fewer with: {', '.join(worse)}."
    return [
        "# Remedies",
        f"`{report['environment']['command']}`",
        f"{rows[0]['n']} training sets and initial embeddings, each under every remedy (|D| = "
        f"{', '.join(map(str, report['sizes']))}, {report['seeds']} seeds, {report['budget']:,} steps). Shares within "
        "the budget with exact 95 % intervals; gains over no remedy with bootstrap intervals over the pairs; "
        "predicted: by the theory with a decoder, without training a network.",
        table(page_rows(rows)),
        verdict,
        "![survival](survival.png)",
        "Share of runs that are not there yet (Kaplan-Meier; a run that retires has all behind it).",
    ]


def picture(runs: dict[str, pd.DataFrame], budget: int) -> Figure:
    """Survival curves of the steps to RQI > 0.95 and to test accuracy 0.9, a curve a remedy."""
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(9.5, 4.6))
        panels: Any = figure.subplots(1, 2, sharey=True)
        for axes, target, goal in zip(panels, ("rqi", "test"), ("RQI > 0.95", "test accuracy 0.9"), strict=True):
            _curves(axes, runs, target, budget)
            axes.set(xscale="log", xlabel="steps", title=f"not yet at {goal}", xlim=(budget / 50, budget))
        panels[0].set(ylabel="share of runs", ylim=(0, 1.02))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return figure


def _curves(axes: Axes, runs: dict[str, pd.DataFrame], target: str, budget: int) -> None:
    for (name, arm), (colour, style) in zip(runs.items(), _STYLES, strict=True):
        curve = survival_curve(*measured(arm, target))
        x, y = np.append(curve.times, budget), np.append(curve.survival, curve.survival[-1])
        axes.step(x.clip(min=1), y, where="post", color=colour, ls=style, label=name.replace("eta_r", r"$\eta_r$"))


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
