"""What a configuration's fields say of themselves, on one made for this test; and that
networks load torch only when they are asked for.
"""

from __future__ import annotations

import dataclasses
import json
import pydoc
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neural
from neural.config import ConfigError, Option, check, defaults, mixed, option, option_of, shape


@dataclass(frozen=True)
class Made:
    """One field of each kind."""

    word: Literal["yes", "no"] = "yes"
    flag: bool = False
    size: int = 3
    seed: int = option(0, 0, below=2**32, mixed=True)
    few: int = option(5, 2, below=100)
    rate: float = option(1e-3, above=True, mixed=True, aliases=("lr",))
    decay: float = option(0.0, mixed=True)
    shift: float = option(0.0, -1.5, later=True)
    batch: int | None = option(None, mixed=True, later=True)
    other_rate: float | None = option(None, above=True)
    kind: Literal["a", "b"] | None = None
    text: str = option("", mixed=True)

    def __post_init__(self) -> None:
        check(self)


NAMES = [field.name for field in dataclasses.fields(Made)]
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "word": st.sampled_from(["yes", "no"]),
    "flag": st.booleans(),
    "size": st.integers(1),
    "seed": st.integers(0, 2**32 - 1),
    "few": st.integers(2, 99),
    "rate": st.floats(0, exclude_min=True, allow_infinity=False) | st.integers(1, 100),
    "decay": st.floats(0, allow_infinity=False) | st.integers(0, 100),
    "shift": st.floats(-1.5, allow_infinity=False) | st.integers(-1, 100),
    "batch": st.none() | st.integers(1),
    "other_rate": st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
    "kind": st.sampled_from(["a", "b", None]),
    "text": st.text(),
}
NOT_EVEN_NONE = st.sampled_from(["1", "", True, [1], (), 1j, float("nan"), float("inf"), -float("inf")])
NO_NUMBER = NOT_EVEN_NONE | st.none()
BAD: dict[str, tuple[st.SearchStrategy[Any], str]] = {
    "word": (st.sampled_from(["", "YES", None, 1, True, ["yes"], ("yes",), {"yes"}]), "one of yes, no"),
    "flag": (st.sampled_from([0, 1, "True", None, 0.0]), "one of False, True"),
    "size": (st.integers(max_value=0) | st.floats() | NO_NUMBER, "an integer of at least 1"),
    "seed": (st.integers(max_value=-1) | st.floats() | NO_NUMBER, "an integer of at least 0"),
    "few": (st.integers(max_value=1) | st.floats() | NO_NUMBER, "an integer of at least 2"),
    "rate": (st.floats(max_value=0) | st.integers(max_value=0) | NO_NUMBER, "a finite number above 0"),
    "decay": (st.floats(max_value=0, exclude_max=True) | NO_NUMBER, "a finite number at least 0"),
    "shift": (st.floats(max_value=-1.5, exclude_max=True) | NO_NUMBER, "a finite number at least -1.5"),
    "batch": (
        st.integers(max_value=0) | st.floats() | NOT_EVEN_NONE,
        "an integer of at least 1",
    ),
    "other_rate": (st.floats(max_value=0) | NOT_EVEN_NONE, "a finite number above 0"),
    "kind": (st.sampled_from(["", "A", 1, False, ["a"]]), "one of a, b"),
}
made = st.builds(Made, **GOOD)


@given(made)
def test_what_is_allowed_is_kept(config: Made) -> None:
    """Reals as floats, all else as it was; a configuration is a value."""
    for name in ("rate", "decay", "shift"):
        assert type(getattr(config, name)) is float
    assert Made(**dataclasses.asdict(config)) == config
    assert hash(Made(**dataclasses.asdict(config))) == hash(config)


