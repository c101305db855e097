"""Numbers of groups that are known otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import efftheory as et
from analysis.counting.thresholds import GROUPS, end_of_flow
from analysis.groups import half_point, of_ends, of_thresholds


def test_the_critical_fraction_is_the_library_s():
    """et.critical_fraction on the same draws, by its own interpolation."""
    op = GROUPS["s3"]()
    found = of_thresholds("s3", et.linear_thresholds(op, 200, seed=3).tolist()).set_index("statistic")
    ours: Any = found.loc["critical_unique"]
    theirs = et.critical_fraction(op, 200, seed=3)
    assert ours[["value", "low", "high"]].tolist() == pytest.approx([theirs.value, *theirs.interval])
    assert found.loc["per_element", "value"] == pytest.approx(6 * theirs.value)


@pytest.mark.parametrize("name", GROUPS)
def test_the_dimensions_are_those_of_commuting_matrices(name):
    """The centraliser by linear algebra: matrices z with z rho(a) = rho(a) z."""
    op = GROUPS[name]()
    found = of_thresholds(name, [op.n_samples]).set_index("statistic")["value"]
    rho = et.permutation_representation(op).astype(float)
    d = rho.shape[1]
    commutators = np.concatenate([np.kron(np.eye(d), a.T) - np.kron(a, np.eye(d)) for a in rho])
    centraliser = d * d - np.linalg.matrix_rank(commutators)
    symmetries = found[["symmetries", "conjugation", "centraliser"]].tolist()
    assert symmetries == [d * d, d * d - centraliser, centraliser]
    assert found["rank"] == found["unknowns"] - d * d
    assert found["samples"] == found["elements"] ** 2


def test_half_points():
    assert half_point([2, 4, 6], [0.0, 0.4, 0.8]) == pytest.approx(4.5)
    assert half_point([2, 4, 6], [0.6, 0.2, 0.8]) == 2
    assert np.isnan(half_point([2, 4, 6], [0.2, 0.45, 0.3]))
    assert half_point([2, 4, 6, 8], [0.2, 0.4, 0.3, 0.6]) == pytest.approx(7)
    assert half_point([2, 4, 6, 8], [0.2, 0.5, 0.5, 0.6]) == 4


def test_the_end_of_a_flow():
    """A representation stands still; a good one is one that et.time_to_rqi sees."""
    op = GROUPS["s3"]()
    everything = np.ones(op.n_samples, np.bool_)
    rqi, apart = end_of_flow(op, everything, et.permutation_representation(op).astype(float))
    assert rqi == 1
    assert apart == pytest.approx(4 / 9 / (1 / 3))  # a transposition apart: four entries of nine, a third of all are 1
    rng = np.random.default_rng(0)
    for _ in range(3):
        mask, E0 = op.random_training_set(24, rng), rng.uniform(-1, 1, (6, 2, 2))
        assert (end_of_flow(op, mask, E0)[0] > 0.95) == np.isfinite(et.time_to_rqi(op, mask, E0))


def test_flows_are_counted():
    lost = (float("nan"), float("nan"))
    found = of_ends(2, {12: [(0.2, 1.0), (0.96, 0.6), lost], 24: [(1.0, 0.1)] * 3, 30: [lost] * 3})
    by_name = {name: some["value"].tolist() for name, some in found.groupby("statistic")}
    assert by_name["good"] == [1, 3, 0]
    assert by_name["good_and_apart"] == [1, 0, 0]
    assert by_name["median_nearest"] == [0.6, 0.1, pytest.approx(np.nan, nan_ok=True)]
    assert by_name["found"] == pytest.approx([1 / 3, 1, 0])
    assert found["fraction"].max() == 30 / 36
    never = of_ends(2, {12: [lost] * 3, 24: [lost, lost, (1.0, 0.1)]}).iloc[0]
    assert (never["statistic"], np.isnan(never["value"]), np.isnan(never["high"])) == ("critical_found", True, True)
