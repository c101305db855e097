"""The theory of rings beside networks: predictions on exact training sets, scores on
made-up times, and the command from end to end.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import efftheory as et
from analysis.modular_theory import __main__ as command
from analysis.modular_theory.page import Critical, critical, verdict
from analysis.modular_theory.predictions import PREDICTORS, Prediction, operation, predict, training_set
from analysis.modular_theory.scores import NULL_MODEL, TARGETS, Order, Setting, Time, orders, setting
from analysis.modular_theory.setups import SETUPS, Setup
from analysis.runs.executors import Execution
from neural import ConfigError, ModularConfig, family_of
from tests.tolerances import LINALG

SMALL = Setup(ModularConfig(p=5, width=8), (0.4, 0.8))


@given(st.integers(3, 7), st.integers(1, 2), st.integers(0, 2**32 - 1), st.data())
def test_predictions_are_the_theorys(p: int, tables: int, seed: int, data: st.DataObject) -> None:
    """Determined, and only then at a finite pace; and a sample more makes nothing
    slower, nor less determined.
    """
    op = et.modular_addition(p, tables)
    order = np.random.default_rng(seed).permutation(op.n_samples)
    n = data.draw(st.integers(1, op.n_samples - 1))
    mask = np.isin(np.arange(op.n_samples), order[:n])
    found = predict(op, mask)
    assert found.unique == et.is_linear(op, mask) == math.isfinite(found.inverse_lambda)
    assert found.mean_time <= found.inverse_lambda * (1 + LINALG)
    assert found.parallelograms == len(et.parallelograms(op, mask))
    mask[order[n]] = True
    more = predict(op, mask)
    assert more.unique >= found.unique
    assert more.inverse_lambda <= found.inverse_lambda * (1 + LINALG)
    assert more.ideal_accuracy >= found.ideal_accuracy
    assert more.rarest >= found.rarest
    for predictor in PREDICTORS.values():
        assert predictor(more) <= predictor(found) + abs(predictor(found)) * LINALG


@pytest.mark.parametrize("p", [3, 5, 8])
def test_all_data_of_two_tables(p: int) -> None:
    """Every deviation decays alike, at 2 p^2."""
    op = et.modular_addition(p, tables=2)
    found = predict(op, np.ones(p * p, np.bool_))
    assert (found.unique, found.ideal_accuracy, found.rarest) == (True, 1, p)
    assert found.inverse_lambda == pytest.approx(1 / (2 * p**2), rel=LINALG)
    assert found.mean_time == pytest.approx(found.inverse_lambda, rel=LINALG)
    assert found.parallelograms == p * math.comb(p, 2)


@pytest.mark.parametrize("setup", [SMALL, Setup(replace(SMALL.base, inputs="sum", d=4), (0.4,))], ids=["two", "one"])
def test_a_training_set_is_the_runs_own(setup: Setup) -> None:
    """Pair by pair; of one table a pair counts whichever way round it is trained on."""
    op = operation(setup)
    for config in setup.at(0.4, seeds=range(3), budget=100):
        trained = np.flatnonzero(family_of(config).start(config).mask)
        pairs = {(a, b) for a, b in zip(*np.divmod(trained, config.p), strict=True)}
        wanted = {(a, b + 5) for a, b in pairs} if setup.tables == 2 else {(min(ab), max(ab)) for ab in pairs}
        assert {tuple(pair) for pair in op.pairs[training_set(op, config)].tolist()} == wanted


def test_the_set_ups_tables() -> None:
    assert {name: setup.tables for name, setup in SETUPS.items()} == {"squares": 2, "transformer": 1}
    assert operation(SETUPS["transformer"]).n_samples == 31 * 32 // 2


def prediction(inverse_lambda: float) -> Prediction:
    """Of which all predictors agree."""
    return Prediction(
        unique=math.isfinite(inverse_lambda),
        ideal_accuracy=1.0,
        inverse_lambda=inverse_lambda,
        mean_time=inverse_lambda,
        parallelograms=round(1e6 - 10 * inverse_lambda) if math.isfinite(inverse_lambda) else 0,
        rarest=round(1e6 - 10 * inverse_lambda) if math.isfinite(inverse_lambda) else 0,
    )


def made_up(times: list[float], fractions: list[float]) -> pd.DataFrame:
    """A table of runs with these steps to every threshold; nan: not within 1,000."""
    steps = {f"steps_to_{name}": times for name in ("train_99", *TARGETS.values())}
    return pd.DataFrame({"fraction": fractions, "budget": [1000] * len(times), **steps})


def test_orders_of_made_up_times() -> None:
    """Right within each fraction; and over both, where the fraction alone only knows
    the two apart.
    """
    times = [*range(120, 0, -10), *range(620, 500, -10)]
    fractions = [0.4] * 12 + [0.3] * 12
    found = orders("some", made_up([float(t) for t in times], fractions), [prediction(t) for t in times])
    assert len(found) == len(TARGETS) * (2 * len(PREDICTORS) + len(PREDICTORS) + 1)
    for one in found:
        assert one.n == one.n_observed == (24 if one.fraction is None else 12)
        between, within = 12 * 12, 2 * 12 * 11 / 2
        wanted = (between + within / 2) / (between + within) if one.predictor == NULL_MODEL else 1
        assert one.c_index == pytest.approx(wanted)
        assert one.interval is not None
    backwards = orders("some", made_up([float(t) for t in times], fractions), [prediction(1000 - t) for t in times])
    assert {one.c_index for one in backwards if one.fraction is not None} == {0}


def test_too_few_that_got_there_have_no_order() -> None:
    times = [math.nan] * 3 + [float(t) for t in range(9)]
    found = orders("some", made_up(times, [0.4] * 12), [prediction(t) for t in range(12)])
    assert {(one.c_index, one.interval, one.n_observed) for one in found} == {(None, None, 9)}
    assert all("concordance" not in sentence for sentence in verdict([], [], found))


def test_a_setting_of_made_up_times() -> None:
    """Half of the training sets determine nothing, and a quarter of the runs never get
    there.
    """
    times = [100.0, 200.0, 300.0, math.nan]
    found = setting("some", made_up(times, [0.3] * 4), [prediction(t) for t in (1, 2, math.inf, math.inf)])
    assert (found.unique, found.memorised, found.generalised, found.n) == (0.5, 0.75, 0.75, 4)
    assert found.generalised_interval == et.proportion(3, 4).interval
    assert found.inverse_lambda is None
    assert {(time.median, time.n_observed) for time in found.times} == {(200.0, 3)}


def of_share(fraction: float, n_generalised: int) -> Setting:
    """Of 8 runs."""
    share = et.proportion(n_generalised, 8)
    return Setting("some", fraction, 8, 1.0, 1.0, 0.1, 1.0, share.value, share.interval, [])


@pytest.mark.parametrize(
    ("shares", "below", "above", "says"),
    [
        ({0.2: 0, 0.3: 0, 0.4: 8}, 0.3, 0.4, "most networks generalise from between 0.3 and 0.4 on"),
        ({0.4: 8, 0.2: 0, 0.3: 5}, 0.2, 0.4, "from between 0.2 and 0.4 on"),  # 5 of 8: may be a half
        ({0.2: 8, 0.3: 0}, None, 0.2, "most networks generalise at 0.2; below it nothing is certain"),
        ({0.2: 0, 0.3: 5}, 0.2, None, "up to 0.2 most do not"),
        ({0.2: 3, 0.3: 5}, None, None, "from which fraction on most networks generalise is not certain"),
    ],
)
def test_where_networks_begin_to_generalise(
    shares: dict[float, int], below: float | None, above: float | None, says: str
) -> None:
    theory = et.critical_fraction(et.modular_addition(5), 50, seed=0)
    found = critical("some", [of_share(*item) for item in shares.items()], theory)
    assert found == Critical("some", theory, below, above)
    [sentence] = verdict([found], [], [])
    assert f"at a fraction of {theory.value:.3f}" in sentence
    assert says in sentence


def test_the_verdict_counts_what_is_surely_told() -> None:
    """An interval that holds one half is none."""
    rows = [
        Order("some", fraction, "test accuracy 0.95", predictor, 24, 24, index, bounds)
        for fraction, predictor, index, bounds in (
            (0.3, "1/lambda", 0.7, (0.6, 0.8)),
            (0.4, "1/lambda", 0.55, (0.4, 0.7)),
            (None, "1/lambda", 0.9, (0.85, 0.95)),
            (None, NULL_MODEL, 0.8, (0.7, 0.9)),
        )
    ]
    times = {0.3: (900.0, 0.03), 0.4: (300.0, 0.02)}
    of_times = [
        replace(of_share(x, 8), inverse_lambda=slow, times=[Time("test accuracy 0.95", 24, median, (None, None))])
        for x, (median, slow) in times.items()
    ]
    falls, within, over = verdict([], of_times, rows)
    assert falls.endswith("from fraction 0.3 to 0.4: the median falls by a factor of 3.0, 1/lambda by 1.5.")
    assert "concordance 0.70 at 0.3, 0.55 at 0.4; surely better than chance at 1 of 2 fractions" in within
    assert "1/lambda 0.90 [0.85, 0.95], the training fraction alone 0.80 [0.70, 0.90]" in over


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> command.Arguments:
    monkeypatch.setattr(
        command, "SETUPS", {"small": SMALL, "sums": replace(SMALL, base=replace(SMALL.base, inputs="sum", d=4))}
    )
    return command.Arguments(
        seeds=12,
        budget=150,
        draws=50,
        execution=Execution("cpu", "in-process"),
        out=tmp_path / "out",
        store=tmp_path / "runs.sqlite",
    )


@pytest.mark.filterwarnings("error::UserWarning")  # matplotlib's
def test_from_end_to_end(
    arguments: command.Arguments, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that a report has; the same again without training."""
    command.main(arguments)
    told = capsys.readouterr()
    assert "48 runs, 48 of them trained now" in told.err
    text = (arguments.out / "report.json").read_text()
    report = json.loads(text)
    page = (arguments.out / "report.md").read_text()
    assert [(one["setup"], one["fraction"], one["n"]) for one in report["settings"]] == [
        (name, fraction, 12) for name, fraction in itertools.product(("small", "sums"), (0.4, 0.8))
    ]
    assert [one["setup"] for one in report["critical"]] == ["small", "sums"]
    assert len(report["orders"]) == 2 * len(TARGETS) * (3 * len(PREDICTORS) + 1)
    assert (arguments.out / "theory.png").stat().st_size > 10_000
    assert report["verdict"]
    for sentence in report["verdict"]:
        assert sentence in page
        assert sentence in told.out
    command.main(arguments)
    assert "48 runs, 0 of them trained now" in capsys.readouterr().err
    assert (arguments.out / "report.json").read_text() == text
    command.main(replace(arguments, only=("sums",)))
    assert {one["setup"] for one in json.loads((arguments.out / "report.json").read_text())["settings"]} == {"sums"}


@settings(max_examples=10)
@given(st.sampled_from([{"seeds": 0}, {"draws": 0}, {"only": ("nonsense",)}, {"budget": 33}, {"budget": 0}]))
def test_bad_input_is_one_line(wrong: dict) -> None:
    [name] = wrong
    with pytest.raises(ConfigError, match=f"^`{name}` must be .*[.]$"):
        command.main(replace(command.Arguments(), out=Path("/dev/null/nowhere"), **wrong))
