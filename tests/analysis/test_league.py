"""The league: what it reads off a network is what the network computes, its scores on
made-up measures, and the command on real runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
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

from analysis import league as command
from analysis.experiments import EXPERIMENTS
from analysis.grokking import league
from analysis.grokking.league import GENERALISED, half_way, moves, pooled, predicted, ranks
from analysis.grokking.league_page import agrees
from analysis.measures import series as of_runs
from analysis.measures.networks import is_known, network_at, samples_of, training_loss
from analysis.measures.series import Series, measured, read
from analysis.predictors.catalogue import predict
from analysis.predictors.measures import BY_NAME, LEARNED, MEASURES, MEMORISED, PREDICTORS, predictors_at
from analysis.report.tables import NOT_CERTAIN
from analysis.runs.session import ERRORS
from analysis.runs.store import RunStore, key
from analysis.runs.traces import Traces
from neural import ModularConfig, ParityConfig, RunConfig, family_of, train_run
from neural.command import run_command
from neural.families import modular

SETTINGS = EXPERIMENTS["league"]
STEPS = f"steps_to_{GENERALISED}"
SMALL = ModularConfig(p=7, d=8, mlp=12, width=10, fraction=0.5, dtype="float64", look_every=10, budget=20)
NETWORKS = [
    SMALL,
    replace(SMALL, inputs="embeddings", activation="relu", operation="symmetric", p=6),
    replace(SMALL, inputs="sum"),
    replace(SMALL, network="transformer"),
]
PARITY = ParityConfig(n=12, width=9, n_train=50, n_test=40, dtype="float64", look_every=10, budget=20)


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


@pytest.mark.parametrize("config", [*NETWORKS, PARITY], ids=lambda config: type(config).__name__)
def test_losses_and_accuracies_are_those_of_the_run(config: Any) -> None:
    history = train_run(replace(config, checkpoints=2))
    loss = training_loss(config, family_of(config).start(config))
    inputs, labels = samples_of(config)
    for k, look in enumerate(np.searchsorted(history.steps, history.checkpoint_steps)):
        weights = {name: value[k] for name, value in history.checkpoints.items()}
        held = {name: torch.as_tensor(value) for name, value in weights.items()}
        assert float(loss(held)) == pytest.approx(history.train_loss[look], rel=1e-6)
        outputs = network_at(config, weights, inputs).outputs
        right = outputs[:, 0] * labels > 0 if config is PARITY else outputs.argmax(1) == labels
        assert right[history.mask].mean() == pytest.approx(history.train_accuracy[look])


def made_up(n: int, seed: int = 0, **others: Any) -> pd.DataFrame:
    """Runs that have memorised at step 100 and generalise at different times."""
    times = 1_000.0 + np.random.default_rng(seed).permutation(n) * 10
    keys = [key(replace(SMALL, seed=k, **others)) for k in range(n)]
    steps = dict.fromkeys(("steps_to_test_50", "steps_to_test", STEPS), times)
    return pd.DataFrame({"key": keys, "budget": 5_000, LEARNED: 100.0} | steps)


def flat(value: float) -> tuple[list[float], list[float]]:
    return [0.0, 100.0, 2_000.0], [0.0, value, 1.0]


@pytest.fixture
def empty(tmp_path: Path):
    """A store, for what is said of runs that are made up."""
    with RunStore(tmp_path / "runs.sqlite") as store:
        yield store


def by_measure(scores: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """By measure the rows of each statistic."""
    found: dict[str, dict[str, Any]] = {}
    for row in scores.itertuples():
        found.setdefault(str(row.measure), {})[str(row.statistic)] = row
    return found


def ranked(
    store: RunStore, runs: pd.DataFrame, series: list[dict[str, Any]], early: Sequence[int] = ()
) -> dict[str, dict[str, Any]]:
    """Of the measures that have a q. Those of the theory of rings, which nobody made
    up, are left out.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(league, "_RINGS", [])
        scores = ranks(runs, predicted(store, runs, early, series), early)
    return {measure: here for measure, here in by_measure(scores).items() if "q" in here}


