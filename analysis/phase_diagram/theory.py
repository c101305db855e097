"""The phase diagram that the theory predicts, held against the measured one, point by
point and run by run.

The theory (`efftheory.memory`) is given a run's training set, initial embeddings,
targets and rates. The decoder's initial weights it draws: DRAWS times. The steps of a
run are the lower medians over the draws, and its phase is that of these steps, so that
phase and steps tell one story. Which phase a point has most of its runs tell, as
measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import KDTree

import efftheory as et
from analysis.phase_diagram.phases import PHASES, UNDECIDED, points, with_phases
from analysis.phase_diagram.records import EqualShare, OfBoth, OtherSeeds, SeedShare, TargetScore, Theory, Zone, Zones
from analysis.runs.plan import Axis
from analysis.scores.calibration import calibrate
from analysis.theory.decoder_theory import outlooks
from neural import RunConfig

DRAWS = 3
TARGETS = ("train", "test", "rqi")
_DIGITS = 6  # of a place on the grid


def predict(configs: Sequence[RunConfig], delay: float, on_run: Callable[[], object] = lambda: None) -> pd.DataFrame:
    """What the theory says of each run, a row a run.

    `train`, `test`, `rqi`: steps to the accuracies and to RQI > 0.95, inf = not within
    the budget. `delay`, `phase`: as `classify` has them. `train_share`, `test_share`,
    `rqi_share`: of the draws, those that get there.
    """
    found = outlooks(configs, DRAWS, on_run=on_run)
    steps = {target: [outlook.median(target) for outlook in found] for target in TARGETS}
    shares = {f"{target}_share": [outlook.share(target) for outlook in found] for target in TARGETS}
    return with_phases(pd.DataFrame(steps | shares), delay)


def compare(runs: pd.DataFrame, predicted: pd.DataFrame, axes: Sequence[Axis]) -> Theory:
    """The numbers of the comparison, from classified runs and, in the same order, what
    `predict` says of them.

    runs, points: what was predicted of each. A point's `measured` is the majority that
    was measured, `test_share` and `rqi_share` are the predicted shares of its runs that
    generalise and that have RQI > 0.95, `measured_...` the measured ones; `touches` and
    `near` are those of `boundary_zone`. Points whose measured phase is UNDECIDED are
    not compared: no prediction can be right or wrong there. A predicted one is wrong.
    """
    runs = runs.reset_index(drop=True)
    fields = [axis.field for axis in axes]
    where = runs[[*fields, "seed"]]
    measured = where.join(runs[["train", "test", "delay", "phase"]]).assign(rqi=runs["steps_to_rqi"].fillna(np.inf))
    predicted = where.join(predicted.reset_index(drop=True))
    cells, expected = points(measured, axes), points(predicted, axes)
    for target in ("test", "rqi"):
        there = where.assign(measured=np.isfinite(measured[target]), predicted=predicted[f"{target}_share"])
        shares = there.groupby(fields, sort=True, dropna=False)[["measured", "predicted"]].mean()  # as `points` sorts
        expected[f"{target}_share"] = shares["predicted"].to_numpy()
        expected[f"measured_{target}_share"] = shares["measured"].to_numpy()
    touches, near = boundary_zone(cells, axes)
    expected = expected.assign(measured=cells["majority"], touches=touches, near=near)
    decided = (expected["measured"] != UNDECIDED).to_numpy()
    differs = decided & (expected["measured"] != expected["majority"]).to_numpy()
    of_points, of_runs = (cells["majority"], expected["majority"]), (measured["phase"], predicted["phase"])
    equal = measured["phase"] == predicted["phase"]
    return Theory(
        draws=DRAWS,
        equal=OfBoth(equal_share(*(names[decided] for names in of_points)), equal_share(*of_runs)),
        equal_by_seed=[SeedShare(seed, len(same), int(same.sum())) for seed, same in equal.groupby(where["seed"])],
        other_seeds=other_seeds(cells),
        confusion=OfBoth(confusion(*of_points), confusion(*of_runs)),
        boundary=Zones(*(Zone(int((zone & decided).sum()), int((zone & differs).sum())) for zone in (touches, near))),
        targets=[score_target(measured, predicted, target) for target in TARGETS],
        points=expected,
        runs=predicted,
    )


def equal_share(measured: pd.Series, predicted: pd.Series) -> EqualShare:
    """How many phases are as predicted; no share of none.

    The interval takes the cases as independent. Neighbouring points are not, and all
    points have the same few seeds, so it is too narrow.
    """
    if measured.empty:
        return EqualShare(n=0, equal=0, share=np.nan, interval=(0.0, 1.0), commonest=UNDECIDED, baseline=np.nan)
    equal = et.proportion(int((measured == predicted).sum()), len(measured))
    counts = {name: int((measured == name).sum()) for name in PHASES}
    commonest = max(PHASES, key=lambda name: counts[name])
    return EqualShare(
        n=len(measured),
        equal=int((measured == predicted).sum()),
        share=equal.value,
        interval=equal.interval,
        commonest=commonest,
        baseline=counts[commonest] / len(measured),
    )


def other_seeds(cells: pd.DataFrame) -> OtherSeeds:
    """How well experiments predict one another: the share of runs in the commonest
    phase of the point's other runs.

    Of k equally common phases each is the answer with probability 1/k. None where no
    point has two runs.
    """
    counts = cells.loc[cells["n"] > 1, list(PHASES)].to_numpy()
    others = counts[:, None, :] - np.eye(len(PHASES), dtype=int)  # without a run of the second index's phase
    commonest = others == others.max(axis=-1, keepdims=True)
    right = np.diagonal(commonest, axis1=1, axis2=2) / commonest.sum(axis=-1)
    n = int(counts.sum())
    return OtherSeeds(n, float((counts * right).sum() / n) if n else None)


def confusion(measured: pd.Series, predicted: pd.Series) -> dict[str, dict[str, int]]:
    """[measured][predicted]: how many have these phases, or are undecided."""
    names = (*PHASES, UNDECIDED)
    return {a: {b: int(((measured == a) & (predicted == b)).sum()) for b in names} for a in names}


def boundary_zone(cells: pd.DataFrame, axes: Sequence[Axis]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which points lie at a measured boundary, and which within one cell of one:
    (touches, near), bool (n,) each.

    A boundary passes between two points with different majorities that follow each
    other on a line of the plane, at most one step of the first grid apart: both touch
    it. A point is near one that it touches, or that a point around it does, at most
    such a step away along each axis (the eight neighbours, where the plane is not
    refined).
    """
    columns = []
    for name, axis in zip("xy", axes, strict=True):
        known = [axis.position(value) for value in axis.values]
        columns.append(np.interp([axis.position(value) for value in cells[name]], known, np.arange(len(known))))
    places = np.round(np.array(columns).T, _DIGITS)  # (n, 2), in steps of the first grid
    majority = cells["majority"].to_numpy()
    touches = np.zeros(len(cells), dtype=bool)
    for along, across in ((0, 1), (1, 0)):
        order = np.lexsort((places[:, along], places[:, across]))
        a, b = order[:-1], order[1:]
        beside = (places[a, across] == places[b, across]) & (places[b, along] - places[a, along] <= 1)
        crossed = beside & (majority[a] != majority[b])
        touches[a[crossed]] = touches[b[crossed]] = True
    near = touches.copy()
    a, b = KDTree(places).query_pairs(1, p=np.inf, output_type="ndarray").T
    near[a[touches[b]]] = near[b[touches[a]]] = True
    return touches, near


def score_target(measured: pd.DataFrame, predicted: pd.DataFrame, target: str) -> TargetScore:
    """Who gets to "train", "test" or "rqi", and when."""
    there, promised = np.isfinite(measured[target]), np.isfinite(predicted[target])
    both = there & promised & (measured[target] > 0) & (predicted[target] > 0)
    ratio = measured[target][both] / predicted[target][both]
    chance = calibrate(predicted[f"{target}_share"], there)
    return TargetScore(
        target=target,
        n=len(measured),
        n_measured=int(there.sum()),
        n_predicted=int(promised.sum()),
        right=float((there == promised).mean()),
        baseline=float(max(there.mean(), 1 - there.mean())),
        brier=chance.brier,
        brier_base_rate=chance.brier_base_rate,
        n_ratio=int(both.sum()),
        ratio=np.quantile(ratio, (0.25, 0.5, 0.75), method="inverted_cdf").tolist() if both.any() else None,
    )
