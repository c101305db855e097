"""A decoder that remembers: the network in blocks of units that stay alike.

`efftheory.decoder` takes the decoder as a kernel that fits at once what the embeddings
show it. This theory keeps the decoder as a function that is carried in time, and with
it all that the kernel forgets: what was learned before the embeddings moved, directions
that sharpen as they are learned, decay of what was learned, saturated classes.

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
4. Merged steps. h steps are one where that changes nothing: with the same gradient g,
   moments m, v before it and b = beta_1,

       m <- b^h m + (1 - b^h) g,      v <- beta_2^h v + (1 - beta_2^h) g^2,
       theta <- (1 - eta lambda)^h theta - eta (A m + (h - A) g) / sqrt(v),
       A = b (1 - b^h) / (1 - b),

   which for h = 1 is the network's own step. h grows by a fifth while the outputs go on
   as they went, and falls where they turn: where the loss's derivative by the outputs
   changes otherwise than in the step before (the cosine of the two changes is below
   1/2). An optimiser that swings at the edge of its stability does so at once, and is
   followed step by step: merging there would blow the second moments up.

With as many blocks as units and single steps this is the network. With embeddings at
rest and small moves the outputs relax by the tangent kernel, which is that of
`efftheory.decoder` for infinitely many blocks. Nothing is fitted to outcomes;
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
from efftheory._records import short
from efftheory._threads import threaded
from efftheory.criticality import Estimate, proportion
from efftheory.decoder import (
    LARGEST_INPUT,
    SPACING,
    Decoder,
    LearningTrajectory,
    capacity,
    decoder_of,
    learned_fields,
    training_set,
)
from efftheory.operations import Operation, Seed, require_operation
from efftheory.parallelograms import Mask

BLOCKS = 32  # a hidden layer
LARGEST_MOVE = 0.015  # optimiser steps are merged while no embedding moves by more than this
LARGEST_TARGET = 1e15  # in 32 bits, as the network computes: beyond, its loss overflows
_SHARE = 0.05  # of the time before, that a merged step may last
_STRAIGHT = 0.5  # the least cosine of a step's change with the one before


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
    repr_optimizer: Literal["adamw", "sgd"] = "adamw",
    repr_wd: float = 0.0,
    repr_l1: float = 0.0,
    batch_size: int | None = None,
    blocks: int = BLOCKS,
    resolution: float = LARGEST_MOVE,
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
        decoder: the network; the paper's by default. Its loss "ce" is the cross-entropy
            itself here.
        steps: updates to follow.
        seed: of the decoder's initial weights, then of `targets`.
        repr_optimizer, repr_wd: of the embeddings; AdamW's or plain SGD's decoupled
            decay.
        repr_l1: weight of the penalty mean |E| in the loss.
        batch_size: samples an update, each epoch in a new order; None is all of them.
        blocks: of equal units, in a hidden layer; at most its width is used.
        resolution: merged optimiser steps move no embedding by more than this.

    Returns:
        It ends early where train and test accuracy have been 0.9 and RQI above 0.95.

    Source: ours, docs/decoder/derivation.md; the paper has no decoder.

    Raises:
        ArgumentError: an argument of wrong shape or out of range; the training set is
            empty.
    """
    decoder = decoder_of(decoder)
    E, data = training_set(op, mask, E0)
    rng = _checks.generator("seed", seed)
    n = len(data.train.left)
    size = n if batch_size is None else min(_checks.integer("batch_size", batch_size, 1), n)
    rates = kernels.Rates(
        repr_lr=_checks.positive("repr_lr", repr_lr),
        repr_wd=_checks.positive("repr_wd", repr_wd, zero=True),
        repr_sgd=_checks.choice("repr_optimizer", repr_optimizer, ("adamw", "sgd")) == "sgd",
        repr_l1=_checks.positive("repr_l1", repr_l1, zero=True),
        decoder_lr=_checks.positive("decoder_lr", decoder_lr),
        decoder_wd=float(decoder.weight_decay),
        decoder_sgd=decoder.optimizer == "sgd",
        warmup=float(decoder.warmup),
        noise=batch_noise(n, size),
    )
    pace = kernels.Pace(
        steps=_checks.integer("steps", steps, 0),
        resolution=_checks.positive("resolution", resolution),
        share=_SHARE,
        straight=_STRAIGHT,
        spacing=SPACING,
    )
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
    Y = np.ascontiguousarray(Y, dtype=np.float32)
    task = kernels.Task(data, Y, (Y**2).sum(axis=1) / 2)
    network = Network(decoder.width / blocks, decoder.activation == "relu", classify)
    records = kernels.Records(
        times=np.empty(capacity(pace.steps)),
        path=np.empty((capacity(pace.steps), *E.shape)),
        curves=np.empty((capacity(pace.steps), 4)),
        crossed=np.full(3, np.inf),
    )
    gradient = views(np.empty_like(weights.all), weights)
    squares = views(np.zeros_like(weights.all), weights)
    if rates.noise == 0.0:
        squares = squares._replace(all=np.empty(0, np.float32))
    n = kernels.memory_flow(E, task, network, rates, pace, weights, gradient, squares, records)
    recorded = (records.times[:n], records.path[:n], records.curves[:n])
    train, test, rqi = records.crossed < np.inf
    complete = n > 0 and (records.times[n - 1] == steps or (train and rqi and (test or len(data.test.left) == 0)))
    return LearningTrajectory(**learned_fields(op, mask, *recorded, records.crossed), converged=bool(complete))


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
    repr_optimizer: Literal["adamw", "sgd"]
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
        ArgumentError: as `memory_flow`; there are no draws.
    """
    require_operation(op)
    _checks.instance("parallel", parallel, bool)
    if isinstance(draws, Sequence):
        streams = [_checks.generator("draws", one) for one in draws]
        _checks.integer("draws", len(streams), 1)
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
