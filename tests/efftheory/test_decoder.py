"""The decoder as a growing kernel: its kernels, its potential, the flow in it, and who
succeeds.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf
from scipy.stats import binomtest

import efftheory as et
from efftheory import _activation_kernels
from efftheory import _decoder_flow_kernels as kernels
from efftheory import decoder as module
from tests import fuzz, oracles, systems, tolerances
from tests import strategies as own

ACTIVATIONS = ("tanh", "relu")
ALL = {(activation, depth): (activation, depth) for activation in ACTIVATIONS for depth in (1, 2, 3)}
S3 = et.symmetric_group(3)

misused: Any = et  # what a type checker would catch as well


# in Python: they are inlined where they are used, and compiling them by themselves
# takes longer than all tests of them
activations: Any = _activation_kernels  # of the compiled ones, the plain Python functions
tanh_mean, relu_mean, arcsine = (
    helper.py_func for helper in (activations.tanh_mean, activations.relu_mean, activations.arcsine)
)


def _two_error_functions(u):
    return sum(a * erf(s * u) for a, s in oracles.ERF_TERMS)


def _their_slope(u):
    return sum(2 / math.sqrt(math.pi) * a * s * np.exp(-((s * u) ** 2)) for a, s in oracles.ERF_TERMS)


def _tanh_slope(u):
    return 1 - np.tanh(u) ** 2


def _relu(u):
    return np.maximum(u, 0)


@pytest.fixture
def no_initial(monkeypatch):
    """The decoder's initial function is switched off."""
    monkeypatch.setattr(module, "_deviation", lambda *args: 0.0)


@st.composite
def problems(draw: st.DrawFn, activations=ACTIVATIONS, products=False):
    """(op, mask, E, targets, rates, growth, decoder): small, generic (no two samples in
    one place).
    """
    rng = np.random.default_rng(draw(own.seeds))
    d = draw(st.sampled_from([1, 2]))
    if products and draw(st.booleans()):
        op, E = S3, rng.uniform(-1, 1, (6, d, d))
    else:
        op = et.addition(draw(st.integers(2, 5)))
        E = rng.uniform(-0.7, 0.7, (op.n_symbols, d))
    mask = op.random_training_set(draw(st.integers(1, min(op.n_samples, 12))), rng)
    depth = draw(st.integers(1, 3))
    decoder = et.Decoder(width=50, depth=depth, activation=draw(st.sampled_from(activations)), n_outputs=3)
    rates, growth = rng.uniform(0, 0.3, depth), rng.uniform(0, 0.04, depth)
    return op, mask, E, rng.normal(size=(op.n_results, 3)), rates, growth, decoder


# Gaussian means


def test_two_error_functions_are_tanh_as_stated():
    """Would reveal a mistyped coefficient, in the package or in the twin."""
    u = np.linspace(-15, 15, 100_001)
    assert ((activations.A1, activations.S1), (activations.A2, activations.S2)) == oracles.ERF_TERMS
    assert np.abs(np.tanh(u) - _two_error_functions(u)).max() <= tolerances.TANH
    assert np.abs(1 - np.tanh(u) ** 2 - _their_slope(u)).max() <= tolerances.TANH_SLOPE


@given(st.floats(-1, 1))
def test_arcsine_is_to_the_last_digits(z):
    """Would reveal a branch that is joined wrongly at 1/2, and a sign lost."""

    for value in (z, 0.5, -0.5, 1.0, -1.0):
        np.testing.assert_allclose(arcsine(value), math.asin(value), rtol=1e-13, atol=1e-150)  # z^2 underflows


covariances = st.tuples(st.floats(0.05, 3), st.floats(-0.95, 0.95), st.floats(0.05, 3)).map(
    lambda drawn: (drawn[0], drawn[1] * math.sqrt(drawn[0] * drawn[2]), drawn[2])
)


@given(covariances)
def test_gaussian_means_are_the_quadrature(C):
    """Would reveal a wrong amplitude or scale of a pair of terms, and an angle taken
    from the wrong side.
    """
    q, d, *_ = tanh_mean(*C)
    tolerances.assert_close(q, oracles.gaussian_mean(_two_error_functions, _two_error_functions, *C))
    tolerances.assert_close(d, oracles.gaussian_mean(_their_slope, _their_slope, *C))
    tolerances.assert_close(relu_mean(*C)[0], oracles.relu_mean(*C))


@given(covariances)
def test_derivatives_of_gaussian_means(C):
    """d = dq/dcab, and all others, by central differences. Would reveal any wrong
    derivative.
    """
    step = tolerances.EPS ** (1 / 3)
    bounds = (tolerances.tanh_mean_difference(step), tolerances.relu_mean_difference(step, *C))
    for mean, bound in zip((tanh_mean, relu_mean), bounds, strict=True):
        slopes = []
        for k in range(3):
            shift = step * np.eye(3)[k]
            behind, ahead = mean(*(np.array(C) - shift)), mean(*(np.array(C) + shift))
            slopes.append((np.array(ahead[:2]) - np.array(behind[:2])) / (2 * step))
        (qa, da), (qab, dab), (qb, db) = slopes
        np.testing.assert_allclose(mean(*C)[1:], (qab, qa, qb, da, db, dab), rtol=0, atol=bound)


@given(covariances)
def test_gaussian_means_are_symmetric(C):
    ca, cab, cb = C
    for mean in (tanh_mean, relu_mean):
        q, d, qa, qb, da, db, dab = mean(ca, cab, cb)
        tolerances.assert_close(mean(cb, cab, ca), (q, d, qb, qa, db, da, dab))


