"""Train networks, compute the theory on the very same training sets, and say how well they agree.

    python -m analysis.compare_theory

leaves report.json, report.md and pictures in results/compare_theory. Runs are kept in a store: a stopped
command goes on where it was, and finished runs are never trained again.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import tyro
from tqdm import tqdm

from analysis import _pictures
from analysis._report import environment, prepare_folder, save_picture, table, write_json, write_page
from analysis.agreement.predictions import PREDICTORS, TARGETS, linear_probabilities, predict
from analysis.agreement.scores import (
    NULL_MODEL,
    Entry,
    score_accuracy,
    score_medians,
    score_probability,
    score_time,
)
from analysis.agreement.verdict import NAMES, TARGETS_IN_WORDS, verdict
from analysis.runs.experiments import DEFAULT_SIZES, grid
from analysis.runs.store import RunStore, StoreError
from analysis.runs.sweep import WorkerError, ensure
from neural import ConfigError, RunConfig, resolve_device
from neural.command import run_command

PROG = "python -m analysis.compare_theory"
ERRORS = (StoreError, WorkerError)


@dataclass(frozen=True)
class Arguments:
    """Train networks, compute the theory on the very same training sets, and say how well they agree."""

    p: int = 10
    """Number of symbols, 0..p-1."""
    sizes: tuple[int, ...] = ()
    """Training-set sizes |D|; by default 20 25 .. 50 54 for p = 10, and the same fractions of p(p+1)/2 for
    another p.
    """
    seeds: int = 8
    """How many seeds a size: 0..seeds-1."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = RunConfig.budget
    """Steps after which a run that has not reached a threshold is censored."""
    repr_lr: tuple[float, ...] = (RunConfig.repr_lr,)
    """Learning rates of the embeddings."""
    decoder_lr: tuple[float, ...] = (RunConfig.decoder_lr,)
    """Learning rates of the decoder; several make an axis: the theory takes the decoder as slow."""
    decoder_wd: float = RunConfig.decoder_wd
    """Weight decay of the decoder."""
    d: int = RunConfig.d
    """Embedding dimension."""
    loss: Literal["mse", "ce"] = RunConfig.loss
    """Regression on random targets, or classification."""
    optimizer: Literal["adamw", "sgd"] = RunConfig.repr_optimizer
    """Optimiser of the embeddings."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train."""
    draws: int = 20_000
    """Random training sets behind P(linear)."""
    out: Path = Path("results/compare_theory")
    """Folder for the report."""
    store: Path = Path("results/runs.sqlite")
    """The run store."""


def main(arguments: Arguments) -> None:
    configs = plan(arguments)
    device = resolve_device(arguments.device)
    prepare_folder(arguments.out)
    with RunStore(arguments.store) as store:
        n_trained = ensure(configs, store, device)
        runs = store.table(configs)
        print(f"{len(runs)} runs, {n_trained} of them trained now", file=sys.stderr)
        with tqdm(total=len(runs), desc="theory", unit="run", leave=False) as bar:
            predictions = predict(runs, bar.update)
        store.keep_predictions(predictions)
    runs = runs.merge(predictions, on="key")
    report = compare(runs, arguments.draws)
    report["environment"] = environment(device, " ".join([PROG, *sys.argv[1:]]))
    write(arguments.out, runs, report)
    print(table(_time_rows(report["time"]), "simple"), "", sep="\n")
    print(*(f"- {sentence}" for sentence in report["verdict"]), sep="\n")
    print(f"\n{arguments.out / 'report.md'}")


