"""The size law: how many samples make the linear representation unique, as the number
of symbols grows.

    python -m analysis.critical_size

draws random orders of the samples of additions of p symbols, and finds from how many on
the linear representation is unique (n_0 = 2, exactly): the median n_c(p), and which law
it follows. No network is trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

import efftheory as et
from analysis._pieces import drawn, in_chunks
from analysis.counting.size_law import BOUNDS, LAWS, LEAST_DRAWS, LEVELS, STATISTICS, scores_of
from analysis.counting.thresholds import of_addition, of_bounds
from analysis.report.command import check_at_least, check_given, environment, leave
from analysis.report.files import prepare_folder, table
from analysis.report.look import BLUE, GREEN, GREY, LOOK, ORANGE, PURPLE, SIZE_COLOURS, VERMILION
from analysis.report.tables import cell, wide
from neural import ConfigError
from neural.command import run_command

PROG = "python -m analysis.critical_size"
PAPER_FRACTION = 0.4
_DECIDES = 0.9  # from this share of orders on the last symbol is said to decide
_SIZES = ["n_samples", "critical_size", "per_symbol", "fraction", "width", "relative_width"]
_BOUNDS = ["predicted", "ratio", "predicted_width", "width_ratio", "distance", "distance_by_chance"]
_BOUNDS += ["exact", "covering", "counting"]
_LAWS = ["a", "b", "c", "chi2_per_degree", "p_value", "delta_aic"]
_CURVE = ["from_largest", "largest", "by_chance", "by_chance_95", "one_by_chance_95"]


@dataclass(frozen=True)
class Arguments:
    """Measure how many samples make the linear representation unique, as p grows."""

    p: tuple[int, ...] = tuple(round(5 * 2 ** (k / 2)) for k in range(19))
    """Numbers of symbols."""
    draws: int = 3000
    """Random orders a p, behind every number and its interval. More of them later adds only what is missing."""
    bound_draws: int = 200
    """Random orders a p of which it is asked what decides: the last symbol to be covered, the number of equations."""
    seed: int = 0
    """Of all random orders."""
    workers: int | None = None
    """Processes, by default one a core."""
    out: Path = Path("results/critical_size")
    """Folder for the report, and for the draws (draws.sqlite)."""


def main(arguments: Arguments) -> None:
    check_given(arguments, "p")
    if (least := min(arguments.p)) < 3:  # fewer symbols are linear without a sample
        raise ConfigError(f"`p` must be integers of at least 3, but one is {least}.")
    check_at_least(LEAST_DRAWS, arguments, "draws", "bound_draws")
    check_at_least(1, arguments, "workers")
    check_at_least(0, arguments, "seed")
    et.addition(max(arguments.p))  # an ArgumentError if there are too many
    prepare_folder(arguments.out)
    pieces, seed = {}, arguments.seed
    for p in sorted(set(arguments.p)):
        label, cost = f"p={p} seed={seed} chunk=", 1e-8 * p**2
        pieces["orders", p] = in_chunks(f"threshold {label}", of_addition, (p, seed), arguments.draws, 100, 1e-5 + cost)
        pieces["bounds", p] = in_chunks(f"bounds {label}", of_bounds, (p, seed), arguments.bound_draws, 20, 1e-4 + cost)
    draws, wanted = {"orders": {}, "bounds": {}}, {"orders": arguments.draws, "bounds": arguments.bound_draws}
    for (kind, p), found in drawn(arguments.out / "draws.sqlite", pieces, arguments.workers).items():
        draws[kind][p] = found[: wanted[kind]]
    scores, made_with = scores_of(draws["orders"], draws["bounds"]), environment(PROG)
    said, sizes = verdict(scores), wide(scores, ["p"], _SIZES)
    report = {"verdict": said, "scores": scores.to_dict("records"), "seed": seed, "environment": made_with}
    formulas = {law.name: f"{law.name}: {law.formula}" for law in LAWS}
    by_law = pd.concat([scores[scores["law"] == law] for law in formulas])
    several = (
        wide(by_law, ["law", "from_p", "n"], _LAWS, formulas),
        wide(scores, ["from_p", "p"], ["exponent", "predicted_exponent"]),
        wide(scores, ["unit", "p"], _CURVE),
    )
    laws, slopes, curve = (table(rows) if rows else "Too few p." for rows in several)
    page = f"""\
