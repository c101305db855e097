"""A few real, short runs, trained once for all tests of the analysis."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.runs.plan import Axis, grid
from analysis.runs.store import RunStore
from neural import RunConfig, train_runs


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