def plan(arguments: Arguments) -> list[RunConfig]:
    """The runs that the arguments ask for; ConfigError if there are none or one cannot be."""
    for name in ("seeds", "draws"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"`{name}` must be an integer of at least 1, but is {getattr(arguments, name)}.")
    if arguments.p < 3:
        raise ConfigError(
            f"`p` must be an integer of at least 3 (fewer symbols make no parallelogram), but is {arguments.p}."
        )
    base = RunConfig(
        p=arguments.p,
        n_train=1,
        budget=arguments.budget,
        decoder_wd=arguments.decoder_wd,
        d=arguments.d,
        loss=arguments.loss,
        repr_optimizer=arguments.optimizer,
    )
    sizes = arguments.sizes or [max(n * base.n_samples // 55, 1) for n in DEFAULT_SIZES]
    return grid(base, sizes, arguments.seeds, arguments.repr_lr, arguments.decoder_lr)


def compare(runs: pd.DataFrame, draws: int) -> dict[str, Any]:
    """All numbers of the report from a table of runs with predictions."""
    time = score_time(runs, seed=0)
    chances = linear_probabilities(int(runs["p"].iloc[0]), draws, seed=0)
    probability, calibration = score_probability(runs, chances)
    accuracy = score_accuracy(runs)
    records: Any = runs.to_dict("records")
    return {
        "verdict": verdict(time, probability, calibration, accuracy),
        "time": time,
        "medians": score_medians(runs),
        "probability": probability,
        "calibration": calibration,
        "linear_probability": chances,
        "accuracy": accuracy,
        "runs": [_run_entry(run) for run in records],
        "seeds": {"bootstrap": 0, "linear_probability": 0, "draws": draws},
    }


def _run_entry(run: Entry) -> Entry:
    def steps(value: float) -> int | None:
        return None if value != value else int(value)

    names = [
        "p",
        "d",
        "loss",
        "n_train",
        "seed",
        "init",
        "repr_lr",
        "decoder_lr",
        "decoder_wd",
        "repr_optimizer",
    ]
    names += ["budget", "steps_run", "accuracy", "train_accuracy", "test_accuracy", "rqi"]
    names += ["predicted_accuracy", "ideal_accuracy", "lambda3", "nullity", "z0"]
    return {
        **{name: run[name] for name in names},
        **{f"steps_to_{target}": steps(run[f"steps_to_{target}"]) for target in TARGETS},
        "predicted_steps": {name: run[name] for name in PREDICTORS if name != NULL_MODEL},
    }


def write(out: Path, runs: pd.DataFrame, report: dict[str, Any]) -> None:
    """report.json, the pictures, and the page that shows them."""
    write_json(out / "report.json", report)
    for name, figure in _pictures.draw_all(runs, report).items():
        save_picture(out / name, figure)
    write_page(out / "report.md", _page(report))


def _page(report: dict[str, Any]) -> list[str]:
    return [
        "# Theory against networks",
        f"`{report['environment']['command']}`",
        f"{len(report['runs'])} runs. A run that did not reach a threshold within its budget is censored there, "
        "never counted as having reached it at the last step. Intervals are 95 %.",
        "## What agrees and what does not",
        "\n".join(f"- {sentence}" for sentence in report["verdict"]),
        "## Order and size of the times",
        "Concordance: the chance that of two runs the theory names the one that takes longer; 0.5 = no information. "
        "Gain: the difference to the null model, which knows only |D|. Ratio: measured over predicted steps, "
        "Kaplan-Meier quartiles over all runs with a finite prediction (a dash: beyond the budget); seen: the "
        "median of those that got there alone. Z0/(lambda_3 eta) is an e-folding time: RQI needs several.",
        table(_time_rows(report["time"])),
        "![concordance](concordance.png)",
        "![times](times.png)",
        "## Median steps",
        "Kaplan-Meier medians; a dash means that half of the runs did not get there within the budget.",
        table(_median_rows(report["medians"])),
        "![survival](survival.png)",
        "## Who succeeds",
        table(_probability_rows(report["probability"])),
        "![probability](probability.png)",
        "## Accuracy",
        "Share of D0 that the network gets right at the end, against what the theory reads off the trained "
        "embedding (predicted) and off the training set alone (ideal).",
        table(_accuracy_rows(report["accuracy"])),
        "![accuracy](accuracy.png)",
        "## Made with",
        "\n".join(f"- {name}: {value}" for name, value in report["environment"].items()),
    ]


def _time_rows(time: list[Entry]) -> list[Entry]:
    rows = []
    for entry in time:
        ratio = entry.get("ratio") or {}
        quartiles = [ratio.get(name) for name in ("lower_quartile", "median", "upper_quartile")]
        rows.append(
            {
                "eta_r": f"{entry['repr_lr']:g}",
                "eta_d": f"{entry['decoder_lr']:g}",
                "target": TARGETS_IN_WORDS[entry["target"]],
                "predictor": NAMES[entry["predictor"]],
                "concordance": _with_interval(entry["c_index"], entry["interval"]),
                "gain": _interval(entry["gain_over_null_interval"]),
                "within size": _with_interval(entry["c_index_within_size"], entry["interval_within_size"]),
                "ratio": " / ".join(_short(value) for value in quartiles),
                "seen": _short(ratio.get("observed_only", [None, None])[1]),
                "n": f"{entry['n_observed']}/{entry['n']}",
            }
        )
    return rows


def _median_rows(medians: list[Entry]) -> list[Entry]:
    return [
        {
            "eta_r": f"{entry['repr_lr']:g}",
            "eta_d": f"{entry['decoder_lr']:g}",
            "|D|": entry["n_train"],
            "target": TARGETS_IN_WORDS[entry["target"]],
            "reached": f"{entry['n_observed']}/{entry['n']}",
            "median steps": _with_interval(entry["median"], entry["interval"], ".0f"),
            **{
                NAMES[name]: _short(entry[f"predicted_median_{name}"], ".0f")
                for name in PREDICTORS
                if name != NULL_MODEL
            },
        }
        for entry in medians
    ]


def _probability_rows(probability: list[Entry]) -> list[Entry]:
    return [
        {
            "eta_r": f"{entry['repr_lr']:g}",
            "eta_d": f"{entry['decoder_lr']:g}",
            "|D|": entry["n_train"],
            "P(linear)": _with_interval(entry["predicted"], entry["predicted_interval"]),
            "these sets": _short(entry["runs_linear"]),
            "RQI > 0.95": _with_interval(entry["measured"], entry["measured_interval"]),
            "n": entry["n"],
        }
        for entry in probability
    ]


def _accuracy_rows(accuracy: Entry) -> list[Entry]:
    return [
        {
            "eta_r": f"{entry['repr_lr']:g}",
            "eta_d": f"{entry['decoder_lr']:g}",
            "against": name,
            "correlation": _with_interval(entry[prefix + "pearson_r"], entry[prefix + "pearson_r_interval"]),
            "mean absolute error": _short(entry[prefix + "mean_absolute_error"], ".3f"),
            "mean error": _short(entry[prefix + "mean_error"], "+.3f"),
            "network above": f"{entry[prefix + 'n_accuracy_above']}/{entry[prefix + 'n']}",
        }
        for entry in accuracy["by_setting"]
        for name, prefix in (("predicted", ""), ("ideal", "ideal_"))
    ]


def _short(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)


def _interval(bounds: Any, form: str = ".2f") -> str:
    if bounds is None or all(bound is None for bound in bounds):
        return "-"
    return f"[{_short(bounds[0], form)}, {_short(bounds[1], form)}]"


def _with_interval(value: float | None, bounds: Any, form: str = ".2f") -> str:
    parts = [_short(value, form), _interval(bounds, form)]
    return "-" if parts == ["-", "-"] else " ".join(parts)


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
