"""The league: what it reads off a network is what the network computes, its scores on
made-up measures, and the command on real runs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from torch.func import functional_call

from analysis.league import __main__ as command
from analysis.league.measures import BY_NAME, MEASURES
from analysis.league.networks import network_at, samples_of, training_loss
from analysis.league.scores import MEMORISED, half_way, moves, pooled, ranks, read
from analysis.league.settings import SETTINGS
from neural import ModularConfig, ParityConfig, family_of, train_run
from neural.command import run_command
from neural.families import modular

SMALL = ModularConfig(p=7, d=8, mlp=12, width=10, fraction=0.5, dtype="float64", look_every=10, budget=20)
NETWORKS = [
    SMALL,
    replace(SMALL, inputs="embeddings", activation="relu", operation="symmetric", p=6),
    replace(SMALL, inputs="sum"),
    replace(SMALL, network="transformer"),
]


@pytest.mark.parametrize("config", NETWORKS, ids=lambda config: f"{config.network}-{config.inputs}")
def test_a_network_is_what_it_computes(config: ModularConfig) -> None:
    """By torch's module, with random weights, and from its neurons."""
    torch.manual_seed(0)
    model = modular.network(config).double()
    weights = {name: torch.randn(value.shape, dtype=torch.float64) for name, value in model.named_parameters()}
    inputs, labels = samples_of(config)
    pairs = torch.as_tensor(inputs)
    expected = functional_call(model, weights, (pairs[:, 0], pairs[:, 1])).T.numpy()
    found = network_at(config, {name: value.numpy() for name, value in weights.items()}, inputs)
    np.testing.assert_allclose(found.outputs, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.direct + found.hidden @ found.readout.T, expected, rtol=1e-9, atol=1e-9)
    assert (labels == modular.task(config)[1]).all()


@pytest.mark.parametrize(
    "config",
    [*NETWORKS, ParityConfig(n=12, width=9, n_train=50, n_test=40, dtype="float64", look_every=10, budget=20)],
    ids=lambda config: type(config).__name__,
)
def test_losses_and_accuracies_are_those_of_the_run(config: Any) -> None:
    history = train_run(replace(config, checkpoints=2))
    loss = training_loss(config, family_of(config).start(config))
    inputs, labels = samples_of(config)
    for k, step in enumerate(history.checkpoint_steps):
        weights = {name: value[k] for name, value in history.checkpoints.items()}
        look = int(np.searchsorted(history.steps, step))
        held = {name: torch.as_tensor(value) for name, value in weights.items()}
        assert float(loss(held)) == pytest.approx(history.train_loss[look], rel=1e-6)
        outputs = network_at(config, weights, inputs).outputs
        right = outputs[:, 0] * labels > 0 if isinstance(config, ParityConfig) else outputs.argmax(1) == labels
        assert right[history.mask].mean() == pytest.approx(history.train_accuracy[look])


def made_up(n: int, seed: int = 0) -> pd.DataFrame:
    """Runs that have memorised at step 100 and generalise at different times."""
    times = 1_000.0 + np.random.default_rng(seed).permutation(n) * 10
    return pd.DataFrame(
        {"seed": range(n), "budget": 5_000, "learned": 100.0, "half": times - 500, "generalised": times}
    )


def flat(value: float) -> tuple[list[float], list[float]]:
    return [0.0, 100.0, 2_000.0], [0.0, value, 1.0]


def test_ranks_of_made_up_measures() -> None:
    """Perfect, with the sign that its theory gives it; the other way round; nothing."""
    runs, rng = made_up(24), np.random.default_rng(1)
    series = [
        {"weight norm": flat(t), "last layer's norm": flat(t), "training loss": flat(float(rng.normal()))}
        for t in runs["generalised"]
    ]
    found = {one.measure: one for one in ranks(runs, series, []) if one.reading == MEMORISED}
    assert BY_NAME["weight norm"].larger == "later"
    assert BY_NAME["last layer's norm"].larger == "sooner"
    assert found["weight norm"].concordance == 1
    assert found["last layer's norm"].concordance == 0
    for name in ("weight norm", "last layer's norm"):
        assert found[name].p < 1e-3
        assert found[name].p <= found[name].q < 0.01
    assert found["training loss"].q > 0.05
    low, high = found["training loss"].interval or (np.nan, np.nan)
    assert low < 0.5 < high


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_p_values_are_those_of_kendalls_tau(seed: int) -> None:
    """Without ties and censoring the index is (1 + tau)/2."""
    runs, rng = made_up(12, seed), np.random.default_rng(seed)
    score = rng.permutation(12).astype(float)
    [found] = ranks(runs, [{"weight norm": flat(value)} for value in score], [])
    exact: Any = kendalltau(score, runs["generalised"], method="exact")
    assert found.concordance == pytest.approx((1 + exact.statistic) / 2)
    assert found.p == pytest.approx(exact.pvalue, abs=0.02)


