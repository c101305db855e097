"""What a plan will cost: see `session`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.runs.executors import Execution
from analysis.runs.session import cost
from analysis.runs.sweep import missing_runs


def print_cost(configs: Sequence[Any], store: Path, execution: Execution) -> None:
    """What a dry run says."""
    print(f"{len(configs)} runs in the plan", cost(missing_runs(configs, store), execution), sep="\n")
