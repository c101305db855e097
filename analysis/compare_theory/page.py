"""The page that a person reads, and what the terminal says: first the answer."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.compare_theory.compared import Compared
from analysis.predictors.null import NULL
from analysis.report.files import table
from analysis.report.tables import cell, judged, rows_of, seed_range, wide, words
from analysis.scores.bootstrap import MIN_OBSERVED
from analysis.scores.table import BASELINE, MEASURED, MIN_TEST_SAMPLES

# Of the answer: what stands above a column, the statistic, its format, and how far a
# value is from the best that there could be.
COLUMNS: dict[str, tuple[str, str, Callable[[float], float]]] = {
    "AUC": ("auc", ".2f", lambda value: 1 - value),
    "Brier": ("brier", ".3f", lambda value: value),
    "concordance within size": ("concordance_within", ".2f", lambda value: 1 - value),
    "measured/predicted": ("ratio", ".2f", lambda value: abs(math.log(value))),
}
_ASKED = {
    "Brier": "Who succeeds is said best by '{name}', Brier score {score}",
    "concordance within size": "which of two runs of one size comes first by '{name}', concordance {score}",
    "measured/predicted": "when by '{name}', {score} times as many steps as it says",
}


def best(scores: pd.DataFrame, title: str) -> Any | None:
    """Of the rows of a column the one that is nearest to what could be."""
    statistic, _, distance = COLUMNS[title]
    rows = [row for row in rows_of(scores) if row.statistic == statistic and np.isfinite(row.value)]
    return min(rows, key=lambda row: distance(row.value), default=None)


def answer_rows(one: Compared, mark: str) -> list[dict[str, str]]:
    """A row a predictor: what it knows, and its scores; `mark` goes around the best of
    a column. Of the logistic regressions only the one that is a baseline.
    """
    scores = one.of_success
    scores = scores[~scores["predictor"].str.startswith("logistic_") | (scores["predictor"] == BASELINE)]
    rows = wide(scores, {"predictor": "predictor"}, {title: of[:2] for title, of in COLUMNS.items()})
    rows = [row for row in rows if row["predictor"] in one.title]
    for title in COLUMNS:
        first = best(scores, title)
        for row in rows:
            if first is not None and row["predictor"] == first.predictor:
                row[title] = f"{mark}{row[title]}{mark}"
    known = [title for title in COLUMNS if any(row[title] != "-" for row in rows)]
    knows = {each.name: ", ".join(each.knows) for each in one.predictors}
    return [
        {"predictor": one.title[row["predictor"]], "knows": knows[row["predictor"]]} | {t: row[t] for t in known}
        for row in rows
    ]


def answer(one: Compared) -> str:
    """The answer in words: what happened, and which of the predictors that have seen no
    outcome says best who succeeds, in which order, and when.
    """
    scores = one.of_success
    did = next(row for row in rows_of(scores) if row.statistic == "did")
    said = [f"{did.n - did.n_censored} of {did.n} runs reached {words(one.targets[0])} within their budget."]
    blind = [each.name for each in one.predictors if not each.fitted and each is not NULL]
    parts = []
    for title, form in _ASKED.items():
        first = best(scores[scores["predictor"].isin(blind)], title)
        if first is not None:
            parts.append(form.format(name=one.title[first.predictor], score=cell(first, COLUMNS[title][1])))
            if title == "Brier":
                parts[-1] += _against(one, first.predictor)
    said += [f"{'; '.join(parts)}."] if parts else []
    return " ".join(said)


def _against(one: Compared, name: str) -> str:
    """Whether the Brier score is surely less than that of a baseline."""
    rows = one.whole[(one.whole["target"] == one.targets[0]) & (one.whole["predictor"] == name)]
    for other, title in ((BASELINE, f"the {one.title.get(BASELINE)}"), ("constant", "always saying the share of all")):
        found = rows[(rows["against"] == other) & (rows["statistic"] == "brier")]
        if len(found):
            gap: Any = found.iloc[0]
            sure = judged(gap, 0, below="better", above="worse", otherwise="not certainly better")
            return f", {sure} than {title} ({cell(gap, '+.3f')})"
    return ""


def said(found: Sequence[Compared]) -> list[str]:
    """The answer on the terminal."""
    lines = []
    for one in found:
        lines += [table(answer_rows(one, "*"), "simple"), ""]
        lines += [*textwrap.wrap(f"{answer(one)} *: best of its column.", 100), ""]
    return lines


def page(found: Sequence[Compared], pictures: Iterable[str], environment: Mapping[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    parts = ["# Theory against networks"]
    for one in found:
        parts += [*([f"## {one.family}"] if len(found) > 1 else []), answer(one), table(answer_rows(one, "**"))]
    shown = [f"![{name.partition('.')[0].replace('_', ' ')}]({name})" for name in pictures]
    parts += [*shown[:1], *(part for one in found for part in _behind(one)), "## Pictures", *shown[1:]]
    parts += ["## Made with", f"`{environment['command']}`", _made(found, environment)]
    return parts


def _made(found: Sequence[Compared], environment: Mapping[str, Any]) -> str:
    seeds = ", ".join(f"{len(one.runs)} runs, seeds {seed_range(one.runs['seed'])}." for one in found)
    return "\n".join([seeds, "", *(f"- {name}: {_plain(value)}" for name, value in environment.items())])


_LEGEND = """AUC: the chance that of a run that succeeded and one that failed the former was given the
higher probability. Brier: mean squared error of the probability; it does not know the run's own
outcome, nor is what is fitted fitted again in the bootstrap. Concordance: the chance that of two
runs the predictor names the one that takes longer; 0.5 is no information; within size: of two
runs of one training-set size. Measured/predicted: steps, Kaplan-Meier's median over all runs with
a finite prediction above 0; a dash: beyond the budget. Runs that did not get there within their
budget, or diverged, are failures and censored for all predictors alike. Intervals are 95 %, a
bootstrap of training sets within each size, and need {least} runs that got there. None knows the
decoder's initial weights. Every number is a row of scores.csv."""


