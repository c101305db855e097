"""What predictors say: the theory of the very runs, nothing that they may not know, and
once only.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import efftheory as et
from analysis.predictors import catalogue, null, rings
from analysis.predictors.catalogue import CATALOGUE, applying, predict, read_predictor
from analysis.predictors.effective import linear_probabilities, operation
from analysis.predictors.memory import decoder, known, success_of
from analysis.predictors.predictor import Predictor, Run, Told, digest, on, size_field, targets_of
from analysis.report.tables import rows_of
from analysis.runs.store import RunStore, key
from neural import ConfigError, ModularConfig, RunConfig, family_of
from tests.tolerances import LINALG

SMALL = RunConfig(p=5, n_train=12, budget=1500, decoder_lr=1e-3)
ADDITION = [one for one in CATALOGUE.values() if one.applies(SMALL)]


def steps(found: Any) -> np.ndarray:
    return np.array([found.steps_to_train, found.steps_to_test, found.steps_to_rqi])


def test_predictions_are_the_theorys_on_the_very_runs(store: RunStore, configs: list[RunConfig]) -> None:
    runs = store.table(configs)
    said = predict(store, runs, ADDITION, {"linear_probability": 300, "memory_flow": 2, "memory_flow_blind": 3})
    value = said.pivot(index="key", columns=["predictor", "target"], values="value")
    chance = said[said["target"] == "rqi"].pivot(index="key", columns="predictor", values="probability")
    for run, config in zip(rows_of(runs), configs, strict=True):
        op, mask = et.addition(config.p), run.mask
        start = run.initial_embedding - run.initial_embedding.mean(axis=0)
        told, chances = value.loc[run.key], chance.loc[run.key]
        assert told["ideal_accuracy", "accuracy"] == et.ideal_accuracy(op, mask)
        assert told["predicted_accuracy", "accuracy"] == et.predicted_accuracy(op, mask, run.final_embedding)
        flow = et.time_to_rqi(op, mask, start) / config.repr_lr
        assert told["exact_flow"].tolist() == [flow] * 3
        lambda3 = et.describe(op, mask).lambda3
        expected = (start**2).sum() / (config.repr_lr * lambda3) if lambda3 else math.inf
        assert told["inverse_lambda3", "rqi"] == pytest.approx(expected)
        assert chances["unique"] == et.is_linear(op, mask)
        assert chances["linear_probability"] == et.linear_probability(op, config.n_train, 300, 0).value
        for name, draws, blind in (("memory_flow", 2, False), ("memory_flow_blind", 3, True)):
            found = success_of(config, draws, blind)
            assert chances[name] == found.value
            medians = [np.sort(one)[(draws - 1) // 2] for one in steps(found)]
            assert [told[name, target] for target in ("train", "test", "rqi")] == medians


def test_a_prediction_is_made_once_by_each_version(store: RunStore, configs: list[RunConfig], tmp_path: Path) -> None:
    asked: list[int] = []

    def of_run(run: Run, draws: int) -> dict[str, Told]:
        asked.append(draws)
        return {"rqi": Told(math.inf if run.config.seed else 5.0, read_at=2)}

    one = Predictor("once", "once", (), on("toy"), of_run, draws=4)
    runs = store.table(configs)
    first = predict(store, runs, [one])
    assert asked == [4] * len(runs)
    again = predict(store, runs, [one])
    assert len(asked) == len(runs)
    pd.testing.assert_frame_equal(first, again)
    assert first["key"].tolist() == runs["key"].tolist()
    predict(store, runs, [one], {"once": 5})
    assert asked[len(runs) :] == [5] * len(runs)
    code = tmp_path / "code.py"
    code.write_text("1")
    other = replace(one, code=(str(code),))
    predict(store, runs[:3], [other])
    assert len(asked) == 2 * len(runs) + 3
    predict(store, runs[:3], [other])
    assert len(asked) == 2 * len(runs) + 3
    digest.cache_clear()
    code.write_text("2")
    predict(store, runs[:3], [other])
    assert len(asked) == 2 * len(runs) + 6


def test_what_was_predicted_before_a_stop_is_kept(
    store: RunStore, configs: list[RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_TOGETHER", 2)
    done: list[str] = []

    def of_run(run: Run, draws: int) -> dict[str, Told]:
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(run.row["key"])
        return {"rqi": Told(1.0)}

    one = Predictor("stops", "stops", (), on("toy"), of_run)
    runs = store.table(configs)
    with pytest.raises(KeyboardInterrupt):
        predict(store, runs, [one])
    assert set(store.predictions(predictor="stops")["key"]) == set(done)


@pytest.mark.parametrize("config", [SMALL, ModularConfig(p=7), replace(SMALL, operation="s3", p=6, d=3)])
def test_a_predictor_is_asked_of_what_it_applies_to(config: Any) -> None:
    names = {one.name for one in applying([config])}
    assert {"training_fraction", "share_by_size"} <= names
    assert ("memory_flow" in names) == isinstance(config, RunConfig)
    assert ("exact_flow" in names) == (config is SMALL)
    assert ("rings_inverse_lambda" in names) == isinstance(config, ModularConfig)


def test_targets_and_sizes_of_families() -> None:
    assert targets_of(SMALL) == ("rqi", "train", "test")
    assert targets_of(ModularConfig())[0] == "test_95"
    assert (size_field(SMALL), size_field(ModularConfig())) == ("n_train", "fraction")


# --- the theory that remembers


def test_what_is_said_of_a_run_depends_on_it_alone(store: RunStore, configs: list[RunConfig]) -> None:
    """Would reveal draws that depend on the company, the order, or the thread."""
    runs, one = store.table(configs), replace(CATALOGUE["memory_flow"], name="again")
    together = predict(store, runs, [one], {"again": 2})
    backwards = predict(store, runs[::-1], [replace(one, name="other")], {"other": 2})
    columns = ["key", "target", "value", "probability"]
    pd.testing.assert_frame_equal(
        together[columns], backwards.set_index("key").loc[runs["key"].unique()].reset_index()[columns]
    )
    assert together["value"].nunique() > 1


def test_the_blind_do_not_see_the_targets() -> None:
    """Would reveal targets that leak into a blind prediction: these two runs differ in
    nothing else.
    """
    two = [SMALL, replace(SMALL, targets="orthogonal")]
    assert np.array_equal(known(two[0])[1], known(two[1])[1])
    random, orthogonal = (known(run)[2] for run in two)
    assert random is not None
    assert orthogonal is not None
    assert not np.array_equal(random, orthogonal)
    blind, seeing = ([steps(success_of(run, 2, one)) for run in two] for one in (True, False))
    np.testing.assert_array_equal(blind[0], blind[1])
    assert not np.array_equal(seeing[0], seeing[1])


def test_replicas_share_what_the_theory_knows() -> None:
    """Would reveal a prediction that has seen the network's weights."""
    first, other = (steps(success_of(replace(SMALL, replica=k), 2)) for k in (0, 3))
    np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 30},
        {"depth": 1},
        {"activation": "relu"},
        {"n_outputs": 12},
        {"loss": "ce"},
        {"repr_lr": 3e-3},
        {"decoder_lr": 3e-3},
        {"decoder_optimizer": "sgd", "decoder_lr": 0.1},
        {"decoder_wd": 5.0},
        {"decoder_warmup": 500},
        {"repr_optimizer": "sgd", "repr_lr": 0.3},
        {"repr_wd": 5.0},
        {"init_scale": 0.5},
        {"d": 2},
        {"budget": 20},
    ],
)
def test_every_field_that_it_knows_is_heard(change: dict[str, Any]) -> None:
    """Would reveal a field of a run that is not passed on."""
    assert not np.array_equal(steps(success_of(SMALL, 1)), steps(success_of(replace(SMALL, **change), 1)))


