"""Figures 1, 21 and 22: what their tables say is what the runs did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from analysis.measures.components import effective_dimension
from analysis.paper import representations
from analysis.report.files import save_animation, save_picture
from analysis.runs.store import RunStore
from analysis.runs.traces import Traces
from neural import History, train_runs
from paper_figures import fig1, transformer
from paper_figures.__main__ import FIGURES
from paper_figures.scale import Scale
from paper_figures.style import LOOK

SMALL = replace(transformer.BASE, p=7, d=16, heads=2, mlp=16, fraction=0.7, learning_rate=1e-2, look_every=5)
SCALE = Scale(seeds=2, budget=300)


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformer, "BASE", SMALL)
        yield


@pytest.fixture(scope="module")
def trained(small: None) -> list[History]:
    return list(train_runs(transformer.runs(SCALE), device="cpu", compiled=False))


@pytest.fixture(scope="module")
def store(trained: list[History], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunStore]:
    with RunStore(tmp_path_factory.mktemp("store") / "runs.sqlite") as filled:
        for history in trained:
            filled.add(history, "cpu", "test")
        yield filled


def test_the_runs_are_the_captions() -> None:
    """Of the module itself, not of the small ones here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformer, "BASE", replace(SMALL, p=53, d=128))
        assert [(run.p, run.seed, run.budget) for run in transformer.runs(Scale())] == [
            (53, k, 10_000) for k in range(3)
        ]


@pytest.mark.parametrize("name", ["fig1", "fig21", "fig22"])
@pytest.mark.filterwarnings("error::UserWarning")
def test_each_figure_draws(name: str, store: RunStore, tmp_path) -> None:
    with mpl.rc_context(LOOK):
        figure = FIGURES[name].draw(FIGURES[name].tables(store, SCALE))
        save_picture(tmp_path / "figure.png", figure)
    assert imread(tmp_path / "figure.png").std() > 0.02
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.has_data() for axes in figure.axes)


@pytest.mark.filterwarnings("error::UserWarning")
def test_the_animation_has_a_frame_a_checkpoint(store: RunStore, trained: list[History], tmp_path) -> None:
    """Each with the symbols where they were, along the directions of the last."""
    drawn = fig1.tables(store, SCALE)
    with mpl.rc_context(LOOK):
        save_animation(tmp_path / "fig1.gif", *fig1.animate(drawn))
        figure, frame, n = fig1.animate(drawn)
    assert n == len(trained[0].checkpoint_steps)
    with Image.open(tmp_path / "fig1.gif") as made:
        assert (made.format, made.n_frames) == ("GIF", n)  # pyright: ignore[reportAttributeAccessIssue]
        assert made.info["loop"] == 0
    first, last = representations.projections(store, trained[0].config)
    np.testing.assert_allclose(drawn.film[0].places, first)
    np.testing.assert_allclose(drawn.film[-1].places, last)
    assert [stage.step for stage in drawn.film] == trained[0].checkpoint_steps.tolist()
    for number in (0, n - 1):
        frame(number)
        [axes] = figure.axes
        assert axes.get_title(loc="left") == f"step {drawn.film[number].step:,}"
        np.testing.assert_allclose(axes.collections[0].get_offsets(), drawn.film[number].places)  # pyright: ignore


def test_stages(store: RunStore, trained: list[History]) -> None:
    """The first and the last are the run's own."""
    run = trained[0]
    found = representations.stages(store, run.config)
    start, end = found[0], found[-1]
    assert (start.step, end.step) == (0, run.steps_run)
    assert start.train_accuracy == run.train_accuracy[0]
    assert end.test_accuracy == run.test_accuracy[-1]
    E = run.checkpoints["embedding"][-1][:-1].astype(float)
    distances = np.linalg.norm(end.places - end.places.mean(axis=0), axis=1)
    assert (distances**2).sum() == pytest.approx(end.share * ((E - E.mean(axis=0)) ** 2).sum())


class MadeUp:
    """A store of one run, seen every 10 steps and kept at 0, 20, 40 .. 100."""

    def __init__(self, train: list[float], test: list[float]):
        embedding = np.random.default_rng(0).normal(size=(6, 8, 3))
        metrics = {"train_accuracy": np.array(train), "test_accuracy": np.array(test)}
        flags = np.ones(49, np.bool_)
        self._traces = Traces(
            np.arange(0, 101, 10), metrics, {}, np.arange(0, 101, 20), {"embedding": embedding}, flags, flags
        )

    def traces(self, config: object) -> Traces:
        return self._traces


def test_moments_of_a_made_up_run() -> None:
    """Each at the first checkpoint not before it; what never came is left out."""
    late = cast(RunStore, MadeUp([0.0, 0.5, 0.9, 0.99, 1, 1, 1, 1, 1, 1, 1], [0.0] * 8 + [0.5, 0.9, 1]))
    found = representations.stages(late, SMALL)
    moments = [(stage.name, stage.step, stage.train_accuracy, stage.test_accuracy) for stage in found]
    assert moments == [
        ("start", 0, 0, 0),
        ("memorised", 40, 1, 0),
        ("half of the test set", 80, 1, 0.5),
        ("end", 100, 1, 1),
    ]
    never = cast(RunStore, MadeUp([0.0] * 11, [0.4] * 11))
    assert [stage.name for stage in representations.stages(never, SMALL)] == ["start", "end"]


def test_structure_and_curves(store: RunStore, trained: list[History]) -> None:
    run = trained[1]
    found = representations.structure_over_time(store, run.config)
    assert found["step"].tolist() == run.checkpoint_steps.tolist()
    wanted = [effective_dimension(E[:-1]) for E in run.checkpoints["embedding"]]
    np.testing.assert_allclose(found["effective_dimension"], wanted)
    curves = representations.learning_curves(store, run.config)
    np.testing.assert_array_equal(curves["test_accuracy"], run.test_accuracy)
    assert curves["step"].tolist() == run.steps.tolist()


def test_accuracy_by_components(store: RunStore, trained: list[History]) -> None:
    """With all of them the network's own; with none, one answer to all."""
    for run in trained:
        found = representations.accuracy_by_components(store, run.config)
        assert found["components"].tolist() == list(range(7 + 1))
        last = found.iloc[-1]
        assert last["train_accuracy"] == pytest.approx(run.train_accuracy[-1])
        assert last["test_accuracy"] == pytest.approx(run.test_accuracy[-1])
        assert found["train_accuracy"][0] <= 0.5


def test_projections(store: RunStore, trained: list[History]) -> None:
    """Both along the same two directions, the last as far apart as they can be."""
    run = trained[0]
    first, last = representations.projections(store, run.config)
    E = run.checkpoints["embedding"][:, :-1].astype(float)
    centred = E - E.mean(axis=1, keepdims=True)
    directions = np.linalg.pinv(centred[-1]) @ last
    np.testing.assert_allclose(first, centred[0] @ directions, atol=1e-8)
    np.testing.assert_allclose(directions.T @ directions, np.eye(2), atol=1e-8)
    assert first.shape == last.shape == (7, 2)
    assert np.square(first).sum() <= np.square(centred[0]).sum()
    largest = np.linalg.svd(centred[-1], compute_uv=False)[:2]
    np.testing.assert_allclose(np.linalg.norm(last, axis=0), largest)