def test_ranks_of_made_up_measures(empty: RunStore) -> None:
    """Perfect, with the sign that its theory gives it; the other way round; nothing."""
    runs, rng = made_up(24), np.random.default_rng(1)
    series = [
        {"weight norm": flat(t), "last layer's norm": flat(t), "training loss": flat(float(rng.normal()))}
        for t in runs[STEPS]
    ]
    found = ranked(empty, runs, series)
    for name, larger, index in (("weight norm", "later", 1), ("last layer's norm", "sooner", 0)):
        assert (BY_NAME[name].larger, found[name]["concordance"].value) == (larger, index)
        assert found[name]["p"].value < 1e-3
        assert found[name]["p"].value <= found[name]["q"].value < 0.01
    assert found["training loss"]["q"].value > 0.05
    assert found["training loss"]["concordance"].low < 0.5 < found["training loss"]["concordance"].high


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_p_values_are_those_of_kendalls_tau(seed: int) -> None:
    """Without ties and censoring the index is (1 + tau)/2."""
    times, rng = made_up(12, seed)[STEPS].to_numpy(), np.random.default_rng(seed)
    score = rng.permutation(12).astype(float)
    exact: Any = kendalltau(score, times, method="exact")
    comparable = (times[:, None] < times).astype(float)
    p = league.permutation_p(comparable, score, (1 + exact.statistic) / 2)
    assert p == pytest.approx(exact.pvalue, abs=0.02)


def test_censored_runs_count_and_runs_that_are_through_do_not(empty: RunStore) -> None:
    """A censored run with the largest score is as it should be; one that has
    generalised when it is read says nothing, nor one that has by the checkpoint after
    the reading, of which the value knows; one that never memorises is not read.
    """
    runs = made_up(14)
    runs.loc[0, STEPS] = np.nan
    series = [{"weight norm": flat(value)} for value in runs[STEPS].fillna(9_999.0)]
    [found] = ranked(empty, runs, series).values()
    assert (found["concordance"].n, found["concordance"].n_censored, found["concordance"].value) == (14, 1, 1)
    runs.loc[1, STEPS] = 50.0  # before it had memorised
    runs.loc[2, STEPS] = 110.0
    series[2]["weight norm"] = ([90.0, 120.0], [0.0, 1.0])
    runs.loc[3, LEARNED] = np.nan
    runs["key"] = made_up(14, d=9)["key"]  # others: what has been said of these is kept
    [found] = ranked(empty, runs, series).values()
    assert found["concordance"].n == 11


def test_what_has_no_rank(empty: RunStore) -> None:
    """Too few that got there; times, or scores, that are all the same."""
    runs = made_up(30)
    runs.loc[9:, STEPS] = np.nan
    assert ranked(empty, runs, [{"weight norm": flat(float(k))} for k in range(30)], [50]) == {}
    runs = made_up(12, d=9).assign(**{STEPS: 1_000.0})
    assert ranked(empty, runs, [{"weight norm": flat(float(k))} for k in range(12)]) == {}
    assert ranked(empty, made_up(12, d=10), [{"weight norm": flat(1.0)}] * 12) == {}


def test_what_is_known_at_memorisation_is_read_once(empty: RunStore) -> None:
    """And ranks what remains, not the time of memorisation: a measure that is this time
    says nothing of a delay that does not depend on it.
    """
    rng = np.random.default_rng(0)
    learned = rng.integers(30, 80, 60) * 10.0
    runs = made_up(60).assign(budget=9_000, **{LEARNED: learned, STEPS: learned + rng.permutation(60) * 10 + 10})
    [found] = ranked(empty, runs, [{"steps to memorise": ([0.0], [step])} for step in learned], [50, 70]).values()
    assert found["q"].reading == MEMORISED
    assert found["concordance"].low < 0.5 < found["concordance"].high


@given(st.floats(0, 100), st.floats(1, 1_000), st.floats(-5, 5), st.floats(0.1, 5))
def test_half_of_a_straight_way_is_its_middle(since: float, length: float, start: float, change: float) -> None:
    until, share = since + length, np.linspace(0, 1, 9)
    steps, values = since + length * share, start + change * share
    assert half_way(steps, values, since, until) == pytest.approx(since + length / 2)
    steps, values = np.array([since - 2, since - 1, *steps, until + 1]), np.array([99, -99, *values, 99])
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


WAY = list(range(100, 1_001, 100))  # the end is at 1,000
ACCURACY = {"test accuracy": (WAY, [0.0] * 7 + [0.5, 1, 1])}


