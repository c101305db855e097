"""The page that a person reads: the numbers of a comparison as words and text tables."""

from __future__ import annotations

from typing import Any

from analysis._report import table
from analysis.agreement.predictions import NULL_MODEL, PREDICTORS
from analysis.agreement.tables import Entry
from analysis.agreement.times import MIN_OBSERVED, MIN_TEST_SAMPLES
from analysis.agreement.verdict import NAMES, RIGHT_TIME, TARGETS_IN_WORDS


def page(report: dict[str, Any]) -> list[str]:
    return [
        "# Theory against networks",
        f"`{report['environment']['command']}`",
        f"{len(report['runs'])} runs. A run that did not reach a threshold within its budget is censored there, "
        "never counted as having reached it at the last step. Intervals are 95 %.",
        "## What agrees and what does not",
        "\n".join(f"- {sentence}" for sentence in report["verdict"]),
        "## Order and size of the times",
        "Concordance: the chance that of two runs the theory names the one that takes longer; 0.5 = no "
        "information. Gain: the difference to the null model, which knows only the size |D| (intervals hold "
        "for the three predictors at once). Ratio: measured over predicted steps, Kaplan-Meier quartiles over "
        "all runs with a finite prediction (a dash: beyond the budget); seen: the median of those alone that "
        "got there, the faster ones; Z0 = p-1: the median in the paper's units, a standardised embedding, "
        "instead of the run's own Z0. Unpredicted: runs that got there though the theory says never "
        "(optimiser-aware flow: not within the budget). n: reached/all. Z0/(lambda_3 eta) is an e-folding "
        "time: RQI needs several. Times are of the right size if the interval of the median ratio lies within "
        f"{RIGHT_TIME[0]}..{RIGHT_TIME[1]}. The target test accuracy leaves out sizes with fewer than "
        f"{MIN_TEST_SAMPLES} test samples; intervals need {MIN_OBSERVED} runs that got there.",
        table(time_rows(report["time"])),
        "![concordance](concordance.png)",
        "![times](times.png)",
        "## Median steps",
        "Kaplan-Meier medians; a dash means that more than half of the runs did not get there within the budget, or "
        "are predicted not to.",
        table(_median_rows(report["medians"])),
        "![survival](survival.png)",
        "## Who succeeds",
        table(_probability_rows(report["probability"])),
        "![probability](probability.png)",
        "## Accuracy",
        "Share of D0 that the network gets right at the end, against what the theory reads off the trained "
        "embedding (predicted) and off the training set alone (ideal).",
        table(_accuracy_rows(report["accuracy"])),
        "![accuracy](accuracy.png)",
        "## Made with",
        "\n".join(f"- {name}: {_plain(value)}" for name, value in report["environment"].items()),
    ]


def time_rows(time: list[Entry]) -> list[Entry]:
    rows = []
    for entry in time:
        ratio, standard = entry.get("ratio") or {}, entry.get("ratio_standardized") or {}
        quartiles = [ratio.get(name) for name in ("lower_quartile", "median", "upper_quartile")]
        rows.append(
            {
                "eta_r": f"{entry['repr_lr']:g}",
                "eta_d": f"{entry['decoder_lr']:g}",
                "target": TARGETS_IN_WORDS[entry["target"]],
                "predictor": NAMES[entry["predictor"]],
                "concordance": _with_interval(entry["c_index"], entry["interval"]),
                "gain": _interval(entry["gain_over_null_interval"]),
                "within size": _with_interval(entry["c_index_within_size"], entry["interval_within_size"]),
                "ratio": " / ".join(_short(value) for value in quartiles),
                "seen": _short(ratio.get("observed_only", [None, None])[1]),
                "Z0 = p-1": _short(standard.get("median")),
                "unpredicted": entry.get("n_reached_though_not_predicted", "-"),
                "n": f"{entry['n_observed']}/{entry['n']}",
            }
        )
    return rows


def _median_rows(medians: list[Entry]) -> list[Entry]:
    return [
        {
            "eta_r": f"{entry['repr_lr']:g}",
            "eta_d": f"{entry['decoder_lr']:g}",
            "size": entry["n_train"],
            "target": TARGETS_IN_WORDS[entry["target"]],
            "reached": f"{entry['n_observed']}/{entry['n']}",
            "median steps": _with_interval(entry["median"], entry["interval"], ".0f"),
            **{
                NAMES[name]: _short(entry[f"predicted_median_{name}"], ".0f")
                for name in PREDICTORS
                if name != NULL_MODEL
            },
        }
        for entry in medians
    ]


def _probability_rows(probability: list[Entry]) -> list[Entry]:
    return [
        {
            "eta_r": f"{entry['repr_lr']:g}",
            "eta_d": f"{entry['decoder_lr']:g}",
            "size": entry["n_train"],
            "P(linear)": _with_interval(entry["predicted"], entry["predicted_interval"], ".3f"),
            "these sets": _short(entry["runs_linear"]),
            "RQI > 0.95": _with_interval(entry["measured"], entry["measured_interval"], ".3f"),
            "n": entry["n"],
        }
        for entry in probability
    ]


def _accuracy_rows(accuracy: Entry) -> list[Entry]:
    return [
        {
            "eta_r": f"{entry['repr_lr']:g}",
            "eta_d": f"{entry['decoder_lr']:g}",
            "against": name,
            "correlation": _with_interval(entry[prefix + "pearson_r"], entry[prefix + "pearson_r_interval"]),
            "mean absolute error": _short(entry[prefix + "mean_absolute_error"], ".3f"),
            "mean error": _short(entry[prefix + "mean_error"], "+.3f"),
            "network above": f"{entry[prefix + 'n_accuracy_above']}/{entry[prefix + 'n']}",
        }
        for entry in accuracy["by_setting"]
        for name, prefix in (("predicted", ""), ("ideal", "ideal_"))
    ]


def _short(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)


def _interval(bounds: Any, form: str = ".2f") -> str:
    if bounds is None or all(bound is None for bound in bounds):
        return "-"
    return f"[{_short(bounds[0], form)}, {_short(bounds[1], form)}]"


def _with_interval(value: float | None, bounds: Any, form: str = ".2f") -> str:
    parts = [_short(value, form), _interval(bounds, form)]
    return "-" if parts == ["-", "-"] else " ".join(parts)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
