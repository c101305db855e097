"""The page of the constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis._report import table
from analysis._words import with_span
from analysis.decoder_constants.weights import BAND
from efftheory.decoder import COHERENCE


@dataclass(frozen=True)
class Report:
    """What report.json has.

    Attributes:
        band: between which shares of the initial loss a look counts.
        coherence_of_the_theory: what the theory takes it as, for every network.
        shapes: the rows of `summary`, numbers as text.
        looks: a row a look: the `shape` and `seed` of its network, and the fields of
            `ComparedLook`.
        environment: what the numbers were made with.
    """

    band: tuple[float, float]
    coherence_of_the_theory: float
    shapes: list[dict[str, Any]]
    looks: list[dict[str, Any]]
    environment: dict[str, Any]


def page(report: Report) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# The decoder's weights in early training",
        f"`{report.environment['command']}`",
        f"Networks whose loss lies between {BAND[0]:g} and {BAND[1]:g} of the initial one; medians over looks at them, "
        f"[quartiles]. The theory takes the coherence as {COHERENCE:.2f} for every network; the path of the weights it "
        "derives from the optimiser. Not one number hangs on whether a run succeeds.",
        table(report.shapes),
        "![weights](weights.png)",
    ]


def summary(looks: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a shape: medians over the looks in the band, hidden layers and the output's
    apart.
    """
    rows = []
    in_band = looks[looks["loss_share"].between(*BAND)]
    for name, group in in_band.groupby("shape", sort=False):
        last = group["layer"] == group["layer"].max()
        hidden = group[~last]
        low, middle, high = hidden["coherence"].quantile([0.25, 0.5, 0.75])
        rows.append(
            {
                "network": name,
                "looks": len(hidden),
                "coherence": with_span(middle, (low, high)),
                "path / tau": f"{hidden['path'].median():.2f}",
                "predicted": f"{hidden['path_predicted'].median():.2f}",
                "outputs' path / tau": f"{group[last]['path'].median():.2f}",
                "outputs' predicted": f"{group[last]['path_predicted'].median():.2f}",
                "growth, measured / predicted": f"{_growth(hidden).median():.2f}",
                "loss, measured / predicted": f"{(hidden['loss'] / hidden['loss_predicted']).median():.3f}",
            }
        )
    return rows


def _growth(looks: pd.DataFrame) -> pd.Series:
    """Of the preactivations' variance: coherence times squared path."""
    return looks["coherence"] * looks["path"] ** 2 / (COHERENCE * looks["path_predicted"] ** 2)
