"""A configuration is checked where it is made, and shape() says which runs fit into one ensemble."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.config import MIXED, ConfigError, RunConfig

NAN, INF = float("nan"), float("inf")
WHOLE = {"p": 2, "n_train": 1, "seed": 0, "d": 1, "width": 1, "depth": 1, "n_outputs": 1, "budget": 1}
POSITIVE = ("repr_lr", "decoder_lr", "init_scale")
NOT_NEGATIVE = ("repr_wd", "decoder_wd")
OPTIONS = {
    "init": ("default", "reference"),
    "loss": ("mse", "ce"),
    "repr_optimizer": ("adamw", "sgd"),
    "dtype": ("float32", "float64"),
}


def complaint(**arguments: Any) -> str:
    """The message of the ConfigError that these arguments raise."""
    with pytest.raises(ConfigError) as caught:
        RunConfig(**arguments)
    return str(caught.value)


def with_one(name: str, value: Any) -> RunConfig:
    """The default but for one field."""
    return RunConfig(**{name: value})


@pytest.mark.parametrize(("name", "low"), WHOLE.items())
def test_integers(name: str, low: int) -> None:
    """Too small, not whole, not a number, a bool: the message has the name, the rule and the value."""
    for value in (low - 1, -5, 2.0, 1.5, "3", None, True, NAN):
        rule = f"`{name}` must be an integer of at least {low}, but is {value!r}."
        assert complaint(**{name: value}) == rule


@pytest.mark.parametrize("name", POSITIVE + NOT_NEGATIVE)
def test_numbers(name: str) -> None:
    """Finite, and of the right sign; an integer is a number too."""
    bound = "above 0" if name in POSITIVE else "at least 0"
    bad = [-1e-3, NAN, INF, -INF, "1", None, True]
    for value in bad + ([0, 0.0] if name in POSITIVE else []):
        assert complaint(**{name: value}) == f"`{name}` must be a finite number {bound}, but is {value!r}."
    assert getattr(with_one(name, 2), name) == 2
    if name in NOT_NEGATIVE:
        assert getattr(with_one(name, 0), name) == 0


@pytest.mark.parametrize(("name", "options"), OPTIONS.items())
def test_options(name: str, options: tuple[str, ...]) -> None:
    """One of a few words."""
    for value in ("foo", "", None, 1, options[0].upper()):
        rule = f"`{name}` must be one of {', '.join(options)}, but is {value!r}."
        assert complaint(**{name: value}) == rule
    for value in options:
        assert getattr(with_one(name, value), name) == value


@pytest.mark.parametrize("p", [2, 5, 10, 59])
def test_no_more_training_samples_than_there_are(p: int) -> None:
    """|D| <= p(p+1)/2, and exactly that many is allowed."""
    most = p * (p + 1) // 2
    assert RunConfig(p=p, n_train=most).n_samples == most
    rule = f"`n_train` must be at most p(p+1)/2 = {most} for p = {p}, but is {most + 1}."
    assert complaint(p=p, n_train=most + 1) == rule


def test_seeds_fit_numpys_legacy_generator() -> None:
    """2^32 - 1 is the last."""
    assert RunConfig(seed=2**32 - 1).seed == 2**32 - 1
    assert complaint(seed=2**32) == f"`seed` must be below 2^32, but is {2**32}."


def test_a_config_is_a_value() -> None:
    """Frozen, compared and hashed by content; every message is one sentence on one line."""
    assert RunConfig(seed=3) == RunConfig(seed=3)
    assert len({RunConfig(seed=3), RunConfig(seed=3), RunConfig(seed=4)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 1  # pyright: ignore[reportAttributeAccessIssue]
    assert re.fullmatch(r"`[a-z_]+` must be [^\n]+\.", complaint(p=1))


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    """Any valid configuration, small p in particular."""
    p = draw(st.integers(2, 20))
    fields: dict = {name: draw(st.sampled_from(options)) for name, options in OPTIONS.items()}
    fields |= {name: draw(st.floats(1e-9, 1e3)) for name in POSITIVE + NOT_NEGATIVE}
    fields |= {name: draw(st.integers(1, 300)) for name in ("d", "width", "depth", "n_outputs", "budget")}
    return RunConfig(
        p=p, n_train=draw(st.integers(1, p * (p + 1) // 2)), seed=draw(st.integers(0, 2**32 - 1)), **fields
    )


@settings(max_examples=100, deadline=None)
@given(configs(), configs())
def test_shape_is_what_may_not_be_mixed(one: RunConfig, other: RunConfig) -> None:
    """Equal shapes if and only if all else than the MIXED fields is equal, for every p."""
    fixed = [field.name for field in dataclasses.fields(RunConfig) if field.name not in MIXED]
    alike = all(getattr(one, name) == getattr(other, name) for name in fixed)
    assert (one.shape() == other.shape()) == alike
    moved = {name: getattr(other, name) for name in fixed}
    if one.n_train <= other.n_samples:
        assert dataclasses.replace(one, **moved).shape() == other.shape()
    for name in fixed:
        if getattr(one, name) != getattr(other, name) and name != "p":
            changed = dataclasses.replace(one, **{name: getattr(other, name)})
            assert changed.shape() != one.shape()


def test_mixed_names_fields() -> None:
    """A name that no field has would be silently without effect."""
    assert set(MIXED) < {field.name for field in dataclasses.fields(RunConfig)}
    assert not {"p", "d", "width", "depth", "n_outputs", "loss", "dtype"} & set(MIXED)
