"""What does a network do, trained on this? The real models, many runs at once; knows
nothing of the theory.

    from neural import ToyConfig, train_runs

    for run in train_runs([ToyConfig(n_train=45, seed=seed) for seed in range(8)]):
        print(run.config.seed, run.steps_to_rqi, run.accuracy)

- runs: train_run, train_runs, resolve_device; History is what one leaves behind
- what a run is told: ToyConfig (also RunConfig), ModularConfig, DigitsConfig,
  TeacherConfig, ReviewsConfig, MoleculesConfig, MessinessConfig, ParityConfig;
  ConfigError where it cannot be trained
- families: FAMILIES by name; find_family by name or file, family_of a configuration
- a family of your own (docs/families.md): Supervised, TrainingConfig, again, option,
  check, Data, Metric, Group, dropout; Family and Start are what one must have
- operations and training sets of your own: Table, read_samples, write_samples
- start: a toy run's training set and initial weights

The names are imported when they are first asked for: a command that trains nothing does
not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from neural import _start as _start  # before the rest, which takes a while
from neural.config import ConfigError, check, option

if TYPE_CHECKING:
    from neural.families import FAMILIES, family_of, find_family
    from neural.families.digits import DigitsConfig
    from neural.families.messiness import MessinessConfig
    from neural.families.modular import ModularConfig
    from neural.families.molecules import MoleculesConfig
    from neural.families.parity import ParityConfig
    from neural.families.reviews import ReviewsConfig
    from neural.families.teacher import TeacherConfig
    from neural.families.toy import RunConfig, ToyConfig, start
    from neural.family import Family, Group, Metric, Start
    from neural.history import History
    from neural.layers import dropout
    from neural.supervised import Data, Supervised, TrainingConfig, again
    from neural.tables import Table, read_samples, write_samples
    from neural.training import resolve_device, train_run, train_runs

# The modules that have them.
_MODULES = ["tables", "training", "layers", "supervised", "families"]
_MODULES += ["families.toy", "families.modular", "families.digits", "families.teacher"]
_MODULES += ["families.reviews", "families.molecules", "families.messiness", "families.parity"]

__all__ = ["train_run", "train_runs", "resolve_device", "History"]
__all__ += ["ConfigError", "ToyConfig", "RunConfig", "ModularConfig", "DigitsConfig", "TeacherConfig"]
__all__ += ["ReviewsConfig", "MoleculesConfig", "MessinessConfig", "ParityConfig"]
__all__ += ["FAMILIES", "find_family", "family_of"]
__all__ += ["Supervised", "TrainingConfig", "again", "option", "check", "Data", "Metric", "Group", "dropout"]
__all__ += ["Family", "Start"]
__all__ += ["Table", "read_samples", "write_samples", "start"]


def __getattr__(name: str) -> Any:
    for module in _MODULES if name in __all__ else ():
        found = vars(import_module(f"neural.{module}"))
        if name in found:
            return found[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
