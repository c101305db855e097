"""The same training sets and initial weights under several treatments: what differs is
what the treatment did. Arms are data: names and their runs, in one order in all arms.
The runs at one place are a pair; the first arm is the base, in which nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from analysis.predictors import catalogue
from analysis.report.command import environment, leave, trained_on
from analysis.report.files import table
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION
from analysis.report.tables import TARGETS_IN_WORDS, judged, wide
from analysis.runs.session import Trains, trained
from analysis.runs.store import RunStore
from analysis.scores.bootstrap import FINE, MIN_OBSERVED, bootstrap_weights, interval, means
from analysis.scores.paired import paired_difference, paired_ratio
from analysis.scores.success import with_learned
from analysis.scores.survival import survival_curve
from analysis.scores.table import COLUMNS, MEASURED, NOTHING, measured, score, with_target

Arms = Mapping[str, Sequence[Any]]
Row = dict[str, Any]
_LINES = ((BLUE, "-"), (GREEN, ":"), (VERMILION, "-."), (ORANGE, "-"), (PURPLE, "--"))
_WITH_BANDS = 4  # so many arms at most: the bands of more could not be told apart


def runs_of(arms: Arms) -> list[Any]:
    """All runs, once those that two arms share."""
    return list(dict.fromkeys(config for arm in arms.values() for config in arm))


def tabulate(store: RunStore, arms: Arms) -> pd.DataFrame:
    """The trained runs with their `arm`, `place` in it, and steps `with_learned`."""
    tables = [store.table(configs).assign(arm=name, place=range(len(configs))) for name, configs in arms.items()]
    return with_learned(pd.concat(tables, ignore_index=True))


def train(
    arguments: Trains, arms: Arms, draws: Mapping[str, int], by: Sequence[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs of all arms (`tabulate`), sorted by these columns, trained where they
    were missing; and what predictors say of each, with so many draws by their names.
    """
    with trained(arguments, runs_of(arms)) as store:
        runs = tabulate(store, arms)
        runs = runs.sort_values([*by], kind="stable", ignore_index=True) if by else runs
        predictors = [catalogue.CATALOGUE[name] for name in draws]
        return runs, catalogue.predict(store, runs.drop_duplicates("key"), predictors, draws)


def score_arms(
    runs: pd.DataFrame,
    targets: Sequence[str],
    predictions: pd.DataFrame = NOTHING,
    *,
    by: Sequence[str] = (),
    pairs: Sequence[tuple[str, str]] | None = None,
    coverage: float = 0.95,
    ends: Sequence[str] = (),
    also: Callable[[pd.DataFrame, pd.DataFrame, str, float], Iterable[Row]] = lambda *_: (),
) -> pd.DataFrame:
    """Tidy scores of the runs of `tabulate`, with the columns `by` (arms are compared
    where these are equal), `arm` and those of `analysis.scores.table`.

    Each arm's are what `score` says of its runs. Of one arm `against` another (`pairs`;
    by default all others against the first), on the same runs and with this `coverage`:
    `did`, the difference of the shares (Tango); `gained` and `lost`, in how many pairs
    only the first, only the second gets there; `ratio` of the steps (`paired_ratio`);
    and what `also` says of both tables of runs, the second's name and the coverage. And
    `mean` of the columns `ends`, of an arm or of the differences, with a bootstrap
    interval.
    """
    names, within = list(dict.fromkeys(runs["arm"])), "n_train" if "n_train" in runs else None
    pairs = [(name, names[0]) for name in names[1:]] if pairs is None else pairs
    predictors = [catalogue.CATALOGUE[name] for name in dict.fromkeys(predictions["predictor"])]
    rows = []
    groups: Any = runs.groupby([*by], sort=False) if by else [((), runs)]
    for values, group in groups:
        where = dict(zip(by, values, strict=True))
        arms = {name: group[group["arm"] == name].sort_values("place", ignore_index=True) for name in names}
        if len({tuple(arm["place"]) for arm in arms.values()}) > 1:
            raise AssertionError("arms are compared run by run")
        for name, arm in arms.items():
            rows += [where | {"arm": name} | row for row in _means(arm[[*ends]], "", 0.95)]
        for name, other in pairs:
            one, two = arms[name], arms[other]
            gaps = [row for target in targets for row in _against(one, two, other, target, coverage)]
            gaps += [*also(one, two, other, coverage), *_means(one[[*ends]] - two[[*ends]], other, coverage)]
            rows += [where | {"arm": name} | row for row in gaps]
    found = score(runs, predictions, predictors, targets, [*by, "arm"], within=within)
    return pd.concat([found, pd.DataFrame(rows)] if rows else [found], ignore_index=True)[[*by, "arm", *COLUMNS]]


def row_of(target: str, against: str, statistic: str, value: float, bounds: Any, n: int) -> Row:
    """A score of what was measured; no bounds: None."""
    low, high = (np.nan, np.nan) if bounds is None else map(float, bounds)
    label = {"target": target, "predictor": MEASURED, "against": against, "statistic": statistic}
    return label | {"value": float(value), "low": low, "high": high, "n": n, "n_censored": 0}


def _against(arm: pd.DataFrame, base: pd.DataFrame, other: str, target: str, coverage: float) -> Iterator[Row]:
    one, two = with_target(arm, target), with_target(base, target)
    if one.empty or len(one) != len(two):
        return
    first, second = measured(one, target), measured(two, target)
    gap = paired_difference(first[1], second[1], coverage)
    ratio = paired_ratio(first, second, one.get("n_train"), coverage)
    yield row_of(target, other, "did", gap.value, gap.interval, gap.n)
    yield row_of(target, other, "gained", gap.gained, None, gap.n)
    yield row_of(target, other, "lost", gap.lost, None, gap.n)
    yield row_of(target, other, "ratio", ratio.value, ratio.interval, ratio.n)


