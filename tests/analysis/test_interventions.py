"""The interventions: what is cut out of a network that is known, outcomes of made-up
runs, and the command on real ones.
"""

from __future__ import annotations

import json
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.interventions import __main__ as command
from analysis.interventions import arms as plans
from analysis.interventions.arms import SETTINGS
from analysis.interventions.scores import BASE, outcomes
from analysis.interventions.surgery import active_neurons, cuts
from analysis.measures.networks import Network
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
    assert late.train == late.test == late.test_keys_alone == late.test_active == 1
    assert late.active <= 9 / 27
    for value in (late.test_without_keys, late.train_without_keys, late.test_others):
        assert value < 0.5
    assert early.test < 0.5
    assert cuts(CONFIG, made_up_traces(), 10)[0] == late


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


def test_outcomes_of_made_up_runs() -> None:
    base = pd.DataFrame({"steps_to_train_99": 10.0, "steps_to_test_95": [100.0, 200, 400, np.nan], "budget": 1_000})
    slower = base.assign(steps_to_test_95=[200.0, 800, np.nan, 500])
    never = base.assign(steps_to_test_95=np.nan, steps_to_train_99=[10.0, np.nan, np.nan, np.nan])
    plain, half, none = outcomes({BASE: base, "slower": slower, "never": never})
    assert (plain.generalised, plain.ratio, plain.ratio_interval, plain.pairs) == (0.75, 1, (1, 1), 3)
    assert half.ratio == 4  # of 2, 4 and more than 2.5
    assert half.ratio_interval == (2, None)
    assert half.pairs == 3
    assert half.generalised_steps == 500
    assert (none.generalised, none.memorised, none.ratio, none.generalised_steps) == (0, 0.25, None, None)


def test_arms_differ_in_what_they_say_and_nothing_else() -> None:
    found = plans.arms("transformer", range(3), [30.0, float("nan"), 50.0])
    base = found[BASE]
    assert base == SETTINGS["transformer"].configs(range(3))
    assert [run.decay_until for run in found["decay removed after memorisation"]] == [30, None, 50]
    touched = {"weight_decay", "decay_until", "constrained", "epsilon", "optimizer", "learning_rate"}
    for arm in found.values():
        for run, before in zip(arm, base, strict=True):
            differ = {one.name for one in fields(run) if getattr(run, one.name) != getattr(before, one.name)}
            assert differ <= touched
    assert all(run.constrained and run.weight_decay == 0 for run in found["norm held"])


def test_the_command_on_real_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    tiny = ModularConfig(p=5, width=16, fraction=0.6, learning_rate=0.03, look_every=10, budget=100, checkpoints=2)
    monkeypatch.setitem(plans.SETTINGS, "squares-40", replace(SETTINGS["squares-40"], base=tiny))
    monkeypatch.setattr(sys, "argv", ["interventions", "squares-40", "--seeds", "3", "--executor", "in-process"])
    sys.argv += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    for trained in (18, 0):
        run_command(command.Arguments, command.main, "interventions", command.ERRORS)
        assert f"18 runs, {trained} of them trained now" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [one["arm"] for one in report["squares-40"]["outcomes"]] == list(plans.arms("squares-40", range(1), [1.0]))
    assert len(report["squares-40"]["cuts"]) == 3
    assert (tmp_path / "out" / "squares-40.png").stat().st_size > 10_000
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| plain SGD " in page
    assert "test accuracy without the keys" in page
