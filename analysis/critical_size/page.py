"""The size law in words and tables, computed from its report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.critical_size.records import (
    Collapse,
    Decisions,
    Interval,
    LawScore,
    Parameter,
    Size,
    Slope,
    Study,
)
from analysis.critical_size.size_law import BOUNDS
from analysis.report.files import table
from analysis.report.words import surely_above, with_span

PAPER_FRACTION = 0.4
_DERIVED = {"counting", "coupon collector", "coupon collector, closed form", BOUNDS, f"{BOUNDS}, with a power"}
_MISFIT = 1e-3  # a fit with a chi^2 less probable than this is none
_EXACT = 0.9  # from this share of orders on the last symbol is said to decide


def verdict(
    sizes: Sequence[Size], slopes: Sequence[Slope], laws: Sequence[LawScore], collapse: Sequence[Collapse]
) -> list[str]:
    """What the numbers say, a sentence each; what too few sizes cannot tell is left
    out.
    """
    first, last = sizes[0], sizes[-1]
    closest = min(sizes, key=lambda size: abs(size.fraction - PAPER_FRACTION))
    shown = {size.p: size for size in (closest, first, last)}.values()
    ends = {size.p: size for size in (first, last)}.values()
    fractions = _listed([f"{_number(size.fraction, size.fraction_interval)} at p = {size.p}" for size in shown])
    per_symbol = _listed([f"{_number(size.per_symbol, size.per_symbol_interval)} at p = {size.p}" for size in ends])
    widths = _listed([f"{size.relative_width:.0%}" for size in ends])
    sentences = [
        f"The critical fraction n_c/N is {fractions}"
        + ("." if len(sizes) == 1 else ": the paper's 0.4 belongs to its p = 10."),
        f"Samples per symbol, n_c/p, are {per_symbol}; the transition's 10-90 % width is {widths} of n_c.",
    ]
    sentences += _on_laws(sizes, slopes, laws)
    open_ = [k for k, size in enumerate(sizes) if not surely_above(_EXACT, size.bounds.covering_interval)]
    decided = [size.p for size in sizes[open_[-1] + 1 if open_ else 0 :]]
    covering, counting = (
        _listed([f"{share(size.bounds)} of the orders at p = {size.p}" for size in ends])
        for share in (_covering, _counting)
    )
    sentences.append(
        f"The threshold is the moment at which the last symbol is covered in {covering}"
        + (f" (surely more than {_EXACT:.0%} from p = {decided[0]} on)" if decided else "")
        + f"; it is the moment at which there are p - 2 equations in {counting}."
    )
    for entry in collapse:
        verb = "within" if entry.largest <= entry.by_chance_95 else "beyond"
        far = max(entry.distances, key=lambda one: one.distance)
        fine = [one.p for one in entry.distances if one.distance > entry.one_by_chance_95]
        sentences.append(
            f"Centred and in units of {entry.scale}, the transitions differ from that of p = {entry.reference} "
            f"by at most {entry.largest:.3f} (at p = {far.p}), {verb} what chance gives "
            f"({entry.by_chance:.3f}, 95 %: {entry.by_chance_95:.3f})"
            + (f"; beyond it are p = {_listed(fine)}." if fine else ".")
        )
    return sentences


def _on_laws(sizes: Sequence[Size], slopes: Sequence[Slope], laws: Sequence[LawScore]) -> list[str]:
    if not laws:
        return []
    sentences = []
    everywhere = {law.law: law for law in laws if law.least_p == sizes[0].p}
    power = everywhere.get("power law")
    for name in ("constant fraction", "samples per symbol"):
        law = everywhere[name]
        sentences.append(
            f"{name.capitalize()} ({law.formula}): chi^2 is {_plain(law.chi2_per_degree)} a degree of freedom."
        )
    if power:
        first, last = slopes[0], slopes[-1]
        sentences.append(
            f"One power of p fits with exponent {_parameter(power.parameters[1])} and chi^2 "
            f"{_plain(power.chi2_per_degree)} a degree of freedom; between neighbouring p the exponent is "
            f"{_number(first.slope, first.interval)} at p = {_listed(first.p)} and "
            f"{_number(last.slope, last.interval)} at p = {_listed(last.p)} (the bounds: "
            f"{first.predicted:.2f} and {last.predicted:.2f})."
        )
    for least in sorted({law.least_p for law in laws}):
        here = [law for law in laws if law.least_p == least]
        free = {law.law: law for law in here}
        best = min(here, key=lambda law: round(law.aic, 1))  # the bounds are the coupon collector at large p
        bounds = free[BOUNDS]
        plain = min((law for law in here if law.law not in _DERIVED), key=lambda law: law.aic)
        fits = f"the lowest AIC is that of: {best.law}"
        if best.p_value < _MISFIT:
            fits = f"no law fits (lowest AIC: {best.law}, {_misfit(best)})"
        sentences.append(
            f"For p >= {least} ({bounds.n} sizes) {fits}. The two bounds, without a fitted number, have "
            f"{_misfit(bounds)}; of the laws that know nothing of them the best, {plain.law}, has {_misfit(plain)}."
        )
    worst = max(sizes, key=lambda size: abs(size.ratio - 1))
    large = max(sizes[len(sizes) // 2 :], key=lambda size: abs(size.ratio - 1))
    sentences.append(
        f"The measured n_c is within {abs(worst.ratio - 1):.1%} of what the two bounds predict at every p (at p = "
        f"{worst.p}: ratio {_number(worst.ratio, worst.ratio_interval)}), in the larger half of the sizes within "
        f"{abs(large.ratio - 1):.1%}."
    )
    return sentences


def size_rows(sizes: Sequence[Size]) -> list[dict[str, Any]]:
    """The table of the critical sizes."""
    return [
        {
            "p": size.p,
            "N": f"{size.n_samples:,}",
            "n_c": _number(size.critical_size, size.interval),
            "n_c/p": _number(size.per_symbol, size.per_symbol_interval),
            "n_c/N": _number(size.fraction, size.fraction_interval),
            "10-90 % width": _number(size.width, size.width_interval),
            "width/n_c": f"{size.relative_width:.2f}",
        }
        for size in sizes
    ]


def bound_rows(sizes: Sequence[Size]) -> list[dict[str, Any]]:
    """The table of what the bounds predict, and of what decides."""
    return [
        {
            "p": size.p,
            "n_c predicted": f"{size.predicted:,.1f}",
            "measured/predicted": _number(size.ratio, size.ratio_interval),
            "width predicted": f"{size.predicted_width:,.1f}",
            "measured/predicted ": _number(size.width_ratio, size.width_ratio_interval),
            "largest difference of P": f"{size.distance:.3f} ({size.distance_by_chance:.3f})",
            "T is the larger bound": with_span(size.bounds.exact, size.bounds.exact_interval),
            "the last symbol decides": _covering(size.bounds),
            "the equations decide": _counting(size.bounds),
        }
        for size in sizes
    ]


def law_rows(laws: Sequence[LawScore]) -> list[dict[str, Any]]:
    """The laws over all p, with chi^2 a degree of freedom (and AIC above the best) in
    each range.
    """
    ranges = sorted({law.least_p for law in laws})
    rows = []
    for name in dict.fromkeys(law.law for law in laws):
        here = {law.least_p: law for law in laws if law.law == name}
        fitted = here.get(ranges[0])
        rows.append(
            {
                "law": name,
                "n_c": next(iter(here.values())).formula,
                "fitted, all p": _parameters(fitted),
                **{f"p >= {least}": _fit_quality(here.get(least)) for least in ranges},
                "fitted, largest p": _parameters(here.get(ranges[-1])),
            }
        )
    return rows


def slope_rows(slopes: Sequence[Slope]) -> list[dict[str, Any]]:
    """The table of the local exponents."""
    return [
        {
            "between p": _listed(slope.p),
            "exponent": _number(slope.slope, slope.interval),
            "predicted": f"{slope.predicted:.3f}",
        }
        for slope in slopes
    ]


def page(report: Study) -> list[str]:
    """The paragraphs of report.md."""
    parts = [
        "# The size law",
        f"`{report.environment['command']}`",
        "How many random samples of the addition of p symbols make the linear representation unique (n_0 = 2)? n_c is "
        "the size at which half of the random training sets do; N = p(p+1)/2. Brackets: 95 % (n_c: distribution-free, "
        "from order statistics; widths: bootstrap).",
        "\n".join(f"- {sentence}" for sentence in report.verdict),
        "![n_c against p](critical_size.png)",
        table(size_rows(report.sizes)),
        "## Two bounds",
        "Two things must happen, and nothing is fitted to tell when. *Counting*: a result class with k samples gives "
        "k - 1 equations, and p - 2 are needed; that takes about 2.2 p samples, whatever p is. *Coupons*: as long as a "
        "symbol is in no sample whose result another sample of D shares, its embedding alone is free. With rho = n/N "
        "and m_c samples in class c, symbol k is free with probability "
        "prod_j [1 - rho (1 - (1 - rho)^(m_{k+j} - 1))]; Lambda(n) sums it over k, times e^(-rho) for sets of exactly "
        "n samples; every symbol is covered with probability exp(-Lambda). The median of that, in closed form: "
        "(p+1)/2 x with x = ln p - ln ln 2 + ln(1 + 14.7/x); the last term is due to the ends of the line, whose "
        "result classes are small. The prediction is the product of both probabilities. Largest difference of P: "
        "between the measured and the predicted P(linear), in brackets what chance gives (95 %). The last columns ask "
        "random orders what decided.",
        table(bound_rows(report.sizes)),
        "![P(linear) of all p](collapse.png)",
    ]
    if report.laws:
        parts += [
            "## Which law?",
            "Least squares of ln n_c, weighted by its standard error; a cell is chi^2 a degree of freedom, and in "
            "brackets AIC above that of the best law of the column. Intervals of fitted numbers take their law as "
            "true.",
            table(law_rows(report.laws)),
        ]
    if report.slopes:
        parts += ["Local exponents d ln n_c / d ln p:", table(slope_rows(report.slopes))]
    return parts


def _number(value: float, interval: Interval) -> str:
    """A value with its interval, to a digit more than the interval knows."""
    low, high = interval
    digits = next((k for k in range(7) if (high - low) * 10**k >= 5), 7)
    return with_span(value, interval, f",.{digits}f")


def _misfit(law: LawScore) -> str:
    return f"chi^2 {_plain(law.chi2)} for {law.degrees_of_freedom} degrees of freedom (P = {law.p_value:.2g})"


def _plain(value: float) -> str:
    """Two digits, or all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _covering(bounds: Decisions) -> str:
    return with_span(bounds.covering, bounds.covering_interval)


def _counting(bounds: Decisions) -> str:
    return with_span(bounds.counting, bounds.counting_interval)


def _parameter(parameter: Parameter) -> str:
    return _number(parameter.value, parameter.interval)


def _parameters(law: LawScore | None) -> str | None:
    if law is None or not law.parameters:
        return None
    return ", ".join(f"{parameter.name} = {_parameter(parameter)}" for parameter in law.parameters)


def _fit_quality(law: LawScore | None) -> str | None:
    return None if law is None else f"{_plain(law.chi2_per_degree)} ({law.delta_aic:,.0f})"


def _listed(things: Sequence[object]) -> str:
    *most, last = map(str, things)
    return f"{', '.join(most)} and {last}" if most else last
