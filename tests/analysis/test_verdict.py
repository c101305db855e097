"""Each rule on a log where it must speak and on one where it must not; how many seeds
are needed, against simulated tests.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import efftheory as et
from analysis.logs.log import Log
from analysis.verdict import judge, seeds_needed
from analysis.verdict.rules import RATIOS, RULES, threshold
from analysis.verdict.seeds import spread
from neural import ConfigError
from tests.tolerances import POWER

STEPS = np.geomspace(1, 1e4, 81)
LATE = STEPS >= 5e3
DATA = Path(__file__).parents[2] / "docs" / "data"


def log(known: dict[str, Any] | None = None, memorises: float = 100, **curves: Any) -> Log:
    """A run that memorises, and does not generalise."""
    usual = {
        "train_accuracy": np.where(memorises <= STEPS, 1.0, 0.3),
        "test_accuracy": np.full(len(STEPS), 0.1),
        "train_loss": 3 / (1 + STEPS),
        "test_loss": np.full(len(STEPS), 5.0),
        "weight_norm": np.full(len(STEPS), 20.0),
    }
    there = {name: curve for name, curve in {**usual, **curves}.items() if curve is not None}
    return Log(name="0", steps=STEPS, curves=there, settings=known or {})


def last(looks: int, curve: Any, value: float = math.nan) -> Any:
    """A curve whose last looks are another value."""
    return np.where(np.arange(len(STEPS)) >= len(STEPS) - looks, value, curve)


def spikes(*steps: float) -> Any:
    """A loss of 1e-3 that is 1 at these steps."""
    loss = np.full(len(STEPS), 1e-3)
    loss[np.searchsorted(STEPS, steps)] = 1.0
    return loss


RINGS, LINE, S3 = et.modular_addition(7, tables=2), et.addition(10), et.symmetric_group(3)
S4 = et.symmetric_group(4)
HALF = np.arange(49) < 25  # the first rows
FEW, MOST = LINE.random_training_set(12, 0), LINE.random_training_set(45, 58)
TOY = {"repr_lr": 1e-3, "decoder_lr": 1e-3, "budget": 10_000}
SLOW = TOY | {"decoder_lr": 1e-5}
GROWS = 20 * STEPS**0.1
FALLS = 20 / STEPS**0.2
LATER = np.where(STEPS < 1e3, math.nan, 20.0)
SELDOM = np.where(np.arange(len(STEPS)) % 2, 1.0, math.nan)

# By rule: the log and the task with which it speaks, and with which it finds nothing.
CASES: dict[str, list[tuple[tuple[Log, Any], tuple[Log, Any]]]] = {
    "divergence": [
        ((log(train_loss=last(1, 1.0), test_loss=last(1, 1.0)), None), (log(), None)),
        ((log(train_loss=last(1, 1.0, math.inf), test_loss=None), None), (log(train_loss=last(1, 1.0)), None)),
        ((log(train_loss=last(3, SELDOM), test_loss=None), None), (log(train_loss=SELDOM, test_loss=None), None)),
    ],
    "number of samples": [
        ((log({"p": 29, "fraction": 0.3}), None), (log({"p": 29, "fraction": 0.4}), None)),
        ((log({"p": 29, "n_train": 330}), "modular_addition"), (log({"p": 29, "n_train": 340}), "modular_addition")),
        ((log(), (RINGS, HALF)), (log(), (RINGS, np.arange(49) < 48))),
        (
            (log({"n_train": 300, "n_test": 541}), et.modular_addition(29)),
            (log({"n_train": 300}), et.modular_addition(29)),
        ),
        ((log({"fraction": 0.5}), S4), (log({"fraction": 0.7}), S4)),
    ],
    "what samples determine": [
        ((log({"p": 31, "fraction": 0.1}), None), (log({"p": 31, "fraction": 0.2}), None)),
        ((log(), (LINE, FEW)), (log(), (LINE, MOST))),
    ],
    "split": [
        ((log(), (RINGS, HALF)), (log(), (RINGS, RINGS.random_training_set(25, 1)))),
        ((log(), (S3, np.arange(36) < 18)), (log(), (S3, S3.random_training_set(18, 0)))),
    ],
    "weight decay": [((log({"weight_decay": 0.0}), None), (log({"weight_decay": 0.1}), None))],
    "weight norm": [
        ((log(weight_norm=GROWS), None), (log({"weight_decay": 1.0}, weight_norm=GROWS), None)),
        ((log(weight_norm=GROWS), {}), (log(), None)),
        ((log(weight_norm=GROWS), {}), (log(memorises=3e3, weight_norm=GROWS), None)),
    ],
    "too much decay": [
        ((log(memorises=1e9, weight_norm=FALLS), None), (log(weight_norm=FALLS), None)),
        ((log(memorises=1e9, weight_norm=FALLS), None), (log(memorises=1e9), None)),
        ((log(memorises=1e9, weight_norm=FALLS), None), (log(memorises=1e9, weight_norm=LATER), None)),
        ((log(memorises=1e9, weight_norm=FALLS), None), (log({"weight_decay": 0.0}, 1e9, weight_norm=FALLS), None)),
    ],
    "learning rates": [((log(TOY), None), (log(SLOW), None))],
    "theory with a decoder": [((log(TOY | {"decoder_lr": 1e-2}), (LINE, MOST)), (log(SLOW), (LINE, MOST)))],
    "precision": [
        ((log(train_loss=np.where(LATE, 1e-8, 1.0)), None), (log(train_loss=np.where(STEPS >= 9e3, 1e-8, 1.0)), None)),
        (
            (log(softmax_lost_float32=np.where(LATE, 0.6, 0)), {}),
            (log({}, softmax_lost_float32=np.where(LATE, 0.4, 0)), None),
        ),
        ((log(train_loss=np.zeros(81)), None), (log({"dtype": "float64"}, train_loss=np.zeros(81)), None)),
        ((log(train_loss=np.zeros(81)), None), (log({"loss": "mse"}, train_loss=np.zeros(81)), None)),
    ],
    "slingshots": [
        (
            (log(train_loss=spikes(500, 5000), weight_norm=GROWS), None),
            (log(train_loss=spikes(500), weight_norm=GROWS), None),
        ),
        (
            (log(train_loss=spikes(500, 5000), last_layer_norm=GROWS), None),
            (log(train_loss=spikes(10, 5000), weight_norm=GROWS), None),
        ),
    ],
    "falling test accuracy": [
        (
            (log(test_accuracy=np.where(STEPS < 2e3, 0.3, 0.2)), None),
            (log(test_accuracy=np.where(STEPS < 2e3, 0.22, 0.2)), None),
        ),
        (
            (log(test_accuracy=np.where(STEPS < 2e3, 0.3, 0.2)), None),
            (log(test_accuracy=np.where(STEPS < 50, 0.3, 0.2)), None),
        ),
    ],
}


@pytest.mark.parametrize(("name", "pair"), [(name, pair) for name, pairs in CASES.items() for pair in pairs])
def test_a_rule_speaks_where_it_must(name: str, pair: Any) -> None:
    (rule,) = (one for one in RULES if one.name == name)
    for (run, task), speaks in zip(pair, (True, False), strict=True):
        verdict = judge(run, task)
        assert (name in verdict.clear) != speaks
        assert (rule.remedy in [one.text for one in verdict.of("remedy")]) == speaks or name == "learning rates"
        evidence = [one.evidence for one in verdict.of("finding")]
        assert not speaks or rule.evidence in evidence


def test_every_rule_is_tried() -> None:
    assert set(CASES) == {rule.name for rule in RULES}


def test_what_a_rule_lacks_is_said() -> None:
    """Nothing but steps and a training loss: no rule invents an answer."""
    verdict = judge(log(train_accuracy=None, test_accuracy=None, weight_norm=None))
    unknown = {one.text: one.evidence for one in verdict.of("not known")}
    assert verdict.clear == ("divergence",)
    assert unknown["whether it generalises"] == "test accuracy was never logged"
    assert "no weight_decay" in unknown["weight decay"]
    assert "repr_lr" in unknown["learning rates"]
    assert len(unknown) == len(RULES) + 1 - len(verdict.clear)


def test_what_was_not_logged_is_not_said() -> None:
    assert "whether it has memorised was not logged" in str(judge(log(train_accuracy=None)))
    assert "it has not memorised" in str(judge(log(memorises=math.inf)))


def test_a_run_that_generalised_has_nothing_in_its_way() -> None:
    done = log({"p": 29, "fraction": 0.1, "weight_decay": 0.0}, test_accuracy=np.where(LATE, 1.0, 0.1))
    verdict = judge(done)
    assert verdict.sentences[0].text == f"It generalised at step {done.generalised_at:,.0f}."
    assert not verdict.of("finding") + verdict.of("not known")


@pytest.mark.parametrize(
    ("median", "low", "high", "says"),
    [
        (15e3, 12e3, 30e3, "5,000 more steps (90 %: 2,000 to 20,000)"),
        (15e3, 9e3, math.inf, "5,000 more steps (90 %: at least 0)"),
        (math.inf, 9e3, math.inf, "It is not foreseen to generalise."),
        (math.nan, math.nan, math.nan, "how much longer (rule)"),
    ],
)
def test_a_forecast_says_how_much_longer(median: float, low: float, high: float, says: str) -> None:
    chance = math.nan if math.isnan(median) else 0.5
    times = {"median": median, "low": low, "high": high}
    told = SimpleNamespace(step=1e4, phase="memorised", **times, probability=chance, basis="rule")
    assert says in " ".join(str(judge(log(), forecast=told)).split())
    told.phase, told.basis = "generalising", "<b>"
    verdict = judge(log(), forecast=told)
    assert verdict.sentences[0].text == "By step 10,000 it has begun to generalise."
    assert "<b>" not in verdict._repr_html_()


def test_the_law_is_that_of_its_source() -> None:
    """2.7482 ln M / M, as computed by hand; S5's largest representation has 6."""
    found = [threshold(et.modular_addition(p, tables=2)) for p in (29, 41, 59, 79)]
    assert np.round(found, 3).tolist() == [0.319, 0.249, 0.190, 0.152]
    assert threshold(et.modular_addition(29)) == found[0]
    assert round(threshold(et.symmetric_group(5)), 3) == 0.329  # 3 times 0.1096
    assert "of groups" in str(judge(log({"fraction": 0.1}), LINE))


