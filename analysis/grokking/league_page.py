"""The league's page and pictures: how well each measure ranks, and when it moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from analysis.grokking.league import GENERALISED, LISTED, NULL_MODEL, TOGETHER
from analysis.predictors.measures import BY_NAME, LEARNED, MEMORISED
from analysis.report.files import table
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, VERMILION
from analysis.report.tables import cell, judged, wide
from analysis.runs.plan import Experiment

SIGNIFICANT = 0.05
_STEPS = f"steps_to_{GENERALISED}"
Found = Mapping[str, Any]  # of one setting, measure and reading: by statistic a row of the scores

PAGE = f"""# The league of measures

`{{command}}`

{{answer}}

![ranks](ranks.png)

![moves](moves.png)

Every measure that a theory of grokking proposes, on the same runs. Within a setting all runs have the same training
fraction and weight decay: these, the null model, rank nothing (concordance .5). Each measure is read at one moment, and
ranks the runs by the steps that remain until their test accuracy reaches 0.95; the direction is the theory's, nothing
is fitted. Runs that do not get there are censored and count; those that have got there before the reading do not.

## Which foretell: read at the end of memorisation

Concordance with the remaining steps, 95 % interval (runs drawn with replacement). A star: unlikely to be chance, either
way (permutations of the runs, false discovery rate {SIGNIFICANT:g} over all measures and readings of a setting,
Benjamini and Yekutieli). Below .5, and reversed: the other way round than the theory says. Needs: what one has to know
beside the weights.

{{memorised}}

## Read at fixed early steps

{{early}}

## When each moves

Steps from the moment at which a measure has covered half of its way (from the end of memorisation to test accuracy
0.95; losses and norms in logarithms) to the moment at which test accuracy has, and to test accuracy 0.95: medians, and
the 95 % interval of the latter. Positive: the measure is first. Measures whose change is not clear of their scatter
have none. In the picture crosses move the other way than their theory says, and open marks one that is not certain.

{{moves}}

## Which way each moves

In how many of the same runs a measure rises, and its median values from the end of memorisation to test accuracy 0.95.
Expected: what its theory says, of which more means sooner rises. It agrees, yes or no, where the exact 95 % interval
of the share of runs lies on one side of one half.

{{ways}}
{{together}}
## The measures

{{sources}}"""

_TOGETHER = """
## Two training fractions together

The null model knows the training fraction alone. What a measure adds to it is its concordance within settings.

