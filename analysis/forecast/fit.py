"""Fit the forecast, and judge it on settings that were left out of fitting and
choosing.

    python -m analysis.forecast.fit PUBLISHED [--store results/runs.sqlite]

PUBLISHED is a folder with the published runs (their repository is named in
docs/watch.md); the runs of ours are trained first, if they are not in the store. It
leaves the scores, and model.npz fitted to all of these runs.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray
from tqdm.auto import tqdm

from analysis.experiments import EXPERIMENTS
from analysis.forecast.features import NAMES, features, logit
from analysis.forecast.model import FURTHEST, GRID, LEVEL, LOOKS, Model, phase_of, save_model, without
from analysis.forecast.stored import logs_of
from analysis.logs.log import Log
from analysis.logs.read import read_logs
from analysis.report.files import prepare_folder
from analysis.runs.session import ERRORS, Trains, trained
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.forecast.fit"
OWN = {"forecast_fit": False, "forecast": True}  # experiments, and whether it is judged on them
GOALS = {"digits": 0.8, "teacher": 0.9}  # test accuracies that most seeds come to: they end at .89 and .95
READS = 12  # of a run, spread evenly in ln(step), beside those at SHARES of its time
SHARES = (0.25, 0.5, 0.75)
# Of the published runs, by their folders: what they are, and the sizes (p, or bits) of
# those that are fitted to.
GROUPS = {"tfgrok": "transformer", "tfnoln": "transformer without LayerNorm", "parity": "parity"}
FITTED = {"grokfss": (29, 41, 59), "tfgrok": (71,), "parity": (20, 30)}
_FIRST_LOOK = 9
_KS = 8  # of a read, at which the trees are asked
_SMALLEST = 0.02
FALSE_ALARMS = 0.05
BOOTSTRAPS = 2_000
TREES = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.08,
    "min_data_in_leaf": 300,
    "lambda_l2": 1.0,
    "monotone_constraints": [0] * len(NAMES) + [1],
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbose": -1,
}
N_TREES = 200


@dataclass(frozen=True, kw_only=True)
class Arguments(Trains):
    """Fit the forecast to published runs and ours, and judge it on others."""

    published: tyro.conf.Positional[Path]
    """Folder of the published runs."""
    out: Path = Path("results/forecast_fit")
    """Folder for model.npz, scores.csv and reads.csv."""


@dataclass(frozen=True)
class Run:
    """A run with its log, and what it is for."""

    log: Log
    setting: str
    group: str  # MLP, transformer, ...
    fold: str  # settings that are left out together
    judged: bool  # or fitted to
    time: float = field(default=np.nan)  # the step at which it generalises; inf: it does not


def main(arguments: Arguments) -> None:
    prepare_folder(arguments.out)
    plans = {name: {one: e.configs() for one, e in EXPERIMENTS[name].items()} for name in OWN}
    with trained(arguments, [run for plan in plans.values() for configs in plan.values() for run in configs]) as store:
        ours = [
            _run(
                _with_goal(setting, log),
                f"{setting} {_axis(config)}",
                setting.partition("-")[0],
                setting,
                judged,
            )
            for judged, plan in zip(OWN.values(), plans.values(), strict=True)
            for setting, configs in plan.items()
            for config, log in zip(configs, logs_of(store, configs), strict=True)
        ]
    runs = [*published(arguments.published), *ours]
    reads, found = table_of(runs)
    fitted = ~reads["judged"].to_numpy()
    print(f"{len(runs):,} runs, {reads.loc[fitted, 'run'].nunique():,} of them to fit to")
    turns = cross_validated(reads[fitted], found[fitted])
    stretch, alarm = stretched(turns), threshold(turns)
    scores = scored(widened(turns, stretch), alarm, "fitted to, left out in turn")
    judged = said(fit(reads[fitted], found[fitted], stretch, alarm), reads[~fitted], found[~fitted])
    scores += scored(judged, alarm, "judged on")
    # what comes with the project is fitted to all of them
    turns = cross_validated(reads, found)
    stretch, alarm = stretched(turns), threshold(turns)
    save_model(arguments.out / "model.npz", fit(reads, found, stretch, alarm))
    scores += scored(widened(turns, stretch), alarm, "all, left out in turn")
    pd.DataFrame(scores).to_csv(arguments.out / "scores.csv", index=False)
    judged.to_csv(arguments.out / "reads.csv", index=False)
    turns.to_csv(arguments.out / "turns.csv", index=False)
    print(f"{arguments.out}: model.npz, scores.csv; reads.csv and turns.csv, what was said of each run")


def published(folder: Path) -> list[Run]:
    """The published runs. Those of FITTED whose norm is free are what the form was
    chosen on, and is fitted to.
    """
    found = []
    for log in read_logs(folder):
        path = Path(log.source)
        kind, free = path.parent.name, log.settings.get("arm", "free") in ("free", "none")
        size = log.settings.get("p", log.settings.get("n"))
        group = GROUPS.get(kind, "MLP" if free else "MLP, norm set")
        if not isinstance(size, float | int):
            lacking = f"{log.source} names neither p nor n"
            raise ConfigError(f"`published` must be a folder of published runs, but {lacking}.")
        fold = f"{kind} {size:g}" + ("" if free else " set")
        if kind in ("grokfss", "tfgrok") and "_wd1e00_lr1e-03" not in path.name:
            fold += " other rates"
        fitted = free and size in FITTED.get(kind, ())
        found.append(_run(log, f"{kind}/{path.stem}", group, fold, not fitted))
    return found


def _run(log: Log, setting: str, group: str, fold: str, judged: bool) -> Run:
    at = log.generalised_at
    return Run(log, setting, group, fold, judged, np.inf if at is None else at)


def _with_goal(setting: str, log: Log) -> Log:
    return replace(log, generalised=GOALS.get(setting, log.generalised))


def _axis(config: Any) -> str:
    return " ".join(
        f"{name}={getattr(config, name)}"
        for name in ("fraction", "weight_decay", "init_scale", "n_train")
        if hasattr(config, name)
    )


def table_of(runs: Sequence[Run]) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """All reads of all runs: a row each, and their features. Moments are spread evenly
    in ln(step), from the tenth look to the end, or until a run generalises; those at
    SHARES of its time (or of its log, if it does not) have a `share`.
    """
    rows, found = [], []
    for k, run in enumerate(tqdm(runs, "reading logs", unit="run", leave=False)):
        steps = run.log.steps
        end, rng = steps[-1], np.random.default_rng(zlib.crc32(f"{run.setting} {run.log.name}".encode()))
        until = min(run.time, end)
        if len(steps) <= _FIRST_LOOK or steps[_FIRST_LOOK] >= until:
            continue
        moments = [(0.0, at) for at in np.exp(rng.uniform(np.log(steps[_FIRST_LOOK]), np.log(until), READS))]
        for share, at in [*moments, *((share, share * until) for share in SHARES)]:
            log = run.log.until(at)
            if len(log.steps) <= _FIRST_LOOK or log.steps[-1] >= run.time:
                continue
            found.append(features(log))
            step = log.steps[-1]
            names = {"run": k, "name": run.log.name, "setting": run.setting, "group": run.group}
            names |= {"fold": run.fold, "judged": run.judged}
            rules = {name: rule(log) for name, rule in RULES.items()}
            times = {"share": share, "step": step, "end": end, "time": run.time, "k": np.log(run.time / step)}
            rows.append(names | times | {"phase": phase_of(log)} | rules)
    return pd.DataFrame(rows), np.array(found)


def fit(reads: pd.DataFrame, found: NDArray[np.float64], stretch: float = 1.0, alarm: float = np.nan) -> Model:
    """The trees, fitted to the reads without a share."""
    import lightgbm

    spread = (reads["share"] == 0).to_numpy()
    reads, found = reads[spread], found[spread]
    times = reads["k"].to_numpy()
    rows, answers = [], []
    for seed, parts in enumerate(LOOKS):
        ks = np.exp(np.random.default_rng(seed).uniform(np.log(_SMALLEST), np.log(FURTHEST), (len(reads), _KS)))
        seen = np.repeat(without(found, parts), _KS, axis=0)
        rows.append(np.column_stack([seen, ks.ravel()]))
        answers.append((times[:, None] <= ks).ravel().astype(float))
    data = lightgbm.Dataset(np.concatenate(rows), np.concatenate(answers))
    trees = _flat(lightgbm.train(TREES, data, N_TREES).dump_model()["tree_info"])
    runs, settings = reads["run"].nunique(), reads["setting"].nunique()
    basis = f"trees fitted to {runs:,} logs of {settings} settings"
    facts = {"features": list(NAMES), "basis": basis, "alarm": alarm, "settings": sorted(set(reads["setting"]))}
    low, high = np.nanmin(found, axis=0), np.nanmax(found, axis=0)
    return Model(trees, stretch, low, high, facts)


def _flat(trees: list[dict[str, Any]]) -> tuple[NDArray[Any], ...]:
    """The arrays of a Model from what lightgbm says of its trees."""
    nodes: list[list[Any]] = []

    def add(node: dict[str, Any]) -> int:
        here = len(nodes)
        if "leaf_value" in node:
            nodes.append([-1, 0.0, 0, 0, False, node["leaf_value"]])
            return here
        if node["decision_type"] != "<=" or (node["missing_type"] == "None" and node["split_feature"] != len(NAMES)):
            raise AssertionError(node)
        nodes.append([node["split_feature"], node["threshold"], 0, 0, node["default_left"], 0.0])
        nodes[here][2:4] = add(node["left_child"]), add(node["right_child"])
        return here

    roots = [add(tree["tree_structure"]) for tree in trees]
    kinds = (np.int16, np.float64, np.int32, np.int32, np.bool_, np.float64)
    columns = zip(*nodes, strict=True)
    return np.array(roots, np.int32), *(np.array(one, kind) for one, kind in zip(columns, kinds, strict=True))


def cross_validated(reads: pd.DataFrame, found: NDArray[np.float64]) -> pd.DataFrame:
    """What is said of each fold by trees that were not fitted to it."""
    parts = []
    for fold in tqdm(sorted(set(reads["fold"])), "cross-validating", unit="fold", leave=False):
        here = (reads["fold"] == fold).to_numpy()
        parts.append(said(fit(reads[~here], found[~here]), reads[here], found[here]))
    return pd.concat(parts)


def said(model: Model, reads: pd.DataFrame, found: NDArray[np.float64]) -> pd.DataFrame:
    """The reads with what the model says of each: ln(T / t), the probability within as
    many steps again, and how many features are strange.
    """
    cdf = np.concatenate([model.cdf(part) for part in np.array_split(found, max(len(found) // 500, 1))])
    intervals = np.array([model.interval(one) for one in cdf])
    doubled = np.array([np.interp(np.log(2), GRID, one) for one in cdf])
    strange = np.array([model.n_strange(one) for one in found])
    names = ["median", "low", "high"]
    return reads.assign(**dict(zip(names, intervals.T, strict=True)), doubled=doubled, strange=strange)


def stretched(crossed: pd.DataFrame) -> float:
    """The stretch of intervals with which those at SHARES cover LEVEL of runs that
    generalise, each fold counting as much as any other (conformal prediction).
    """
    here = crossed[(crossed["share"] > 0) & np.isfinite(crossed["time"])]
    median, low, high = (here[name].to_numpy() for name in ("median", "low", "high"))
    with np.errstate(invalid="ignore", divide="ignore"):
        needed = np.maximum((median - here["k"]) / (median - low), (here["k"] - median) / (high - median))
    needed = np.where(np.isfinite(median), np.nan_to_num(needed, nan=0.0), 0.0)
    weight = (1 / here.groupby(["fold", "share"])["run"].transform("size")).to_numpy()
    order = np.argsort(needed)
    return float(needed[order][np.searchsorted(np.cumsum(weight[order]), LEVEL * weight.sum())])


def widened(crossed: pd.DataFrame, stretch: float) -> pd.DataFrame:
    """What is said with intervals that are stretched."""
    median, low, high = (crossed[name] for name in ("median", "low", "high"))
    there = np.isfinite(median)
    low = np.where(there, np.maximum(median - stretch * (median - low), 0.0), low)
    return crossed.assign(low=low, high=np.where(there, median + stretch * (high - median), high))


def threshold(crossed: pd.DataFrame) -> float:
    """The probability of generalising within as many steps again that a share of
    FALSE_ALARMS of the runs that do not generalise ever exceed. They are those of
    settings in which none does.
    """
    return float(hopeless(crossed).groupby("run")["doubled"].max().quantile(1 - FALSE_ALARMS))


def hopeless(reads: pd.DataFrame) -> pd.DataFrame:
    """The reads of settings in which no run generalises."""
    return reads[np.isinf(reads.groupby("setting")["time"].transform("min"))]


def _to_goal(log: Log) -> float:
    """A line through the logit of test accuracy over the last factor of two."""
    return _line(log, logit(log.curves["test_accuracy"]), float(logit(log.generalised)))


def _loss_to_zero(log: Log) -> float:
    """A line through the test loss over the last factor of two."""
    return _line(log, -log.curves["test_loss"], 0.0)


def _loss_log(log: Log) -> float:
    """A line through ln test loss, to a tenth."""
    return _line(log, -np.log(log.curves["test_loss"]), float(np.log(10)))


def _line(log: Log, values: NDArray[np.float64], goal: float) -> float:
    late = log.steps >= log.steps[-1] / 2
    if late.sum() < 2:
        return np.inf
    slope, start = np.polyfit(log.steps[late], values[late], 1)
    at = (goal - start) / slope if slope > 0 else np.inf
    return float(np.log(max(at / log.steps[-1], 1.0)))


RULES: dict[str, Callable[[Log], float]] = {
    "logit of test accuracy": _to_goal,
    "test loss": _loss_to_zero,
    "ln test loss": _loss_log,
    "twice the steps": lambda log: float(np.log(2)),
}


def scored(reads: pd.DataFrame, alarm: float, which: str) -> list[dict[str, Any]]:
    """The scores of a group and share: median error of ln T of the forecast and of the
    rules, coverage; and of a group, false alarms, and how long before its time an alarm
    comes.
    """
    return [{"runs": which} | row for row in _scores(reads, alarm)]


def _scores(reads: pd.DataFrame, alarm: float) -> Iterator[dict[str, Any]]:
    for group, some in reads.groupby("group"):
        there = some[np.isfinite(some["time"])]
        for share in SHARES:
            here = there[there["share"] == share]
            if here.empty:
                continue
            covered = (here["low"] <= here["k"]) & (here["k"] <= here["high"])
            yield _row(group, share, "forecast", "coverage", covered.to_numpy(float), here["setting"], np.mean)
            for name in ("median", *RULES):
                error = np.abs(here[name].to_numpy() - here["k"].to_numpy())
                said_by = "forecast" if name == "median" else name
                yield _row(group, share, said_by, "error", error, here["setting"], np.median)
        for name in RULES:
            here = there[there["share"] == 0]
            gain = _error(here[name] - here["k"]) - _error(here["median"] - here["k"])
            yield _row(group, 0.0, name, "gain over it", gain, here["setting"], np.mean)
        never = hopeless(some)
        for rows, word in ((never, "never generalise"), (some[np.isinf(some["time"])], "do not within the log")):
            if len(rows):
                raised = (rows.groupby("run")["doubled"].max() > alarm).astype(float)
                settings = rows.groupby("run")["setting"].first()
                yield _row(group, 0.0, word, "false alarms", raised.to_numpy(), settings, np.mean)
        if len(there):
            first = there[there["doubled"] > alarm].groupby("run")["step"].min()
            times, settings = there.groupby("run")["time"].first(), there.groupby("run")["setting"].first()
            lead = np.nan_to_num(1 - first.reindex(times.index).to_numpy(float) / times.to_numpy(float))
            yield _row(group, 0.0, "forecast", "lead, share of the time", lead, settings, np.median)


def _error(errors: pd.Series) -> NDArray[np.float64]:
    """Absolute errors, those of what is not foreseen counting as the furthest."""
    return np.minimum(np.abs(errors.to_numpy()), FURTHEST)


def _row(
    group: Any, share: float, predictor: str, statistic: str, values: NDArray, settings: pd.Series, of: Callable
) -> dict[str, Any]:
    """A score with its 95 % interval, settings drawn with replacement."""
    rng = np.random.default_rng(0)
    parts = [values[np.asarray(settings) == one] for one in sorted(set(settings))]
    draws = [
        of(np.concatenate([parts[i] for i in rng.integers(len(parts), size=len(parts))])) for _ in range(BOOTSTRAPS)
    ]
    low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
    found = {"group": group, "share": share, "predictor": predictor, "statistic": statistic, "value": float(of(values))}
    return found | {"low": float(low), "high": float(high), "n": len(values), "settings": len(parts)}


if __name__ == "__main__":
    run_command(Arguments, main, PROG, ERRORS)
