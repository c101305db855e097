"""A configuration is checked where it is made, and shape() says which runs fit into one
ensemble.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.config import ConfigError, shape
from neural.config import mixed as mixed_of
from neural.families.toy import RunConfig
from neural.samples import read_samples, write_samples

NAN, INF = float("nan"), float("inf")
WHOLE = {"p": 2, "n_train": 1, "seed": 0, "d": 1, "width": 1, "depth": 1, "n_outputs": 1, "budget": 1}
WHOLE |= {"replica": 0, "decoder_warmup": 0}
POSITIVE = ("repr_lr", "decoder_lr", "init_scale")
NOT_NEGATIVE = ("repr_wd", "decoder_wd", "repr_l1")
OPTIONS = {
    "operation": ("addition", "s3"),
    "init": ("default", "reference"),
    "loss": ("mse", "ce"),
    "targets": ("random", "orthogonal"),
    "activation": ("tanh", "relu"),
    "repr_optimizer": ("adamw", "sgd"),
    "decoder_optimizer": ("adamw", "sgd"),
    "dtype": ("float32", "float64"),
}


def complaint(**arguments: Any) -> str:
    """The message of the ConfigError that these arguments raise."""
    with pytest.raises(ConfigError) as caught:
        RunConfig(**arguments)
    return str(caught.value)


def with_one(name: str, value: Any) -> RunConfig:
    """The default but for one field; S3 also needs its six elements, and has fewer
    samples.
    """
    six: dict[str, Any] = {"p": 6, "n_train": 30} if value == "s3" else {}
    return RunConfig(**{name: value}, **six)


@pytest.mark.parametrize(("name", "low"), WHOLE.items())
def test_integers(name: str, low: int) -> None:
    """Too small, not whole, not a number, a bool: the message has the name, the rule
    and the value.
    """
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


@pytest.mark.parametrize("p", [2, 5, 7, 10])
def test_s3_has_six_elements(p: int) -> None:
    """Ordered pairs of them: p(p+1)/2 < n_train <= p^2 is allowed, and no other p
    is.
    """
    assert RunConfig(operation="s3", p=6, n_train=36).n_samples == 36
    rule = f"`p` must be 6 for operation s3, which has six elements, but is {p}."
    assert complaint(operation="s3", p=p, n_train=1) == rule
    assert complaint(operation="s3", p=6, n_train=37) == "`n_train` must be at most p^2 = 36 for p = 6, but is 37."
    assert complaint(p=6, n_train=22) == "`n_train` must be at most p(p+1)/2 = 21 for p = 6, but is 22."
    assert complaint(operation="s3") == "`p` must be 6 for operation s3, which has six elements, but is 10."


def test_batches_are_whole_and_no_larger_than_the_training_set() -> None:
    """None, the default, is all of it."""
    assert RunConfig().batch_size is None
    assert RunConfig(batch_size=None) == RunConfig()
    for value in (0, -5, 2.0, 1.5, "3", True, NAN):
        assert complaint(batch_size=value) == f"`batch_size` must be an integer of at least 1, but is {value!r}."
    for size in (1, 44, 45):
        assert RunConfig(n_train=45, batch_size=size).batch_size == size
    assert complaint(n_train=45, batch_size=46) == "`batch_size` must be at most n_train = 45, but is 46."


def test_a_training_set_in_writing() -> None:
    """Bit s is sample s: written out for one set, and no other way to write it."""
    mask = np.zeros(55, dtype=np.bool_)
    mask[[0, 1, 5, 54]] = True
    assert write_samples(mask) == "40000000000023"
    assert RunConfig(n_train=4, samples="40000000000023").samples == write_samples(mask)
    form = "`samples` must be a hexadecimal number in lower case, without 0x or leading zeros, but is"
    for text in ("F", "0xf", "0f", "0", " f", "f\n", "+f", "-f", "f_0", "1g", "1.0", "\u0664", None, 15, True, b"f"):
        assert complaint(n_train=4, samples=text) == f"{form} {text!r}."
    assert complaint(n_train=5, samples="f") == "`samples` must have n_train = 5 samples, but has 4."
    assert complaint(p=4, n_train=3, samples="f") == "`samples` must have n_train = 3 samples, but has 4."


@pytest.mark.parametrize(
    ("task", "n_samples"), [({"p": 2}, 3), ({"p": 10}, 55), ({"p": 59}, 1770), ({"operation": "s3", "p": 6}, 36)]
)
def test_a_training_set_is_of_the_operations_samples(task: dict[str, Any], n_samples: int) -> None:
    """All of them may be in it, one more may not."""
    everything = f"{2**n_samples - 1:x}"
    assert RunConfig(**task, n_train=n_samples, samples=everything).n_samples == n_samples
    rule = f"`samples` must have bits for the {n_samples} samples of p = {task['p']} only, 0 to {n_samples - 1}"
    assert complaint(**task, n_train=1, samples=f"{2**n_samples:x}") == f"{rule}, but has bit {n_samples}."


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_a_training_set_is_read_as_it_was_written(mask: list[bool]) -> None:
    """There and back; the number is the sum of its bits."""
    text = write_samples(mask)
    assert int(text, 16) == sum(2**s for s, chosen in enumerate(mask) if chosen)
    assert text == f"{int(text, 16):x}"
    read = read_samples(text, len(mask))
    assert read.dtype == np.bool_
    assert read.tolist() == mask


@pytest.mark.parametrize("name", ["seed", "replica", "decoder_warmup"])
def test_seeds_fit_numpys_legacy_generator(name: str) -> None:
    """2^32 - 1 is the last; and the store takes no more than 2^63 of anything."""
    last: dict[str, Any] = {name: 2**32 - 1}
    assert getattr(RunConfig(**last), name) == 2**32 - 1
    assert complaint(**{name: 2**32}) == f"`{name}` must be below 2^32, but is {2**32}."


@pytest.mark.parametrize(("task", "n_results"), [({}, 19), ({"p": 7, "n_train": 3}, 13), ({"operation": "s3"}, 6)])
def test_orthogonal_targets_need_room(task: dict[str, Any], n_results: int) -> None:
    """No more of them than dimensions; and one-hot targets, which are orthogonal as
    they are, leave no choice.
    """
    task = {"p": 6, "n_train": 30, **task} if task.get("operation") == "s3" else task
    config = RunConfig(**task, targets="orthogonal", n_outputs=n_results)
    assert config.n_results == n_results
    few: dict[str, Any] = dataclasses.asdict(config) | {"n_outputs": n_results - 1}
    rule = f"`n_outputs` must be at least the number of results = {n_results} for orthogonal targets, "
    assert complaint(**few) == f"{rule}but is {n_results - 1}."
    assert RunConfig(**{**few, "targets": "random"}).n_outputs == n_results - 1
    rule = "`targets` must be random with loss ce, which has one-hot ones, but is 'orthogonal'."
    for n_outputs in (n_results, 1):
        assert complaint(**{**few, "loss": "ce", "n_outputs": n_outputs}) == rule


def test_a_config_is_a_value() -> None:
    """Frozen, compared and hashed by content; every message is one sentence on one
    line.
    """
    assert RunConfig(seed=3) == RunConfig(seed=3)
    assert len({RunConfig(seed=3), RunConfig(seed=3), RunConfig(seed=4)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 1  # pyright: ignore[reportAttributeAccessIssue]
    assert re.fullmatch(r"`[a-z_]+` must be [^\n]+\.", complaint(p=1))


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    """Any valid configuration, small p in particular."""
    fields: dict = {name: draw(st.sampled_from(options)) for name, options in OPTIONS.items()}
    s3 = fields["operation"] == "s3"
    p = 6 if s3 else draw(st.integers(2, 20))
    n_train = draw(st.integers(1, p**2 if s3 else p * (p + 1) // 2))
    fields |= {name: draw(st.floats(1e-9, 1e3)) for name in POSITIVE + NOT_NEGATIVE}
    fields |= {name: draw(st.integers(1, 300)) for name in ("d", "width", "depth", "n_outputs", "budget")}
    fields |= {name: draw(st.integers(0, 300)) for name in ("replica", "decoder_warmup")}
    if fields["loss"] == "ce" or fields["n_outputs"] < (p if s3 else 2 * p - 1):
        fields["targets"] = "random"
    batch_size = draw(st.none() | st.integers(1, n_train))
    if draw(st.booleans()):
        fields["samples"] = f"{2**n_train - 1:x}"
    return RunConfig(p=p, n_train=n_train, seed=draw(st.integers(0, 2**32 - 1)), batch_size=batch_size, **fields)


@settings(max_examples=100, deadline=None)
@given(configs(), configs())
def test_shape_is_what_may_not_be_mixed(one: RunConfig, other: RunConfig) -> None:
    """Equal shapes if and only if all else than the mixed fields is equal, for every
    p.
    """
    fixed = [field.name for field in dataclasses.fields(RunConfig) if field.name not in mixed_of(RunConfig)]
    alike = all(getattr(one, name) == getattr(other, name) for name in fixed)
    assert (shape(one) == shape(other)) == alike
    moved = {name: getattr(other, name) for name in fixed}
    # orthogonal ones do not go with every loss and n_outputs, nor a training set with
    # every p
    one = dataclasses.replace(one, targets="random", samples="")
    if one.n_train <= other.n_samples:
        assert shape(dataclasses.replace(one, **moved)) == shape(other)
    for name in fixed:
        if getattr(one, name) != getattr(other, name) and name not in ("p", "operation"):
            changed = dataclasses.replace(one, **{name: getattr(other, name)})
            assert shape(changed) != shape(one)


def test_mixed_names_fields() -> None:
    """A name that no field has would be silently without effect."""
    assert set(mixed_of(RunConfig)) < {field.name for field in dataclasses.fields(RunConfig)}
    assert not {
        "operation",
        "p",
        "d",
        "width",
        "depth",
        "n_outputs",
        "loss",
        "dtype",
        "activation",
        "decoder_optimizer",
    } & set(mixed_of(RunConfig))
    assert {"targets", "replica", "decoder_warmup", "samples"} < set(mixed_of(RunConfig))


def test_penalties_and_batches_mix_and_operations_do_not() -> None:
    """S3 and addition of 0..5 have as many symbols, but not one code path."""
    base = RunConfig(p=6, n_train=20)
    assert shape(dataclasses.replace(base, repr_l1=1e-3, batch_size=7)) == shape(base)
    assert shape(dataclasses.replace(base, operation="s3")) != shape(base)
