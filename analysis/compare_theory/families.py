"""Networks that no theory speaks of: what can be measured of them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pandas as pd

from analysis.runs.plan import grid, parse_settings
from analysis.runs.store import step_columns
from neural import ConfigError
from neural.family import Family

_FOR_ALL = ("family", "seeds", "first_seed", "budget", "set", "execution", "out", "store")


def plan_family(family: type[Family], arguments: Any, budget: int) -> list[Any]:
    """The runs of another family than the toy model: its defaults, but for --set.

    Args:
        family: the networks.
        arguments: those of the command.
        budget: what --budget is where it is not given; then the family's own counts.

    Raises:
        ConfigError: an option of the toy model is given, or a run cannot be.
    """
    for one in fields(arguments):
        if one.name not in _FOR_ALL and getattr(arguments, one.name) != one.default:
            raise ConfigError(
                f"`{one.name}` must be left out with --family {family.name}, whose fields are set by --set, "
                f"but is {getattr(arguments, one.name)}."
            )
    settings = parse_settings(family.Config, "set", arguments.set)
    if arguments.budget != budget:
        settings["budget"] = arguments.budget
    return grid(replace(family.Config(), **settings), [], arguments.seeds, arguments.first_seed)


def no_theory(family: type[Family]) -> str:
    """What a comparison says of such networks."""
    return f"No theory here speaks of family {family.name}: this is what was measured."


def measured(family: type[Family], runs: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a number of the runs: how many have it (steps: reached the threshold within
    the budget), its median (one that was not reached counts as more), least and largest
    value.
    """
    steps = step_columns(family)
    return [
        {"measured": name, "runs": int(runs[name].notna().sum())} | _spread(runs[name], name in steps)
        for name in [*steps, *(metric.name for metric in family.METRICS)]
    ]


def _spread(column: pd.Series, censored: bool) -> dict[str, float | None]:
    values = column.astype(float).fillna(float("inf")) if censored else column.astype(float).dropna()
    found = {"median": values.quantile(0.5, interpolation="lower"), "least": values.min(), "largest": values.max()}
    return {name: float(value) if abs(value) < float("inf") else None for name, value in found.items()}
