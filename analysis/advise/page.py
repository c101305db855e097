"""The page of the advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.advise.candidates import DEFAULT, Candidate
from analysis.advise.outcomes import Goal
from analysis.advise.rows import Row
from analysis.advise.samples import LIKELY, Size
from analysis.advise.search import CALIBRATION_ERROR, Round
from analysis.advise.trained import Arm, Check
from analysis.report.files import table
from analysis.report.words import TARGETS_IN_WORDS, judged, surely_below, with_span


@dataclass(frozen=True)
class Report:
    """What report.json has.

    Attributes:
        advice: the advised way to train, and what is predicted of it.
        default: the same of the default rates.
        finalists: all candidates of the last round, best first.
        rounds: how many candidates were tried on how many runs.
        samples: predicted success over the number of training samples.
        needed: from which size on success is likely, as advised and by default; None:
            at none of those tried.
        goal: what counts as success, beside train accuracy 0.9.
        network: the fields of `RunConfig` that are not advised.
        check: trained networks; None: none were.
        sentence: the advice in words.
        environment: what the numbers were made with.
    """

    advice: Row
    default: Row
    finalists: list[Row]
    rounds: list[Round]
    samples: list[Size]
    needed: dict[str, int | None]
    goal: Goal
    network: dict[str, Any]
    check: Check | None
    sentence: str
    environment: dict[str, Any]


def in_words(one: Candidate) -> str:
    """The way to train, as an order."""
    said = f"learning rates {one.repr_lr:g} of the embeddings and {one.decoder_lr:g} of the decoder"
    if one.decoder_warmup > 1:
        said += f", which warms up over {one.decoder_warmup:,} steps"
    if one.decoder_wd:
        said += f"; weight decay {one.decoder_wd:g} of the decoder"
    return said


def sentence(advice: Row, default: Row, needed: dict[str, int | None], largest: int, n_train: int) -> str:
    """The advice in words, with what is predicted of it; `largest`: the size of the
    largest training sets that were tried.
    """
    kept = advice.candidate == DEFAULT
    takes = {name: f"more than {largest}" if size is None else f"about {size}" for name, size in needed.items()}
    samples = f"A share of {LIKELY:g} takes {takes['advised']} samples"
    samples += "." if kept else f" as advised, {takes['default']} by default."
    if not advice.success.value:
        return f"No advice: of {advice.success.draws} runs none is predicted to succeed. {samples}"
    order = "Keep the default rates:" if kept else "Train with"
    success = with_span(advice.success.value, advice.success.interval)
    said = (
        f"{order} {in_words(advice.candidate)}. {success} of the runs are predicted to succeed with {n_train} samples"
    )
    if not kept:
        said += f", {with_span(default.success.value, default.success.interval)} with the default rates"
    unlikely = " Nothing that was tried makes success likely." if surely_below(0.5, advice.success.interval) else ""
    return f"{said}.{unlikely} {samples}"


def page_rows(report: Report) -> list[dict[str, Any]]:
    """The table of the page: the advice, the default, then the others."""
    chosen = {report.advice.candidate: "advice"}
    chosen[DEFAULT] = "advice: the default" if DEFAULT in chosen else "default"
    others = [row for row in report.finalists if row.candidate not in chosen]
    first = [report.advice] if report.advice.candidate == DEFAULT else [report.advice, report.default]
    return [
        {
            "": chosen.get(row.candidate, ""),
            "eta_r": f"{row.candidate.repr_lr:g}",
            "eta_d": f"{row.candidate.decoder_lr:g}",
            "warm-up": row.candidate.decoder_warmup,
            "decay": f"{row.candidate.decoder_wd:g}",
            "success": with_span(row.success.value, row.success.interval),
        }
        | _steps(row)
        for row in [*first, *others]
    ]


def _steps(row: Row) -> dict[str, Any]:
    return {
        "steps to it": _number(row.steps),
        "to RQI > 0.95": _number(row.rqi),
        "to train 0.9": _number(row.train),
        "to test 0.9": _number(row.test),
    }


def _number(steps: float) -> str | None:
    return f"{steps:,.0f}" if steps < float("inf") else None


def check_rows(report: Report, check: Check) -> list[dict[str, Any]]:
    """The table of the trained runs."""

    def row(name: str, arm: Arm, beforehand: Row) -> dict[str, Any]:
        entry = {
            "trained": name,
            "success": with_span(arm.row.success.value, arm.row.success.interval),
            "predicted": with_span(beforehand.success.value, beforehand.success.interval),
            "of these sets": f"{arm.predicted:.2f}",
            "RQI": f"{arm.rqi.value:.2f}",
            "train": f"{arm.train.value:.2f}",
            "test": f"{arm.test.value:.2f}",
        }
        return entry | _steps(arm.row)

    return [
        row("as advised", check.advised, report.advice),
        row("default rates", check.default, report.default),
    ]


def verdict(check: Check) -> str:
    """Whether the advice helped."""
    gain = check.gain
    if check.advised.row.candidate == DEFAULT:
        return "The advice is to keep the default rates, so there is nothing to compare."
    numbers = f"{with_span(gain.value, gain.interval, '+.2f')} of the share that succeeds"
    pairs = f"{gain.gained} of {gain.n} runs succeed only as advised, {gain.lost} only with the default rates"
    said = judged(
        gain.interval,
        (0, 0),
        below="The advice harmed",
        above="The advice helped",
        otherwise="These runs do not show that the advice helps, or harms",
    )
    return f"{said}: {numbers}; {pairs}."


def page(report: Report) -> list[str]:
    """The paragraphs of report.md."""
    network = report.network
    kinds = {"s3": "S3", "addition": f"addition of 0..{network['p'] - 1}"}
    what = kinds.get(network["operation"], f"the table {network['operation']} of {network['p']} symbols")
    given = "the given" if network["samples"] else "random"
    goal = TARGETS_IN_WORDS[report.goal]
    last = report.rounds[-1]
    tried = ", ".join(f"{one.candidates} ways to train on {one.seeds} runs" for one in report.rounds)
    parts = [
        "# Advice",
        f"`{report.environment['command']}`",
        report.sentence,
        f"For {what} with {network['n_train']} samples ({given} training sets) and {network['budget']:,} steps; "
        f"success is {goal} and train accuracy 0.9, both within them. By the theory, without training a network.",
        table(page_rows(report)),
        f"Shares with exact 95 % intervals over {last.seeds} imagined runs, the same for all; median steps (a dash: "
        "most do not get there). The error of the theory comes on top: on 200 other networks, whose targets it did "
        f"not know, its probabilities were off by {CALIBRATION_ERROR:g} on average.",
        f"Tried: {tried}, each round the best of the one before, the last one on runs of its own. Of those less than "
        f"{CALIBRATION_ERROR:g} below the best that cannot be told from it by their paired difference, the quickest is "
        "advised.",
        "![success over training samples](samples.png)",
        "Predicted success over the number of samples in random training sets, with 95 % bands; dotted: the share of "
        "sets that leave one linear representation.",
    ]
    if report.check is None:
        return parts
    first, end = report.check.seeds
    return [
        *parts,
        "## The check",
        f"{report.check.gain.n} networks trained in each way (seeds {first} to {end}), the same training sets and "
        "initial weights. Predicted: as above, and of these very training sets and initial embeddings.",
        table(check_rows(report, report.check)),
        verdict(report.check),
    ]
