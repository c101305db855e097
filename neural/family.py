"""What a family of networks is: the little that the engine, the loop, the store and the
plans ask of one.

A family is a file in `families/`: a configuration, networks, data, and one plain class
like `Family`. docs/families.md shows how one is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Metric:
    """One number that is measured at every evaluation.

    Attributes:
        name: as in the traces and the store.
        kind: a share between 0 and 1, a loss (drawn on a logarithmic axis) or a size.
        crossings: thresholds by the name under which the first step at or above each is
            kept.
        strict: whether a threshold must be exceeded.
        record: the column in which it is kept at which steps it exceeded all it had
            been, so that the steps to any other threshold can be read off afterwards;
            none by default.
    """

    name: str
    kind: Literal["share", "loss", "size"]
    crossings: Mapping[str, float] = field(default_factory=dict)
    strict: bool = False
    record: str | None = None

    def reached(self, values: NDArray, threshold: float) -> NDArray[np.bool_]:
        """Where a threshold is."""
        return values > threshold if self.strict else values >= threshold


@dataclass(frozen=True)
class Group:
    """How the parameters of one group descend. All but beta2 may differ between the
    lanes of an ensemble.
    """

    learning_rate: float
    weight_decay: float = 0.0
    optimizer: Literal["adamw", "sgd"] = "adamw"
    warmup: int = 0
    """Updates over which the learning rate rises linearly; 0 and 1 are none."""
    beta2: float = 0.999
    """AdamW's second decay rate; at most this, where the engine's table of bias corrections is over."""
    epsilon: float = 1e-8
    """AdamW's, above 0."""
    decay_until: int | None = None
    """Updates after which weight decay is 0; None: never."""


@dataclass(frozen=True)
class Start:
    """Everything that a run starts with, all of it from the run's seed.

    Attributes:
        mask: bool (N,), the training set.
        model: an nn.Module with its initial weights.
        lane: what objective and evaluations need to know of this run. Numbers and truth
            values become the run's floating-point type, integers stay what they are.
        batch: what all updates descend on, in the form that the family's objective
            takes; of `batches` it only gives the form.
        batches: what the updates descend on, in turn, without end; None if all on
            `batch`.
        radius: the norm to which all weights together are scaled back after every
            update; 0 is free.
    """

    mask: NDArray[np.bool_]
    model: Any
    lane: dict[str, NDArray]
    batch: NDArray
    batches: Iterator[NDArray] | None = None
    radius: float = 0.0


Parameters = dict[str, Tensor]
Evaluation = tuple[Tensor, Tensor, Parameters]


def weight_norm(parameters: Parameters) -> Tensor:
    """Euclidean norm of all weights of each lane, every tensor counted once: (R,).

    Added up tensor by tensor: a sum over a stack of them is rounded by how many lanes
    there are.
    """
    total = torch.zeros((), device=next(iter(parameters.values())).device)
    for value in parameters.values():
        total = total + value.square().reshape(len(value), -1).sum(1)
    return total.sqrt()


class Family(Protocol):
    """One kind of experiment; an instance belongs to one shape of its runs, on one
    device. `neural.supervised.Supervised` has most of it.

    N: samples of the data set. R: lanes. Tensors of all lanes have a leading axis R.
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    METRICS: ClassVar[tuple[Metric, ...]]
    """The first says whether the training set is learned, the second whether the rest
    is: phases of learning compare the two."""
    ARRAYS: ClassVar[Mapping[str, Callable[[Any], NDArray]]]
    """What of a finished run, a History, stands in its row of the store."""
    COMPILES: ClassVar[bool]
    """Whether long runs are worth compiling: not those that unroll into thousands of
    operations."""

    def __init__(self, config: Any, device: str) -> None: ...

    @staticmethod
    def start(config: Any) -> Start:
        """Training set, weights, batches."""
        ...

    @staticmethod
    def groups(config: Any) -> dict[str, Group]:
        """How parameters descend, by the longest beginning of their names; "" is the
        rest.
        """
        ...

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """One lane: the loss that an update descends, and what an evaluation in the
        same pass needs.

        `lane` has what `Start.lane` has, and `step`: the number of updates so far,
        int64.
        """
        ...

    def evaluate(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Evaluation:
        """All lanes: metrics (R, len(METRICS)), which samples are right, bool (R, N),
        and tensors to keep.

        `outputs`: what `objective` gave beside the loss, None unless look_every is 1.
        What is kept goes to the checkpoints; where look_every is not 1 these have all
        weights instead.
        """
        ...

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """Whether nothing is left to measure, from the metrics of all evaluations."""
        ...

    @staticmethod
    def checkpoints(config: Any) -> NDArray[np.int64]:
        """The steps whose weights are kept; those of the last evaluation always are."""
        ...
