"""The two-variable model: on landscapes that can be solved, and the command from end to
end.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis import two_variables as command
from analysis.runs.executors import Execution
from analysis.weight_norm.reduced import BORDER, FLOOR, Surface, follow, formula, geometry
from neural import ConfigError

LOG_W = np.linspace(0.0, 4.0, 9)
LEVELS = np.array([0.0, 0.1, 0.3, 0.6, 1.0])


def exact(a: float, b: float, at_border: float, log_w: NDArray[np.float64] = LOG_W) -> Surface:
    """l = BORDER exp(-a (log w - at_border) + b m): the border is the straight line
    log w = at_border + (b/a) m.
    """
    log_loss = math.log(BORDER) - a * (log_w[:, None] - at_border) + b * LEVELS
    return Surface(log_w, LEVELS, np.exp(log_loss))


def run(m: float, lr: float, messiness_lr: float, decay: float, hold: int, steps: int) -> Any:
    """What moves a state, as a configuration has it."""
    return SimpleNamespace(
        messiness=m, learning_rate=lr, messiness_lr=messiness_lr, weight_decay=decay, hold=hold, budget=steps
    )


@given(st.floats(0.2, 1.2), st.floats(0, 1), st.floats(1, 3), st.floats(0.1, 3.9), st.floats(0, 1))
def test_a_linear_landscape_is_exact(a: float, b: float, at_border: float, log_w: float, m: float) -> None:
    """Between its points, too: loss, gradient, border."""
    found = exact(a, b, at_border)
    loss = BORDER * math.exp(-a * (log_w - at_border) + b * m)
    assert found.loss(log_w, m) == pytest.approx(loss, rel=1e-9)
    assert found.gradient(log_w, m) == pytest.approx((-a * loss, b * loss), rel=1e-6)
    place = at_border + b / a * m
    if LOG_W[0] < place - 1e-6 and place + 1e-6 < LOG_W[-1]:
        assert found.border(m) == pytest.approx(place, abs=1e-9)
    elif place > LOG_W[-1] + 1e-6:
        assert math.isnan(found.border(m))


@given(st.floats(0.5, 1.2), st.floats(0.05, 1), st.floats(1, 2), st.floats(0.01, 0.4), st.floats(0.05, 0.5))
def test_geometry_of_a_straight_border(a: float, b: float, at_border: float, corner: float, height: float) -> None:
    """L, h and theta are those of the line; the formula is where log w meets it at the
    corner.
    """
    m, log_w = corner + height, 3.9
    assume(at_border + b / a * m < log_w)
    distance, fall, angle = geometry(exact(a, b, at_border), log_w, m, corner)
    assert distance == pytest.approx(log_w - at_border - b / a * m, abs=1e-8)
    assert fall == pytest.approx(height)
    assert math.tan(math.radians(angle)) == pytest.approx(b / a, rel=1e-6)
    steps = formula(distance, fall, angle, rate=1e-3)
    assert steps == pytest.approx((log_w - at_border - b / a * corner) / 1e-3, rel=1e-6)


def test_no_geometry_without_a_border() -> None:
    """Beyond the grid at some m; or the start on its wrong side."""
    steep = exact(1.0, 3.0, 2.0)
    for log_w, m, there in ((3.9, 0.5, True), (3.9, 0.9, False), (3.0, 0.5, False), (3.9, 0.1, False)):
        assert np.isfinite(geometry(steep, log_w, m, 0.1)).all() == there


@given(st.floats(1e-4, 1e-2), st.floats(1e-2, 1), st.floats(3, 3.9))
def test_without_a_gradient_the_decay_alone_moves(lr: float, decay: float, log_w: float) -> None:
    """Where all losses are at the floor, or m is held: log w falls by eta gamma a step,
    until no norm of the landscape is left.
    """
    flat = Surface(LOG_W, LEVELS, np.full((9, 5), FLOOR / 10))
    steps = math.ceil(1 / (lr * decay))
    found = follow(flat, log_w, run(0.5, lr, 1.0, decay, steps // 2, steps), corner=0.1)
    np.testing.assert_allclose(found.log_w, log_w - lr * decay * found.steps, atol=1e-6)
    np.testing.assert_allclose(found.messiness, 0.5, rtol=1e-9)
    assert (found.end, found.to_border, found.to_corner) == ("last step", math.inf, math.inf)
    found = follow(flat, log_w, run(0.5, lr, 1.0, decay, 0, 5 * steps), corner=0.1)
    assert found.end == "small norm"
    assert found.steps[-1] == pytest.approx(log_w / (lr * decay), rel=1e-4)


def test_steps_to_the_border() -> None:
    """With m held and hardly a gradient: (log w - border)/(eta gamma)."""
    found = follow(exact(1.0, 1.0, 2.0), 3.8, run(0.5, 1e-2, 1.0, 1.0, 300, 300), corner=0.1)
    assert found.to_border == pytest.approx((3.8 - 2.5) / 1e-2, rel=1e-2)
    assert (found.messiness == 0.5).all()
    assert found.end == "last step"


@pytest.mark.parametrize("messiness_lr", [1e-3, 1e-2])
def test_along_a_border_that_m_can_follow(messiness_lr: float) -> None:
    """If m moves faster than the decay asks, log w goes on at eta gamma, and m follows
    on the contour where eta_R b l = (a/b) eta gamma: there the formula is right.
    """
    a, b, rate = 1.0, 2.0, 1e-5
    loss = a * rate / (b**2 * messiness_lr)
    at_border = 3.9 - (b * 0.8 - math.log(loss / BORDER)) / a  # so that the start is on that contour
    free = run(0.8, 1e-4, messiness_lr, rate / 1e-4, 0, 10**6)
    found = follow(exact(a, b, at_border), 3.9, free, corner=0.1)
    assert found.end == "corner"
    steps = formula(0.0, 0.7, math.degrees(math.atan(b / a)), rate)
    assert found.to_corner == pytest.approx(steps, rel=0.01)


def test_a_decoder_that_pushes_back_slows_it_down() -> None:
    """Quasi-statically d log w/dt = -eta gamma r/(1 + r), r = eta_R b^2 w^2/(eta_D
    a^2): the formula's time is too short by that.
    """
    a, b, lr, decay, r = 10.0, 5.0, 0.02, 0.05, 0.5
    messiness_lr = r * lr * a**2 / b**2 / math.exp(2 * 0.6)
    # the start is where the decay is balanced
    loss = decay * math.exp(2 * 0.6) / a / (1 + r)
    at_border = 0.6 - (b * 0.9 - math.log(loss / BORDER)) / a
    landscape = exact(a, b, at_border, log_w=np.linspace(0.0, 1.5, 76))
    found = follow(landscape, 0.6, run(0.9, lr, messiness_lr, decay, 0, 10**4), corner=0.3)
    assert found.end == "corner"
    now = messiness_lr * b**2 * np.exp(2 * found.log_w) / (lr * a**2)
    pace = np.gradient(found.log_w, found.steps) / (-lr * decay)
    middle = slice(len(pace) // 10, -5)
    np.testing.assert_allclose(pace[middle], (now / (1 + now))[middle], rtol=0.15)
    assert np.inf > found.to_corner > 2.5 * 0.6 * b / a / (lr * decay)


def test_what_training_did_not_reach_is_filled_in() -> None:
    """The least loss of all smaller norms counts; nan and less than the floor do
    not.
    """
    loss = np.ones((9, 5))
    loss[3:] = 0.01
    loss[4], loss[5], loss[6] = 0.5, np.nan, 1e-9
    found = np.exp(Surface(LOG_W, LEVELS, loss).log_loss)
    np.testing.assert_allclose(found[:, 0], [1, 1, 1, 0.01, 0.01, 0.01, FLOOR, FLOOR, FLOOR])


@pytest.fixture
def arguments(tmp_path: Path) -> command.Arguments:
    return command.Arguments(
        operations=("addition",),
        p=4,
        sizes=(6, 10),
        seeds=1,
        first_seed=3,
        scales=(1, 3, 6),
        levels=(0, 0.5, 1),
        landscape_steps=100,
        decays=(1.0, 3.0),
        set=("width=8", "init_scale=5", "learning_rate=0.01", "hold=100"),
        execution=Execution("cpu", "in-process"),
        out=tmp_path / "out",
        store=tmp_path / "runs.sqlite",
    )


@pytest.mark.filterwarnings("error::UserWarning")  # matplotlib's
def test_from_end_to_end(arguments: command.Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    """All that a report has; the same again without training."""
    command.main(arguments)
    out, told = arguments.out or Path(), capsys.readouterr()
    assert "22 runs, 22 of them trained now" in told.err
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    runs, surfaces = (pd.read_csv(out / f"{name}.csv") for name in ("runs", "surfaces"))
    cases = runs[["n_train", "weight_decay", "budget", "seed"]].to_numpy().tolist()
    assert cases == [[6, 1, 300, 3], [6, 3, 200, 3], [10, 1, 300, 3], [10, 3, 200, 3]]
    for _, one in surfaces.groupby("n_train"):
        norms = one.groupby("norm", sort=False)["messiness"].agg(list)
        np.testing.assert_allclose(norms.index / norms.index[0], [1, 3, 6], rtol=1e-6)
        assert norms.tolist() == [[0, 0.5, 1]] * 3
    # what stands beside a run is what was said of it, and what it did
    said = pd.read_csv(out / "predictions.csv").query("target == 'corner'")
    said = said.pivot(index="key", columns="predictor", values="value").loc[runs["key"]]
    np.testing.assert_array_equal(said["equations"], runs["equations"])
    np.testing.assert_array_equal(said["formula"], runs["formula"].where(runs["formula"] > 100))
    scores = pd.read_csv(out / "scores.csv").query("statistic == 'did' and n_train != 'all'")
    got = scores[scores["target"] == "corner"]["value"] * 2
    assert got.tolist() == runs.groupby("n_train")["steps_to_corner"].count().tolist()
    assert scores[scores["target"] == "test"]["n_train"].tolist() == ["6"]  # of all 10 none is left to test
    assert {len(files[name]) > 10_000 for name in ("landscape.png", "times.png")} == {True}
    command.main(arguments)
    assert "22 runs, 0 of them trained now" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"seeds": 0}, "`seeds` must be"),
        ({"sizes": ()}, "`sizes` must be"),
        ({"sizes": (56,)}, "`n_train` must be at most p(p+1)/2 = 55"),
        ({"decays": (0.0,)}, "`decays` must be"),
        ({"scales": (1, 2, 3)}, "`scales` must be"),
        ({"levels": (0.2, 0.5, 1)}, "`levels` must be"),
        ({"levels": (0, 1)}, "`levels` must be"),
        ({"set": ("init_scale=9",)}, "`scales` must be"),
        ({"set": ("hold=50",)}, "`budget` must be a multiple of look_every = 100"),
        ({"set": ("n_train=30",)}, "n_train must be an axis or one value"),
        ({"landscape_steps": 50}, "`budget` must be a multiple of look_every = 100"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(wrong: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{re.escape(says)}.*[.]$"):
        command.main(replace(command.Arguments(), out=Path("/dev/null/nowhere"), **wrong))
