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

from efftheory import _start as _start  # before the rest, which takes a while to import
from efftheory._checks import ArgumentError
from efftheory.classification import class_flow, class_loss, class_loss_gradient
from efftheory.criticality import Estimate, critical_fraction, linear_probability, linear_thresholds, proportion
from efftheory.description import Description, describe
from efftheory.design import design_training_set
from efftheory.embeddings import predicted_accuracy, rqi
from efftheory.flow import Trajectory, flow, optimizer_flow, time_to_rqi
from efftheory.generalization import exact_nullity, generalizable, ideal_accuracy, is_linear, nullity
from efftheory.hessian import hessian, hessian_operator
from efftheory.loss import effective_loss, effective_loss_gradient
from efftheory.memory import Decoder, LearningTrajectory, memory_flow, success_probability
from efftheory.operations import Operation, addition, dihedral_group, from_table, modular_addition, symmetric_group
from efftheory.parallelograms import constraint_matrix, count_parallelograms, parallelograms
from efftheory.representations import degrees_of_freedom, permutation_representation
from efftheory.spectrum import Spectrum, grokking_steps, spectrum

__version__ = "0.1.0"

# Operations; an operation's own methods make training sets
__all__ = ["Operation", "addition", "modular_addition", "symmetric_group", "dihedral_group", "from_table"]
# What a training set determines
__all__ += ["describe", "Description", "parallelograms", "count_parallelograms", "constraint_matrix"]
__all__ += ["nullity", "exact_nullity", "is_linear", "generalizable", "ideal_accuracy"]
__all__ += ["permutation_representation", "degrees_of_freedom"]
# How fast its slowest mode is
__all__ += ["hessian", "hessian_operator", "spectrum", "Spectrum", "grokking_steps"]
# The effective loss of an embedding, and what the embedding realises
__all__ += ["effective_loss", "effective_loss_gradient", "rqi", "predicted_accuracy"]
# Descending the effective loss
__all__ += ["flow", "optimizer_flow", "time_to_rqi", "Trajectory"]
# The decoder beside the embeddings
__all__ += ["Decoder", "memory_flow", "success_probability", "LearningTrajectory"]
# Random training sets, and the best ones
__all__ += ["linear_probability", "linear_thresholds", "critical_fraction", "Estimate", "proportion"]
__all__ += ["design_training_set"]
# Classes in place of operations
__all__ += ["class_loss", "class_loss_gradient", "class_flow"]
# What every function raises where an argument cannot be worked with
__all__ += ["ArgumentError"]


def __dir__() -> list[str]:
    """What there is for users, so not the modules that it comes from."""
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