def test_the_networks_behind_the_rates_are_those_of_the_page() -> None:
    runs = pd.read_csv(DATA / "phases_lr_lr.csv")
    ratio, done = runs.decoder_lr / runs.repr_lr, runs.phase.isin(["grokking", "comprehension"])
    low = 0.0
    for most, generalised, of in RATIOS:
        chosen = (low < ratio) & (ratio <= most)
        assert (generalised, of) == (done[chosen].sum(), chosen.sum())
        low = most


def test_what_was_known_from_the_start_counts() -> None:
    """Memorised at step 0, which is no missing number."""
    done = replace(log(memorises=0, train_loss=np.zeros(81)), steps=np.append(0, STEPS[1:]))
    assert any("saturated" in one.text for one in judge(done).of("finding"))


def test_a_verdict_is_read() -> None:
    verdict = judge(log({"p": 29, "fraction": 0.3}, train_loss=spikes(500, 5000), weight_norm=GROWS))
    assert max(map(len, str(verdict).splitlines())) <= 88
    for one in verdict.of("finding") + verdict.of("remedy"):
        assert f"{one.text} ({one.evidence})" in " ".join(str(verdict).split())
    assert "Nothing found" not in str(verdict)
    assert "Nothing found" in str(judge(log({"p": 29, "fraction": 0.6})))
    named = replace(log(), settings={"fraction": 0.2})
    page = judge(named, et.from_table([[0, 1], [1, 0]], name="<b>"))._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("run", "task", "argument"),
    [
        (log(), 7, "task"),
        (log(), (LINE, np.ones(54, bool)), "task"),
        (log(), (LINE, np.ones(55)), "task"),
        (log({"fraction": 40}), None, "fraction"),
        (log({"fraction": "0.4"}), None, "fraction"),
        (log().until(0), None, "log"),
        ([log()], None, "log"),
    ],
)
def test_what_is_no_task_is_refused(run: Any, task: Any, argument: str) -> None:
    with pytest.raises(ConfigError, match=f"^`{argument}` must"):
        judge(run, task)


