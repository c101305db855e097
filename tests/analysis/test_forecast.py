"""The forecast: its numbers by a naive twin and on curves with known answers, its trees
as lightgbm has them, its fit on runs whose times are known, and the command.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import analysis.forecast.fit as fitting
from analysis.forecast.__main__ import PROG, Arguments, main, picture
from analysis.forecast.features import LINES, NAMES, OCTAVES, features
from analysis.forecast.fit import RULES, SHARES, Run
from analysis.forecast.model import FURTHEST, GRID, LOOKS, Model, forecast, load_model, save_model, without
from analysis.logs.log import Log
from neural import ConfigError
from neural.command import run_command
from tests.tolerances import LINALG

COLUMNS = ["run", "step", "phase", "median", "low", "high", "probability", "basis"]
ALL = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "weight_norm")
SPACED = np.unique(np.geomspace(1, 4_000, 90).round())
DOUBLED = 2.0 ** np.arange(13) - 1  # of these, step + 1 doubles


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def log(steps: Any = SPACED, **curves: Any) -> Log:
    return Log(name="0", steps=np.asarray(steps, float), curves={name: np.array(y) for name, y in curves.items()})


def run(time: float, end: float, steps: Any = None, speed: float = 3.0, name: str = "0") -> Log:
    """A run that has memorised at a tenth of `time`, at which its test accuracy is 90
    %: in ln(step) a logistic curve. Its test loss peaks, and falls in a line to zero at
    1.2 times `time`.
    """
    s = np.unique(np.geomspace(1, end, 100).round()) if steps is None else np.asarray(steps, float)
    test = 1 / (1 + 9.0**-1 * np.exp(-speed * np.log(np.maximum(s, 0.5) / time)))
    up = np.minimum(s / (0.1 * time), 1)
    curves = {
        "train_loss": np.exp(-5 * s / time),
        "test_loss": np.maximum(np.minimum(3 + 4 * up, 7 * (1 - s / (1.2 * time)) / (1 - 0.1 / 1.2)), 1e-3),
        "train_accuracy": up,
        "test_accuracy": test,
        "weight_norm": 60 - 20 * np.minimum(s / time, 2) ** 0.5,
    }
    return Log(name=name, steps=s, curves=curves)


def with_curves(seen: Log, **curves: Any) -> Log:
    return replace(seen, curves={**seen.curves, **curves})


def of(seen: Log) -> dict[str, float]:
    return dict(zip(NAMES, features(seen).tolist(), strict=True))


def written(path: Path, *logs: Log, **called: str) -> Path:
    """CSV of some logs, with a column run where they are several."""
    parts = [pd.DataFrame({"step": one.steps} | dict(one.curves)) for one in logs]
    if len(parts) > 1:
        parts = [part.assign(run=f"r{k}") for k, part in enumerate(parts)]
    pd.concat(parts).rename(columns=called).to_csv(path, index=False)
    return path


# ---- features


def naive(seen: Log) -> dict[str, float]:
    """All features once more, number by number."""
    now, found = seen.steps[-1] + 1, dict.fromkeys(NAMES, math.nan)

    def logit(share: float) -> float:
        share = min(max(share, 0.001), 0.999)
        return math.log(share / (1 - share))

    def line(way: float, gained: float, octaves: float) -> float:
        if way <= 0 or gained / (1 - 0.5**octaves) >= way / 0.01:
            return math.log(0.01)
        return math.log(min(way * (1 - 0.5**octaves) / gained, 1e3)) if gained > 0 else math.log(1e3)

    looks: dict[str, list[tuple[float, float]]] = {}
    for name, short in (*zip(ALL, ("train", "loss", "shares", "accuracy", "norm"), strict=True),):
        scale: Callable[[float], float] = logit if "accuracy" in name else lambda y: math.log(max(y, 1e-9))
        pairs = zip(seen.steps, seen.curves.get(name, []), strict=False)
        looks[short] = [(step + 1, scale(y)) for step, y in pairs if math.isfinite(y)]

    def ago(short: str, octaves: float = 0.0) -> float:
        at = now / 2**octaves
        near = [y for step, y in looks[short] if -1 / 16 <= math.log2(step / at) < 1 / 16]
        if near:
            return sum(near) / len(near)
        before = [one for one in looks[short] if one[0] <= at] or looks[short][:1]
        after = [one for one in looks[short] if one[0] > at] or looks[short][-1:]
        (a, y), (b, z) = before[-1], after[0]
        part = min(max(math.log(at / a) / math.log(b / a), 0), 1) if a < b else 0
        return y + (z - y) * part

    for short in ("loss", "train", "accuracy", "norm"):
        if len(looks[short]) < 3:
            continue
        first, values = looks[short][0][1], [y for _, y in looks[short]]
        for octaves in OCTAVES:
            found[f"{short}.change{octaves:g}"] = ago(short) - ago(short, octaves)
        if short in ("loss", "norm"):
            found[f"{short}.below_peak"] = max(values) - ago(short)
        if short == "loss":
            found |= {"loss.now": ago(short) - first, "loss.peak": max(values) - first}
            found["loss.since_peak"] = math.log(now / looks[short][values.index(max(values))][0])
        if short == "train":
            found["train.loss"] = ago(short) - first
        if short == "accuracy":
            found |= {"accuracy.now": ago(short), "accuracy.risen": ago(short) - first}
        for octaves in LINES:
            if short == "accuracy":
                gained = ago(short) - ago(short, octaves)
                found[f"accuracy.line{octaves:g}"] = line(logit(seen.generalised) - ago(short), gained, octaves)
            if short == "loss":
                gained = math.exp(ago(short, octaves) - ago(short)) - 1
                found[f"loss.line{octaves:g}"] = line(1.0, gained, octaves)
    if len(looks["shares"]) >= 3:
        high = [step for step, y in zip(seen.steps, seen.curves["train_accuracy"], strict=True) if y >= seen.memorised]
        found["train.accuracy"] = ago("shares")
        found["train.since_memorised"] = math.log(now / (high[0] + 1)) if high else -1.0
    return found


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Any log: blanks, lacking curves, any steps."""
    n = draw(st.integers(1, 20))
    steps = sorted(draw(st.sets(st.integers(0, 10**5), min_size=n, max_size=n)))
    curves = {}
    for name in draw(st.sets(st.sampled_from(ALL))):
        values = st.floats(0, 1) if name.endswith("accuracy") else st.floats(0, 1e6)
        curves[name] = draw(st.lists(values | st.just(math.nan), min_size=n, max_size=n))
    return log(steps, **curves)