@given(st.floats(0.05, 3))
def test_gaussian_means_of_one_sample_with_itself(c):
    """Would reveal nan or inf where the cosine is 1, and a kink of ReLU that is given a
    derivative.
    """
    q, d, *rest = relu_mean(c, c, c)
    np.testing.assert_allclose((q, d), (c / 2, 0.5), rtol=1e-7)  # the angle is the root of round-off
    np.testing.assert_allclose(rest, 0, atol=1e-7)
    tolerances.assert_close(
        tanh_mean(c, c, c)[0], oracles.gaussian_mean(_two_error_functions, _two_error_functions, c, c, c)
    )


# The tangent kernels


@pytest.mark.parametrize("c", [1, 2, 9])
@pytest.mark.parametrize(("activation", "depth"), ALL)
def test_kernels_are_those_of_finite_networks(activation, depth, c):
    """Thirty networks of width 400, gradients by hand. Would reveal a wrong factor of
    width, gamma or fan-in.
    """
    x = np.random.default_rng(c).uniform(-1, 1, (3, c))
    width = 400
    mean, error = oracles.mlp_tangent_kernels(x, width, depth, activation, draws=30, seed=depth)
    found = et.decoder_kernels(x, et.Decoder(width=width, depth=depth, activation=activation))
    largest = np.abs(found).max(axis=(1, 2), keepdims=True)
    slack = {1: tolerances.RELU, 2: tolerances.RELU, 9: tolerances.RANDOM_NODES}[c]
    assert found.shape == (depth, 3, 3)
    assert (np.abs(mean - found) <= tolerances.SIGMAS * error + (slack + 2 * depth / width) * largest).all()


def test_finite_width_correction_is_of_order_one_over_width():
    """Networks of width 6, of width 24. Would reveal a bias covariance (1/n) that is
    forgotten: it is of that order.
    """
    x, gaps, errors = np.array([[-0.6], [1.0]]), [], []
    for width, draws in ((6, 6000), (24, 3000)):
        mean, error = oracles.mlp_tangent_kernels(x, width, 3, "relu", draws=draws, seed=5)
        found = et.decoder_kernels(x, et.Decoder(width=width, depth=3, activation="relu"))
        gaps.append(np.abs(mean / found - 1).max())
        errors.append((error / found).max())
    assert gaps[0] <= 1 / 6 + tolerances.SIGMAS * errors[0]
    assert gaps[1] <= 1 / 24 + tolerances.SIGMAS * errors[1]


