"""The causal test of the theory: networks that differ in nothing but a training set that was designed for its speed.

    python -m analysis.design_experiment

trains, for each seed, one network's initial weights and targets on four training sets of one size: fast (the largest
lambda_3 that a search finds), wide (the largest ideal accuracy, then the largest lambda_3), random (the seed's own) and
slow (the smallest lambda_3 that still leaves the linear representation alone); and leaves report.json, report.md and
pictures in results/design_experiment: what the theories had said of these sets, which network was first, and how well
each does in the end.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter
from tqdm import tqdm

import efftheory as et
from analysis._report import environment, prepare_folder, save_picture, table, write_json, write_page
from analysis.agreement.designs import GROUP, compare_designs, judged, predictions_of, score_designs, span, verdict
from analysis.agreement.pictures import BLUE, GREEN, GREY, LOOK, VERMILION
from analysis.agreement.predictions import TARGETS
from analysis.agreement.survival import survival_curve
from analysis.agreement.tables import Entry, measured
from analysis.agreement.verdict import TARGETS_IN_WORDS
from analysis.runs.executors import Execution, WorkerError
from analysis.runs.store import CONFIG_COLUMNS, RunStore, StoreError
from analysis.runs.sweep import ensure
from neural import ConfigError, RunConfig, write_samples
from neural.command import run_command

PROG = "python -m analysis.design_experiment"
ERRORS = (StoreError, WorkerError, et.ArgumentError)
# In the order that the theory wants; what each is searched for, and its line.
OBJECTIVES = {"fast": "lambda3", "wide": "generalizable", "random": None, "slow": "slow"}
_LINES = {
    "fast": (BLUE, "-", "o"),
    "wide": (GREEN, ":", "^"),
    "random": (GREY, "--", "s"),
    "slow": (VERMILION, "-.", "D"),
}


@dataclass(frozen=True)
class Arguments:
    """Train the same networks on training sets designed to be fast, wide and slow, and on random ones of their size.

    The defaults: a size at which designs differ much (30) and one at which most runs succeed (40). A decoder still
    slower than the default would let no more runs succeed, and would not finish learning within the budget.
    """

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = (30, 40)
    """Training-set sizes |D|."""
    seeds: int = 20
    """How many seeds a size: 0..seeds-1, each with one network and a training set of every design."""
    budget: int = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: tuple[float, ...] = (RunConfig.repr_lr,)
    """Learning rates of the embeddings, one or several."""
    decoder_lr: tuple[float, ...] = (3e-5,)
    """Learning rates of the decoder, one or several."""
    decoder_draws: int = 8
    """Initial functions of the decoder behind each prediction of the theory with a decoder."""
    execution: tyro.conf.OmitArgPrefixes[Execution] = field(default_factory=Execution)
    out: Path = Path("results/design_experiment")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    check(arguments)
    execution = arguments.execution.resolved()
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        arms = plan(arguments)
        configs = list(dict.fromkeys(config for arm in arms.values() for config in arm))
        n_trained = ensure(configs, store, execution)
        everyone = store.table(configs)
        runs = pd.concat([store.table(arm).assign(design=name) for name, arm in arms.items()], ignore_index=True)
    runs = runs.sort_values(GROUP, kind="stable", ignore_index=True)  # designs of one size beside each other
    print(f"{len(configs)} runs, {n_trained} of them trained now", file=sys.stderr)
    with tqdm(total=len(configs), desc="theory", unit="run", leave=False) as bar:
        runs = runs.merge(predictions_of(configs, everyone, arguments.decoder_draws, bar.update), on="key")
    trained_on = sorted(set(zip(runs["device"], runs["torch"], strict=True)))
    pairs = compare_designs(runs, list(OBJECTIVES))
    report = {
        "verdict": verdict(pairs),
        "designs": score_designs(runs),
        "pairs": pairs,
        "runs": run_entries(runs),
        "seeds": arguments.seeds,
        "budget": arguments.budget,
        "environment": environment(trained_on, " ".join([PROG, *sys.argv[1:]])),
    }
    write_json(arguments.out / "report.json", report)
    with mpl.rc_context(LOOK):
        save_picture(arguments.out / "survival.png", survival(runs))
        save_picture(arguments.out / "lambda3.png", lambda3(runs))
    write_page(arguments.out / "report.md", page(report))
    print(table(pair_rows(report), "simple"), *report["verdict"], arguments.out / "report.md", sep="\n")


def check(arguments: Arguments) -> None:
    """ConfigError for what the plan's runs would not complain of, or not as clearly."""
    for name in ("seeds", "decoder_draws"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"`{name}` must be an integer of at least 1, but is {getattr(arguments, name)}.")
    for name in ("sizes", "repr_lr", "decoder_lr"):
        if not getattr(arguments, name):
            raise ConfigError(f"`{name}` must be at least one number, but is empty.")
    if arguments.p < 3:
        raise ConfigError(
            f"`p` must be an integer of at least 3 (fewer symbols make no parallelogram), but is {arguments.p}."
        )
    n_samples = et.addition(arguments.p).n_samples
    for size in arguments.sizes:
        if not 0 < size < n_samples:
            raise ConfigError(f"`sizes` must be in 1..{n_samples - 1}, not all {n_samples} samples, but one is {size}.")
    drawn(arguments, seeds=1)


