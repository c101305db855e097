"""A student learns what a teacher says: two perceptrons of one shape, the student's
initial weights too large or too small.

Source: Liu, Michaud and Tegmark, "Omnigrok: Grokking Beyond Algorithmic Data", section
3.1: 5-100-100-5 with tanh, the teacher with the usual initial weights, the student with
alpha times such weights of its own; 100 training inputs, normal (0, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call, vmap

from neural.config import check, option
from neural.family import Group, Looked, Metric, Parameters, Start, weight_norm
from neural.perceptron import Perceptron
from neural.samples import check_looks, initial_norm, logarithmic, means_of_parts

# A sample is right where the mean square distance of its outputs to the teacher's is
# below one of these. The paper's text has the first, its code the second.
ERRORS = {"01": 0.01, "001": 0.001}
_SHARE = 0.95  # of samples that are right: the paper's threshold


@dataclass(frozen=True)
class TeacherConfig:
    """One training run of a student: 5-100-100-5, tanh, 100 training inputs, by
    default.
    """

    n_train: int = 100
    """Training inputs; the same seed's smaller sets are parts of its larger ones."""
    n_test: int = 100
    """Test inputs."""
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the teacher, the inputs and the student's initial weights."""
    n_inputs: int = 5
    """Numbers that the networks see."""
    n_outputs: int = 5
    """Numbers that they give."""
    width: int = 100
    """Width of the hidden layers, of both."""
    depth: int = 3
    """Layers of weights, of both."""
    init_scale: Annotated[float, tyro.conf.arg(aliases=["--alpha"])] = option(
        1.0, above=True, mixed=True, aliases=("alpha",), label="initial scale of all weights"
    )
    """What all the student's initial weights are multiplied by."""
    learning_rate: float = option(3e-4, above=True, mixed=True, aliases=("lr",))
    """Learning rate, per step."""
    weight_decay: float = option(0.05, mixed=True, aliases=("wd",))
    """Weight decay (decoupled)."""
    optimizer: Literal["adamw", "sgd"] = option("adamw", mixed=True)
    """AdamW, or plain SGD without momentum."""
    constrained: bool = False
    """Scale all weights together back to their initial norm after every update."""
    look_every: int = 20
    """Updates between two measurements, and so the resolution of the steps to a threshold."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = option(
        10_000, mixed=True, aliases=("steps",), label="budget (steps)"
    )
    """Number of updates after which a threshold that was not crossed is censored; a multiple of look_every."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    checkpoints: int = option(0, 0, mixed=True)
    """How many times all weights are kept in an octave of steps; the first and the last
    always are."""

    def __post_init__(self) -> None:
        check(self)
        check_looks(self)

    @property
    def n_samples(self) -> int:
        """Inputs of this run."""
        return self.n_train + self.n_test

    @property
    def widths(self) -> list[int]:
        """Of the inputs, each hidden layer, and the outputs."""
        return [self.n_inputs, *[self.width] * (self.depth - 1), self.n_outputs]


