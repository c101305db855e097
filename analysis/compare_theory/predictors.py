"""The theories that are held against runs: their names."""

from __future__ import annotations

# Every predictor gives steps; the null model `training_fraction` knows only |D|, so it
# ranks but has no steps.
PREDICTORS = (
    "inverse_lambda3",
    "exact_flow",
    "optimizer_flow",
    "memory_flow_blind",
    "memory_flow",
    "training_fraction",
)
NULL_MODEL = "training_fraction"
GRADIENT_FLOWS = ("inverse_lambda3", "exact_flow")  # times proportional to Z0
NAMES = {
    "inverse_lambda3": "Z0/(lambda_3 eta)",
    "exact_flow": "exact gradient flow",
    "optimizer_flow": "optimiser-aware flow",
    "memory_flow_blind": "theory with memory, blind",
    "memory_flow": "theory with memory",
    "training_fraction": "training fraction (null model)",
}
