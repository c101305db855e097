"""When a run generalises, said from its log: what is read off it, the trees, and how
they are fitted and judged.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.forecast import fit as fitting
from analysis.forecast import model as models
from analysis.forecast.features import NAMES, features, logit
from analysis.forecast.fit import Run, cross_validated, fit, said, stretched, table_of, threshold, widened
from analysis.forecast.model import GRID, forecast, load_model, phase_of, quantile, save_model, without
from analysis.logs.log import Log
from neural import ConfigError

STEPS = np.unique(np.round(np.geomspace(1, 10_000, 150)))


def a_log(steps: np.ndarray = STEPS, **curves: np.ndarray) -> Log:
    return Log(
        name="0", steps=np.asarray(steps, float), curves={name: np.asarray(y, float) for name, y in curves.items()}
    )


def grokking(
    time: float, rng: np.random.Generator, steps: np.ndarray = STEPS, never: bool = False, noise: float = 0.02
) -> Log:
    """A made-up run: its test loss falls in a straight line until `time`, about which
    its test accuracy rises.
    """
    x = steps / time
    loss = 4 * np.clip(1.2 - (0.0 if never else 1.0) * x, 0.02, None) * np.exp(noise * rng.normal(size=len(steps)))
    accuracy = 0.01 + (0.0 if never else 0.99) / (1 + np.exp(-12 * (x - 0.8)))
    train = 1 / (1 + np.exp(-(steps - 0.05 * time) / (0.01 * time)))
    norm = 50 * np.exp(-0.1 * x) * np.ones_like(steps)
    return a_log(
        steps,
        train_loss=4 * np.exp(-30 * x) + 1e-6,
        test_loss=loss,
        train_accuracy=train,
        test_accuracy=accuracy,
        weight_norm=norm,
    )


def population(n: int, seed: int, n_settings: int = 4) -> list[Run]:
    """Runs of several settings, one in six of which never generalises."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        never = k % 6 == 5
        log = replace(grokking(np.exp(rng.uniform(5, 7.8)), rng, never=never), name=str(k))
        at = log.generalised_at
        setting = "never" if never else f"setting {k % n_settings}"
        found.append(Run(log, setting, "made up", f"fold {k % 3}", False, np.inf if at is None else at))
    return found


