"""The page that a person reads: a comparison as words and text tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.compare_theory.outcomes import Accuracy, SuccessShare
from analysis.compare_theory.predictors import NAMES, NULL_MODEL, PREDICTORS
from analysis.compare_theory.report import Comparison
from analysis.compare_theory.success import BASELINE, FITTED, BrierDifference, Irreducible, SuccessScore
from analysis.compare_theory.times import GradientFlowScore, MedianSteps, StepsScore, TimeScore
from analysis.compare_theory.verdict import RIGHT_TIME, SUCCESS_NAMES
from analysis.report.files import table
from analysis.report.words import TARGETS_IN_WORDS, seed_range, short, span, with_span
from analysis.runs.tables import MIN_TEST_SAMPLES, Setting
from analysis.scores.bootstrap import MIN_OBSERVED
from analysis.scores.calibration import N_BINS

# What each predictor knows of a run.
_KNOWS: list[dict[str, str]] = [
    dict(zip(("predictor", "D", "E0", "targets", "rates", "fitted"), row, strict=True))
    for row in (
        (NAMES["training_fraction"], "size", "-", "-", "-", "-"),
        (NAMES["inverse_lambda3"], "yes", "norm", "-", "eta_r", "-"),
        (NAMES["exact_flow"], "yes", "yes", "-", "eta_r", "-"),
        (NAMES["optimizer_flow"], "yes", "yes", "-", "eta_r", "-"),
        (NAMES["memory_flow_blind"], "yes", "yes", "-", "both", "-"),
        (NAMES["memory_flow"], "yes", "yes", "yes", "both", "-"),
        (SUCCESS_NAMES["linear_probability"], "size", "-", "-", "-", "-"),
        (SUCCESS_NAMES["share_by_size"], "size", "-", "-", "-", "other seeds"),
        ("logistic of one of the times", "as it", "as it", "-", "eta_r", "other seeds"),
    )
]


def page(report: Comparison, decoder_draws: int, environment: Mapping[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    seeds = seed_range(run["seed"] for run in report.runs)
    return [
        "# Theory against networks",
        f"`{environment['command']}`",
        f"{len(report.runs)} runs, seeds {seeds}. A run that did not reach a threshold within its budget is censored "
        "there, never counted as having reached it at the last step. Intervals are 95 %.",
        "## What agrees and what does not",
        "\n".join(f"- {sentence}" for sentence in report.verdict),
        "## What each predictor knows",
        "D: the training set; E0: the initial embedding; fitted: to the outcomes of the other seeds at the same "
        "rates. None knows the decoder's initial weights; with cross-entropy the targets are no secret. Steps are "
        "those to RQI > 0.95, whatever the target; the theories with a decoder have steps of their own to each "
        f"accuracy. The {NAMES['memory_flow']} also knows the batch size and the L1 penalty on the embeddings. "
        "Runs that reached no threshold, or diverged, are failures and censored for all predictors alike; a run that "
        "was ended early because it had reached them all is no different from another.",
        table(_KNOWS),
        "## Order and size of the times",
        "Concordance: the chance that of two runs the theory names the one that takes longer; 0.5 = no "
        "information. Gain: the difference to the null model, which knows only the size |D| (intervals hold "
        "for all other predictors at once). Ratio: measured over predicted steps, Kaplan-Meier quartiles over "
        "all runs with a finite prediction (a dash: beyond the budget); seen: the median of those alone that "
        "got there, the faster ones; Z0 = p-1: the median in the paper's units, a standardised embedding, "
        "instead of the run's own Z0. Unpredicted: runs that got there though the theory says never "
        "(optimiser-aware flow, theories with a decoder: not within the budget). n: reached/all. Z0/(lambda_3 eta) is "
        "an e-folding time: RQI needs several. Times are of the right size if all of the median ratio's interval lies "
        f"within {RIGHT_TIME[0]}..{RIGHT_TIME[1]}, too early if all of it is above, too late if below, else not "
        "certain. The target test accuracy leaves out sizes with fewer than "
        f"{MIN_TEST_SAMPLES} test samples; intervals need {MIN_OBSERVED} runs that got there.",
        table(time_rows(report.time)),
        "![concordance](concordance.png)",
        "![times](times.png)",
        "## Median steps",
        "Kaplan-Meier medians; a dash means that more than half of the runs did not get there within the budget, or "
        "are predicted not to.",
        table(_median_rows(report.medians)),
        "![survival](survival.png)",
        "## Who succeeds",
        table(_probability_rows(report.probability)),
        "![probability](probability.png)",
        "### Run by run",
        "AUC: the chance that of a run that succeeded and one that failed the former was given the higher "
        f"probability (intervals need {MIN_OBSERVED} of either). Brier: mean squared error of the probability; "
        f"- logistic: less that of the {SUCCESS_NAMES[BASELINE]} on the same runs. Error: of calibration, mean |said - "
        f"did| over {N_BINS} bins of equal width, weighted by their runs. Intervals are a bootstrap of training sets; "
        "what is fitted is not fitted again. The probability of a theory with a decoder is the share of "
        f"{decoder_draws} draws a run (blind: twice as many); with more its Brier score would be "
        "lower. Within one size a share that leaves the run's own seed out is lower for "
        "successes: it cannot order them.",
        table(_success_rows(report.success, len(report.calibration) > 1)),
        "![reliability](reliability.png)",
        "Brier score of each theory with a decoder minus that of another predictor on the same runs, the bootstrap the "
        "same: below 0 it is better.",
        table(_difference_rows(report.brier_differences, len(report.calibration) > 1)),
        *_irreducible(report.irreducible),
        "## Accuracy",
        "Share of D0 that the network gets right at the end, against what the theory reads off the trained "
        "embedding (predicted) and off the training set alone (ideal).",
        table(_accuracy_rows(report.accuracy)),
        "![accuracy](accuracy.png)",
        "## Made with",
        "\n".join(f"- {name}: {_plain(value)}" for name, value in environment.items()),
    ]


def time_rows(time: list[TimeScore]) -> list[dict[str, Any]]:
    rows = []
    for entry in time:
        ratio = entry.ratio if isinstance(entry, StepsScore) else None
        standard = entry.ratio_standardized if isinstance(entry, GradientFlowScore) else None
        quartiles = [ratio.lower_quartile, ratio.median, ratio.upper_quartile] if ratio else [None] * 3
        rows.append(
            {
                **_rates(entry),
                "target": TARGETS_IN_WORDS[entry.target],
                "predictor": NAMES[entry.predictor],
                "concordance": _with_interval(entry.c_index, entry.interval),
                "gain": _interval(entry.gain_over_null_interval),
                "within size": _with_interval(entry.c_index_within_size, entry.interval_within_size),
                "ratio": " / ".join(short(value) for value in quartiles),
                "seen": short(ratio.observed_only[1] if ratio else None),
                "Z0 = p-1": short(standard.median if standard else None),
                "unpredicted": entry.n_reached_though_not_predicted if isinstance(entry, StepsScore) else "-",
                "n": f"{entry.n_observed}/{entry.n}",
            }
        )
    return rows


def _median_rows(medians: list[MedianSteps]) -> list[dict[str, Any]]:
    return [
        {
            **_rates(entry),
            "size": entry.n_train,
            "target": TARGETS_IN_WORDS[entry.target],
            "reached": f"{entry.n_observed}/{entry.n}",
            "median steps": _with_interval(entry.median, entry.interval, ".0f"),
            **{
                NAMES[name]: short(getattr(entry, f"predicted_median_{name}"), ".0f")
                for name in PREDICTORS
                if name != NULL_MODEL
            },
        }
        for entry in medians
    ]


def _probability_rows(probability: list[SuccessShare]) -> list[dict[str, Any]]:
    return [
        {
            **_rates(entry),
            "size": entry.n_train,
            "P(linear)": _with_interval(entry.predicted, entry.predicted_interval, ".3f"),
            "these sets": short(entry.runs_linear),
            "RQI > 0.95": _with_interval(entry.measured, entry.measured_interval, ".3f"),
            "n": entry.n,
        }
        for entry in probability
    ]


def _success_rows(success: list[SuccessScore], several: bool) -> list[dict[str, Any]]:
    return [
        {
            **_rates(entry),
            "predictor": SUCCESS_NAMES[entry.predictor],
            "AUC": _with_interval(entry.auc, entry.auc_interval),
            "Brier": _with_interval(entry.brier, entry.brier_interval, ".3f"),
            "- logistic": _interval(entry.brier_minus_baseline_interval, "+.3f"),
            "error": short(entry.calibration_error),
            "said": short(entry.mean_predicted),
            "did": short(entry.mean_measured),
            "n": entry.n,
        }
        for entry in success
        if several or entry.repr_lr is not None
    ]


def _difference_rows(differences: list[BrierDifference], several: bool) -> list[dict[str, Any]]:
    """A row a setting and theory, a column a predictor that it is held against."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    columns = {name: f"- {SUCCESS_NAMES[name]}" for name in FITTED}
    for entry in differences:
        if several or entry.repr_lr is not None:
            row = rows.setdefault(
                (entry.repr_lr, entry.decoder_lr, entry.predictor),
                {**_rates(entry), "predictor": SUCCESS_NAMES[entry.predictor]} | dict.fromkeys(columns.values(), "-"),
            )
            row[columns[entry.minus]] = with_span(entry.difference, entry.interval, "+.3f")
    return list(rows.values())


