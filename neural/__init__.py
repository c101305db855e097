"""What does a network do, trained on this? The real models, many runs at once; knows nothing of the theory.

from neural import RunConfig, train_runs

for run in train_runs([RunConfig(n_train=45, seed=seed) for seed in range(8)]):
    print(run.config.seed, run.steps_to_rqi, run.accuracy)
"""

from neural import _interrupt as _interrupt  # Ctrl-C while the rest is imported
from neural.config import ConfigError, RunConfig, read_samples, write_samples
from neural.ensemble import METRICS
from neural.history import History
from neural.models import draw
from neural.training import resolve_device, train_run, train_runs

__all__ = [
    "METRICS",
    "ConfigError",
    "History",
    "RunConfig",
    "draw",
    "read_samples",
    "resolve_device",
    "train_run",
    "train_runs",
    "write_samples",
]