def test_the_decoder_is_the_runs() -> None:
    run = RunConfig(width=7, depth=3, activation="relu", n_outputs=20, decoder_wd=0.5, decoder_warmup=4)
    found = decoder(run)
    assert (found.width, found.depth, found.activation, found.n_outputs) == (7, 3, "relu", 20)
    assert (found.weight_decay, found.warmup, found.loss, found.optimizer) == (0.5, 4, "mse", "adamw")


# --- null models


def made_up(n_seeds: int, seed: int, rates: tuple[float, ...] = (1e-4,)) -> tuple[list[Run], pd.DataFrame]:
    """Runs of three sizes with random outcomes, and steps that flows say."""
    rng = np.random.default_rng(seed)
    runs, rows = [], []
    for n_train in (20, 35, 50):
        for rate in rates:
            for number in range(n_seeds):
                config = RunConfig(n_train=n_train, decoder_lr=rate, seed=number)
                hope = (n_train - 5) / 60
                runs.append(Run(config, {"steps_to_rqi": 100.0 if rng.random() < hope else math.nan}))
                for name in ("inverse_lambda3", "exact_flow", "optimizer_flow"):
                    value = math.inf if rng.random() < 0.1 else math.exp(rng.normal(8 - 2 * hope))
                    rows.append({"key": key(config), "predictor": name, "target": "rqi", "value": value})
    return runs, pd.DataFrame(rows)


