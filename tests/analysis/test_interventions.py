"""The interventions: what is cut out of a network that is known, and the command on
real runs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import interventions
from analysis.arms.page import one_score
from analysis.interventions import BASE, arms, cuts
from analysis.measures.networks import Network, active_neurons
from analysis.runs.traces import Traces
from neural import ModularConfig
from neural.command import run_command

P = 7
CONFIG = ModularConfig(p=P, width=27, fraction=0.5)


def cosines(frequency: int) -> dict[str, np.ndarray]:
    """An exact network of squares, cos(w (a + b - c)) with 3 x 3 phases on a grid, and
    as many neurons that do nothing.
    """
    w = 2 * np.pi * frequency / P
    one, other = (phases.ravel() * 2 * np.pi / 3 for phases in np.meshgrid(range(3), range(3)))
    a = np.arange(P)[:, None]
    first = np.stack([np.cos(w * a + one), np.cos(w * a + other)])
    output = np.cos(w * a + one + other)
    idle = np.zeros((2, P, 18))
    return {"hidden": np.concatenate([first, idle + 0.01], 2), "output": np.concatenate([output, idle[0]], 1)}


def made_up_traces() -> Traces:
    """The wrong frequency in the output at step 0, the right network at step 10."""
    right, wrong = cosines(2), cosines(2) | {"output": cosines(3)["output"]}
    mask = np.arange(P * P) % 2 == 0
    return Traces(
        steps=np.array([0, 10]),
        metrics={},
        norms={},
        checkpoint_steps=np.array([0, 10]),
        checkpoints={name: np.stack([wrong[name], right[name]]) for name in right},
        mask=mask,
        correct=mask,
    )


def test_cuts_of_a_known_network() -> None:
    """All of it is its key frequency and its nine neurons."""
    early, late = cuts(CONFIG, made_up_traces(), 0)
    assert all(late[name] == 1 for name in ("train", "test", "test_keys_alone", "test_active"))
    assert late["active"] <= 9 / 27
    assert all(late[name] < 0.5 for name in ("test_without_keys", "train_without_keys", "test_others"))
    assert early["test"] < 0.5
    assert cuts(CONFIG, made_up_traces(), 10)[0] == late
    assert list(late) == list(interventions.CUTS)


def test_active_neurons_are_the_fewest_of_the_largest() -> None:
    """Two neurons decide; the third, with smaller incoming weights, never does; what
    passes no neuron is kept.
    """
    hidden = np.array([[1.0, 0, 0.1], [0, 1, 0.1], [1, 1, 0.1]])
    readout = np.array([[2.0, 0, 1], [0, 1, 1]])
    direct = np.tile([0.0, 0.5], (3, 1))
    network = Network(direct + hidden @ readout.T, hidden, readout, np.array([3.0, 2, 1]), direct, ())
    assert active_neurons(network, np.ones(3, bool)).tolist() == [0]
    network = replace(network, incoming=np.array([2.0, 1, 3]))
    assert active_neurons(network, np.ones(3, bool)).tolist() == [2, 0]


def test_arms_differ_in_what_they_say_and_nothing_else() -> None:
    base = interventions.NETWORKS["transformer"].configs(range(3))
    found = arms("transformer", base, [30.0, float("nan"), 50.0])
    assert found[BASE] == base
    assert [run.decay_until for run in found["decay removed after memorisation"]] == [30, None, 50]
    touched = {"weight_decay", "decay_until", "constrained", "epsilon", "optimizer", "learning_rate"}
    for arm in found.values():
        for run, before in zip(arm, base, strict=True):
            differ = {one.name for one in fields(run) if getattr(run, one.name) != getattr(before, one.name)}
            assert differ <= touched
    assert all(run.constrained and run.weight_decay == 0 for run in found["norm held"])


def test_the_command_on_real_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    tiny = ModularConfig(p=5, width=16, fraction=0.6, learning_rate=0.03, look_every=10, budget=100, checkpoints=2)
    few = replace(interventions.NETWORKS["squares-40"], base=tiny)
    monkeypatch.setitem(interventions.NETWORKS, "squares-40", few)
    monkeypatch.setattr(sys, "argv", ["interventions", "squares-40", "--seeds", "3", "--executor", "in-process"])
    sys.argv += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    for base, others in ((3, 15), (0, 0)):
        run_command(interventions.Arguments, interventions.main, "interventions", interventions.ERRORS)
        printed = capsys.readouterr().err
        assert f"3 runs, {base} of them trained now" in printed
        assert f"18 runs, {others} of them trained now" in printed
    scores = pd.DataFrame(json.loads((tmp_path / "out" / "report.json").read_text())["scores"])
    shares = scores[(scores["target"] == "test_95") & (scores["statistic"] == "did") & (scores["against"] == "")]
    assert list(shares["arm"]) == list(arms("squares-40", few.configs(range(1)), [1.0]))
    left = pd.read_csv(tmp_path / "out" / "cuts.csv")
    assert list(left["moment"]) == ["memorised", "end"] * 3
    at_the_end = one_score(scores, statistic="end", target="test_without_keys")
    mean = left[left["moment"] == "end"]["test_without_keys"].mean()
    np.testing.assert_allclose((at_the_end.value, at_the_end.n), (mean, 3))
    assert (tmp_path / "out" / "survival.png").stat().st_size > 10_000
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| plain SGD " in page
    assert "test accuracy without the keys" in page
