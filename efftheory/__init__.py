"""The effective theory of representation learning: what does the theory say of this
training set?

A training set D of an operation determines its parallelograms P0(D). Where embeddings
are composed by a sum, these make an effective loss on the embeddings, whose Hessian H
decides whether the linear representation is the only one left (n_0 = 2) and how fast it
forms (lambda_3). Where they are composed by a matrix product (`symmetric_group`), there
is an effective loss and its flow as well, and `degrees_of_freedom` says how many
representations are left; what is linear algebra on sums refuses.

>>> import efftheory as et
>>> op = et.addition(10)                                    # i + j for i <= j in 0..9: 55 samples
>>> mask = op.random_training_set(45, seed=58)              # bool (55,)
>>> print(et.describe(op, mask))
addition(10): 45 of 55 samples (81.8%), 51 of 70 parallelograms
linear representation: unique (nullity 2)
lambda_3 = 30.4035: e-folding time Z0/(lambda_3 eta) = 0.0329 Z0/eta steps
ideal accuracy: 0.9636
out of reach: 8+9 9+9
>>> round(et.grokking_steps(op, mask, learning_rate=1e-3, z0=9))
296
>>> E = [[k] for k in range(10)]                            # (p, d), the linear representation
>>> et.effective_loss(op, mask, E), et.rqi(op, E)
(0.0, 1.0)

`python -m efftheory` says the same from the shell; `efftheory.symbolic` derives it by
computer algebra, for small p. Nothing here imports torch; the library reads no files
and draws nothing.
"""

# Before the rest, which takes a while to import
from efftheory import _start as _start

# A training set as a table
from efftheory._checks import ArgumentError

# Samples with labels, in place of parallelograms
from efftheory.classification import ClassTrajectory, class_flow, class_loss, class_loss_gradient

# Random training sets
from efftheory.criticality import (
    Estimate,
    RandomTrainingSets,
    critical_fraction,
    linear_probability,
    linear_thresholds,
    proportion,
    random_training_sets,
)

# The decoder beside the embeddings
from efftheory.decoder import (
    Decoder,
    DecoderTrajectory,
    LearningTrajectory,
    decoder_flow,
    decoder_kernels,
    ridge_potential,
)
from efftheory.description import Description, describe

# Training sets by design
from efftheory.design import design_training_set

# What it determines
from efftheory.elimination import Nullity

# What an embedding realises of it
from efftheory.embeddings import predicted_accuracy, rqi

# The effective loss, and descending it
from efftheory.flow import Trajectory, flow, optimizer_flow, time_to_rqi
from efftheory.generalization import exact_nullity, generalizable, ideal_accuracy, is_linear, nullity
from efftheory.hessian import hessian, hessian_operator
from efftheory.loss import effective_loss, effective_loss_gradient

# The decoder as it remembers
from efftheory.memory import memory_flow, success_probability
from efftheory.operations import (
    Operation,
    addition,
    dihedral_group,
    from_table,
    modular_addition,
    symmetric_group,
)
from efftheory.parallelograms import constraint_matrix, count_parallelograms, parallelograms
from efftheory.representations import degrees_of_freedom, permutation_representation
from efftheory.spectrum import Spectrum, grokking_steps, spectrum

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ClassTrajectory",
    "Decoder",
    "DecoderTrajectory",
    "Description",
    "Estimate",
    "LearningTrajectory",
    "Nullity",
    "Operation",
    "RandomTrainingSets",
    "Spectrum",
    "Trajectory",
    "addition",
    "class_flow",
    "class_loss",
    "class_loss_gradient",
    "constraint_matrix",
    "count_parallelograms",
    "critical_fraction",
    "decoder_flow",
    "decoder_kernels",
    "degrees_of_freedom",
    "describe",
    "design_training_set",
    "dihedral_group",
    "effective_loss",
    "effective_loss_gradient",
    "exact_nullity",
    "flow",
    "from_table",
    "generalizable",
    "grokking_steps",
    "hessian",
    "hessian_operator",
    "ideal_accuracy",
    "is_linear",
    "linear_probability",
    "linear_thresholds",
    "memory_flow",
    "modular_addition",
    "nullity",
    "optimizer_flow",
    "parallelograms",
    "permutation_representation",
    "predicted_accuracy",
    "proportion",
    "random_training_sets",
    "ridge_potential",
    "rqi",
    "spectrum",
    "success_probability",
    "symmetric_group",
    "time_to_rqi",
]