{rows}
"""


def page(
    runs: Mapping[str, pd.DataFrame], settings: Mapping[str, Experiment], scores: pd.DataFrame, command: str
) -> tuple[str, str]:
    """report.md, and of it the answer."""
    found = _found(scores)
    answer = _answer(runs, settings, found)
    early = []
    for name, one in settings.items():
        columns = {f"step {step}": (name, str(step)) for step in one.early}
        early += [f"### {one.title}", _times(runs[name]), table(_rows(found, columns, _rank, "needs"))]
    moved = {name: (name, "") for name in settings}
    columns = {"all runs": ("concordance", ".2f"), "within settings": ("concordance_within", ".2f")}
    together = wide(scores[scores["setting"] == TOGETHER], ["measure"], columns)
    together.sort(key=lambda row: row["measure"] != NULL_MODEL)
    titles = {"measure": "name", "source": "source", "needs": "needs", "more of it means": "larger"}
    sources = [{title: getattr(one, field) for title, field in titles.items()} for one in LISTED]
    text = PAGE.format(
        command=command,
        answer=table(answer),
        memorised=table(_rows(found, {name: (name, MEMORISED) for name in settings}, _rank, "needs")),
        early="\n\n".join(early),
        moves=table(_rows(found, moved, _move)),
        ways=table(_rows(found, moved, _way, "expected")),
        together=_TOGETHER.format(rows=table(together)) if together else "",
        sources=table(sources),
    )
    return text, table(answer, "simple")


def _found(scores: pd.DataFrame) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The scores by setting, measure and reading."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in scores[scores["against"] == ""].itertuples():
        row: Any
        found.setdefault((row.setting, row.measure, row.reading), {})[row.statistic] = row
    return found


def _answer(
    runs: Mapping[str, pd.DataFrame], settings: Mapping[str, Experiment], found: Mapping[tuple[str, str, str], Found]
) -> list[dict[str, str]]:
    """What foretells at the end of memorisation, a row a setting."""
    rows = []
    for name, one in settings.items():
        ranked = [found.get((name, measure.name, MEMORISED), {}) for measure in LISTED]
        ranked = [here for here in ranked if "q" in here]
        best = max(ranked, key=lambda here: here["concordance"].value, default=None)
        row = {"setting": one.title, "got there": f"{runs[name][_STEPS].notna().sum()}/{len(runs[name])}"}
        row["told from chance at memorisation"] = "; ".join(map(_named, filter(_is_no_chance, ranked))) or "none"
        rows.append(row | {"best": "-" if best is None else _named(best)})
    return rows


def _named(here: Found) -> str:
    return f"{here['q'].measure}: {_rank(here)}"


def _rows(
    found: Mapping[tuple[str, str, str], Found],
    columns: Mapping[str, tuple[str, str]],
    text: Callable[[Found], str],
    also: Literal["needs", "expected"] | None = None,
) -> list[dict[str, str]]:
    """A row a measure that has something in a column: of a setting, and a reading."""
    rows = []
    for measure in LISTED:
        cells = {title: text(found.get((name, measure.name, at), {})) for title, (name, at) in columns.items()}
        if set(cells.values()) - {"-"}:
            more = {"needs": measure.needs, "expected": measure.way}
            rows.append({"measure": measure.name} | ({also: more[also]} if also else {}) | cells)
    return rows


def _is_no_chance(here: Found) -> bool:
    return "q" in here and here["q"].value < SIGNIFICANT


def _rank(here: Found) -> str:
    """A concordance, starred if it is no chance."""
    if "q" not in here:
        return "-"
    reversed_ = "" if here["concordance"].value > 0.5 else " (reversed)"
    return cell(here["concordance"]) + (f" *{reversed_}" if _is_no_chance(here) else "")


def _move(here: Found) -> str:
    return f"{here['lead'].value:+,.0f}; {cell(here['lead_95'], '+,.0f')}" if here else "-"


def _way(here: Found) -> str:
    if not here:
        return "-"
    rising, start, end = (here[name] for name in ("rising", "start", "end"))
    counted = f"rises in {rising.value * rising.n:.0f} of {rising.n}"
    return f"{counted} ({start.value:.3g} to {end.value:.3g}): {agrees(here)}"


def agrees(here: Found) -> str:
    """Whether most runs move the way that the measure's theory says, by all of the
    interval: yes, no, or not certain.
    """
    below, above = ("no", "yes") if BY_NAME[here["rising"].measure].way == "rises" else ("yes", "no")
    return judged(here["rising"], 0.5, below=below, above=above)


def _times(runs: pd.DataFrame) -> str:
    def middle(column: str) -> str:
        values = runs[column].dropna()
        return "-" if values.empty else f"{values.median():,.0f} ({values.min():,.0f} to {values.max():,.0f})"

    times = f"memorised {middle(LEARNED)}, test accuracy 0.95 {middle(_STEPS)}"
    return f"{len(runs)} runs, of which {runs[_STEPS].notna().sum()} got there. Steps, median (range): {times}."


# By what a measure needs, a colour and a marker: told apart without colours too.
_LOOKS = {
    "nothing": (BLUE, "o"),
    "training data": (GREEN, "s"),
    "test data": (ORANGE, "^"),
    "the task": (PURPLE, "D"),
    "final network": (VERMILION, "v"),
}


def picture_of_ranks(settings: Sequence[str], scores: pd.DataFrame) -> Figure:
    """Concordance at the end of memorisation: a row a measure, a panel a setting;
    filled marks are no chance.
    """

    def mark(axes: Any, here: Found, y: float, colour: str, marker: str) -> None:
        row = here["concordance"]
        axes.plot([row.low, row.high], [y, y], color=colour, lw=1)
        axes.plot(row.value, y, marker, color=colour, mfc=colour if _is_no_chance(here) else "white", ms=5)

    def finish(axes: Any) -> None:
        axes.axvline(0.5, color=GREY, lw=0.8)
        axes.axvline(0.75, color=GREY, lw=0.8, ls=":")
        axes.set(xlim=(0, 1), xlabel="concordance")

    ranked = {key[:2]: here for key, here in _found(scores).items() if key[2] == MEMORISED and "q" in here}
    return _panels(settings, ranked, mark, finish)


def picture_of_moves(settings: Sequence[str], scores: pd.DataFrame) -> Figure:
    """When each moves before test accuracy .95, in units of the steps from memorisation
    to that; a line where test accuracy itself does. Filled marks move the way that the
    theory says, crosses the other; open ones cannot be told.
    """

    def mark(axes: Any, here: Found, y: float, colour: str, marker: str) -> None:
        share = here["lead_share"].value
        marker, face = {"yes": (marker, colour), "no": ("x", colour)}.get(agrees(here), (marker, "white"))
        axes.plot(share, y, marker, color=colour, mfc=face, ms=5)
        if here["lead_share"].measure == "test accuracy":
            axes.axvline(share, color=GREY, lw=0.8)

    def finish(axes: Any) -> None:
        axes.set(xlim=(-0.04, 1.04), xlabel="lead (share of the delay)")
        axes.plot([], [], "x", color=GREY, label="moves the other way than its theory says")

    return _panels(settings, {key[:2]: here for key, here in _found(scores).items() if not key[2]}, mark, finish)


def _panels(
    settings: Sequence[str],
    found: Mapping[tuple[str, str], Found],
    mark: Callable[[Any, Found, float, str, str], None],
    finish: Callable[[Any], None],
) -> Figure:
    """A panel a setting, a row a measure that has something in one of them."""
    listed = [one for one in LISTED if any((setting, one.name) in found for setting in settings)]
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(3.2 + 2.1 * len(settings), 1.6 + 0.2 * len(listed)))
        panels: Any = figure.subplots(1, len(settings), sharey=True, squeeze=False)[0]
        for axes, setting in zip(panels, settings, strict=True):
            for y, one in enumerate(listed):
                if (setting, one.name) in found:
                    mark(axes, found[setting, one.name], y, *_LOOKS[one.needs])
            finish(axes)
            axes.set_title(setting, loc="left")
        panels[0].set_yticks(range(len(listed)), [one.name for one in listed])
        panels[0].set_ylim(max(len(listed), 1) - 0.5, -0.5)
        for needs, (colour, marker) in _LOOKS.items():
            panels[0].plot([], [], marker, color=colour, label=f"needs {needs}")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), len(settings) + 1))
        return figure