def test_leads_of_made_up_measures() -> None:
    """A measure that has moved by step 300 leads half of the test accuracy at 800 by
    500, and the end at 1,000 by 700; on its own scale; Hjorth's never move.
    """
    early = [0.0, 0, 0.5, 1, 1, 1, 1, 1, 1, 1]
    one = ACCURACY | {
        "effective dimension": (WAY, early),
        "training loss": (WAY, np.exp(-np.array(early)).tolist()),
        "Hjorth activity": (WAY, early),
        "sharpness": ([100, 1_000], [0, 1]),
        "ring quality": (WAY, [0.0] * 7 + [0.2, 1, 1]),
    }
    found = by_measure(moves(made_up(12).assign(**{STEPS: 1_000.0}), [one] * 12))
    assert set(found) == {"test accuracy", "effective dimension", "training loss", "ring quality"}
    for name in ("effective dimension", "training loss"):
        assert found[name]["lead"].value == pytest.approx(500)
        assert found[name]["lead_95"].value == pytest.approx(700)
        assert found[name]["lead_share"].value == pytest.approx(700 / 900)
    assert found["test accuracy"]["lead"].value == 0
    assert found["ring quality"]["lead"].value == pytest.approx(-37.5)
    lead = found["effective dimension"]["lead"]
    assert (lead.low, lead.high) == pytest.approx((500, 500))


@pytest.mark.parametrize(
    ("rising", "verdict"), [(12, "no"), (10, "no"), (9, NOT_CERTAIN), (6, NOT_CERTAIN), (3, NOT_CERTAIN), (0, "yes")]
)
def test_a_direction_is_that_of_the_runs(rising: int, verdict: str) -> None:
    """The effective dimension is to fall; a loss is, too, and one of outputs without
    their keys is to rise. Half of the way, and so the lead, is the same either way.
    """
    up = np.array([1.0, 1, 2, 3, 3, 3, 3, 3, 3, 3])
    losses = {"training loss": (WAY, np.exp(-up).tolist()), "excluded loss, final keys": (WAY, np.exp(up).tolist())}
    series = [
        ACCURACY | losses | {"effective dimension": (WAY, (up if k < rising else 4 - up).tolist())} for k in range(12)
    ]
    found = by_measure(moves(made_up(12).assign(**{STEPS: 1_000.0}), series))
    dimension, loss, excluded = (found[name] for name in ("effective dimension", *losses))
    shares = [here["rising"].value for here in (dimension, loss, excluded)]
    assert shares == pytest.approx([rising / 12, 0, 1])
    assert [agrees(here) for here in (dimension, loss, excluded)] == [verdict, "yes", "yes"]
    assert dimension["lead"].value == pytest.approx(500)
    assert (loss["start"].value, loss["end"].value) == pytest.approx((np.exp(-1), np.exp(-3)))


def test_the_null_model_ranks_settings_and_nothing_within_them(empty: RunStore) -> None:
    slow, fast = made_up(10).assign(setting="slow"), made_up(10, fraction=0.6).assign(setting="fast")
    slow[STEPS] += 2_000
    series = [{"weight norm": flat(value)} for value in np.random.default_rng(0).normal(size=20)]
    said = [predicted(empty, slow, [], series[:10]), predicted(empty, fast, [], series[10:])]
    found = pooled(pd.concat([slow, fast], ignore_index=True), pd.concat(said, ignore_index=True))
    rows: Any = {(str(row.measure), row.statistic): row.value for row in found[found["against"] == ""].itertuples()}
    assert rows["null model", "concordance_within"] == 0.5
    assert rows["null model", "concordance"] == pytest.approx((100 + 0.5 * 90) / 190)
    assert {measure for measure, _ in rows if not measure.startswith("rings")} == {"null model", "weight norm"}


TINY = ModularConfig(
    p=11, width=64, fraction=0.8, learning_rate=0.02, weight_decay=2.0, look_every=10, budget=500, checkpoints=3
)
BITS = ParityConfig(n=10, k=2, width=20, n_train=50, n_test=60, look_every=10, budget=600, checkpoints=2)
SMALL_SETTINGS = {
    "squares-40": replace(SETTINGS["squares-40"], base=TINY, seeds=8, early=(20,)),
    "squares-32": replace(SETTINGS["squares-32"], base=replace(TINY, fraction=0.78), seeds=8, early=(20,)),
    "parity": replace(SETTINGS["parity"], base=BITS, seeds=8, early=(40,)),
}


