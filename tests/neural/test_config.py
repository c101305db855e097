"""What the toy model's configuration may be; tests/neural/test_options.py has the rules
that all configurations share.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.config import ConfigError, mixed, shape
from neural.families.toy import RunConfig
from neural.tables import read_samples, write_samples

WHOLE = {"p": 2, "n_train": 1, "seed": 0, "d": 1, "width": 1, "depth": 1, "n_outputs": 1, "budget": 1}
WHOLE |= {"replica": 0, "decoder_warmup": 0}
POSITIVE = ("repr_lr", "decoder_lr", "init_scale")
NOT_NEGATIVE = ("repr_wd", "decoder_wd", "repr_l1")
WORDS = {
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


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        *((name, low - 1, f"an integer of at least {low}") for name, low in WHOLE.items()),
        *((name, 0.0, "a finite number above 0") for name in POSITIVE),
        *((name, -1e-3, "a finite number at least 0") for name in NOT_NEGATIVE),
        *((name, words[0].upper(), f"one of {', '.join(words)}") for name, words in WORDS.items()),
        *((name, 2**32, "below 2^32") for name in ("seed", "replica", "decoder_warmup")),  # as numpy's seeds
        *(("batch_size", value, "an integer of at least 1") for value in (0, 2.0, True)),
    ],
)
def test_a_fields_bounds(name: str, value: Any, rule: str) -> None:
    assert complaint(**{name: value}) == f"`{name}` must be {rule}, but is {value!r}."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, max(low, 1)) for name, low in WHOLE.items() if name not in ("p", "n_train")),
        *((name, 0) for name in NOT_NEGATIVE),
        *((name, word) for name, words in WORDS.items() for word in words),
        *((name, 2**32 - 1) for name in ("seed", "replica", "decoder_warmup")),
    ],
)
def test_what_is_within_them(name: str, value: Any) -> None:
    """S3 also needs its six elements."""
    six: dict[str, Any] = {"p": 6, "n_train": 30} if value == "s3" else {}
    wide: dict[str, Any] = {"n_outputs": 19} if value == "orthogonal" else {}
    assert getattr(RunConfig(**{name: value}, **six, **wide), name) == value


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


def test_fields_that_lanes_may_differ_in() -> None:
    """All but the ones that change a shape or a code path."""
    fixed = {"operation", "p", "d", "width", "depth", "n_outputs", "loss", "dtype", "activation", "decoder_optimizer"}
    assert mixed(RunConfig) == {field.name for field in dataclasses.fields(RunConfig)} - fixed


def test_penalties_and_batches_mix_and_operations_do_not() -> None:
    """S3 and addition of 0..5 have as many symbols, but not one code path."""
    base = RunConfig(p=6, n_train=20)
    assert shape(dataclasses.replace(base, repr_l1=1e-3, batch_size=7)) == shape(base)
    assert shape(dataclasses.replace(base, operation="s3")) != shape(base)
