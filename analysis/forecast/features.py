"""What the forecast reads off a log: numbers without a unit, so that networks, tasks
and rates of any size are alike. Steps count as ln(step + 1), losses and norms as
logarithms, accuracies as logits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.logs.log import Log

OCTAVES = (0.5, 1.0, 2.0, 3.0)  # of steps, over which a curve's change is taken
LINES = OCTAVES[:-1]  # of these, those over which a line is drawn onwards
NAMES = (
    *("loss.now", "loss.below_peak", "loss.since_peak", "loss.peak"),
    *("train.loss", "train.accuracy", "train.since_memorised"),
    *("accuracy.now", "accuracy.risen", "norm.below_peak"),
    *(f"{curve}.change{octaves:g}" for curve in ("loss", "train", "accuracy", "norm") for octaves in OCTAVES),
    *(f"{curve}.line{octaves:g}" for curve in ("loss", "accuracy") for octaves in LINES),
)
_FEWEST = 3  # looks of a curve
_SHARE, _LOSS = 1e-3, 1e-9  # what is less counts as this
_STEEPEST, _FLATTEST = 1e-2, 1e3  # how much longer lines can take
_ARRIVED = float(np.log(_STEEPEST))


class _Curve:
    """A curve over ln(step + 1), which is smoothed over an eighth of an octave."""

    def __init__(self, log: Log, name: str) -> None:
        values = log.curves.get(name, np.full(len(log.steps), np.nan))
        there = np.isfinite(values)
        self.x, self.y = np.log(log.steps[there] + 1), values[there]
        if name.endswith("accuracy"):
            self.y = logit(self.y)
        else:
            self.y = np.log(np.maximum(self.y, _LOSS))
        self.now = np.log(log.steps[-1] + 1)

    def __len__(self) -> int:
        return len(self.x)

    def ago(self, octaves: float = 0.0) -> float:
        """Its value when there were 2^octaves times fewer steps."""
        x = self.now - octaves * np.log(2)
        first, last = np.searchsorted(self.x, [x - np.log(2) / 16, x + np.log(2) / 16])
        return float(self.y[first:last].mean() if last > first else np.interp(x, self.x, self.y))


def logit(share: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """ln(s / (1 - s)), of shares within [.001, .999]."""
    inside = np.clip(share, _SHARE, 1 - _SHARE)
    return np.log(inside / (1 - inside))


def features(log: Log) -> NDArray[np.float64]:
    """Of a log as it is, (len(NAMES),); nan where it does not say."""
    found: dict[str, float] = {}
    curves = {"loss": "test_loss", "train": "train_loss", "accuracy": "test_accuracy", "norm": "weight_norm"}
    for short, name in curves.items():
        curve = _Curve(log, name)
        if len(curve) < _FEWEST:
            continue
        for octaves in OCTAVES:
            found[f"{short}.change{octaves:g}"] = curve.ago() - curve.ago(octaves)
        if short in ("loss", "norm"):
            found[f"{short}.below_peak"] = curve.y.max() - curve.ago()
        if short == "loss":
            found["loss.now"], found["loss.peak"] = curve.ago() - curve.y[0], curve.y.max() - curve.y[0]
            found["loss.since_peak"] = curve.now - curve.x[curve.y.argmax()]
            for octaves in LINES:  # to a loss of zero, in units of that now
                found[f"loss.line{octaves:g}"] = _onwards(1.0, np.expm1(-found[f"loss.change{octaves:g}"]), octaves)
        if short == "train":
            found["train.loss"] = curve.ago() - curve.y[0]
        if short == "accuracy":
            found["accuracy.now"], found["accuracy.risen"] = curve.ago(), curve.ago() - curve.y[0]
            way = float(logit(log.generalised)) - curve.ago()
            for octaves in LINES:
                found[f"accuracy.line{octaves:g}"] = _onwards(way, found[f"accuracy.change{octaves:g}"], octaves)
    if len(shares := _Curve(log, "train_accuracy")) >= _FEWEST:
        found["train.accuracy"], at = shares.ago(), log.memorised_at
        found["train.since_memorised"] = -1.0 if at is None else shares.now - np.log(at + 1)
    return np.array([found.get(name, np.nan) for name in NAMES])


def _onwards(way: float, gained: float, octaves: float) -> float:
    """ln of how much longer a straight line through the last octaves takes to go all
    the way, in units of the steps so far.
    """
    if way <= 0:
        return _ARRIVED
    speed = np.clip(gained / (1 - 2.0**-octaves), way / _FLATTEST, way / _STEEPEST)
    return float(np.log(way / speed))
