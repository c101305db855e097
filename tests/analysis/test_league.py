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
from analysis.league import scores
from analysis.league.measures import BY_NAME, MEASURES
from analysis.league.page import Table, way_rows
from analysis.league.scores import MEMORISED, half_way, moves, pooled, ranks, read
from analysis.league.settings import SETTINGS
from analysis.measures import series as of_runs
from analysis.measures.networks import network_at, samples_of, training_loss
from analysis.report.words import NOT_CERTAIN
from analysis.runs.traces import Traces
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
    model = modular.Modular.network(config).double()
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
    return pd.DataFrame({"seed": range(n), "budget": 5_000, "learned": 100.0, "generalised": times})


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
    runs.loc[0, "generalised"] = np.nan
    score = runs["generalised"].fillna(9_999.0)
    [found] = ranks(runs, [{"weight norm": flat(value)} for value in score], [])
    assert (found.runs, found.concordance) == (12, 1)
    runs.loc[1, "generalised"] = 50.0  # before it had memorised
    [found] = ranks(runs, [{"weight norm": flat(value)} for value in score], [])
    assert found.runs == 11


def test_too_few_that_got_there_have_no_rank() -> None:
    runs = made_up(30)
    runs.loc[9:, "generalised"] = np.nan
    series = [{"weight norm": flat(float(k))} for k in range(30)]
    assert ranks(runs, series, [50]) == []


def test_times_that_are_all_the_same_have_no_rank() -> None:
    runs = made_up(12).assign(generalised=1_000.0)
    assert ranks(runs, [{"weight norm": flat(float(k))} for k in range(12)], []) == []


def test_what_is_known_from_the_start_is_read_once() -> None:
    """And a prediction of never counts."""
    series = [{"rings: 1/lambda": ([0.0], [np.inf if k < 6 else float(k)])} for k in range(14)]
    found = ranks(made_up(14), series, [50, 70])
    assert [(one.reading, one.runs) for one in found] == [(MEMORISED, 14)]


def test_memorisation_is_not_ranked_twice() -> None:
    """A measure that is the time of memorisation says nothing of a delay that does not
    depend on it.
    """
    rng = np.random.default_rng(0)
    learned = rng.integers(30, 80, 60) * 10.0
    runs = pd.DataFrame({"budget": 9_000, "learned": learned, "generalised": learned + rng.permutation(60) * 10 + 10})
    [found] = ranks(runs, [{"steps to memorise": ([0.0], [step])} for step in learned], [])
    low, high = found.interval or (np.nan, np.nan)
    assert low < 0.5 < high


@given(st.floats(0, 100), st.floats(1, 1_000), st.floats(-5, 5), st.floats(0.1, 5))
def test_half_of_a_straight_way_is_its_middle(since: float, length: float, start: float, change: float) -> None:
    steps = since + length * np.linspace(0, 1, 9)
    values = start + change * np.linspace(0, 1, 9)
    until = since + length
    assert half_way(steps, values, since, until) == pytest.approx(since + length / 2)
    steps = np.concatenate([[since - 2, since - 1], steps, [until + 1]])
    values = np.concatenate([[99, -99], values, [99]])
    assert half_way(steps, values, since, until) == pytest.approx(since + length / 2)
    assert np.isnan(half_way(steps, np.full(12, start), since, until))
    assert np.isnan(half_way(steps[:8], values[:8], since, since + 5 / 8 * length))  # too few


def test_noise_does_not_move() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(40.0)
    moved = [half_way(steps, rng.normal(size=40), 0, 39) for _ in range(300)]
    assert np.isfinite(moved).mean() < 0.05
    risen = [half_way(steps, rng.normal(size=40) + 20 * (steps > 25), 0, 39) for _ in range(50)]
    assert all(24 <= step <= 27 for step in risen)


def test_a_value_is_between_the_checkpoints_around_the_step() -> None:
    series = {"weight norm": ([0.0, 10.0, 20.0], [1.0, 2.0, 4.0]), "steps to memorise": ([0.0], [7.0])}
    assert [read(series, "weight norm", step) for step in (0, 5, 10, 20)] == [(1, 0), (1.5, 10), (2, 10), (4, 20)]
    assert read(series, "steps to memorise", 500) == (7, 500)
    series["sharpness"] = ([10.0, 20.0], [1.0, np.nan])
    for name, step in (("weight norm", 21.0), ("weight norm", np.nan), ("gradient norm", 1.0)):
        assert np.isnan(read(series, name, step)[0])
    for step in (5.0, 15.0):
        assert np.isnan(read(series, "sharpness", step)[0])


