"""The page of the experiment: sets, networks and pairs in words and tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from analysis.design_experiment.designs import DesignScore, Estimate, Pair, order
from analysis.report.files import table
from analysis.report.words import TARGETS_IN_WORDS, with_span


@dataclass(frozen=True)
class Report:
    """The numbers and what they say.

    Attributes:
        verdict: sentences.
        designs: a score a setting and design.
        pairs: of designs, in each setting.
        runs: see `run_entries`.
        seeds, first_seed: how many a setting, and the first of them.
        budget: steps.
        environment: what the numbers were made with.
    """

    verdict: list[str]
    designs: list[DesignScore]
    pairs: list[Pair]
    runs: list[dict[str, Any]]
    seeds: int
    first_seed: int
    budget: int
    environment: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """As report.json has it: a `test` that means nothing is left out."""
        report = asdict(self)
        for score in report["designs"]:
            if score["test"] is None:
                del score["test"]
        return report


def page(report: Report) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# Training sets by design",
        f"`{report.environment['command']}`",
        f"{report.seeds} seeds from {report.first_seed} on, "
        f"{report.budget:,} steps. The networks of one seed and size share their targets "
        "and all initial weights, and differ in their training sets alone: fast (searched for the largest lambda_3), "
        "wide (for the largest ideal accuracy, of equals the largest lambda_3), random, slow (searched for the "
        "smallest that leaves only the linear representation). A run that did not get there within the budget is "
        "censored. Intervals are 95 %, over seeds: where all seeds have one set, they say nothing of another one of "
        "the design.",
        "## Verdict",
        "\n".join(f"- {sentence}" for sentence in report.verdict),
        "What is tested is the choice of the set, by lambda_3: sets that differ in it also differ in what else they "
        "teach, as the ideal accuracy shows.",
        "## The sets, and what the theories say of them",
        "Sets: how many different ones. lambda_3: quartiles. Ideal accuracy: the mean. Steps to RQI > 0.95: medians; a "
        "dash means that most runs are predicted never to get there, by the theory with a decoder within the budget. "
        "Z0/(lambda_3 eta) is an e-folding time: RQI needs several.",
        table([_set_row(entry) for entry in report.designs]),
        "## What the networks did",
        "Shares within the budget with exact intervals, the share that the theory with a decoder had predicted, and "
        "Kaplan-Meier medians of the steps over all runs with intervals (a dash: beyond the budget).",
        table([_run_row(entry) for entry in report.designs]),
        "Accuracies at the end, means with bootstrap intervals.",
        table([_accuracy_row(entry) for entry in report.designs]),
        "## Seed by seed",
        "First: seeds in which the first of the pair was earlier at RQI > 0.95, the second, and neither. Wanted: seeds "
        "in which the first set does have the larger lambda_3. Share: of the first among the seeds that were decided, "
        "with its exact interval (above 0.5: as the theory says). Ratio: median steps of the second over those of the "
        "first. Gains of the first over the second, bootstrap intervals over the seeds. All intervals of a column of "
        "this table hold at once at 95 %.",
        table(pair_rows(report)),
        "![survival](survival.png)",
        "Share of runs that are not there yet (Kaplan-Meier, with 95 % bands).",
        "![lambda_3](lambda3.png)",
        "Steps to RQI > 0.95 against lambda_3 of the training set; open: not within the budget; on the left edge: "
        "no unique linear representation.",
    ]


def _setting(entry: DesignScore | Pair) -> dict[str, str]:
    return {
        "size": str(entry.n_train), "eta_r": f"{entry.repr_lr:g}", "eta_d": f"{entry.decoder_lr:g}"
    }  # fmt: skip


def _set_row(entry: DesignScore) -> dict[str, Any]:
    steps = entry.predicted_steps
    low, high = entry.nullity
    return {
        **_setting(entry),
        "design": entry.design,
        "sets": entry.n_sets,
        "lambda_3": " / ".join(f"{value:.3g}" for value in entry.lambda3),
        "n_0": str(low) if low == high else f"{low} to {high}",
        "ideal accuracy": f"{entry.ideal_accuracy:.2f}",
        "Z0/(lambda_3 eta)": _steps(steps.inverse_lambda3),
        "exact gradient flow": _steps(steps.exact_flow),
        "with a decoder": _steps(steps.memory_flow),
    }


def _steps(steps: float | None) -> str | None:
    return None if steps is None else f"{steps:.0f}"


def _run_row(entry: DesignScore) -> dict[str, Any]:
    row: dict[str, Any] = {**_setting(entry), "design": entry.design}
    for target, reached in {"rqi": entry.rqi, "train": entry.train, "test": entry.test}.items():
        name = TARGETS_IN_WORDS[target]
        row[name] = reached and with_span(reached.share, reached.interval)
        if target == "rqi":
            row["predicted"] = f"{entry.predicted_success:.2f}"
        row[f"steps to {name}"] = reached and with_span(reached.median_steps, reached.median_interval, ".0f")
    return row


def _accuracy_row(entry: DesignScore) -> dict[str, Any]:
    means = {"train": entry.train_accuracy, "test": entry.test_accuracy, "all samples": entry.accuracy}
    accuracies = {title: with_span(mean.mean, mean.interval, ".3f") for title, mean in means.items()}
    return {**_setting(entry), "design": entry.design, **accuracies, "ideal": f"{entry.ideal_accuracy:.3f}"}


def pair_rows(report: Report) -> list[dict[str, Any]]:
    """The table of the pairs."""
    rows = []
    for pair in report.pairs:
        ratio, decided = pair.ratio, pair.earlier + pair.later
        rows.append(
            {
                **_setting(pair),
                "pair": f"{pair.first}, {pair.second}",
                "first / second / neither": f"{pair.earlier} / {pair.later} / {pair.equal}",
                "wanted": f"{pair.ordered} of {pair.n}",
                "share": with_span(pair.earlier / decided, pair.interval) if decided else None,
                "order": order(pair),
                "ratio": with_span(ratio.value, ratio.interval, ".2f"),
                "successes": _gain(pair.gain.success),
                "test accuracy": _gain(pair.gain.test_accuracy),
                "accuracy": _gain(pair.gain.accuracy),
            }
        )
    return rows


def _gain(gain: Estimate) -> str:
    return with_span(gain.mean, gain.interval, "+.2f")