def chances(runs: list[Run], said: pd.DataFrame) -> dict[str, np.ndarray]:
    found = {}
    for one in null.PREDICTORS:
        if one.of_runs is not None:
            found[one.name] = np.array([told["rqi"].probability for told in one.of_runs(runs, said)])
    return found


@settings(max_examples=20)  # 60 fits each
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_no_predictor_sees_the_outcome_it_is_asked_for(seed: int, left_out: int) -> None:
    runs, said = made_up(5, seed, rates=(1e-5, 1e-4))
    before = chances(runs, said)
    here = np.array([run.config.seed == left_out for run in runs])
    turned = {True: math.nan, False: 100.0}
    changed = [
        Run(run.config, {"steps_to_rqi": turned[run.row["steps_to_rqi"] == 100]}) if left else run
        for run, left in zip(runs, here, strict=True)
    ]
    after = chances(changed, said)
    for name, values in before.items():
        np.testing.assert_array_equal(values[here], after[name][here])
    assert not np.array_equal(before["share_by_size"][~here], after["share_by_size"][~here])


def test_fits_stay_within_their_setting() -> None:
    runs, said = made_up(6, 1, rates=(1e-5, 1e-4))
    here = [run.config.decoder_lr == 1e-4 for run in runs]
    both, one = chances(runs, said), chances([run for run, chosen in zip(runs, here, strict=True) if chosen], said)
    for name, values in one.items():
        np.testing.assert_array_equal(both[name][here], values)


def test_shares_by_hand() -> None:
    runs, said = made_up(3, 0)
    outcomes = [100.0, math.nan, 100.0, *[math.nan] * 3, *[100.0] * 3]
    runs = [Run(run.config, {"steps_to_rqi": outcome}) for run, outcome in zip(runs, outcomes, strict=True)]
    assert chances(runs, said)["share_by_size"].tolist() == [0.5, 1, 0.5, 0, 0, 0, 1, 1, 1]
    alone = chances(*made_up(1, 0))
    assert all((values == 0.5).all() for values in alone.values())


def test_replicas_foretell_one_another() -> None:
    runs, said = made_up(2, 0)
    outcomes = {0: 1.0, 1: math.nan, 2: 2.0}  # by replica
    runs = [
        Run(replace(run.config, replica=k), {"steps_to_rqi": step}) for run in runs[:2] for k, step in outcomes.items()
    ]
    assert null.REPLICAS.of_runs is not None
    assert [told["rqi"].probability for told in null.REPLICAS.of_runs(runs, said)] == [0.5, 1, 0.5] * 2


@given(st.integers(0, 2**32 - 1))
def test_the_logistic_is_at_its_optimum(seed: int) -> None:
    """Newton's step from there, written out, goes nowhere; also where the data can be
    separated.
    """
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(20), rng.normal(size=20)])
    for outcome in (rng.random(20) < 0.5, x[:, 1] > 0, np.zeros(20, bool)):
        w = null.fit_logistic(x, outcome)
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (p - outcome) + null.RIDGE * w
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + null.RIDGE * np.eye(2), slope)
        np.testing.assert_allclose(step, 0, atol=1e-3)  # BFGS stops at a slope of 1e-5, the curvature is above 0.1