def test_what_is_read_after_generalisation_does_not_count() -> None:
    """The checkpoint after the reading is: the value knows of it."""
    runs = made_up(12)
    runs.loc[0, "generalised"] = 110.0
    series = [{"weight norm": ([90.0, 120.0], [0.0, step])} for step in runs["generalised"]]
    [found] = ranks(runs, series, [])
    assert found.runs == 11


def test_leads_of_made_up_measures() -> None:
    """A measure that has moved by step 300 leads half of the test accuracy at 800 by
    500, and the end at 1,000 by 700; on its own scale; Hjorth's never move.
    """
    runs = made_up(12)
    runs["generalised"] = 1_000.0
    steps = list(range(100, 1_001, 100))
    late = [0.0] * 6 + [0, 0.2, 1, 1]
    early = [0.0, 0, 0.5, 1, 1, 1, 1, 1, 1, 1]
    series = [
        {
            "test accuracy": (steps, [0.0] * 7 + [0.5, 1, 1]),
            "effective dimension": (steps, early),
            "training loss": (steps, np.exp(-np.array(early)).tolist()),
            "Hjorth activity": (steps, early),
            "sharpness": ([100, 1_000], [0, 1]),
            "ring quality": (steps, late),
        }
        for _ in range(12)
    ]
    found = {one.measure: one for one in moves(runs, series)}
    assert set(found) == {"test accuracy", "effective dimension", "training loss", "ring quality"}
    for name in ("effective dimension", "training loss"):
        assert found[name].lead == pytest.approx(500)
        assert found[name].lead_95 == pytest.approx(700)
        assert found[name].share == pytest.approx(700 / 900)
    assert found["test accuracy"].lead == 0
    assert found["ring quality"].lead == pytest.approx(-37.5)
    assert found["effective dimension"].interval == pytest.approx((500, 500))


@pytest.mark.parametrize(
    ("rising", "agrees"), [(12, "no"), (10, "no"), (9, NOT_CERTAIN), (6, NOT_CERTAIN), (3, NOT_CERTAIN), (0, "yes")]
)
def test_a_direction_is_that_of_the_runs(rising: int, agrees: str) -> None:
    """The effective dimension is to fall; a loss is, too, and one of outputs without
    their keys is to rise. Half of the way, and so the lead, is the same either way.
    """
    runs = made_up(12)
    runs["generalised"] = 1_000.0
    steps = list(range(100, 1_001, 100))
    up = np.array([1.0, 1, 2, 3, 3, 3, 3, 3, 3, 3])
    series = [
        {
            "test accuracy": (steps, [0.0] * 7 + [0.5, 1, 1]),
            "effective dimension": (steps, (up if k < rising else 4 - up).tolist()),
            "training loss": (steps, np.exp(-up).tolist()),
            "excluded loss, final keys": (steps, np.exp(up).tolist()),
        }
        for k in range(12)
    ]
    table = Table(SETTINGS["squares-40"], runs, [], moves(runs, series))
    found = {one.measure: one for one in table.moves}
    dimension, loss, excluded = (found[name] for name in list(series[0])[1:])
    assert (dimension.expected, loss.expected, excluded.expected) == ("falls", "falls", "rises")
    assert (dimension.rising, loss.rising, excluded.rising) == (rising, 0, 12)
    assert (dimension.agrees, loss.agrees, excluded.agrees) == (agrees, "yes", "yes")
    assert dimension.lead == pytest.approx(500)
    assert (loss.start, loss.end) == pytest.approx((np.exp(-1), np.exp(-3)))
    said = {row["measure"]: row["squares-40"] for row in way_rows({"squares-40": table})}
    assert said["effective dimension"].startswith(f"rises in {rising} of 12 (")
    assert said["effective dimension"].endswith(f": {agrees}")
    assert said["excluded loss, final keys"] == f"rises in 12 of 12 ({np.e:.3g} to {np.e**3:.3g}): yes"