def drawn(arguments: Arguments, seeds: int) -> list[RunConfig]:
    """The runs on the training sets that their seeds draw."""
    sizes, rates = sorted(set(arguments.sizes)), (dict.fromkeys(arguments.repr_lr), dict.fromkeys(arguments.decoder_lr))
    return [
        RunConfig(p=arguments.p, n_train=n, budget=arguments.budget, repr_lr=repr_lr, decoder_lr=decoder_lr, seed=seed)
        for n, repr_lr, decoder_lr, seed in product(sizes, *rates, range(seeds))
    ]


def plan(arguments: Arguments) -> dict[str, list[RunConfig]]:
    """The runs of each design, in one order: those at one place share all that their seed fixes but the training set.

    A run's seed is its designs' too, so that there are several sets of each design wherever the search finds several.
    """
    runs = drawn(arguments, arguments.seeds)
    op = et.addition(arguments.p)
    points = list(dict.fromkeys((run.n_train, run.seed) for run in runs))
    arms, n_searched = {}, sum(objective is not None for objective in OBJECTIVES.values())
    with tqdm(total=n_searched * len(points), desc="designs", unit="set", leave=False) as bar:
        for name, objective in OBJECTIVES.items():
            samples = dict.fromkeys(points, "")
            if objective is not None:
                for n_train, seed in points:
                    mask = et.design_training_set(op, n_train, objective=objective, seed=seed)
                    samples[n_train, seed] = write_samples(mask)
                    bar.update()
            arms[name] = [replace(run, samples=samples[run.n_train, run.seed]) for run in runs]
    return arms


def run_entries(runs: pd.DataFrame) -> list[Entry]:
    """Each run in plain numbers; null = not within the budget, or predicted never."""
    names = ["design", *CONFIG_COLUMNS, *(f"steps_to_{target}" for target in TARGETS), "steps_run", "rqi"]
    names += ["accuracy", "train_accuracy", "test_accuracy", "nullity", "lambda3", "ideal_accuracy", "z0"]
    names += ["inverse_lambda3", "exact_flow", "decoder_flow", "decoder_flow_success"]
    records: Any = runs[names].astype(object).where(runs[names].notna(), None).to_dict("records")
    return records


