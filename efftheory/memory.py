"""A decoder that remembers: the network in blocks of units that stay alike.

The decoder is a function of its own that changes in time, as the embeddings do. So the
theory has what was learned before the embeddings moved, directions that sharpen as they
are learned, decay of what was learned, and saturated classes.

1. Blocks. Units of one hidden layer that have equal weights get equal gradients, and
   stay equal under AdamW or SGD. So a layer of N units in M blocks of mu = N / M equal
   ones is M units exactly, with sums over units times mu:

       u_j = mu sum_i W_ji h(u_i) + b_j,    f_k = mu sum_j V_kj h(u_j) + c_k,

   and the derivative by one unit's weight, not by the block's, is what its optimiser
   sees.
2. Start. A network's units do not start alike. Blocks start with weights of variance
   1/(3 N mu), biases and first weights as the network's: then preactivations, the
   initial function and the tangent kernel have the network's variance and mean. A step
   of Adam moves a block's weights as it moves the network's, so that the weights grow
   coherently by the same path.
3. Batches. The mean square of a gradient over mini-batches of B of n samples, which
   Adam divides by, is that of all samples and its scatter

       E g_B^2 = g^2 + (1/B - 1/n) n/(n - 1) (sum_a g_a^2 / n - g^2),

   averaged over the batches of an epoch; the moves are those of all samples.

With as many blocks as units this is the network. With embeddings at rest and small
moves the outputs relax by the tangent kernel. Nothing is fitted to outcomes;
docs/decoder has the derivation and what it predicts. Source: ours; the paper has no
decoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from efftheory import _checks
from efftheory import _memory_kernels as kernels
from efftheory._block_kernels import Network, Weights
from efftheory._checks import ArgumentError
from efftheory._html import Line, page, plot
from efftheory._kernels import Rule
from efftheory._records import short, table
from efftheory._sample_kernels import Part, TrainingSet
from efftheory._threads import threaded
from efftheory.criticality import Estimate, proportion
from efftheory.embeddings import DELTA, embedding
from efftheory.flow import OPTIMIZERS
from efftheory.loss import losses
from efftheory.operations import Operation, Seed, require_one_table, require_operation
from efftheory.parallelograms import Mask

BLOCKS = 32  # a hidden layer
LARGEST_INPUT = 1e15  # what a decoder is asked about: beyond, its layers overflow
LARGEST_TARGET = 1e15  # in 32 bits, as the network computes: beyond, its loss overflows
_Status = Literal["learned", "steps", "overflow"]
_STATUS: tuple[_Status, ...] = ("learned", "steps", "overflow")  # by the number that the kernel ends with


@dataclass(frozen=True)
class Decoder:
    """A multilayer perceptron with PyTorch's default initialisation (uniform, variance
    1/(3 inputs)), and how it is trained.

    Attributes:
        width, depth: of its hidden layers, and how many there are.
        activation: of the hidden layers, "tanh" or "relu".
        n_outputs: dimension of the targets; with loss "ce" there is an output a result
            instead.
        loss: "mse", mean over samples and outputs; "ce", cross-entropy of the results.
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

    _repr_html_ = table

    def __post_init__(self) -> None:
        for name in ("width", "depth", "n_outputs"):
            _checks.integer(name, getattr(self, name), 1)
        _checks.integer("warmup", self.warmup, 0)
        _checks.choice("activation", self.activation, ("tanh", "relu"))
        _checks.choice("loss", self.loss, ("mse", "ce"))
        _checks.choice("optimizer", self.optimizer, ("adamw", "sgd"))
        _checks.positive("weight_decay", self.weight_decay, zero=True)