def _behind(one: Compared) -> list[str]:
    """All other tables of a family's runs."""
    settings = one.settings
    by = {name: name for name in one.by if settings[name].nunique() > 1}
    who = {"predictor": "predictor"}
    title = one.title | {target: words(target) for target in one.targets} | {MEASURED: "measured"}
    times = wide(
        settings[settings["target"] != "accuracy"],
        {**by, "target": "target", **who},
        {
            "concordance": ("concordance", ".2f"),
            "gain on size": ("concordance", "+.2f", NULL.name),
            "within size": ("concordance_within", ".2f"),
            "ratio": ("ratio", ".2f"),
            "its lower quartile": ("ratio_lower", ".2f"),
            "its upper quartile": ("ratio_upper", ".2f"),
            "error (MAPE)": ("mape", ".2f"),
            "unpredicted": ("unpredicted", ".0f"),
        },
        title,
    )
    success = wide(
        settings[settings["target"] == one.targets[0]],
        {**by, **who},
        {
            "AUC": ("auc", ".2f"),
            "Brier": ("brier", ".3f"),
            "- constant": ("brier", "+.3f", "constant"),
            "- logistic": ("brier", "+.3f", BASELINE),
            "- share by size": ("brier", "+.3f", "share_by_size"),
            "calibration": ("calibration", ".2f"),
            "said": ("said", ".2f"),
            "did": ("did", ".2f"),
        },
        title,
    )
    sizes = one.by_size
    columns = {"said": ("said", ".3f"), "did": ("did", ".3f"), "median steps": ("median", ".0f")}
    by_size = wide(sizes[sizes["target"] == one.targets[0]], {**by, one.size: one.size, **who}, columns, title)
    parts = [
        "## What the columns mean",
        " ".join(_LEGEND.format(least=MIN_OBSERVED).split()),
        "## Who succeeds",
        f"Success: {words(one.targets[0])} within the budget.",
        table(success),
        "## Order and size of the times",
        "Gain on size: of the concordance, on that of the size alone; these intervals hold for all predictors at "
        "once. Unpredicted: runs that got there though the predictor says never, or not within the budget. Test "
        f"accuracy leaves out training sets that leave fewer than {MIN_TEST_SAMPLES} test samples.",
        table(times),
        "## By size",
        "Median steps are Kaplan-Meier's; a dash: most did not get there, or are predicted not to.",
        table(by_size),
    ]
    accuracy = settings[settings["target"] == "accuracy"]
    if not accuracy.empty:
        columns = {
            "correlation": ("correlation", ".2f"),
            "mean absolute error": ("absolute_error", ".3f"),
            "mean error": ("error", "+.3f"),
            "network above": ("above", ".0f"),
        }
        parts += [
            "## Accuracy",
            "Share of all samples that the network gets right at the end, against what the theory reads off the "
            "trained embedding, and off the training set alone.",
            table(wide(accuracy, {**by, "predictor": "against"}, columns, title)),
        ]
    replicas = settings[settings["predictor"] == "replicas"]
    if not replicas.empty:
        columns = {"irreducible Brier": ("irreducible", ".3f"), "AUC": ("auc", ".2f"), "Brier": ("brier", ".3f")}
        parts += [
            "## Replicas",
            "Each run was trained several times, with another decoder each time. Irreducible: the mean of p (1 - p), "
            "the Brier score of a predictor that knows all but the decoder's initial weights. AUC and Brier: the first "
            "one's success foretold by the share of the others.",
            table(wide(replicas, {**by, **who}, columns, title)),
        ]
    return parts


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
