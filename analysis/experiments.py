"""The experiments that have a name: which runs each of them is. What is predicted and
scored of these runs is a command's.

A new one is an entry of EXPERIMENTS: a title, what all its runs share, and its axes, as
texts FIELD=LO:HI:N[:log] or FIELD=A,B,C.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import neural
from analysis.runs.plan import Experiment, planned
from neural import ParityConfig, RunConfig

# The training-set sizes of the paper's figures 3 to 5 at p = 10, of 55 samples.
PAPER_SIZES = (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 54)
DEFAULT_SIZES = PAPER_SIZES[3:]
_ADDITION = planned("Addition, p = 10", RunConfig(), f"n_train={','.join(map(str, DEFAULT_SIZES))}", seeds=8)
# By command, and by the name that people type.
EXPERIMENTS: dict[str, dict[str, Experiment]] = {"compare_theory": {"addition": _ADDITION}}

# The official S3 code: latents in [-0.05, 0.05], an L1 penalty (not in the paper).
S3 = RunConfig(operation="s3", p=6, n_train=24, d=3, init_scale=0.1, repr_l1=1e-3)

# Other networks, and larger problems, for the theory with a decoder.
_NETWORKS = {
    "the paper's": RunConfig(),
    **{f"width {n}": RunConfig(width=n) for n in (50, 100, 400)},
    **{f"depth {n}": RunConfig(depth=n) for n in (1, 3)},
    **{f"{n} outputs": RunConfig(n_outputs=n) for n in (10, 100)},
    "ReLU": RunConfig(activation="relu"),
    "classification": RunConfig(loss="ce"),
    "SGD embeddings": RunConfig(repr_optimizer="sgd", repr_lr=0.3),
    "SGD decoder": RunConfig(decoder_optimizer="sgd", decoder_lr=0.1),
    **{f"decoder decay {n}": RunConfig(decoder_wd=n) for n in (1, 5)},
    "mini-batches of 10": RunConfig(batch_size=10),
    "d = 2": RunConfig(d=2),
}
EXPERIMENTS["decoder_range"] = {
    **{name: planned(name, one, "n_train=25:50:6", seeds=5) for name, one in _NETWORKS.items()},
    "S3": planned("S3", S3, "n_train=16:32:5", seeds=6),
    "p = 7": planned("p = 7", RunConfig(p=7, n_train=13), "n_train=13,15,18,20,23,25", seeds=5),
    "p = 15": planned("p = 15", RunConfig(p=15), "n_train=55,65,76,87,98,109", seeds=5),
    "p = 20": planned("p = 20", RunConfig(p=20), "n_train=115,134,153,172,191", seeds=2),
    "p = 30": planned("p = 30", RunConfig(p=30), "n_train=254,296,338,380,423", seeds=1),
}

_TRANSFORMER = neural.ModularConfig(network="transformer", d=32, mlp=128, learning_rate=1e-3, weight_decay=2.0)
EXPERIMENTS["modular_theory"] = {  # at some of the fractions runs succeed, and at some they fail
    "squares": planned("A hidden layer of squares", neural.ModularConfig(), "fraction=0.12:0.4:8", seeds=24),
    "transformer": planned("A transformer", _TRANSFORMER, "fraction=0.4,0.5,0.6", seeds=24),
}

# All runs of one of these have the same training fraction and weight decay, which so
# cannot rank them: what tells them apart are the training set and the initial weights.
# Of 8 checkpoints an octave of steps, neighbours are 9 % apart.
_SEEN: dict[str, Any] = {"look_every": 10, "checkpoints": 8}
_SQUARES_40 = neural.ModularConfig(**_SEEN, budget=8_000)
_SQUARES_32 = replace(_SQUARES_40, fraction=0.32, budget=16_000)
_TRANSFORMER_60 = replace(_TRANSFORMER, **_SEEN, fraction=0.6, budget=8_000)
_GROUP = neural.ModularConfig(operation="symmetric", p=24, inputs="embeddings", activation="relu", d=32)
_SYMMETRIC = replace(_GROUP, fraction=0.7, weight_decay=2.0, **_SEEN, budget=6_000)
# a look at 1,300 samples costs three updates
_PARITY = ParityConfig(n=20, n_train=300, width=100, batch_size=None, look_every=40, checkpoints=8, budget=20_000)
_S4 = "Composition of permutations, S4, 70 % of the pairs"
EXPERIMENTS["league"] = {
    "squares-40": planned("Squares, p = 31, 40 % of the pairs", _SQUARES_40, seeds=48, early=(50, 210, 420)),
    "squares-32": planned("Squares, p = 31, 32 % of the pairs", _SQUARES_32, seeds=48, early=(50, 210, 420)),
    "transformer": planned("A transformer, p = 31, 60 % of the pairs", _TRANSFORMER_60, seeds=48, early=(50, 100, 210)),
    "symmetric": planned(_S4, _SYMMETRIC, seeds=32, early=(50, 210, 410)),
    "parity": planned("Parity of 3 of 20 bits, 300 samples", _PARITY, seeds=32, early=(120, 200, 400)),
}

# Landscapes of the weight norm: it is held where a run begins. Two cores train these
# networks in minutes; wider or longer ones are an option away (--set width=200).
_HELD: dict[str, Any] = {"weight_decay": 0.0, "constrained": True}
_TEACHER_HELD = neural.TeacherConfig(**_HELD, look_every=100, budget=10_000)
_DIGITS_HELD = neural.DigitsConfig(**_HELD, width=100, batch_size=None, look_every=100, budget=3_000)
_ADDER = neural.ModularConfig(network="transformer", learning_rate=1e-3)
_ADDER_HELD = replace(_ADDER, **_HELD, d=64, mlp=256, look_every=50, budget=3_000)
_REVIEWS_HELD = neural.ReviewsConfig(**_HELD, embedding=32, width=64, look_every=100, budget=400)
_MOLECULES_HELD = neural.MoleculesConfig(**_HELD, pool=1_000, n_test=200, look_every=100, budget=2_000)
_ADDS, _ADDS_31 = "A transformer that adds modulo p", "A transformer that adds modulo 31"
EXPERIMENTS["landscape"] = {
    "teacher": planned("A student and a teacher", _TEACHER_HELD, "init_scale=0.1:10:21:log", "n_train=100", seeds=3),
    "digits": planned("Digits", _DIGITS_HELD, "init_scale=0.1:10:11:log", "n_train=30,100,300,1000", seeds=2),
    "transformer": planned(_ADDS, _ADDER_HELD, "init_scale=0.25:4:9:log", "fraction=0.2,0.3,0.4,0.6", seeds=2),
    "reviews": planned("Film reviews", _REVIEWS_HELD, "init_scale=0.03,0.1,0.3,1,3,6,10", "n_train=1000,4000", seeds=3),
    "molecules": planned("Molecules", _MOLECULES_HELD, "init_scale=0.2,0.4,0.7,1,1.4,2,3", "n_train=50,500", seeds=3),
}


def _until_shell(smallest: float, landscape_budget: int) -> Callable[[Any], int]:
    """Of a run whose norm decays: 1.5 times the steps until its weights are those of
    the initial scale `smallest`, and half of what runs that are held there have. Runs
    that generalise at a smaller norm may be censored.
    """

    def budget(run: Any) -> int:
        steps = 1.5 * math.log(run.init_scale / smallest) / (run.learning_rate * run.weight_decay)
        every = 50 * run.look_every
        return math.ceil((steps + landscape_budget / 2) / every) * every

    return budget


# The law of the weight norm: networks that begin at too large a norm, and landscapes of
# the same seeds, which say where these generalise.
_STUDENT, _DIGITS = neural.TeacherConfig(), neural.DigitsConfig(width=100, batch_size=100)
_SMALL_ADDER = replace(_ADDER, d=32, mlp=128, fraction=0.6, checkpoints=0)
_SMALL_ADDER_LONG = replace(_SMALL_ADDER, budget=12_000)
_TO_TEACHER, _TO_DIGITS = _until_shell(0.5, 10_000), _until_shell(3.0, 5_000)
_TAUGHT, _DECAYS = "A student and a teacher", "weight_decay=0.03,0.1,0.3"
EXPERIMENTS["norm_law"] = {
    "teacher": planned(_TAUGHT, _STUDENT, "init_scale=2,3", f"{_DECAYS},1", seeds=8, budget=_TO_TEACHER),
    "digits": planned("Digits", _DIGITS, "init_scale=6:9:4", _DECAYS, seeds=5, budget=_TO_DIGITS),
    "transformer": planned(_ADDS_31, _SMALL_ADDER_LONG, "init_scale=1,1.5", "weight_decay=0.5,1,2,3", seeds=5),
}
_STUDENT_HELD = replace(_STUDENT, **_HELD, budget=10_000)
_MORE_DIGITS_HELD = replace(_DIGITS, **_HELD, budget=5_000)
_SMALL_ADDER_HELD = replace(_SMALL_ADDER, **_HELD, budget=4_000)
EXPERIMENTS["shells"] = {
    "teacher": planned(_TAUGHT, _STUDENT_HELD, "init_scale=0.4:3:21:log", "n_train=100", seeds=8),
    "digits": planned("Digits", _MORE_DIGITS_HELD, "init_scale=1:9:21:log", "n_train=1000", seeds=5),
    "transformer": planned(_ADDS_31, _SMALL_ADDER_HELD, "init_scale=0.25:2:10:log", "fraction=0.6", seeds=5),
}

# The forecast: what it is fitted to, seeds 0 to 11, and what it is judged on, of other
# settings, seeds 600 to 611. Two of each are negatives: too few samples, and no decay.
_LOGGED: dict[str, Any] = {"look_every": 20, "checkpoints": 0}
_ADDED = replace(_TRANSFORMER, **_LOGGED, budget=6_000)
_SQUARED = replace(_SQUARES_32, **_LOGGED, budget=10_000)
_PARITY_LOGGED = replace(_PARITY, **_LOGGED, budget=10_000)
_DIGITS_LOGGED = replace(_DIGITS, **_LOGGED, weight_decay=0.3, budget=6_000)
_STUDENT_LOGGED = replace(_STUDENT, **_LOGGED, init_scale=2.0, budget=20_000)
EXPERIMENTS["forecast_fit"] = {
    "squares": planned("Squares, p = 31", _SQUARED, "fraction=0.2,0.32,0.4", seeds=12),
    "transformer": planned(_ADDS_31, _ADDED, "fraction=0.5,0.6", seeds=12),
    "transformer-no-decay": planned("The same without decay", replace(_ADDED, weight_decay=0.0), seeds=12),
    "parity": planned("Parity of 3 of 20 bits", _PARITY_LOGGED, "n_train=250,300", seeds=12),
    "digits": planned("Digits", _DIGITS_LOGGED, "init_scale=6,8", seeds=12),
    "teacher": planned(_TAUGHT, _STUDENT_LOGGED, "weight_decay=0.3,1", seeds=12),
}
EXPERIMENTS["forecast"] = {
    "squares": planned("Squares, p = 31", _SQUARED, "fraction=0.22,0.36", seeds=12, first_seed=600),
    "transformer": planned(_ADDS_31, _ADDED, "fraction=0.55", seeds=12, first_seed=600),
    "transformer-no-decay": planned(
        "The same without decay", replace(_ADDED, weight_decay=0.0, fraction=0.5), seeds=12, first_seed=600
    ),
    "parity": planned("Parity of 3 of 20 bits", _PARITY_LOGGED, "n_train=350", seeds=12, first_seed=600),
    "digits": planned("Digits", _DIGITS_LOGGED, "init_scale=7", seeds=12, first_seed=600),
    "teacher": planned(_TAUGHT, _STUDENT_LOGGED, "weight_decay=0.5", seeds=12, first_seed=600),
}


def _two_folds(run: Any) -> int:
    """The budget in which, after the hold, decay makes a norm e^2 times smaller."""
    looks = 2 / (run.learning_rate * run.weight_decay * run.look_every)
    return run.hold + run.look_every * math.ceil(round(looks, 6))


_FREE = neural.MessinessConfig(width=64, trained=True, init_scale=6.0, messiness=0.5, look_every=100, hold=5_000)
_FREE = replace(_FREE, learning_rate=3e-3, messiness_lr=1e-3)
_PLANE = ("operation=modular_addition,addition", "n_train=25,35,45,55", "weight_decay=0.01,0.03,0.1")
EXPERIMENTS["two_variables"] = {"free": planned("A decoder and what it reads", _FREE, *_PLANE, budget=_two_folds)}

# Figure 6 has the paper's grids. Those of figures 13 to 15 are not published beyond the
# range of the decoder's learning rate: their second axes are ours.
_TOY, _LONG_S3 = RunConfig(budget=100_000), replace(S3, budget=100_000)
_CE = replace(_TOY, loss="ce")
_RATES, _FAST = "decoder_lr=1e-5:1e-2:16:log", "decoder_lr=1e-4:1e-2:9:log"
DIAGRAMS = EXPERIMENTS["phase_diagram"] = {
    "lr_lr": planned("Learning rates, regression", _TOY, "repr_lr=1e-5:1e-2:13:log", "decoder_lr=1e-5:1e-2:13:log"),
    "regression": planned("Decoder, regression", _TOY, _RATES, "decoder_wd=0:10:11"),
    "classification": planned("Decoder, classification", _CE, _RATES, "decoder_wd=0:20:11"),
    "s3": planned("Decoder, S3, regression", _LONG_S3, _RATES, "decoder_wd=0,1,2,3,5,10,20,30,50,100,200"),
    "batch_size": planned("Batch size, regression", _TOY, _FAST, "batch_size=5:45:9"),
    "batch_size_ce": planned("Batch size, classification", _CE, _FAST, "batch_size=5:45:9"),
    "init_scale": planned("Initial scale of the embeddings, regression", _TOY, _FAST, "init_scale=0.1:10:9:log"),
    "init_scale_ce": planned("Initial scale of the embeddings, classification", _CE, _FAST, "init_scale=0.1:10:9:log"),
    "repr_weight_decay": planned("Weight decay of the embeddings, regression", _TOY, _FAST, "repr_wd=0:10:9"),
    "repr_weight_decay_ce": planned("Weight decay of the embeddings, classification", _CE, _FAST, "repr_wd=0:10:9"),
}
