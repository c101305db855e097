"""How well the theory foretells success and times of one set-up."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from analysis.statistics.calibration import calibrate
from analysis.statistics.concordance import compare_pairs
from analysis.statistics.entries import number
from analysis.theory.decoder_theory import Outlook


def score(name: str, runs: pd.DataFrame, theory: list[Outlook], draws: int) -> dict[str, Any]:
    """Success (RQI > 0.95 within the budget) and times of one set-up.

    `ratios`: measured over predicted steps, the predicted ones the median over the draws: quartiles and how many runs
    got there in both.
    """
    success = runs["steps_to_rqi"].notna().to_numpy()
    chance = np.array([one.success for one in theory])
    order = compare_pairs(~success, success, -chance)
    ratios = {}
    for target in ("rqi", "train", "test"):
        measured = runs[f"steps_to_{target}"].fillna(np.inf).to_numpy(float)
        predicted = np.array([one.median(target) for one in theory])
        both = np.isfinite(measured) & np.isfinite(predicted) & (predicted > 0)
        quartiles = np.quantile(measured[both] / predicted[both], [0.25, 0.5, 0.75]) if both.any() else None
        ratios[target] = {
            "quartiles": None if quartiles is None else quartiles.tolist(),
            "n_both": int(both.sum()),
            "n_measured": int(np.isfinite(measured).sum()),
            "n_predicted": int(np.isfinite(predicted).sum()),
        }
    auc = number(order.index(np.ones((1, len(success))))[0])
    return {"setup": name, "draws": draws, "auc": auc, **asdict(calibrate(chance, success)), "ratios": ratios}
