"""What the theory with a decoder is told of a run, and the commands that are about
nothing else.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from analysis.decoder_range import __main__ as decoder_range
from analysis.remedies import __main__ as remedies
from analysis.theory import decoder_theory
from analysis.theory.decoder_theory import Outlook, decoder, known, outlooks
from neural import ConfigError, RunConfig

SMALL = RunConfig(p=5, n_train=12, budget=1500, decoder_lr=1e-3)


def as_arrays(found: list[Outlook]) -> np.ndarray:
    return np.array([[one.steps_to_train, one.steps_to_test, one.steps_to_rqi] for one in found])


def test_an_outlook_hangs_on_its_run_alone():
    """Would reveal draws that depend on the company, the order, or the thread."""
    runs = [replace(SMALL, seed=seed) for seed in range(3)]
    together, backwards = outlooks(runs, 2), outlooks(runs[::-1], 2)[::-1]
    alone = [outlooks([run], 2)[0] for run in runs]
    np.testing.assert_array_equal(as_arrays(together), as_arrays(backwards))
    np.testing.assert_array_equal(as_arrays(together), as_arrays(alone))
    assert not np.array_equal(as_arrays(together)[0], as_arrays(together)[1])


def test_the_blind_do_not_see_the_targets():
    """Would reveal targets that leak into a blind prediction: these two runs differ in
    nothing else.
    """
    two = [SMALL, replace(SMALL, targets="orthogonal")]
    assert np.array_equal(known(two[0])[1], known(two[1])[1])
    random, orthogonal = (known(run)[2] for run in two)
    assert random is not None
    assert orthogonal is not None
    assert not np.array_equal(random, orthogonal)
    blind = as_arrays(outlooks(two, 2, blind=True))
    np.testing.assert_array_equal(blind[0], blind[1])
    seeing = as_arrays(outlooks(two, 2))
    assert not np.array_equal(seeing[0], seeing[1])


def test_replicas_share_what_the_theory_knows():
    """Would reveal a prediction that has seen the network's weights."""
    two = [SMALL, replace(SMALL, replica=3)]
    np.testing.assert_array_equal(*as_arrays(outlooks(two, 2)))


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
def test_every_field_that_it_knows_is_heard(change):
    """Would reveal a field of a run that is not passed on."""
    assert not np.array_equal(as_arrays(outlooks([SMALL], 1)), as_arrays(outlooks([replace(SMALL, **change)], 1)))


def test_the_decoder_is_the_runs():
    run = RunConfig(width=7, depth=3, activation="relu", n_outputs=20, decoder_wd=0.5, decoder_warmup=4)
    found = decoder(run)
    assert (found.width, found.depth, found.activation, found.n_outputs) == (7, 3, "relu", 20)
    assert (found.weight_decay, found.warmup, found.loss, found.optimizer) == (0.5, 4, "mse", "adamw")


def test_outlook_counts_and_orders_what_is_never():
    never = np.inf
    one = Outlook(np.array([5.0, 7.0]), np.array([never, never]), np.array([never, 3.0]))
    assert one.success == 0.5
    assert one.median("train") == 5
    assert one.median("rqi") == 3
    assert one.median("test") == never


def test_a_stop_does_not_wait_for_all(monkeypatch):
    """Would reveal a pool that works through the whole plan after an error (or
    Ctrl-C).
    """
    done = []
    real = decoder_theory.outlook_of
    monkeypatch.setattr(decoder_theory, "outlook_of", lambda *args: done.append(1) or real(*args))

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outlooks([replace(SMALL, seed=seed) for seed in range(40)], 1, on_run=stop)
    assert len(done) < 40


def test_remedies_pair_the_runs():
    arms = remedies.plan(remedies.Arguments(sizes=(30, 45), seeds=2))
    pairs = {name: [(run.n_train, run.seed) for run in arm] for name, arm in arms.items()}
    assert len(arms) == 6
    assert len(set(map(tuple, pairs.values()))) == 1
    assert {run.decoder_warmup for run in arms["warm-up over 3/eta_r steps"]} == {3000}
    with pytest.raises(ConfigError, match="`sizes` must be at least one number, but is empty"):
        remedies.plan(remedies.Arguments(sizes=()))


def test_remedies_from_end_to_end(tmp_path, monkeypatch, capsys):
    """The command on a toy: its report has the shares of the store, and nobody is told
    of gains that are not there.
    """
    monkeypatch.setattr(sys, "argv", ["remedies"])
    arguments = remedies.Arguments(
        p=5,
        sizes=(9,),
        seeds=2,
        budget=60,
        decoder_draws=1,
        out=tmp_path / "out",
        store=tmp_path / "runs.sqlite",
    )
    remedies.main(arguments)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["seeds"] == 2
    assert next(row["remedy"] for row in report["remedies"]) == remedies.BASE
    assert all(row["n"] == 2 and row["rqi"]["share"] == 0 for row in report["remedies"])
    assert "Not certain with: decoder 10 times slower, " in (tmp_path / "out/report.md").read_text()
    assert (tmp_path / "out/survival.png").stat().st_size > 10_000
    assert "0 of them" not in capsys.readouterr().err


def test_range_from_end_to_end(tmp_path, monkeypatch):
    """The command on a toy set-up; names that are none are refused."""
    monkeypatch.setattr(sys, "argv", ["decoder_range"])
    toy = {"toy": decoder_range.Setup(replace(SMALL, budget=300), sizes=(9, 12), seeds=2)}
    monkeypatch.setattr(decoder_range, "SETUPS", toy)
    decoder_range.main(decoder_range.Arguments(out=tmp_path / "out", store=tmp_path / "runs.sqlite", decoder_draws=2))
    [row] = json.loads((tmp_path / "out/report.json").read_text())["setups"]
    assert row["n"] == 4
    assert row["seeds"] == [0, 1]
    assert row["draws"] == 2
    assert 0 <= row["brier"] <= 1
    with pytest.raises(ConfigError, match="`only` must be among toy, but is width 50"):
        decoder_range.chosen(decoder_range.Arguments(only=("width 50",)))
    later = decoder_range.chosen(decoder_range.Arguments(seeds=3, first_seed=50))["toy"]
    assert [(run.n_train, run.seed) for run in later.configs()] == [(n, s) for n in (9, 12) for s in (50, 51, 52)]
    with pytest.raises(ConfigError, match="`first_seed` must be an integer of at least 0, but is -1"):
        decoder_range.chosen(decoder_range.Arguments(first_seed=-1))
    with pytest.raises(ConfigError, match="`seeds` must be"):
        decoder_range.chosen(decoder_range.Arguments(seeds=0))
