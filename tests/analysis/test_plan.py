"""Axes and grids from text, and planes of them from the options of a command."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.experiments import DIAGRAMS
from analysis.phase_diagram.__main__ import refinement
from analysis.runs.phases import points
from analysis.runs.plan import FORM, Axis, at_point, grid, parse_axis, parse_settings, parse_value
from analysis.runs.session import PlaneOptions
from neural import ConfigError, RunConfig


@pytest.mark.parametrize(
    ("text", "values", "log"),
    [
        ("decoder_wd=0:10:11", tuple(map(float, range(11))), False),
        ("decoder_lr=1e-5:1e-2:4:log", (1e-5, 1e-4, 1e-3, 1e-2), True),
        ("init_scale=0.1:10:3:log", (0.1, 1.0, 10.0), True),
        ("n_train=5:45:9", tuple(range(5, 50, 5)), False),
        ("width=10:1000:3:log", (10, 100, 1000), True),
        ("n_train=1:3:9", (1, 2, 3), False),  # an integer twice is one value
        ("n_train=30:30:1", (30,), False),
        ("n_train=50,5,20", (5, 20, 50), True),  # more even as factors
        ("n_train=30,10,20", (10, 20, 30), False),
        ("decoder_wd=10,0,5", (0.0, 5.0, 10.0), False),
        ("decoder_lr=1e-3,1e-4,1e-2", (1e-4, 1e-3, 1e-2), True),
        ("decoder_lr=1e-4,1e-3", (1e-4, 1e-3), False),  # two values say nothing about the steps between
        ("loss=mse,ce", ("mse", "ce"), False),
        ("batch_size=5,15,full", (5, 15, None), False),
        ("batch_size=none,5", (None, 5), False),
        ("n_train=1e1", (10,), False),
        ("dtype=float64", ("float64",), False),
        ("targets=random,orthogonal", ("random", "orthogonal"), False),
        ("replica=0:3:4", (0, 1, 2, 3), False),
    ],
)
def test_an_axis_from_text(text, values, log):
    axis = parse_axis(RunConfig, "x", text)
    assert axis == Axis(text.partition("=")[0], values, log)
    assert [type(value) for value in axis.values] == [type(value) for value in values]


def test_other_names_of_a_field():
    others = {"decoder_weight_decay": "decoder_wd", "repr-weight-decay": "repr_wd", "weight_decay": "decoder_wd"}
    others |= {"steps": "budget", "decoder-lr": "decoder_lr", "repr-wd": "repr_wd"}
    for alias, field in others.items():
        assert parse_axis(RunConfig, "x", f"{alias}=1,2").field == field


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", FORM),
        ("decoder_lr", FORM),
        ("decoder_lr=", FORM),
        ("decoder_lr=1:2", FORM),
        ("decoder_lr=1:2:3:lin", FORM),
        ("decoder_lr=1:2:3:log:log", FORM),
        ("decoder_lr=1:2:x", FORM),
        ("decoder_lr=1:2:2.5", FORM),
        ("decoder_lr=:2:3", FORM),
        ("loss=1:2:3", FORM),
        ("colour=1,2", ", repr_lr, decoder_lr, "),
        ("colour=1,2", "but names 'colour'"),
        ("seed=0,1", "must not be seed"),
        ("decoder_lr=1,1.0", "every value once"),
        ("decoder_lr=2:1:3", "LO <= HI and N of at least 1"),
        ("decoder_lr=1:2:0", "LO <= HI and N of at least 1"),
        ("decoder_lr=0:inf:3", "LO <= HI and N of at least 1"),
        ("decoder_lr=nan:1:3", "LO <= HI and N of at least 1"),
        ("decoder_lr=0:1:3:log", "0 < LO <= HI and N of at least 1"),
        ("decoder_lr=fast", "numbers for decoder_lr, but one is 'fast'"),
        ("decoder_lr=1,2,inf", "numbers for decoder_lr, but one is 'inf'"),
        ("decoder_lr=nan", "numbers for decoder_lr, but one is 'nan'"),
        ("decoder_lr=1,,2", "numbers for decoder_lr, but one is ''"),
        ("decoder_lr=full", "numbers for decoder_lr, but one is 'full'"),
        ("n_train=5,5.5", "whole numbers for n_train, but one is '5.5'"),
        ("n_train=inf", "whole numbers for n_train, but one is 'inf'"),
    ],
)
def test_a_bad_axis_is_one_line_that_names_the_option(recwarn, text, told):
    with pytest.raises(ConfigError, match=f"^`y` must .*{re.escape(text) if told is FORM else ''}") as raised:
        parse_axis(RunConfig, "y", text)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")
    assert not recwarn.list


@given(st.integers(1, 99), st.integers(1, 99), st.integers(-6, 2), st.integers(2, 17), st.integers(1, 4), st.booleans())
def test_a_grid_within_a_finer_one_has_the_same_floats(a, b, power, n, times, log):
    low, high = sorted((a, b))
    low, high = float(f"{low}e{power - 1}"), float(f"{high + 1}e{power}")  # ends as people type them
    text = ":log" if log else ""
    coarse = parse_axis(RunConfig, "x", f"init_scale={low!r}:{high!r}:{n}{text}").values
    fine = parse_axis(RunConfig, "x", f"init_scale={low!r}:{high!r}:{(n - 1) * times + 1}{text}").values
    assert (coarse[0], coarse[-1]) == (low, high)
    assert fine[::times] == coarse


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3), st.booleans())
def test_halfway_lies_strictly_between(a, b, log):
    low, high = sorted((a, b))
    middle = Axis("decoder_lr", (low, high), log).between(low, high)
    if middle is None:
        assert high <= low * (1 + 1e-5)  # grid values have six digits
    else:
        assert low < middle < high
        assert middle == pytest.approx(math.sqrt(low * high) if log else (low + high) / 2, rel=1e-5)


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_halfway_between_integers_is_an_integer(a, b, log):
    low, high = sorted((a, b))
    middle = Axis("n_train", (low, high), log).between(low, high)
    if high - low < 2:
        assert middle is None
    elif middle is not None:
        assert isinstance(middle, int)
        assert low < middle < high
    else:
        assert log
        assert high - low == 2


@given(st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=8, unique=True).map(sorted), st.booleans())
def test_positions_increase(values, log):
    axis = Axis("decoder_lr", tuple(values), log)
    places = [axis.position(value) for value in values]
    for (a, b), (u, v) in zip(pairwise(values), pairwise(places), strict=True):
        assert u < v or (u == v and b < a * (1 + 1e-12))  # where a logarithm cannot tell them apart
    assert axis.position(2e3) > places[-1]  # a refined diagram has values that the axis did not


def test_categories_are_counted_also_as_a_table_has_them():
    """And there is nothing between them."""
    axis = Axis("batch_size", (5, 15, None))
    assert axis.between(5, 15) is Axis("loss", ("mse", "ce")).between("mse", "ce") is None
    assert [axis.position(value) for value in (5, 15, None, 5.0, 15.0, np.nan)] == [0, 1, 2, 0, 1, 2]
    assert [axis.value(value) for value in (5.0, 15, np.nan, None)] == [5, 15, None, None]
    assert isinstance(axis.value(5.0), int)
    assert [Axis("loss", ("mse", "ce")).position(value) for value in ("mse", "ce")] == [0, 1]
    assert Axis("decoder_lr", (1e-3,)).value(1e-3) == 1e-3


def test_a_grid_is_the_product_in_order():
    axes = [Axis("n_train", (10, 20)), Axis("loss", ("mse", "ce"))]
    base = RunConfig(budget=7)
    runs = grid(base, axes, 2)
    assert [(run.n_train, run.loss, run.seed) for run in runs] == [
        (n, loss, seed) for n in (10, 20) for loss in ("mse", "ce") for seed in (0, 1)
    ]
    assert {run.budget for run in runs} == {7}
    assert at_point(base, axes, (20, "mse"), 2) == runs[4:6]
    assert grid(base, [], 2) == [RunConfig(budget=7, seed=seed) for seed in (0, 1)]
    assert grid(base, [], 2, first_seed=9) == [RunConfig(budget=7, seed=seed) for seed in (9, 10)]
    assert at_point(base, axes, (20, "mse"), 2, 9) == grid(base, axes, 2, 9)[4:6]
    assert set(grid(base, axes, 1)) < set(runs)
    for seeds in (0, -3):
        with pytest.raises(ConfigError, match=rf"^`seeds` must be an integer of at least 1, but is {seeds}\.$"):
            grid(base, axes, seeds)


def test_settings_from_texts(recwarn):
    texts = ["n-train=30", "loss=ce", "weight_decay=2", "batch_size=full"]
    settings = {"n_train": 30, "loss": "ce", "decoder_wd": 2.0, "batch_size": None}
    assert parse_settings(RunConfig, "set", texts) == settings
    assert not recwarn.list
    assert parse_settings(RunConfig, "set", ()) == {}
    with pytest.raises(ConfigError, match=r"^`set` must have one value a field, but is 'n_train=3,4'\.$"):
        parse_settings(RunConfig, "set", ["n_train=3,4"])
    assert parse_value(RunConfig, "set", "budget", "1e5") == 100_000


def test_what_a_named_diagram_has_can_be_replaced():
    given: Any = {"name": "regression", "x": "repr_lr=1e-4:1e-2:3:log", "set": ("n_train=30", "loss=ce", "budget=9")}
    plane = PlaneOptions(**given, seeds=2, budget=500).plane(DIAGRAMS, 2)
    assert [axis.field for axis in plane.axes] == ["repr_lr", "decoder_wd"]
    runs = plane.configs()
    assert len(runs) == 3 * 11 * 2
    assert {(run.n_train, run.loss, run.budget, run.decoder_lr) for run in runs} == {(30, "ce", 500, 1e-4)}
    assert PlaneOptions(name="regression", y="n_train=10,20").plane(DIAGRAMS, 2).axes[1].values == (10, 20)


def test_axes_of_ones_own():
    options = PlaneOptions(x="n_train=10:50:5")
    assert options.plane(DIAGRAMS, 1).axes == (Axis("n_train", (10, 20, 30, 40, 50)),)
    assert [axis.field for axis in PlaneOptions(x="n_train=10", y="d=1,2").plane(DIAGRAMS, 2).axes] == ["n_train", "d"]
    # p = 5 has 15 samples: fewer than the default training set, and the axis makes it
    # right
    plane = PlaneOptions(x="n_train=5,10", set=("p=5",)).plane(DIAGRAMS, 1)
    assert {run.n_train for run in plane.configs()} == {5, 10}


@pytest.mark.parametrize(
    ("options", "n_axes", "told"),
    [
        ({"name": "nosuch"}, 2, r"`name` must be one of lr_lr, .*, but is 'nosuch'"),
        ({"name": ""}, 2, "`name` must be one of"),
        ({}, 1, "`x` must be FIELD=.* where no diagram is named, but is not given"),
        ({"y": "n_train=1,2"}, 1, "`x` must be"),
        ({"x": "n_train=1,2"}, 2, "`y` must be FIELD=.* where no diagram is named, but is not given"),
        ({"x": "n_train=1,2", "y": "n_train=3,4"}, 2, r"`y` must be another field than x, but both are n_train\.$"),
        ({"name": "lr_lr", "x": "decoder_lr=1,2"}, 2, "`y` must be another field than x"),
        ({"name": "lr_lr", "set": ("n_train=3,4",)}, 2, "`set` must have one value"),
        ({"name": "lr_lr", "set": ("n_train",)}, 2, "`set` must be FIELD="),
        ({"name": "lr_lr", "set": ("seed=3",)}, 2, "`set` must not be seed"),
        ({"name": "lr_lr", "set": ("n_train=56",)}, 2, r"`n_train` must be at most p\(p\+1\)/2 = 55"),
        ({"name": "lr_lr", "set": ("loss=hinge",)}, 2, "`loss` must be one of"),
        ({"name": "lr_lr", "budget": 0}, 2, "`budget` must be an integer of at least 1"),
        ({"name": "lr_lr", "seeds": 0}, 2, "`seeds` must be"),
        ({"name": "lr_lr", "first_seed": -1}, 2, "`first_seed` must be an integer of at least 0, but is -1"),
        ({"name": "lr_lr", "x": "repr_lr=0:1:3"}, 2, "`repr_lr` must be a finite number above 0"),
        ({"name": "batch_size", "y": "batch_size=5,46"}, 2, "`batch_size` must be at most n_train = 45"),
        (
            {"x": "decoder_lr=1:2:100000", "y": "repr_lr=1e-5:1:100000:log"},
            2,
            ".* at most 1,000,000 runs, but span 30,0",
        ),
    ],
)
def test_a_plane_that_cannot_be(options, n_axes, told):
    with pytest.raises(ConfigError, match=f"^{told}"):
        PlaneOptions(**options).plane(DIAGRAMS, n_axes)


def test_a_refined_plane_keeps_its_first_seed():
    """Would reveal new points, or more seeds of an old one, that begin at seed 0."""
    plane: Any = PlaneOptions(x="decoder_wd=0,2", y="loss=mse", seeds=3, first_seed=7).plane(DIAGRAMS, 2)
    runs = plane.configs()
    assert [run.seed for run in runs] == [7, 8, 9, 7, 8, 9]
    phases = ["grokking"] * 4 + ["confusion"] * 2
    table = pd.DataFrame(
        {"decoder_wd": run.decoder_wd, "loss": run.loss, "delay": 1.0, "phase": phase}
        for run, phase in zip(runs, phases, strict=True)
    )
    more = refinement(plane, points(table, plane.axes), runs)
    assert sorted((run.decoder_wd, run.seed) for run in more) == [(1, 7), (1, 8), (1, 9), (2, 10), (2, 11), (2, 12)]


@pytest.mark.parametrize("form", ["repr_lr=1e-5:1:1000000000", "repr_lr=1e-5:1:1000000000:log", "p=2:9:1000001"])
def test_an_axis_that_is_too_long_is_refused_before_it_is_made(monkeypatch, form):
    for name in ("linspace", "geomspace"):
        monkeypatch.setattr(np, name, lambda *_: pytest.fail("made"))
    with pytest.raises(ConfigError, match=r"^`x` must have at most 1,000,000 values, but is "):
        parse_axis(RunConfig, "x", form)