def test_what_is_measured_of_a_run(empty: RunStore, monkeypatch) -> None:
    """Every measure of the weights at each reading, from the checkpoints around it; the
    curvature there alone, the rest on the way to generalisation too. And what
    predictors say of it is one of these values, with its theory's sign.
    """
    monkeypatch.setattr(of_runs, "_PATTERNS", 1)  # a fit of two takes ten times as long
    history = train_run(TINY)
    traces = Traces.of(history)
    learned, generalised = history.steps_to_train_99, history.steps_to_test_95
    found: Series = measured(TINY, traces, learned, generalised, [20, 30])
    for name in ("sharpness", "gradient norm", "effective sparsity", "excluded loss, final keys", "training loss"):
        assert all(np.isfinite(read(found, name, step)[0]) for step in (20, 30, learned))
    at = history.checkpoint_steps
    near = {step for when in (20, 30, learned) for step in (at[at <= when].max(), at[at >= when].min())}
    assert set(found["sharpness"][0]) == near
    way = at[(at >= learned) & (at <= at[at >= generalised].min())]
    assert set(found["effective sparsity"][0]) == near | set(way)
    assert len(found["pattern's delay"][0]) == 1
    assert set(found) <= set(BY_NAME)

    empty.add(history, "cpu", "test")
    said = predict(empty, empty.table([TINY]), [*PREDICTORS, *predictors_at(20)]).set_index(["predictor", "target"])
    for name, sign in {"weight norm": 1, "last layer's norm": -1, "ring quality": -1, "sharpness": 1}.items():
        for reading, step in ((MEMORISED, learned), (20, 20)):
            row: Any = said.loc[(f"{name.replace(' ', '_').replace(chr(39), '')}@{reading}", GENERALISED)]
            assert row["value"] == pytest.approx(sign * read(found, name, step)[0])
            assert row["read_at"] == step
    assert ("steps_to_memorise@20", GENERALISED) not in said.index


ODD_ONES = [
    replace(SMALL, operation="division"),
    replace(SMALL, operation="addition", fraction=1.0),
    replace(SMALL, loss="mse", dropout=0.5, inputs="embeddings", checkpoints=0),
    replace(SMALL, learning_rate=1e30),  # diverges
    ParityConfig(n=9, width=9, n_train=40, n_test=20, loss="ce", budget=20),
]


@pytest.mark.parametrize("config", [*NETWORKS, *ODD_ONES], ids=lambda config: type(config).__name__)
def test_whatever_is_known_can_be_measured(config: Any) -> None:
    assert is_known(config)
    assert not any(map(is_known, (replace(SMALL, network="perceptron"), ParityConfig(online=True), RunConfig())))
    found = measured(config, Traces.of(train_run(config)), 5.0, 15.0, [10, 99])
    assert {"steps to memorise", "pattern's delay"} <= set(found) <= set(BY_NAME)


def test_the_command_on_real_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    """Every setting has its measures, page and pictures; what was trained and measured
    is not again.
    """
    monkeypatch.setattr(command, "SETTINGS", SMALL_SETTINGS)
    monkeypatch.setattr(league, "_DEALS", (1_000,))
    for module in (command, league):
        monkeypatch.setattr(module, "MIN_OBSERVED", 4)  # so that eight runs, which train together, will do
    monkeypatch.setattr(of_runs, "_PATTERNS", 1)
    monkeypatch.setattr(sys, "argv", ["league", *SMALL_SETTINGS, "--executor", "in-process"])
    sys.argv += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "runs.sqlite")]
    for trained in (24, 0):
        run_command(command.Arguments, command.main, "league", ERRORS)
        assert f"24 runs, {trained} of them trained now" in capsys.readouterr().err
        monkeypatch.setattr(of_runs, "_Moments", None)  # a second time nothing is measured
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["runs"]) == 24
    assert len(report["scores"]) == len(scores)
    measures = scores[scores["statistic"] == "q"].groupby("setting")["measure"].agg(set)
    assert {"restricted loss, final keys", "excluded loss, current keys", "ring quality"} <= measures["squares-40"]
    assert {"gradient gap", "weight gap", "effective sparsity", "sharpness"} <= measures["parity"]
    assert not measures["parity"] & {"ring quality", "restricted loss, final keys", "rings: 1/lambda"}
    assert len(pd.read_csv(tmp_path / "out" / "predictions.csv")) > 24 * 20
    page = (tmp_path / "out" / "report.md").read_text()
    parts = ("told from chance", "## Which foretell", "null model", "### Squares", "## Which way each moves")
    assert [part for part in parts if part not in page] == []
    assert min((tmp_path / "out" / name).stat().st_size for name in ("ranks.png", "moves.png")) > 10_000


def test_every_measure_has_a_row_of_its_own() -> None:
    assert len(BY_NAME) == len(MEASURES) == len({one.name for one in PREDICTORS})
    for setting in SETTINGS.values():
        assert [replace(run, seed=0) for run in setting.configs(range(2))] == [replace(setting.base, seed=0)] * 2
        assert set(setting.early) <= set(family_of(setting.base).checkpoints(setting.base).tolist())


def test_bad_input_is_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["league", "--seeds", "9", "--store", str(tmp_path / "runs.sqlite")])
    with pytest.raises(SystemExit):
        run_command(command.Arguments, command.main, "league", ERRORS)
    assert capsys.readouterr().err.endswith("at least 10, but is 9.\n")