def seen(spread: float, ratio: float, finished: float, n: int, draws: int = 1500) -> float:
    """The share of draws in which Mann and Whitney's test sees the ratio, n a side."""
    rng = np.random.default_rng(n)
    x, y = rng.normal(0, spread, (draws, n)), rng.normal(math.log(ratio), spread, (draws, n))
    end = spread * stats.norm.ppf(finished)
    found = stats.mannwhitneyu(
        np.minimum(x, end), np.minimum(y, end), axis=1, method="asymptotic", use_continuity=False
    )
    return float((found.pvalue < 0.05).mean())


@settings(max_examples=15)
@given(st.floats(0.05, 0.5), st.floats(0.5, 1.5), st.sampled_from([0.5, 0.7, 0.9, 1.0]))
def test_so_many_seeds_see_it(spread: float, shift: float, finished: float) -> None:
    """With the power that was asked for, which half as many do not have."""
    ratio = math.exp(shift * spread)
    n = seeds_needed(spread, ratio, finished)
    assert 0.8 - POWER < seen(spread, ratio, finished, n) < 0.8 + POWER
    assert seen(spread, ratio, finished, n // 2) < 0.7


def test_more_power_a_smaller_effect_and_censoring_need_more_seeds() -> None:
    usual = seeds_needed(0.2, 1.2)
    more = [seeds_needed(0.2, 1.2, power=0.9), seeds_needed(0.2, 1.2, level=0.01), seeds_needed(0.2, 1.2, 0.3)]
    assert min(*more, seeds_needed(0.2, 1.1), seeds_needed(0.3, 1.2)) > usual
    for wrong in ({"spread": 0.0, "ratio": 2.0}, {"spread": 0.1, "ratio": 1.0}):
        with pytest.raises(et.ArgumentError):
            seeds_needed(**wrong)


def finished_at(step: float, end: float) -> Log:
    """A log of two looks, the latter at `step` or, if that is earlier, the end."""
    done = float(step <= end)
    return Log(name="0", steps=np.array([1.0, min(step, end)]), curves={"test_accuracy": np.array([0.0, done])})


def test_the_spread_is_that_of_the_seeds() -> None:
    """Without censoring the sample's standard deviation; with it, still the one behind
    the draws, which that of the finished alone is not.
    """
    draws = np.random.default_rng(0).normal(7, 0.3, 400)
    assert spread([finished_at(t, 1e9) for t in np.exp(draws[:9])]) == pytest.approx(draws[:9].std(ddof=1))
    end = math.exp(7.1)
    assert spread([finished_at(t, end) for t in np.exp(draws)]) == pytest.approx(0.3, rel=0.1)
    assert draws[draws < 7.1].std() < 0.25
    few = [finished_at(t, 1e9) for t in (900, 1100, 1300)]
    assert math.isnan(spread(few[:2]))
    assert "Of 2 seeds 2 generalised, too few" in str(judge(few[0], others=few[1:2]))
    assert "Of 3 seeds 3 generalised" in str(judge(few[0], others=few[1:]))
    assert "3 generalised, all at the same step. The seeds" in str(judge(few[0], others=few[:1] * 2))


def test_decay_is_asked_of_classes_alone() -> None:
    """Of a regression the networks behind the rule say nothing."""
    for targets, found in (("classes", 1), ("numbers", 0)):
        said = judge(log({"weight_decay": 0.0, "targets": targets})).of("finding")
        assert sum("no weight decay" in one.text for one in said) == found