@given(logs())
def test_features_are_those_of_a_naive_twin(seen: Log) -> None:
    assert of(seen) == pytest.approx(naive(seen), rel=1e-9, abs=1e-9, nan_ok=True)


@given(logs(), st.floats(0, 1e5))
def test_nothing_that_comes_later_counts(seen: Log, step: float) -> None:
    early = seen.until(max(step, seen.steps[0]))
    n = len(early.steps)
    later = {name: np.append(curve[:n], np.full(len(curve) - n, 0.5)) for name, curve in seen.curves.items()}
    other = replace(seen, curves=later).until(max(step, seen.steps[0]))
    np.testing.assert_array_equal(features(early), features(other))
    assert forecast(early) == pytest.approx(forecast(other)) or np.isnan(forecast(early).probability)


def test_changes_of_an_exponential_loss() -> None:
    """L = e^(-s / 1000), of which an octave ago, at (s + 1) / 2, ln L was higher by
    (s + 1) / 2000.
    """
    found = of(log(DOUBLED, test_loss=np.exp(-DOUBLED / 1000)))
    assert found["loss.change1"] == pytest.approx(-4.096 / 2, abs=LINALG)
    assert found["loss.change2"] == pytest.approx(-4.096 * 3 / 4, abs=LINALG)
    assert found["loss.change3"] == pytest.approx(-4.096 * 7 / 8, abs=LINALG)
    assert (found["loss.peak"], found["loss.since_peak"]) == (0, pytest.approx(math.log(4096)))


@given(st.floats(5_000, 400_000))
def test_a_line_to_zero_meets_it_where_it_does(end: float) -> None:
    """In units of the steps so far, 4096 when counted from one."""
    found = of(log(DOUBLED, test_loss=1 - (DOUBLED + 1) / end))
    for octaves in (1, 2):
        assert found[f"loss.line{octaves}"] == pytest.approx(math.log((end - 4096) / 4096), abs=1e-9)


@given(st.floats(1.0, 4.0), st.floats(-3, 1))
def test_a_logistic_accuracy(slope: float, start: float) -> None:
    """In ln(step + 1): its logit gains the same in each octave."""
    logits = start - slope * (12 - np.arange(13)) * 0.1
    found = of(log(DOUBLED, test_accuracy=1 / (1 + np.exp(-logits))))
    for octaves in (1, 2, 3):
        assert found[f"accuracy.change{octaves}"] == pytest.approx(0.1 * slope * octaves, abs=1e-9)
    assert found["accuracy.line1"] == pytest.approx(math.log((math.log(9) - start) / (0.2 * slope)), abs=1e-9)


def test_what_is_not_logged_is_nan() -> None:
    whole = run(5_000, 2_000)
    assert np.isfinite(features(whole)).all()
    parts = {"loss": "test_loss", "train": "train_loss", "accuracy": "test_accuracy", "norm": "weight_norm"}
    for part, name in parts.items():
        found = of(replace(whole, curves={other: y for other, y in whole.curves.items() if other != name}))
        lacking = {name for name in NAMES if name.startswith(f"{part}.")} - {"train.accuracy", "train.since_memorised"}
        assert {name for name, value in found.items() if math.isnan(value)} == lacking
    assert np.isnan(features(log(SPACED[:2], test_loss=[1, 2]))).all()