def page(report: dict[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# Training sets by design",
        f"`{report['environment']['command']}`",
        f"{report['seeds']} seeds, {report['budget']:,} steps. The networks of one seed and size share their targets "
        "and all initial weights, and differ in their training sets alone: fast (searched for the largest lambda_3), "
        "wide (for the largest ideal accuracy, of equals the largest lambda_3), random, slow (searched for the "
        "smallest that leaves only the linear representation). A run that did not get there within the budget is "
        "censored. Intervals are 95 %, over seeds: where all seeds have one set, they say nothing of another one of "
        "the design.",
        "## Verdict",
        "\n".join(f"- {sentence}" for sentence in report["verdict"]),
        "What is tested is the choice of the set, by lambda_3: sets that differ in it also differ in what else they "
        "teach, as the ideal accuracy shows.",
        "## The sets, and what the theories say of them",
        "Sets: how many different ones. lambda_3: quartiles. Ideal accuracy: the mean. Steps to RQI > 0.95: medians; a "
        "dash means that most runs are predicted never to get there, by the theory with a decoder within the budget. "
        "Z0/(lambda_3 eta) is an e-folding time: RQI needs several.",
        table([_set_row(entry) for entry in report["designs"]]),
        "## What the networks did",
        "Shares within the budget with exact intervals, the share that the theory with a decoder had predicted, and "
        "Kaplan-Meier medians of the steps over all runs with intervals (a dash: beyond the budget).",
        table([_run_row(entry) for entry in report["designs"]]),
        "Accuracies at the end, means with bootstrap intervals.",
        table([_accuracy_row(entry) for entry in report["designs"]]),
        "## Seed by seed",
        "First: seeds in which the first of the pair was earlier at RQI > 0.95, the second, and neither. Wanted: seeds "
        "in which the first set does have the larger lambda_3. Share: of the first among the seeds that were decided, "
        "with its exact interval (above 0.5: as the theory says). Ratio: median steps of the second over those of the "
        "first. Gains of the first over the second, bootstrap intervals over the seeds. All intervals of a column of "
        "this table hold at once at 95 %.",
        table(pair_rows(report)),
        "![survival](survival.png)",
        "Share of runs that are not there yet (Kaplan-Meier, with 95 % bands).",
        "![lambda_3](lambda3.png)",
        "Steps to RQI > 0.95 against lambda_3 of the training set; open: not within the budget; on the left edge: "
        "no unique linear representation.",
    ]


def _setting(entry: Entry) -> dict[str, str]:
    return {
        "size": str(entry["n_train"]), "eta_r": f"{entry['repr_lr']:g}", "eta_d": f"{entry['decoder_lr']:g}"
    }  # fmt: skip


def _set_row(entry: Entry) -> dict[str, Any]:
    steps = {name: None if value is None else f"{value:.0f}" for name, value in entry["predicted_steps"].items()}
    low, high = entry["nullity"]
    return {
        **_setting(entry),
        "design": entry["design"],
        "sets": entry["n_sets"],
        "lambda_3": " / ".join(f"{value:.3g}" for value in entry["lambda3"]),
        "n_0": str(low) if low == high else f"{low} to {high}",
        "ideal accuracy": f"{entry['ideal_accuracy']:.2f}",
        "Z0/(lambda_3 eta)": steps["inverse_lambda3"],
        "exact gradient flow": steps["exact_flow"],
        "with a decoder": steps["decoder_flow"],
    }


def _run_row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {**_setting(entry), "design": entry["design"]}
    for target in TARGETS:
        reached, name = entry.get(target), TARGETS_IN_WORDS[target]
        row[name] = reached and f"{reached['share']:.2f} {span(reached['interval'])}"
        if target == "rqi":
            row["predicted"] = f"{entry['predicted_success']:.2f}"
        row[f"steps to {name}"] = reached and _with_span(reached["median_steps"], reached["median_interval"], ".0f")
    return row


def _with_span(value: float | None, interval: Any, form: str) -> str:
    return f"{'-' if value is None else format(value, form)} {span(interval, form)}"


def _accuracy_row(entry: Entry) -> dict[str, Any]:
    names = {"train": "train_accuracy", "test": "test_accuracy", "all samples": "accuracy"}
    accuracies = {
        title: _with_span(entry[name]["mean"], entry[name]["interval"], ".3f") for title, name in names.items()
    }
    return {**_setting(entry), "design": entry["design"], **accuracies, "ideal": f"{entry['ideal_accuracy']:.3f}"}


def pair_rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The table of the pairs."""
    rows = []
    for pair in report["pairs"]:
        gains = {name: _with_span(gain["mean"], gain["interval"], "+.2f") for name, gain in pair["gain"].items()}
        ratio, decided = pair["ratio"], pair["earlier"] + pair["later"]
        rows.append(
            {
                **_setting(pair),
                "pair": f"{pair['first']}, {pair['second']}",
                "first / second / neither": f"{pair['earlier']} / {pair['later']} / {pair['equal']}",
                "wanted": f"{pair['ordered']} of {pair['n']}",
                "share": f"{pair['earlier'] / decided:.2f} {span(pair['interval'])}" if decided else None,
                "order": judged(pair),
                "ratio": _with_span(ratio["value"], ratio["interval"], ".2f"),
                "successes": gains["success"],
                "test accuracy": gains["test_accuracy"],
                "accuracy": gains["accuracy"],
            }
        )
    return rows


def _settings(runs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The runs of each size and pair of learning rates, with a title."""
    return [
        (f"|D| = {n}, $\\eta_r$ = {repr_lr:g}, $\\eta_d$ = {decoder_lr:g}", group)
        for (n, repr_lr, decoder_lr), group in runs.groupby(GROUP, sort=False)
    ]


def survival(runs: pd.DataFrame) -> Figure:
    """Kaplan-Meier curves of the steps to each target with their bands, a curve a design, a row a setting."""
    groups, budget = _settings(runs), int(runs["budget"].max())
    figure = Figure(figsize=(11, 3 * len(groups) + 0.6))
    grid = figure.subplots(len(groups), len(TARGETS), squeeze=False, sharex=True, sharey=True)
    for row, (title, group) in zip(grid, groups, strict=True):
        for axes, target in zip(row, TARGETS, strict=True):
            for name, (colour, style, _) in _LINES.items():
                curve = survival_curve(*measured(group[group["design"] == name], target))
                x = np.append(curve.times, budget).clip(min=1)
                low, y, high = (np.append(v, v[-1]) for v in (curve.low, curve.survival, curve.high))
                axes.fill_between(x, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
                axes.step(x, y, where="post", color=colour, ls=style, label=name)
            axes.set(xscale="log", ylim=(-0.02, 1.02), xlim=(max(budget / 50, 1), budget))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(f"not yet at {TARGETS_IN_WORDS[target]}", loc="left")
        row[0].set_ylabel(f"share of runs\n{title}")
    for axes in grid[-1]:
        axes.set_xlabel("steps")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_LINES))
    return figure


