"""The page of the theory of rings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.modular_theory.scores import NULL_MODEL, TARGETS, Order, Setting, Time
from analysis.report.files import table
from analysis.report.words import NOT_CERTAIN, short, surely_above, surely_below, with_span
from efftheory import Estimate


@dataclass(frozen=True)
class Critical:
    """From which training fraction on.

    Attributes:
        setup: which networks.
        theory: the fraction at which half of all random training sets determine the
            ring.
        below, above: the fractions between which most networks begin to reach test
            accuracy 0.95. At `above`, the first of its kind, the 95 % interval of their
            share is all above one half; at `below`, the last of its kind before that,
            it is all below. None: there is none.
    """

    setup: str
    theory: Estimate
    below: float | None
    above: float | None


@dataclass(frozen=True)
class Report:
    """What report.json has.

    Attributes:
        verdict: the findings in words.
        critical: a line a set-up.
        settings: a line a set-up and training fraction.
        orders: a line a predictor, target and set of runs.
        shared: by set-up, what its runs share.
        seeds, first_seed, budget: how many runs a setting, the first one's seed, and
            their steps.
        environment: what the numbers were made with.
    """

    verdict: list[str]
    critical: list[Critical]
    settings: list[Setting]
    orders: list[Order]
    shared: dict[str, dict[str, Any]]
    seeds: int
    first_seed: int
    budget: int
    environment: dict[str, Any]


def critical(setup: str, settings: list[Setting], theory: Estimate) -> Critical:
    """Between which fractions the networks' own lies."""
    ordered = sorted(settings, key=lambda one: one.fraction)
    above = next((one.fraction for one in ordered if surely_above(0.5, one.generalised_interval)), None)
    few = [one.fraction for one in ordered if surely_below(0.5, one.generalised_interval)]
    below = [fraction for fraction in few if above is None or fraction < above]
    return Critical(setup, theory, below[-1] if below else None, above)


def _falls(setup: str, target: str, settings: list[Setting]) -> list[str]:
    """How much sooner at the largest fraction than at the smallest with a median."""
    found = sorted(
        (one.fraction, time.median, one.inverse_lambda)
        for one in settings
        for time in one.times
        if one.setup == setup and time.target == target and time.median and one.inverse_lambda
    )
    if len(found) < 2:
        return []
    (low, late, slow), (high, soon, fast) = found[0], found[-1]
    return [
        f"{setup}, steps to {target}, from fraction {low:g} to {high:g}: the median falls by a factor of "
        f"{late / soon:.1f}, 1/lambda by {slow / fast:.1f}."
    ]


def verdict(criticals: list[Critical], settings: list[Setting], orders: list[Order]) -> list[str]:
    """The findings in words, from the numbers alone."""
    said = []
    for one in criticals:
        theory = f"half of all training sets determine the ring at a fraction of {one.theory.value:.3f}"
        if one.above is None and one.below is None:
            networks = f"from which fraction on most networks generalise is {NOT_CERTAIN}"
        elif one.above is None:
            networks = f"at no fraction is it certain that most networks generalise, up to {one.below:g} most do not"
        elif one.below is None:
            networks = f"most networks generalise at {one.above:g}; below it nothing is certain"
        else:
            networks = f"most networks generalise from between {one.below:g} and {one.above:g} on"
        said.append(f"{one.setup}: {theory}; {networks}.")
    for setup in dict.fromkeys(one.setup for one in orders):
        for target in TARGETS:
            own = [one for one in orders if (one.setup, one.target) == (setup, target) and one.c_index is not None]
            within = [one for one in own if one.fraction is not None and one.predictor == "1/lambda"]
            said += _falls(setup, target, settings)
            if not within:
                continue
            told = [one for one in within if surely_above(0.5, one.interval)]
            said.append(
                f"{setup}, steps to {target}, within one fraction: 1/lambda has concordance "
                f"{', '.join(f'{short(one.c_index)} at {one.fraction:g}' for one in within)}; surely better than "
                f"chance at {len(told)} of {len(within)} fractions."
            )
            over = {one.predictor: one for one in own if one.fraction is None}
            if {NULL_MODEL, "1/lambda"} <= over.keys() and len({one.fraction for one in within}) > 1:
                said.append(
                    f"{setup}, steps to {target}, over all fractions: 1/lambda "
                    f"{with_span(over['1/lambda'].c_index, over['1/lambda'].interval)}, the training fraction alone "
                    f"{with_span(over[NULL_MODEL].c_index, over[NULL_MODEL].interval)}."
                )
    return said


def setting_rows(settings: list[Setting]) -> list[dict[str, Any]]:
    """The table of who and when."""
    return [
        {
            "set-up": one.setup,
            "fraction": f"{one.fraction:g}",
            "n": one.n,
            "ring determined": f"{one.unique:.2f}",
            "ideal accuracy": f"{one.ideal_accuracy:.3f}",
            "1/lambda": short(one.inverse_lambda, ".4f"),
            "memorise": f"{one.memorised:.2f}",
            "generalise": with_span(one.generalised, one.generalised_interval),
        }
        | {f"steps to {time.target}": _steps(time) for time in one.times}
        for one in settings
    ]


def _steps(time: Time) -> str:
    if time.median is None and time.interval == (None, None):
        return "-"
    return with_span(time.median, time.interval, ",.0f")


def order_rows(orders: list[Order]) -> list[dict[str, Any]]:
    """The table of the orders; what too few runs reached is left out."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    columns = list(dict.fromkeys(one.predictor for one in orders))
    for one in orders:
        if one.c_index is None:
            continue
        fraction = "all" if one.fraction is None else f"{one.fraction:g}"
        row = rows.setdefault(
            (one.setup, one.target, fraction),
            {"set-up": one.setup, "steps to": one.target, "fraction": fraction, "got there": one.n_observed}
            | dict.fromkeys(columns),
        )
        row[one.predictor] = with_span(one.c_index, one.interval)
    return list(rows.values())


def page(report: Report) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# The effective theory meets addition modulo p",
        f"`{report.environment['command']}`",
        "Sums of real embeddings cannot represent addition modulo p; angles on a ring can. A training set determines "
        "the ring where its parallelograms modulo p leave no other angles nearby, and a deviation from the ring "
        "decays mode by mode, the slowest at lambda. None of this asks a network.",
        "\n".join(f"- {sentence}" for sentence in report.verdict),
        "![theory beside networks](theory.png)",
        "## Who generalises, and when",
        table(setting_rows(report.settings)),
        f"{report.seeds} seeds a line, from {report.first_seed} on, "
        f"{report.budget:,} steps. Ring determined: the share of the runs' own training "
        "sets; 1/lambda: their median, in Z0/eta steps. Generalise: test accuracy 0.95 within the budget, with the "
        "exact 95 % interval. Steps: Kaplan-Meier's median with its interval; a dash is beyond the budget.",
        "## In which order",
        table(order_rows(report.orders)),
        "Concordance of each predictor with the steps (1: the right order, 0.5: none) with bootstrap intervals; runs "
        "that did not get there count as later. Few parallelograms and rarest symbol only count samples.",
    ]
