"""The decoder as a growing kernel: who succeeds, when, and in which phase, without
training a network.

The decoder is a multilayer perceptron f. Near its initial weights it is a kernel
machine; its weights grow, and its kernel with them. Eliminating it leaves the
embeddings alone, in the potential of the decoder that fits them. In words:

1. Kernel. Layer l has width n, and its weights and biases the variance gamma_l / n
   (1/3n at first, PyTorch's default). With Q_0 = E[h(x) h(x')] over the first layer's
   weights (a quadrature), the preactivations of layer l have the covariance
   C_l = gamma_l (Q_{l-1} + 1/n); Q_l = E[h h] and D_l = E[h' h'] are Gaussian means.
   The weights into layer l add the tangent kernel T_l = n Q_{l-1} B_l,
   B_l = gamma_{l+1} D_l B_{l+1} down from the outputs, T_L = n Q_{L-1}.
2. Pace. AdamW divides a gradient by the root of its mean square v over about 1000
   steps. With one v a layer, theta_l(t) = eta_d gain / sqrt(v_l), summed over the
   steps, weighs the layer in K = sum_l theta_l T_l. v_l follows the mean square of a
   weight's gradient, which is Tr[r^T T_l r] in known units; gain = sqrt(2/pi), because
   a weight that moves by the sign of a Gaussian gradient moves so much along the
   gradient.
3. Growth. A weight has moved by the path length
   l_l(t) = eta_d sum sqrt(g_l^2 / v_l) <= eta_d t. The moves of a hidden layer are
   coherent: gamma_l = 1/3 + coherence (n l_l)^2, which sharpens what the kernel tells
   apart. The outputs' weights grow along what they have learned, which is fitted: the
   residual does not see it, gamma_out = 1/3.
4. Fit. r = (1 + K)^-1 (Y - f_0) at the training samples,
   V = Tr[(Y - f_0)^T r] / (n_train n_outputs).
5. Embeddings descend V at a fixed decoder (which is the gradient of V: it is stationary
   in the fit) by their own optimiser.

Nothing is fitted to outcomes. `coherence` = 1/3 is measured on the weights of networks
in early training; docs/decoder has the derivation, that measurement, and how far all
this holds. Source: ours; the paper has no decoder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks
from efftheory import _decoder_flow_kernels as kernels
from efftheory._checks import ArgumentError
from efftheory._decoder_kernels import Growth, Network, grow
from efftheory._kernels import loss_path
from efftheory._records import short
from efftheory._sample_kernels import Part, TrainingSet
from efftheory.constants import RQI_THRESHOLD
from efftheory.embeddings import DELTA, embedding
from efftheory.flow import Trajectory
from efftheory.operations import Operation, Seed, require_one_table
from efftheory.parallelograms import Mask, training_samples

COHERENCE = 1 / 3  # of the moves of a hidden layer's weights; measured on weights, see docs/decoder
GAIN = math.sqrt(2 / math.pi)
RESOLUTION = 0.04  # optimiser steps are merged while no embedding moves by more than this
LARGEST_INPUT = 1e15  # what a decoder is asked about: beyond, its layers overflow
SPACING = 0.03  # records are this share of the time apart
# Nodes of the first layer's quadrature: Gauss-Legendre a dimension up to two,
# quasi-random ones beyond.
_NODES = {("tanh", 1): 6, ("tanh", 2): 6, ("relu", 1): 16, ("relu", 2): 10}
_RANDOM_NODES = 256


@dataclass(frozen=True)
class Decoder:
    """A multilayer perceptron with PyTorch's default initialisation (uniform, variance
    1/(3 inputs)), and how it is trained.

    Attributes:
        width, depth: of its hidden layers, and how many there are.
        activation: of the hidden layers, "tanh" or "relu".
        n_outputs: dimension of the targets; with loss "ce" there is an output a result
            instead.
        loss: "mse", mean over samples and outputs; "ce", cross-entropy of the results,
            which is taken as quadratic around equal probabilities (right early on; late
            it is not).
        optimizer, weight_decay: "adamw" or "sgd" (no momentum), the decay decoupled in
            both.
        warmup: steps over which its learning rate rises linearly from 0.
    """

    width: int = 200
    depth: int = 2
    activation: Literal["tanh", "relu"] = "tanh"
    n_outputs: int = 30
    loss: Literal["mse", "ce"] = "mse"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    warmup: int = 0

    def __post_init__(self) -> None:
        for name in ("width", "depth", "n_outputs"):
            _checks.integer(name, getattr(self, name), 1)
        _checks.integer("warmup", self.warmup, 0)
        _checks.choice("activation", self.activation, ("tanh", "relu"))
        _checks.choice("loss", self.loss, ("mse", "ce"))
        _checks.choice("optimizer", self.optimizer, ("adamw", "sgd"))
        _checks.positive("weight_decay", self.weight_decay, zero=True)


@dataclass(frozen=True, eq=False)
class LearningTrajectory(Trajectory):
    """Embeddings and accuracies while a decoder learns; times are optimiser steps.

    `loss` is l_eff (nan for products, and where Z0 has left the range of floats). It
    may end before `steps`: where nothing is left to be learned, or where numbers
    overflowed; then `converged` is False, and there may be no record at all.

    Attributes:
        train_accuracy, test_accuracy: float64 (T,), nearest target; test nan if all
            samples are trained on.
        train_loss: float64 (T,), of the training samples: mean squared residual, or
            (`memory_flow`) cross-entropy.
        steps_to_rqi: first (merged) step with RQI above 0.95; inf = never.
        steps_to_train, steps_to_test: first step with an accuracy of at least 0.9, of
            `times` (up to 3 % late); inf = never. `memory_flow` reads all three after
            every half percent of the time.
    """

    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    steps_to_rqi: float
    steps_to_train: float
    steps_to_test: float

    __repr__ = short


@dataclass(frozen=True, eq=False)
class DecoderTrajectory(LearningTrajectory):
    """Along `decoder_flow`, which ends where all is learned (train and test accuracy 1,
    RQI above 0.95).

    Attributes:
        layer_rates, layer_lengths: float64 (T, depth), theta_l and l_l of the weights
            that lead into hidden layer 2 .. depth, then the output's.
    """

    layer_rates: NDArray[np.float64]
    layer_lengths: NDArray[np.float64]

    __repr__ = short


def decoder_flow(
    op: Operation,
    mask: Mask,
    E0: ArrayLike,
    targets: ArrayLike | None = None,
    *,
    repr_lr: float = 1e-3,
    decoder_lr: float = 1e-4,
    decoder: Decoder | None = None,
    steps: int = 10_000,
    seed: Seed = 0,
    repr_optimizer: Literal["adamw", "sgd"] = "adamw",
    repr_wd: float = 0.0,
    resolution: float = RESOLUTION,
) -> DecoderTrajectory:
    """What becomes of the embeddings E0 while a decoder learns beside them; the
    equations are in `efftheory.decoder`.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E0: initial embeddings, float (p, d), or (p, d, d) where `op` composes by a
            product.
        targets: float (n_results, n_outputs), a row a result; None draws them from a
            standard normal distribution. Not for loss "ce".
        repr_lr, decoder_lr: learning rates eta_r and eta_d, per step.
        decoder: the network; the paper's by default.
        steps: updates to follow.
        seed: of the decoder's initial function (a Gaussian process with the network's
            variance), then of `targets`.
        repr_optimizer, repr_wd: of the embeddings; AdamW's or plain SGD's decoupled
            decay.
        resolution: merged optimiser steps move no embedding by more than this; the
            error is of first order in it, down to what other limits leave (a step is at
            most a twentieth of those before it).

    Source: ours, docs/decoder/derivation.md; the paper has no decoder.

    Raises:
        ArgumentError: an argument of wrong shape or out of range; the training set is
            empty.
    """
    decoder = decoder_of(decoder)
    E, table = start(op, mask, E0)
    rng = _checks.generator("seed", seed)
    rates = _rates(decoder, repr_lr, decoder_lr, repr_optimizer, repr_wd)
    steps = _checks.integer("steps", steps, 0)
    resolution = _checks.positive("resolution", resolution)
    Y = targets_of(op, decoder, targets)
    classify = decoder.loss == "ce"
    network = _network(decoder, E, op.n_results if classify else decoder.n_outputs)
    initial = rng.normal(0, _deviation(network, E, table), network.initial.shape)
    if Y is None:
        Y = rng.normal(0, 1, (op.n_results, decoder.n_outputs))
    # turn the outputs that the targets span, which are fewer, into the first ones; in
    # the others there is only f_0 to be unlearned, which is left out
    basis = np.eye(len(Y)) if classify else np.linalg.qr(Y.T)[0]
    network = network._replace(initial=np.ascontiguousarray(initial @ basis))
    records = _room(E, network.depth, steps)
    Y = np.ascontiguousarray(Y @ basis)
    pace = kernels.Pace(steps, resolution, SPACING)
    n = kernels.decoder_flow(E, kernels.Problem(table, network, Y), rates, pace, records)
    return _trajectory(op, mask, records, n, steps)


def ridge_potential(
    op: Operation,
    mask: Mask,
    E: ArrayLike,
    targets: ArrayLike,
    rates: ArrayLike,
    growth: ArrayLike,
    decoder: Decoder | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """V = Tr[Y^T (1 + K(E))^-1 Y] / (n_train n_outputs) and its gradient by the
    embeddings, shaped like E.

    K = sum_l rates[l] T_l with the weights grown by path lengths growth[l]; both
    (depth,), for the weights that lead into hidden layer 2 .. depth, then the output's.
    Expanded in K, the first term draws samples of one result together (l_eff does
    that), the second pushes different results apart. The decoder's initial function is
    left out.

    Source: ours, docs/decoder/derivation.md; the paper has no decoder.

    Raises:
        ArgumentError: an argument of wrong shape, rates or growth below 0, or numbers
            of 1e15; loss "ce".
    """
    decoder = decoder_of(decoder)
    place, table = start(op, mask, E, "E")
    if decoder.loss == "ce":
        raise ArgumentError("decoder", "have loss mse", "has loss ce")
    Y = targets_of(op, decoder, targets)
    if Y is None:
        raise ArgumentError("targets", "be given", "is None")
    grown = Growth(*(np.zeros(decoder.depth + 1) for _ in range(3)), decay=1.0)
    for name, values, into in (("rates", rates, grown.thetas), ("growth", growth, grown.lengths)):
        array = _checks.within(name, _checks.real_array(name, values, (decoder.depth,)), LARGEST_INPUT)
        if (array < 0).any():
            raise ArgumentError(name, "be at least 0", f"is {_checks.shown(values)}")
        into[1:] = array
    network = _network(decoder, place, decoder.n_outputs)
    grow(network, grown)
    problem = kernels.Problem(table, network, Y)
    pieces = kernels.kernels_at(place, table, table.trained, network, grown.gammas)
    residual, gradient = np.empty((len(table.trained), Y.shape[1])), np.empty_like(place)
    kernels.fit(problem, grown, pieces, residual)
    kernels.pull(place, problem, grown, pieces, residual, gradient)
    scale = len(table.trained) * decoder.n_outputs
    value = (residual * Y[table.results[table.trained]]).sum() / scale
    d = math.isqrt(place.shape[1])
    shape = (len(place), d, d) if op.composition == "product" else place.shape
    return float(value), 2 * gradient.reshape(shape) / scale


def decoder_kernels(x: ArrayLike, decoder: Decoder | None = None) -> NDArray[np.float64]:
    """The decoder's tangent kernel at its random initial weights, layer by layer: T
    (depth, n, n), per output.

    `T[l]`(a, b) = E sum over weights w into layer l + 2 (the last are the output's) of
    df(x_a)/dw df(x_b)/dw, in the limit of great width. The first layer's weights and
    all biases are left out: their share is of order 1/width.

    Errors: tanh is taken as two error functions, within 1.1e-3. The first layer's mean
    is a quadrature: within 5e-6 for tanh and inputs (one dimension) up to 1 in size,
    4e-4 up to 2; within 1e-3 for ReLU; in more than two dimensions 256 quasi-random
    nodes, within 5 % of the largest entry.

    Args:
        x: inputs, float (n, c).
        decoder: the network; the paper's by default.

    Source: ours, docs/decoder/derivation.md; the paper has no decoder.

    Raises:
        ArgumentError: `x` is not finite (n, c) and below 1e15 in size.
    """
    decoder = decoder_of(decoder)
    points = _checks.within("x", _checks.real_array("x", x), LARGEST_INPUT)
    if points.ndim != 2 or points.size == 0:
        raise ArgumentError("x", "have shape (n, c)", f"has shape {points.shape}")
    n = len(points)
    # n "symbols" at half of each input, each added to itself
    own, every = np.arange(n, dtype=np.int32), np.arange(n)
    none = np.zeros(0, dtype=np.int64)
    table = kernels.Table(own, own, own, every, none, none, none, product=False, delta2=math.nan)
    network = _network(decoder, points, decoder.n_outputs)
    pieces = kernels.kernels_at(points / 2, table, every, network, np.full(decoder.depth + 1, 1 / 3))
    lower = np.tril(pieces.T[1:])
    return lower + np.tril(lower, -1).transpose(0, 2, 1)


def decoder_of(decoder: Decoder | None) -> Decoder:
    """`decoder`; None is the paper's."""
    if decoder is None:
        return Decoder()
    _checks.instance("decoder", decoder, Decoder)
    return decoder


def start(op: Operation, mask: Mask, E0: ArrayLike, name: str = "E0") -> tuple[NDArray[np.float64], kernels.Table]:
    """The embeddings, flat (p, c), and the samples as the kernels take them."""
    require_one_table(op)
    E = _checks.within(name, embedding(E0, op, name), LARGEST_INPUT)
    trained = _checks.training_mask(mask, op.n_samples)
    if not trained.any():
        raise ArgumentError("mask", "have a sample to train on", "has none")
    first, second = np.triu_indices(op.n_samples, k=1)
    same = op.results[first] == op.results[second]
    left, right = np.ascontiguousarray(op.pairs.T)
    table = kernels.Table(
        left=left,
        right=right,
        results=op.results,
        trained=np.flatnonzero(trained),
        tested=np.flatnonzero(~trained),
        first=first[same],
        second=second[same],
        product=op.composition == "product",
        delta2=DELTA[op.composition] ** 2,
    )
    return E.reshape(op.n_symbols, -1).copy(), table


def training_set(op: Operation, mask: Mask, E0: ArrayLike) -> tuple[NDArray[np.float64], TrainingSet]:
    """The embeddings, flat (p, c), and the samples as the kernels take them."""
    require_one_table(op)
    E = _checks.within("E0", embedding(E0, op, "E0"), LARGEST_INPUT)
    trained = _checks.training_mask(mask, op.n_samples)
    if not trained.any():
        raise ArgumentError("mask", "have a sample to train on", "has none")
    left, right = op.pairs.T
    train, test = (Part(left[part], right[part], op.results[part]) for part in (trained, ~trained))
    data = TrainingSet(train, test, op.samples, DELTA[op.composition] ** 2, op.composition == "product")
    return E.reshape(op.n_symbols, -1).copy(), data


def targets_of(op: Operation, decoder: Decoder, targets: ArrayLike | None) -> NDArray[np.float64] | None:
    """Targets (n_results, n_outputs): centred one-hot ones for classification, None
    where they are to be drawn.
    """
    if decoder.loss == "ce":
        if targets is not None:
            raise ArgumentError("targets", "be None for loss ce, which has classes", "is given")
        return np.eye(op.n_results) - 1 / op.n_results
    if targets is None:
        return None
    return _checks.real_array("targets", targets, (op.n_results, decoder.n_outputs))


def _rates(decoder: Decoder, repr_lr: float, decoder_lr: float, repr_optimizer: str, repr_wd: float) -> kernels.Rates:
    return kernels.Rates(
        repr_lr=_checks.positive("repr_lr", repr_lr),
        repr_wd=_checks.positive("repr_wd", repr_wd, zero=True),
        repr_sgd=_checks.choice("repr_optimizer", repr_optimizer, ("adamw", "sgd")) == "sgd",
        decoder_lr=_checks.positive("decoder_lr", decoder_lr),
        decoder_wd=float(decoder.weight_decay),
        decoder_sgd=decoder.optimizer == "sgd",
        warmup=float(decoder.warmup),
        gain=GAIN,
    )


def _nodes(decoder: Decoder, c: int) -> tuple[NDArray[np.float64], ...]:
    """Weights (m, c), biases (m,) and roots of the quadrature's weights (m,): all are
    uniform in +-1/sqrt(c).
    """
    n_nodes = _NODES.get((decoder.activation, c))
    if n_nodes is None:
        from scipy.stats import qmc  # a third of a second, which not every command has to wait

        points = 2 * qmc.Sobol(c + 1, scramble=False).random(_RANDOM_NODES) - 1 + 1 / _RANDOM_NODES
        shares = np.full(_RANDOM_NODES, 1 / _RANDOM_NODES)
    else:
        nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
        points = np.stack(np.meshgrid(*[nodes] * (c + 1), indexing="ij"), axis=-1).reshape(-1, c + 1)
        shares = np.stack(np.meshgrid(*[weights / 2] * (c + 1), indexing="ij"), axis=-1).reshape(-1, c + 1).prod(axis=1)
        if decoder.activation == "tanh":  # h(x) h(x') is even in the weights: one half of them will do
            half = points[:, 0] > 0
            points, shares = points[half], 2 * shares[half]
    points = points / math.sqrt(c)
    return np.ascontiguousarray(points[:, :c]), np.ascontiguousarray(points[:, c]), np.sqrt(shares)


def _network(decoder: Decoder, E: NDArray[np.float64], n_outputs: int) -> Network:
    """The network that decodes inputs like E (., c), with an initial function of
    zero.
    """
    weights, biases, roots = _nodes(decoder, E.shape[1])
    classify = decoder.loss == "ce"
    return Network(
        weights=weights,
        biases=biases,
        roots=roots,
        initial=np.zeros((len(roots), n_outputs)),
        relu=decoder.activation == "relu",
        width=float(decoder.width),
        depth=decoder.depth,
        n_outputs=float(n_outputs),
        curvature=1 / n_outputs if classify else 1.0,  # of the cross-entropy at equal probabilities
        unit=1.0 if classify else 2 / n_outputs,
        coherence=COHERENCE,
    )


def _deviation(network: Network, E: NDArray[np.float64], table: kernels.Table) -> float:
    """Standard deviation of the initial function's coefficients on the first layer's
    features.

    f_0 has the variance Q_{L-1}/3, but for its biases. As a function it is taken as
    linear in the features, and so scaled that its mean square over the training samples
    is right.
    """
    gammas = np.full(network.depth + 1, 1 / 3)
    Q = kernels.kernels_at(E, table, table.trained, network, gammas).Q
    first, last = (Q[i].diagonal().mean() for i in (0, -1))
    return math.sqrt(last / first / 3) if first > 0 else 0.0


def capacity(steps: int) -> int:
    """How many records a flow makes at most."""
    return math.ceil(2 / SPACING + math.log(max(steps, 2)) / math.log1p(SPACING)) + 2


def _room(E: NDArray[np.float64], depth: int, steps: int) -> kernels.Records:
    """Room for all records of a flow."""
    n = capacity(steps)
    return kernels.Records(
        times=np.empty(n),
        path=np.empty((n, *E.shape)),
        curves=np.empty((n, 4)),
        layers=np.empty((n, 2, depth)),
        crossed=np.full(3, np.inf),
    )


def _trajectory(op: Operation, mask: Mask, records: kernels.Records, n: int, steps: int) -> DecoderTrajectory:
    """The first n records, up to where one of them overflowed."""
    finite = np.isfinite(records.layers[:n]).all(axis=(1, 2)) & np.isfinite(records.path[:n]).all(axis=(1, 2))
    n = n if finite.all() else int(finite.argmin())
    layers, curves = records.layers[:n], records.curves[:n]
    learned = n > 0 and curves[-1, 0] == 1 and not curves[-1, 1] < 1 and curves[-1, 2] > RQI_THRESHOLD
    common = learned_fields(op, mask, records.times[:n], records.path[:n], curves, records.crossed)
    common["converged"] = bool(learned or (n > 0 and records.times[n - 1] == steps))
    return DecoderTrajectory(**common, layer_rates=layers[:, 0], layer_lengths=layers[:, 1])


def learned_fields(
    op: Operation,
    mask: Mask,
    times: NDArray[np.float64],
    path: NDArray[np.float64],
    curves: NDArray[np.float64],
    crossed: NDArray[np.float64],
) -> dict[str, Any]:
    """The fields of a `LearningTrajectory`, from the arrays that a flow records."""
    n = len(times)
    with np.errstate(over="ignore"):  # a last record before numbers overflow
        z0 = (path**2).sum(axis=(1, 2))
    if op.composition == "sum":
        l0 = loss_path(*training_samples(op, mask), path)
        loss = np.divide(l0, z0, out=np.full(n, np.nan), where=(z0 > 0) & (z0 < np.inf))
    else:
        loss = np.full(n, np.nan)
        path = path.reshape(n, op.n_symbols, *[math.isqrt(path.shape[2])] * 2)
    train, test, rqi, train_loss = curves.T
    steps_to_train, steps_to_test, steps_to_rqi = crossed.tolist()
    return {
        "times": times,
        "E": path,
        "loss": loss,
        "z0": z0,
        "rqi": rqi,
        "train_accuracy": train,
        "test_accuracy": test,
        "train_loss": train_loss,
        "steps_to_rqi": steps_to_rqi,
        "steps_to_train": steps_to_train,
        "steps_to_test": steps_to_test,
    }