def samples(config: TeacherConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inputs (N, n_inputs), the training inputs first, and what the teacher says,
    (N, n_outputs). Independent streams: runs of one seed that differ in `n_train` or
    `n_test` share a teacher, nested training sets and nested test sets.
    """
    streams = np.random.SeedSequence([config.seed, config.n_inputs, config.n_outputs]).spawn(4)
    parts = [
        np.random.default_rng(stream).normal(size=(n, config.n_inputs))
        for stream, n in zip(streams, (config.n_train, config.n_test), strict=False)
    ]
    x = np.concatenate(parts).astype(np.float32)
    teacher = _drawn(config, streams[2], 1.0)
    with torch.no_grad():
        return x, teacher(torch.as_tensor(x)).numpy()


def _drawn(config: TeacherConfig, stream: np.random.SeedSequence, scale: float) -> Perceptron:
    model = Perceptron(config.widths, torch.tanh)
    with torch.no_grad():
        model.draw(torch.Generator().manual_seed(int(stream.generate_state(1)[0])), scale)
    return model


def start(config: TeacherConfig) -> Start:
    """Runs of one seed share the student's initial weights, but for their scale."""
    x, y = samples(config)
    streams = np.random.SeedSequence([config.seed, config.n_inputs, config.n_outputs]).spawn(4)
    model = _drawn(config, streams[3], config.init_scale)
    return Start(
        mask=np.arange(config.n_samples) < config.n_train,
        model=model,
        lane={"x": x, "y": y},
        batch=np.arange(config.n_train),
        radius=initial_norm(model) if config.constrained else 0.0,
    )


class Teacher:
    """The family of students and teachers. All updates descend on the whole training
    set.
    """

    name: ClassVar[str] = "teacher"
    Config: ClassVar[type] = TeacherConfig
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric("train_accuracy", "share", {"steps_to_train": _SHARE}, record="train_record"),
        Metric("test_accuracy", "share", {"steps_to_test": _SHARE}, record="test_record"),
        Metric("train_accuracy_01", "share", {"steps_to_train_01": _SHARE}, record="train_record_01"),
        Metric("test_accuracy_01", "share", {"steps_to_test_01": _SHARE}, record="test_record_01"),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
        Metric("weight_norm", "size"),
        Metric("last_norm", "size"),
    )
    LEARNED: ClassVar[str] = "train_accuracy"
    GENERALISED: ClassVar[str] = "test_accuracy"
    SETTLED: ClassVar[int] = 10
    ARRAYS: ClassVar[tuple[str, ...]] = ()
    COMPILES: ClassVar[bool] = True

    start = staticmethod(start)

    def __init__(self, config: TeacherConfig, device: str):
        self.look_every, self.constrained = config.look_every, config.constrained
        self._n_train = config.n_train
        with torch.device("meta"):  # its own weights are never used
            self._model = Perceptron(config.widths, torch.tanh)

    @staticmethod
    def groups(config: TeacherConfig) -> dict[str, Group]:
        return {"all": Group(config.learning_rate, config.weight_decay, config.optimizer)}

    @staticmethod
    def group(parameter: str) -> str:
        return "all"

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean square distance over the training set."""
        x, y = lane["x"][: self._n_train], lane["y"][: self._n_train]
        return (functional_call(self._model, parameters, (x,)) - y).square().mean(), ()

    def look(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Looked:
        """Over all inputs; a sample is right where its mean square distance is below
        0.001 (the paper's code) or 0.01 (its text).
        """
        outputs = vmap(lambda one, x: functional_call(self._model, one, (x,)))(parameters, lanes["x"])
        errors = (outputs - lanes["y"]).square().mean(2)  # (R, N)
        mask = (torch.arange(errors.shape[1], device=errors.device) < self._n_train).to(errors.dtype).expand_as(errors)
        near = {name: (errors < limit).to(errors.dtype) for name, limit in ERRORS.items()}
        shares = [*means_of_parts(near["001"], mask), *means_of_parts(near["01"], mask), *means_of_parts(errors, mask)]
        last = {name: value for name, value in parameters.items() if name.startswith("last")}
        return torch.stack([*shares, weight_norm(parameters), weight_norm(last)], dim=1), near["001"] > 0, {}

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """All learned, and both thresholds of the test inputs behind."""
        return bool((traces["train_accuracy"] == 1).all() and (traces["test_accuracy"] >= _SHARE).all())

    @staticmethod
    def checkpoints(config: TeacherConfig) -> NDArray[np.int64]:
        return logarithmic(config.look_every, config.budget, config.checkpoints)

    @staticmethod
    def arrays(history: Any) -> dict[str, NDArray]:
        return {}

    @staticmethod
    def n_parameters(config: TeacherConfig) -> int:
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(config.widths))

    @staticmethod
    def operations(config: TeacherConfig) -> float:
        """Products forward and backward over the training set, without the gradient of
        the inputs; forward of all samples at a look; AdamW.
        """
        layers = [n_in * n_out for n_in, n_out in pairwise(config.widths)]
        each = (3 * sum(layers) - layers[0]) * config.n_train + sum(layers) * config.n_samples / config.look_every
        return 2 * each + 14 * Teacher.n_parameters(config)

    @staticmethod
    def product(config: TeacherConfig) -> tuple[int, int]:
        return config.n_train, config.width
