"""The page of the range."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from analysis.decoder_range.scores import Ratios, Score
from analysis.report.files import table
from analysis.report.words import seed_range, short, with_span


@dataclass(frozen=True)
class Report:
    """The scores, and what they are of.

    Attributes:
        setups: a score a set-up.
        shared: by name, what the runs of each set-up share (the fields of `RunConfig`)
            and their training-set `sizes`.
        environment: what the numbers were made with.
    """

    setups: list[Score]
    shared: dict[str, dict[str, Any]]
    environment: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """As report.json has it: the fields of a calibration stand beside those of its
        score.
        """
        report = asdict(self)
        for entry in report["setups"]:
            entry |= entry.pop("calibration") | {"ratios": entry.pop("ratios")}
        return report


def page_rows(rows: list[Score]) -> list[dict[str, Any]]:
    """The table of the page."""

    def ratio(ratios: Ratios) -> str:
        if ratios.quartiles is None:
            return f"- ({ratios.n_measured}, {ratios.n_predicted})"
        low, middle, high = ratios.quartiles
        return f"{with_span(middle, (low, high))} ({ratios.n_both})"

    return [
        {
            "set-up": row.setup,
            "seeds": seed_range(row.seeds),
            "n": row.calibration.n,
            "succeed": f"{row.calibration.mean_measured:.2f}",
            "predicted": f"{row.calibration.mean_predicted:.2f}",
            "AUC": short(row.auc),
            "Brier": f"{row.calibration.brier:.3f}",
            "constant's": f"{row.calibration.brier_base_rate:.3f}",
            "steps to RQI > 0.95": ratio(row.ratios.rqi),
            "to train 0.9": ratio(row.ratios.train),
            "to test 0.9": ratio(row.ratios.test),
        }
        for row in rows
    ]


def page(report: Report) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# How far the theory with a decoder holds",
        f"`{report.environment['command']}`",
        "Success is RQI > 0.95 within the budget; the theory's probability is the share of draws of the decoder's "
        "initial weights. Brier: mean squared error of that probability, beside that of always saying the measured "
        "share. Steps: measured over predicted, median [quartiles] (runs that get there in both); in brackets alone: "
        "how many get there in measurement, in theory.",
        table(page_rows(report.setups)),
        "The theory is the one that remembers (`efftheory.memory`). Learning rates 1e-3 and 1e-4, 10,000 "
        "steps, unless the set-up says otherwise (report.json has each in full).",
    ]