def _irreducible(irreducible: list[Irreducible]) -> list[str]:
    if not irreducible:
        return []
    rows = [
        {
            **_rates(entry),
            "irreducible Brier": _with_interval(entry.brier, entry.brier_interval, ".3f"),
            "AUC by replicas": _with_interval(entry.by_replicas.auc, entry.by_replicas.auc_interval),
            "Brier by replicas": _with_interval(entry.by_replicas.brier, entry.by_replicas.brier_interval, ".3f"),
            "n": entry.n,
        }
        for entry in irreducible
    ]
    return [
        f"Each of these runs was trained {irreducible[0].n_replicas} times, with another decoder each time. "
        "Irreducible: the mean of p (1 - p), which is the Brier score of a predictor that knows all but the decoder's "
        "initial weights. By replicas: the first one's success foretold by the share of the others.",
        table(rows),
    ]


def _rates(entry: Setting) -> dict[str, str]:
    rates = {"eta_r": entry.repr_lr, "eta_d": entry.decoder_lr}
    return {name: "all" if rate is None else f"{rate:g}" for name, rate in rates.items()}


def _accuracy_rows(accuracy: Accuracy) -> list[dict[str, Any]]:
    return [
        {
            **_rates(entry),
            "against": name,
            "correlation": _with_interval(found.pearson_r, found.pearson_r_interval),
            "mean absolute error": short(found.mean_absolute_error, ".3f"),
            "mean error": short(found.mean_error, "+.3f"),
            "network above": f"{found.n_accuracy_above}/{found.n}",
        }
        for entry in accuracy.by_setting
        for name, found in (("predicted", entry.predicted), ("ideal", entry.ideal))
    ]


def _interval(bounds: Any, form: str = ".2f") -> str:
    """`span`, and a dash for no bound at all."""
    if bounds is None or all(bound is None for bound in bounds):
        return "-"
    return span(bounds, form)


def _with_interval(value: float | None, bounds: Any, form: str = ".2f") -> str:
    parts = [short(value, form), _interval(bounds, form)]
    return "-" if parts == ["-", "-"] else " ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