def test_the_null_model_ranks_settings_and_nothing_within_them() -> None:
    slow, fast = made_up(10), made_up(10)
    slow["generalised"] += 2_000
    noise = np.random.default_rng(0).normal(size=20)
    series = [{"weight norm": flat(value)} for value in noise]
    table = pooled({"fast": (fast, series[:10]), "slow": (slow, series[10:])}, {"fast": -0.4, "slow": -0.3})
    null = table.set_index("measure").to_dict("index")["null model"]
    assert null["within"] == 0.5
    assert null["all"] == pytest.approx((100 + 0.5 * 90) / 190)
    assert set(table["measure"]) == {"null model", "weight norm"}


TINY = ModularConfig(
    p=11, width=64, fraction=0.8, learning_rate=0.02, weight_decay=2.0, look_every=10, budget=500, checkpoints=3
)
BITS = ParityConfig(n=10, k=2, width=20, n_train=50, n_test=60, look_every=10, budget=600, checkpoints=2)
SMALL_SETTINGS = {
    "squares-40": replace(SETTINGS["squares-40"], base=TINY, seeds=8, early=(20,)),
    "squares-32": replace(SETTINGS["squares-32"], base=replace(TINY, fraction=0.78), seeds=8, early=(20,)),
    "parity": replace(SETTINGS["parity"], base=BITS, seeds=8, early=(40,)),
}


def test_what_is_measured_of_a_run() -> None:
    """Every measure of the weights at each reading, from the checkpoints around it; the
    curvature there alone, the rest on the way to generalisation too.
    """
    history = train_run(TINY)
    traces = Traces.of(history)
    learned, generalised = history.steps_to_train_99, history.steps_to_test_95
    found = of_runs.measured(TINY, traces, learned, generalised, [20, 30])
    for name in ("sharpness", "gradient norm", "effective sparsity", "excluded loss, final keys", "training loss"):
        assert all(np.isfinite(read(found, name, step)[0]) for step in (20, 30, learned))
    at = history.checkpoint_steps
    near = {at[at <= step].max() for step in (20, 30, learned)} | {at[at >= step].min() for step in (20, 30, learned)}
    assert set(found["sharpness"][0]) == near
    way = at[(at >= learned) & (at <= at[at >= generalised].min())]
    assert set(found["effective sparsity"][0]) == near | set(way)
    assert len(found["pattern's delay"][0]) == 1


def test_the_command_on_real_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    """Every setting has its measures, pages and pictures; what was trained and measured
    is not again.
    """
    monkeypatch.setattr(command, "SETTINGS", SMALL_SETTINGS)
    monkeypatch.setattr(scores, "_DEALS", (1_000,))
    monkeypatch.setattr(scores, "MIN_OBSERVED", 4)  # so that eight runs, which train together, will do
    monkeypatch.setattr(of_runs, "_PATTERNS", 1)  # a fit of two takes ten times as long
    monkeypatch.setattr(sys, "argv", ["league", *SMALL_SETTINGS, "--executor", "in-process"])
    sys.argv += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    for trained in (24, 0):
        run_command(command.Arguments, command.main, "league", command.ERRORS)
        assert f"24 runs, {trained} of them trained now" in capsys.readouterr().err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["settings"]) == list(SMALL_SETTINGS)
    names = {name: {rank["measure"] for rank in one["ranks"]} for name, one in report["settings"].items()}
    assert {"restricted loss, final keys", "excluded loss, current keys", "ring quality"} <= names["squares-40"]
    assert {"gradient gap", "weight gap", "effective sparsity", "sharpness"} <= names["parity"]
    assert not names["parity"] & {"ring quality", "restricted loss, final keys"}
    page = (tmp_path / "out" / "report.md").read_text()
    assert "## Which foretell" in page
    assert "null model" in page
    assert "## Which way each moves" in page
    assert {move["expected"] for one in report["settings"].values() for move in one["moves"]} == {"rises", "falls"}
    for name in ("ranks.png", "moves.png"):
        assert (tmp_path / "out" / name).stat().st_size > 10_000


def test_every_measure_has_a_row_of_its_own() -> None:
    assert len(BY_NAME) == len(MEASURES)
    for setting in SETTINGS.values():
        assert {replace(run, seed=0) for run in setting.runs(range(3))} == {replace(setting.base, seed=0)}
        assert set(setting.early) <= set(family_of(setting.base).checkpoints(setting.base).tolist())


def test_bad_input_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["league", "--seeds", "9", "--store", str(tmp_path / "runs.sqlite")])
    with pytest.raises(SystemExit):
        run_command(command.Arguments, command.main, "league", command.ERRORS)
    assert capsys.readouterr().err.endswith("at least 10, but is 9.\n")
