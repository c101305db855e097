"""The two-variable model: on landscapes that can be solved, and the command from end to
end.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.runs.executors import Execution
from analysis.two_variables import __main__ as command
from analysis.two_variables.landscape import BORDER, FLOOR, Geometry, Landscape, geometry
from analysis.two_variables.trajectory import Flow, reduced
from neural import ConfigError

LOG_W = np.linspace(0.0, 4.0, 9)
LEVELS = np.array([0.0, 0.1, 0.3, 0.6, 1.0])


def exact(a: float, b: float, at_border: float, log_w: NDArray[np.float64] = LOG_W) -> Landscape:
    """l = BORDER exp(-a (log w - at_border) + b m): the border is the straight line
    log w = at_border + (b/a) m.
    """
    log_loss = math.log(BORDER) - a * (log_w[:, None] - at_border) + b * LEVELS
    return Landscape(log_w, LEVELS, np.exp(log_loss))


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
    found = geometry(exact(a, b, at_border), log_w, m, corner)
    assert found is not None
    assert found.distance == pytest.approx(log_w - at_border - b / a * m, abs=1e-8)
    assert found.height == pytest.approx(height)
    assert math.tan(math.radians(found.angle)) == pytest.approx(b / a, rel=1e-6)
    assert found.steps(1e-3) == pytest.approx((log_w - at_border - b / a * corner) / 1e-3, rel=1e-6)
    other = 1e3 * (found.distance + height * a / b)
    assert found.steps_by_the_other_angle(1e-3) == pytest.approx(other, rel=1e-6)


def test_no_geometry_without_a_border() -> None:
    """Beyond the grid at some m; or the start on its wrong side."""
    steep = exact(1.0, 3.0, 2.0)
    assert geometry(steep, 3.9, 0.5, 0.1) is not None
    assert geometry(steep, 3.9, 0.9, 0.1) is None
    assert geometry(steep, 3.0, 0.5, 0.1) is None
    assert geometry(steep, 3.9, 0.1, 0.1) is None


@given(st.floats(1e-4, 1e-2), st.floats(1e-2, 1), st.floats(3, 3.9))
def test_without_a_gradient_the_decay_alone_moves(lr: float, decay: float, log_w: float) -> None:
    """Where all losses are at the floor, or m is held: log w falls by eta gamma a step,
    until no norm of the landscape is left.
    """
    flat = Landscape(LOG_W, LEVELS, np.full((9, 5), FLOOR / 10))
    steps = math.ceil(1 / (lr * decay))
    found = reduced(flat, log_w, 0.5, Flow(lr, 1.0, decay, hold=steps // 2, steps=steps), corner=0.1)
    np.testing.assert_allclose(found.log_w, log_w - lr * decay * found.steps, atol=1e-6)
    np.testing.assert_allclose(found.messiness, 0.5, rtol=1e-9)
    assert (found.end, found.to_border, found.to_corner) == ("last step", None, None)
    found = reduced(flat, log_w, 0.5, Flow(lr, 1.0, decay, hold=0, steps=5 * steps), corner=0.1)
    assert found.end == "small norm"
    assert found.steps[-1] == pytest.approx(log_w / (lr * decay), rel=1e-4)


def test_steps_to_the_border() -> None:
    """With m held and hardly a gradient: (log w - border)/(eta gamma)."""
    found = reduced(exact(1.0, 1.0, 2.0), 3.8, 0.5, Flow(1e-2, 1.0, 1.0, hold=300, steps=300), corner=0.1)
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
    flow = Flow(1e-4, messiness_lr, rate / 1e-4, hold=0, steps=10**6)
    found = reduced(exact(a, b, at_border), 3.9, 0.8, flow, corner=0.1)
    assert found.end == "corner"
    shape = Geometry(0.0, 0.7, math.degrees(math.atan(b / a)))
    assert found.to_corner == pytest.approx(shape.steps(rate), rel=0.01)


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
    found = reduced(landscape, 0.6, 0.9, Flow(lr, messiness_lr, decay, hold=0, steps=10**4), corner=0.3)
    assert found.end == "corner"
    now = messiness_lr * b**2 * np.exp(2 * found.log_w) / (lr * a**2)
    pace = np.gradient(found.log_w, found.steps) / (-lr * decay)
    middle = slice(len(pace) // 10, -5)
    np.testing.assert_allclose(pace[middle], (now / (1 + now))[middle], rtol=0.15)
    assert found.to_corner is not None
    assert found.to_corner > 2.5 * 0.6 * b / a / (lr * decay)


def test_what_training_did_not_reach_is_filled_in() -> None:
    """The least loss of all smaller norms counts; nan, or less than the floor, not."""
    loss = np.ones((9, 5))
    loss[3:] = 0.01
    loss[4], loss[5], loss[6] = 0.5, np.nan, 1e-9
    found = np.exp(Landscape(LOG_W, LEVELS, loss).log_loss)
    np.testing.assert_allclose(found[:, 0], [1, 1, 1, 0.01, 0.01, 0.01, FLOOR, FLOOR, FLOOR])


@pytest.fixture
def arguments(tmp_path: Path) -> command.Arguments:
    return command.Arguments(
        operations=("addition",),
        p=4,
        sizes=(6, 10),
        seeds=1,
        width=8,
        scales=(1, 3, 6),
        levels=(0, 0.5, 1),
        landscape_steps=100,
        decays=(1.0, 3.0),
        alpha=5.0,
        learning_rate=1e-2,
        hold=100,
        folds=1.0,
        execution=Execution("cpu", "in-process"),
        out=tmp_path / "out",
        store=tmp_path / "runs.sqlite",
    )


@pytest.mark.filterwarnings("error::UserWarning")  # matplotlib's
def test_from_end_to_end(arguments: command.Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    """All that a report has; the same again without training."""
    command.main(arguments)
    told = capsys.readouterr()
    assert "22 runs, 22 of them trained now" in told.err
    text = (arguments.out / "report.json").read_text()
    report, page = json.loads(text), (arguments.out / "report.md").read_text()
    assert [(one["n_train"], one["weight_decay"], one["budget"]) for one in report["cases"]] == [
        (6, 1.0, 200),
        (6, 3.0, 200),
        (10, 1.0, 200),
        (10, 3.0, 200),
    ]
    for one in report["landscapes"]:
        losses = np.array(one["train_loss"])
        assert losses.shape == (3, 3)
        assert (np.diff(losses, axis=0) <= 0).all()
        assert np.array(one["norms"]) / one["norms"][0] == pytest.approx([1, 3, 6])
    assert [one["tested"] is None for one in report["reached"]] == [False, True]
    for name in ("landscape.png", "times.png"):
        assert (arguments.out / name).stat().st_size > 10_000
    for sentence in report["verdict"]:
        assert sentence in page
        assert sentence in told.out
    command.main(arguments)
    assert "22 runs, 0 of them trained now" in capsys.readouterr().err
    assert (arguments.out / "report.json").read_text() == text


@settings(max_examples=20)
@given(
    st.sampled_from(
        [
            {"seeds": 0},
            {"sizes": ()},
            {"sizes": (56,)},
            {"decays": (0.0,)},
            {"scales": (1, 2, 3)},
            {"levels": (0.2, 0.5, 1)},
            {"levels": (0, 1)},
            {"alpha": 9.0},
            {"hold": 50},
            {"folds": 0.0},
        ]
    )
)
def test_bad_input_is_one_line(wrong: dict) -> None:
    with pytest.raises(ConfigError, match=r"^`[a-z_]+` .*[.]$"):
        command.main(replace(command.Arguments(), out=Path("/dev/null/nowhere"), **wrong))