@dataclass(frozen=True, eq=False)
class LearningTrajectory:
    """Embeddings and accuracies while a decoder learns, at the steps that are recorded:
    each at first, then after every 3 % of the time.

    Attributes:
        times: float64 (T,), optimiser steps.
        E: float64 (T, p, d), or (T, p, d, d) of matrix products.
        loss: float64 (T,), l_eff with normalization "sum"; nan where E is 0, or beyond
            floats.
        z0: float64 (T,), Z0 = sum_k |E_k|^2, which is not conserved here.
        rqi: float64 (T,), at the composition's own delta (see `rqi`): 0 where E has
            collapsed, nan where P0 is empty.
        train_accuracy, test_accuracy: float64 (T,), nearest target; test nan if all
            samples are trained on.
        train_loss: float64 (T,), of the training samples: mean squared residual, or
            cross-entropy.
        steps_to_rqi: first step with RQI above 0.95; inf = never.
        steps_to_train, steps_to_test: first step with an accuracy of at least 0.9;
            inf = never. All three are read after every half percent of the time.
        status: why it ended: "learned" (all three steps are known, those to test where
            there is something to test), "steps" (all were followed) or "overflow" (the
            training loss; there may be no record at all).
    """

    times: NDArray[np.float64]
    E: NDArray[np.float64]
    loss: NDArray[np.float64]
    z0: NDArray[np.float64]
    rqi: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    steps_to_rqi: float
    steps_to_train: float
    steps_to_test: float
    status: _Status

    __repr__ = short

    def _repr_html_(self) -> str:
        """With the curves of RQI and both accuracies."""
        if not len(self.times):
            return table(self)
        curves = {"RQI": self.rqi, "train accuracy": self.train_accuracy, "test accuracy": self.test_accuracy}
        crossed = {
            "RQI > 0.95": self.steps_to_rqi,
            "train accuracy 0.9": self.steps_to_train,
            "test accuracy 0.9": self.steps_to_test,
        }
        rows = [
            ("embeddings", self.E.shape[1:]),
            ("steps followed", f"{self.times[-1]:g}, ended by: {self.status}"),
            *((f"steps to {name}", _steps(found)) for name, found in crossed.items()),
            *((f"{name} at the end", f"{curve[-1]:.4g}") for name, curve in curves.items()),
        ]
        lines = [Line(name, self.times, curve) for name, curve in curves.items()]
        return page("Embeddings and decoder, by the theory with memory", rows, plot(lines, "steps", "share"))


def _steps(found: float) -> str:
    return f"{found:g}" if found < math.inf else "never"


