"""How a seed becomes a network: the official order of draws, and independent streams by
default.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neural.families.toy import RunConfig, layer_widths, task, training_batches
from neural.families.toy import start as start_of
from neural.family import Start
from neural.tables import write_samples
from tests.neural.reference import batches_of, network_of, permutation_matrices, s3_parallelograms, samples

S3 = RunConfig(operation="s3", p=6, n_train=30, d=3)


def numbers(start: Start) -> list[np.ndarray]:
    """Everything that was drawn, as arrays."""
    weights = [value.detach().numpy().copy() for value in start.model.parameters()]
    return [start.mask, start.lane["targets"], *weights]


def equal(one: Start, other: Start) -> list[bool]:
    """Part by part: mask, targets, embedding, decoder."""
    return [np.array_equal(a, b) for a, b in zip(numbers(one), numbers(other), strict=True)]


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(seed=58),
        RunConfig(seed=0, n_train=1, d=2),
        RunConfig(seed=7, n_train=55),
        dataclasses.replace(S3, seed=58),
        dataclasses.replace(S3, seed=0, n_train=36, d=2),
    ],
    ids=str,
)
def test_reference_init_is_the_official_order_of_draws(config: RunConfig) -> None:
    """By hand, with the global generators as the official code uses them."""
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()
    try:
        np.random.seed(config.seed)
        torch.manual_seed(config.seed)
        targets = np.random.normal(0, 1, (6 if config.operation == "s3" else 19, 30))
        chosen = np.random.choice(36 if config.operation == "s3" else 55, config.n_train, replace=False)
        size = (6, config.d, config.d) if config.operation == "s3" else (10, config.d)
        embedding = torch.rand(size) - 1 / 2
        layers = [torch.nn.Linear(*widths) for widths in itertools.pairwise(layer_widths(config))]
    finally:
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
    assert layer_widths(config) == [config.d**2 if config.operation == "s3" else config.d, 200, 200, 30]
    start = start_of(dataclasses.replace(config, init="reference"))
    np.testing.assert_array_equal(start.lane["targets"], targets)
    np.testing.assert_array_equal(np.flatnonzero(start.mask), np.sort(chosen))
    expected = [embedding, *(value for layer in layers for value in (layer.weight, layer.bias))]
    for value, wanted in zip(start.model.parameters(), expected, strict=True):
        assert torch.equal(value, wanted)


def test_reference_sets_are_nested() -> None:
    """One seed, growing sizes: each training set holds the smaller ones, all else is
    shared.
    """
    starts = [start_of(RunConfig(seed=3, n_train=n, init="reference")) for n in range(1, 56)]
    for smaller, larger in itertools.pairwise(starts):
        assert np.all(larger.mask[smaller.mask])
        assert all(equal(smaller, larger)[1:])


@pytest.mark.parametrize("init", ["default", "reference"])
@pytest.mark.parametrize("loss", ["mse", "ce"])
def test_draw_leaves_the_global_generators_alone(init, loss) -> None:
    """Drawing a run must not change what another part of the program draws next."""
    legacy, modern = np.random.get_state(legacy=False), torch.get_rng_state()
    start_of(RunConfig(init=init, loss=loss))
    assert str(np.random.get_state(legacy=False)) == str(legacy)
    assert torch.equal(torch.get_rng_state(), modern)


@given(st.integers(0, 2**32 - 1), st.integers(1, 55), st.sampled_from(["default", "reference"]))
@settings(max_examples=20, deadline=None)
def test_draw_is_deterministic(seed: int, n_train: int, init) -> None:
    """One configuration is one run, and |D| samples are chosen."""
    config = RunConfig(seed=seed, n_train=n_train, init=init)
    start = start_of(config)
    assert all(equal(start, start_of(config)))
    assert start.mask.sum() == n_train


@given(
    st.fixed_dictionaries(
        {
            "repr_lr": st.floats(1e-6, 1),
            "decoder_lr": st.floats(1e-6, 1),
            "repr_wd": st.floats(0, 10),
            "decoder_wd": st.floats(0, 10),
            "repr_optimizer": st.sampled_from(["adamw", "sgd"]),
            "decoder_optimizer": st.sampled_from(["adamw", "sgd"]),
            "decoder_warmup": st.integers(0, 10**6),
            "activation": st.sampled_from(["tanh", "relu"]),
            "repr_l1": st.floats(0, 1),
            "batch_size": st.none() | st.integers(1, 30),
            "budget": st.integers(1, 10**6),
            "dtype": st.sampled_from(["float32", "float64"]),
        }
    ),
    st.sampled_from(["default", "reference"]),
    st.sampled_from([RunConfig(), S3]),
)
@settings(max_examples=20, deadline=None)
def test_how_a_run_is_trained_does_not_change_how_it_starts(training: dict, init, base: RunConfig) -> None:
    """So runs that differ in a learning rate, say, are paired."""
    config = dataclasses.replace(base, seed=11, init=init)
    assert all(equal(start_of(config), start_of(dataclasses.replace(config, **training))))


@pytest.mark.parametrize("base", [RunConfig(seed=9, n_train=20), dataclasses.replace(S3, seed=9)])
def test_default_init_is_four_streams(base: RunConfig) -> None:
    """By hand: with no training set given, what a seed and size have always meant."""
    assert base.samples == ""
    targets, chosen, weights, batches = np.random.SeedSequence([9, base.n_train]).spawn(4)
    start = start_of(base)
    expected = np.random.default_rng(chosen).choice(base.n_samples, base.n_train, replace=False)
    np.testing.assert_array_equal(np.flatnonzero(start.mask), np.sort(expected))
    np.testing.assert_array_equal(
        start.lane["targets"], np.random.default_rng(targets).normal(0, 1, (base.n_results, base.n_outputs))
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(weights.generate_state(1)[0]))
        embedding = torch.rand(network_of(start).embedding.shape) - 0.5
    assert torch.equal(network_of(start).embedding, embedding)
    first = next(batches_of(start_of(dataclasses.replace(base, batch_size=7))))
    order = np.random.default_rng(batches).permutation(np.sort(expected))
    np.testing.assert_array_equal(np.flatnonzero(first), np.sort(order[:7]))


@given(
    st.sampled_from([RunConfig(), S3, RunConfig(targets="orthogonal", loss="mse"), RunConfig(loss="ce", replica=2)]),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["default", "reference"]),
    st.data(),
)
@settings(max_examples=20, deadline=None)
def test_a_training_set_that_is_given_changes_nothing_else(base: RunConfig, seed: int, init, data) -> None:
    """Targets and weights are those of the seed and size; so the two differ in their
    training sets alone.
    """
    drawn = dataclasses.replace(base, seed=seed, init=init)
    mask = np.zeros(base.n_samples, dtype=np.bool_)
    mask[data.draw(st.permutations(range(base.n_samples)))[: base.n_train]] = True
    start = start_of(dataclasses.replace(drawn, samples=write_samples(mask)))
    np.testing.assert_array_equal(start.mask, mask)
    assert all(equal(start, start_of(drawn))[1:])
    epoch = list(itertools.islice(batches_of(start_of(dataclasses.replace(drawn, samples=write_samples(mask)))), 1))
    np.testing.assert_array_equal(epoch[0], mask)


@pytest.mark.parametrize("init", ["default", "reference"])
def test_the_set_that_the_seed_draws_may_be_given(init) -> None:
    """Also the mini-batches are the same then."""
    drawn = RunConfig(seed=4, n_train=30, init=init, batch_size=7)
    given_ = dataclasses.replace(drawn, samples=write_samples(start_of(drawn).mask))
    one, other = start_of(drawn), start_of(given_)
    assert all(equal(one, other))
    for a, b in itertools.islice(zip(batches_of(one), batches_of(other), strict=True), 9):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("seed", "n_train"), [(21, 30), (20, 29), (30, 20), (21, 29)])
def test_default_init_is_independent_across_seeds_and_sizes(seed: int, n_train: int) -> None:
    """Every part differs, the weights too: (seed, n_train) is not their sum, nor does
    the order not matter.
    """
    one, other = start_of(RunConfig(seed=20, n_train=30)), start_of(RunConfig(seed=seed, n_train=n_train))
    assert not any(equal(one, other))


@pytest.mark.parametrize("init", ["default", "reference"])
def test_init_scale_scales_the_embedding_only(init) -> None:
    """Uniform in [-s/2, s/2], by a factor on the same numbers."""
    one = numbers(start_of(RunConfig(init=init, d=2)))
    four = numbers(start_of(RunConfig(init=init, d=2, init_scale=4)))
    np.testing.assert_array_equal(four[2], 4 * one[2])  # a power of two: no rounding
    for index in (0, 1, 3, 4, 5, 6, 7, 8):
        np.testing.assert_array_equal(one[index], four[index])
    assert np.abs(one[2]).max() <= 0.5


def test_targets() -> None:
    """Regression: a random vector a class. Classification: one-hot, and as many outputs
    as classes.
    """
    assert start_of(RunConfig(p=10, n_outputs=7)).lane["targets"].shape == (19, 7)
    start = start_of(RunConfig(p=10, loss="ce"))
    np.testing.assert_array_equal(start.lane["targets"], np.eye(19))
    assert start.model(torch.tensor(samples(10))).shape == (55, 19)
    assert start_of(S3).lane["targets"].shape == (6, 30)
    np.testing.assert_array_equal(start_of(dataclasses.replace(S3, loss="ce")).lane["targets"], np.eye(6))


@given(
    st.sampled_from([RunConfig(p=2, n_train=3), RunConfig(), S3]),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["default", "reference"]),
    st.integers(0, 30),
)
@settings(max_examples=20, deadline=None)
def test_orthogonal_targets(base: RunConfig, seed: int, init, more: int) -> None:
    """The random ones after Gram-Schmidt, a row after another, with mean square 1; all
    else is as it was.
    """
    base = dataclasses.replace(base, seed=seed, init=init, n_outputs=base.n_results + more)
    random, straight = start_of(base), start_of(dataclasses.replace(base, targets="orthogonal"))
    targets = straight.lane["targets"]
    np.testing.assert_allclose(targets @ targets.T, base.n_outputs * np.eye(base.n_results), atol=1e-11)
    rows: list[np.ndarray] = []
    for row in random.lane["targets"]:
        rest = row - sum(row @ done / (done @ done) * done for done in rows)
        rows.append(rest * np.sqrt(base.n_outputs) / np.linalg.norm(rest))
    np.testing.assert_allclose(targets, rows, atol=1e-8)  # square ones may be nearly dependent
    same = equal(random, straight)
    assert not same.pop(1)
    assert all(same)


@given(
    st.sampled_from([RunConfig(batch_size=7), dataclasses.replace(S3, batch_size=7)]),
    st.integers(0, 2**32 - 1),
    st.integers(7, 30),
    st.sampled_from(["default", "reference"]),
    st.lists(st.integers(1, 2**32 - 1), min_size=2, max_size=2, unique=True),
)
@settings(max_examples=20, deadline=None)
def test_replicas_differ_in_their_decoders_alone(base: RunConfig, seed: int, n_train: int, init, others) -> None:
    """Training set, targets, embedding and batches are replica 0's; every weight of the
    decoder is drawn anew.
    """
    starts = [
        start_of(dataclasses.replace(base, seed=seed, n_train=n_train, init=init, replica=replica))
        for replica in (0, *others)
    ]
    batches = [list(itertools.islice(batches_of(start), 9)) for start in starts]
    for a, b in itertools.combinations(range(3), 2):
        same = equal(starts[a], starts[b])
        assert all(same[:3])
        assert not any(same[3:])
        np.testing.assert_array_equal(batches[a], batches[b])
    for n, value in enumerate(network_of(starts[1]).decoder.parameters()):
        # torch's default: uniform within 1/sqrt(features)
        n_in = list(network_of(starts[1]).decoder.parameters())[n - n % 2].shape[1]
        assert float(value.detach().abs().max()) <= n_in**-0.5


@pytest.mark.parametrize(("init", "entropy"), [("default", [9, 20, 3]), ("reference", [9, 3])])
def test_a_replicas_stream(init, entropy: list[int]) -> None:
    """By hand; with reference initialisation it is shared by training sets of every
    size, as all weights are.
    """
    decoder = list(network_of(start_of(RunConfig(seed=9, n_train=20, replica=3, init=init))).decoder.parameters())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        layers = [torch.nn.Linear(1, 200), torch.nn.Linear(200, 200), torch.nn.Linear(200, 30)]
    expected = [value for layer in layers for value in (layer.weight, layer.bias)]
    assert all(torch.equal(value, wanted) for value, wanted in zip(decoder, expected, strict=True))


@pytest.mark.parametrize("p", [2, 3, 10])
def test_the_task_is_addition_in_the_official_order(p: int) -> None:
    """(0,0), (0,1) .. (0,p-1), (1,1) .. and their sums, not modular."""
    config = RunConfig(p=p, n_train=1)
    pairs, results = task(config)
    assert list(map(tuple, pairs.tolist())) == samples(p)
    assert results.tolist() == [i + j for i, j in samples(p)]
    assert len(results) == config.n_samples


def test_the_task_of_s3_is_the_group_of_permutations() -> None:
    """All 36 ordered pairs in order, multiplied as matrices: (a b)(k) = a(b(k)). Each
    element is a product in six ways: 6 x 15 parallelograms.
    """
    pairs, results = task(S3)
    assert list(map(tuple, pairs.tolist())) == list(itertools.product(range(6), repeat=2))
    assert len(results) == S3.n_samples == 36
    matrices = permutation_matrices()
    for (a, b), c in zip(pairs, results, strict=True):
        np.testing.assert_array_equal(matrices[a] @ matrices[b], matrices[c])
    assert np.bincount(results).tolist() == [6] * 6
    assert len(s3_parallelograms()) == (results[:, None] == results)[np.triu_indices(36, k=1)].sum() == 90


def s3_residuals(embedding: np.ndarray) -> np.ndarray:
    """Mean squared residual of every parallelogram, by the network's own compose and
    standardize.
    """
    pairs, results = task(S3)
    model = network_of(start_of(S3))
    composed = model.compose(model.standardize(torch.as_tensor(embedding)), torch.as_tensor(pairs)).numpy()
    first, second = np.triu_indices(36, k=1)
    same = results[first] == results[second]
    return ((composed[first] - composed[second]) ** 2)[same].mean(-1)


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
@settings(max_examples=25, deadline=None)
def test_a_representation_of_s3_is_perfect(seed: int, scale: float) -> None:
    """In any basis and at any scale; in two dimensions, too. The transposed one
    multiplies the wrong way round.
    """
    rng = np.random.default_rng(seed)
    orthogonal, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    basis = orthogonal @ np.diag(rng.uniform(0.5, 2, 3))
    matrices = np.linalg.inv(basis) @ permutation_matrices() @ basis
    assert s3_residuals(scale * matrices).max() < 1e-20
    plane = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])  # what all permutations leave in itself
    assert s3_residuals(scale * (plane @ permutation_matrices() @ plane.T)).max() < 1e-20
    assert (s3_residuals(scale * matrices.transpose(0, 2, 1)) > 1e-3).any()


@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(any), st.data())
def test_an_epoch_takes_every_training_sample_once(chosen: list[bool], data: st.DataObject) -> None:
    """Batches of one size but for the last, which has what is left; of samples of D
    only; each epoch anew.
    """
    mask = np.array(chosen)
    n_train = int(mask.sum())
    size = data.draw(st.integers(1, n_train))
    seed = data.draw(st.integers(0, 2**32 - 1))
    batches = training_batches(mask, size, np.random.default_rng(seed))
    again = training_batches(mask, size, np.random.default_rng(seed))
    sizes = [size] * (n_train // size) + [n_train % size] * (n_train % size > 0)
    for _ in range(3):
        epoch = list(itertools.islice(batches, len(sizes)))
        assert [batch.sum() for batch in epoch] == sizes
        np.testing.assert_array_equal(np.sum(epoch, axis=0), mask)
        np.testing.assert_array_equal(epoch, list(itertools.islice(again, len(sizes))))
    np.testing.assert_array_equal(mask, chosen)  # not eaten up


def ranks(config: RunConfig, n: int = 100) -> list[list[int]]:
    """The first batches of a run, each sample by its rank in the training set."""
    start = start_of(config)
    return [np.flatnonzero(batch[start.mask]).tolist() for batch in itertools.islice(batches_of(start), n)]


def test_batches_have_a_stream_of_their_own() -> None:
    """Fixed by seed and size, whatever else is drawn, and from whichever set; another
    seed, another order.
    """
    config = RunConfig(n_train=30, seed=5, batch_size=7)
    order = ranks(config)
    assert ranks(config) == order
    others = [{"init": "reference"}, {"loss": "ce"}, {"n_outputs": 3, "width": 4, "d": 2}, {"p": 12}]
    for other in [*others, {"operation": "s3", "p": 6}]:
        assert ranks(dataclasses.replace(config, **other)) == order
    assert ranks(dataclasses.replace(config, seed=6)) != order
    assert len({tuple(map(tuple, order[n : n + 5])) for n in range(0, 100, 5)}) == 20  # no epoch is another's


def test_two_draws_share_no_batches() -> None:
    """To take one's batches leaves the other's where they are."""
    config = RunConfig(n_train=30, batch_size=7)
    one, other = start_of(config), start_of(config)
    taken = list(itertools.islice(batches_of(one), 9))
    np.testing.assert_array_equal(taken, list(itertools.islice(batches_of(other), 9)))


@pytest.mark.parametrize("batch_size", [None, 30])
def test_one_batch_of_all_is_the_training_set(batch_size: int | None) -> None:
    """Every update, by default and by name."""
    start = start_of(RunConfig(n_train=30, batch_size=batch_size))
    assert all(np.array_equal(batch, start.mask) for batch in itertools.islice(batches_of(start), 5))


@pytest.mark.parametrize(("activation", "function"), [("tanh", np.tanh), ("relu", lambda x: np.where(x > 0, x, 0))])
@pytest.mark.parametrize("base", [RunConfig(d=2), S3], ids=lambda base: base.operation)
def test_the_network_is_an_mlp_on_the_composition(base: RunConfig, activation, function) -> None:
    """f(E_i + E_j), or f(E_a E_b), by explicit matrix products; the activation between,
    none at the end. i and j in either order, but not a and b.
    """
    model = network_of(start_of(dataclasses.replace(base, depth=3, width=8, activation=activation)))
    E, pairs = model.embedding.detach().numpy(), task(base)[0]
    products = base.operation == "s3"
    x = np.stack([np.concatenate(list(E[a] @ E[b])) if products else E[a] + E[b] for a, b in pairs])
    layers = [value.detach().numpy() for name, value in model.named_parameters() if name != "embedding"]
    for weight, bias in zip(layers[0:-2:2], layers[1:-2:2], strict=True):
        x = function(x @ weight.T + bias)
    x = x @ layers[-2].T + layers[-1]
    outputs, flipped = (model(torch.as_tensor(given_)).detach().numpy() for given_ in (pairs, pairs[:, ::-1].copy()))
    np.testing.assert_allclose(outputs, x, rtol=1e-4, atol=1e-6)
    assert np.array_equal(outputs, flipped) != products
