"""The four pictures: what they draw is what the theory and the runs say."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import efftheory as et
from analysis.measures.components import principal_components
from analysis.measures.rings import ring
from analysis.plots import draw_symbols, plot_embedding, plot_spectrum, plot_theory, plot_training_set
from analysis.predictors.memory import known, training
from analysis.runs.traces import Traces
from analysis.scores.paired import paired_difference
from analysis.scores.survival import survival_curve
from efftheory._picture import FATES
from neural import ConfigError, History, ModularConfig, RunConfig, train_run

ROOT = Path(__file__).parents[2]
TOY = RunConfig(p=6, n_train=15, budget=60)
OP = et.addition(10)
WHAT = ("RQI", "train accuracy", "test accuracy")
MASK = OP.random_training_set(25, seed=3)


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def run() -> History:
    return train_run(TOY)


def points(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xydata(), float)


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_who_gives_axes_gets_them_back_and_nobody_elses_are_touched(run: History) -> None:
    mpl.use("Agg")
    before = dict(mpl.rcParams)
    for draw in (
        lambda ax: plot_training_set(OP, MASK, ax),
        lambda ax: plot_spectrum(OP, MASK, ax),
        lambda ax: plot_embedding(run, ax),
        lambda ax: plot_theory(run, ax, draws=1),
    ):
        own = Figure().subplots()
        assert draw(own) is own
        assert pyplot.get_fignums() == []
        new = draw(None)
        assert len(pyplot.get_fignums()) == 1
        assert new.get_xlabel()
        assert new.get_ylabel()
        pyplot.savefig(io.BytesIO(), format="png")
        pyplot.close("all")
    assert dict(mpl.rcParams) == before


def test_a_training_set_is_drawn_with_what_is_in_its_reach(ax: Axes) -> None:
    plot_training_set(OP, MASK, ax)
    image: Any = ax.images[0].get_array()
    reached = et.generalizable(OP, MASK)
    fates = np.where(MASK, 0, np.where(reached, 1, 2))
    assert [to_hex(image[j, i]) for i, j in OP.pairs] == [FATES[fate][1].lower() for fate in fates]
    assert legend(ax) == ["trained", "within reach", "out of reach"]
    assert ax.get_title() == f"addition(10)\n25 of 55 samples, ideal accuracy {reached.mean():.3g}"


def test_a_spectrum_is_drawn_with_lambda_3(ax: Axes) -> None:
    plot_spectrum(OP, MASK, ax)
    values = np.linalg.eigvalsh(et.hessian(OP, MASK))
    positive, null, third = ax.lines
    np.testing.assert_allclose(np.asarray(positive.get_ydata(), float), values[2:], rtol=1e-9)
    assert np.asarray(null.get_xdata()).tolist() == [1, 2]
    np.testing.assert_allclose(points(third), [[3, values[2]]], rtol=1e-9)
    assert legend(ax) == ["eigenvalue", "exactly 0", rf"$\lambda_3$ = {values[2]:.4g}"]
    assert ax.get_yscale() == "log"


def test_a_mode_that_nothing_drives_is_marked_among_the_zeros(ax: Axes) -> None:
    few = OP.random_training_set(8, seed=0)
    plot_spectrum(OP, few, ax)
    assert et.nullity(OP, few) > 2
    assert points(ax.lines[2]).tolist() == [[3, 0]]
    assert ax.lines[2].get_transform() == ax.lines[1].get_transform() == ax.get_xaxis_transform()
    empty = Figure().subplots()
    plot_spectrum(OP, np.zeros(55, bool), empty)
    assert [text.get_text() for text in empty.texts] == ["all are 0"]


def test_embeddings_in_one_dimension_are_lines_of_symbols(run: History, ax: Axes) -> None:
    plot_embedding(run, ax)
    E = run.checkpoints["embedding"][:, :, 0].astype(float)
    drawn = np.array([line.get_ydata() for line in ax.lines]).T
    np.testing.assert_allclose(drawn.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(drawn.var(1, ddof=1), 1)
    np.testing.assert_array_equal(drawn.argsort(1), E.argsort(1))
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [max(step, 1) for step in run.checkpoint_steps])
    assert [text.get_text() for text in ax.texts] == [*"012345"]


def test_a_flow_is_drawn_over_its_time(ax: Axes) -> None:
    E0 = np.arange(10.0)[:, None] ** 2
    plot_embedding(et.flow(OP, MASK, E0 - E0.mean(), [0, 0.1, 1]), ax)
    assert ax.get_xlabel() == "time"
    assert np.asarray(ax.lines[0].get_xdata()).tolist() == [0.1, 0.1, 1]
    plot_embedding(et.memory_flow(OP, MASK, E0 / 100, steps=20), other := Figure().subplots())
    assert other.get_xlabel() == "steps"


def test_more_dimensions_are_seen_in_the_last_states_plane(ax: Axes) -> None:
    wide = train_run(replace(TOY, d=3))
    plot_embedding(wide, ax)
    last = principal_components(wide.checkpoints["embedding"][-1])
    ends = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(ends, last.scores[:, :2], atol=1e-5)
    np.testing.assert_allclose([points(line)[-1] for line in ax.lines], ends)
    first = wide.checkpoints["embedding"][0]
    places = (first - first.mean(axis=0)) @ last.directions[:2].T
    np.testing.assert_allclose([points(line)[0] for line in ax.lines], places, atol=1e-6)
    assert f"{last.shares[0]:.0%}" in ax.get_xlabel()


@pytest.mark.parametrize(
    ("config", "symbols"),
    [
        (RunConfig(operation="s3", p=6, d=3, n_train=20, budget=5), 6),
        (ModularConfig(p=5, network="transformer", d=8, heads=2, budget=4, look_every=2), 5),
        (ModularConfig(p=5, inputs="embeddings", d=8, budget=4, look_every=2), 5),
    ],
)
def test_every_kind_of_embedding_has_its_symbols(config: Any, symbols: int, ax: Axes) -> None:
    plot_embedding(train_run(config), ax)
    assert len(ax.lines) == symbols


def test_what_is_no_number_is_left_out(run: History, ax: Axes) -> None:
    E = run.checkpoints["embedding"].copy()
    E[-1] = np.nan
    plot_embedding(replace(run, checkpoints={"embedding": E}), ax)
    assert len(np.asarray(ax.lines[0].get_xdata())) == len(E) - 1
    draw_symbols(Figure().subplots(), [0, 1], np.ones((2, 4)))  # all in one place


def test_theory_and_network_are_drawn_alike(run: History, ax: Axes) -> None:
    """The measured curves as they are; with one draw the median is its flow."""
    plot_theory(run, ax, draws=1)
    said = {line.get_label(): line for line in ax.lines}
    assert list(said) == [
        f"{what}, {who}" for what in ("RQI", "train accuracy", "test accuracy") for who in ("theory", "network")
    ]
    np.testing.assert_array_equal(said["train accuracy, network"].get_ydata(), run.train_accuracy)
    mask, E0, targets = known(TOY)
    flow = et.memory_flow(et.addition(6), mask, E0, targets, seed=np.random.default_rng([0, 0]), **training(TOY))
    for what, curve in zip(WHAT, (flow.rqi, flow.train_accuracy, flow.test_accuracy), strict=True):
        for step, value in points(said[f"{what}, theory"]):
            assert value == curve[flow.times <= step][-1]
    for what in WHAT:
        one, other = said[f"{what}, theory"], said[f"{what}, network"]
        assert one.get_color() == other.get_color()
        assert one.get_linestyle() != other.get_linestyle()


def test_what_is_said_beforehand_has_no_network(ax: Axes) -> None:
    plot_theory(TOY, ax, draws=2)
    assert legend(ax) == ["RQI, theory", "train accuracy, theory", "test accuracy, theory"]
    plot_theory(replace(TOY, n_train=21), full := Figure().subplots(), draws=1)
    assert legend(full) == ["RQI, theory", "train accuracy, theory"]  # nothing is left to test


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda run: plot_theory(ModularConfig()), "`run` must be a run of the toy model"),
        (lambda run: plot_theory(run, draws=0), "`draws` must be an integer of at least 1, but is 0."),
        (lambda run: plot_embedding(run.traces), "`run` must be a History or a trajectory, but is a dict."),
        (
            lambda run: plot_embedding(replace(run, checkpoints={"a": 1, "b": 2})),
            "`run` must have embeddings, but has a, b.",
        ),
    ],
)
def test_a_wrong_use_is_one_line(draw: Any, message: str, run: History) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        draw(run)
    assert pyplot.get_fignums() == []


def test_a_notebook_keeps_its_backend() -> None:
    """What chooses one for a command is not imported."""
    code = "import matplotlib; matplotlib.use('svg'); import analysis.plots; print(matplotlib.get_backend())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["svg"]


def test_records_of_analysis_are_pages(run: History) -> None:
    curve = survival_curve(np.array([3.0, 5.0, 9.0]), np.array([True, True, False]))
    E = run.checkpoints["embedding"][-1]
    records = [curve, Traces.of(run), principal_components(E), ring(np.random.default_rng(0).normal(size=(7, 3)))]
    records.append(paired_difference([True, False], [False, False]))
    for record in records:
        text: str = record._repr_html_()  # pyright: ignore
        ET.fromstring(text)
        assert len(text) < 20_000
    assert f"{curve.quantile(0.5)[0]:g} [" in curve._repr_html_()


def test_bars_are_those_of_notebooks_and_plain_in_a_terminal() -> None:
    """tqdm.auto's everywhere, which warns of nothing where there is no notebook."""
    files = [*ROOT.glob("neural/**/*.py"), *ROOT.glob("analysis/**/*.py")]
    imports = {line for file in files for line in re.findall(r"^.*import tqdm.*$", file.read_text(), re.MULTILINE)}
    assert imports == {"from tqdm.auto import tqdm"}
    code = "from {} import tqdm\nfor _ in tqdm(range(2), bar_format='{{desc}}{{bar}}'): pass"
    told = [
        subprocess.run([sys.executable, "-W", "error", "-c", code.format(name)], capture_output=True, check=True).stderr
        for name in ("tqdm", "tqdm.auto")
    ]
    assert told[0] == told[1] != b""


def test_the_pages_example_draws_all_four() -> None:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/notebook.md").read_text(), re.DOTALL)
    assert "budget=1000" in code
    names: dict[str, Any] = {}
    exec(code.replace("budget=1000", "budget=20"), names)
    assert all(panel.lines and panel.get_xlabel() for panel in names["axes"].flat)
