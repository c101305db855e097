"""Messy embeddings: each lane against a twin in torch's own layers, what a seed fixes,
and how m descends.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neural.families.messiness import Messiness, MessinessConfig, linear_embedding
from neural.history import History
from neural.training import train_run
from tests.neural.test_ensemble import run_all
from tests.neural.twins import Twin, arrays_of, assert_run_is, perceptron_of

SMALL = MessinessConfig(p=5, n_train=9, width=12, n_outputs=4, messiness=0.6, look_every=5, budget=60)


def assert_twin_agrees(config: MessinessConfig, run: History) -> None:
    """By torch's embeddings, its linear layers and its optimisers, of which m has one
    of its own.
    """
    begin, kind = Messiness.start(config), getattr(torch, config.dtype)
    pairs = [(a, b) for a in range(config.p) for b in range(a, config.p)]
    sums = [sum(pair) % config.p if config.operation == "modular_addition" else sum(pair) for pair in pairs]
    inputs, results = torch.tensor(pairs), torch.tensor(sums)
    targets = torch.as_tensor(begin.lane["targets"], dtype=kind)
    # the sum of a symbol and itself is twice its place
    doubles = [pairs.index((a, a)) for a in range(config.p)]
    random = torch.as_tensor(begin.lane["random"][doubles] / 2, dtype=kind)
    line = torch.arange(config.p, dtype=kind)
    line = (line - line.mean()) / line.std(correction=0)
    line = torch.stack([line, torch.zeros_like(line)], dim=1)
    widths = [2, *[config.width] * (config.depth - 1), config.n_outputs]
    model, layers = perceptron_of(widths, partial(nn.LeakyReLU, 0.2), begin.model)
    model.to(kind)
    m = torch.tensor([config.messiness], dtype=kind, requires_grad=config.trained)
    descent = torch.optim.SGD([m], config.messiness_lr)

    def hold(steps: int) -> None:
        descent.param_groups[0]["lr"] = config.messiness_lr * (steps >= config.hold)

    def measured(batch: Any) -> tuple[torch.Tensor, ...]:
        some = slice(None) if batch is None else batch
        outputs = model(nn.functional.embedding(inputs[some], m * random + (1 - m) * line).sum(1))
        wanted = results[some]
        return torch.cdist(outputs, targets).argmin(1) == wanted, ((outputs - targets[wanted]) ** 2).mean(1)

    twin = Twin(config, begin, model, measured, lambda: [m.item()], others=[descent], schedule=hold)
    traces, right = twin.train()
    trained = {"messiness": m.detach().numpy()} if config.trained else {}
    assert_run_is(run, traces, arrays_of(layers) | trained, right)


@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"constrained": True, "depth": 2},
        {"trained": True},
        {"trained": True, "operation": "addition", "depth": 4, "width": 5},
    ],
    ids=str,
)
def test_lanes_are_separate_runs(shared: dict[str, Any]) -> None:
    """Four runs that differ in all that an ensemble may mix."""
    base = replace(SMALL, dtype="float64", **shared)
    configs = [
        replace(base, seed=1, messiness=0.25),
        replace(base, seed=2, init_scale=2.0, learning_rate=3e-2, hold=20),
        replace(base, seed=3, weight_decay=1.0, messiness_lr=0.1, messiness=1.0),
        replace(base, seed=4, n_train=5, init_scale=0.5, messiness=0.0, hold=7),
    ]
    for config, run in run_all(configs, lanes=4).items():
        assert_twin_agrees(config, run)


def test_m_is_held_and_then_descends() -> None:
    """By its learning rate times its gradient, and never in a decay."""
    config = replace(SMALL, trained=True, hold=20, weight_decay=5.0, messiness_lr=0.01, budget=40)
    run = train_run(config)
    held = run.steps <= config.hold
    np.testing.assert_array_equal(run.messiness_now[held], np.float32(0.6))
    assert (np.diff(run.messiness_now[run.steps >= config.hold]) != 0).all()
    assert (train_run(replace(config, hold=40)).messiness_now == np.float32(0.6)).all()


def test_a_radius_holds_the_decoder_alone() -> None:
    """Where m is held it is no weight."""
    run = train_run(replace(SMALL, constrained=True, messiness=0.3, init_scale=3.0, dtype="float64"))
    np.testing.assert_allclose(run.weight_norm, run.weight_norm[0], rtol=1e-12)
    assert (run.messiness_now == 0.3).all()
    assert "messiness" not in run.checkpoints


@settings(max_examples=20)
@given(st.integers(2, 8), st.integers(0, 2**32 - 1), st.data())
def test_what_a_seed_fixes(p: int, seed: int, data: st.DataObject) -> None:
    """Nested training sets, the same random embeddings and targets, the same weights up
    to their scale.
    """
    sizes = data.draw(st.lists(st.integers(1, p * (p + 1) // 2), min_size=2, max_size=2, unique=True).map(sorted))
    few = replace(SMALL, p=p, seed=seed, n_train=sizes[0])
    many = replace(few, n_train=sizes[1], init_scale=2.0, messiness=0.1, trained=True)
    one, other = Messiness.start(few), Messiness.start(many)
    assert (one.mask.sum(), other.mask.sum()) == tuple(sizes)
    assert not (one.mask & ~other.mask).any()
    for name in ("random", "targets"):
        np.testing.assert_array_equal(one.lane[name], other.lane[name])
    weights = dict(other.model.named_parameters())
    assert weights.pop("messiness").item() == pytest.approx(0.1)
    for name, value in one.model.named_parameters():
        # numbers near 0 are differences of the limits, which float32 rounds at 1e-7 of
        # them
        torch.testing.assert_close(weights[name], 2 * value, rtol=1e-5, atol=1e-6)


@given(st.integers(2, 50))
def test_the_line(p: int) -> None:
    """Even steps in one dimension; mean 0, standard deviation 1."""
    line, rest = linear_embedding(p).T
    assert not rest.any()
    np.testing.assert_allclose(np.diff(line), line[1] - line[0])
    assert line.mean() == pytest.approx(0, abs=1e-12)
    assert line.std() == pytest.approx(1)


def test_of_a_line_sums_are_alike() -> None:
    """At m = 0 pairs of one sum have one output; at m = 1 they have not."""
    base = replace(SMALL, p=4, n_train=10, operation="addition", budget=5)
    sums = np.add(*np.triu_indices(4))
    for m, alike in ((0.0, True), (1.0, False)):
        correct = train_run(replace(base, messiness=m, seed=1)).correct
        begin = Messiness.start(replace(base, messiness=m, seed=1))
        x = m * begin.lane["random"] + (1 - m) * linear_embedding(4)[np.stack(np.triu_indices(4), 1)].sum(1)
        same = [np.allclose(x[sums == total], x[sums == total][0]) for total in range(7)]
        assert all(same) == alike
        if alike:
            assert all(len(set(correct[sums == total].tolist())) == 1 for total in range(7))
