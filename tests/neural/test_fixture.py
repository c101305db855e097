"""Runs that older code trained and stored come out again:
tests/fixtures/version_4.sqlite was written when the toy model was the only family, by a
store of version 4.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neural.config import shape
from neural.families.toy import RunConfig, Toy
from neural.history import History
from neural.training import train_runs

FIXTURE = Path(__file__).parents[1] / "fixtures" / "version_4.sqlite"
METRICS = [metric.name for metric in Toy.METRICS]
CROSSINGS = [name for metric in Toy.METRICS for name in metric.crossings]
# Round-off of 1e-16 a step, which AdamW amplifies: to 5e-6 where torch is told to use
# no vectors. Another training set, order of draws or optimiser is seen in the first
# digit. The run with SGD has 100 updates only: its round-off grows tenfold every 16.
CLOSE: dict[str, Any] = {"rtol": 1e-3, "atol": 1e-4}


def stored() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Row and curves of each run."""
    with closing(sqlite3.connect(f"file:{FIXTURE}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM runs JOIN curves USING (key)").fetchall()
    return [(dict(row), json.loads(row["curves"])) for row in rows]


STORED = stored()


@pytest.fixture(scope="module")
def trained() -> dict[str, History]:
    """The same runs, trained again, by key."""
    configs = [RunConfig(**json.loads(row["key"])) for row, _ in STORED]
    configs.sort(key=lambda config: repr(shape(config)))  # neighbours of one shape share an ensemble
    return {key_of(run.config): run for run in train_runs(configs, device="cpu", compiled=False)}


def key_of(config: RunConfig) -> str:
    """The whole configuration in JSON."""
    return json.dumps(asdict(config), sort_keys=True)


def test_the_fixture_has_all_kinds_of_runs() -> None:
    """Or the other tests say little."""
    configs = [RunConfig(**json.loads(row["key"])) for row, _ in STORED]
    for name in ("operation", "loss", "targets", "activation", "init", "dtype", "decoder_optimizer", "repr_optimizer"):
        assert len({getattr(config, name) for config in configs}) == 2, name
    assert {config.batch_size is None for config in configs} == {True, False}
    assert any(row["retired"] for row, _ in STORED)
    assert any(row["steps_to_test"] is not None for row, _ in STORED)


@pytest.mark.parametrize("key", [row["key"] for row, _ in STORED])
def test_no_key_has_changed(key: str) -> None:
    """A configuration made from its key has that key, to the last character."""
    assert key_of(RunConfig(**json.loads(key))) == key


@pytest.mark.parametrize(("row", "curves"), STORED, ids=range(len(STORED)))
def test_a_stored_run_comes_out_again(row: dict[str, Any], curves: dict[str, Any], trained: dict[str, History]) -> None:
    """Training set, curves, steps to the thresholds, when it ended, embeddings."""
    run = trained[row["key"]]
    assert run.mask.tolist() == [bool(one) for one in json.loads(row["mask"])]
    assert {name: getattr(run, name) for name in CROSSINGS} == {name: row[name] for name in CROSSINGS}
    assert (run.steps_run, run.retired) == (row["steps_run"], bool(row["retired"]))
    for name in METRICS:
        wanted = np.array(curves[name], dtype=float)  # null becomes nan
        np.testing.assert_allclose(run.traces[name][curves["steps"]], wanted, **CLOSE, err_msg=name)
    embeddings = run.checkpoints["embedding"]
    assert run.checkpoint_steps.tolist() == curves["steps"]
    np.testing.assert_allclose(embeddings, curves["embedding"], **CLOSE, err_msg="embedding")
    for name, here in (("initial_embedding", 0), ("final_embedding", -1)):
        np.testing.assert_allclose(embeddings[here], json.loads(row[name]), **CLOSE, err_msg=name)
    np.testing.assert_allclose(run.accuracy, row["accuracy"])