def test_how_often_it_is_logged_does_not_count() -> None:
    sparse, dense = (of(run(5_000, 2_000, steps)) for steps in (None, np.arange(1, 2_001)))
    for name in NAMES:  # a window of an eighth of an octave has more of a curve or less
        assert sparse[name] == pytest.approx(dense[name], abs=0.12), name


def test_metrics_at_steps_of_their_own() -> None:
    """Train metrics at even rows, test metrics at odd ones."""
    whole = run(4_990, 12_000, np.arange(0, 12_001, 25))
    curves = {name: curve.copy() for name, curve in whole.curves.items()}
    for name, curve in curves.items():
        curve[int("test" not in name) :: 2] = np.nan
    mixed = replace(whole, curves=curves)
    early, late = of(mixed.until(2_000)), of(whole.until(2_000))
    for name in NAMES:
        assert early[name] == pytest.approx(late[name], abs=0.12), name
    assert [forecast(one.until(2_000)).phase for one in (whole, mixed)] == ["generalising"] * 2
    assert (whole.generalised_at, mixed.generalised_at) == (5_000, 5_025)
    assert forecast(mixed).phase == "generalised"


# ---- the model


@dataclass
class Fitted:
    """Trees that were fitted to made-up runs, and what lightgbm made of them."""

    reads: pd.DataFrame
    found: NDArray[np.float64]
    model: Model
    booster: lightgbm.Booster