def _means(values: pd.DataFrame, against: str, coverage: float) -> Iterator[Row]:
    n = len(values)
    for name in values:
        numbers = values[name].to_numpy(float)
        drawn = means(numbers, bootstrap_weights(np.zeros(n), draws=FINE)) if n >= MIN_OBSERVED else np.empty(0)
        yield row_of(str(name), against, "mean", numbers.mean(), interval(drawn, coverage), n)


def leave_arms(
    arguments: Trains,
    prog: str,
    title: str,
    answer: Sequence[str],
    rows: list[dict[str, str]],
    rest: str,
    pictures: Mapping[str, Figure],
    **tables: pd.DataFrame,
) -> None:
    """Leave a report that begins with the sentences of the answer, the table of `rows`
    behind it and survival.png (one of the pictures), and print the first two. Among the
    tables are `runs` and `scores`.
    """
    report: dict[str, Any] = {"seeds": arguments.seeds, "first_seed": arguments.first_seed, "answer": list(answer)}
    report["scores"] = tables["scores"].to_dict("records")
    report["environment"] = environment(prog, trained_on(tables["runs"]))
    bullets = "\n".join(f"- {sentence}" for sentence in answer)
    caption = "![survival](survival.png)\n\nShare of runs that are not there yet (Kaplan-Meier; bands: 95 %)."
    page = [f"# {title}", f"`{report['environment']['command']}`", bullets, table(rows), caption, rest]
    leave(arguments.out or Path(), report, pictures, page, [table(rows, "simple"), "", *answer], **tables)


def one_score(scores: pd.DataFrame, **where: Any) -> Any:
    """The only row with these values."""
    for name, value in where.items():
        scores = scores[scores[name] == value]
    [row] = scores.itertuples()
    return row


def arm_rows(
    scores: pd.DataFrame, rows: Mapping[str, str], columns: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> list[dict[str, str]]:
    """A table of the arms: what was measured, and what predictors had `said`. Columns
    by target, rows and each as in `wide`; without a score there is no column.
    """
    shown = scores[(scores["predictor"] == MEASURED) | (scores["statistic"] == "said")]
    return beside(*(wide(shown[shown["target"] == of], rows, some, TARGETS_IN_WORDS) for of, some in columns.items()))


def beside(*tables: list[dict[str, str]]) -> list[dict[str, str]]:
    """Tables of the same rows as one, the columns of each that has any in turn."""
    full = filter(None, tables)
    return [{name: cell for row in rows for name, cell in row.items()} for rows in zip(*full, strict=True)]


def verdict(scores: pd.DataFrame, target: str) -> str:
    """With which arms more or fewer runs get there than with the base, and sooner."""
    more, fewer, open_ = f"More runs reach {TARGETS_IN_WORDS[target]} with", "Fewer with", "Not certain with"
    found: dict[str, list[str]] = {more: [], fewer: [], open_: [], "Sooner with": [], "Later with": []}
    for one in scores[(scores["target"] == target) & (scores["against"] != "")].itertuples():
        one: Any
        if one.statistic == "did":
            said = judged(one, 0, below=fewer, above=more, otherwise=open_)
            found[said].append(f"{one.arm} ({one.value:+.2f})")
        elif one.statistic == "ratio" and 0 < one.value < np.inf:
            said = judged(one, 1, below="Sooner with", above="Later with", otherwise="")
            found.get(said, []).append(f"{one.arm} ({one.value:.2f} times the steps)")
    return " ".join(f"{word}: {', '.join(names)}." for word, names in found.items() if names)


def looks(names: Sequence[str], base: str) -> dict[str, tuple[str, str]]:
    """Colour and line of each arm; the base is grey."""
    others = [name for name in names if name != base]
    return {base: (GREY, "--")} | dict(zip(others, _LINES, strict=False))


def survival(groups: Mapping[str, pd.DataFrame], targets: Sequence[str], base: str) -> Figure:
    """Kaplan-Meier curves: a row a group under its title, a column a target."""
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(3.6 * len(targets) + 0.6, 3 * len(groups) + 0.9))
        grid: Any = figure.subplots(len(groups), len(targets), squeeze=False, sharey=True)
        for panels, (title, runs) in zip(grid, groups.items(), strict=True):
            budget = int(runs["budget"].max())
            first = min(budget / 10, *(measured(runs, target)[0].min() for target in targets))
            for axes, target in zip(panels, targets, strict=True):
                _curves(axes, runs, target, base)
                axes.set(xscale="log", ylim=(-0.02, 1.02), xlim=(max(0.8 * first, 1), budget))
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.set_title(f"not yet at {TARGETS_IN_WORDS[target]}", loc="left")
            panels[0].set_ylabel(f"share of runs\n{title}".strip())
        for axes in grid[-1]:
            axes.set_xlabel("steps")
        handles, names = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3 if len(names) > _WITH_BANDS else len(names))
        return figure


def _curves(axes: Any, runs: pd.DataFrame, target: str, base: str) -> None:
    names = list(dict.fromkeys(runs["arm"]))
    look = looks(names, base)
    for name in names:
        (colour, style), arm = look[name], runs[runs["arm"] == name]
        curve = survival_curve(*measured(arm, target))
        x = np.append(curve.times, arm["budget"].max()).clip(min=1)
        low, y, high = (np.append(v, v[-1]) for v in (curve.low, curve.survival, curve.high))
        if len(names) <= _WITH_BANDS:
            axes.fill_between(x, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
        axes.step(x, y, where="post", color=colour, ls=style, label=name.replace("eta_r", r"$\eta_r$"))
