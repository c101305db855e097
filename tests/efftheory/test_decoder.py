"""What a decoder is, and how likely embeddings beside one succeed."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

import efftheory as et
from tests import tolerances

S3 = et.symmetric_group(3)
misused: Any = et  # what a type checker would catch as well


def test_success_probability_is_a_reproducible_share():
    op = et.addition(6)
    mask = op.random_training_set(17, seed=0)
    settings: Any = {"draws": 8, "steps": 2000, "seed": 5}
    found = et.success_probability(op, mask, **settings)
    again = et.success_probability(op, mask, parallel=False, **settings)
    for name, value in vars(found).items():
        np.testing.assert_array_equal(value, getattr(again, name))
    assert found.draws == 8
    hits = round(found.value * 8)
    assert found.value == hits / 8
    interval = binomtest(hits, 8).proportion_ci()
    np.testing.assert_allclose(found.interval, (interval.low, interval.high), rtol=tolerances.QUANTILE)
    # by hand, one flow after the other
    for draw, rng in enumerate(np.random.default_rng(5).spawn(8)):
        E0 = rng.uniform(-0.5, 0.5, (6, 1))
        path = et.memory_flow(op, mask, E0, steps=2000, seed=rng)
        steps = path.steps_to_train, path.steps_to_test, path.steps_to_rqi
        assert steps == (found.steps_to_train[draw], found.steps_to_test[draw], found.steps_to_rqi[draw])
    assert hits == np.isfinite(found.steps_to_rqi).sum() > 0  # it is not a comparison of nothing with nothing


def test_draws_may_have_seeds_of_their_own():
    op, E0 = et.addition(5), np.linspace(-0.5, 0.5, 5)[:, None] ** 3
    seeds = [3, 1, 3]
    training: Any = {"decoder_lr": 1e-3, "steps": 2000}
    found = et.success_probability(op, None, E0, draws=seeds, **training)
    alone = [et.memory_flow(op, None, E0, seed=seed, **training).steps_to_train for seed in seeds]
    assert found.steps_to_train.tolist() == alone
    assert alone[0] == alone[2] != alone[1]


def test_success_falls_with_the_decoders_speed():
    """The paper's phases: a slow decoder leaves time for the representation, a fast one
    memorises.
    """
    op = et.addition(10)
    mask = op.random_training_set(45, seed=58)
    slow, fast = (
        et.success_probability(op, mask, draws=5, decoder_lr=rate, repr_lr=1e-3, steps=5000, seed=0).value
        for rate in (1e-5, 1e-2)
    )
    assert fast <= slow
    assert slow - fast >= 0.4


@pytest.mark.parametrize("op", [et.addition(4), S3], ids=["sum", "product"])
def test_success_probability_draws_what_is_not_given(op):
    shape = (op.n_symbols, 2, 2) if op is S3 else (op.n_symbols, 2)
    E0 = np.random.default_rng(0).uniform(-0.5, 0.5, shape)
    targets = np.random.default_rng(1).normal(size=(op.n_results, 30))
    for given_E0, given_targets in ((None, None), (E0, None), (None, targets), (E0, targets)):
        found = et.success_probability(op, None, given_E0, given_targets, draws=2, steps=50, d=2, init_scale=2.0)
        assert 0 <= found.value <= 1
        assert found.draws == 2


# Misuse

OP, E, TARGETS = et.addition(4), np.array([[0.0], [1.0], [3.0], [2.0]]), np.ones((7, 30))
NOBODY = np.zeros(10, dtype=np.bool_)
RNG = np.random.default_rng(0)
MISUSES = {
    "width": (lambda: misused.Decoder(width=0), "width"),
    "width a float": (lambda: misused.Decoder(width=200.0), "width"),
    "depth": (lambda: misused.Decoder(depth=0), "depth"),
    "activation": (lambda: misused.Decoder(activation="gelu"), "activation"),
    "n_outputs": (lambda: misused.Decoder(n_outputs=0), "n_outputs"),
    "loss": (lambda: misused.Decoder(loss="mae"), "loss"),
    "optimizer": (lambda: misused.Decoder(optimizer="adam"), "optimizer"),
    "weight_decay": (lambda: misused.Decoder(weight_decay=-1.0), "weight_decay"),
    "weight_decay inf": (lambda: misused.Decoder(weight_decay=math.inf), "weight_decay"),
    "warmup": (lambda: misused.Decoder(warmup=-1), "warmup"),
    "warmup a float": (lambda: misused.Decoder(warmup=0.5), "warmup"),
    "probability: mask": (lambda: misused.success_probability(OP, NOBODY), "mask"),
    "probability: E0": (lambda: misused.success_probability(OP, None, E[:3]), "E0"),
    "probability: targets": (lambda: misused.success_probability(OP, None, E, TARGETS[:3]), "targets"),
    "probability: draws": (lambda: misused.success_probability(OP, None, draws=0), "draws"),
    "probability: no draws": (lambda: misused.success_probability(OP, None, draws=[]), "draws"),
    "probability: draws of words": (lambda: misused.success_probability(OP, None, draws=["lucky"]), "draws"),
    # threads would take from it in turn, each time in another
    "probability: a generator twice": (lambda: misused.success_probability(OP, None, draws=[RNG, RNG]), "draws"),
    "probability: repr_lr": (lambda: misused.success_probability(OP, None, repr_lr=0), "repr_lr"),
    "probability: decoder_lr": (lambda: misused.success_probability(OP, None, decoder_lr=0), "decoder_lr"),
    "probability: steps": (lambda: misused.success_probability(OP, None, steps=0.5), "steps"),
    "probability: seed": (lambda: misused.success_probability(OP, None, seed=-1), "seed"),
    "probability: optimizer": (lambda: misused.success_probability(OP, None, repr_optimizer=""), "repr_optimizer"),
    "probability: repr_wd": (lambda: misused.success_probability(OP, None, repr_wd=-1), "repr_wd"),
    "probability: d": (lambda: misused.success_probability(OP, None, d=0), "d"),
    "probability: init_scale": (lambda: misused.success_probability(OP, None, init_scale=0), "init_scale"),
}


@pytest.mark.parametrize("case", MISUSES)
def test_misuse_names_the_argument(case):
    call, name = MISUSES[case]
    with pytest.raises(et.ArgumentError, match=f"^Argument `{re.escape(name)}` must .+, but .+\\.$"):
        call()