def made_up(seed: int, n: int) -> list[Run]:
    """Runs of six settings; a fifth of them end before they generalise."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        time, slope = np.exp(rng.uniform(np.log(500), np.log(20_000))), rng.uniform(1.5, 4)
        one = run(time, time * rng.uniform(1.2, 3) if k % 5 else time * 0.9, speed=slope, name=str(k))
        fold = "ABC"[k % 6 // 2]
        found.append(Run(one, f"setting {k % 6}", "made up", fold, False, one.generalised_at or np.inf))
    return found


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Few trees of few leaves, quickly fitted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "N_TREES", 40)
        patch.setattr(fitting, "_KS", 4)
        patch.setattr(fitting, "BOOTSTRAPS", 50)
        patch.setattr(fitting, "TREES", fitting.TREES | {"min_data_in_leaf": 40, "learning_rate": 0.2})
        yield


@pytest.fixture(scope="module")
def fitted(small: None) -> Fitted:
    boosters = []
    train = lightgbm.train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lightgbm, "train", lambda *words: boosters.append(train(*words)) or boosters[0])
        reads, found = fitting.table_of(made_up(0, 72))
        model = fitting.fit(reads, found, stretch=1.5, alarm=0.4)
    return Fitted(reads, found, model, boosters[0])


def test_it_is_the_mean_of_what_lightgbm_says_of_each_look(fitted: Fitted) -> None:
    rng = np.random.default_rng(0)
    seen = fitted.found[::40]
    seen = np.where(rng.random(seen.shape) < 0.2, np.nan, seen + rng.normal(0, 0.1, seen.shape))
    seen[0] = np.nan
    by_hand = np.zeros((len(seen), len(GRID)))
    for parts in LOOKS:
        for j, k in enumerate(GRID):
            rows = np.column_stack([without(seen, parts), np.full(len(seen), k)])
            by_hand[:, j] += fitted.booster.predict(rows) / len(LOOKS)  # type: ignore[operator]
    np.testing.assert_allclose(fitted.model.cdf(seen), by_hand, atol=LINALG)


@given(st.integers(0, 10**6), st.floats(10, 1e5), st.floats(10, 1e5))
def test_what_is_said_hangs_together(fitted: Fitted, seed: int, end: float, horizon: float) -> None:
    rng = np.random.default_rng(seed)
    one = run(end * rng.uniform(1.05, 20), end, speed=rng.uniform(1, 5))
    for model in (fitted.model, load_model()):
        cdf = model.cdf(features(one)[None])[0]
        assert (np.diff(cdf) >= 0).all()
        assert 0 <= cdf[0] <= cdf[-1] <= 1
        sooner, later = (forecast(one, h, model) for h in (horizon, 2 * horizon))
        assert (sooner.low, sooner.median, sooner.high) == (later.low, later.median, later.high)
        assert sooner.step <= sooner.low <= sooner.median
        assert sooner.median <= sooner.high or np.isinf(sooner.median)
        if sooner.basis.startswith("trees"):
            assert 0 <= sooner.probability <= later.probability <= 1
            assert sooner.probability == pytest.approx(np.interp(np.log1p(horizon / sooner.step), GRID, cdf))


def test_other_runs_generalise_when_it_says(fitted: Fitted) -> None:
    reads, found = fitting.table_of(made_up(1, 60))
    stretch = fitting.stretched(fitting.cross_validated(fitted.reads, fitted.found))
    judged = fitting.said(replace(fitted.model, stretch=stretch), reads, found)
    judged = judged[np.isfinite(judged["time"]) & (judged["share"] > 0)]
    covered = (judged["low"] <= judged["k"]) & (judged["k"] <= judged["high"])
    assert 0.8 <= covered.mean() <= 1
    assert (judged["median"] - judged["k"]).abs().median() < (judged["twice the steps"] - judged["k"]).abs().median()


def test_a_read_is_of_the_log_until_then(fitted: Fitted) -> None:
    runs = made_up(0, 72)
    for k in range(0, len(fitted.reads), 50):
        row = fitted.reads.iloc[k]
        of_it = runs[row["run"]].log
        np.testing.assert_array_equal(fitted.found[k], features(of_it.until(row["step"])))
        assert row["step"] < row["time"]
        assert row["time"] == (of_it.generalised_at or np.inf)
    assert set(fitted.reads["share"]) == {0.0, *SHARES}


def test_the_stretch_is_what_nine_in_ten_need() -> None:
    """Intervals of 1 to both sides of the median 5; of 11 runs the k-th is k away, by
    turns above it and below.
    """
    needs = np.arange(1, 12)
    rows = pd.DataFrame({"share": 0.5, "time": 9.0, "fold": "A", "run": needs, "median": 5.0, "low": 4.0, "high": 6.0})
    rows["k"] = 5.0 + np.where(needs % 2, needs, -needs)
    assert fitting.stretched(rows) == 10
    assert fitting.stretched(rows.assign(high=7.0)) == 8  # of 2, 4, 6, 8, 10 below it and 0.5, ..., 5.5 above
    assert fitting.stretched(rows.assign(high=np.inf)) == 8  # which any step above it is within
    others = [rows.assign(share=0.0, k=99.0), rows.assign(time=np.inf, k=99.0)]  # of no share, or never
    assert fitting.stretched(pd.concat([rows, *others])) == 10
    easy = rows.assign(fold="B", k=5.0 + needs / 100)
    assert fitting.stretched(pd.concat([rows, *[easy] * 9])) == 9  # a fold counts as one, however many it has


def test_an_interval_is_stretched_about_its_median() -> None:
    """P rises in a line from 0 to the last value, at FURTHEST."""
    model = replace(load_model(), stretch=2.0)
    rising = GRID / FURTHEST
    assert model.interval(rising) == pytest.approx((FURTHEST / 2, 0.0, FURTHEST * (0.5 + 2 * 0.45)))
    narrow = replace(model, stretch=0.5).interval(rising)
    assert narrow == pytest.approx((FURTHEST / 2, FURTHEST * (0.5 - 0.5 * 0.45), FURTHEST * (0.5 + 0.5 * 0.45)))
    assert model.interval(rising * 0.9) == pytest.approx((FURTHEST / 1.8, 0.0, np.inf))
    assert model.interval(rising * 0.2) == pytest.approx((np.inf, FURTHEST / 4, np.inf))


def test_intervals_are_widened_about_their_median() -> None:
    rows = pd.DataFrame({"median": [1.0, 1.0, np.inf], "low": [0.5, 0.2, 2.0], "high": [2.0, np.inf, np.inf]})
    wide = fitting.widened(rows, 1.5)
    assert wide["low"].tolist() == [0.25, 0.0, 2.0]
    assert wide["high"].tolist() == [2.5, np.inf, np.inf]
    assert wide["median"].equals(rows["median"])


def test_an_alarm_is_rare_where_nothing_comes() -> None:
    n = np.arange(101)
    never = pd.DataFrame({"setting": "a", "time": np.inf, "run": n, "doubled": n / 100})
    earlier = never.assign(doubled=0.0)
    comes = pd.DataFrame({"setting": "b", "time": [7.0, np.inf], "run": [200, 201], "doubled": 1.0})
    assert fitting.threshold(pd.concat([never, earlier, comes])) == pytest.approx(0.95)


def test_the_same_scores_each_time(fitted: Fitted) -> None:
    judged = fitting.said(fitted.model, fitted.reads, fitted.found)
    first = fitting.scored(judged, 0.4, "these")
    assert first == fitting.scored(judged, 0.4, "these")
    assert all(row["low"] <= row["value"] <= row["high"] for row in first)
    errors = [row for row in first if (row["share"], row["predictor"], row["statistic"]) == (0.5, "forecast", "error")]
    here = judged[(judged["share"] == 0.5) & np.isfinite(judged["time"])]
    assert [row["value"] for row in errors] == [pytest.approx((here["median"] - here["k"]).abs().median())]
    assert (errors[0]["n"], errors[0]["settings"]) == (len(here), here["setting"].nunique())


def test_lines_of_the_rules() -> None:
    """Each rule is right where its curve is a line."""
    steps = np.arange(1.0, 101.0)
    one = log(
        steps,
        test_loss=2 - steps / 100,
        test_accuracy=1 / (1 + np.exp(-(steps / 50 - 1))),
    )
    assert np.exp(RULES["test loss"](one)) == pytest.approx(2)
    assert np.exp(RULES["logit of test accuracy"](one)) == pytest.approx((1 + math.log(9)) / 2)
    falling = log(steps, test_loss=np.exp(-steps / 100))
    assert np.exp(RULES["ln test loss"](falling)) == pytest.approx(math.log(10))
    assert RULES["test loss"](log(steps, test_loss=1 + steps)) == np.inf
    assert RULES["test loss"](log([7.0], test_loss=[1.0])) == np.inf


# ---- forecast()

USUAL = run(8_000, 5_000)
PHASES = {
    "learning": run(50_000, 4_000),
    "memorised": run(20_000, 4_000, speed=4.0),
    "generalising": run(8_000, 5_000),
    "generalised": run(3_000, 9_000),
    "diverged": with_curves(
        USUAL, **{name: np.where(USUAL.steps < 500, 1, np.inf) for name in ("train_loss", "test_loss")}
    ),
}


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase(phase: str) -> None:
    said = forecast(PHASES[phase])
    assert said.phase == phase
    if phase == "generalised":
        at = PHASES[phase].generalised_at
        assert (said.median, said.low, said.high, said.probability) == (at, at, at, 1)
        assert said.basis == "seen in the log"
    if phase == "diverged":
        assert said.basis.startswith("not known")
        assert (said.median, said.low, said.high) == (np.inf, said.step, np.inf)
        assert np.isnan(said.probability)


def test_what_is_not_known_is_said_so() -> None:
    few = forecast(run(8_000, 5_000).until(6))
    assert few.basis.startswith("not known: ")
    assert few.basis.endswith("fewer than 8")
    strange = run(8_000, 5_000)
    strange = with_curves(strange, weight_norm=1.1 ** -np.arange(len(strange.steps)))
    assert "features lie outside" in forecast(strange).basis
    usual = run(8_000, 5_000)
    untested = forecast(replace(usual, curves={"train_accuracy": usual.curves["train_accuracy"]}))
    assert untested.basis == "not known: 0 looks, fewer than 8"
    for said in (few, untested, forecast(strange)):
        assert np.isnan(said.probability)
        assert (said.median, said.low, said.high) == (np.inf, said.step, np.inf)


@pytest.mark.parametrize(("times", "foreseen"), [(7.9, True), (8.1, False)])
def test_a_median_beyond_eight_times_the_log_is_not_foreseen(
    monkeypatch: pytest.MonkeyPatch, times: float, foreseen: bool
) -> None:
    """P rises from 0 to 1 in a line, by a half where there are `times` more steps."""
    rising = np.minimum(GRID / (2 * math.log(times)), 1)
    monkeypatch.setattr(Model, "cdf", lambda self, found: rising[None])
    said, step = forecast(PHASES["generalising"]), PHASES["generalising"].steps[-1]
    assert said.median == (pytest.approx(times * step) if foreseen else np.inf)
    assert said.probability == pytest.approx(math.log(2) / (2 * math.log(times)), abs=LINALG)
    assert step <= said.low < 8 * step < said.high


@pytest.mark.parametrize("horizon", [0, -1.0, np.nan])
def test_a_horizon_is_ahead(horizon: float) -> None:
    with pytest.raises(ConfigError, match="`horizon` must be above 0"):
        forecast(PHASES["learning"], horizon)


def test_a_log_has_a_step() -> None:
    with pytest.raises(ConfigError, match="`log` must have a step"):
        forecast(log([], test_accuracy=[]))


def test_a_model_is_read_as_it_was_left(fitted: Fitted, tmp_path: Path) -> None:
    save_model(tmp_path / "model.npz", fitted.model)
    read = load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(read.cdf(fitted.found[:20]), fitted.model.cdf(fitted.found[:20]))
    assert (read.stretch, read.facts) == (1.5, fitted.model.facts)
    assert forecast(run(8_000, 5_000), model=read) == forecast(run(8_000, 5_000), model=fitted.model)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "array", "other", "list", "missing", "folder"])
def test_a_damaged_model_is_one_line(fitted: Fitted, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "model.npz"
    save_model(file, fitted.model)
    raw = file.read_bytes()
    contents = {"cut": raw[:2_000], "flipped": raw[:2_000] + bytes([raw[2_000] ^ 255]) + raw[2_001:]}
    contents |= {"empty": b"", "text": b"no model"}
    if damage in contents:
        file.write_bytes(contents[damage])
    elif damage == "array":
        with file.open("wb") as open_file:
            np.save(open_file, np.ones(3))
    elif damage == "other":
        save_model(file, replace(fitted.model, facts={"features": ["loss.now"]}))
    elif damage == "list":
        np.savez(file, facts=np.array("[1]"))
    else:
        file.unlink()
        if damage == "folder":
            file.mkdir()
    with pytest.raises(ConfigError, match="`model` must be a file that") as told:
        load_model(file)
    assert "\n" not in str(told.value)


# ---- the command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Any]:
    """Run it in this process: exit status, standard output, error, forecasts."""
    out = tmp_path / "out"

    def call(*words: object) -> tuple[int, str, str, pd.DataFrame | None]:
        monkeypatch.setattr(sys, "argv", ["forecast", *map(str, words), "--out", str(out)])
        try:
            run_command(Arguments, main, PROG)
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        there = out / "forecasts.csv"
        return status, captured.out, captured.err, pd.read_csv(there) if there.is_file() else None

    return call


def test_a_log_with_names_of_its_own(command, tmp_path):
    path = written(tmp_path / "run.csv", run(8_000, 5_000), step="wann", test_accuracy="gut", train_accuracy="brav")
    names = ("--columns", "step=wann", "test_accuracy=gut", "train_accuracy=brav")
    status, out, err, rows = command(path, *names, "--horizon", 1_500)
    assert (status, err) == (0, "")
    assert list(rows) == COLUMNS
    said = forecast(run(8_000, 5_000), 1_500)
    assert said.probability < forecast(run(8_000, 5_000)).probability - 0.05
    assert len(rows) == 1
    row = rows.iloc[0]
    assert (row["phase"], row["basis"]) == (said.phase, said.basis)
    assert row[["median", "low", "high"]].tolist() == pytest.approx([said.median, said.low, said.high])
    assert row["probability"] == pytest.approx(said.probability)
    assert f"{said.median:,.0f}" in out
    assert "forecasts.csv, forecasts.png" in out
    assert (tmp_path / "out" / "forecasts.png").read_bytes()[:4] == b"\x89PNG"
    status, _, err, _ = command(path)
    assert (status, err.count("\n")) == (1, 1)


def test_a_picture_has_labels():
    seen = [PHASES["memorised"], PHASES["generalised"], PHASES["diverged"]]
    figure = picture(seen, [forecast(one) for one in seen])
    assert [axes.get_xlabel() for axes in figure.axes] == ["steps"] * 3
    assert figure.axes[0].get_ylabel() == "accuracy"
    assert [axes.get_title() for axes in figure.axes] == [
        f"run 0: {one}" for one in ("memorised", "generalised", "diverged")
    ]
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} >= {"test accuracy", "train accuracy", "last step seen"}


def test_runs_of_a_file_and_of_a_folder(command, tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.forecast.__main__._DRAWN", 2)
    folder = tmp_path / "logs"
    folder.mkdir()
    a = written(folder / "a.csv", *(run(time, 5_000) for time in (2_000, 8_000, 30_000)))
    status, out, _, rows = command(a)
    assert status == 0
    assert list(rows) == COLUMNS
    assert rows["run"].tolist() == ["r0", "r1", "r2"]
    assert rows["phase"].tolist()[:2] == ["generalised", "generalising"]
    written(folder / "b.csv", run(8_000, 4_000))
    status, out, _, rows = command(folder)
    assert status == 0
    assert list(rows) == ["source", *COLUMNS]
    assert [Path(one).name for one in rows["source"]] == ["a.csv"] * 3 + ["b.csv"]
    many = written(folder / "many.csv", *(run(5_000 + 100 * k, 4_000) for k in range(25)))
    status, out, _, rows = command(many)
    assert (status, len(rows)) == (0, 25)
    assert "and 5 more. 25 generalising" in out
    assert "(the first 2 runs)" in out


def test_until_a_step_is_the_log_until_then(command, tmp_path):
    whole = run(8_000, 20_000)
    path = written(tmp_path / "whole.csv", whole)
    cut = written(tmp_path / "cut.csv", whole.until(3_000))
    _, _, _, early = command(path, "--until", 3_000)
    _, _, _, wanted = command(cut)
    pd.testing.assert_frame_equal(early.drop(columns="run"), wanted.drop(columns="run"))
    assert early["step"][0] == whole.until(3_000).steps[-1]
    _, _, _, all_of_it = command(path)
    assert all_of_it["phase"][0] == "generalised"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--until", "0"), "`until` must be a step of the log, which begins at 1"),
        (("--until", "-3"), "`until` must be a step of at least 0"),
        (("--until", "nan"), "`until` must be a step of at least 0"),
        (("--horizon", "0"), "`horizon` must be above 0 steps"),
        (("--horizon", "nan"), "`horizon` must be above 0 steps"),
        (("--columns", "x"), "`columns` must be NAME=COLUMN"),
        (("--columns", "test_accuracy=no"), "`columns` must name columns of"),
        (("--model", "no.npz"), "`model` must be a file"),
    ],
)
def test_wrong_options_are_one_line(command, tmp_path, words, says):
    status, out, err, rows = command(written(tmp_path / "run.csv", run(8_000, 5_000)), *words)
    assert (status, out, rows) == (1, "", None)
    assert err.startswith(f"error: {says}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["", "step,test_acc\n", "step,test_acc\n1,x\n", "a,b\n1,2\n", "step,test_acc\n2,.1\n1,.1\n", "\0\1"]
)
def test_a_broken_log_is_one_line(command, tmp_path, text):
    (tmp_path / "run.csv").write_text(text)
    status, out, err, rows = command(tmp_path / "run.csv")
    assert (status, out, rows) == (1, "", None)
    assert err.startswith("error: `path` must ")
    assert err.count("\n") == 1


def constant(value: float) -> Log:
    return log(**{name: np.full(len(SPACED), value) for name in ALL})


ODD = {
    "zero": constant(0.0),
    "one": constant(1.0),
    "half": constant(0.5),
    "blank but one": log(test_accuracy=[0.5, *[np.nan] * (len(SPACED) - 1)], train_loss=np.full(len(SPACED), np.nan)),
    "epochs": run(60, 50, np.arange(51)),
    "parts of an epoch": replace(run(60, 50, np.arange(51)), steps=np.arange(51) / 1_000),
    "two rows": run(60, 50, [0, 1]),
    "a row": run(60, 50, [5]),
    "a row at 0": run(60, 50, [0]),
    "from 0": run(9_000, 5_000, np.arange(0, 5_000, 50)),
    "from 1000": run(9_000, 5_000, np.arange(1_000, 5_000, 50)),
    "every step": run(9_000, 5_000, np.arange(2_000)),
    "only test accuracy": replace(USUAL, curves={"test_accuracy": USUAL.curves["test_accuracy"]}),
    "no test loss": replace(USUAL, curves={name: y for name, y in USUAL.curves.items() if "loss" not in name}),
    "negative loss": with_curves(USUAL, test_loss=-USUAL.curves["test_loss"]),
    "infinite loss": with_curves(USUAL, test_loss=np.full(len(USUAL.steps), np.inf)),
    "huge loss": with_curves(USUAL, test_loss=np.geomspace(1e300, 1e-12, len(USUAL.steps))),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_logs_get_an_answer(command, tmp_path, odd):
    status, out, err, rows = command(written(tmp_path / "run.csv", ODD[odd]))
    assert (status, err) == (0, "")
    assert list(rows) == COLUMNS
    assert "nan" not in out
    assert (rows["low"] >= rows["step"]).all() or rows["phase"][0] == "generalised"


# ---- the fit


def archive(path: Path, times: list[float], end: float = 9_000, **facts: Any) -> None:
    """A published file: some seeds that generalise at these times."""
    seeds = [run(time, end, np.arange(0, end + 1, 100)) for time in times]
    called = {"train_accuracy": "train_acc", "test_accuracy": "test_acc"}
    curves = {called.get(name, name): np.array([one.curves[name] for one in seeds], np.float32) for name in ALL}
    path.parent.mkdir(exist_ok=True, parents=True)
    np.savez(path, steps=seeds[0].steps.astype(int), **curves, **facts)


def published(folder: Path) -> Path:
    rng = np.random.default_rng(0)

    def times(n: int = 4) -> list[float]:
        return np.exp(rng.uniform(np.log(2_500), np.log(12_000), n)).tolist()

    plain = "_wd1e00_lr1e-03"
    for p in (29, 41, 59, 97):
        archive(folder / "grokfss" / f"adamw_p{p}_a0.30_d128_H256{plain}.npz", times(), p=p, alpha=0.3)
    archive(folder / "grokfss" / "adamw_p59_a0.30_d128_H256_wd3e-01_lr1e-03.npz", times(), p=59, alpha=0.3)
    archive(folder / "grokfss" / f"adamw_p59_a0.15_d128_H256{plain}.npz", [1e9, 2e9], p=59, alpha=0.15)
    archive(folder / "tfgrok" / f"adamw_p71_a0.40_d128_h4_L1_H512{plain}.npz", times(), p=71, alpha=0.4)
    archive(folder / "tfgrok" / f"adamw_p53_a0.40_d128_h4_L1_H512{plain}.npz", times(), p=53, alpha=0.4)
    archive(folder / "tfnoln" / f"adamw_p71_a0.40{plain}.npz", times(), p=71, alpha=0.4)
    archive(folder / "normint" / f"adamw_p59_a0.40{plain}__clamp.npz", times(), p=59, alpha=0.4, arm="clamp")
    archive(folder / "parity" / f"adamw_n30_k3_m1000_H512{plain}__none.npz", times(), n=30, k=3, arm="none")
    archive(folder / "parity" / f"adamw_n30_k3_m1000_H512{plain}__clamp.npz", times(), n=30, k=3, arm="clamp")
    archive(folder / "parity" / f"adamw_n40_k3_m1000_H512{plain}__none.npz", times(), n=40, k=3, arm="none")
    return folder


def test_what_is_fitted_to_and_what_is_judged_on(tmp_path):
    found = {one.setting: one for one in fitting.published(published(tmp_path))}
    plain = {
        setting.replace("_wd1e00_lr1e-03", ""): (one.fold, one.judged)
        for setting, one in found.items()
        if "_wd1e00_lr1e-03" in setting
    }
    assert plain == {
        "grokfss/adamw_p29_a0.30_d128_H256": ("grokfss 29", False),
        "grokfss/adamw_p41_a0.30_d128_H256": ("grokfss 41", False),
        "grokfss/adamw_p59_a0.30_d128_H256": ("grokfss 59", False),
        "grokfss/adamw_p59_a0.15_d128_H256": ("grokfss 59", False),
        "grokfss/adamw_p97_a0.30_d128_H256": ("grokfss 97", True),
        "tfgrok/adamw_p71_a0.40_d128_h4_L1_H512": ("tfgrok 71", False),
        "tfgrok/adamw_p53_a0.40_d128_h4_L1_H512": ("tfgrok 53", True),
        "tfnoln/adamw_p71_a0.40": ("tfnoln 71", True),
        "normint/adamw_p59_a0.40__clamp": ("normint 59 set", True),
        "parity/adamw_n30_k3_m1000_H512__none": ("parity 30", False),
        "parity/adamw_n30_k3_m1000_H512__clamp": ("parity 30 set", True),
        "parity/adamw_n40_k3_m1000_H512__none": ("parity 40", True),
    }
    [other] = [one for setting, one in found.items() if "wd3e-01" in setting]
    assert (other.fold, other.judged) == ("grokfss 59 other rates", False)
    groups = {one.setting.partition("/")[0]: one.group for one in found.values()}
    assert groups["normint"] == "MLP, norm set"
    assert (groups["tfgrok"], groups["tfnoln"]) == ("transformer", "transformer without LayerNorm")
    assert (groups["grokfss"], groups["parity"]) == ("MLP", "parity")
    assert np.isinf(found["grokfss/adamw_p59_a0.15_d128_H256_wd1e00_lr1e-03"].time)


def test_a_fit_from_published_runs_to_a_model(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fitting, "EXPERIMENTS", {name: {} for name in fitting.OWN})
    monkeypatch.setattr(fitting, "N_TREES", 10)
    monkeypatch.setattr(fitting, "READS", 8)
    words = [str(published(tmp_path / "runs")), "--out", str(tmp_path / "fit"), "--store", str(tmp_path / "s.sqlite")]
    monkeypatch.setattr(sys, "argv", ["fit", *words])
    run_command(fitting.Arguments, fitting.main, fitting.PROG, fitting.ERRORS)
    out = capsys.readouterr().out
    assert "50 runs, 26 of them to fit to" in out
    assert sorted(path.name for path in (tmp_path / "fit").iterdir()) == [
        *("model.npz", "reads.csv", "scores.csv", "turns.csv")
    ]
    scores = pd.read_csv(tmp_path / "fit" / "scores.csv")
    assert set(scores["runs"]) == {"fitted to, left out in turn", "judged on", "all, left out in turn"}
    assert {"error", "coverage", "gain over it", "false alarms", "lead, share of the time"} == set(scores["statistic"])
    assert scores["value"].notna().all()
    assert ((scores["low"] <= scores["value"]) & (scores["value"] <= scores["high"])).all()
    judged = pd.read_csv(tmp_path / "fit" / "reads.csv")
    assert set(judged["group"]) >= {"MLP", "transformer", "transformer without LayerNorm", "MLP, norm set", "parity"}
    model = load_model(tmp_path / "fit" / "model.npz")
    assert model.facts["basis"].startswith("trees fitted to ")
    assert forecast(PHASES["generalising"], model=model).phase == "generalising"


def test_a_folder_without_published_runs_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="must be a log or a folder of logs"):
        fitting.published(tmp_path)
    written(tmp_path / "run.csv", run(8_000, 5_000))
    with pytest.raises(
        ConfigError, match=r"`published` must be a folder of published runs, but .*run\.csv names neither"
    ):
        fitting.published(tmp_path)


def test_a_log_without_train_accuracy_is_not_said_to_have_memorised() -> None:
    for phase, said in (("memorised", "learning"), ("generalising", "generalising"), ("generalised", "generalised")):
        curves = {name: curve for name, curve in PHASES[phase].curves.items() if name != "train_accuracy"}
        assert forecast(replace(PHASES[phase], curves=curves)).phase == said


def test_when_a_run_diverged() -> None:
    """At once where every look had a loss; after three looks where some had none, and
    never by a blank beside a test loss.
    """
    lost, every_other = np.where(USUAL.steps < 500, 1, np.nan), np.where(np.arange(len(USUAL.steps)) % 2, 1, np.nan)
    first = USUAL.steps[USUAL.steps >= 500][0]
    alone = {name: curve for name, curve in USUAL.curves.items() if name != "test_loss"}
    assert replace(USUAL, curves=alone | {"train_loss": lost}).diverged_at == first
    assert replace(USUAL, curves=alone | {"train_loss": every_other}).diverged_at is None
    assert replace(USUAL, curves=alone | {"train_loss": every_other * lost}).diverged_at is not None
    assert with_curves(USUAL, train_loss=lost).diverged_at is None
    assert with_curves(USUAL, train_loss=lost, test_loss=lost).diverged_at == first
    assert USUAL.diverged_at is None
    assert PHASES["diverged"].diverged_at == first
