"""What a figure asks of networks: configurations by the name of their family, and
whether the data that runs need are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neural import ConfigError, family_of, find_family
from neural.config import shape


def run_of(family: str, **fields: Any) -> Any:
    """The configuration of a run, with defaults for other fields."""
    return find_family(family).Config(**fields)


def lacking_data(runs: Sequence[Any]) -> str:
    """What to do about the data that these runs need and that are not here, "" if
    nothing.
    """
    try:
        for one in {(type(run), shape(run)): run for run in runs}.values():
            family = family_of(one)
            family(one, "cpu")  # has the data of all its runs, or
            family.start(one)  # those of one
    except ConfigError as error:
        return str(error)
    return ""