@pytest.fixture(scope="module")
def small():
    """Reads of a population, their features, and trees that are fitted to them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "N_TREES", 40)
        patch.setitem(fitting.TREES, "min_data_in_leaf", 50)
        reads, found = table_of(population(90, 0))
        yield reads, found, fit(reads, found, 1.0, 0.4)


def of(name: str, log: Log) -> float:
    return features(log)[NAMES.index(name)]


@given(st.floats(0.2, 2), st.sampled_from([0.5, 1, 2, 3]))
def test_a_power_law_changes_by_its_power_an_octave(power: float, octaves: float) -> None:
    log = a_log(
        test_loss=(STEPS + 1) ** -power, weight_norm=(STEPS + 1) ** power, test_accuracy=np.full(len(STEPS), 0.5)
    )
    change = power * octaves * np.log(2)
    assert of(f"loss.change{octaves:g}", log) == pytest.approx(-change, abs=0.02 * power)
    assert of(f"norm.change{octaves:g}", log) == pytest.approx(change, abs=0.02 * power)
    assert of(f"accuracy.change{octaves:g}", log) == 0
    assert np.isnan(of("train.loss", log))
    assert np.isnan(of("train.since_memorised", log))


@given(st.floats(1.2, 8))
def test_a_straight_line_arrives_when_it_does(ratio: float) -> None:
    """Of a loss that falls in a line to zero, and a logit that rises in one to the
    goal, the way on is that to the end.
    """
    x = STEPS / STEPS[-1]
    log = a_log(test_loss=ratio - x, test_accuracy=1 / (1 + np.exp(-(logit(0.9) + 0.5 * (x - ratio)))))
    for octaves in ("0.5", "1", "2"):
        assert of(f"loss.line{octaves}", log) == pytest.approx(np.log(ratio - 1), abs=0.12)
        assert of(f"accuracy.line{octaves}", log) == pytest.approx(np.log(ratio - 1), abs=0.12)


def test_what_is_read_off_a_run() -> None:
    log = a_log(
        [0, 5, 10, 100, 1_000],
        train_loss=[2, 2, 1, 0.1, 0.01],
        test_loss=[2, 3, 4, 3, 1],
        train_accuracy=[0.1, 0.2, 0.5, 1, 1],
        test_accuracy=[0.1, 0.1, 0.1, 0.2, 0.5],
        weight_norm=[10, 20, 30, 20, 15],
    )
    assert of("loss.now", log) == pytest.approx(np.log(1 / 2))
    assert of("loss.peak", log) == pytest.approx(np.log(2))
    assert of("loss.below_peak", log) == pytest.approx(np.log(4))
    assert of("loss.since_peak", log) == pytest.approx(np.log(1001 / 11))
    assert of("train.loss", log) == pytest.approx(np.log(0.01 / 2))
    assert of("train.since_memorised", log) == pytest.approx(np.log(1001 / 101))
    assert of("train.accuracy", log) == pytest.approx(logit(0.999))
    assert of("accuracy.now", log) == pytest.approx(0, abs=1e-12)
    assert of("accuracy.risen", log) == pytest.approx(np.log(9))
    assert of("norm.below_peak", log) == pytest.approx(np.log(2))
    assert of("train.since_memorised", log.until(10)) == -1


@given(st.integers(5, len(STEPS) - 1), st.integers(0, 10))
def test_nothing_later_is_seen(last: int, seed: int) -> None:
    whole = grokking(2_000, np.random.default_rng(seed))
    other = replace(whole, curves={n: np.where(np.arange(len(STEPS)) > last, 0.5, y) for n, y in whole.curves.items()})
    seen, same = (features(log.until(STEPS[last])) for log in (whole, other))
    np.testing.assert_array_equal(seen, same)


def test_how_often_one_looks_does_not_matter() -> None:
    """Of every step, of some, and of metrics that are logged at different steps."""
    every = grokking(3_000, np.random.default_rng(0), np.arange(2_001.0), noise=0.0)
    some = np.unique(np.round(np.geomspace(1, 2_001, 120)).astype(int)) - 1
    few = replace(every, steps=every.steps[some], curves={name: y[some] for name, y in every.curves.items()})
    rows = np.arange(len(every.steps))
    apart = {n: np.where((rows % 7 == 0) == ("test" in n), y, np.nan) for n, y in every.curves.items()}
    one = features(every)
    for other in (features(few), features(replace(every, curves=apart))):
        np.testing.assert_allclose(one, other, atol=0.3)


def test_trees_are_those_of_lightgbm(small) -> None:
    """What the arrays sum to is what lightgbm itself says, also where a part is not
    known.
    """
    import lightgbm

    reads, found, _ = small
    captured = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "N_TREES", 20)
        train = lightgbm.train
        patch.setattr(lightgbm, "train", lambda *args: captured.append(train(*args)) or captured[-1])
        model = fit(reads, found)
    for parts in models.LOOKS:
        rows = np.column_stack([without(found[:200], parts), np.linspace(0.02, 4, 200)])
        theirs = captured[0].predict(rows, raw_score=True)
        np.testing.assert_allclose(models._sums(rows, *model.trees), theirs, atol=1e-9)


def test_probabilities_rise_with_the_time(small) -> None:
    _, found, model = small
    cdf = model.cdf(found[:300])
    assert (np.diff(cdf, axis=1) >= 0).all()
    assert ((cdf >= 0) & (cdf <= 1)).all()
    for one in cdf:
        median, low, high = model.interval(one)
        assert 0 <= low <= median <= high


def test_settings_that_were_left_out_are_foretold(small) -> None:
    _, _, model = small
    others, found = table_of(population(60, 1))
    judged = said(model, others, found)
    there = judged[np.isfinite(judged["time"]) & (judged["share"] > 0)]
    covered = (there["low"] <= there["k"]) & (there["k"] <= there["high"])
    error = np.abs(there["median"] - there["k"])
    assert 0.8 <= covered.mean() <= 1
    assert error.median() < 0.5 * np.abs(there["twice the steps"] - there["k"]).median()
    never = judged[np.isinf(judged["time"])]
    assert never["doubled"].quantile(0.95) < there.loc[there["share"] == 0.75, "doubled"].quantile(0.05)


def test_reads_are_of_moments_before_a_run_generalises(small) -> None:
    reads, found, _ = small
    assert (reads["step"] < reads["time"]).all()
    assert len(reads) == len(found)
    at = reads[np.isfinite(reads["time"]) & (reads["share"] > 0)]
    assert (at["step"] <= at["share"] * at["time"]).all()
    assert (at["step"] >= 0.9 * at["share"] * at["time"] - 1).all()
    np.testing.assert_allclose(np.exp(at["k"]), at["time"] / at["step"])


def test_the_stretch_is_what_covers_nine_in_ten() -> None:
    """Ends at 1 from the median, and truths 0 to .99 from it: .9 of the way covers."""
    k = np.arange(100) / 100
    rows = pd.DataFrame({"k": 2 + k, "median": 2.0, "low": 1.0, "high": 3.0, "share": 0.5, "time": 10.0})
    rows = rows.assign(fold="one", run=np.arange(100))
    assert stretched(rows) == pytest.approx(0.9, abs=0.011)
    many = pd.concat([rows, *[rows.assign(fold="two", k=2.0)] * 3], ignore_index=True)
    assert stretched(many) == pytest.approx(0.8, abs=0.011)  # folds count alike, whatever their number of runs
    wide = widened(rows, 0.5)
    assert (wide["low"] == 1.5).all()
    assert (wide["high"] == 2.5).all()


def test_the_alarm_is_rare_in_settings_that_never_generalise() -> None:
    rows = pd.DataFrame({"run": np.repeat(np.arange(100), 2), "doubled": np.repeat(np.arange(100) / 100, 2)})
    rows = rows.assign(time=np.inf, setting="never")
    others = rows.assign(run=rows["run"] + 100, doubled=1.0, time=5.0, setting="some")
    alarm = threshold(pd.concat([rows, others]))
    assert (rows.groupby("run")["doubled"].max() > alarm).mean() == pytest.approx(0.05, abs=0.011)


@pytest.mark.parametrize(
    ("train", "test", "loss", "phase"),
    [
        ([0.1, 0.2, 0.5], [0.1, 0.1, 0.1], [1, 1, 1], "learning"),
        ([0.1, 1.0, 1.0], [0.1, 0.1, 0.11], [1, 1, 1], "memorised"),
        ([0.1, 1.0, 1.0], [0.1, 0.1, 0.3], [1, 1, 1], "generalising"),
        ([0.1, 1.0, 1.0], [0.1, 0.1, 0.9], [1, 1, 1], "generalised"),
        ([0.1, 1.0, 1.0], [0.1, 0.1, 0.1], [1, 1, np.nan], "diverged"),
        ([0.1, 1.0, 1.0], [0.1, 0.1, 0.1], [1, 1, np.inf], "diverged"),
    ],
)
def test_phases(train: list, test: list, loss: list, phase: str) -> None:
    log = a_log([0, 10, 20], train_accuracy=train, test_accuracy=test, train_loss=loss)
    assert phase_of(log) == forecast(log).phase == phase


def test_what_a_forecast_says(small) -> None:
    *_, model = small
    log = grokking(1_000, np.random.default_rng(2))
    at = log.generalised_at
    assert at is not None
    half = forecast(log.until(0.5 * at), model=model)
    assert half.median == pytest.approx(at, rel=0.25)
    assert half.step == log.until(0.5 * at).steps[-1]
    assert half.step <= half.low <= half.high
    chances = [forecast(log.until(0.5 * at), horizon, model).probability for horizon in (10, 300, 3_000, 100_000)]
    assert chances == sorted(chances)
    assert half.probability == forecast(log.until(0.5 * at), half.step, model).probability
    end = forecast(log)
    assert (end.median, end.low, end.high, end.probability) == (at, at, at, 1)
    with pytest.raises(ConfigError, match="`horizon` must be above 0 steps, but is 0"):
        forecast(log, 0)
    with pytest.raises(ConfigError, match="`log` must have a step"):
        forecast(log.until(-1))


def test_what_is_not_known_is_said(small) -> None:
    *_, model = small
    few = a_log(np.arange(5.0), train_accuracy=np.ones(5), test_accuracy=np.zeros(5))
    blind = a_log(train_accuracy=np.ones(len(STEPS)))
    strange = grokking(1e5, np.random.default_rng(0), never=True)
    strange = replace(strange, curves=strange.curves | {"weight_norm": 10.0 ** np.linspace(0, 8, len(STEPS))})
    for log, word in ((few, "5 looks"), (blind, "0 looks"), (strange, "features lie outside")):
        one = forecast(log, model=model)
        assert one.basis.startswith("not known: ")
        assert word in one.basis
        assert np.isnan(one.probability)
        assert (one.median, one.low, one.high) == (np.inf, one.step, np.inf)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_log_gets_an_answer(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 30))
    steps = np.cumsum(data.draw(st.lists(st.floats(0.1, 1e4), min_size=n, max_size=n)))
    curves = {}
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm"):
        share = name.endswith("accuracy")
        values = st.one_of(st.floats(0, 1 if share else 1e30), st.sampled_from([np.nan, 0.0, 1.0]))
        if share or data.draw(st.booleans()):
            curves[name] = np.array(data.draw(st.lists(values, min_size=n, max_size=n)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = forecast(a_log(steps, **curves))
    assert one.phase in ("learning", "memorised", "generalising", "generalised", "diverged")
    assert one.low <= one.high
    assert one.median >= one.low or np.isnan(one.median)


@given(st.lists(st.floats(0, 1), min_size=len(GRID), max_size=len(GRID)), st.floats(0.01, 1))
def test_quantiles_are_where_the_probability_gets_there(values: list, level: float) -> None:
    cdf = np.sort(values)
    at = quantile(cdf, level)
    if np.isinf(at):
        assert cdf[-1] < level
    else:
        assert np.interp(at + 1e-9, GRID, cdf) >= level - 1e-6 or at == GRID[-1]


def test_a_model_is_kept(small, tmp_path: Path) -> None:
    _, found, model = small
    save_model(tmp_path / "model.npz", model)
    again = load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(model.cdf(found[:20]), again.cdf(found[:20]))
    assert (again.stretch, again.facts) == (model.stretch, model.facts)
    whole = (tmp_path / "model.npz").read_bytes()
    for name, content in (("half", whole[: len(whole) // 2]), ("none", b""), ("text", b"step,loss")):
        (tmp_path / f"{name}.npz").write_bytes(content)
        with pytest.raises(
            ConfigError, match=r"`model` must be a file that python -m analysis\.forecast\.fit left"
        ) as error:
            load_model(tmp_path / f"{name}.npz")
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="`model` must be"):
        load_model(tmp_path / "missing.npz")


def published(folder: Path, kind: str, name: str, n: int, **scalars: object) -> None:
    """A file as the published ones are, of `n` seeds."""
    rng = np.random.default_rng(len(name))
    logs = [grokking(np.exp(rng.uniform(5, 7.5)), rng) for _ in range(n)]
    called = {"train_acc": "train_accuracy", "test_acc": "test_accuracy"}
    names = ("train_loss", "test_loss", "train_acc", "test_acc", "weight_norm")
    curves = {name: np.stack([log.curves[called.get(name, name)] for log in logs]) for name in names}
    (folder / kind).mkdir(parents=True, exist_ok=True)
    np.savez(folder / kind / f"{name}.npz", steps=STEPS, **curves, **scalars)


def test_the_fit_leaves_a_model_and_its_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """End to end on made-up files; which are fitted to, and which judged on."""
    logs = tmp_path / "logs"
    free = {"alpha": 0.4, "lam": 1.0, "lr": 1e-3}
    published(logs, "grokfss", "adamw_p29_a0.40_d128_H256_wd1e00_lr1e-03", 8, p=29, **free)
    published(logs, "grokfss", "adamw_p41_a0.40_d128_H256_wd1e00_lr1e-03", 8, p=41, **free)
    published(logs, "grokfss", "adamw_p59_a0.50_d128_H256_wd3e-01_lr1e-03", 8, p=59, **free)
    published(logs, "grokfss", "adamw_p79_a0.40_d128_H256_wd1e00_lr1e-03", 6, p=79, **free)
    published(logs, "denserho", "adamw_p59_a0.40_wd1e00_lr1e-03_clamp", 6, p=59, arm="clamp", **free)
    published(logs, "tfnoln", "adamw_p59_ctrl", 6, p=59, arm="none", **free)
    monkeypatch.setattr(fitting, "OWN", {})
    monkeypatch.setattr(fitting, "N_TREES", 15)
    monkeypatch.setattr(fitting, "BOOTSTRAPS", 50)
    monkeypatch.setitem(fitting.TREES, "min_data_in_leaf", 50)
    runs = fitting.published(logs)
    kinds = {(run.group, run.fold, run.judged) for run in runs}
    assert kinds == {
        ("MLP", "grokfss 29", False),
        ("MLP", "grokfss 41", False),
        ("MLP", "grokfss 59 other rates", False),
        ("MLP", "grokfss 79", True),
        ("MLP, norm set", "denserho 59 set", True),
        ("transformer without LayerNorm", "tfnoln 59", True),
    }
    out, store = tmp_path / "out", tmp_path / "runs.sqlite"
    fitting.main(fitting.Arguments(published=logs, out=out, store=store))
    scores, reads = pd.read_csv(out / "scores.csv"), pd.read_csv(out / "reads.csv")
    assert set(scores["runs"]) == {"fitted to, left out in turn", "judged on", "all, left out in turn"}
    assert set(reads["fold"]) == {"grokfss 79", "denserho 59 set", "tfnoln 59"}
    for _, row in scores[scores["statistic"] == "error"].iterrows():
        assert row["low"] <= row["value"] <= row["high"] or np.isinf(row["high"])
    here = reads[(reads["group"] == "MLP") & (reads["share"] == 0.5)]
    [error] = scores[
        (scores["runs"] == "judged on")
        & (scores["group"] == "MLP")
        & (scores["share"] == 0.5)
        & (scores["predictor"] == "forecast")
        & (scores["statistic"] == "error")
    ]["value"]
    assert error == pytest.approx(np.median(np.abs(here["median"] - here["k"])))
    model = load_model(out / "model.npz")
    assert "42 logs of 6 settings" in model.facts["basis"]
    assert forecast(runs[0].log.until(100), model=model).phase in ("learning", "memorised", "generalising")
    with pytest.raises(ConfigError, match="`path` must have a column of steps"):
        fitting.published(tmp_path / "out")


def test_folds_are_not_told_by_themselves(small, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of a fold comes from trees that did not see it."""
    reads, found, _ = small
    seen = []

    def fitted(some: pd.DataFrame, *_: object) -> str:
        seen.append(set(some["fold"]))
        return "model"

    monkeypatch.setattr(fitting, "fit", fitted)
    monkeypatch.setattr(fitting, "said", lambda model, some, _: some)
    turns = cross_validated(reads, found)
    assert seen == [{"fold 1", "fold 2"}, {"fold 0", "fold 2"}, {"fold 0", "fold 1"}]
    assert len(turns) == len(reads)
