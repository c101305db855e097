"""report.json of a comparison: the fields that others rely on, from three tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.compare_theory.compared import Compared
from analysis.predictors.effective import linear_probabilities, operation
from analysis.report.tables import rows_of
from analysis.runs.store import config_columns, config_of
from neural import family_of

_FINALS = ["steps_run", "accuracy", "train_accuracy", "test_accuracy", "rqi", "lambda3", "nullity", "z0"]


def as_report(found: Sequence[Compared], arguments: Any) -> dict[str, Any]:
    """What is promised: `runs`, `time`, and of the toy model `probability` and
    `accuracy`; null: not within the budget, never, or not defined.
    """
    report = {
        "seeds": arguments.seeds or 8,
        "first_seed": arguments.first_seed,
        "draws": arguments.draws,
        "decoder_draws": arguments.decoder_draws,
        "runs": [entry for one in found for entry in _runs(one)],
        "time": [entry for one in found for entry in _time(one)],
    }
    for one in found:
        if one.family == "toy" and (one.runs["operation"].astype(str) != "s3").all():
            report |= {"probability": _probability(one, arguments.draws), "accuracy": _accuracy(one)}
    return report


def _runs(one: Compared) -> list[dict[str, Any]]:
    family = family_of(config_of(one.runs["key"].iloc[0]))
    names = [name for name in [*config_columns(family), *_FINALS] if name in one.runs]
    steps, accuracies = one.said(one.targets[0]), one.said("accuracy")
    chances = one.said(one.targets[0], "probability")
    steps = steps[[each.name for each in one.predictors if each.gives == "steps" and each.name in steps]]
    entries = []
    for row in one.runs.to_dict("records"):
        entry: dict[str, Any] = {name: row[name] for name in names}
        for name in (f"steps_to_{target}" for target in one.targets):
            entry[name] = None if np.isnan(row[name]) else int(row[name])
        entry |= accuracies.loc[row["key"]].to_dict()
        entry["predicted_steps"] = steps.loc[row["key"]].dropna().to_dict()
        entries.append(entry | {"predicted_success": chances.loc[row["key"]].dropna().to_dict()})
    return entries


def _pair(row: Any) -> list[float] | None:
    return None if row is None or np.isnan([row.low, row.high]).all() else [row.low, row.high]


def _time(one: Compared) -> list[dict[str, Any]]:
    scores = one.settings[(one.settings["against"] == "") & (one.settings["target"] != "accuracy")]
    entries, names = [], [*one.by, "target", "predictor"]
    for label, rows in scores.groupby(names, sort=False):
        found = {row.statistic: row for row in rows_of(rows)}
        whole, within = found.get("concordance"), found.get("concordance_within")
        if whole is not None:
            entry = dict(zip(names, label, strict=True)) | {"c_index": whole.value, "interval": _pair(whole)}
            entry |= {"c_index_within_size": within and within.value, "interval_within_size": _pair(within)}
            entries.append(entry | {"n": whole.n, "n_observed": whole.n - whole.n_censored})
    return entries


def _probability(one: Compared, draws: int) -> list[dict[str, Any]]:
    """P(linear) by setting and size, beside the share of runs that succeeded."""
    op = operation(config_of(one.runs["key"].iloc[0]))
    chances, entries, sizes = linear_probabilities(op, draws), [], one.by_size
    for row in rows_of(sizes[(sizes["statistic"] == "did") & (sizes["target"] == one.targets[0])]):
        n_train = int(row.n_train)
        said = {"predicted": chances[n_train].value, "predicted_interval": chances[n_train].interval}
        did = {"measured": row.value, "measured_interval": [row.low, row.high], "n": row.n}
        setting = {name: getattr(row, name) for name in one.by}
        entries.append(setting | {"n_train": n_train, "fraction": n_train / op.n_samples} | said | did)
    return entries


def _accuracy(one: Compared) -> dict[str, Any]:
    """Of the accuracy read off the trained embedding, of all runs; `ideal_...`: off the
    training set.
    """
    names = {"correlation": "pearson_r", "absolute_error": "mean_absolute_error", "error": "mean_error"}
    found: dict[str, Any] = dict.fromkeys(("pearson_r", "mean_absolute_error"))
    for row in rows_of(one.whole[(one.whole["target"] == "accuracy") & one.whole["statistic"].isin(names)]):
        name = ("ideal_" if row.predictor == "ideal_accuracy" else "") + names[row.statistic]
        found |= {name: row.value, f"{name}_interval": _pair(row), "n": row.n}
    return found
