"""How well predictors do: one function of runs and predictions, tidy rows out.

A run succeeds at a target if it reaches it within its budget; those that did not, or
diverged, are censored there, for every predictor alike. What each row says:

| statistic | what |
|---|---|
| `auc` | the chance that of a success and a failure the success was given more |
| `brier` | mean squared error of the probability; `against` a predictor: the difference |
| `brier_constant` | the same of always saying the measured share |
| `calibration` | mean over runs of abs(said - did) in bins of the probability |
| `said`, `did` | mean probability, share of successes |
| `concordance` | that of two runs the one said to be later is; `against`: the gain |
| `concordance_within` | of pairs of one stratum, of one training-set size, say |
| `ratio` | measured over predicted steps: median, and `ratio_lower`, `ratio_upper` |
| `mape` | mean of abs(predicted - measured)/measured where it was reached |
| `unpredicted` | runs that got there though the predictor says never |
| `median` | of the steps: measured, and of each predictor's |
| `error`, `absolute_error`, `correlation` | predicted less measured, of a share |

Ratios and medians are Kaplan-Meier's, the lower ones where two are in the middle;
a ratio is over all runs with a finite prediction above 0, those that got there alone
look faster than all are. inf: beyond the budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import pearsonr

import efftheory as et
from analysis.scores.bootstrap import BOOTSTRAPS, MIN_OBSERVED, bootstrap_weights, interval, means
from analysis.scores.calibration import calibration_error
from analysis.scores.concordance import compare_pairs
from analysis.scores.survival import survival_curve

if TYPE_CHECKING:  # the audit scores without torch
    from analysis.predictors.predictor import Predictor

COLUMNS = ("target", "predictor", "against", "statistic", "value", "low", "high", "n", "n_censored")
NOTHING = pd.DataFrame(columns=["key", "predictor", "target", "value", "probability", "read_at"])  # was predicted
ALL = "all"  # the setting of scores that are of all of them
BASELINE = "logistic_exact_flow"  # fitted without a decoder: what a theory with one must beat
AGAINST = (BASELINE, "share_by_size")
MEASURED = "measured"  # the predictor of what was measured
# With fewer test samples "90 % of them are right" is the first lucky hit, not
# generalisation.
MIN_TEST_SAMPLES = 5
_NOTHING_SAID = 1.0  # the relative error of "never", or of no prediction, for a run that got there


def measured(runs: pd.DataFrame, target: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(times, observed): steps to `target`, the budget where it was not reached."""
    steps = runs[f"steps_to_{target}"].to_numpy(float)
    observed = np.isfinite(steps)
    return np.where(observed, steps, runs["budget"].to_numpy(float)), observed


def with_target(runs: pd.DataFrame, target: str) -> pd.DataFrame:
    """The runs in which `target` means something: test samples are those outside
    `mask`, where runs have one.
    """
    if target != "test" or "mask" not in runs:
        return runs
    n_test = np.array([np.count_nonzero(~mask) for mask in runs["mask"]], dtype=int)
    return runs[n_test >= MIN_TEST_SAMPLES]


def score(
    runs: pd.DataFrame,
    predictions: pd.DataFrame,
    predictors: Sequence[Predictor],
    targets: Sequence[str],
    by: Sequence[str] = (),
    *,
    within: str | None = "n_train",
    clusters: Sequence[str] = (),
    null: str = "training_fraction",
    against: Sequence[str] = (),
    fewest: int = MIN_OBSERVED,
    seed: int = 0,
) -> pd.DataFrame:
    """The rows that stand above, for the runs of each combination of `by`.

    Args:
        runs: a row a run: `key`, `budget`, `steps_to_TARGET`, and the columns that are
            named below.
        predictions: rows as `analysis.predictors.catalogue.predict` gives them.
        predictors: those that are scored, in this order.
        targets: what is predicted; "accuracy" is a share, the others are steps.
        by: columns of the runs that are scored apart.
        within: the column of strata: pairs of one are compared within size, and the
            bootstrap draws within each. None: there are none.
        clusters: columns whose combinations the bootstrap draws as one; by default
            each run is.
        null: the predictor that gains of concordance are against. Their intervals hold
            for all predictors at once.
        against: predictors that Brier scores and percentage errors are also compared
            with.
        fewest: runs that got there (or clusters, where they are fewer), without which
            there is no interval; of an AUC successes and failures.
        seed: of the bootstrap.
    """
    rows: list[dict[str, Any]] = []
    groups: Any = runs.groupby([*by], sort=False, dropna=False) if by else [((), runs)]
    for values, group in groups:
        for target in targets:
            here = with_target(group, target)
            if here.empty:
                continue
            asked = _Asked(here, target, predictions, predictors, within, clusters, null, against, fewest, seed)
            label = dict(zip(by, values, strict=True)) | {"target": target}
            rows += [label | row for row in asked.rows() if not np.isnan(row["value"])]
    return pd.DataFrame(rows, columns=[*by, *COLUMNS])


