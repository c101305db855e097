"""Figures 1, 21 and 22: what their tables say is what the runs did."""

from __future__ import annotations

from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from analysis.measures.components import effective_dimension
from analysis.paper import representations
from analysis.runs.store import RunStore
from analysis.runs.traces import Traces
from neural import ModularConfig
from paper_figures import fig1, transformer
from paper_figures.scale import Scale
from paper_figures.style import LOOK, save_animation
from tests.paper_figures.conftest import Drawn


@pytest.fixture
def configs(drawn: Drawn) -> list[Any]:
    """The runs, which are in the store."""
    drawn.tables("fig1")
    return drawn.runs("fig1")


def test_the_runs_are_the_captions() -> None:
    assert [(run.p, run.seed, run.budget) for run in transformer.runs(Scale())] == [(53, k, 10_000) for k in range(3)]


@pytest.mark.filterwarnings("error::UserWarning")
def test_the_animation_has_a_frame_a_checkpoint(drawn: Drawn, configs: list[Any], tmp_path) -> None:
    """Each with the symbols where they were, along the directions of the last."""
    tables, traces = drawn.tables("fig1"), drawn.store.traces(configs[0])
    with mpl.rc_context(LOOK):
        save_animation(tmp_path / "fig1.gif", *fig1.animate(**tables))
        figure, frame, n = fig1.animate(**tables)
    assert n == len(traces.checkpoint_steps)
    with Image.open(tmp_path / "fig1.gif") as made:
        assert (made.format, made.n_frames) == ("GIF", n)  # pyright: ignore[reportAttributeAccessIssue]
        assert made.info["loop"] == 0
    frames = tables["frames"]
    assert [stage.step for stage in frames] == traces.checkpoint_steps.tolist()
    for number in (0, n - 1):
        frame(number)
        [axes] = figure.axes
        assert axes.get_title(loc="left") == f"step {tables['frames'][number].step:,}"
        np.testing.assert_allclose(axes.collections[0].get_offsets(), frames[number].places)  # pyright: ignore


def test_stages(drawn: Drawn, configs: list[Any]) -> None:
    """The first and the last are the run's own."""
    traces = drawn.store.traces(configs[0])
    found = representations.stages(drawn.store, configs[0])
    start, end = found[0], found[-1]
    assert (start.step, end.step) == (0, traces.steps[-1])
    assert start.train_accuracy == traces.metrics["train_accuracy"][0]
    assert end.test_accuracy == traces.metrics["test_accuracy"][-1]
    E = traces.checkpoints["embedding"][-1][:-1].astype(float)
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
    found = representations.stages(late, ModularConfig())
    moments = [(stage.name, stage.step, stage.train_accuracy, stage.test_accuracy) for stage in found]
    assert moments == [
        ("start", 0, 0, 0),
        ("memorised", 40, 1, 0),
        ("half of the test set", 80, 1, 0.5),
        ("end", 100, 1, 1),
    ]
    never = cast(RunStore, MadeUp([0.0] * 11, [0.4] * 11))
    assert [stage.name for stage in representations.stages(never, ModularConfig())] == ["start", "end"]


def test_structure_and_curves(drawn: Drawn, configs: list[Any]) -> None:
    traces, tables = drawn.store.traces(configs[1]), drawn.tables("fig1")
    found = tables["structures"][configs[1].seed]
    assert found["step"].tolist() == traces.checkpoint_steps.tolist()
    wanted = [effective_dimension(E[:-1]) for E in traces.checkpoints["embedding"]]
    np.testing.assert_allclose(found["effective_dimension"], wanted)
    curves = tables["learning"][configs[1].seed]
    np.testing.assert_array_equal(curves["test_accuracy"], traces.metrics["test_accuracy"])
    assert curves["step"].tolist() == traces.steps.tolist()


def test_accuracy_by_components(drawn: Drawn, configs: list[Any]) -> None:
    """With all of them the network's own; with none, one answer to all."""
    for config in configs:
        found, metrics = drawn.tables("fig22")["seeds"][config.seed], drawn.store.traces(config).metrics
        assert found["components"].tolist() == list(range(7 + 1))
        last = found.iloc[-1]
        assert last["train_accuracy"] == pytest.approx(metrics["train_accuracy"][-1])
        assert last["test_accuracy"] == pytest.approx(metrics["test_accuracy"][-1])
        assert found["train_accuracy"][0] <= 0.5


def test_projections(drawn: Drawn, configs: list[Any]) -> None:
    """Both along the same two directions, the last as far apart as they can be."""
    first, last = drawn.tables("fig21")["seeds"][1]
    E = drawn.store.traces(configs[1]).checkpoints["embedding"][:, :-1].astype(float)
    centred = E - E.mean(axis=1, keepdims=True)
    directions = np.linalg.pinv(centred[-1]) @ last
    np.testing.assert_allclose(first, centred[0] @ directions, atol=1e-8)
    np.testing.assert_allclose(directions.T @ directions, np.eye(2), atol=1e-8)
    assert first.shape == last.shape == (7, 2)
    assert np.square(first).sum() <= np.square(centred[0]).sum()
    largest = np.linalg.svd(centred[-1], compute_uv=False)[:2]
    np.testing.assert_allclose(np.linalg.norm(last, axis=0), largest)
