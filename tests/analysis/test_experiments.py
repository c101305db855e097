"""The catalogue of experiments: its runs are those of stores that people have."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter

import pytest

from analysis.experiments import DIAGRAMS, EXPERIMENTS, PAPER_SIZES, S3
from analysis.runs.plan import Axis, planned
from analysis.runs.session import PlaneOptions
from analysis.runs.store import key
from neural import ConfigError, RunConfig
from neural.config import mixed, shape

# Of each group: how many experiments and runs, and how the SHA-256 of the names, each
# with the keys of its runs, sorted, begins.
KEYS = {
    "compare_theory": (1, 64, "8771ffe11347d8b9"),
    "decoder_range": (21, 585, "3a994ff58c69f141"),
    "modular_theory": (2, 264, "8f1041a9f0fbcf2a"),
    "league": (5, 208, "d0cc1af818a8c038"),
    "landscape": (5, 307, "64eab0adf27c3014"),
    "norm_law": (3, 164, "7c9e10b84f2423ab"),
    "shells": (3, 323, "fba94654a4c010df"),
    "two_variables": (1, 72, "03db4409638514cd"),
    "forecast_fit": (6, 144, "6f3c5a60da8f15b9"),
    "forecast": (6, 84, "ebaaa39b000b4d6a"),
    "phase_diagram": (10, 3549, "e0c11219aedb4f99"),
}


@pytest.mark.parametrize("group", EXPERIMENTS)
def test_the_keys_of_experiments_never_change(group: str) -> None:
    """Would reveal anything that makes a command train again what is in a store."""
    found = hashlib.sha256()
    keys = {name: sorted(map(key, one.configs())) for name, one in EXPERIMENTS[group].items()}
    for name, some in keys.items():
        assert len(set(some)) == len(some)
        found.update("\n".join([name, *some]).encode())
    assert (len(keys), sum(map(len, keys.values())), found.hexdigest()[:16]) == KEYS[group]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_fits_into_one_ensemble(name: str) -> None:
    diagram = DIAGRAMS[name]
    assert len({shape(run) for run in diagram.configs(range(1))}) == 1
    assert {axis.field for axis in diagram.axes} <= set(mixed(RunConfig))
    assert diagram.base.budget == 100_000
    assert name.removesuffix("_ce") in inspect.getsource(PlaneOptions)  # its help


def test_the_landscapes_of_the_law_have_its_seeds_and_its_fields() -> None:
    for name, law in EXPERIMENTS["norm_law"].items():
        shells = EXPERIMENTS["shells"][name]
        assert shells.seeds == law.seeds
        held, free = shells.configs()[0], law.configs()[0]
        own = {"init_scale", "weight_decay", "constrained", "budget"}
        assert {one for one in vars(held) if getattr(held, one) != getattr(free, one)} <= own


def test_parts_of_an_experiment_other_seeds_and_budgets() -> None:
    some = planned("Some", S3, "n_train=16,20", "decoder_wd=0,1", seeds=2, early=(1, 2))
    assert Counter((run.n_train, run.decoder_wd) for run in some.configs()) == {
        (n, decay): 2 for n in (16, 20) for decay in (0, 1)
    }
    assert {(run.n_train, run.seed) for run in some.at(decoder_wd=1.0).configs(range(5, 6))} == {(16, 5), (20, 5)}
    assert set(some.at(decoder_wd=1.0, n_train=20).configs()) < set(some.configs())
    assert planned("None", S3).configs(range(1)) == [S3]
    with pytest.raises(ConfigError, match="`seeds` must be an integer of at least 1, but is 0"):
        some.configs(range(0))
    some = planned("Some", RunConfig(), "n_train=16,20", seeds=1, budget=lambda run: 100 * run.n_train)
    assert [run.budget for run in some.configs()] == [1_600, 2_000]


def test_an_experiment_with_other_axes_and_settings() -> None:
    some = planned("Some", RunConfig(p=5, n_train=9), "n_train=9,12", seeds=1)
    other = some.varied({"x": None, "y": "decoder_wd=0,1"}, {"loss": "ce"})
    assert other.axes == (Axis("n_train", (9, 12)), Axis("decoder_wd", (0.0, 1.0)))
    assert {run.loss for run in other.configs()} == {"ce"}
    assert some.varied({"x": "width=8,9"}, {}).axes == (Axis("width", (8, 9)),)
    with pytest.raises(ConfigError, match="n_train must be an axis or one value for all runs, but is both"):
        some.varied({"x": None}, {"n_train": 12})
    # fewer samples than n_train has by default: the axis makes it right
    assert planned("Some", RunConfig()).varied({"x": f"n_train={PAPER_SIZES[0]}"}, {"p": 5}).base.p == 5
