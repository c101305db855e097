"""The second paper's figures: each draws, and what its tables say is what the runs
did.
"""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.experiments import EXPERIMENTS
from neural import ConfigError
from paper_figures import omnigrok3, omnigrok4, omnigrok5, omnigrok7, omnigrok12
from paper_figures.__main__ import lacking_data
from paper_figures.scale import Scale
from paper_figures.weight_norm import draw_times
from tests.paper_figures.conftest import SCALES, Drawn

SCALE = SCALES["omnigrok3"]


def test_only_runs_at_constant_norm_are_landscapes() -> None:
    """Of both scales; they have no decay, and the others have one somewhere."""
    for module in (omnigrok3, omnigrok4, omnigrok5, omnigrok7, omnigrok12):
        for scale in (SCALE, Scale()):
            held = [run for run in module.runs(scale) if run.constrained]
            assert held
            assert {run.weight_decay for run in held} == {0.0}
            assert any(not run.constrained for run in module.runs(scale))


def test_histories_are_those_of_the_store(drawn: Drawn) -> None:
    table = drawn.tables("omnigrok7")["free"]
    for config in (run for run in drawn.runs("omnigrok7") if not run.constrained):
        here, traces = table[table["seed"] == config.seed], drawn.store.traces(config)
        np.testing.assert_array_equal(here["step"], traces.steps)
        np.testing.assert_array_equal(here["test_loss"], traces.metrics["test_loss"])
        np.testing.assert_array_equal(here["weight_norm"], traces.metrics["weight_norm"])


def test_the_predictions_drawn_are_those_of_the_law(drawn: Drawn) -> None:
    for name, table in drawn.tables("omnigrok11").items():
        assert sorted(table["weight_decay"].unique()) == list(EXPERIMENTS["norm_law"][name].axes[1].values)
        assert table["law"].notna().all()
        assert (table["budget"] == 20).all()


def test_censored_runs_are_triangles_at_their_budget(drawn: Drawn) -> None:
    table = drawn.tables("omnigrok2")["timed"]
    late = table[table["steps_to_test"].isna()]
    axes = Figure().subplots()
    draw_times(axes, table, "steps_to_test", "weight_decay", "black", "o", "all")
    marks = next(line for line in axes.lines if line.get_marker() == "^")
    np.testing.assert_array_equal(marks.get_ydata(), late["budget"])
    assert len(late) > 0


def test_missing_reviews_and_molecules_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> None:
        raise ConfigError("they are not here")

    monkeypatch.setattr("neural.families.reviews.reviews", absent)
    monkeypatch.setattr("neural.families.molecules.read_qm9", absent)
    for module in (omnigrok4, omnigrok5):
        assert lacking_data(module.runs(SCALE)) == "they are not here"
    assert lacking_data(omnigrok7.runs(SCALE)) == ""
