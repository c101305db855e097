"""The page of a landscape."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.landscape.setups import Landscape
from analysis.report.files import table


def rows(summary: pd.DataFrame, size: str) -> list[dict[str, Any]]:
    """The table of the page."""
    return [
        {
            size: f"{row[size]:g}",
            "steps": f"{row['step']:,}",
            "kind": row["kind"],
            "alpha of the least test loss": f"{row['alpha_c']:.2f} [{row['lowest']:.2f}, {row['highest']:.2f}]",
            "that loss": f"{row['least_test_loss']:.2g}",
            "left wall": f"{row['left_wall']:.3g}x",
            "right wall": f"{row['right_wall']:.3g}x",
            "training loss, alpha = 1": f"{row['train_loss_at_1']:.2g}",
            "largest alpha": f"{row['train_loss_at_largest']:.2g}",
        }
        for row in summary.to_dict("records")
    ]


def page(plan: Landscape, summary: pd.DataFrame, command: str) -> list[str]:
    """The paragraphs of report.md."""
    size = plan.sizes.field
    parts = [
        f"# {plan.title}: landscape",
        f"`{command}`",
        f"Networks whose weights are scaled back to their initial norm, alpha times the usual one, after every "
        f"update: {len(plan.scales.values)} alphas, {len(plan.sizes.values)} data sizes, {plan.seeds} seeds "
        f"from {plan.first_seed} on, "
        f"{plan.base.budget:,} steps, without weight decay. The paper expects an L of the training loss in alpha and "
        "a U of the test loss.",
        "![curves](curves.png)",
        "At the largest data size: medians of the seeds, and their range.",
    ]
    if len(plan.sizes.values) > 1:
        parts += [
            "![contours](contours.png)",
            "A: the usual norm and few data; B: too large a norm and as few data; C: as large a norm and most data.",
        ]
    return [
        *parts,
        table(rows(summary, size)),
        "alpha of the least test loss: median of the seeds [lowest, highest]. Walls: how many times the least test "
        "loss it is at the smallest and at the largest alpha. final: after so many steps. best: at the look until "
        "then at which the training loss was least (the test set selects nothing).",
    ]
