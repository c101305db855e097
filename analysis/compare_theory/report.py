"""report.json of a comparison: the fields that others rely on, from three tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

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
    said = one.predictions.pivot_table(index="key", columns=["target", "predictor"], values="value", sort=False)
    success = one.predictions[one.predictions["target"] == one.targets[0]]
    chance = success.pivot_table(index="key", columns="predictor", values="probability", sort=False)
    entries = []
    for row in one.runs.to_dict("records"):
        entry: dict[str, Any] = {name: row[name] for name in names}
        steps = {f"steps_to_{target}": row[f"steps_to_{target}"] for target in one.targets}
        entry |= {name: None if np.isnan(value) else int(value) for name, value in steps.items()}
        values = said.loc[row["key"]]
        for name in ("predicted_accuracy", "ideal_accuracy"):
            if ("accuracy", name) in values:
                entry[name] = values["accuracy", name]
        main = values[one.targets[0]] if one.targets[0] in values.index.get_level_values(0) else {}
        given = {each.name for each in one.predictors if each.gives == "steps"}
        entry["predicted_steps"] = {str(name): value for name, value in dict(main).items() if name in given}
        entry["predicted_success"] = dict(chance.loc[row["key"]]) if row["key"] in chance.index else {}
        entries.append(entry)
    return entries


def _pair(row: pd.Series | None) -> list[float] | None:
    return None if row is None or np.isnan([row["low"], row["high"]]).all() else [row["low"], row["high"]]


def _time(one: Compared) -> list[dict[str, Any]]:
    scores = one.settings[(one.settings["against"] == "") & (one.settings["target"] != "accuracy")]
    entries = []
    for label, rows in scores.groupby([*one.by, "target", "predictor"], sort=False):
        by_name = {row["statistic"]: row for _, row in rows.iterrows()}
        whole, within = by_name.get("concordance"), by_name.get("concordance_within")
        if whole is not None:
            entries.append(
                dict(zip([*one.by, "target", "predictor"], label, strict=True))
                | {
                    "c_index": whole["value"],
                    "interval": _pair(whole),
                    "c_index_within_size": None if within is None else within["value"],
                    "interval_within_size": _pair(within),
                    "n": int(whole["n"]),
                    "n_observed": int(whole["n"] - whole["n_censored"]),
                }
            )
    return entries


def _probability(one: Compared, draws: int) -> list[dict[str, Any]]:
    """P(linear) by setting and size, beside the share of runs that succeeded."""
    op = operation(config_of(one.runs["key"].iloc[0]))
    chances = linear_probabilities(op, draws)
    sizes = one.by_size
    did = sizes[(sizes["statistic"] == "did") & (sizes["target"] == one.targets[0])]
    return [
        {name: getattr(row, name) for name in one.by}
        | {
            "n_train": int(row.n_train),
            "fraction": row.n_train / op.n_samples,
            "predicted": chances[int(row.n_train)].value,
            "predicted_interval": chances[int(row.n_train)].interval,
            "measured": row.value,
            "measured_interval": [row.low, row.high],
            "n": row.n,
        }
        for row in rows_of(did)
    ]


def _accuracy(one: Compared) -> dict[str, Any]:
    """Of the accuracy read off the trained embedding; `ideal_...`: off the training
    set.
    """
    names = {"correlation": "pearson_r", "absolute_error": "mean_absolute_error", "error": "mean_error"}
    scores = one.settings[(one.settings["target"] == "accuracy") & one.settings["statistic"].isin(names)]
    first = scores.iloc[0] if len(scores) else None
    by_setting: dict[tuple, dict[str, Any]] = {}
    for _, row in scores.iterrows():
        label = tuple(row[name] for name in one.by)
        entry = by_setting.setdefault(label, dict(zip(one.by, label, strict=True)))
        name = ("ideal_" if row["predictor"] == "ideal_accuracy" else "") + names[row["statistic"]]
        entry |= {name: row["value"], f"{name}_interval": _pair(row), "n": int(row["n"])}
    entries = list(by_setting.values())
    means = {name: [entry[name] for entry in entries if name in entry] for name in ("pearson_r", "mean_absolute_error")}
    overall = {name: float(np.mean(values)) for name, values in means.items() if values} if first is not None else {}
    return {**(dict.fromkeys(means) | overall), "by_setting": entries}
