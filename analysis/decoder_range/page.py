"""The page of the range."""

from __future__ import annotations

from typing import Any

from analysis._report import table
from analysis._words import short, with_span


def page_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table of the page."""

    def ratio(entry: dict[str, Any]) -> str:
        if entry["quartiles"] is None:
            return f"- ({entry['n_measured']}, {entry['n_predicted']})"
        low, middle, high = entry["quartiles"]
        return f"{with_span(middle, (low, high))} ({entry['n_both']})"

    return [
        {
            "set-up": row["setup"],
            "n": row["n"],
            "succeed": f"{row['mean_measured']:.2f}",
            "predicted": f"{row['mean_predicted']:.2f}",
            "AUC": short(row["auc"]),
            "Brier": f"{row['brier']:.3f}",
            "constant's": f"{row['brier_base_rate']:.3f}",
            "steps to RQI > 0.95": ratio(row["ratios"]["rqi"]),
            "to train 0.9": ratio(row["ratios"]["train"]),
            "to test 0.9": ratio(row["ratios"]["test"]),
        }
        for row in rows
    ]


def page(report: dict[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# How far the theory with a decoder holds",
        f"`{report['environment']['command']}`",
        "Success is RQI > 0.95 within the budget; the theory's probability is the share of draws of the decoder's "
        "initial function. Brier: mean squared error of that probability, beside that of always saying the measured "
        "share. Steps: measured over predicted, median [quartiles] (runs that get there in both); in brackets alone: "
        "how many get there in measurement, in theory.",
        table(page_rows(report["setups"])),
        "The theory does not know mini-batches and the L1 penalty of S3, takes the cross-entropy as quadratic around "
        "its start, and lets no growth of the weights sharpen a ReLU decoder. Learning rates 1e-3 and 1e-4, 10,000 "
        "steps, unless the set-up says otherwise (report.json has each in full).",
    ]