# The size law

`{made_with["command"]}`

{said}

{table(sizes)}

![n_c against p](critical_size.png)

![P(linear) of all p](collapse.png)

How many random samples of the addition of p symbols make the linear representation unique (n_0 = 2)? Sizes are numbers
of samples, between whole ones where P(linear) is; intervals are at 95 %, of sizes distribution-free, of widths by
bootstrap.

{STATISTICS}

## Two bounds

Neither has a fitted number. *Counting*: p - 2 equations are needed, and a result class with k samples gives k - 1.
*Coupons*: as long as a symbol is in no sample whose result another sample of D shares, its embedding alone is free. The
prediction is the product of both probabilities.

{table(wide(scores, ["p"], _BOUNDS))}

## Which law?

{laws}

{slopes}

## One curve?

{curve}"""
    with mpl.rc_context(LOOK):
        pictures = {"critical_size.png": critical_size(scores), "collapse.png": transitions(scores)}
        leave(arguments.out, report, pictures, [page], [table(sizes, "simple"), "", said, ""], scores=scores)


def verdict(scores: pd.DataFrame) -> str:
    """What the numbers say, a line each; what too few sizes cannot tell is left out."""
    alone = scores[scores["from_p"].isna() & scores["level"].isna()].set_index(["statistic", "p"])
    fraction, ratio, covering = (alone.loc[name] for name in ("fraction", "ratio", "covering"))
    first, last = fraction.index[[0, -1]]
    closest = (fraction["value"] - PAPER_FRACTION).abs().idxmin()
    off = (ratio["value"] - 1).abs()
    decided = [p for p in fraction.index if (covering["low"].loc[p:] > _DECIDES).all()]

    def at(statistic: str, *sizes: Any) -> str:
        return ", ".join(f"{cell(alone.loc[statistic, p], '')} at p = {p}" for p in dict.fromkeys(sizes))

    said = [
        f"The critical fraction n_c/N is {at('fraction', closest, first, last)}"
        + (": the paper's 0.4 belongs to its p = 10." if first != last else "."),
        f"Samples per symbol, n_c/p, are {at('per_symbol', first, last)}; the transition's 10-90 % width by n_c is "
        f"{at('relative_width', first, last)}.",
        f"The measured n_c is within {off.max():.1%} of what the two bounds predict at every p (the ratio is "
        f"{at('ratio', off.idxmax())}), in the larger half of the sizes within {off.iloc[len(off) // 2 :].max():.1%}.",
        f"The share of orders in which the last symbol to be covered decides is {at('covering', first, last)}"
        + (f" (surely more than {_DECIDES:.0%} from p = {decided[0]} on)" if decided else "")
        + f"; that in which the number of equations does is {at('counting', first, last)}.",
    ]
    misfit: Any = scores[scores["statistic"] == "p_value"].set_index(["from_p", "law"])["value"]
    for least, some in scores[scores["statistic"] == "aic"].groupby("from_p"):
        law = some.set_index("law")["value"].round(1).idxmin()  # of equals the first
        said.append(
            f"From p = {least:g} on the lowest AIC is that of: {law} (P of its chi^2: {misfit[least, law]:.2g}; of the "
            f"two bounds', without a fitted number: {misfit[least, BOUNDS]:.2g})."
        )
    return "\n".join(f"- {sentence}" for sentence in said)


_LINES: dict[Any, tuple[str, str, str]] = {  # of the laws that are drawn: colour, dashes, name
    "the paper's fraction": (PURPLE, ":", "0.4 N, the paper's fraction"),
    "samples per symbol": (GREY, "-.", "c p, fitted"),
    "power law": (ORANGE, "--", r"a $p^b$, fitted"),
    "leading order": (GREEN, ":", r"$\frac{1}{2}\,p\,\ln p$"),
    "counting": (VERMILION, "--", "counting: enough equations"),
    "coupon collector": (VERMILION, ":", "coupons: every symbol covered"),
    BOUNDS: (VERMILION, "-", "both, nothing fitted"),
}


def critical_size(scores: pd.DataFrame) -> Figure:
    """n_c/p, n_c/N and the local slope of ln n_c against p, with the laws as lines."""
    figure = Figure(figsize=(12, 4.7))
    panels: Any = figure.subplots(1, 3)
    per_symbol, fraction, slope = panels
    numbers = {name: some.set_index("p") for name, some in scores.groupby("statistic")}
    first, last = scores["p"].min(), scores["p"].max()
    everywhere = scores[scores["from_p"] == first]
    if "exponent" in numbers:
        between = np.sqrt(numbers["exponent"].index * numbers["exponent"]["from_p"].to_numpy(float))
        numbers["exponent"].index = between
        slope.plot(between, numbers["predicted_exponent"]["value"], color=VERMILION, zorder=1)
    for axes, name in zip(panels, ("per_symbol", "fraction", "exponent"), strict=True):
        some = numbers.get(name, scores[:0])
        error = [some["value"] - some["low"], some["high"] - some["value"]]
        look: Any = {"fmt": "o", "color": BLUE, "markersize": 4, "capsize": 2}
        axes.errorbar(some.index, some["value"], error, label="measured, 95 %", **look)
    for axes, name in ((per_symbol, "per_symbol"), (fraction, "fraction")):
        for law, some in everywhere[everywhere["statistic"] == "n_c"].groupby("law", sort=False):
            if law in _LINES:
                colour, style, label = _LINES[law]
                samples = some["p"] if name == "per_symbol" else some["p"] * (some["p"] + 1) / 2
                axes.plot(some["p"], some["value"] / samples, color=colour, ls=style, label=label, zorder=1)
    per_symbol.set(ylim=(0, 1.15 * numbers["per_symbol"]["high"].max()), ylabel=r"$n_c/p$, samples per symbol")
    fraction.set(yscale="log", ylabel=r"$n_c/N$, critical fraction")
    for power in everywhere[(everywhere["law"] == "power law") & (everywhere["statistic"] == "b")]["value"]:
        slope.axhline(power, color=ORANGE, ls="--", zorder=1)
    slope.axhline(1, color=GREY, ls="-.", linewidth=1, zorder=1)
    slope.set_ylabel(r"local exponent $d\,\ln n_c\,/\,d\,\ln p$")
    ticks = [p for p in (3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000) if first / 1.3 <= p <= 1.3 * last] or [first]
    for axes in panels:  # logarithmic, with plain numbers
        axes.set(xscale="log", xlabel="p, number of symbols", xlim=(first / 1.3, 1.3 * last), xticks=ticks)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
    figure.legend(*per_symbol.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def transitions(scores: pd.DataFrame) -> Figure:
    """P(linear) of all p: centred in units of p/2, and by the coupon collector."""
    figure = Figure(figsize=(9.5, 4.4))
    centred, coupons = figure.subplots(1, 2, sharey=True)
    found: Any = [*scores[scores["level"].notna()].groupby("p")]
    for number, (p, some) in enumerate(found):
        look = {"color": SIZE_COLOURS(0.95 * number / max(len(found) - 1, 1)), "linewidth": 1.2}
        sizes, reduced = (some[some["statistic"] == name]["value"].to_numpy() for name in ("size", "reduced"))
        centred.plot((sizes - sizes[len(sizes) // 2]) / (p / 2), LEVELS, **look, label=f"p = {p}")
        coupons.plot(reduced, LEVELS, **look)
    x, law = np.linspace(-2.5, 6, 300), {"color": VERMILION, "ls": "--", "linewidth": 2}
    centred.plot(x, np.exp(-np.log(2) * np.exp(-x)), **law, label="Gumbel's law")
    coupons.plot(x, np.exp(-np.exp(-x)), **law)
    centred.set(ylabel="P(linear)", xlabel=r"$(n - n_c)\,/\,(p/2)$", ylim=(-0.02, 1.02), xlim=(-2.2, 5))
    coupons.set(xlabel=r"$-\ln\,\Lambda(n)$, $\Lambda$: expected number of free symbols", xlim=(-2.2, 5))
    centred.set_title("centred: one fitted number a curve", loc="left")
    coupons.set_title("by the coupon collector: nothing fitted", loc="left")
    figure.legend(loc="outside right upper", fontsize="small")
    return figure


if __name__ == "__main__":
    run_command(Arguments, main, PROG, (et.ArgumentError,))
