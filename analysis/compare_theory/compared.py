"""Runs, predictions and scores of one family of networks: three tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.predictors.catalogue import applying, predict
from analysis.predictors.effective import described
from analysis.predictors.null import REPLICAS
from analysis.predictors.predictor import Predictor, Run, on, size_field, targets_of
from analysis.runs.store import RunStore, config_of
from analysis.scores.bootstrap import bootstrap_weights, interval, means
from analysis.scores.table import AGAINST, ALL, COLUMNS, score, score_settings
from neural import family_of


@dataclass(frozen=True)
class Compared:
    """What is compared."""

    family: str  # of the networks
    targets: tuple[str, ...]  # the first is that by which a run succeeds
    by: tuple[str, ...]  # columns of the settings, which are scored apart
    size: str  # the column that says how much data there is
    predictors: list[Predictor]  # those that say something
    everyone: pd.DataFrame  # the runs with their replicas, a row each
    runs: pd.DataFrame  # those that are judged, the first replicas
    predictions: pd.DataFrame
    scores: pd.DataFrame  # of each setting, of all where there are several (ALL), and of each size

    @property
    def title(self) -> dict[str, str]:
        """What each predictor is called."""
        return {one.name: one.title for one in self.predictors} | {REPLICAS.name: REPLICAS.title}

    @property
    def whole(self) -> pd.DataFrame:
        """The scores of all runs together."""
        several = (self.scores[self.by[0]] == ALL) if self.by else np.ones(len(self.scores), bool)
        chosen = self.scores[several] if several.any() else self.scores
        return chosen[chosen[self.size].isna()]

    @property
    def of_success(self) -> pd.DataFrame:
        """Of these, those by which predictors are judged."""
        return self.whole[(self.whole["target"] == self.targets[0]) & (self.whole["against"] == "")]

    @property
    def settings(self) -> pd.DataFrame:
        """Those of each setting."""
        here = self.scores[self.scores[self.size].isna()]
        return here[here[self.by[0]] != ALL] if self.by else here

    @property
    def by_size(self) -> pd.DataFrame:
        return self.scores[self.scores[self.size].notna()]

    def said(self, target: str, what: str = "value") -> pd.DataFrame:
        """What is said of a target: a row a run, by key, a column a predictor."""
        here = self.predictions[(self.predictions["target"] == target) & self.predictions[what].notna()]
        return here.pivot(index="key", columns="predictor", values=what).reindex(self.runs["key"])


def compared(
    store: RunStore, plans: Mapping[str, Sequence], predictors: Sequence[Predictor], draws: Mapping[str, int]
) -> list[Compared]:
    """Of the runs of each family in the plans, by experiment."""
    families = dict.fromkeys(family_of(config) for configs in plans.values() for config in configs)
    found = []
    for family in families:
        here = {name: configs for name, configs in plans.items() if family_of(configs[0]) is family}
        found.append(_of_family(store, here, predictors, draws))
    return found


def _of_family(
    store: RunStore, plans: Mapping[str, Sequence], predictors: Sequence[Predictor], draws: Mapping[str, int]
) -> Compared:
    configs = [config for some in plans.values() for config in some]
    chosen = applying(configs, predictors)
    everyone = pd.concat([store.table(some).assign(experiment=name) for name, some in plans.items()], ignore_index=True)
    first = configs[0]
    toy, size, targets = on("toy")(first), size_field(first), targets_of(first)
    runs = everyone[everyone["replica"] == 0].reset_index(drop=True) if toy else everyone
    predictions = predict(store, runs, chosen, draws)
    if toy:
        said = [described(Run(config_of(row["key"]), row)) for row in runs.to_dict("records")]
        runs = runs.join(pd.DataFrame(said, index=runs.index))
    by = ["experiment"] * (len(plans) > 1) + ["repr_lr", "decoder_lr"] * toy
    clusters = [name for name in ("experiment", size, "seed") if name in runs]
    scores = score_settings(runs, predictions, chosen, [*targets, "accuracy"], by, size)
    scores.append(score(runs, predictions, chosen, targets, [*by, size], within=None, against=AGAINST))
    if toy and everyone["replica"].any():
        scores.append(irreducible(store, everyone, runs, by, clusters, size))
    table = pd.concat(scores, ignore_index=True)[[*by, size, *COLUMNS]]
    return Compared(family_of(first).name, targets, tuple(by), size, chosen, everyone, runs, predictions, table)


def irreducible(
    store: RunStore, everyone: pd.DataFrame, runs: pd.DataFrame, by: Sequence[str], clusters: Sequence[str], size: str
) -> pd.DataFrame:
    """How well the replicas of a run foretell it, who differ in the decoder's initial
    weights alone; and `irreducible`: the mean of p (1 - p), the Brier score of a
    predictor that knows all but these. It is, without bias, that of
    k (R - k) / (R (R - 1)) for k successes in R replicas.
    """
    said = predict(store, everyone, [REPLICAS])
    scores = score(runs, said, [REPLICAS], ["rqi"], by, within=size, clusters=clusters)
    cells = [*by, *clusters]
    success = everyone["steps_to_rqi"].notna().groupby([everyone[name] for name in cells])
    k, n = success.sum(), success.count()
    doubt = (k * (n - k) / (n * (n - 1))).rename("doubt").reset_index()
    rows = []
    for values, group in doubt.groupby([*by]) if by else [((), doubt)]:
        bounds = interval(means(group["doubt"].to_numpy(), bootstrap_weights(group[size], 0)))
        low, high = bounds if bounds and group["doubt"].any() else (np.nan, np.nan)
        label = dict(zip(by, values, strict=True)) | {"target": "rqi", "predictor": REPLICAS.name, "against": ""}
        about = {"statistic": "irreducible", "value": group["doubt"].mean(), "low": low, "high": high}
        rows.append(label | about | {"n": len(group), "n_censored": 0})
    return pd.concat([scores, pd.DataFrame(rows)], ignore_index=True)
