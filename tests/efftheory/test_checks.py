"""Misuse: an ArgumentError that says which argument, what it must be, and what it
is.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

import efftheory
from efftheory import _checks

et: Any = efftheory  # called as a type checker would not let it be

OP = et.addition(4)
MASK = np.ones(10, dtype=np.bool_)
E = np.array([[0.0], [1.0], [3.0], [2.0]])
NAN = np.where(np.arange(4) == 2, np.nan, 1.0)[:, None]
INF = np.where(np.arange(4) == 2, np.inf, 1.0)[:, None]
S3 = et.symmetric_group(3)
MATRICES = np.tile(np.eye(2), (6, 1, 1))
TWO, SQUARE = et.modular_addition(2, tables=2), np.eye(4)

SEED = "be an integer of at least 0 or a numpy Generator"
TIMES = "be finite, strictly ascending and at least 0"
Z0 = "have a Z0 that is finite and not 0, Z0 the sum of its squares"
ABOVE_0 = "be a finite number above 0"
SHAPE = "have shape (p, d) with p = 4"
SQUARES = "have shape (p, d, d) with p = 6"
Z0_SQUARED = "have a Z0^2 that is finite and not 0, Z0 the sum of its squares"
REAL = "be an array of real numbers"
SYMBOLS = "be an integer in 2..60000"
FROM_1 = "be an integer of at least 1"

# every way in, once: (argument, requirement, finding, call)
MISUSES = [
    ("p", SYMBOLS, "is 1", lambda: et.addition(1)),
    ("p", SYMBOLS, "is 4.0", lambda: et.addition(4.0)),
    ("p", SYMBOLS, "is True", lambda: et.addition(True)),
    ("p", SYMBOLS, "is 1", lambda: et.modular_addition(1)),
    ("seed", SEED, "is -1", lambda: OP.random_training_set(3, seed=-1)),
    ("seed", SEED, "is -1", lambda: et.degrees_of_freedom(S3, seed=-1)),
    ("seed", SEED, "is -1", lambda: et.design_training_set(OP, 5, seed=-1)),
    ("seed", SEED, "is None", lambda: et.linear_probability(OP, 5, 10, None)),
    ("times", TIMES, "is 'soon'", lambda: et.flow(OP, None, np.eye(4), "soon")),
    ("times", TIMES, "is [1.0, 1.0]", lambda: et.class_flow([0, 0, 1, 1], E, [1.0, 1.0])),
    ("times", TIMES, "is [1.0, 0.5]", lambda: et.flow(OP, None, E, [1.0, 0.5])),
    ("times", TIMES, "is [-1.0, 0.5]", lambda: et.flow(OP, None, E, [-1.0, 0.5])),
    ("times", TIMES, "is [0.0, nan]", lambda: et.flow(OP, None, E, [0.0, float("nan")])),
    ("times", TIMES, "is []", lambda: et.flow(OP, None, E, [])),
    ("times", TIMES, "is [[0.0, 1.0]]", lambda: et.flow(OP, None, E, [[0.0, 1.0]])),
    (
        "times",
        TIMES,
        "is array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  ...",
        lambda: et.flow(OP, None, E, np.zeros((30, 30), dtype=np.int64)),
    ),
    ("times", TIMES, "is array([1.+2.j])", lambda: et.flow(OP, None, E, np.array([1.0 + 2.0j]))),
    ("E", Z0, "has Z0 = inf", lambda: et.effective_loss(OP, None, 1e200 * np.eye(4))),
    ("E", Z0, "has Z0 = 0.0", lambda: et.effective_loss(OP, None, 0 * E)),
    ("E", Z0, "has Z0 = 0.0", lambda: et.effective_loss_gradient(OP, None, 0 * E)),
    ("n_train", "be an integer in 0..10", "is 11", lambda: OP.random_training_set(11, seed=0)),
    ("n_train", "be an integer in 0..10", "is 11", lambda: et.design_training_set(OP, 11)),
    ("draws", FROM_1, "is 0", lambda: et.linear_thresholds(OP, 0, seed=0)),
    ("draws", FROM_1, "is 0", lambda: et.proportion(0, 0)),
    ("mask", "have shape (N,) = (10,)", "has shape (9,)", lambda: et.nullity(OP, MASK[:9])),
    ("mask", "have shape (N,) = (10,)", "has shape ()", lambda: et.addition(4).first_pairs("all", 3)),
    ("mask", "be an array of bool", "has dtype int64", lambda: et.hessian(OP, MASK.astype(np.int64))),
    ("mask", "be an array of bool", "has dtype int64", lambda: et.describe(OP, np.arange(10))),
    ("mask", "be an array of bool", "is a ragged list", lambda: et.nullity(OP, [[True], [True, False]])),
    (
        "mask",
        "be an array of bool",
        "has masked entries",
        lambda: et.nullity(OP, np.ma.array(MASK, mask=~MASK | (np.arange(10) == 3))),
    ),
    ("E", SHAPE, "has shape (4,)", lambda: et.effective_loss(OP, None, E[:, 0])),
    ("E", SHAPE, "has shape (3, 1)", lambda: et.effective_loss_gradient(OP, None, E[:3])),
    ("E", SHAPE, "has shape (1, 4, 1)", lambda: et.rqi(OP, E[None])),
    ("E", SHAPE, "has shape (4, 0)", lambda: et.effective_loss(OP, None, E[:, :0])),
    ("E", REAL, "is a str", lambda: et.effective_loss(OP, None, "wrong")),
    ("E", REAL, "is a ragged list", lambda: et.effective_loss(OP, None, [[1.0], [2.0, 3.0], [1.0], [0.0]])),
    ("E", REAL, "has dtype complex128", lambda: et.rqi(OP, E + 1j)),
    ("E", REAL, "has dtype <U1", lambda: et.rqi(OP, np.array([["1"], ["2"], ["3"], ["4"]]))),
    ("E", REAL, "is a list", lambda: et.rqi(OP, [["1"], ["2"], ["3"], ["4"]])),
    ("E", REAL, "has dtype [('x', '<f8')]", lambda: et.rqi(OP, np.zeros(4, dtype=[("x", float)]))),
    ("E", REAL, "has masked entries", lambda: et.rqi(OP, np.ma.array(E, mask=E == 3))),
    ("E", REAL, "has dtype torch.bfloat16", lambda: et.rqi(OP, torch.ones((4, 1), dtype=torch.bfloat16))),
    ("E", "be finite", "holds nan or inf", lambda: et.effective_loss(OP, None, NAN)),
    ("E", "be finite", "holds nan or inf", lambda: et.predicted_accuracy(OP, None, INF)),
    ("E", "be finite", "holds nan or inf", lambda: et.rqi(S3, MATRICES * np.nan)),
    ("delta", ABOVE_0, "is 0", lambda: et.rqi(OP, E, delta=0)),
    ("delta", ABOVE_0, "is 'wide'", lambda: et.rqi(OP, E, delta="wide")),
    ("tables", "be an integer in 1..2", "is 3", lambda: et.modular_addition(5, 3)),
    ("n", "be an integer in 3..100", "is 2", lambda: et.dihedral_group(2)),
    ("n", "be an integer in 3..100", "is 101", lambda: et.dihedral_group(101)),
    (
        "table",
        "have shape (p, p) with p of at least 2",
        "has shape (3, 2)",
        lambda: et.from_table([[0, 1], [1, 0], [0, 1]]),
    ),
    ("table", "have shape (p, p) with p of at least 2", "has shape (1, 1)", lambda: et.from_table([[0]])),
    ("table", "hold whole numbers", "has dtype float64", lambda: et.from_table([[0.0, 1.0], [1.0, 0.0]])),
    ("table", "hold whole numbers", "has dtype bool", lambda: et.from_table([[True, False], [False, True]])),
    (
        "table",
        "be symmetric to be composed by a sum of one table",
        "has 0 at (1, 2) and 7 at (2, 1)",
        lambda: et.from_table([[0, 1, 2], [1, 2, 0], [2, 7, 1]], "sum"),
    ),
    ("tables", "be an integer in 1..1", "is 2", lambda: et.from_table([[0, 1], [1, 0]], tables=2)),
    ("names", "be different", "is ['a', 'a']", lambda: et.from_table([[0, 1], [1, 0]], names=["a", "a"])),
    ("most", "be an integer of at least 0", "is -1", lambda: OP.first_pairs(None, -1)),
    ("names", "be 2 strings", "is ['e', 1]", lambda: et.from_table([[0, 1], [1, 0]], names=["e", 1])),
    ("pairs", "have shape (n, 2)", "has shape (3,)", lambda: et.addition(4).mask([0, 1, 2])),
    ("pairs", "be an array of whole numbers", "is a ragged list", lambda: OP.mask([[0, 1], [2]])),
    ("pairs", "hold whole numbers", "has dtype float64", lambda: OP.mask([[0.0, 1.0]])),
    ("pairs", "be samples of addition(4)", "has (2, 4)", lambda: OP.mask([[0, 1], [2, 4], [-1, 0]])),
    (
        "pairs",
        "be samples of modular_addition(3, tables=2)",
        "has (1, 2)",
        lambda: et.modular_addition(3, 2).mask([[0, 3], [1, 2]]),
    ),
    ("composition", "be one of sum, product", "is 'quotient'", lambda: et.from_table([[0, 1], [1, 0]], "quotient")),
    ("n", "be an integer in 2..6", "is 1", lambda: et.symmetric_group(1)),
    ("n", "be an integer in 2..6", "is 7", lambda: et.symmetric_group(7)),
    ("E", SQUARES, "has shape (6, 4)", lambda: et.rqi(S3, MATRICES.reshape(6, 4))),
    ("E", SQUARES, "has shape (6, 1, 2)", lambda: et.rqi(S3, MATRICES[:, :1])),
    ("E", SQUARES, "has shape (4, 2, 2)", lambda: et.predicted_accuracy(S3, None, MATRICES[:4])),
    ("E", SQUARES, "has shape (6, 0, 0)", lambda: et.rqi(S3, MATRICES[:, :0, :0])),
    ("E", Z0_SQUARED, "has Z0 = 0.0", lambda: et.effective_loss_gradient(S3, None, 0 * MATRICES)),
    ("E", Z0_SQUARED, f"has Z0 = {12 * 2.0**600}", lambda: et.effective_loss(S3, None, 2.0**300 * MATRICES)),
    ("E0", "be finite", "holds nan or inf", lambda: et.flow(S3, None, MATRICES * np.nan, [0.0])),
    ("E0", "be finite", "holds nan or inf", lambda: et.flow(OP, None, NAN, [0.0])),
    (
        "method",
        "be ode where op composes by a matrix product",
        "is 'exact'",
        lambda: et.flow(S3, None, MATRICES, [0.0], method="exact"),
    ),
    (
        "representation",
        "be None where op composes by a sum",
        "is given",
        lambda: et.degrees_of_freedom(OP, None, np.ones((4, 1, 1), dtype=np.int64)),
    ),
    (
        "representation",
        SQUARES,
        "has shape (4, 1, 1)",
        lambda: et.degrees_of_freedom(S3, None, np.ones((4, 1, 1), dtype=np.int64)),
    ),
    ("representation", "hold whole numbers", "has dtype float64", lambda: et.degrees_of_freedom(S3, None, MATRICES)),
    (
        "representation",
        "have rho(a) rho(b) = rho(ab)",
        "has not at (0, 1)",
        lambda: et.degrees_of_freedom(S3, None, np.arange(6).reshape(6, 1, 1)),
    ),
    (
        "representation",
        "be invertible",
        "takes the identity to another matrix",
        lambda: et.degrees_of_freedom(S3, None, np.zeros((6, 1, 1), dtype=np.int64)),
    ),
    (
        "op",
        "have p d^2 of at most 5000 here",
        "dihedral_group(14) has 28 * 14^2",
        lambda: et.degrees_of_freedom(et.dihedral_group(14)),
    ),
    ("mask", "have shape (N,) = (36,)", "has shape (10,)", lambda: et.degrees_of_freedom(S3, MASK)),
    ("mask", "have shape (N,) = (36,)", "has shape (10,)", lambda: et.predicted_accuracy(S3, MASK, MATRICES)),
    ("op", "compose by a matrix product", "addition(4) composes by a sum", lambda: et.permutation_representation(OP)),
    ("labels", "have shape (n,) = (4,)", "has shape (2,)", lambda: et.class_loss([0, 1], E)),
    ("F", "have shape (n, d)", "has shape (2,)", lambda: et.class_loss([0, 1], [1.0, 2.0])),
    ("F", "have shape (n, d)", "has shape (0, 2)", lambda: et.class_loss([], np.zeros((0, 2)))),
    ("F", Z0, "has Z0 = 0.0", lambda: et.class_loss_gradient([0, 0, 1, 1], 0 * E)),
    ("F0", "be finite", "holds nan or inf", lambda: et.class_flow([0, 0, 1, 1], NAN, [0.0])),
    ("normalization", "be one of sum, mean", "is 'max'", lambda: et.effective_loss(OP, None, E, normalization="max")),
    ("k", "be an integer in 1..4", "is 5", lambda: et.spectrum(OP, k=5)),
    ("k", "be an integer in 1..4", "is 0", lambda: et.spectrum(OP, k=0)),
    ("learning_rate", ABOVE_0, "is 0.0", lambda: et.grokking_steps(OP, None, 0.0, 1.0)),
    ("learning_rate", ABOVE_0, "is -1.0", lambda: et.optimizer_flow(OP, None, E, learning_rate=-1.0)),
    (
        "learning_rate",
        ABOVE_0,
        "is np.complex128(0.001+1j)",
        lambda: et.grokking_steps(OP, None, np.complex128(1e-3 + 1j), 1.0),
    ),
    ("learning_rate", ABOVE_0, "is '1e-3'", lambda: et.grokking_steps(OP, None, "1e-3", 1.0)),
    ("learning_rate", ABOVE_0, "is 1" + 55 * "0" + " ...", lambda: et.grokking_steps(OP, None, 10**400, 1.0)),
    ("z0", ABOVE_0, "is inf", lambda: et.grokking_steps(OP, None, 1e-3, float("inf"))),
    ("E0", SHAPE, "has shape (4,)", lambda: et.flow(OP, None, E[:, 0], [0.0])),
    ("method", "be one of exact, ode", "is 'euler'", lambda: et.flow(OP, None, E, [0.0], method="euler")),
    (
        "rtol",
        "be a finite number above 0 and below 1",
        "is -0.001",
        lambda: et.flow(OP, None, E, [1.0], method="ode", rtol=-1e-3),
    ),
    (
        "optimizer",
        "be one of adam, adamw, sgd",
        "is 'lbfgs'",
        lambda: et.optimizer_flow(OP, None, E, optimizer="lbfgs"),
    ),
    (
        "weight_decay",
        "be a finite number of at least 0",
        "is -0.01",
        lambda: et.optimizer_flow(OP, None, E, weight_decay=-1e-2),
    ),
    ("steps", "be an integer of at least 0", "is -1", lambda: et.optimizer_flow(OP, None, E, steps=-1)),
    ("E0", Z0, "has Z0 = 0.0", lambda: et.optimizer_flow(OP, None, 0 * E)),
    ("objective", "be one of lambda3, generalizable, slow", "is 'fast'", lambda: et.design_training_set(OP, 5, "fast")),
    ("descents", FROM_1, "is 0", lambda: et.design_training_set(OP, 5, descents=0)),
    ("max_steps", FROM_1, "is 0", lambda: et.flow(OP, None, E, [1.0], "ode", max_steps=0)),
    (
        "steps",
        "be an integer in 0..2147483647",
        "is 1000000000000000000000000000000",
        lambda: et.optimizer_flow(OP, None, E, steps=10**30),
    ),
    ("successes", "be an integer in 0..3", "is 5", lambda: et.proportion(5, 3)),
    ("table", "be an array of whole numbers", "is a ragged list", lambda: et.from_table([[0, 1], [1]])),
    ("op", "be an Operation", "is 'addition'", lambda: et.count_parallelograms("addition")),
    (
        "labels",
        "be 4 values of one kind",
        "has masked entries",
        lambda: et.class_loss(np.ma.array([0, 0, 1, 1], mask=np.arange(4) == 2), E),
    ),
    (
        "n_train",
        "allow a linear-unique training set",
        "none of 3 of the 10 samples of addition(4) was found",
        lambda: et.design_training_set(OP, 3, "slow"),
    ),
]


@pytest.mark.parametrize(("name", "requirement", "finding", "call"), MISUSES)
def test_misuse_names_argument_requirement_and_finding(name, requirement, finding, call):
    message = f"Argument `{name}` must {requirement}, but {finding}."
    with pytest.raises(et.ArgumentError, match=f"^{re.escape(message)}$"):
        call()


# what more each function is called with that needs sums
SUMS_ONLY = {
    "design_training_set": (24,),
    "grokking_steps": (None, 1e-3, 5.0),
    "optimizer_flow": (None, MATRICES),
} | dict.fromkeys(
    ("constraint_matrix", "describe", "exact_nullity", "generalizable", "hessian", "hessian_operator"), ()
)
SUMS_ONLY |= dict.fromkeys(("ideal_accuracy", "is_linear", "nullity", "spectrum"), ())


@pytest.mark.parametrize("name", SUMS_ONLY)
def test_what_needs_sums_refuses_products(name):
    message = "Argument `op` must compose by a sum, but symmetric_group(3) composes by a matrix product."
    with pytest.raises(et.ArgumentError, match=f"^{re.escape(message)}$"):
        getattr(et, name)(S3, *SUMS_ONLY[name])


@pytest.mark.parametrize(
    "call",
    [
        lambda: et.rqi(TWO, SQUARE),
        lambda: et.predicted_accuracy(TWO, None, SQUARE),
        lambda: et.time_to_rqi(TWO, None, SQUARE),
        lambda: et.flow(TWO, None, SQUARE, 1.0),
        lambda: et.optimizer_flow(TWO, None, SQUARE),
        lambda: et.memory_flow(TWO, None, SQUARE),
        lambda: et.success_probability(TWO, None, draws=1),
    ],
)
def test_what_needs_one_table_refuses_two(call):
    finding = "modular_addition(2, tables=2) has two, for which RQI and flows are not defined"
    with pytest.raises(et.ArgumentError, match=re.escape(f"`op` must have one table of embeddings, but {finding}.")):
        call()


def test_what_refuses_products_says_so():
    raising = {
        name: " ".join((getattr(et, name).__doc__ or "").split()).partition("Raises: ")[2] for name in et.__all__
    }
    assert {n for n, text in raising.items() if re.search("`op` composes by a product[.,]", text)} == SUMS_ONLY.keys()


def test_argument_error_is_a_value_error():
    assert issubclass(et.ArgumentError, ValueError)


def test_limits_are_allowed():
    assert et.addition(2).n_symbols == 2
    assert OP.random_training_set(0, seed=0).sum() == 0
    assert OP.random_training_set(10, seed=0).all()
    assert et.optimizer_flow(OP, None, E, steps=0).E.shape == (1, 4, 1)
    assert et.flow(OP, None, E, 0.0).E.shape == (1, 4, 1)


def test_numpy_integers_count_as_integers():
    assert _checks.integer("n", np.int32(3), 0) == 3
    assert type(_checks.integer("n", np.int32(3), 0)) is int


def test_lists_and_integer_arrays_are_embeddings():
    table = [[0], [1], [3], [2]]
    assert et.effective_loss(OP, None, table) == et.effective_loss(OP, None, E)
    assert et.effective_loss(OP, MASK.tolist(), E) == et.effective_loss(OP, None, E)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8, np.uint64, bool, object])
def test_all_of_numpys_real_numbers_are_taken(kind):
    line = np.array([[0], [1], [0], [1]]).astype(kind)
    assert et.effective_loss(OP, None, line) == et.effective_loss(OP, None, line.astype(np.float64))
    assert et.grokking_steps(OP, None, line[1, 0] if kind is not bool else 1, np.float32(1)) > 0


def test_masked_arrays_without_a_masked_entry_are_taken():
    assert et.effective_loss(OP, np.ma.array(MASK), np.ma.array(E)) == et.effective_loss(OP, None, E)


def test_tensors_are_taken_for_their_numbers():
    """Also those that require a gradient, which numpy refuses."""
    tensor = torch.tensor(E, requires_grad=True)
    assert et.effective_loss(OP, torch.tensor(MASK), tensor) == et.effective_loss(OP, None, E)
    rate = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert et.grokking_steps(OP, None, rate, 9) == et.grokking_steps(OP, None, 0.5, 9)
    np.testing.assert_array_equal(et.flow(OP, None, tensor, 2 * rate).E, et.flow(OP, None, E, 1.0).E)


def test_a_message_is_one_line():
    with pytest.raises(et.ArgumentError) as error:
        et.flow(OP, None, E, np.random.default_rng(0).normal(size=(40, 3)))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 150


def test_input_is_not_written_to():
    before, mask = E.copy(), MASK.copy()
    et.flow(OP, MASK, E, [0.0, 1.0], method="ode")
    et.optimizer_flow(OP, MASK, E, steps=3)
    et.predicted_accuracy(OP, MASK, E)
    np.testing.assert_array_equal(E, before)
    np.testing.assert_array_equal(MASK, mask)