def memory_flow(
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
    repr_optimizer: Literal["adam", "adamw", "sgd"] = "adamw",
    repr_wd: float = 0.0,
    repr_l1: float = 0.0,
    batch_size: int | None = None,
    blocks: int = BLOCKS,
) -> LearningTrajectory:
    """What becomes of the embeddings E0 while a decoder learns beside them and
    remembers; the equations are in `efftheory.memory`.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E0: initial embeddings, float (p, d), or (p, d, d) where `op` composes by a
            product.
        targets: float (n_results, n_outputs), a row a result; None draws them from a
            standard normal distribution. Not for loss "ce".
        repr_lr, decoder_lr: learning rates eta_r and eta_d, per step.
        decoder: the network; the paper's by default.
        steps: updates to follow.
        seed: of the decoder's initial weights, then of `targets`.
        repr_optimizer, repr_wd: of the embeddings, as `optimizer_flow` has them.
        repr_l1: weight of the penalty mean |E| in the loss.
        batch_size: samples an update, each epoch in a new order; None is all of them.
        blocks: of equal units, in a hidden layer; at most its width is used.

    Returns:
        It ends early where train and test accuracy have been 0.9 and RQI above 0.95.

    Source: ours, docs/decoder/derivation.md; the paper has no decoder.

    Raises:
        ArgumentError: an argument of wrong shape or out of range; the training set is
            empty.
    """
    decoder = Decoder() if decoder is None else decoder
    _checks.instance("decoder", decoder, Decoder)
    E, data = training_set(op, mask, E0)
    rng = _checks.generator("seed", seed)
    n = len(data.train.left)
    size = n if batch_size is None else min(_checks.integer("batch_size", batch_size, 1), n)
    rates = kernels.Rates(
        embeddings=Rule(
            kind=OPTIMIZERS[_checks.choice("repr_optimizer", repr_optimizer, tuple(OPTIMIZERS))],
            rate=_checks.positive("repr_lr", repr_lr),
            decay=_checks.positive("repr_wd", repr_wd, zero=True),
        ),
        decoder=Rule(
            OPTIMIZERS[decoder.optimizer], _checks.positive("decoder_lr", decoder_lr), float(decoder.weight_decay)
        ),
        l1=_checks.positive("repr_l1", repr_l1, zero=True),
        warmup=float(decoder.warmup),
        noise=batch_noise(n, size),
    )
    steps = _checks.integer("steps", steps, 0)
    classify = decoder.loss == "ce"
    outputs = op.n_results if classify else decoder.n_outputs
    blocks = min(_checks.integer("blocks", blocks, 1), decoder.width)
    weights = initial_weights(decoder, E.shape[1], outputs, blocks, rng)
    if classify and targets is not None:
        raise ArgumentError("targets", "be None for loss ce, which has classes", "is given")
    if classify:
        Y = np.eye(op.n_results)
    elif targets is None:
        Y = rng.normal(0, 1, (op.n_results, outputs))
    else:
        Y = _checks.within("targets", _checks.real_array("targets", targets, (op.n_results, outputs)), LARGEST_TARGET)
    Y = Y.astype(np.float32)
    network = Network(decoder.width / blocks, decoder.activation == "relu", classify)
    task = kernels.Task(data, network, np.ascontiguousarray(Y.T), (Y**2).sum(axis=1) / 2, Y[data.train.results])
    capacity = math.ceil(2 / kernels.SPACING + math.log(max(steps, 2)) / math.log1p(kernels.SPACING)) + 2
    records = kernels.Records(
        np.empty(capacity), np.empty((capacity, *E.shape)), np.empty((capacity, 4)), np.full(3, np.inf)
    )
    gradient = views(np.empty_like(weights.all), weights)
    squares = views(np.zeros_like(weights.all), weights)
    if rates.noise == 0.0:
        squares = squares._replace(all=np.empty(0, np.float32))
    n, status = kernels.memory_flow(E, task, rates, steps, weights, gradient, squares, records)
    shape = E.shape if op.composition == "sum" else (len(E), *[math.isqrt(E.shape[1])] * 2)
    path = records.path[:n].reshape(n, *shape)
    loss, z0 = losses(op, mask, path)
    train, test, rqi, train_loss = records.curves[:n].T
    steps_to_train, steps_to_test, steps_to_rqi = records.crossed.tolist()
    return LearningTrajectory(
        times=records.times[:n],
        E=path,
        loss=loss,
        z0=z0,
        rqi=rqi,
        train_accuracy=train,
        test_accuracy=test,
        train_loss=train_loss,
        steps_to_rqi=steps_to_rqi,
        steps_to_train=steps_to_train,
        steps_to_test=steps_to_test,
        status=_STATUS[status],
    )


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


