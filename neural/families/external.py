"""Runs that others trained, of which the store has what their logs say. They are read,
listed, scored and shown as those of families are; nothing here can train them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from neural.config import ConfigError, check, option
from neural.family import Family, Metric, Start

MEMORISED, GENERALISED = 0.99, 0.90  # as the published runs have them


@dataclass(frozen=True)
class ExternalConfig:
    """One run in somebody's log: where it stands, and as much of its settings as the
    log says.
    """

    file: str = ""
    """The log's folder and name."""
    name: str = ""
    """Which run of the file it is."""
    content: str = ""
    """A digest of all that was logged, and of the settings."""
    p: int | None = None
    """The modulus, or another size of the task."""
    operation: str = ""
    """What is learned."""
    fraction: float | None = None
    """The share of the samples that is trained on."""
    n_train: int | None = None
    """Training samples."""
    n_test: int | None = None
    """Test samples."""
    learning_rate: float | None = option(None, aliases=("lr",))
    """Learning rate."""
    weight_decay: float | None = option(None, aliases=("wd",))
    """Weight decay."""
    optimizer: str = ""
    """Optimiser."""
    batch_size: int | None = None
    """Samples an update."""
    others: str = option("", label="other settings")
    """All other settings, NAME=VALUE NAME=VALUE."""
    seed: int = option(0, 0)
    """The run's seed, or its number in the file."""
    budget: int = option(1, 0, label="budget (steps)")
    """Steps after which a threshold that was not crossed is censored."""
    dtype: ClassVar = "float64"

    def __post_init__(self) -> None:
        check(self)


class External(Family):
    """The family of runs that others trained."""

    name: ClassVar = "external"
    Config: ClassVar = ExternalConfig
    METRICS: ClassVar = (
        Metric("train_accuracy", "share", {"steps_to_train": MEMORISED}, record="train_record"),
        Metric("test_accuracy", "share", {"steps_to_test": GENERALISED}, record="test_record"),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
        Metric("weight_norm", "size"),
    )
    ARRAYS: ClassVar[Mapping[str, Callable[[Any], NDArray]]] = {}
    COMPILES: ClassVar = False

    @staticmethod
    def start(config: Any) -> Start:
        """ConfigError: there is nothing to train."""
        raise ConfigError(f"`configs` must be runs that can be trained, but {config.file} is a log of somebody else's.")