# --- rings


def ring_config(p: int, tables: int, **changes: Any) -> ModularConfig:
    """A run with so many tables of embeddings."""
    return ModularConfig(p=p, width=8, **({"inputs": "sum", "d": 4} if tables == 1 else {}), **changes)


@given(st.integers(3, 7), st.integers(1, 2), st.integers(0, 2**32 - 1), st.data())
def test_rings_are_the_theorys(p: int, tables: int, seed: int, data: st.DataObject) -> None:
    """Determined, and only then at a finite pace; and a sample more makes nothing
    slower, nor less determined.
    """
    config = ring_config(p, tables)
    op = rings.operation(config)
    order = np.random.default_rng(seed).permutation(p * p)
    n = data.draw(st.integers(1, p * p - 1))
    mask = np.isin(np.arange(p * p), order[:n])
    found, trained = rings.describe(config, mask), rings.training_set(config, mask)
    assert found["unique"] == et.is_linear(op, trained) == math.isfinite(found["inverse_lambda"])
    assert found["mean_time"] <= found["inverse_lambda"] * (1 + LINALG)
    assert -found["few_parallelograms"] == len(et.parallelograms(op, trained))
    mask[order[n]] = True
    more = rings.describe(config, mask)
    assert more["unique"] >= found["unique"]
    assert more["ideal_accuracy"] >= found["ideal_accuracy"]
    for name in ("inverse_lambda", "mean_time", "few_parallelograms", "rarest_symbol"):
        assert more[name] <= found[name] + abs(found[name]) * LINALG


@pytest.mark.parametrize("p", [3, 5, 8])
def test_all_data_of_two_tables(p: int) -> None:
    """Every deviation decays alike, at 2 p^2."""
    found = rings.describe(ring_config(p, 2), np.ones(p * p, np.bool_))
    assert (found["unique"], found["ideal_accuracy"], found["rarest_symbol"]) == (True, 1, -p)
    assert found["inverse_lambda"] == pytest.approx(1 / (2 * p**2), rel=LINALG)
    assert found["mean_time"] == pytest.approx(found["inverse_lambda"], rel=LINALG)
    assert found["few_parallelograms"] == -p * math.comb(p, 2)


@pytest.mark.parametrize("tables", [1, 2])
def test_a_ring_is_told_of_the_runs_own_training_set(tables: int) -> None:
    """Pair by pair; of one table a pair counts whichever way round it is trained on."""
    for seed in range(3):
        config = ring_config(5, tables, fraction=0.4, seed=seed)
        mask = family_of(config).start(config).mask
        pairs = {(int(a), int(b)) for a, b in zip(*np.divmod(np.flatnonzero(mask), 5), strict=True)}
        wanted = {(a, b + 5) for a, b in pairs} if tables == 2 else {(min(ab), max(ab)) for ab in pairs}
        op = rings.operation(config)
        assert {tuple(pair) for pair in op.pairs[rings.training_set(config, mask)].tolist()} == wanted
        told = CATALOGUE["rings_inverse_lambda"].of_run
        assert told is not None
        assert told(Run(config, {}), 0)["test_95"].value == rings.describe(config, mask)["inverse_lambda"]


# --- predictors of users


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must be a file with a PREDICTOR, but .* has None"),
        ("PREDICTOR = 7", "must be a file with a PREDICTOR, but .* has 7"),
        ("1 / 0", "must be a file that can be run, but .*ZeroDivisionError"),
        (
            "from analysis.predictors.null import NULL as PREDICTOR",
            "must have a name of its own, but .* 'training",
        ),
    ],
)
def test_a_file_without_a_predictor_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(ConfigError, match=f"^`predictor` {says}"):
        read_predictor(tmp_path / "mine.py")
    with pytest.raises(ConfigError, match=r"^`predictor` must be a file of Python, but .*none.py: No such file"):
        read_predictor(tmp_path / "none.py")


def test_linear_probabilities_are_of_the_same_draws() -> None:
    shares = linear_probabilities(operation(SMALL), 200)
    assert len(shares) == 16
    values = [one.value for one in shares]
    assert values == sorted(values)  # a set that grows stays linear
