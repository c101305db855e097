"""How well the theory foretells success and times of one set-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.scores.calibration import Calibration, calibrate
from analysis.scores.concordance import compare_pairs
from analysis.scores.entries import number
from analysis.theory.decoder_theory import Outlook


@dataclass(frozen=True)
class Ratios:
    """Measured over predicted steps to one target, the predicted ones the median over
    the draws.

    Attributes:
        quartiles: of the ratio, (3,), over the runs that get there in both; None: in no
            run.
        n_both: how many runs do, in measurement and in theory.
        n_measured: how many in measurement.
        n_predicted: how many in theory.
    """

    quartiles: list[float] | None
    n_both: int
    n_measured: int
    n_predicted: int


@dataclass(frozen=True)
class RatiosByTarget:
    """The ratios of the steps to RQI > 0.95, train and test accuracy 0.9."""

    rqi: Ratios
    train: Ratios
    test: Ratios


@dataclass(frozen=True)
class Score:
    """Success (RQI > 0.95 within the budget) and times of one set-up.

    Attributes:
        setup: its name.
        seeds: of its runs, ascending.
        draws: of the decoder's initial weights, behind each probability.
        auc: the chance that a run that succeeds has a larger predicted probability than
            one that does not; None: all runs do alike.
        calibration: of the predicted probabilities. report.json has its fields beside
            these.
        ratios: measured over predicted steps.
    """

    setup: str
    seeds: list[int]
    draws: int
    auc: float | None
    calibration: Calibration
    ratios: RatiosByTarget


def score(name: str, runs: pd.DataFrame, theory: list[Outlook], draws: int) -> Score:
    """Of the set-up `name`: its runs, and what the theory says of each of them."""
    success = runs["steps_to_rqi"].notna().to_numpy()
    chance = np.array([one.success for one in theory])
    order = compare_pairs(~success, success, -chance)
    return Score(
        setup=name,
        seeds=sorted(set(runs["seed"].tolist())),
        draws=draws,
        auc=number(order.index(np.ones((1, len(success))))[0]),
        calibration=calibrate(chance, success),
        ratios=RatiosByTarget(
            rqi=_ratios(runs, theory, "rqi"),
            train=_ratios(runs, theory, "train"),
            test=_ratios(runs, theory, "test"),
        ),
    )


def _ratios(runs: pd.DataFrame, theory: list[Outlook], target: str) -> Ratios:
    measured = runs[f"steps_to_{target}"].fillna(np.inf).to_numpy(float)
    predicted = np.array([one.median(target) for one in theory])
    both = np.isfinite(measured) & np.isfinite(predicted) & (predicted > 0)
    quartiles = np.quantile(measured[both] / predicted[both], [0.25, 0.5, 0.75]) if both.any() else None
    return Ratios(
        quartiles=None if quartiles is None else quartiles.tolist(),
        n_both=int(both.sum()),
        n_measured=int(np.isfinite(measured).sum()),
        n_predicted=int(np.isfinite(predicted).sum()),
    )
