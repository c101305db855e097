"""The effective theory of representation learning: what does the theory say of this training set?

A training set D of an operation determines its parallelograms P0(D). Where embeddings are composed by a sum, these
make an effective loss on the embeddings, whose Hessian H decides whether the linear representation is the only one
left (n_0 = 2) and how fast it forms (lambda_3). Where they are composed by a matrix product (`symmetric_group`),
parallelograms, `rqi` and `predicted_accuracy` have a meaning; what is linear algebra on sums refuses.

    import efftheory as et

    op = et.addition(10)
    mask = op.random_training_set(45, seed=58)
    print(et.describe(op, mask))

Nothing here imports torch, reads files or draws.
"""

# A training set as a table
from efftheory._checks import ArgumentError

# Random training sets
from efftheory.criticality import (
    Estimate,
    critical_fraction,
    linear_probability,
    linear_thresholds,
    proportion,
)

# The decoder beside the embeddings
from efftheory.decoder import (
    Decoder,
    DecoderTrajectory,
    decoder_flow,
    decoder_kernels,
    ridge_potential,
    success_probability,
)
from efftheory.description import Description, describe

# The effective loss, and descending it
from efftheory.flow import Trajectory, flow, optimizer_flow, time_to_rqi

# What it determines
from efftheory.generalization import (
    generalizable,
    ideal_accuracy,
    is_linear,
    nullity,
    predicted_accuracy,
    rqi,
)
from efftheory.hessian import hessian, hessian_operator
from efftheory.loss import effective_loss, effective_loss_gradient
from efftheory.operations import (
    Operation,
    addition,
    dihedral_group,
    from_table,
    modular_addition,
    symmetric_group,
)
from efftheory.parallelograms import constraint_matrix, count_parallelograms, parallelograms
from efftheory.spectrum import Spectrum, grokking_steps, spectrum

__all__ = [
    "ArgumentError",
    "Decoder",
    "DecoderTrajectory",
    "Description",
    "Estimate",
    "Operation",
    "Spectrum",
    "Trajectory",
    "addition",
    "constraint_matrix",
    "count_parallelograms",
    "critical_fraction",
    "decoder_flow",
    "decoder_kernels",
    "describe",
    "dihedral_group",
    "effective_loss",
    "effective_loss_gradient",
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
    "modular_addition",
    "nullity",
    "optimizer_flow",
    "parallelograms",
    "predicted_accuracy",
    "proportion",
    "ridge_potential",
    "rqi",
    "spectrum",
    "success_probability",
    "symmetric_group",
    "time_to_rqi",
]