def test_censored_runs_count_and_runs_that_are_through_do_not() -> None:
    """A censored run with the largest score is as it should be; one that has
    generalised when it is read says nothing.
    """
    runs = made_up(12)
    runs.loc[0, ["half", "generalised"]] = np.nan
    score = runs["generalised"].fillna(9_999.0)
    [found] = ranks(runs, [{"weight norm": flat(value)} for value in score], [])
    assert (found.runs, found.concordance) == (12, 1)
    runs.loc[1, "generalised"] = 50.0  # before it had memorised
    [found] = ranks(runs, [{"weight norm": flat(value)} for value in score], [])
    assert found.runs == 11


@given(st.floats(0, 100), st.floats(1, 1_000), st.floats(-5, 5), st.floats(0.1, 5))
def test_half_of_a_straight_way_is_its_middle(since: float, length: float, start: float, change: float) -> None:
    steps = since + length * np.linspace(0, 1, 7)
    values = start + change * np.linspace(0, 1, 7)
    assert half_way(steps, values, since) == pytest.approx(since + length / 2)
    earlier = np.concatenate([[since - 2, since - 1], steps])
    assert half_way(earlier, np.concatenate([[99, -99], values]), since) == pytest.approx(since + length / 2)
    assert np.isnan(half_way(steps, np.full(7, start), since))


def test_a_value_is_read_at_the_first_checkpoint_from_the_step_on() -> None:
    series = {"weight norm": ([0.0, 10.0, 20.0], [1.0, 2.0, 3.0]), "steps to memorise": ([0.0], [7.0])}
    assert [read(series, "weight norm", step) for step in (0, 1, 10, 20)] == [1, 2, 2, 3]
    assert read(series, "steps to memorise", 500) == 7
    for name, step in (("weight norm", 21.0), ("weight norm", np.nan), ("sharpness", 1.0)):
        assert np.isnan(read(series, name, step))


def test_leads_of_made_up_measures() -> None:
    """A measure that has moved by step 300 leads a half at 800 by 500."""
    runs = made_up(12)
    runs["half"] = 800.0
    series = [{"weight norm": ([0, 100, 200, 400, 900], [5, 0, 0, 1, 1])} for _ in range(12)]
    [found] = moves(runs, series)
    assert (found.lead, found.interval, found.runs) == (500, (500, 500), 12)
    assert found.share == pytest.approx(500 / 700)


def test_the_null_model_ranks_settings_and_nothing_within_them() -> None:
    slow, fast = made_up(10), made_up(10)
    slow[["half", "generalised"]] += 2_000
    noise = np.random.default_rng(0).normal(size=20)
    series = [{"weight norm": flat(value)} for value in noise]
    table = pooled({"fast": (fast, series[:10]), "slow": (slow, series[10:])}, {"fast": -0.4, "slow": -0.3})
    null = table.set_index("measure").to_dict("index")["null model"]
    assert null["within"] == 0.5
    assert null["all"] == pytest.approx((100 + 0.5 * 90) / 190)
    assert set(table["measure"]) == {"null model", "weight norm"}


TINY = replace(SMALL, dtype="float32", p=5, budget=60, checkpoints=4, fraction=0.6, learning_rate=0.03)
SMALL_SETTINGS = {
    "squares-40": replace(SETTINGS["squares-40"], base=TINY, seeds=12, early=(20,)),
    "squares-32": replace(SETTINGS["squares-32"], base=replace(TINY, fraction=0.5), seeds=12, early=(20,)),
    "parity": replace(
        SETTINGS["parity"],
        base=ParityConfig(n=8, k=2, width=12, n_train=60, n_test=60, look_every=10, budget=60, checkpoints=4),
        seeds=10,
        early=(20,),
    ),
}


def test_the_command_on_real_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    """Every setting has its measures, pages and pictures; what was trained and measured
    is not again.
    """
    monkeypatch.setattr(command, "SETTINGS", SMALL_SETTINGS)
    monkeypatch.setattr(sys, "argv", ["league", *SMALL_SETTINGS, "--executor", "in-process"])
    sys.argv += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    for trained in (34, 0):
        run_command(command.Arguments, command.main, "league", command.ERRORS)
        assert f"34 runs, {trained} of them trained now" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["settings"]) == list(SMALL_SETTINGS)
    names = {name: {rank["measure"] for rank in one["ranks"]} for name, one in report["settings"].items()}
    assert {"restricted loss, final keys", "excluded loss, current keys", "ring quality"} <= names["squares-40"]
    assert {"gradient gap", "weight gap", "effective sparsity", "sharpness"} <= names["parity"]
    assert not names["parity"] & {"ring quality", "restricted loss, final keys"}
    page = (tmp_path / "out" / "report.md").read_text()
    assert "## Which foretell" in page
    assert "null model" in page
    for name in ("ranks.png", "moves.png"):
        assert (tmp_path / "out" / name).stat().st_size > 10_000


def test_every_measure_has_a_row_of_its_own() -> None:
    assert len(BY_NAME) == len(MEASURES)
    for setting in SETTINGS.values():
        assert {replace(run, seed=0) for run in setting.runs(3)} == {replace(setting.base, seed=0)}
        assert max(setting.early) < setting.base.budget


def test_bad_input_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["league", "--seeds", "0", "--store", str(tmp_path / "runs.sqlite")])
    with pytest.raises(SystemExit):
        run_command(command.Arguments, command.main, "league", command.ERRORS)
    assert capsys.readouterr().err.endswith("at least 1, but is 0.\n")