def batch_noise(n: int, size: int) -> float:
    """(1/B - 1/n) n/(n - 1), averaged over the batches of an epoch: `size` of n samples
    each, the last of what is left.
    """
    if size >= n:
        return 0.0
    batches = [size] * (n // size) + [n % size] * bool(n % size)
    return float(np.mean([1 / B - 1 / n for B in batches])) * n / (n - 1)


def initial_weights(decoder: Decoder, c: int, outputs: int, blocks: int, rng: np.random.Generator) -> Weights:
    """Of a decoder of c inputs in `blocks`: uniform like PyTorch's, but those of blocks
    smaller by sqrt(mu).
    """
    mu, layers = decoder.width / blocks, [(c, blocks), *[(blocks, blocks)] * (decoder.depth - 1), (blocks, outputs)]
    parts = []
    for number, (n_in, n_out) in enumerate(layers):
        units = decoder.width if number else c
        layer = rng.uniform(-1, 1, (n_in + 1, n_out)) / math.sqrt(units)
        if number:
            layer[:-1] /= math.sqrt(mu)
        parts.append(layer.ravel())
    first, hidden, last = (c + 1, blocks), (decoder.depth - 1, blocks + 1, blocks), (blocks + 1, outputs)
    return _views(np.concatenate(parts).astype(np.float32), first, hidden, last)


def views(array: NDArray[np.float32], weights: Weights) -> Weights:
    """An array as `weights` are laid out."""
    return _views(array, weights.first.shape, weights.hidden.shape, weights.last.shape)


def _views(array: NDArray[np.float32], *shapes: tuple[int, ...]) -> Weights:
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = [part.reshape(shape) for part, shape in zip(np.split(array, ends[:-1]), shapes, strict=True)]
    return Weights(array, *parts)


class Options(TypedDict, total=False):
    """How a network is trained, and by how many blocks it is described, as
    `memory_flow` takes it.
    """

    repr_lr: float
    decoder_lr: float
    decoder: Decoder | None
    steps: int
    repr_optimizer: Literal["adam", "adamw", "sgd"]
    repr_wd: float
    repr_l1: float
    batch_size: int | None
    blocks: int


@dataclass(frozen=True, eq=False)
class SuccessProbability(Estimate):
    """The share of draws that succeed, and when each draw got there.

    Attributes:
        steps_to_train, steps_to_test, steps_to_rqi: float64 (draws,), as in
            `LearningTrajectory`; inf = not within the steps.
    """

    steps_to_train: NDArray[np.float64]
    steps_to_test: NDArray[np.float64]
    steps_to_rqi: NDArray[np.float64]

    __repr__ = short

    def _repr_html_(self) -> str:
        targets = {
            "RQI > 0.95": self.steps_to_rqi,
            "train accuracy 0.9": self.steps_to_train,
            "test accuracy 0.9": self.steps_to_test,
        }
        medians = {name: float(np.quantile(steps, 0.5, method="inverted_cdf")) for name, steps in targets.items()}
        rows = [
            ("share with RQI > 0.95", Estimate.__str__(self)),
            *(
                (f"median steps to {name}", f"{steps:g}" if steps < math.inf else "never")
                for name, steps in medians.items()
            ),
        ]
        return page("Success, by the theory with memory", rows)


def success_probability(
    op: Operation,
    mask: Mask,
    E0: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    *,
    draws: int | Sequence[Seed] = 32,
    seed: Seed = 0,
    d: int = 1,
    init_scale: float = 1.0,
    parallel: bool = True,
    **options: Unpack[Options],
) -> SuccessProbability:
    """The share of decoders (and targets, and embeddings) with which RQI gets above
    0.95 within the steps; whether the decoder has learned by then is not asked. (Of
    products, embeddings that are one matrix for all symbols have RQI 1: see `rqi`.)

    What is not given is drawn anew each time: E0, the decoder's initial weights, which
    are always drawn, and `targets` from a standard normal distribution.

    Args:
        op, mask: the operation and the training set, bool (N,); None is all of D0.
        E0: initial embeddings, float (p, d), or (p, d, d) where `op` composes by a
            product; None draws them, uniform in [-init_scale/2, init_scale/2].
        targets: float (n_results, n_outputs), a row a result; None draws them.
        draws: how many, each with a random stream of its own; or a seed for each.
        seed: of these streams, where `draws` is a number.
        d, init_scale: dimension and scale of embeddings that are drawn.
        parallel: whether to use all cores.
        options: how the network is trained, and `blocks`, as for `memory_flow`.

    Source: ours, docs/decoder/derivation.md; the paper has no decoder.

    Raises:
        ArgumentError: as `memory_flow`; there are no draws, or two share a generator.
    """
    require_operation(op)
    _checks.instance("parallel", parallel, bool)
    if isinstance(draws, Sequence):
        streams = [_checks.generator("draws", one) for one in draws]
        _checks.integer("draws", len(streams), 1)
        if len({id(stream) for stream in streams}) < len(streams):
            raise ArgumentError("draws", "have a generator of its own for each", "has one of them twice")
    else:
        streams = _checks.streams("seed", seed, _checks.integer("draws", draws, 1))
    d = _checks.integer("d", d, 1)
    init_scale = _checks.positive("init_scale", init_scale, high=LARGEST_INPUT)
    shape = (op.n_symbols, d) if op.composition == "sum" else (op.n_symbols, d, d)

    def steps_of(rng: np.random.Generator) -> tuple[float, float, float]:
        place = rng.uniform(-init_scale / 2, init_scale / 2, shape) if E0 is None else E0
        path = memory_flow(op, mask, place, targets, seed=rng, **options)
        return path.steps_to_train, path.steps_to_test, path.steps_to_rqi

    steps = np.array(threaded(steps_of, streams) if parallel else [steps_of(rng) for rng in streams])
    share = proportion(int(np.isfinite(steps[:, 2]).sum()), len(steps))
    train, test, rqi = steps.T
    return SuccessProbability(**vars(share), steps_to_train=train, steps_to_test=test, steps_to_rqi=rqi)
