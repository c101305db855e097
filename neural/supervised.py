"""What most families share: networks that learn to give answers, on samples of which
some are trained on.

A family of this kind is a class of `Supervised` with a name, a configuration, a network
and data; what else is its own, it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field
from operator import itemgetter
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap

from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD
from neural.family import Evaluation, Group, Metric, Parameters, Start, weight_norm

Optimizer = Literal["adamw", "sgd"]
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained. A family that has another default declares the field
    again, see `again`; one that has no use for it declares it as a ClassVar.
    """

    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes all that is random."""
    init_scale: float = option(1.0, above=True, mixed=True, aliases=("alpha",), label="initial scale of all weights")
    """What all initial weights are multiplied by."""
    learning_rate: float = option(1e-3, above=True, mixed=True, aliases=("lr",))
    """Learning rate, per step."""
    weight_decay: float = option(0.0, mixed=True, aliases=("wd",))
    """Weight decay (decoupled)."""
    optimizer: Optimizer = option("adamw", mixed=True)
    """AdamW, or plain SGD without momentum."""
    batch_size: int | None = option(None, label="batch size (samples)")
    """Samples an update, through the training set in an order that is new each epoch; None is all of it."""
    constrained: bool = False
    """Scale all weights together back to their initial norm after every update."""
    look_every: int = 20
    """Updates between two measurements, and so the resolution of the steps to a threshold."""
    budget: int = option(10_000, mixed=True, aliases=("steps",), label="budget (steps)")
    """Number of updates after which a threshold that was not crossed is censored; a multiple of look_every."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    checkpoints: int = option(0, 0, mixed=True)
    """How many times all weights are kept in an octave of steps; the first and the last
    always are."""

    def __post_init__(self) -> None:
        check(self)
        n_train = self.n_train  # pyright: ignore[reportAttributeAccessIssue]
        if self.batch_size is not None and self.batch_size > n_train:
            raise ConfigError(f"`batch_size` must be at most n_train = {n_train}, but is {self.batch_size}.")
        if self.look_every < 2:
            raise ConfigError(f"`look_every` must be an integer of at least 2, but is {self.look_every}.")
        if self.budget % self.look_every:
            raise ConfigError(f"`budget` must be a multiple of look_every = {self.look_every}, but is {self.budget}.")

    @property
    def n_samples(self) -> int:
        """Samples that are measured; without test samples of their own these are
        another number.
        """
        return self.n_train + self.n_test  # pyright: ignore[reportAttributeAccessIssue]

    def check_enough(self, there: int, name: str = "", of: str = "") -> None:
        """See that there are so many samples, as a rule called `name` or `of` says.

        Raises:
            ConfigError: there are not.
        """
        if self.n_samples > there:
            most = f"{name}{there:,} together{of}"
            raise ConfigError(f"`n_train` and `n_test` must be at most {most}, but are {self.n_samples:,}.")


def again(name: str, default: Any = MISSING) -> Any:
    """A field of TrainingConfig with another text or default."""
    known: Field[Any] = TrainingConfig.__dataclass_fields__[name]
    return field(default=known.default if default is MISSING else default, metadata=known.metadata)


def usual_metrics(*sizes: str, share: str = "accuracy", **thresholds: float) -> tuple[Metric, ...]:
    """Shares of right answers, losses, the norm of all weights, and other sizes. The
    names of thresholds begin with steps_to_train or steps_to_test, which are usual.
    """
    usual = {"steps_to_train": ACCURACY_THRESHOLD, "steps_to_test": ACCURACY_THRESHOLD}
    ascending = sorted((usual | thresholds).items(), key=itemgetter(1))

    def of(part: str) -> Metric:
        crossings = {name: value for name, value in ascending if name.startswith(f"steps_to_{part}")}
        return Metric(f"{part}_{share}", "share", crossings, record=f"{part}_record")

    return (
        *(of("train"), of("test")),
        *(Metric(name, "loss") for name in ("train_loss", "test_loss")),
        *(Metric(name, "size") for name in ("weight_norm", *sizes)),
    )


@dataclass(frozen=True)
class Data:
    """What a run learns.

    Attributes:
        mask: bool (N,), the training set.
        lane: arrays of this run alone: x (N, ...) and y (N, ...), inputs and answers,
            unless the family's `samples` takes others.
        weights: what the initial weights are drawn from; by default the seed alone.
        batches: what the order of mini-batches is drawn from, likewise.

    Lists and tensors become arrays.
    """

    mask: NDArray[np.bool_]
    lane: dict[str, NDArray]
    weights: np.random.SeedSequence | None = None
    batches: np.random.SeedSequence | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", np.asarray(self.mask))
        object.__setattr__(self, "lane", {name: np.asarray(array) for name, array in self.lane.items()})