def score_settings(
    runs: pd.DataFrame,
    predictions: pd.DataFrame,
    predictors: Sequence[Predictor],
    targets: Sequence[str],
    by: Sequence[str],
    size: str,
) -> list[pd.DataFrame]:
    """The scores of all settings together, where there are several (`ALL` in the
    columns of `by`), and of each: runs are compared within one amount of data, of the
    column `size`, and those of one seed are drawn as one.
    """
    clusters = [name for name in ("experiment", size, "seed") if name in runs]
    asked: dict[str, Any] = {"predictors": predictors, "targets": targets, "clusters": clusters, "against": AGAINST}
    ask = partial(score, predictions=predictions, **asked)
    scores = [ask(runs, by=by, within=size)]
    if by and len(runs[[*by]].drop_duplicates()) > 1:
        mixed = runs.assign(cell=runs[[*by, size]].astype(str).agg(" ".join, axis=1))
        scores.insert(0, ask(mixed, within="cell").assign(**dict.fromkeys(by, ALL)))
    return scores


class _Asked:
    """What is asked of the runs of one group, and one target."""

    def __init__(
        self,
        runs: pd.DataFrame,
        target: str,
        predictions: pd.DataFrame,
        predictors: Sequence[Predictor],
        within: str | None,
        clusters: Sequence[str],
        null: str,
        against: Sequence[str],
        fewest: int,
        seed: int,
    ):
        self.runs, self.target, self.null, self.against, self.fewest = runs, target, null, against, fewest
        said = predictions[predictions["target"] == target]
        self.said = {name: rows.set_index("key").reindex(runs["key"]) for name, rows in said.groupby("predictor")}
        self.predictors = [one for one in predictors if one.name in self.said]
        self.strata = np.zeros(len(runs)) if within is None else runs[within].to_numpy()
        drawn = runs.groupby([*clusters], dropna=False).ngroup().to_numpy() if clusters else None
        self.weights = bootstrap_weights(self.strata, seed, BOOTSTRAPS, drawn)
        self.n_clusters = np.inf if drawn is None else len(np.unique(drawn))

    def rows(self) -> Iterator[dict[str, Any]]:
        if self.target == "accuracy":
            for one in self.predictors:
                yield from self._of_share(one.name)
            return
        self.times, self.observed = measured(self.runs, self.target)
        chances = {name: said["probability"] for name, said in self.said.items()}
        self.likely = {name: chance.to_numpy() for name, chance in chances.items() if chance.notna().all()}
        share = et.proportion(int(self.observed.sum()), len(self.observed))
        median, *bounds = survival_curve(self.times, self.observed).quantile(0.5)
        yield self._row(MEASURED, "did", share.value, share.interval)
        yield self._row(MEASURED, "median", median, bounds)
        for one in self.predictors:
            if one.name in self.likely:
                yield from self._of_probability(one.name)
            if self.said[one.name]["value"].notna().any():
                yield from self._of_order(one)
                if one.gives == "steps":
                    yield from self._of_steps(one.name)

    def _row(
        self, predictor: str, statistic: str, value: Any, bounds: Any = None, against: str = "", there: Any = None
    ) -> dict[str, Any]:
        """One row; `there`: bool (n,), the runs that it is of, by default all."""
        low, high = (np.nan, np.nan) if bounds is None else bounds
        observed = np.isfinite(self.runs["accuracy"]) if self.target == "accuracy" else self.observed
        there = np.ones(len(self.runs), bool) if there is None else there
        what = {"predictor": predictor, "against": against, "statistic": statistic}
        numbers = {"value": float(value), "low": low, "high": high}
        return what | numbers | {"n": int(there.sum()), "n_censored": int((there & ~observed).sum())}

    def _enough(self, there: NDArray[np.bool_]) -> bool:
        """Whether there are so many runs, and clusters, that they know their error."""
        return min(there.sum(), self.n_clusters) >= self.fewest

    def _of_probability(self, name: str) -> Iterator[dict[str, Any]]:
        p, y = self.likely[name], self.observed.astype(float)
        order = compare_pairs(1 - y, self.observed, -p)  # a success is a time of 0, a failure is censored at 1
        enough = min(y.sum(), (1 - y).sum()) >= self.fewest
        error, base, drawn = (p - y) ** 2, float(((y.mean() - y) ** 2).mean()), means(y, self.weights)
        brier = float(error.mean())
        gap = interval(means(error, self.weights) - drawn * (1 - drawn))
        yield self._row(name, "auc", _whole(order), interval(order.index(self.weights)) if enough else None)
        yield self._row(name, "brier", brier, interval(means(error, self.weights)))
        yield self._row(name, "brier_constant", base)
        yield self._row(name, "brier", brier - base, gap, "constant")
        yield self._row(name, "calibration", calibration_error(p, y))
        yield self._row(name, "said", p.mean())
        for other in self.against:
            if other in self.likely and other != name:
                difference = error - (self.likely[other] - y) ** 2
                yield self._row(name, "brier", difference.mean(), interval(means(difference, self.weights)), other)

    def _of_order(self, one: Predictor) -> Iterator[dict[str, Any]]:
        """Of runs that the predictor was read of before they got there; what is put in
        order is the time from then on.
        """
        name, said = one.name, self.said[one.name]
        value, read_at = said["value"].to_numpy(), said["read_at"].fillna(0).to_numpy()
        if one.gives == "steps":
            value = value - read_at
        there = ~np.isnan(value) & ~(self.observed & (self.times <= read_at) & (read_at > 0))
        times, observed, value = (self.times - read_at)[there], self.observed[there], value[there]
        weights, strata = self.weights[:, there], self.strata[there]
        enough = self._enough(observed)
        pairs = compare_pairs(times, observed, value)
        drawn = pairs.index(weights) if enough else np.empty(0)
        yield self._row(name, "concordance", _whole(pairs), interval(drawn), there=there)
        if self.null in self.said and name != self.null and there.all():
            null = compare_pairs(times, observed, self.said[self.null]["value"])
            gain = drawn - null.index(weights) if enough else drawn
            coverage = 1 - 0.05 / max(1, sum(one.name != self.null for one in self.predictors))
            yield self._row(name, "concordance", _whole(pairs) - _whole(null), interval(gain, coverage), self.null)
        inside = compare_pairs(times, observed, value, strata)
        bounds = interval(inside.index(weights)) if enough else None
        yield self._row(name, "concordance_within", _whole(inside), bounds, there=there)

    def _of_steps(self, name: str) -> Iterator[dict[str, Any]]:
        predicted = self.said[name]["value"].to_numpy()
        usable = np.isfinite(predicted) & (predicted > 0)
        if usable.any():
            curve = survival_curve(self.times[usable] / predicted[usable], self.observed[usable])
            for share, statistic in ((0.25, "ratio_lower"), (0.5, "ratio"), (0.75, "ratio_upper")):
                found, *bounds = curve.quantile(share)
                yield self._row(name, statistic, found, bounds, there=usable)
        enough = self._enough(self.observed)
        error = self._relative_error(name)
        yield self._row(name, "mape", np.nanmean(error) if self.observed.any() else np.nan, self._mean(error, enough))
        for other in self.against:
            if other != name and other in self.said and self.said[other]["value"].notna().any():
                gap = error - self._relative_error(other)
                yield self._row(name, "mape", np.nanmean(gap), self._mean(gap, enough), other)
        yield self._row(name, "unpredicted", int((self.observed & ~np.isfinite(predicted)).sum()))
        middle = np.quantile(np.where(np.isnan(predicted), np.inf, predicted), 0.5, method="inverted_cdf")
        yield self._row(name, "median", middle)

    def _relative_error(self, name: str) -> NDArray[np.float64]:
        """abs(predicted - measured)/measured, nan for censored runs."""
        said = self.said[name]["value"].to_numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.where(np.isfinite(said), np.abs(said - self.times) / self.times, _NOTHING_SAID)
        return np.where(self.observed, found, np.nan)

    def _mean(self, values: NDArray[np.float64], enough: bool) -> tuple[float, float] | None:
        return interval(means(values, self.weights)) if enough else None

    def _of_share(self, name: str) -> Iterator[dict[str, Any]]:
        """A share that is predicted, against the measured one: `accuracy`."""
        gap = self.said[name]["value"].to_numpy() - self.runs["accuracy"].to_numpy(float)
        there = ~np.isnan(gap)
        if not there.any():
            return
        enough = self._enough(there)
        yield self._row(name, "error", np.nanmean(gap), self._mean(gap, enough), there=there)
        yield self._row(name, "absolute_error", np.nanmean(abs(gap)), self._mean(abs(gap), enough), there=there)
        pair = self.runs["accuracy"].to_numpy(float)[there], self.said[name]["value"].to_numpy()[there]
        if len(pair[0]) > 3 and all(len(np.unique(values)) > 1 for values in pair):
            r: Any = pearsonr(*pair)
            yield self._row(name, "correlation", r.statistic, tuple(map(float, r.confidence_interval())), there=there)
        yield self._row(name, "above", int((gap < -1e-6).sum()), there=there)


def _whole(pairs: Any) -> float:
    """The concordance of all pairs; nan without any."""
    return float(pairs.index(np.ones((1, len(pairs.score))))[0])