@given(own.seeds, st.integers(1, 3), st.sampled_from([1, 2]))
@settings(max_examples=10)
def test_kernels_are_their_twin_with_the_true_tanh(seed, depth, c):
    """Two-dimensional Gauss-Hermite of tanh itself upon a dense first layer. Would
    reveal an error of the two error functions or of the six nodes beyond the stated
    ones."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (2, c)) / math.sqrt(c)
    width = 100
    weights, biases, shares = oracles.first_layer_nodes("tanh", c, n=40 if c == 1 else 20)
    features = np.tanh(x @ weights.T + biases) * np.sqrt(shares)
    Q, D = [features @ features.T], []
    for _ in range(depth - 1):
        C = (Q[-1] + 1 / width) / 3
        entries = [(C[a, a], C[a, b], C[b, b]) for a in range(2) for b in range(2)]
        Q.append(np.reshape([oracles.gaussian_mean(np.tanh, np.tanh, *entry) for entry in entries], (2, 2)))
        D.append(np.reshape([oracles.gaussian_mean(_tanh_slope, _tanh_slope, *entry) for entry in entries], (2, 2)))
    found = et.decoder_kernels(x, et.Decoder(width=width, depth=depth)) / width
    for layer, bound in enumerate(tolerances.tanh_kernel_error(depth)):
        expected = Q[layer] * np.prod([d / 3 for d in D[layer:]], axis=0)
        assert np.abs(found[layer] - expected).max() <= bound


@pytest.mark.parametrize("c", [1, 2])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_relu_kernels_are_their_twin(depth, c):
    """Upon a dense first layer. Would reveal a quadrature that is coarser than
    stated.
    """
    x = np.random.default_rng(depth).uniform(-2, 2, (4, c)) / math.sqrt(c)
    decoder = et.Decoder(width=100, depth=depth, activation="relu")
    expected, _, _ = oracles.layer_kernels(x, decoder, [1 / 3] * depth, n=120 if c == 1 else 40)
    found = et.decoder_kernels(x, decoder)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerances.RELU * np.abs(other).max())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("c", [3, 4, 9])
def test_quasi_random_nodes_are_as_good_as_stated(activation, c):
    """Would reveal nodes that do not fill the cube, or are scaled for another
    dimension.
    """
    x = np.random.default_rng(c).uniform(-1, 1, (4, c))
    nodes = np.random.default_rng(0).uniform(-1, 1, (100_000, c + 1)) / math.sqrt(c)
    z = nodes @ np.column_stack([x, np.ones(4)]).T
    h = np.tanh(z) if activation == "tanh" else _relu(z)
    expected = h.T @ h / len(h)
    found = et.decoder_kernels(x, et.Decoder(width=1, depth=1, activation=activation))[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerances.RANDOM_NODES * np.abs(expected).max())


@given(own.seeds, st.integers(1, 3), st.sampled_from([1, 2, 4]), st.sampled_from(ACTIVATIONS))
def test_kernels_are_symmetric_and_positive(seed, depth, c, activation):
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, (5, c))
    decoder = et.Decoder(depth=depth, activation=activation)
    T = et.decoder_kernels(x, decoder)
    np.testing.assert_array_equal(T, T.transpose(0, 2, 1))
    lowest = np.linalg.eigvalsh(T)[:, 0]
    # what is subtracted to form an eigenvalue of 0 is of the kernel's own size; ReLU's
    # angle is a root of round-off
    assert (lowest >= -(1e-7 if activation == "relu" else tolerances.LINALG) * np.abs(T).max(axis=(1, 2))).all()
    back = np.random.default_rng(seed).permutation(5)
    tolerances.assert_close(et.decoder_kernels(x[back], decoder), T[:, back][:, :, back])
    if c <= 2:  # the weights' distribution is even; quasi-random nodes are not, quite
        tolerances.assert_close(et.decoder_kernels(-x, decoder), T)
        tolerances.assert_close(et.decoder_kernels(x[:, ::-1], decoder), T)


# The potential


def test_gradient_has_the_shape_that_the_embeddings_have_as_an_array():
    """A tensor may not tell its shape."""
    E = np.random.default_rng(0).normal(size=(6, 2, 2))
    for op, place in ((S3, E), (et.addition(6), E[:, 0])):
        targets = np.ones((op.n_results, 30))
        shown = fuzz.Tensor(place)  # single precision
        _, gradient = misused.ridge_potential(op, None, shown, targets, [0.1, 0.1], [0.0, 0.0])
        expected = et.ridge_potential(op, None, place.astype(np.float32), targets, [0.1, 0.1], [0.0, 0.0])[1]
        np.testing.assert_array_equal(gradient, expected)


@given(problems(products=True))
def test_value_is_the_ridge_fit_with_the_kernels(problem):
    """K = sum_l rates[l] T_l at the composed inputs. Would reveal a kernel at the wrong
    samples, transposed factors.
    """
    op, mask, E, Y, rates, _, decoder = problem
    x = oracles.compose(op, E, mask)
    K = np.tensordot(rates, et.decoder_kernels(x, decoder), axes=1)
    targets = Y[op.results[mask]]
    expected = (targets * np.linalg.solve(np.eye(len(x)) + K, targets)).sum() / targets.size
    tolerances.assert_close(et.ridge_potential(op, mask, E, Y, rates, 0 * rates, decoder)[0], expected)


@given(problems())
@settings(max_examples=100)
def test_potential_and_gradient_are_the_twin(problem):
    """With grown weights; the twin's gradient is a complex step. Would reveal any wrong
    or missing term.
    """
    op, mask, E, Y, rates, growth, decoder = problem
    value, gradient = et.ridge_potential(op, mask, E, Y, rates, growth, decoder)
    tolerances.assert_close(value, oracles.ridge_potential(op, mask, E, Y, rates, growth, decoder))
    twin = oracles.complex_gradient(lambda E: oracles.ridge_potential(op, mask, E, Y, rates, growth, decoder), E)
    # ReLU: two samples that nearly meet have a D that is steep there
    atol = 1e-6 if decoder.activation == "relu" else tolerances.LINALG
    np.testing.assert_allclose(gradient, twin, rtol=tolerances.LINALG, atol=atol * max(np.abs(twin).max(), 1))


@given(problems(activations=("tanh",), products=True))
@settings(max_examples=20)
def test_gradient_is_the_central_difference(problem):
    """Also of products, and by quasi-random nodes. What is left of a step is a third of
    what halving it removes.
    """
    op, mask, E, Y, rates, growth, decoder = problem
    value, gradient = et.ridge_potential(op, mask, E, Y, rates, growth, decoder)

    def slope(step):
        found = np.empty(E.size)
        for k in range(E.size):
            shift = step * np.eye(E.size)[k].reshape(E.shape)
            ahead, behind = (et.ridge_potential(op, mask, E + s, Y, rates, growth, decoder)[0] for s in (shift, -shift))
            found[k] = (ahead - behind) / (2 * step)
        return found.reshape(E.shape)

    step = 1e-4
    coarse, fine = slope(2 * step), slope(step)
    round_off = 1000 * tolerances.EPS * value / step
    assert (np.abs(gradient - fine) <= np.abs(coarse - fine) + round_off).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_of_products_is_the_central_difference(activation):
    """Matrices of S3, where the order of the factors counts."""
    rng = np.random.default_rng(4)
    mask, E, Y = S3.random_training_set(14, seed=1), rng.uniform(-1, 1, (6, 2, 2)), rng.normal(size=(6, 30))
    decoder, step = et.Decoder(activation=activation), 1e-6

    def potential(E):
        return et.ridge_potential(S3, mask, E, Y, [0.1, 0.2], [0.01, 0.01], decoder)

    gradient = potential(E)[1]
    direction = rng.normal(size=E.shape)
    difference = (potential(E + step * direction)[0] - potential(E - step * direction)[0]) / (2 * step)
    np.testing.assert_allclose((gradient * direction).sum(), difference, rtol=1e-6)


@given(problems(products=True), st.integers(0, 2))
def test_potential_falls_as_any_layer_learns(problem, layer):
    """1 + K grows in the order of Loewner, its inverse falls. At rates 0 nothing is
    learned.
    """
    op, mask, E, Y, rates, growth, decoder = problem
    value, _ = et.ridge_potential(op, mask, E, Y, rates, growth, decoder)
    start, flat = et.ridge_potential(op, mask, E, Y, 0 * rates, growth, decoder)
    tolerances.assert_close(start, (Y[op.results[mask]] ** 2).mean())
    np.testing.assert_array_equal(flat, 0)
    more = rates + 0.1 * (np.arange(decoder.depth) == layer % decoder.depth)
    slack = tolerances.LINALG * start
    assert -slack <= et.ridge_potential(op, mask, E, Y, more, growth, decoder)[0] <= value + slack <= start + 2 * slack


@given(problems(), own.seeds)
def test_potential_knows_no_names(problem, seed):
    """Mirrored symbols, rotated and permuted outputs, E -> -E, permuted dimensions of
    E; and targets of results that no training sample has, and symbols in none, do not
    matter. Would reveal an index from the wrong table."""
    op, mask, E, Y, rates, growth, decoder = problem
    rng = np.random.default_rng(seed)
    value, gradient = et.ridge_potential(op, mask, E, Y, rates, growth, decoder)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    unused = ~np.isin(np.arange(op.n_results), op.results[mask])
    atol = 1e-6 if decoder.activation == "relu" else tolerances.LINALG
    variants = [
        (mask, E, Y @ rotation, gradient),
        (mask, E, Y + 5 * unused[:, None], gradient),
        (mask, -E, Y, -gradient),
        (mask, E[:, ::-1], Y, gradient[:, ::-1]),
        (_mirrored(op, mask), E[::-1], Y[::-1], gradient[::-1]),
    ]
    for one, embeddings, targets, expected in variants:
        other, slope = et.ridge_potential(op, one, embeddings, targets, rates, growth, decoder)
        tolerances.assert_close(other, value)
        np.testing.assert_allclose(slope, expected, rtol=0, atol=atol * max(np.abs(expected).max(), 1))
    absent = ~np.isin(np.arange(op.n_symbols), op.pairs[mask])
    np.testing.assert_array_equal(gradient[absent], 0)
    far = E + 0.3 * absent[:, None]
    tolerances.assert_close(et.ridge_potential(op, mask, far, Y, rates, growth, decoder)[0], value)


def _mirrored(op, mask):
    """The training set with k -> p - 1 - k."""
    place = {tuple(pair): k for k, pair in enumerate(op.pairs.tolist())}
    turned = np.zeros_like(mask)
    for i, j in op.pairs[mask].tolist():
        turned[place[op.n_symbols - 1 - j, op.n_symbols - 1 - i]] = True
    return turned


def test_growth_of_the_outputs_weights_is_not_seen():
    rng = np.random.default_rng(0)
    op = et.addition(4)
    E, Y = rng.uniform(-0.5, 0.5, (4, 1)), rng.normal(size=(7, 30))
    still, grown, hidden = (et.ridge_potential(op, None, E, Y, [0.1, 0.1], g)[0] for g in ([0, 0], [0, 1], [0.01, 0]))
    assert still == grown != hidden


# Why l_eff is its first term


def test_first_terms_of_the_potential_symbolically():
    """V = Tr Y^T Y - Tr Y^T K Y + Tr Y^T K^2 Y - .., for any K."""
    e, k = sympy.symbols("e"), sympy.symbols("k:3")
    K = sympy.Matrix([[k[0], k[1]], [k[1], k[2]]])
    Y = sympy.Matrix(2, 2, sympy.symbols("y:4"))
    V = (Y.T * (sympy.eye(2) + e * K).inv() * Y).trace()
    for order, term in enumerate([Y.T * Y, -Y.T * K * Y, Y.T * K * K * Y]):
        coefficient = sympy.diff(V, e, order).subs(e, 0) / sympy.factorial(order)
        assert sympy.simplify(coefficient - term.trace()) == 0


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_attraction_of_equal_sums_is_the_effective_loss_symbolically(seed):
    """With E[Y Y^T]_ab = 1 where results are equal, -Tr Y^T K Y of k(x - x') = k0 - k2
    (x - x')^2 / 2 is k2 l0 + const.

    The factor is exactly k2: either order of two samples counts, and each takes half a
    square.
    """
    op = et.addition(4)
    mask = np.ones(10, dtype=np.bool_) if seed is None else op.random_training_set(7, seed=seed)
    E = sympy.symbols("E:4", real=True)
    k0, k2 = sympy.symbols("k0 k2", positive=True)
    samples = [(E[i] + E[j], r) for (i, j), r in zip(op.pairs[mask].tolist(), op.results[mask].tolist(), strict=True)]
    leading = sympy.Integer(0)
    for x, result in samples:
        for y, other in samples:
            if result == other:
                leading -= k0 - k2 * (x - y) ** 2 / 2
    l0 = sum((E[i] + E[j] - E[m] - E[n]) ** 2 for i, j, m, n in oracles.parallelograms(op, mask))
    moving = sympy.expand(leading - k2 * l0)
    assert moving.free_symbols <= {k0}  # a constant
    # and l0 is what the package calls l_eff Z0
    point = np.array([[0.25], [-1.0], [0.5], [2.0]])
    expected = float(sympy.sympify(l0).subs(dict(zip(E, point[:, 0], strict=True))))
    tolerances.assert_close(et.effective_loss(op, mask, point) * (point**2).sum(), expected)


@pytest.mark.parametrize(("activation", "depth"), ALL)
def test_first_term_of_the_decoders_potential(activation, depth):
    """At tiny rates V falls by the kernel between samples of one result, averaged over
    targets: one-hot targets have E[Y Y^T] exactly, random ones on average. Would reveal
    a first term that is not the attraction."""
    op = et.addition(5)
    mask = op.random_training_set(11, seed=2)
    rng = np.random.default_rng(3)
    E, tiny = rng.uniform(-0.5, 0.5, (5, 1)), 1e-7
    same = (op.results[mask][:, None] == op.results[mask]).astype(float)
    weights = np.eye(depth)[-1]
    decoder = et.Decoder(width=50, depth=depth, activation=activation, n_outputs=op.n_results)

    def attraction(E):
        T, _, _ = oracles.layer_kernels(oracles.compose(op, E, mask), decoder, [1 / 3] * depth)
        return -(same * T[-1]).sum(axis=(-2, -1)) * tiny / (mask.sum() * op.n_results)

    def cosine(A, B):
        return (A * B).sum() / math.sqrt((A**2).sum() * (B**2).sum())

    expected = oracles.complex_gradient(attraction, E)
    value, gradient = et.ridge_potential(op, mask, E, np.eye(op.n_results), tiny * weights, 0 * weights, decoder)
    np.testing.assert_allclose(value - 1 / op.n_results, attraction(E), rtol=1e-4)  # the next term: tiny times K
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    many = replace(decoder, n_outputs=500)
    random = et.ridge_potential(op, mask, E, rng.normal(size=(9, 500)), tiny * weights, 0 * weights, many)[1]
    assert cosine(random, expected) > 0.98


# The flow


def _setting(p=5, size=11, d=1, n_outputs=3, seed=0):
    op = et.addition(p)
    rng = np.random.default_rng(seed)
    mask = op.random_training_set(size, seed=seed)
    return op, mask, rng.uniform(-0.5, 0.5, (p, d)), rng.normal(size=(op.n_results, n_outputs))


@pytest.mark.parametrize(
    ("depth", "activation", "loss", "d", "decoder", "flow"),
    [
        (1, "tanh", "mse", 1, {}, {"decoder_lr": 2e-3}),
        (2, "tanh", "mse", 1, {}, {"decoder_lr": 2e-3}),
        (2, "tanh", "mse", 2, {"weight_decay": 5.0, "warmup": 100}, {"decoder_lr": 2e-3, "repr_wd": 0.5}),
        (3, "tanh", "mse", 1, {"weight_decay": 2.0}, {"decoder_lr": 1e-3}),
        (2, "tanh", "ce", 1, {"weight_decay": 2.0, "warmup": 30}, {"decoder_lr": 2e-3}),
        (1, "tanh", "mse", 1, {"optimizer": "sgd"}, {"decoder_lr": 0.3, "repr_lr": 0.1, "repr_optimizer": "sgd"}),
        (2, "tanh", "mse", 1, {"optimizer": "sgd", "weight_decay": 0.01, "warmup": 100},
         {"decoder_lr": 0.3, "repr_lr": 0.1, "repr_optimizer": "sgd", "repr_wd": 0.01}),
        (2, "tanh", "ce", 1, {"optimizer": "sgd"}, {"decoder_lr": 1.0, "repr_lr": 0.3, "repr_optimizer": "sgd"}),
        (2, "relu", "mse", 1, {}, {"decoder_lr": 1e-3}),
    ],
)  # fmt: skip
def test_flow_is_its_twin(depth, activation, loss, d, decoder, flow):
    """Step by step, no steps merged. Would reveal any equation of the docstring that
    the flow does not follow.
    """
    op, mask, E0, targets = _setting(d=d)
    targets = targets if loss == "mse" else None
    settings = et.Decoder(width=50, depth=depth, activation=activation, n_outputs=3, loss=loss, **decoder)
    flow = {"repr_lr": 2e-3, **flow}
    found = et.decoder_flow(op, mask, E0, targets, decoder=settings, steps=150, seed=3, resolution=1e-200, **flow)
    twin = oracles.decoder_flow(op, mask, E0, targets, settings, steps=150, seed=3, **flow)
    assert found.times[-1] == 150
    assert np.abs(found.E[-1] - E0).max() > 0.05
    assert found.train_loss[-1] < 0.999 * found.train_loss[0]
    at = found.times.astype(int)
    for name in ("E", "train_loss", "layer_rates", "layer_lengths"):
        expected = getattr(twin, name)[at]
        np.testing.assert_allclose(
            getattr(found, name), expected, rtol=tolerances.PATH, atol=tolerances.PATH * np.abs(expected).max()
        )
    np.testing.assert_array_equal(found.train_accuracy, twin.train_accuracy[at])
    np.testing.assert_array_equal(found.test_accuracy, twin.test_accuracy[at])
    first = np.flatnonzero([et.rqi(op, E) > 0.95 for E in twin.E])
    assert found.steps_to_rqi == (first[0] if len(first) else math.inf)


def _unlimited(monkeypatch):
    """The flow in Python, where only the resolution limits how many steps are
    merged.
    """
    for name in ("_SHARE", "_MOST", "_FASTER"):
        monkeypatch.setattr(kernels, name, 1e9)
    monkeypatch.setattr(kernels, "decoder_flow", kernels.decoder_flow.py_func)


def test_error_of_merged_steps_is_of_first_order(monkeypatch):
    """Plain gradient descent is Euler's method. Would reveal merged steps of which one
    is lost or counted twice.
    """
    _unlimited(monkeypatch)
    op, mask, E0, targets = _setting(6, 15, n_outputs=30)
    decoder = et.Decoder(optimizer="sgd")
    settings = {"decoder": decoder, "steps": 1000, "repr_lr": 3e-3, "decoder_lr": 1e-3, "repr_optimizer": "sgd"}
    resolutions = np.array([1e-9, 0.001, 0.002, 0.004, 0.008])
    ends = [et.decoder_flow(op, mask, E0, targets, resolution=r, **settings).E[-1] for r in resolutions]
    errors = [np.abs(end - ends[0]).max() for end in ends[1:]]
    orders = np.diff(np.log2(errors))
    np.testing.assert_allclose(orders, 1, atol=tolerances.MERGED_ORDER)
    assert errors[-1] < 0.3 * np.abs(ends[0] - E0).max()


@pytest.mark.parametrize("limits", ["resolution alone", "all"])
def test_merged_steps_of_adam_converge(monkeypatch, limits):
    """Would reveal moments of Adam that do not decay over the merged steps."""
    if limits == "resolution alone":
        _unlimited(monkeypatch)
    op, mask, E0, targets = _setting(6, 15, n_outputs=30)
    settings = {"steps": 1000, "repr_lr": 1e-4, "decoder_lr": 1e-5, "decoder": et.Decoder(warmup=300, weight_decay=1.0)}
    resolutions = (1e-9, 0.001, 0.004, 0.016)
    ends = [et.decoder_flow(op, mask, E0, targets, resolution=r, **settings).E[-1] for r in resolutions]
    errors = [np.abs(end - ends[0]).max() for end in ends[1:]]
    assert errors[0] < errors[1] < errors[2] < 0.2 * np.abs(ends[0] - E0).max()
    if limits == "resolution alone":
        assert errors[0] < errors[2] / 4


def test_merged_steps_of_weight_decay_do_not_overshoot():
    """Embeddings that little but their decay moves. Would reveal merged steps with eta
    lambda h > 2, which grow.
    """
    op, mask, E0, targets = _setting(size=15)
    settings = {"steps": 10_000, "repr_lr": 1e-2, "repr_optimizer": "sgd", "repr_wd": 3.0}
    path = et.decoder_flow(op, mask, E0, targets, decoder=et.Decoder(n_outputs=3), **settings)
    late = path.E[path.times >= 1000]
    assert len(late)
    assert np.abs(late).max() < np.abs(E0).max()  # unmerged: 0.2 to 0.3; overshooting: 5


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.usefixtures("no_initial")
def test_flow_knows_no_names(optimizer):
    """Mirrored symbols give the mirrored path, rotated outputs and -E the same and the
    opposite.
    """
    op, mask, E0, targets = _setting(5, 11)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    decoder = et.Decoder(n_outputs=3, optimizer=optimizer)
    rates = {"adamw": {}, "sgd": {"repr_lr": 0.03, "decoder_lr": 0.1, "repr_optimizer": "sgd"}}[optimizer]

    def run(*args):
        return et.decoder_flow(op, *args, decoder=decoder, steps=1000, **rates)

    path = run(mask, E0, targets)
    variants = [
        (run(_mirrored(op, mask), E0[::-1], targets[::-1]), path.E[:, ::-1]),
        (run(mask, E0, targets @ rotation), path.E),
        (run(mask, -E0, targets), -path.E),
    ]
    for other, expected in variants:
        np.testing.assert_array_equal(other.times, path.times)
        np.testing.assert_allclose(other.E, expected, rtol=0, atol=tolerances.PATH)
        for name in ("train_loss", "train_accuracy", "test_accuracy", "rqi", "loss", "z0"):
            np.testing.assert_allclose(getattr(other, name), getattr(path, name), rtol=tolerances.PATH)
        assert other.steps_to_rqi == path.steps_to_rqi
        assert other.steps_to_train == path.steps_to_train


@pytest.mark.usefixtures("no_initial")
def test_outputs_beyond_the_targets_rank_only_dilute_the_gradient():
    """Four times as many outputs, most of them constant: SGD's steps are a quarter as
    long.
    """
    op, mask, E0, targets = _setting()
    padded = np.hstack([targets, np.zeros((op.n_results, 9))])
    rates = {"repr_lr": 0.1, "decoder_lr": 0.3}
    paths = [
        et.decoder_flow(
            op,
            mask,
            E0,
            Y,
            decoder=et.Decoder(depth=1, n_outputs=Y.shape[1], optimizer="sgd"),
            steps=300,
            repr_optimizer="sgd",
            **{name: rate * Y.shape[1] / 3 for name, rate in rates.items()},
        )
        for Y in (targets, padded)
    ]
    np.testing.assert_array_equal(paths[0].times, paths[1].times)
    tolerances.assert_close(paths[0].E, paths[1].E)
    tolerances.assert_close(paths[0].train_loss, 4 * paths[1].train_loss)
    np.testing.assert_array_equal(paths[0].test_accuracy, paths[1].test_accuracy)


def test_same_seed_same_bits():
    op, mask, E0, _ = _setting(6, 15)
    before = E0.copy()
    one, again, other = (et.decoder_flow(op, mask, E0, steps=500, seed=seed) for seed in (1, 1, 2))
    for name in ("times", "E", "loss", "z0", "rqi", "train_accuracy", "test_accuracy", "train_loss", "layer_rates"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
    assert not np.array_equal(one.E[-1], other.E[-1])
    np.testing.assert_array_equal(E0, before)
    targets = np.random.default_rng(0).normal(size=(op.n_results, 30))
    first, second = (et.decoder_flow(op, mask, E0, targets, steps=500, seed=seed) for seed in (1, 2))
    assert not np.array_equal(first.E[-1], second.E[-1])  # the initial function is drawn as well


FLOWS = {
    "addition": (et.addition(6), {}),
    "two dimensions": (et.addition(5), {"d": 2}),
    "deep ReLU": (et.addition(5), {"decoder": et.Decoder(depth=3, activation="relu")}),
    "shallow": (et.addition(5), {"decoder": et.Decoder(depth=1)}),
    "classification": (et.addition(5), {"decoder": et.Decoder(loss="ce")}),
    "plain descent": (et.addition(5), {"decoder": et.Decoder(optimizer="sgd"), "repr_optimizer": "sgd"}),
    "decay and warm-up": (et.addition(5), {"decoder": et.Decoder(weight_decay=1.0, warmup=500), "repr_wd": 0.1}),
    "S3": (S3, {"d": 2}),
    "S3, numbers": (S3, {"d": 1}),
}


@pytest.mark.parametrize("size", ["some", "all"])
@pytest.mark.parametrize("case", FLOWS)
def test_trajectory_is_consistent(case, size):
    """Would reveal records out of order, a threshold crossed before its step, and
    curves of another state.
    """
    op, settings = FLOWS[case]
    settings = dict(settings)
    d = settings.pop("d", 1)
    E0 = np.random.default_rng(0).uniform(-0.5, 0.5, (op.n_symbols, *[d] * (1 + (op.composition == "product"))))
    mask = None if size == "all" else op.random_training_set(int(0.8 * op.n_samples), seed=0)
    path = et.decoder_flow(op, mask, E0, steps=3000, decoder_lr=3e-4, seed=1, **settings)
    n = len(path.times)
    assert path.times[0] == 0
    assert (np.diff(path.times) >= 1).all()
    assert (path.times == path.times.round()).all()
    learned = path.train_accuracy[-1] == 1 and not path.test_accuracy[-1] < 1 and path.rqi[-1] > 0.95
    assert path.times[-1] == 3000 or learned
    assert path.E.shape == (n, *E0.shape)
    np.testing.assert_array_equal(path.E[0], E0)
    assert np.isfinite(path.E).all()
    depth = settings.get("decoder", et.Decoder()).depth
    assert path.layer_rates.shape == path.layer_lengths.shape == (n, depth)
    assert (path.layer_lengths <= 3e-4 * path.times[:, None] * (1 + tolerances.LINALG)).all() or case == "plain descent"
    tolerances.assert_close(path.z0, (path.E**2).reshape(n, -1).sum(axis=1))
    np.testing.assert_allclose(
        path.rqi, [et.rqi(op, E) for E in path.E], rtol=0, atol=1 / len(oracles.parallelograms(op))
    )
    assert np.mean(path.rqi != [et.rqi(op, E) for E in path.E]) <= 0.01  # ties apart
    if op.composition == "sum":
        tolerances.assert_close(path.loss, [oracles.effective_loss(op, mask, E) for E in path.E])
    else:
        assert np.isnan(path.loss).all()
    assert ((path.train_accuracy >= 0) & (path.train_accuracy <= 1)).all()
    if size == "all":
        assert np.isnan(path.test_accuracy).all()
        assert path.steps_to_test == math.inf
    else:
        assert ((path.test_accuracy >= 0) & (path.test_accuracy <= 1)).all()
    for crossed, curve in ((path.steps_to_train, path.train_accuracy), (path.steps_to_test, path.test_accuracy)):
        above = path.times[curve >= 0.9]
        assert crossed == (above[0] if len(above) else math.inf)
    above = path.times[path.rqi > 0.95]
    assert path.steps_to_rqi <= (above[0] if len(above) else math.inf)
    assert path.steps_to_rqi <= 3000 or path.steps_to_rqi == math.inf
    assert path.time_to_rqi() >= path.steps_to_rqi
    if case == "addition":
        assert path.steps_to_train < math.inf  # it learns


def test_no_steps_and_the_first():
    """Step 0 is the initial state: what is true there was first true there."""
    op, mask, E0, targets = _setting()
    start = et.decoder_flow(op, mask, E0, targets, decoder=et.Decoder(n_outputs=3), steps=0)
    assert start.times.tolist() == [0]
    assert start.layer_rates.tolist() == [[0, 0]]
    np.testing.assert_array_equal(start.E, E0[None])
    # the initial function is added to the targets: about a tenth of the variance of
    # unit targets
    assert 0 < abs(start.train_loss[0] - (targets[op.results[mask]] ** 2).mean()) < 1


@pytest.mark.parametrize("steps", [0, 100])
def test_a_linear_representation_is_there_at_step_0(steps):
    op = et.addition(5)
    path = et.decoder_flow(op, None, systems.linear_representation(5), steps=steps)
    assert path.rqi[0] == 1
    assert path.steps_to_rqi == 0


def test_initial_function_has_the_networks_variance():
    """(Q_{L-1} + 1/n)/3 over the training samples, read off the initial residual of
    targets 0 but one.
    """
    op, mask, E0, _ = _setting(6, 15)
    decoder = et.Decoder(width=100, n_outputs=11)
    targets = np.eye(11)  # of full rank: all outputs are kept
    losses = [
        et.decoder_flow(op, mask, E0, targets, decoder=decoder, steps=0, seed=s).train_loss[0] - 1 / 11
        for s in range(200)
    ]
    x = oracles.compose(op, E0, mask)
    variance = (et.decoder_kernels(x, decoder)[-1].diagonal().mean() / 100 + 1 / 100) / 3
    assert abs(np.mean(losses) - variance) <= tolerances.SIGMAS * np.std(losses) / math.sqrt(200) + 1 / 300


def test_overflow_ends_the_flow():
    op, mask, E0, targets = _setting()
    path = et.decoder_flow(
        op, mask, E0, 1e80 * targets, decoder=et.Decoder(n_outputs=3), repr_lr=1e50, repr_optimizer="sgd"
    )
    assert path.times[-1] < 10_000
    assert np.isfinite(path.E).all()
    assert np.isfinite(path.layer_lengths).all()
    assert not path.converged


def test_a_layer_that_overflows_ends_the_flow():
    """Before the embeddings do."""
    op = et.from_table([[0, 1], [1, 0]])
    E0 = 1e-160 * np.random.default_rng(0).normal(size=(2, 2, 2))
    decoder = et.Decoder(width=9, depth=1, activation="relu", n_outputs=1, optimizer="sgd", warmup=10)
    rates: Any = {"decoder_lr": 0.03, "repr_optimizer": "sgd", "steps": 20}
    path = et.decoder_flow(op, None, E0, [[-5e99], [3e99]], decoder=decoder, seed=1, **rates)
    assert not path.converged
    assert np.isfinite(path.layer_lengths).all()
    usual = et.decoder_flow(op, None, E0, [[-5.0], [3.0]], decoder=decoder, seed=1, **rates)
    assert usual.converged
    assert usual.times[-1] == 20


# Success


def test_success_probability_is_a_reproducible_share():
    op = et.addition(6)
    mask = op.random_training_set(17, seed=0)
    settings: Any = {"draws": 8, "steps": 2000, "seed": 5}
    found = et.success_probability(op, mask, **settings)
    assert found == et.success_probability(op, mask, **settings)
    assert found.draws == 8
    hits = round(found.value * 8)
    assert found.value == hits / 8
    interval = binomtest(hits, 8).proportion_ci()
    np.testing.assert_allclose(found.interval, (interval.low, interval.high), rtol=tolerances.QUANTILE)
    # by hand, one flow after the other on the same generator
    rng, count = np.random.default_rng(5), 0
    for _ in range(8):
        E0 = rng.uniform(-0.5, 0.5, (6, 1))
        count += et.memory_flow(op, mask, E0, steps=2000, seed=rng).steps_to_rqi < math.inf
    assert hits == count
    assert hits > 0  # and it is not a comparison of nothing with nothing


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
TWO = [0.1, 0.1]
ABOVE, AT_LEAST = "be a finite number above 0", "be a finite number of at least 0"
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
    "mask": (lambda: misused.decoder_flow(OP, NOBODY[:9], E), "mask"),
    "mask of integers": (lambda: misused.decoder_flow(OP, np.arange(10), E), "mask"),
    "mask empty": (lambda: misused.decoder_flow(OP, NOBODY, E), "mask"),
    "E0": (lambda: misused.decoder_flow(OP, None, E[:3]), "E0"),
    "E0 flat": (lambda: misused.decoder_flow(OP, None, E[:, 0]), "E0"),
    "E0 nan": (lambda: misused.decoder_flow(OP, None, E * np.nan), "E0"),
    "E0 a word": (lambda: misused.decoder_flow(OP, None, "random"), "E0"),
    "E0 of S3": (lambda: misused.decoder_flow(S3, None, np.ones((6, 2, 1))), "E0"),
    "targets": (lambda: misused.decoder_flow(OP, None, E, TARGETS[:6]), "targets"),
    "targets of too few outputs": (lambda: misused.decoder_flow(OP, None, E, TARGETS[:, :5]), "targets"),
    "targets nan": (lambda: misused.decoder_flow(OP, None, E, TARGETS * np.nan), "targets"),
    "targets a word": (lambda: misused.decoder_flow(OP, None, E, "random"), "targets"),
    "targets ragged": (lambda: misused.decoder_flow(OP, None, E, [[1.0], [1.0, 2.0]]), "targets"),
    "targets of classes": (
        lambda: misused.decoder_flow(OP, None, E, TARGETS, decoder=et.Decoder(loss="ce")),
        "targets",
    ),
    "repr_lr": (lambda: misused.decoder_flow(OP, None, E, repr_lr=0), "repr_lr"),
    "repr_lr nan": (lambda: misused.decoder_flow(OP, None, E, repr_lr=math.nan), "repr_lr"),
    "decoder_lr": (lambda: misused.decoder_flow(OP, None, E, decoder_lr=-1e-4), "decoder_lr"),
    "steps": (lambda: misused.decoder_flow(OP, None, E, steps=-1), "steps"),
    "steps a float": (lambda: misused.decoder_flow(OP, None, E, steps=10.0), "steps"),
    "seed": (lambda: misused.decoder_flow(OP, None, E, seed=-1), "seed"),
    "seed a word": (lambda: misused.decoder_flow(OP, None, E, seed="lucky"), "seed"),
    "repr_optimizer": (lambda: misused.decoder_flow(OP, None, E, repr_optimizer="adam"), "repr_optimizer"),
    "repr_wd": (lambda: misused.decoder_flow(OP, None, E, repr_wd=-0.1), "repr_wd"),
    "resolution": (lambda: misused.decoder_flow(OP, None, E, resolution=0.0), "resolution"),
    "probability: mask": (lambda: misused.success_probability(OP, NOBODY), "mask"),
    "probability: E0": (lambda: misused.success_probability(OP, None, E[:3]), "E0"),
    "probability: targets": (lambda: misused.success_probability(OP, None, E, TARGETS[:3]), "targets"),
    "probability: draws": (lambda: misused.success_probability(OP, None, draws=0), "draws"),
    "probability: repr_lr": (lambda: misused.success_probability(OP, None, repr_lr=0), "repr_lr"),
    "probability: decoder_lr": (lambda: misused.success_probability(OP, None, decoder_lr=0), "decoder_lr"),
    "probability: steps": (lambda: misused.success_probability(OP, None, steps=0.5), "steps"),
    "probability: seed": (lambda: misused.success_probability(OP, None, seed=-1), "seed"),
    "probability: optimizer": (lambda: misused.success_probability(OP, None, repr_optimizer=""), "repr_optimizer"),
    "probability: repr_wd": (lambda: misused.success_probability(OP, None, repr_wd=-1), "repr_wd"),
    "probability: d": (lambda: misused.success_probability(OP, None, d=0), "d"),
    "probability: init_scale": (lambda: misused.success_probability(OP, None, init_scale=0), "init_scale"),
    "potential: mask": (lambda: misused.ridge_potential(OP, NOBODY, E, TARGETS, TWO, TWO), "mask"),
    "potential: E": (lambda: misused.ridge_potential(OP, None, E[:3], TARGETS, TWO, TWO), "E"),
    "potential: targets": (lambda: misused.ridge_potential(OP, None, E, TARGETS[:3], TWO, TWO), "targets"),
    "potential: no targets": (lambda: misused.ridge_potential(OP, None, E, None, TWO, TWO), "targets"),
    "potential: rates": (lambda: misused.ridge_potential(OP, None, E, TARGETS, [0.1], TWO), "rates"),
    "potential: rates below 0": (lambda: misused.ridge_potential(OP, None, E, TARGETS, [0.1, -0.1], TWO), "rates"),
    "potential: rates a word": (lambda: misused.ridge_potential(OP, None, E, TARGETS, "fast", TWO), "rates"),
    "potential: growth": (lambda: misused.ridge_potential(OP, None, E, TARGETS, TWO, [0.1, math.inf]), "growth"),
    "potential: growth a word": (lambda: misused.ridge_potential(OP, None, E, TARGETS, TWO, "slow"), "growth"),
    "kernels: flat": (lambda: misused.decoder_kernels([0.1, 0.2]), "x"),
    "kernels: none": (lambda: misused.decoder_kernels(np.ones((0, 1))), "x"),
    "kernels: nan": (lambda: misused.decoder_kernels([[math.nan]]), "x"),
    "kernels: a word": (lambda: misused.decoder_kernels("x"), "x"),
}


@pytest.mark.parametrize("case", MISUSES)
def test_misuse_names_the_argument(case):
    call, name = MISUSES[case]
    with pytest.raises(et.ArgumentError, match=f"^Argument `{re.escape(name)}` must .+, but .+\\.$"):
        call()


@pytest.mark.parametrize("targets", [None, TARGETS])
def test_potential_is_not_for_classification(targets):
    with pytest.raises(et.ArgumentError):
        misused.ridge_potential(OP, None, E, targets, TWO, TWO, et.Decoder(loss="ce"))