class Supervised:
    """A family but for its name, configuration (a TrainingConfig), `network` and
    `data`. A batch is int64 (B,): which of its own samples an update of a run descends
    on.

    Unless a family says otherwise answers are classes: cross-entropy of outputs (B, C).
    """

    name: ClassVar[str]
    Config: ClassVar[type]
    METRICS: ClassVar[tuple[Metric, ...]] = usual_metrics()
    ARRAYS: ClassVar[Mapping[str, Any]] = {}
    COMPILES: ClassVar[bool] = True
    SETTLED: ClassVar[int] = 10
    """Through how many evaluations a run must have been done to end early; 0: it never does."""
    SCALED: ClassVar[bool] = False
    """Whether `network` draws its weights with init_scale, or is to be multiplied by it."""

    @staticmethod
    def network(config: Any) -> nn.Module:
        """With its initial weights, drawn from torch's generator (the run's while this
        is called).
        """
        raise NotImplementedError

    @staticmethod
    def data(config: Any) -> Data:
        """The samples of a run."""
        raise NotImplementedError

    @staticmethod
    def tables(config: Any) -> dict[str, NDArray]:
        """Arrays that all runs of this shape read, tensors in `self.shared`."""
        return {}

    def __init__(self, config: Any, device: str):
        kind = self.dtype = getattr(torch, config.dtype)
        self.config = config
        # its own weights are never used
        self.model = initial_weights(lambda: self.network(config), np.random.SeedSequence(0)).to(device, kind)
        self.shared = {
            name: torch.as_tensor(array, device=device, dtype=None if np.issubdtype(array.dtype, np.integer) else kind)
            for name, array in self.tables(config).items()
        }

    def samples(self, lane: Parameters, batch: Tensor | None) -> tuple[Any, Tensor]:
        """One lane: inputs of the network (a tensor, or several) and answers of a
        batch, or of all samples.
        """
        x, y = lane["x"], lane["y"]
        return (x, y) if batch is None else (x[batch], y[batch])

    def outputs(self, parameters: Parameters, x: Any, lane: Parameters | None) -> Tensor:
        """Of the network. `lane`: that of an update, for noise (`neural.dropout`) from
        its step and from a number of the run's own; None in an evaluation.
        """
        return functional_call(self.model, parameters, x)

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Of each sample, (B,)."""
        return outputs.logsumexp(1) - outputs.gather(1, _classes(y)[:, None])[:, 0]

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Of a batch: what an update descends."""
        return self.losses(outputs, y).mean()

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Which answers are right, bool (B,)."""
        return outputs.argmax(1) == _classes(y)

    def measure(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        """Of each sample, (N,) each: whether it is right, bool, and its loss. METRICS
        begin with the means of each over training and test samples.
        """
        losses = self.losses(outputs, y)
        if losses.shape != y.shape[:1]:
            raise ConfigError(
                f"`losses` must give a number a sample, {tuple(y.shape[:1])}, but gives {tuple(losses.shape)}."
            )
        return self.right(outputs, y) & losses.isfinite(), losses

    def sizes(self, parameters: Parameters, lanes: Parameters) -> list[Tensor]:
        """The metrics that no sample has, (R,) each: here the norm of all weights, and
        `last_norm` of the last layer where METRICS have it.
        """
        last = {name: value for name, value in parameters.items() if name.startswith("last")}
        more = [weight_norm(last)] if any(metric.name == "last_norm" for metric in self.METRICS) else []
        return [weight_norm(parameters), *more]

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean loss over the batch."""
        x, y = self.samples(lane, batch)
        return self.loss(self.outputs(parameters | self._buffers(lane), x, lane), y), ()

    def evaluate(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Evaluation:
        """Over all samples of each run; test values are 0/0 = nan where there are
        none.
        """
        correct, *rest = vmap(self._measured)(parameters, lanes)
        values = [correct.to(lanes["mask"].dtype), *rest]
        means = [mean for value in values for mean in means_of_parts(value, lanes["mask"])]
        return torch.stack([*means, *self.sizes(parameters, lanes)], dim=1), correct, {}

    def _measured(self, parameters: Parameters, lane: Parameters) -> tuple[Tensor, ...]:
        def outputs(weights: Parameters) -> Tensor:
            return self.outputs(weights | self._buffers(lane), x, None)

        x, y = self.samples(lane, None)
        if any(isinstance(layer, nn.RNNBase) for layer in self.model.modules()):
            # as for a gradient: else torch has no rule for them
            return self.measure(vjp(outputs, parameters)[0], y)
        return self.measure(outputs(parameters), y)

    def _buffers(self, lane: Parameters) -> Parameters:
        """The network's, of one lane: of whole numbers and truth values the types that
        lanes do not have.
        """
        return {name: lane[f"buffer {name}"].to(value.dtype) for name, value in self.model.named_buffers()}

    @classmethod
    def start(cls, config: Any) -> Start:
        """Runs that the family's `data` gives the same streams share weights."""
        data = cls.data(config)
        if not isinstance(data, Data):
            raise ConfigError(f"`data` must make a Data, but makes {type(data).__name__}.")
        streams = np.random.SeedSequence(config.seed).spawn(2)
        weights, batches = data.weights or streams[0], data.batches or streams[1]
        model = initial_weights(lambda: cls.network(config), weights)
        cls._check_start(config, data, model)
        if not cls.SCALED:
            with torch.no_grad():
                for value in model.parameters():
                    value.mul_(config.init_scale)
        buffers = {f"buffer {name}": value.numpy() for name, value in model.named_buffers()}
        trained = np.flatnonzero(data.mask)
        return Start(
            mask=data.mask,
            model=model,
            lane={"mask": data.mask, **data.lane, **buffers},
            batch=trained[: config.batch_size],
            batches=config.batch_size and index_batches(trained, config.batch_size, np.random.default_rng(batches)),
            radius=initial_norm(model) if config.constrained else 0.0,
        )

    @classmethod
    def _check_start(cls, config: Any, data: Data, model: nn.Module) -> None:
        mask, n, n_train = data.mask, config.n_samples, config.n_train
        if mask.dtype != np.bool_ or mask.shape != (n,) or np.count_nonzero(mask) != n_train:
            raise ConfigError(
                f"`data` must have a bool `mask` of n_samples = {n} with n_train = {n_train} true, but has "
                f"{np.count_nonzero(mask)} of {mask.dtype} {mask.shape}."
            )
        for name, array in data.lane.items():
            kind = f"{array.dtype} {array.shape}"
            if name in ("x", "y") and array.shape[:1] != (n,):
                raise ConfigError(f"`data` must have n_samples = {n} rows in `{name}`, but has {kind}.")
            if array.dtype.kind not in "biuf":
                raise ConfigError(f"`data` must have numbers in `{name}`, but has {kind}.")
        weights = list(model.parameters()) if isinstance(model, nn.Module) else []
        if not weights or any(isinstance(value, nn.UninitializedParameter) for value in weights):
            raise ConfigError("`network` must make a module with weights, all of them of known sizes.")

    @staticmethod
    def groups(config: Any) -> dict[str, Group]:
        return {"": Group(config.learning_rate, config.weight_decay, config.optimizer)}

    @classmethod
    def settled(cls, traces: Mapping[str, NDArray]) -> bool:
        """All learned, and every threshold of the test samples behind, through the last
        SETTLED evaluations.
        """
        learned, generalised = cls.METRICS[:2]
        train, test = (traces[metric.name][-cls.SETTLED :] for metric in (learned, generalised))
        behind = (test >= max(generalised.crossings.values())) | np.isnan(test)
        return 0 < cls.SETTLED <= len(train) and bool((train == 1).all() and behind.all())

    @staticmethod
    def checkpoints(config: Any) -> NDArray[np.int64]:
        """0 and about `config.checkpoints` multiples of look_every an octave of steps;
        0 alone without.
        """
        if not config.checkpoints:
            return np.zeros(1, np.int64)
        evaluations = config.budget / config.look_every
        n = round(config.checkpoints * np.log2(max(evaluations, 1))) + 1
        times = np.geomspace(config.look_every, config.budget, max(n, 1)) / config.look_every
        return np.concatenate([[0], np.unique(np.round(times).astype(np.int64)) * config.look_every])


def _classes(y: Tensor) -> Tensor:
    if y.is_floating_point():
        need = "must be the number of a class, an integer, where a family has no `losses` and `right` of its own"
        raise ConfigError(f"`y` {need}, but is {y.dtype}.")
    return y


def initial_weights(make: Callable[[], Network], stream: np.random.SeedSequence) -> Network:
    """What `make` makes while torch's generator is that of a stream."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream.generate_state(1)[0]))
        return make()


def nested(config: Any, there: int) -> tuple[NDArray[np.int64], dict[str, Any]]:
    """The training and the test samples of a run, n_train + n_test of `there`, and the
    rest of its `Data`. Streams are from the seed and `there` alone: runs that differ in
    another field share test samples and have nested training sets.
    """
    drawn, weights, batches = np.random.SeedSequence([config.seed, there]).spawn(3)
    order = np.random.default_rng(drawn).permutation(there)
    chosen = np.concatenate([order[: config.n_train], order[there - config.n_test :]])
    return chosen, {"mask": np.arange(len(chosen)) < config.n_train, "weights": weights, "batches": batches}


def index_batches(trained: NDArray[np.int64], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Batches of one size without end, from epochs in random order; one may hold the
    end of an epoch and the beginning of the next.
    """
    waiting = np.zeros(0, dtype=np.int64)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(trained)])
        yield waiting[:size]
        waiting = waiting[size:]


def means_of_parts(values: Tensor, mask: Tensor) -> list[Tensor]:
    """Of values (R, N): the means (R,) over the samples that `mask` (R, N) has at 1,
    and over the others; 0/0 = nan where there are none.
    """
    return [(values * part).sum(1) / part.sum(1) for part in (mask, 1 - mask)]


def initial_norm(model: nn.Module) -> float:
    """Euclidean norm of all weights together, in float64, as long as the run's numbers
    may be.
    """
    with torch.no_grad():
        return float(torch.stack([value.double().square().sum() for value in model.parameters()]).sum().sqrt())
