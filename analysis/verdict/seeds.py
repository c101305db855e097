"""How far seeds alone spread the times of runs, and how many of them show an effect."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import integrate, stats

from analysis.logs.log import Log
from analysis.measures.arrays import check_number
from analysis.verdict.sentences import Sentence

LEAST_FINISHED = 3  # of a spread that is measured
_NONE = 1e-9  # a spread by rounding alone

# The standard deviation of ln T between seeds of one setting, pooled over the published
# settings without a clamped norm in which all seeds generalise, and the least and the
# most of them.
_MLPS, _TRANSFORMERS = 0.13, 0.30
_TYPICAL = (
    "standard deviation of ln T .13 for MLPs (828 published runs, 46 settings: .04 to .28), "
    ".30 for transformers (196, 16: .10 to .54)"
)
_RATIOS = (1.2, 1.5, 2.0)  # of times, that one may want to see
_TO_SHOW = "The seeds a side that show 1.2, 1.5 and 2 times the steps are"


def seeds(runs: Sequence[Log]) -> Sentence:
    """How many seeds tell an effect, by the spread of these or, where fewer than three
    have generalised, by that of published runs.
    """
    sd, done = spread(runs), sum(log.generalised_at is not None for log in runs)
    if not sd > _NONE:  # nan, or all at the same look
        text = "One run cannot tell an effect from its seed."
        if len(runs) > 1:
            why = "too few for a spread of their own" if math.isnan(sd) else "all at the same step"
            text = f"Of {len(runs)} seeds {done} generalised, {why}."
        text += f" {_TO_SHOW} {_needed(_MLPS)} for MLPs as a rule, "
        return Sentence(f"{text}{_needed(_TRANSFORMERS)} for transformers.", _TYPICAL, "fact")
    text = f"Of {len(runs)} seeds {done} generalised; the standard deviation of ln T is {sd:.2f}. "
    return Sentence(f"{text}{_TO_SHOW} {_needed(sd, done / len(runs))}.", "these runs; Noether (1987)", "fact")


def _needed(sd: float, finished: float = 1.0) -> str:
    return "{}, {} and {}".format(*(seeds_needed(sd, ratio, finished) for ratio in _RATIOS))


def spread(logs: Sequence[Log]) -> float:
    """The standard deviation of ln T of runs, by maximum likelihood of a log-normal T
    that is censored where a log ends, times sqrt(n/(n - 1)); nan where fewer than
    LEAST_FINISHED have generalised.
    """
    done = [log.generalised_at for log in logs if log.generalised_at]
    if len(done) < LEAST_FINISHED:
        return math.nan
    ends = [log.steps[-1] for log in logs if log.generalised_at is None and len(log.steps)]
    sample = stats.CensoredData(uncensored=np.log(done), right=np.log(np.maximum(ends, 1)))
    return float(stats.norm.fit(sample)[1] * math.sqrt(len(logs) / (len(logs) - 1)))


def seeds_needed(spread: float, ratio: float, finished: float = 1.0, *, power: float = 0.8, level: float = 0.05) -> int:
    """How many runs each of two settings needs, so that a difference in their times is
    seen: of Mann and Whitney's test, with runs that do not finish last and tied.

    T is log-normal, with the same spread on both sides. With X and Y of the quicker and
    the slower setting, P = P(X < Y) + P(X = Y)/2, and tau the share of censored runs

        n = (z_level/2 + z_power)^2 (1 - tau^3) / (6 (P - 1/2)^2).

    Sources: Noether (1987), J. Am. Stat. Assoc. 82, 645; the ties, Zhao, Rahardja and
    Qu (2008), Stat. Med. 27, 462.

    Args:
        spread: the standard deviation of ln T between seeds.
        ratio: of the slower setting's times to the quicker one's, above 1.
        finished: the share of the quicker setting's runs that finish within the budget.
        power: the chance with which the test is to see it.
        level: the chance of seeing one where there is none.
    """
    check_number("spread", spread, above=0)
    check_number("ratio", ratio, above=1)
    for name, value in (("finished", finished), ("power", power), ("level", level)):
        check_number(name, value, above=0, most=1)
    shift, end = math.log(ratio) / spread, float(stats.norm.ppf(finished))
    both = (1 - finished) * stats.norm.sf(end - shift)
    earlier, _ = integrate.quad(lambda x: stats.norm.pdf(x) * stats.norm.sf(x - shift), -math.inf, end)
    tied = (1 - finished + stats.norm.sf(end - shift)) / 2
    z = stats.norm.isf(level / 2) + stats.norm.ppf(power)
    return math.ceil(z**2 * (1 - tied**3) / (6 * (earlier + both / 2 - 0.5) ** 2))
