"""What does a network do, trained on this? The real models, many runs at once; knows
nothing of the theory.

from neural import RunConfig, train_runs

for run in train_runs([RunConfig(n_train=45, seed=seed) for seed in range(8)]):
    print(run.config.seed, run.steps_to_rqi, run.accuracy)

The names are imported when they are first asked for: a command that trains nothing does
not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neural import _start as _start  # before the rest, which takes a while
from neural.config import ConfigError

if TYPE_CHECKING:
    from neural.families import FAMILIES, family_of
    from neural.families.digits import DigitsConfig
    from neural.families.messiness import MessinessConfig
    from neural.families.modular import ModularConfig
    from neural.families.molecules import MoleculesConfig
    from neural.families.parity import ParityConfig
    from neural.families.reviews import ReviewsConfig
    from neural.families.teacher import TeacherConfig
    from neural.families.toy import RunConfig, start
    from neural.history import History
    from neural.samples import read_samples, write_samples
    from neural.tables import Table
    from neural.training import resolve_device, train_run, train_runs

_WHERE = {
    "neural.families": ("FAMILIES", "family_of"),
    "neural.families.digits": ("DigitsConfig",),
    "neural.families.messiness": ("MessinessConfig",),
    "neural.families.modular": ("ModularConfig",),
    "neural.families.molecules": ("MoleculesConfig",),
    "neural.families.parity": ("ParityConfig",),
    "neural.families.reviews": ("ReviewsConfig",),
    "neural.families.teacher": ("TeacherConfig",),
    "neural.families.toy": ("RunConfig", "start"),
    "neural.history": ("History",),
    "neural.samples": ("read_samples", "write_samples"),
    "neural.tables": ("Table",),
    "neural.training": ("resolve_device", "train_run", "train_runs"),
}

__all__ = [
    "FAMILIES",
    "ConfigError",
    "DigitsConfig",
    "History",
    "MessinessConfig",
    "ModularConfig",
    "MoleculesConfig",
    "ParityConfig",
    "ReviewsConfig",
    "RunConfig",
    "Table",
    "TeacherConfig",
    "family_of",
    "read_samples",
    "resolve_device",
    "start",
    "train_run",
    "train_runs",
    "write_samples",
]


def __getattr__(name: str) -> Any:
    for module, names in _WHERE.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