@given(made, st.sampled_from(sorted(BAD)), st.data())
def test_what_is_not_is_refused(config: Made, name: str, data: st.DataObject) -> None:
    """The message has the name, the rule and the value."""
    values, rule = BAD[name]
    value = data.draw(values)
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(config, **{name: value})
    assert str(caught.value) == f"`{name}` must be {rule}, but is {value!r}."


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("size", np.int64(7), 7),
        ("seed", np.uint8(7), 7),
        ("batch", np.int32(7), 7),
        ("rate", np.float32(0.1), 0.1),
        ("rate", np.float64(0.1), 0.1),
        ("rate", np.int16(2), 2.0),
        ("other_rate", np.float16(0.25), 0.25),
        ("flag", np.True_, True),
        ("word", np.str_("no"), "no"),
        ("text", np.str_("no"), "no"),
    ],
)
def test_numpys_numbers_are_kept_as_pythons(name: str, given: Any, kept: Any) -> None:
    """So that a run has one key, whoever counted its seed."""
    config = dataclasses.replace(Made(), **{name: given})
    assert type(getattr(config, name)) is type(kept)
    assert config == dataclasses.replace(Made(), **{name: kept})
    assert json.dumps(dataclasses.asdict(config))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("size", np.float64(2), "2.0"),
        ("size", np.True_, "True"),
        ("rate", np.bool_(1), "True"),
        ("rate", np.inf, "inf"),
    ],
)
def test_numpys_numbers_have_the_same_rules(name: str, value: Any, shown: str) -> None:
    """A real number is no size, a truth value is no number."""
    with pytest.raises(ConfigError, match=f"but is {shown}."):
        dataclasses.replace(Made(), **{name: value})


@pytest.mark.parametrize(("name", "limit", "shown"), [("seed", 2**32, "2^32"), ("few", 100, "100")])
def test_an_upper_limit(name: str, limit: int, shown: str) -> None:
    """Excluded; a power of two is written as one."""
    for value in (limit, limit + 1, 10**30):
        with pytest.raises(ConfigError) as caught:
            dataclasses.replace(Made(), **{name: value})
        assert str(caught.value) == f"`{name}` must be below {shown}, but is {value}."
    assert getattr(dataclasses.replace(Made(), **{name: limit - 1}), name) == limit - 1


@given(made, made)
def test_shape_is_what_may_not_be_mixed(one: Made, other: Made) -> None:
    """Two fit into one ensemble if and only if they are equal but for the mixed
    fields.
    """
    assert mixed(Made) == {"seed", "rate", "decay", "batch", "text"}
    assert shape(dataclasses.replace(one, **{name: getattr(other, name) for name in mixed(Made)})) == shape(one)
    fixed = [name for name in NAMES if name not in mixed(Made)]
    assert (shape(one) == shape(other)) == all(getattr(one, name) == getattr(other, name) for name in fixed)


def test_an_option_is_known_by_its_field() -> None:
    """A plain default is an `Option` that says nothing."""
    known = {field.name: option_of(field) for field in dataclasses.fields(Made)}
    assert known["size"] == known["word"] == Option()
    assert known["rate"] == Option(None, above=True, mixed=True, aliases=("lr",))
    assert known["seed"] == Option(0, below=2**32, mixed=True)


def test_defaults() -> None:
    """Of the fields that older stores did not have, and of those that are left out of
    keys.
    """
    assert defaults(Made, lambda known: known.later) == {"shift": 0.0, "batch": None}


LAZY = """
import sys
import neural
assert issubclass(neural.ConfigError, Exception)
import neural.command
assert "torch" not in sys.modules, "torch is loaded"
from neural import RunConfig
assert RunConfig().p == 10
assert "torch" in sys.modules
"""


def test_torch_is_loaded_when_a_network_is_asked_for() -> None:
    """In a fresh interpreter: a command that trains nothing starts quickly."""
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_name_at_the_door_is_there() -> None:
    """`dir` and `help` show it; another one is an AttributeError, as of any module."""
    for name in neural.__all__:
        assert getattr(getattr(neural, name), "__name__", name) in (name, "ToyConfig")
    assert neural.RunConfig is neural.ToyConfig
    assert set(neural.__all__) <= set(dir(neural))
    assert set(neural.__all__) <= set(re.findall(r"\w+", neural.__doc__ or ""))
    assert "class MessinessConfig" in pydoc.plain(pydoc.render_doc(neural))
    with pytest.raises(AttributeError, match="module 'neural' has no attribute 'models'"):
        _ = neural.models
