"""A predictor: a theory, a law, a measure that is read at some step, or a null model.

A file with one, of a user's too, is enough for it to be scored everywhere:

    def few(run: Run, draws: int) -> dict[str, Told]:
        return {"rqi": Told(-run.mask.sum())}

    PREDICTOR = Predictor("few_samples", "few samples", ("size",), on("toy"), few)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neural import family_of


@dataclass(frozen=True)
class Told:
    """What a predictor says of one run and one target.

    Attributes:
        value: steps to the target, inf for never; a number that rises with them; or a
            share, of a target that is one. nan: nothing is said.
        probability: that the run gets there within its budget; nan: nothing is said.
        low, high: an interval of the probability, or of the value where there is none.
        read_at: the step until which the run was seen; 0: before it began.
    """

    value: float = math.nan
    probability: float = math.nan
    low: float = math.nan
    high: float = math.nan
    read_at: float = 0


@dataclass
class Run:
    """A run, as predictors see it.

    Attributes:
        config: its configuration.
        row: its row in the store, a mapping by column. A predictor must not look at
            what came after its `read_at`.
        store: where its traces are.
        memo: what several predictors of this run share is computed once and kept here.
    """

    config: Any
    row: Any
    store: Any = None
    memo: dict[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        return family_of(self.config).name

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Its training set."""
        return self.row["mask"]

    @cached_property
    def traces(self) -> Any:
        """What it left beside the store, not of the toy model."""
        return self.store.traces(self.config)

    def once(self, name: str, of: Callable[[], Any]) -> Any:
        """What `of` gives, computed the first time."""
        if name not in self.memo:
            self.memo[name] = of()
        return self.memo[name]


OfRun = Callable[[Run, int], Mapping[str, Told]]
OfRuns = Callable[[Sequence[Run], pd.DataFrame], Sequence[Mapping[str, Told]]]


@dataclass(frozen=True)
class Predictor:
    """One predictor: its only definition.

    Attributes:
        name: as tables have it.
        title: as people read it.
        knows: what it is told of a run, of "size", "D" (the training set), "E0" (the
            initial embeddings), "targets", "rates", "run" (the run itself until it is
            read), "test data", "other seeds", "other runs".
        applies: whether it says something of runs with this configuration.
        of_run: what it says of a run, by target (`rqi` for steps_to_rqi, and so on),
            from so many draws. It depends on the run alone, and is kept in the store.
        of_runs: what it says of runs that it needs together, beside what other
            predictors said of them; instead of `of_run`, never kept.
        gives: what its values are: steps, numbers that put runs in order, or the share
            that the target itself is; or a chance: none, it gives a probability alone.
        fitted: whether it has seen outcomes of other runs.
        draws: how many draws it makes for each that is asked for; 0: it draws nothing.
        code: packages or modules beside its own file that its numbers depend on.
    """

    name: str
    title: str
    knows: tuple[str, ...]
    applies: Callable[[Any], bool]
    of_run: OfRun | None = None
    of_runs: OfRuns | None = None
    gives: Literal["steps", "order", "share", "chance"] = "steps"
    fitted: bool = False
    draws: int = 0
    code: tuple[str, ...] = ("efftheory",)

    @property
    def version(self) -> str:
        """A digest of the code behind its numbers: those of other code are not
        taken.
        """
        function: Any = self.of_run or self.of_runs
        while isinstance(function, partial):
            function = function.func
        return digest((function.__code__.co_filename, *self.code))


@cache
def digest(code: tuple[str, ...]) -> str:
    """Of the text of files, of modules, and of all modules that stand in packages."""
    found = hashlib.sha256()
    for name in code:
        path = Path(name if name.endswith(".py") else str(import_module(name).__file__))
        files = sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]
        for file in files:
            found.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def on(*families: str) -> Callable[[Any], bool]:
    """Whether a configuration is of one of these families."""
    return lambda config: family_of(config).name in families


def of_sums(config: Any) -> bool:
    """Whether a run adds embeddings of the toy model: all that the theories of flow
    know.
    """
    return on("toy")(config) and config.operation != "s3"


def size_field(config: Any) -> str:
    """The field that says how much a run is trained on."""
    return "fraction" if hasattr(config, "fraction") else "n_train"


def targets_of(config: Any) -> tuple[str, ...]:
    """The thresholds that steps are counted to, as `steps_to_TARGET` has them; the
    first is that by which a run succeeds: RQI > 0.95, or else the highest for what it
    was not trained on.
    """
    metrics = family_of(config).METRICS
    names = [name.removeprefix("steps_to_") for metric in metrics for name in metric.crossings]
    success = next((name for name in names if name == "rqi"), [*metrics[1].crossings][-1].removeprefix("steps_to_"))
    return (success, *(name for name in names if name != success))
