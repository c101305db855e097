"""A few real, short runs, trained once for all tests of the analysis."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.runs.plan import Axis, grid
from analysis.runs.store import RunStore
from neural import History, ModularConfig, RunConfig, train_runs


@pytest.fixture(scope="session")
def configs() -> list[RunConfig]:
    base = RunConfig(p=5, n_train=1, budget=300, width=16, repr_lr=1e-2, decoder_lr=1e-3)
    return grid(base, [Axis("n_train", (9, 13)), Axis("decoder_lr", (1e-3, 3e-3))], 3)


@pytest.fixture(scope="session")
def histories(configs):
    return list(train_runs(configs, device="cpu", compiled=False, lanes=6))


@pytest.fixture
def store(tmp_path: Path, histories):
    with RunStore(tmp_path / "runs.sqlite") as store:
        for history in histories:
            store.add(history, "cpu", "test")
        yield store


@pytest.fixture(scope="session")
def modular() -> list[History]:
    """Runs of another family, which have traces."""
    base = ModularConfig(p=7, width=8, fraction=0.6, look_every=5, budget=20)
    return list(train_runs(grid(base, [Axis("init_scale", (0.3, 1.0))], 2), device="cpu", compiled=False, lanes=2))


@pytest.fixture
def traced(tmp_path: Path, modular):
    """A store of these."""
    with RunStore(tmp_path / "runs.sqlite") as store:
        for history in modular:
            store.add(history, "cpu", "test")
        yield store
