"""What is known of one training run of anybody's: its curves, and its settings as far
as somebody said them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efftheory._html import Line, page, plot

MEMORISED, GENERALISED = 0.99, 0.90  # shares of the samples, as the published runs have them
_GONE = 3  # looks without a loss at the end of a log that has not one at every look


@dataclass(frozen=True, kw_only=True)
class Log:
    """A run's log.

    Attributes:
        name: the row or seed of its file.
        steps: (S,), ascending.
        curves: (S,) each, nan where nothing was logged: `train_accuracy`,
            `test_accuracy`, `train_loss`, `test_loss`, `weight_norm` and whatever else
            there is, under the names it was logged with.
        settings: what is known of `p`, `fraction`, `weight_decay`, `learning_rate`,
            `n_train`, `budget` and others.
        source: the file it came from.
        memorised: the train accuracy at which a run has memorised.
        generalised: the test accuracy at which it has generalised.
    """

    name: str
    steps: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    memorised: float = MEMORISED
    generalised: float = GENERALISED

    def until(self, step: float) -> Log:
        """The log as it was at a step: nothing of what comes later."""
        n = int(np.searchsorted(self.steps, step, "right"))
        return replace(self, steps=self.steps[:n], curves={name: curve[:n] for name, curve in self.curves.items()})

    @property
    def memorised_at(self) -> float | None:
        """The first logged step with that train accuracy; None: not so far."""
        return self._first(self._curve("train_accuracy") >= self.memorised)

    @property
    def generalised_at(self) -> float | None:
        """The first logged step with both accuracies, of training the last one that was
        logged by then; None: not so far.
        """
        train, test = self._curve("train_accuracy"), self._curve("test_accuracy")
        train = train[np.maximum.accumulate(np.where(np.isnan(train), 0, np.arange(len(train))))]
        return self._first(
            (test >= self.generalised) & ((train >= self.memorised) | ("train_accuracy" not in self.curves))
        )

    @property
    def diverged_at(self) -> float | None:
        """The first logged step from which on there is no finite loss, of training or
        test; None: not so far. It takes _GONE looks without one, where looks before it
        had none of training either.
        """
        train, test = (np.isfinite(self._curve(name)) for name in ("train_loss", "test_loss"))
        known = train if train.any() else test
        if not known.any():
            return None
        gone = int(np.flatnonzero(known)[-1]) + 1
        least = 1 if known[:gone].all() else _GONE
        return None if len(known) - gone < least or test[gone:].any() else float(self.steps[gone])

    def _repr_html_(self) -> str:
        """Its settings, and its accuracies as a picture, for a notebook."""
        rows = [*self.settings.items(), ("steps logged", f"{len(self.steps)}")]
        rows += [("memorised at", self.memorised_at), ("generalised at", self.generalised_at)]
        names = [name for name in ("train_accuracy", "test_accuracy") if name in self.curves]
        lines = [Line(name.replace("_", " "), self.steps, self.curves[name]) for name in names]
        return page(f"run {self.name}", rows, plot(lines, "steps", "share"))

    def _curve(self, name: str) -> NDArray[np.float64]:
        return self.curves.get(name, np.full(len(self.steps), np.nan))

    def _first(self, there: NDArray[np.bool_]) -> float | None:
        return float(self.steps[there.argmax()]) if there.any() else None
