"""What the theories of grokking propose to watch: measures of a run at one moment,
which foretell by their own theory's sign when it generalises. Nothing is fitted.

Read when the training set has just been learned, `NAME@memorised`, or at a fixed step,
`NAME@210`. A run that has got there by the last step that the value knows of is left
out: nothing is said of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from analysis.measures.networks import is_known
from analysis.measures.series import Series, measured, read
from analysis.predictors.predictor import Predictor, Run, Told
from neural import family_of

LEARNED = "steps_to_train_99"  # training accuracy .99, at which a run has memorised
MEMORISED = "memorised"
CODE = ("analysis.measures",)

Needs = Literal["nothing", "training data", "the task", "test data", "final network"]
_KNOWS = {
    "nothing": ("run",),
    "training data": ("run", "D"),
    "the task": ("run", "D", "task"),
    "test data": ("run", "D", "test data"),
    "final network": ("run", "D", "final network"),
}


@dataclass(frozen=True)
class Measure:
    """A number that a run has at a moment.

    Attributes:
        name: of its row.
        source: the theory that proposes it.
        needs: what one has to know to measure it, beside the weights: the last of these
            in the order in which they stand. "the task": what the network should find,
            such as its Fourier basis or the relevant bits. "final network": hindsight.
        larger: whether, by that theory, a run with more of it generalises sooner or
            later. What comes sooner with more of it must rise as a network generalises,
            and the other falls: `way`.
        scale: on which it moves.
        constant: known at the end of memorisation, and then once and for all.
    """

    name: str
    source: str
    needs: Needs
    larger: Literal["sooner", "later"]
    scale: Literal["linear", "log"] = "linear"
    constant: bool = False

    @property
    def sign(self) -> int:
        """What turns the value into a score that rises with the time."""
        return 1 if self.larger == "later" else -1

    @property
    def way(self) -> Literal["rises", "falls"]:
        """Which it does, by its theory, from memorisation to generalisation."""
        return "falls" if self.larger == "later" else "rises"


_NANDA, _CHUGHTAI, _BARAK = "Nanda 2301.05217", "Chughtai 2302.03025", "Barak 2207.08799"
_THILAK, _POWER, _NOTSAWO = "Thilak 2206.04817", "Power 2201.02177", "Notsawo 2306.13253"
MEASURES = (
    Measure("restricted loss, final keys", _NANDA, "final network", "later", "log"),
    Measure("excluded loss, final keys", _NANDA, "final network", "sooner", "log"),
    Measure("restricted loss, current keys", _NANDA, "test data", "later", "log"),
    Measure("excluded loss, current keys", _NANDA, "the task", "sooner", "log"),
    Measure("character correlation", _CHUGHTAI, "the task", "sooner"),
    Measure("Gini of the first layer", _NANDA, "the task", "sooner"),
    Measure("Gini of the output map", _NANDA, "the task", "sooner"),
    Measure("participation ratio", "Gromov 2301.02679", "the task", "sooner"),
    Measure("ring quality", "Liu 2205.10343", "the task", "sooner"),
    Measure("effective dimension", "Liu 2205.10343", "nothing", "later"),
    Measure("gradient gap", _BARAK, "the task", "sooner"),
    Measure("weight gap", _BARAK, "the task", "sooner"),
    Measure("largest change of a weight", _BARAK, "nothing", "sooner"),
    Measure("effective sparsity", "Merrill 2303.11873", "training data", "later"),
    # read at memorisation, the laws of delay rank as it does: 2603.13331, 2605.18845
    Measure("weight norm", "Liu 2210.01117", "nothing", "later", "log"),
    Measure("last layer's norm", _THILAK, "nothing", "sooner", "log"),
    Measure("slingshots", _THILAK, "training data", "sooner"),
    Measure("gradient norm", _POWER, "training data", "later", "log"),
    Measure("sharpness", _POWER, "training data", "later", "log"),
    Measure("Hjorth activity", _NOTSAWO, "training data", "sooner"),
    Measure("Hjorth mobility", _NOTSAWO, "training data", "later"),
    Measure("Hjorth complexity", _NOTSAWO, "training data", "later"),
    Measure("pattern's delay", "Davies 2303.06173", "test data", "later", constant=True),
    Measure("training loss", "none", "training data", "later", "log"),
    Measure("steps to memorise", "none", "training data", "later", constant=True),
    Measure("test loss", "none", "test data", "later", "log"),
    Measure("test accuracy", "none", "test data", "sooner"),
)
BY_NAME = {measure.name: measure for measure in MEASURES}
Reading = str | int  # MEMORISED, or a step


def predictors_at(reading: Reading) -> list[Predictor]:
    """A predictor a measure that can be read then."""
    when = "at memorisation" if reading == MEMORISED else f"at step {reading}"
    return [
        Predictor(
            name=f"{re.sub(r'[^a-z]+', '_', one.name.replace(chr(39), '').lower())}@{reading}",
            title=f"{one.name} {when}",
            knows=_KNOWS[one.needs],
            applies=is_known,
            of_run=partial(_told, one.name, reading),
            gives="order",
            code=CODE,
        )
        for one in MEASURES
        if reading == MEMORISED or not one.constant
    ]


def readings(run: Run, reading: Reading) -> dict[str, tuple[float, float]]:
    """Of each measure its value then, and the last step that this knows of."""
    step = step_of(run.row, reading)
    learned, early = (step, ()) if reading == MEMORISED else (math.nan, (step,))
    return read_all(measured(run.config, run.traces, learned, early=early), step)


def read_all(series: Series, step: float) -> dict[str, tuple[float, float]]:
    """What `readings` gives, of what has been measured already."""
    return {name: read(series, name, step) for name in BY_NAME}


def step_of(row: Mapping[str, Any], reading: Reading) -> float:
    """The step of a reading; nan for a run that does not memorise."""
    return float(row[LEARNED] if reading == MEMORISED else reading)


def memo_of(reading: Reading) -> str:
    """Where a run's memo has its `readings`."""
    return f"measures@{reading}"


def _told(name: str, reading: Reading, run: Run, draws: int) -> dict[str, Told]:
    """To the thresholds of what a run was not trained on."""
    step = step_of(run.row, reading)
    if not math.isfinite(step):
        return {}
    value, known_at = run.once(memo_of(reading), lambda: readings(run, reading))[name]
    said = {}
    for target in family_of(run.config).METRICS[1].crossings:
        score = math.nan if run.row[target] <= known_at else BY_NAME[name].sign * value
        said[target.removeprefix("steps_to_")] = Told(score, read_at=step)
    return said


PREDICTORS = predictors_at(MEMORISED)
