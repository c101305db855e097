"""The second paper's figures: each draws, and what its tables say is what the runs
did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from analysis.experiments import EXPERIMENTS
from analysis.report.files import save_picture
from analysis.runs.plan import Axis, parse_axis
from analysis.runs.store import RunStore
from neural import ConfigError, train_runs
from neural.config import shape
from paper_figures import (
    omnigrok2,
    omnigrok3,
    omnigrok4,
    omnigrok5,
    omnigrok7,
    omnigrok8,
    omnigrok10,
    omnigrok11,
    omnigrok12,
)
from paper_figures.__main__ import FIGURES, lacking_data
from paper_figures.scale import Scale
from paper_figures.style import LOOK
from paper_figures.weight_norm import draw_times

SCALE = Scale(seeds=2, points=3, budget=20, small=True)
NAMES = [name for name in FIGURES if name.startswith("omnigrok")]
TINY: dict[str, dict[str, Any]] = {
    "teacher": {"n_train": 20, "n_test": 10, "width": 8, "look_every": 10},
    "digits": {"data": "small", "n_train": 60, "n_test": 40, "width": 12, "batch_size": 20, "look_every": 10},
    "transformer": {"p": 5, "d": 8, "heads": 2, "mlp": 8, "look_every": 10},
    "reviews": {
        **{"n_train": 20, "n_test": 10, "words": 30, "length": 4, "embedding": 4, "width": 4},
        **{"batch_size": 10, "look_every": 10},
    },
    "molecules": {"n_train": 8, "n_test": 6, "batch_size": 4, "look_every": 10},
}
PATCHES = (
    (omnigrok2, "STILL", "teacher"),
    (omnigrok2, "FREE", "teacher"),
    (omnigrok3, "SMALL", "digits"),
    (omnigrok3, "SMALL_STILL", "digits"),
    (omnigrok4, "SMALL", "reviews"),
    (omnigrok4, "SMALL_STILL", "reviews"),
    (omnigrok5, "SMALL", "molecules"),
    (omnigrok5, "SMALL_STILL", "molecules"),
    (omnigrok7, "SMALL", "transformer"),
    (omnigrok8, "SMALL_STILL", "digits"),
    (omnigrok10, "SMALL_STILL", "transformer"),
    (omnigrok12, "SMALL", "digits"),
    (omnigrok12, "SMALL_STILL", "digits"),
)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module, name, kind in PATCHES:
            patch.setattr(module, name, replace(getattr(module, name), **TINY[kind]))
        patch.setattr(omnigrok3, "SMALL_SIZES", Axis("n_train", (20, 40, 60), log=True))
        for name in ("transformer", "digits"):
            runs, shells = EXPERIMENTS["norm_law"][name], EXPERIMENTS["shells"][name]
            patch.setitem(EXPERIMENTS["norm_law"], name, replace(runs, base=replace(runs.base, **TINY[name])))
            few = (parse_axis(type(shells.base), "x", "init_scale=0.5:2:3:log"),)
            held = replace(shells.base, **TINY[name], budget=20)
            patch.setitem(EXPERIMENTS["shells"], name, replace(shells, base=held, axes=few))
        yield


@pytest.fixture(scope="module")
def store(small: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    needed = dict.fromkeys(run for name in NAMES for run in FIGURES[name].runs(SCALE))
    in_ensembles = sorted(needed, key=lambda run: (type(run).__name__, repr(shape(run))))
    with RunStore(tmp_path_factory.mktemp("store") / "runs.sqlite") as filled:
        for history in train_runs(in_ensembles, device="cpu", lanes=32, compiled=False):
            filled.add(history, "cpu", "test")
        yield filled


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_draws(name: str, store: RunStore, tmp_path) -> None:
    """Not empty, and its caption names its panels."""
    figure = FIGURES[name]
    with mpl.rc_context(LOOK):
        save_picture(tmp_path / "picture.png", figure.draw(figure.tables(store, SCALE)))
    assert np.ptp(imread(tmp_path / "picture.png")) > 0.9
    assert "(a)" in figure.__doc__
    assert "(b)" in figure.__doc__


def test_only_runs_at_constant_norm_are_landscapes() -> None:
    """Of both scales; they have no decay, and the others have one somewhere."""
    for module in (omnigrok3, omnigrok4, omnigrok5, omnigrok7, omnigrok12):
        for scale in (SCALE, Scale()):
            held = [run for run in module.runs(scale) if run.constrained]
            assert held
            assert {run.weight_decay for run in held} == {0.0}
            assert any(not run.constrained for run in module.runs(scale))


def test_histories_are_those_of_the_store(store: RunStore) -> None:
    table = omnigrok7.tables(store, SCALE).free
    for config in (run for run in omnigrok7.runs(SCALE) if not run.constrained):
        here, traces = table[table["seed"] == config.seed], store.traces(config)
        np.testing.assert_array_equal(here["step"], traces.steps)
        np.testing.assert_array_equal(here["test_loss"], traces.metrics["test_loss"])
        np.testing.assert_array_equal(here["weight_norm"], traces.metrics["weight_norm"])


def test_the_predictions_drawn_are_those_of_the_law(store: RunStore) -> None:
    drawn = omnigrok11.tables(store, SCALE)
    for name, table in drawn._asdict().items():
        assert tuple(sorted(table["weight_decay"].unique())) == EXPERIMENTS["norm_law"][name].values("weight_decay")
        assert table["law"].notna().all()
        assert (table["budget"] == 20).all()


def test_censored_runs_are_triangles_at_their_budget(store: RunStore) -> None:
    table = store.table([run for run in omnigrok2.runs(SCALE) if not run.constrained and run.init_scale == 2])
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
