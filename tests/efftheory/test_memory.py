"""A decoder that remembers: against networks, and against its adiabatic limit."""

from __future__ import annotations

import math
import re
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import efftheory as et
from efftheory import _block_kernels as units
from efftheory import _memory_kernels as kernels
from efftheory.memory import batch_noise, initial_weights, memory_flow, training_set, views
from tests import oracles, tolerances

S3 = et.symmetric_group(3)
misused: Any = et


# The network itself


def network_of(decoder: et.Decoder, weights: units.Weights) -> nn.Sequential:
    """As PyTorch would have it: each block as so many equal units."""
    blocks = weights.first.shape[1]
    repeats = decoder.width // blocks
    matrices = [weights.first, *weights.hidden, weights.last]
    layers: list[nn.Module] = []
    for number, matrix in enumerate(matrices):
        kernel, bias = matrix[:-1].T, matrix[-1]  # (out, in)
        if number > 0:
            kernel = np.repeat(kernel, repeats, axis=1)
        if number < len(matrices) - 1:
            kernel, bias = np.repeat(kernel, repeats, axis=0), np.repeat(bias, repeats)
        linear = nn.Linear(kernel.shape[1], kernel.shape[0], dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.as_tensor(kernel.astype(float)))
            linear.bias.copy_(torch.as_tensor(bias.astype(float)))
        layers += [linear, nn.Tanh() if decoder.activation == "tanh" else nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def trained(op, mask, E0, targets, decoder, weights, rates, steps, l1=0.0):
    """The embeddings and the loss after `steps` steps of PyTorch's own optimisers."""
    net = network_of(decoder, weights)
    E = torch.tensor(E0, requires_grad=True)
    pairs, results = torch.as_tensor(op.pairs[mask].astype(int)), torch.as_tensor(op.results[mask].astype(int))
    kinds = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    of_decoder = kinds[decoder.optimizer](net.parameters(), lr=rates["decoder_lr"], weight_decay=0.0)
    coupled = rates["repr_optimizer"] == "adam"
    of_embeddings = kinds[rates["repr_optimizer"]]([E], lr=rates["repr_lr"], weight_decay=coupled * rates["repr_wd"])
    for step in range(steps + 1):
        left, right = E[pairs[:, 0]], E[pairs[:, 1]]
        outputs = net((left @ right).flatten(1) if op.composition == "product" else left + right)
        if decoder.loss == "ce":
            loss = nn.functional.cross_entropy(outputs, results)
        else:
            loss = (outputs - torch.as_tensor(targets)[results]).square().mean()
        if step == steps:
            return E.detach().numpy(), loss.item()
        rate = rates["decoder_lr"] * min(1.0, (step + 1) / max(decoder.warmup, 1))
        of_decoder.param_groups[0]["lr"] = rate
        of_decoder.zero_grad()
        of_embeddings.zero_grad()
        (loss + l1 * E.abs().mean()).backward()
        with torch.no_grad():  # decoupled decay, of SGD too
            for weight in net.parameters():
                weight *= 1 - rate * decoder.weight_decay
            E *= 1 - (not coupled) * rates["repr_lr"] * rates["repr_wd"]
        of_decoder.step()
        of_embeddings.step()
    raise AssertionError("there is a last step")


def shown(E, data, weights, repeats):
    """A network of so many units a block, what it makes of the training samples, and
    where derivatives go.
    """
    network = units.Network(repeats, relu=False, classify=False)
    layers, back = (units.allocate(weights, len(data.train.left)) for _ in range(2))
    kernels.compose(E, data.train, data.product, layers.inputs)
    units.forward(weights, network, layers)
    return network, layers, back


CASES: dict[str, tuple[et.Operation, et.Decoder, int, dict[str, Any]]] = {
    "the paper's": (et.addition(5), et.Decoder(width=24, n_outputs=4), 24, {}),
    "blocks": (et.addition(5), et.Decoder(width=24, n_outputs=4), 6, {}),
    "one layer, decay": (et.addition(5), et.Decoder(width=20, depth=1, n_outputs=3, weight_decay=3.0), 5, {}),
    "three layers": (et.addition(5), et.Decoder(width=12, depth=3, n_outputs=3), 4, {"repr_wd": 0.5}),
    "classes": (et.addition(5), et.Decoder(width=16, loss="ce"), 8, {}),
    "ReLU": (et.addition(5), et.Decoder(width=16, activation="relu", n_outputs=3), 8, {}),
    "SGD": (
        et.addition(5),
        et.Decoder(width=16, n_outputs=3, optimizer="sgd", weight_decay=0.1),
        8,
        {"repr_optimizer": "sgd", "repr_lr": 0.3, "decoder_lr": 0.05},
    ),
    "Adam": (et.addition(5), et.Decoder(width=16, n_outputs=3), 4, {"repr_optimizer": "adam", "repr_wd": 0.02}),
    "products, penalty": (S3, et.Decoder(width=16, n_outputs=3, warmup=10), 8, {"l1": 0.1}),
}


@pytest.mark.parametrize("name", CASES)
def test_single_steps_are_those_of_the_network(name):
    """Units that are equal in blocks are M units: the very embeddings and losses."""
    op, decoder, blocks, given_rates = CASES[name]
    rates: dict[str, Any] = {"repr_lr": 3e-3, "decoder_lr": 1e-3, "repr_optimizer": "adamw", "repr_wd": 0.0}
    rates |= given_rates
    l1 = rates.pop("l1", 0.0)
    rng = np.random.default_rng(3)
    E0 = rng.uniform(-0.5, 0.5, (op.n_symbols, 2, 2) if op is S3 else (op.n_symbols, 1))
    targets = None if decoder.loss == "ce" else rng.normal(size=(op.n_results, decoder.n_outputs))
    mask = op.random_training_set(op.n_samples - 4, seed=1)
    path = memory_flow(op, mask, E0, targets, decoder=decoder, steps=40, seed=8, blocks=blocks, repr_l1=l1, **rates)
    outputs = op.n_results if decoder.loss == "ce" else decoder.n_outputs
    inputs = E0.size // op.n_symbols
    weights = initial_weights(decoder, inputs, outputs, blocks, np.random.default_rng(8))
    E, loss = trained(op, mask, E0, targets, decoder, weights, rates, 40, l1)
    assert path.times[-1] == 40
    moved = np.abs(E - E0).max()
    assert moved > 0.02
    np.testing.assert_allclose(path.E[-1], E, atol=5e-3 * moved)
    assert path.train_loss[-1] == pytest.approx(loss, rel=1e-3)


def test_blocks_have_the_networks_initial_function():
    """Mean square of the outputs of width 400, by few blocks and by all units."""
    decoder, x = et.Decoder(width=400, n_outputs=50), np.linspace(-1, 1, 7, dtype=np.float32)[:, None]

    def mean_square(blocks: int, draws: int) -> float:
        network = units.Network(400 / blocks, relu=False, classify=False)
        found = []
        for seed in range(draws):
            weights = initial_weights(decoder, 1, 50, blocks, np.random.default_rng(seed))
            layers = units.allocate(weights, 7)
            layers.inputs[:] = x
            units.forward(weights, network, layers)
            found.append((layers.outputs**2).mean())
        return float(np.mean(found))

    assert mean_square(20, 100) == pytest.approx(mean_square(400, 30), rel=0.15)


def test_tanh_is_tanh():
    python: Any = units.tanh
    for z in np.linspace(-12, 12, 481, dtype=np.float32):
        assert python.py_func(z) == pytest.approx(math.tanh(z), abs=2e-6)


# The adiabatic limit


@pytest.mark.parametrize("width", [60, 240])
def test_a_ridge_fit_by_the_tangent_kernel_is_the_adiabatic_potential(width):
    """With many units, embeddings at rest, and paces that are the same within a layer,
    the fit by the blocks' tangent kernel has the potential of the kernel that fits at
    once, and pulls the embeddings as it does; the more units, the closer.
    """
    op, decoder = et.addition(5), et.Decoder(width=width, n_outputs=4)
    rng = np.random.default_rng(0)
    E, targets = rng.uniform(-0.5, 0.5, (5, 1)), rng.normal(size=(9, 4))
    rates = np.array([2.0, 1.0]) / width  # of the second layer and the outputs
    step = 0.03 * np.eye(5)[:, :, None]
    places = [E, *(E + step), *(E - step)]
    values = np.array([oracles.ridge_potential(op, place, targets, rates, width) for place in places])
    found = []
    for seed in range(6):
        weights = initial_weights(decoder, 1, 4, width, np.random.default_rng(seed))
        found.append([_ridge_value(op, place, targets, weights, rates) for place in places])
    off, gradient = np.mean(found, axis=0) - values, values[1:6] - values[6:]
    assert abs(off[0]) < 4 / math.sqrt(width) * values[0]
    assert np.abs(off[1:6] - off[6:]).max() < 8 / math.sqrt(width) * np.abs(gradient).max()


def _ridge_value(op, E, targets, weights, rates):
    """y (1 + J P J^T)^-1 y / (n k) with the outputs' derivatives J by weights, one
    `backward` an output, and the paces P.
    """
    _, J = _tangents(op, E, weights)
    paces = views(np.zeros_like(weights.all), weights)
    paces.hidden[:, :-1], paces.last[:-1] = rates  # but for the biases
    y = targets[op.results].ravel()
    return y @ np.linalg.solve(np.eye(len(y)) + J * paces.all @ J.T, y) / len(y)


def _tangents(op, E, weights):
    """Outputs (n k,) of the samples of D0, and their derivatives J by all weights."""
    E, data = training_set(op, None, E)
    n, k = len(data.train.left), weights.last.shape[1]
    network, layers, back = shown(E, data, weights, 1.0)
    none = views(np.empty_like(weights.all), weights)._replace(all=np.empty(0, np.float32))
    J = []
    for D in np.eye(n * k, dtype=np.float32).reshape(-1, n, k):
        moves = views(np.empty_like(weights.all), weights)
        back.outputs[:] = D
        units.backward(layers, back, weights, network, moves, none)
        J.append(moves.all)
    return layers.outputs.ravel().astype(float), np.array(J, dtype=float)


def test_at_rest_outputs_relax_by_the_tangent_kernel():
    """Many units that move little: f - y = (1 - 2 eta J J^T / (n k))^t (f_0 - y)."""
    op, decoder = et.addition(4), et.Decoder(width=400, n_outputs=3, optimizer="sgd")
    E = np.array([[-0.9], [-0.2], [0.3], [1.0]])
    targets = 0.1 * np.random.default_rng(0).normal(size=(7, 3))  # near: small moves
    rate, still = 0.05, {"repr_lr": 1e-9, "repr_optimizer": "sgd"}
    run: dict[str, Any] = {"decoder": decoder, "decoder_lr": rate, "steps": 800, "seed": 1, "blocks": 400, **still}
    path = memory_flow(op, None, E, targets, **run)
    f0, J = _tangents(op, E, initial_weights(decoder, 1, 3, 400, np.random.default_rng(1)))
    y = targets[op.results].ravel()
    values, vectors = np.linalg.eigh(J @ J.T)
    left = (1 - 2 * rate / len(y) * values) ** path.times[:, None] * (vectors.T @ (f0 - y))
    expected = (left**2).mean(axis=1)
    assert expected[-1] < 0.3 * expected[0]
    np.testing.assert_allclose(path.train_loss, expected, rtol=0.05)


# Mini-batches


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_mean_square_of_batch_gradients(n, size, seed):
    """All ways to draw the batches of an epoch, one by one."""
    gradients = np.random.default_rng(seed).normal(1, 2, n)
    sizes = [min(size, n)] * (n // min(size, n)) + [n % min(size, n)] * bool(n % min(size, n))
    squares = [np.mean([np.mean(batch) ** 2 for batch in combinations(gradients, length)]) for length in sizes]
    whole = gradients.mean() ** 2
    expected = whole + batch_noise(n, size) * ((gradients**2).mean() - whole)
    assert np.mean(squares) == pytest.approx(expected, rel=tolerances.QUANTILE, abs=1e-12)


@pytest.mark.parametrize("op", [et.addition(4), S3], ids=["sum", "product"])
def test_the_scatter_of_gradients(op):
    """`squares` are the sums of squared derivatives of single samples: by weights, and
    by embeddings that stand in a sample twice.
    """
    rng = np.random.default_rng(1)
    E, data = training_set(op, None, rng.normal(size=(op.n_symbols, 2, 2) if op is S3 else (op.n_symbols, 1)))
    c, n = E.shape[1], op.n_samples
    weights = initial_weights(et.Decoder(width=6, n_outputs=2), c, 2, 3, rng)
    network, layers, back = shown(E, data, weights, 2.0)
    D = rng.normal(size=(n, 2)).astype(np.float32)

    def derivatives(rows):
        out, total = views(np.empty_like(weights.all), weights), views(np.empty_like(weights.all), weights)
        by_E, scatter = np.empty(E.shape), np.empty(E.shape)
        back.outputs[:] = np.where(rows[:, None], D, np.float32(0))
        units.backward(layers, back, weights, network, out, total)
        kernels.to_embeddings(E, data, back.inputs, by_E, scatter)
        return out.all, by_E, total.all, scatter

    every = np.ones(n, dtype=bool)
    _, _, squares, scatter = derivatives(every)
    single = [derivatives(np.arange(n) == a) for a in range(n)]
    np.testing.assert_allclose(squares, sum(one[0] ** 2 for one in single), rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(scatter, sum(one[1] ** 2 for one in single), rtol=1e-3, atol=1e-7)


def test_second_moments_are_those_that_adam_measures():
    """A network at rest, 300 epochs of mini-batches: what PyTorch's Adam has in mind of
    the squares of every weight's gradient, against all samples' and their scatter.
    """
    op, size, rng = et.addition(4), 3, np.random.default_rng(5)
    E, data = training_set(op, None, rng.normal(size=(4, 1)))
    decoder, n = et.Decoder(width=8, n_outputs=2), op.n_samples
    weights = initial_weights(decoder, 1, 2, 4, rng)
    targets = rng.normal(size=(7, 2))
    network, layers, back = shown(E, data, weights, 2.0)
    back.outputs[:] = 2 / (2 * n) * (layers.outputs - targets[op.results])
    gradient, squares = (views(np.empty_like(weights.all), weights) for _ in range(2))
    units.backward(layers, back, weights, network, gradient, squares)
    kernels.to_variance(squares.all, gradient.all, n, batch_noise(n, size))

    net = network_of(decoder, weights)
    adam = torch.optim.Adam(net.parameters(), lr=0.0)
    inputs, wanted = torch.as_tensor(layers.inputs.astype(float)), torch.as_tensor(targets[op.results])
    for _ in range(300):
        for batch in torch.as_tensor(rng.permutation(n)).split(size):
            adam.zero_grad()
            (net(inputs[batch]) - wanted[batch]).square().mean().backward()
            adam.step()
    steps = 300 * math.ceil(n / size)
    measured = [adam.state[weight]["exp_avg_sq"].numpy() / (1 - 0.999**steps) for weight in net.parameters()]
    said = views(gradient.all**2 + squares.all, weights)
    assert squares.all.sum() > 0.3 * (gradient.all**2).sum()  # the scatter is a good part of it
    of_hidden, of_last = measured[2][::2, ::2].T, measured[4][:, ::2].T  # one unit a block
    for found, expected in ((of_hidden, said.hidden[0, :-1]), (of_last, said.last[:-1])):
        assert found.mean() == pytest.approx(expected.mean(), rel=0.1)
        np.testing.assert_allclose(found, expected, rtol=0.3)


def test_mini_batches_slow_the_embeddings_down():
    op, mask = et.addition(8), et.addition(8).random_training_set(30, seed=2)
    E0 = np.random.default_rng(0).uniform(-0.5, 0.5, (8, 1))
    whole, noisy = (memory_flow(op, mask, E0, steps=300, seed=1, batch_size=size) for size in (None, 5))
    assert np.abs(noisy.E[-1] - E0).mean() < 0.8 * np.abs(whole.E[-1] - E0).mean()


# Records


def test_records_and_thresholds():
    op, mask = et.addition(10), et.addition(10).random_training_set(50, seed=58)
    E0 = np.random.default_rng(2).uniform(-0.5, 0.5, (10, 1))
    path = memory_flow(op, mask, E0, steps=20_000, seed=4, decoder_lr=3e-5)
    assert path.times[0] == 0
    assert all(later > before for before, later in pairwise(path.times))
    assert path.steps_to_rqi < path.steps_to_train  # a slow decoder
    assert path.times[-1] == max(path.steps_to_rqi, path.steps_to_train, path.steps_to_test) < 20_000
    assert path.rqi[path.times < path.steps_to_rqi].max() <= 0.95
    assert path.train_accuracy[path.times < path.steps_to_train].max() < 0.9
    assert path.train_loss[-1] < 0.5 < path.train_loss[0]
    assert path.status == "learned"


@pytest.mark.parametrize("op", [et.addition(5), S3], ids=["sum", "product"])
def test_what_is_recorded_is_what_is_known(op):
    """The effective loss of sums and products, and nothing of a flow that conserves."""
    shape = (5, 2) if op.composition == "sum" else (6, 2, 2)
    path = memory_flow(op, None, np.random.default_rng(0).normal(size=shape), steps=5)
    expected = [et.effective_loss(op, None, E, normalization="sum") for E in path.E]
    np.testing.assert_allclose(path.loss, expected, rtol=tolerances.LINALG)
    np.testing.assert_allclose(path.z0, [(E**2).sum() for E in path.E])
    np.testing.assert_array_equal(path.rqi, [et.rqi(op, E) for E in path.E])
    assert not hasattr(path, "z0_drift")
    assert not hasattr(path, "time_to_rqi")


def test_one_seed_one_flow():
    op, mask = et.addition(6), et.addition(6).random_training_set(16, seed=0)
    E0 = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 1))
    one, again, other = (memory_flow(op, mask, E0, steps=300, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.E, again.E)
    assert not np.array_equal(one.E[-1], other.E[-1])


def test_where_nothing_is_left_to_test():
    path = memory_flow(et.addition(4), None, np.array([[-0.5], [-0.1], [0.1], [0.5]]), steps=50)
    assert np.isnan(path.test_accuracy).all()
    assert (path.times[-1], path.status) == (50, "steps")


def test_what_overflows_ends():
    E0 = np.array([[-0.5], [-0.1], [0.1], [0.5]])
    decoder = et.Decoder(optimizer="sgd", activation="relu")
    path = memory_flow(et.addition(4), None, E0, decoder=decoder, decoder_lr=1e6, steps=1000)
    assert (path.status, math.isinf(path.steps_to_train)) == ("overflow", True)
    assert path.times[-1] < 1000


# Misuse

OP, E, TARGETS = et.addition(4), np.array([[0.0], [1.0], [3.0], [2.0]]), np.ones((7, 30))
MISUSES = {
    "mask": (lambda: misused.memory_flow(OP, np.zeros(10, bool), E), "mask"),
    "E0": (lambda: misused.memory_flow(OP, None, E[:3]), "E0"),
    "targets": (lambda: misused.memory_flow(OP, None, E, TARGETS[:6]), "targets"),
    "targets of classes": (
        lambda: misused.memory_flow(OP, None, E, TARGETS, decoder=et.Decoder(loss="ce")),
        "targets",
    ),
    "repr_lr": (lambda: misused.memory_flow(OP, None, E, repr_lr=0), "repr_lr"),
    "decoder_lr": (lambda: misused.memory_flow(OP, None, E, decoder_lr=math.nan), "decoder_lr"),
    "steps": (lambda: misused.memory_flow(OP, None, E, steps=-1), "steps"),
    "seed": (lambda: misused.memory_flow(OP, None, E, seed="lucky"), "seed"),
    "repr_optimizer": (lambda: misused.memory_flow(OP, None, E, repr_optimizer="lbfgs"), "repr_optimizer"),
    "repr_wd": (lambda: misused.memory_flow(OP, None, E, repr_wd=-0.1), "repr_wd"),
    "repr_l1": (lambda: misused.memory_flow(OP, None, E, repr_l1=-0.1), "repr_l1"),
    "batch_size": (lambda: misused.memory_flow(OP, None, E, batch_size=0), "batch_size"),
    "blocks": (lambda: misused.memory_flow(OP, None, E, blocks=0), "blocks"),
}


@pytest.mark.parametrize("case", MISUSES)
def test_misuse_names_the_argument(case):
    call, name = MISUSES[case]
    with pytest.raises(et.ArgumentError, match=f"^Argument `{re.escape(name)}` must .+, but .+\\.$"):
        call()