def lambda3(runs: pd.DataFrame) -> Figure:
    """Steps to RQI > 0.95 against lambda_3, a mark a run, a panel a setting."""
    groups = _settings(runs)
    figure = Figure(figsize=(max(4.2 * len(groups), 6), 3.8))
    panels = figure.subplots(1, len(groups), squeeze=False, sharey=True).ravel()
    positive = runs["lambda3"][runs["lambda3"] > 0]
    low = positive.min() / 2 if len(positive) else 0.5  # a logarithmic axis has no 0: it lies on the left edge
    for axes, (title, group) in zip(panels, groups, strict=True):
        for name, (colour, _, mark) in _LINES.items():
            here = group[group["design"] == name]
            steps, seen = measured(here, "rqi")
            x = here["lambda3"].to_numpy(float).clip(min=low)
            axes.scatter(x[seen], steps[seen].clip(min=1), color=colour, marker=mark, s=22, alpha=0.8)
            axes.scatter(x[~seen], steps[~seen], edgecolors=colour, facecolors="none", marker=mark, s=22, clip_on=False)
        axes.set(xscale="log", yscale="log", xlim=(low, None), xlabel=r"$\lambda_3$ of the training set")
        axes.set_title(title, loc="left")
    panels[0].set_ylabel("steps to RQI > 0.95")
    handles = [Line2D([], [], ls="", marker=m, color=colour, label=name) for name, (colour, _, m) in _LINES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(_LINES))
    return figure


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
