"""What a run leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neural._html import Line, page, plot
from neural.families import family_of

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class History:
    """One finished run. Index l of a trace is the state after steps[l] updates.

    Traces are attributes, too, and so are the steps to the thresholds of the family's
    metrics: `history.train_loss`, `history.steps_to_train`. These are the updates until
    a metric was first at its threshold, None if it was not within the budget.

    Attributes:
        config: the run's configuration.
        mask: bool (N,), the training set D.
        steps: int (L,), the states that were evaluated: the first, then every
            look_every updates.
        traces: float (L,) a metric of the family. Test values are nan if all samples
            are trained on.
        norms: float (L,) a tensor of weights: its Euclidean norm; empty where a family
            is evaluated at every step.
        checkpoint_steps: int (S,), the first and the last state always among them.
        checkpoints: (S, ...) each: the embeddings (toy model) or all weights, by name.
        correct: bool (N,), which samples the final network gets right.
        retired: whether the run ended before its budget because nothing was left to
            measure.
        compiled: whether it was trained by a compiled step; another one rounds
            otherwise.
    """

    config: Any
    mask: NDArray[np.bool_]
    steps: NDArray[np.int64]
    traces: dict[str, NDArray]
    norms: dict[str, NDArray]
    checkpoint_steps: NDArray[np.int64]
    checkpoints: dict[str, NDArray]
    correct: NDArray[np.bool_]
    retired: bool
    compiled: bool = False

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and "traces" in self.__dict__:
            if name in self.traces:
                return self.traces[name]
            for metric in family_of(self.config).METRICS:
                if name in metric.crossings:
                    return self.first_step(metric.reached(self.traces[metric.name], metric.crossings[name]))
        kind = type(self.__dict__.get("config")).__name__  # not self.config: a pickle asks before there is one
        raise AttributeError(f"a History of {kind} has no {name!r}")

    def __dir__(self) -> list[str]:
        steps = [name for metric in family_of(self.config).METRICS for name in metric.crossings]
        return [*super().__dir__(), *self.traces, *steps]

    def __repr__(self) -> str:
        config = self.config
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.traces.items())
        who = f"{family_of(config).name}, seed {config.seed}, trained on {config.n_train} of {config.n_samples} samples"
        return f"History({who}; after {self.steps_run} of {config.budget} steps: {last})"

    def _repr_html_(self) -> str:
        """With the curves of all that is a share."""
        config, metrics = self.config, family_of(self.config).METRICS
        retired = ", then nothing was left to measure" if self.retired else ""
        rows: list[tuple[str, Any]] = [
            ("seed", config.seed),
            ("trained on", f"{config.n_train} of {config.n_samples} samples"),
            ("steps", f"{self.steps_run} of {config.budget}{retired}"),
            ("accuracy of all samples", f"{self.accuracy:.4g}"),
        ]
        for metric in metrics:
            rows.append((f"{_plain(metric.name)} at the end", f"{self.traces[metric.name][-1]:.4g}"))
            for name, threshold in metric.crossings.items():
                step = getattr(self, name)
                sign = ">" if metric.strict else "≥"
                said = "not within the budget" if step is None else step
                rows.append((f"steps to {_plain(metric.name)} {sign} {threshold:g}", said))
        shares = [metric.name for metric in metrics if metric.kind == "share"]
        lines = [Line(_plain(name), self.steps, self.traces[name]) for name in shares]
        return page(f"A run of {family_of(config).name}", rows, plot(lines, "steps", "share"))

    def to_frame(self) -> DataFrame:
        """A row a state: `step`, the metrics, and the norm of each tensor of weights as
        `norm_NAME`, where the family has norms.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise ImportError("`to_frame` needs the package pandas; `traces` has the same as arrays.") from None
        norms = {f"norm_{name}": values for name, values in self.norms.items()}
        return DataFrame({"step": self.steps, **self.traces, **norms})

    def first_step(self, reached: NDArray[np.bool_]) -> int | None:
        """The step of the first state at which `reached` (L,) is True; None if none."""
        where = np.flatnonzero(reached)
        return int(self.steps[where[0]]) if len(where) else None

    @property
    def steps_run(self) -> int:
        """Updates that were made: the budget, or fewer where the run was retired."""
        return int(self.steps[-1])

    def record(self, name: str) -> tuple[list[int], list[float]]:
        """Steps at which a metric first exceeded all it had been, and its values there.

        The first step at which it is >= x is that of the first value >= x.
        """
        values = self.traces[name]
        best = np.maximum.accumulate(np.nan_to_num(values, nan=-1))
        risen = np.flatnonzero(np.diff(best, prepend=-1) > 0)
        return self.steps[risen].tolist(), [float(str(value)) for value in best[risen]]

    @property
    def accuracy(self) -> float:
        """Final accuracy over the whole data set, as the paper's ideal and predicted
        accuracy are.
        """
        return float(self.correct.mean())

    def summary(self) -> dict[str, Any]:
        """The run in plain numbers, for a JSON file or a row of a table; None stands
        for not reached and for undefined.
        """
        metrics = family_of(self.config).METRICS
        last = {metric.name: self.traces[metric.name][-1] for metric in metrics}
        return {
            **{name: getattr(self, name) for metric in metrics for name in metric.crossings},
            "steps_run": self.steps_run,
            "retired": self.retired,
            "accuracy": self.accuracy,
            # by their shortest decimal form: float32's 0.9 is no 0.8999999761581421
            **{name: float(str(value)) if np.isfinite(value) else None for name, value in last.items()},
        }


def _plain(name: str) -> str:
    return name.replace("_", " ")
