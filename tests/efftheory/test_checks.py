"""Misuse: an ArgumentError that says which argument, what it must be, and what it
is.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
import torch

import efftheory as et
from efftheory import _checks

OP = et.addition(4)
MASK = np.ones(10, dtype=np.bool_)
E = np.array([[0.0], [1.0], [3.0], [2.0]])
NAN = np.where(np.arange(4) == 2, np.nan, 1.0)[:, None]
INF = np.where(np.arange(4) == 2, np.inf, 1.0)[:, None]
S3 = et.symmetric_group(3)
MATRICES = np.tile(np.eye(2), (6, 1, 1))
TWO = et.modular_addition(2, tables=2)
WHY = "modular_addition(2, tables=2) has two, for which RQI and flows are not defined"

misused: Any = et  # what a type checker would catch as well

# every way in, once: (call, argument, requirement, finding)
MISUSES = {
    "p below 2": (lambda: misused.addition(1), "p", "be an integer in 2..60000", "is 1"),
    "p a float": (lambda: misused.addition(4.0), "p", "be an integer in 2..60000", "is 4.0"),
    "p a bool": (lambda: misused.addition(True), "p", "be an integer in 2..60000", "is True"),
    "p a string": (lambda: misused.addition("4"), "p", "be an integer in 2..60000", "is '4'"),
    "seed below 0": (
        lambda: OP.random_training_set(3, seed=-1),
        "seed",
        "be an integer of at least 0 or a numpy Generator",
        "is -1",
    ),
    "times a word": (
        lambda: misused.flow(OP, None, np.eye(4), "soon"),
        "times",
        "be finite, strictly ascending and at least 0",
        "is 'soon'",
    ),
    "Z0 not finite": (
        lambda: misused.effective_loss(OP, None, 1e200 * np.eye(4)),
        "E",
        "have a Z0 = sum_k |E_k|^2 that is finite and not 0",
        "has Z0 = inf",
    ),
    "size above D0": (
        lambda: OP.random_training_set(11, seed=0),
        "n_train",
        "be an integer in 0..10",
        "is 11",
    ),
    "size below 0": (
        lambda: OP.random_training_set(-1, seed=0),
        "n_train",
        "be an integer in 0..10",
        "is -1",
    ),
    "probability size": (
        lambda: misused.linear_probability(OP, 11, 10, seed=0),
        "n_train",
        "be an integer in 0..10",
        "is 11",
    ),
    "no draws": (
        lambda: misused.linear_thresholds(OP, 0, seed=0),
        "draws",
        "be an integer of at least 1",
        "is 0",
    ),
    "no draws, fraction": (
        lambda: misused.critical_fraction(OP, 0, seed=0),
        "draws",
        "be an integer of at least 1",
        "is 0",
    ),
    "mask length": (
        lambda: misused.nullity(OP, MASK[:9]),
        "mask",
        "have shape (N,) = (10,)",
        "has shape (9,)",
    ),
    "mask two-dimensional": (
        lambda: misused.nullity(OP, MASK[None]),
        "mask",
        "have shape (N,) = (10,)",
        "has shape (1, 10)",
    ),
    "mask of int": (
        lambda: misused.hessian(OP, MASK.astype(np.int64)),
        "mask",
        "be an array of bool",
        "has dtype int64",
    ),
    "mask of sample ids": (
        lambda: misused.describe(OP, np.arange(10)),
        "mask",
        "be an array of bool",
        "has dtype int64",
    ),
    "E one-dimensional": (
        lambda: misused.effective_loss(OP, None, E[:, 0]),
        "E",
        "have shape (p, d) with p = 4",
        "has shape (4,)",
    ),
    "E of another p": (
        lambda: misused.effective_loss_gradient(OP, None, E[:3]),
        "E",
        "have shape (p, d) with p = 4",
        "has shape (3, 1)",
    ),
    "E transposed": (lambda: misused.rqi(OP, E.T), "E", "have shape (p, d) with p = 4", "has shape (1, 4)"),
    "E three-dimensional": (
        lambda: misused.rqi(OP, E[None]),
        "E",
        "have shape (p, d) with p = 4",
        "has shape (1, 4, 1)",
    ),
    "E of no dimension": (
        lambda: misused.effective_loss(OP, None, E[:, :0]),
        "E",
        "have shape (p, d) with p = 4",
        "has shape (4, 0)",
    ),
    "E not numbers": (
        lambda: misused.effective_loss(OP, None, "wrong"),
        "E",
        "be an array of real numbers",
        "is a str",
    ),
    "E ragged": (
        lambda: misused.effective_loss(OP, None, [[1.0], [2.0, 3.0], [1.0], [0.0]]),
        "E",
        "be an array of real numbers",
        "is a ragged list",
    ),
    "E nan": (lambda: misused.effective_loss(OP, None, NAN), "E", "be finite", "holds nan or inf"),
    "E inf": (lambda: misused.predicted_accuracy(OP, None, INF), "E", "be finite", "holds nan or inf"),
    "E zero": (
        lambda: misused.effective_loss(OP, None, 0 * E),
        "E",
        "have a Z0 = sum_k |E_k|^2 that is finite and not 0",
        "has Z0 = 0.0",
    ),
    "E zero, gradient": (
        lambda: misused.effective_loss_gradient(OP, None, 0 * E),
        "E",
        "have a Z0 = sum_k |E_k|^2 that is finite and not 0",
        "has Z0 = 0.0",
    ),
    "delta zero": (lambda: misused.rqi(OP, E, delta=0), "delta", "be a finite number above 0", "is 0"),
    "delta negative": (
        lambda: misused.predicted_accuracy(OP, MASK, E, delta=-0.1),
        "delta",
        "be a finite number above 0",
        "is -0.1",
    ),
    "delta not a number": (
        lambda: misused.rqi(OP, E, delta="wide"),
        "delta",
        "be a finite number above 0",
        "is 'wide'",
    ),
    "delta zero, product": (
        lambda: misused.rqi(S3, MATRICES, delta=0),
        "delta",
        "be a finite number above 0",
        "is 0",
    ),
    "three tables": (lambda: misused.modular_addition(5, 3), "tables", "be an integer in 1..2", "is 3"),
    "modulus below 2": (lambda: misused.modular_addition(1), "p", "be an integer in 2..60000", "is 1"),
    "corners below 3": (lambda: misused.dihedral_group(2), "n", "be an integer in 3..100", "is 2"),
    "corners above 100": (lambda: misused.dihedral_group(101), "n", "be an integer in 3..100", "is 101"),
    "table not square": (
        lambda: misused.from_table([[0, 1], [1, 0], [0, 1]]),
        "table",
        "have shape (p, p) with p of at least 2",
        "has shape (3, 2)",
    ),
    "table of one symbol": (
        lambda: misused.from_table([[0]]),
        "table",
        "have shape (p, p) with p of at least 2",
        "has shape (1, 1)",
    ),
    "table of floats": (
        lambda: misused.from_table([[0.0, 1.0], [1.0, 0.0]]),
        "table",
        "hold whole numbers",
        "has dtype float64",
    ),
    "table of bools": (
        lambda: misused.from_table([[True, False], [False, True]]),
        "table",
        "hold whole numbers",
        "has dtype bool",
    ),
    "table not symmetric": (
        lambda: misused.from_table([[0, 1, 2], [1, 2, 0], [2, 7, 1]], "sum"),
        "table",
        "be symmetric to be composed by a sum of one table",
        "has 0 at (1, 2) and 7 at (2, 1)",
    ),
    "two tables of a product": (
        lambda: misused.from_table([[0, 1], [1, 0]], tables=2),
        "tables",
        "be an integer in 1..1",
        "is 2",
    ),
    "names that are equal": (
        lambda: misused.from_table([[0, 1], [1, 0]], names=["a", "a"]),
        "names",
        "be different",
        "is ['a', 'a']",
    ),
    "pairs listed, how many": (lambda: OP.first_pairs(None, -1), "most", "be an integer of at least 0", "is -1"),
    "pairs listed, mask": (
        lambda: misused.addition(4).first_pairs("all", 3),
        "mask",
        "have shape (N,) = (10,)",
        "has shape ()",
    ),
    "names that are no texts": (
        lambda: misused.from_table([[0, 1], [1, 0]], names=["e", 1]),
        "names",
        "be 2 strings",
        "is ['e', 1]",
    ),
    "pairs flat": (lambda: misused.addition(4).mask([0, 1, 2]), "pairs", "have shape (n, 2)", "has shape (3,)"),
    "pairs ragged": (lambda: OP.mask([[0, 1], [2]]), "pairs", "be an array of whole numbers", "is a ragged list"),
    "pairs of floats": (lambda: OP.mask([[0.0, 1.0]]), "pairs", "hold whole numbers", "has dtype float64"),
    "pairs that are no samples": (
        lambda: OP.mask([[0, 1], [2, 4], [-1, 0]]),
        "pairs",
        "be samples of addition(4)",
        "has (2, 4)",
    ),
    "pairs of one side": (
        lambda: et.modular_addition(3, 2).mask([[0, 3], [1, 2]]),
        "pairs",
        "be samples of modular_addition(3, tables=2)",
        "has (1, 2)",
    ),
    "quality of two tables": (lambda: et.rqi(TWO, np.eye(4)), "op", "have one table of embeddings", WHY),
    "accuracy of two tables": (
        lambda: et.predicted_accuracy(TWO, None, np.eye(4)),
        "op",
        "have one table of embeddings",
        WHY,
    ),
    "time of two tables": (lambda: et.time_to_rqi(TWO, None, np.eye(4)), "op", "have one table of embeddings", WHY),
    "flow of two tables": (lambda: et.flow(TWO, None, np.eye(4), 1.0), "op", "have one table of embeddings", WHY),
    "optimizer of two tables": (
        lambda: et.optimizer_flow(TWO, None, np.eye(4)),
        "op",
        "have one table of embeddings",
        WHY,
    ),
    "decoder of two tables": (
        lambda: et.success_probability(TWO, None, draws=1),
        "op",
        "have one table of embeddings",
        WHY,
    ),
    "composition": (
        lambda: misused.from_table([[0, 1], [1, 0]], "quotient"),
        "composition",
        "be one of sum, product",
        "is 'quotient'",
    ),
    "letters below 2": (lambda: misused.symmetric_group(1), "n", "be an integer in 2..6", "is 1"),
    "letters above 6": (lambda: misused.symmetric_group(7), "n", "be an integer in 2..6", "is 7"),
    "matrices flat": (
        lambda: misused.rqi(S3, MATRICES.reshape(6, 4)),
        "E",
        "have shape (p, d, d) with p = 6",
        "has shape (6, 4)",
    ),
    "matrices not square": (
        lambda: misused.rqi(S3, MATRICES[:, :1]),
        "E",
        "have shape (p, d, d) with p = 6",
        "has shape (6, 1, 2)",
    ),
    "matrices of another p": (
        lambda: misused.predicted_accuracy(S3, None, MATRICES[:4]),
        "E",
        "have shape (p, d, d) with p = 6",
        "has shape (4, 2, 2)",
    ),
    "matrices of no dimension": (
        lambda: misused.rqi(S3, MATRICES[:, :0, :0]),
        "E",
        "have shape (p, d, d) with p = 6",
        "has shape (6, 0, 0)",
    ),
    "matrices nan": (lambda: misused.rqi(S3, MATRICES * np.nan), "E", "be finite", "holds nan or inf"),
    "matrices flat, loss": (
        lambda: misused.effective_loss(S3, None, MATRICES.reshape(6, 4)),
        "E",
        "have shape (p, d, d) with p = 6",
        "has shape (6, 4)",
    ),
    "matrices zero, gradient": (
        lambda: misused.effective_loss_gradient(S3, None, 0 * MATRICES),
        "E",
        "have a Z0^2 = (sum_k |E_k|^2)^2 that is finite and not 0",
        "has Z0 = 0.0",
    ),
    "matrices too large for a fourth power": (
        lambda: misused.effective_loss(S3, None, 2.0**300 * MATRICES),
        "E",
        "have a Z0^2 = (sum_k |E_k|^2)^2 that is finite and not 0",
        f"has Z0 = {12 * 2.0**600}",
    ),
    "matrices nan, flow": (
        lambda: misused.flow(S3, None, MATRICES * np.nan, [0.0]),
        "E0",
        "be finite",
        "holds nan or inf",
    ),
    "closed form of products": (
        lambda: misused.flow(S3, None, MATRICES, [0.0], method="exact"),
        "method",
        "be ode where op composes by a matrix product",
        "is 'exact'",
    ),
    "representation of sums": (
        lambda: misused.degrees_of_freedom(OP, None, np.ones((4, 1, 1), dtype=np.int64)),
        "representation",
        "be None where op composes by a sum",
        "is given",
    ),
    "representation of another p": (
        lambda: misused.degrees_of_freedom(S3, None, np.ones((4, 1, 1), dtype=np.int64)),
        "representation",
        "have shape (p, d, d) with p = 6",
        "has shape (4, 1, 1)",
    ),
    "representation of floats": (
        lambda: misused.degrees_of_freedom(S3, None, MATRICES),
        "representation",
        "hold whole numbers",
        "has dtype float64",
    ),
    "representation that is none": (
        lambda: misused.degrees_of_freedom(S3, None, np.arange(6).reshape(6, 1, 1)),
        "representation",
        "have rho(a) rho(b) = rho(ab)",
        "has not at (0, 1)",
    ),
    "representation of zeros": (
        lambda: misused.degrees_of_freedom(S3, None, np.zeros((6, 1, 1), dtype=np.int64)),
        "representation",
        "be invertible",
        "takes the identity to another matrix",
    ),
    "representation too large": (
        lambda: misused.degrees_of_freedom(et.dihedral_group(14)),
        "op",
        "have p d^2 of at most 5000 here",
        "dihedral_group(14) has 28 * 14^2",
    ),
    "representation's seed": (
        lambda: misused.degrees_of_freedom(S3, seed=-1),
        "seed",
        "be an integer of at least 0 or a numpy Generator",
        "is -1",
    ),
    "degrees of freedom, mask": (
        lambda: misused.degrees_of_freedom(S3, MASK),
        "mask",
        "have shape (N,) = (36,)",
        "has shape (10,)",
    ),
    "permutations of sums": (
        lambda: misused.permutation_representation(OP),
        "op",
        "compose by a matrix product",
        "addition(4) composes by a sum",
    ),
    "labels too few": (
        lambda: misused.class_loss([0, 1], E),
        "labels",
        "have shape (n,) = (4,)",
        "has shape (2,)",
    ),
    "F one-dimensional": (
        lambda: misused.class_loss([0, 1], [1.0, 2.0]),
        "F",
        "have shape (n, d)",
        "has shape (2,)",
    ),
    "F empty": (
        lambda: misused.class_loss([], np.zeros((0, 2))),
        "F",
        "have shape (n, d)",
        "has shape (0, 2)",
    ),
    "F zero": (
        lambda: misused.class_loss_gradient([0, 0, 1, 1], 0 * E),
        "F",
        "have a Z = sum_x |F_x|^2 that is finite and not 0",
        "has Z = 0.0",
    ),
    "F0 nan": (lambda: misused.class_flow([0, 0, 1, 1], NAN, [0.0]), "F0", "be finite", "holds nan or inf"),
    "times of classes": (
        lambda: misused.class_flow([0, 0, 1, 1], E, [1.0, 1.0]),
        "times",
        "be finite, strictly ascending and at least 0",
        "is [1.0, 1.0]",
    ),
    "product mask": (
        lambda: misused.predicted_accuracy(S3, MASK, MATRICES),
        "mask",
        "have shape (N,) = (36,)",
        "has shape (10,)",
    ),
    "normalization": (
        lambda: misused.effective_loss(OP, None, E, normalization="max"),
        "normalization",
        "be one of sum, mean",
        "is 'max'",
    ),
    "normalization, gradient": (
        lambda: misused.effective_loss_gradient(OP, None, E, normalization=""),
        "normalization",
        "be one of sum, mean",
        "is ''",
    ),
    "k": (lambda: misused.spectrum(OP, k=5), "k", "be an integer in 1..4", "is 5"),
    "k zero": (lambda: misused.spectrum(OP, k=0), "k", "be an integer in 1..4", "is 0"),
    "rate, grokking steps": (
        lambda: misused.grokking_steps(OP, None, 0.0, 1.0),
        "learning_rate",
        "be a finite number above 0",
        "is 0.0",
    ),
    "Z0": (
        lambda: misused.grokking_steps(OP, None, 1e-3, float("inf")),
        "z0",
        "be a finite number above 0",
        "is inf",
    ),
    "E0 one-dimensional": (
        lambda: misused.flow(OP, None, E[:, 0], [0.0]),
        "E0",
        "have shape (p, d) with p = 4",
        "has shape (4,)",
    ),
    "E0 nan": (lambda: misused.flow(OP, None, NAN, [0.0]), "E0", "be finite", "holds nan or inf"),
    "E0 zero": (
        lambda: misused.flow(OP, None, 0 * E, [0.0]),
        "E0",
        "have a Z0 = sum_k |E_k|^2 that is finite and not 0",
        "has Z0 = 0.0",
    ),
    "times descending": (
        lambda: misused.flow(OP, None, E, [1.0, 0.5]),
        "times",
        "be finite, strictly ascending and at least 0",
        "is [1.0, 0.5]",
    ),
    "times negative": (
        lambda: misused.flow(OP, None, E, [-1.0, 0.5]),
        "times",
        "be finite, strictly ascending and at least 0",
        "is [-1.0, 0.5]",
    ),
    "times nan": (
        lambda: misused.flow(OP, None, E, [0.0, float("nan")]),
        "times",
        "be finite, strictly ascending and at least 0",
        "is [0.0, nan]",
    ),
    "times none": (
        lambda: misused.flow(OP, None, E, []),
        "times",
        "be finite, strictly ascending and at least 0",
        "is []",
    ),
    "times a table": (
        lambda: misused.flow(OP, None, E, [[0.0, 1.0]]),
        "times",
        "be finite, strictly ascending and at least 0",
        "is [[0.0, 1.0]]",
    ),
    "method": (
        lambda: misused.flow(OP, None, E, [0.0], method="euler"),
        "method",
        "be one of exact, ode",
        "is 'euler'",
    ),
    "rtol": (
        lambda: misused.flow(OP, None, E, [1.0], method="ode", rtol=-1e-3),
        "rtol",
        "be a finite number above 0 and below 1",
        "is -0.001",
    ),
    "optimizer": (
        lambda: misused.optimizer_flow(OP, None, E, optimizer="lbfgs"),
        "optimizer",
        "be one of adam, adamw, sgd",
        "is 'lbfgs'",
    ),
    "optimizer rate": (
        lambda: misused.optimizer_flow(OP, None, E, learning_rate=-1.0),
        "learning_rate",
        "be a finite number above 0",
        "is -1.0",
    ),
    "optimizer decay": (
        lambda: misused.optimizer_flow(OP, None, E, weight_decay=-1e-2),
        "weight_decay",
        "be a finite number of at least 0",
        "is -0.01",
    ),
    "optimizer steps": (
        lambda: misused.optimizer_flow(OP, None, E, steps=-1),
        "steps",
        "be an integer of at least 0",
        "is -1",
    ),
    "optimizer E0 zero": (
        lambda: misused.optimizer_flow(OP, None, 0 * E),
        "E0",
        "have a Z0 = sum_k |E_k|^2 that is finite and not 0",
        "has Z0 = 0.0",
    ),
    "design size": (
        lambda: misused.design_training_set(OP, 11),
        "n_train",
        "be an integer in 0..10",
        "is 11",
    ),
    "design objective": (
        lambda: misused.design_training_set(OP, 5, "fast"),
        "objective",
        "be one of lambda3, generalizable, slow",
        "is 'fast'",
    ),
    "design descents": (
        lambda: misused.design_training_set(OP, 5, descents=0),
        "descents",
        "be an integer of at least 1",
        "is 0",
    ),
    "design seed": (
        lambda: misused.design_training_set(OP, 5, seed=-1),
        "seed",
        "be an integer of at least 0 or a numpy Generator",
        "is -1",
    ),
    "seed of nobody": (
        lambda: misused.linear_probability(OP, 5, 10, None),
        "seed",
        "be an integer of at least 0 or a numpy Generator",
        "is None",
    ),
    "solver's steps": (
        lambda: misused.flow(OP, None, E, [1.0], "ode", max_steps=0),
        "max_steps",
        "be an integer of at least 1",
        "is 0",
    ),
    "more steps than can be counted": (
        lambda: misused.optimizer_flow(OP, None, E, steps=10**30),
        "steps",
        "be an integer in 0..2147483647",
        "is 1000000000000000000000000000000",
    ),
    "more successes than draws": (lambda: et.proportion(5, 3), "successes", "be an integer in 0..3", "is 5"),
    "share of nothing": (lambda: et.proportion(0, 0), "draws", "be an integer of at least 1", "is 0"),
    "table ragged": (
        lambda: misused.from_table([[0, 1], [1]]),
        "table",
        "be an array of whole numbers",
        "is a ragged list",
    ),
    "mask ragged": (
        lambda: misused.nullity(OP, [[True], [True, False]]),
        "mask",
        "be an array of bool",
        "is a ragged list",
    ),
    "op a word": (lambda: misused.count_parallelograms("addition"), "op", "be an Operation", "is 'addition'"),
    "decoder a word": (
        lambda: misused.decoder_kernels([[1.0]], "deep"),
        "decoder",
        "be a Decoder",
        "is 'deep'",
    ),
    "times, many": (
        lambda: et.flow(OP, None, E, np.zeros((30, 30), dtype=np.int64)),
        "times",
        "be finite, strictly ascending and at least 0",
        "is array([[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  ...",
    ),
    "E complex": (
        lambda: misused.rqi(OP, E + 1j),
        "E",
        "be an array of real numbers",
        "has dtype complex128",
    ),
    "E of text": (
        lambda: misused.rqi(OP, np.array([["1"], ["2"], ["3"], ["4"]])),
        "E",
        "be an array of real numbers",
        "has dtype <U1",
    ),
    "E of text in a list": (
        lambda: misused.rqi(OP, [["1"], ["2"], ["3"], ["4"]]),
        "E",
        "be an array of real numbers",
        "is a list",
    ),
    "E structured": (
        lambda: misused.rqi(OP, np.zeros(4, dtype=[("x", float)])),
        "E",
        "be an array of real numbers",
        "has dtype [('x', '<f8')]",
    ),
    "E of no axes": (lambda: misused.rqi(OP, 1.0), "E", "have shape (p, d) with p = 4", "has shape ()"),
    "E masked": (
        lambda: misused.rqi(OP, np.ma.array(E, mask=E == 3)),
        "E",
        "be an array of real numbers",
        "has masked entries",
    ),
    "E of a precision numpy lacks": (
        lambda: misused.rqi(OP, torch.ones((4, 1), dtype=torch.bfloat16)),
        "E",
        "be an array of real numbers",
        "has dtype torch.bfloat16",
    ),
    "mask masked": (
        lambda: misused.nullity(OP, np.ma.array(MASK, mask=~MASK | (np.arange(10) == 3))),
        "mask",
        "be an array of bool",
        "has masked entries",
    ),
    "labels masked": (
        lambda: misused.class_loss(np.ma.array([0, 0, 1, 1], mask=np.arange(4) == 2), E),
        "labels",
        "be 4 values of one kind",
        "has masked entries",
    ),
    "times complex": (
        lambda: misused.flow(OP, None, E, np.array([1.0 + 2.0j])),
        "times",
        "be finite, strictly ascending and at least 0",
        "is array([1.+2.j])",
    ),
    "rate complex": (
        lambda: misused.grokking_steps(OP, None, np.complex128(1e-3 + 1j), 1.0),
        "learning_rate",
        "be a finite number above 0",
        "is np.complex128(0.001+1j)",
    ),
    "rate in text": (
        lambda: misused.grokking_steps(OP, None, "1e-3", 1.0),
        "learning_rate",
        "be a finite number above 0",
        "is '1e-3'",
    ),
    "rate beyond floats": (
        lambda: misused.grokking_steps(OP, None, 10**400, 1.0),
        "learning_rate",
        "be a finite number above 0",
        "is 1" + 55 * "0" + " ...",
    ),
    "no slow design": (
        lambda: misused.design_training_set(OP, 3, "slow"),
        "n_train",
        "allow a linear-unique training set",
        "none of 3 of the 10 samples of addition(4) was found",
    ),
}


@pytest.mark.parametrize("case", MISUSES)
def test_misuse_names_argument_requirement_and_finding(case):
    call, name, requirement, finding = MISUSES[case]
    message = f"Argument `{name}` must {requirement}, but {finding}."
    with pytest.raises(et.ArgumentError, match=f"^{re.escape(message)}$"):
        call()


# every public function whose meaning needs sums, with arguments that are right for the
# operation
SUMS_ONLY = {
    "constraint_matrix": lambda: et.constraint_matrix(S3),
    "describe": lambda: et.describe(S3),
    "design_training_set": lambda: et.design_training_set(S3, 24),
    "generalizable": lambda: et.generalizable(S3),
    "grokking_steps": lambda: et.grokking_steps(S3, None, 1e-3, 5.0),
    "hessian": lambda: et.hessian(S3),
    "hessian_operator": lambda: et.hessian_operator(S3),
    "ideal_accuracy": lambda: et.ideal_accuracy(S3),
    "is_linear": lambda: et.is_linear(S3),
    "exact_nullity": lambda: et.exact_nullity(S3),
    "random_training_sets": lambda: et.random_training_sets(S3, 10, 2, seed=0),
    "nullity": lambda: et.nullity(S3),
    "optimizer_flow": lambda: et.optimizer_flow(S3, None, MATRICES),
    "spectrum": lambda: et.spectrum(S3),
}
PRODUCTS_ONLY = {"permutation_representation"}
ANY_COMPOSITION = {
    "count_parallelograms",
    "critical_fraction",
    "linear_probability",
    "linear_thresholds",
    "decoder_flow",
    "degrees_of_freedom",
    "effective_loss",
    "effective_loss_gradient",
    "flow",
    "memory_flow",
    "parallelograms",
    "predicted_accuracy",
    "ridge_potential",
    "rqi",
    "success_probability",
    "time_to_rqi",
}


@pytest.mark.parametrize("name", SUMS_ONLY)
def test_what_needs_sums_refuses_products(name):
    message = "Argument `op` must compose by a sum, but symmetric_group(3) composes by a matrix product."
    with pytest.raises(et.ArgumentError, match=f"^{re.escape(message)}$"):
        SUMS_ONLY[name]()


def test_every_function_of_an_operation_says_which_compositions_it_takes():
    functions = {name for name in et.__all__ if inspect.isfunction(getattr(et, name))}
    of_an_operation = {name for name in functions if "op" in inspect.signature(getattr(et, name)).parameters}
    assert of_an_operation == SUMS_ONLY.keys() | PRODUCTS_ONLY | ANY_COMPOSITION


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
    assert misused.effective_loss(OP, MASK.tolist(), E) == et.effective_loss(OP, None, E)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8, np.uint64, bool, object])
def test_all_of_numpys_real_numbers_are_taken(kind):
    line = np.array([[0], [1], [0], [1]]).astype(kind)
    assert et.effective_loss(OP, None, line) == et.effective_loss(OP, None, line.astype(np.float64))
    assert misused.grokking_steps(OP, None, line[1, 0] if kind is not bool else 1, np.float32(1)) > 0


def test_masked_arrays_without_a_masked_entry_are_taken():
    assert et.effective_loss(OP, np.ma.array(MASK), np.ma.array(E)) == et.effective_loss(OP, None, E)


def test_tensors_are_taken_for_their_numbers():
    """Also those that require a gradient, which numpy refuses."""
    tensor = torch.tensor(E, requires_grad=True)
    assert misused.effective_loss(OP, torch.tensor(MASK), tensor) == et.effective_loss(OP, None, E)
    rate = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    assert misused.grokking_steps(OP, None, rate, 9) == et.grokking_steps(OP, None, 0.5, 9)
    np.testing.assert_array_equal(misused.flow(OP, None, tensor, 2 * rate).E, et.flow(OP, None, E, 1.0).E)


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
