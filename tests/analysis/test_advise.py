"""The command that advises: its search on a made-up theory, and on a toy."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import efftheory as et
from analysis import advise
from analysis.arms import search
from analysis.arms.engine import score_arms
from analysis.arms.search import FIRST_SEED, FIRST_SEED_OF_LAST, WAY, choose, grid
from analysis.runs.executors import Execution
from analysis.scores.success import with_learned
from neural import ConfigError, RunConfig, write_samples
from neural.command import run_command

BASE, NEVER, IN_PROCESS = RunConfig(), np.inf, Execution("cpu", "in-process")
TRIED: Any = {"repr_lr": (1e-2,), "decoder_lr": (1e-3,), "warmup": (0,), "decoder_wd": (0,)}


def outlook(rqi: float, train: float, test: float = NEVER) -> Any:
    return SimpleNamespace(steps_to_train=[train], steps_to_test=[test], steps_to_rqi=[rqi])


class Made:
    """A theory in which a run succeeds if its seed is below a bound (modulo 100) that
    is largest for eta_d = 3e-4, after 10^6 eta_r steps; it keeps what it is asked.
    """

    def __init__(self):
        self.asked: list[RunConfig] = []

    def __call__(self, configs):
        self.asked += configs
        late = [37 * run.seed % 100 - run.n_train + 20 * abs(np.log10(run.decoder_lr / 3e-4)) for run in configs]
        steps = [1e6 * run.repr_lr if one < 55 else NEVER for run, one in zip(configs, late, strict=True)]
        return [outlook(one, one) for one in steps]


def runs_of(rqi: list[float], train: list[float]) -> pd.DataFrame:
    """Imagined runs with these steps."""
    steps = {"steps_to_rqi": rqi, "steps_to_train": train, "steps_to_test": NEVER}
    table = pd.DataFrame(steps).replace(NEVER, np.nan).astype(float)
    return with_learned(table.assign(budget=1000, n_train=45, place=range(len(rqi))))


def test_the_grid_begins_with_the_default_and_has_nothing_twice():
    found = grid(BASE, (1e-3, 1e-2), (1e-4,), (0, 3), (0, 5))
    assert found[0] == BASE
    assert len(found) == len(set(found)) == 8
    assert {(one.repr_lr, one.decoder_warmup) for one in found} == {(1e-3, 0), (1e-3, 3000), (1e-2, 0), (1e-2, 300)}
    assert {replace(one, **{name: getattr(BASE, name) for name in WAY}) for one in found} == {BASE}


def test_both_the_goal_and_learning_are_asked_for():
    """Of imagined runs, with the seeds that are asked for."""
    found = search.imagined([BASE], 7, 2, lambda runs: [outlook(10, 30, 20), outlook(5, NEVER, NEVER)])
    assert found[BASE]["seed"].tolist() == [7, 8]
    assert found[BASE]["steps_to_rqi"].tolist() == [10, 5]
    for goal in ("rqi", "test"):
        assert search.ranked(found, goal)[BASE].tolist() == [30, NEVER]


def test_the_search_finds_the_best_with_few_runs():
    theory, candidates = Made(), grid(BASE, (1e-3, 3e-3, 1e-2), (3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3), (0, 1, 3), (0,))
    found = search.search(candidates, 40, "rqi", theory)
    assert next(iter(found)).decoder_lr == 3e-4
    assert choose(found, "rqi") == replace(BASE, decoder_lr=3e-4)
    assert (BASE in found, len(found)) == (True, 5)
    assert search.rounds(len(candidates), 40) == [(54, 4), (19, 8), (5, 40)]
    assert len(theory.asked) == 54 * 4 + 19 * 8 + 5 * 40


def test_all_candidates_of_a_round_have_the_same_runs():
    """And the last round has none of the earlier ones'; none is asked twice. A few go
    to the last round at once.
    """
    theory, asked = Made(), {}
    search.search(grid(BASE, (1e-3, 3e-3), (3e-5, 1e-4, 3e-4), (0, 1, 3), (0,)), 10, "rqi", theory)
    for config in theory.asked:
        asked.setdefault(tuple(getattr(config, name) for name in WAY), []).append(config.seed)
    early, late = [*range(FIRST_SEED, FIRST_SEED + 4)], [*range(FIRST_SEED_OF_LAST, FIRST_SEED_OF_LAST + 10)]
    more = [*range(FIRST_SEED, FIRST_SEED + 12)]
    assert sorted(asked.values()) == sorted([early] * 11 + [more] * 2 + [more + late] * 5)
    assert len(set(theory.asked)) == len(theory.asked)
    theory = Made()
    assert len(search.search(grid(BASE, (1e-3,), (3e-5, 1e-4), (0,), (0,)), 10, "rqi", theory)) == 2
    assert {config.seed for config in theory.asked} == {*late}


def test_of_those_that_tie_the_quickest_is_advised():
    """No tie where every pair says the same: less than the theory's error apart, but
    told apart by many runs.
    """
    quick, slow, worse, poor = (replace(BASE, decoder_warmup=steps) for steps in (1, 2, 3, 4))
    found = {
        poor: runs_of([5] * 8 + [NEVER] * 12, [5] * 20),
        worse: runs_of([9] * 17 + [NEVER] * 3, [10] * 20),  # cannot be told from the best, but is too far below it
        slow: runs_of([9] * 19 + [NEVER] * 1, [50] * 20),
        quick: runs_of([9] * 18 + [NEVER] * 2, [20] * 20),
    }
    assert [*search.ranked(found, "rqi")] == [slow, quick, worse, poor]
    assert choose(found, "rqi") == quick
    found = {slow: runs_of([9] * 200, [50] * 200), BASE: runs_of([9] * 190 + [NEVER] * 10, [5] * 200)}
    assert choose(found, "rqi") == slow


@pytest.mark.parametrize(("shares", "n"), [((0.7, 1.0, 0.8), 40), ((0.9, 1.0, 0.5), 50), ((1.0, 0.7, 0.8), None)])
def test_more_samples_are_asked_for_where_success_is_rare(shares, n):
    assert search.needed((30, 50, 40), shares) == n


def tables(advised: list[float], default: list[float], train: float = 6.0) -> pd.DataFrame:
    """Runs of both arms, with these steps to RQI > 0.95."""
    both = {advise.ADVISED: advised, advise.DEFAULT: default}
    return pd.concat([runs_of(steps, [train] * len(steps)).assign(arm=name) for name, steps in both.items()])


def test_the_check_says_whether_the_advice_helped():
    good, bad = [5.0] * 20, [5.0] * 8 + [NEVER] * 12
    for runs, says in (
        (tables(good, bad), r"The advice helped: \+0.60 .* 12 of 20 runs succeed only as advised, 0 only with"),
        (tables(bad, good), "The advice harmed: -0.60"),
        (tables(bad, bad), "These runs do not show"),
        (tables(good, bad, train=NEVER), "These runs do not show"),  # nobody has learned
        (runs_of(good, good).assign(arm=advise.DEFAULT), "The advice is to keep"),
    ):
        pairs = [(advise.ADVISED, advise.DEFAULT)] if len(runs) == 40 else []
        assert re.match(says, advise.verdict(score_arms(runs, ["learned_rqi"], pairs=pairs), "learned_rqi"))


def test_the_sentence_names_what_to_do():
    def said(runs: pd.DataFrame, arms: dict[str, RunConfig], shares: dict[str, tuple[float, ...]]) -> str:
        growth = [(name, n, share) for name in arms for n, share in zip((50, 38), shares[name], strict=True)]
        sizes = pd.DataFrame(growth, columns=["arm", "n_train", "value"])
        sizes = sizes.assign(statistic="did", against="", target="learned_rqi")
        scores = {"imagined": score_arms(runs, ["learned_rqi"], pairs=[]), "sizes": sizes}
        return advise.sentence(scores, "learned_rqi", arms)

    arms = {advise.ADVISED: replace(BASE, decoder_warmup=3000, decoder_wd=5.0), advise.DEFAULT: BASE}
    shares = {advise.ADVISED: (1, 0.8), advise.DEFAULT: (0.2, 0.1)}
    new = said(tables([5] * 9 + [NEVER], [5] + [NEVER] * 9), arms, shares)
    assert "warms up over 3,000 steps; weight decay 5 of the decoder. 0.90 [0.55, 1.00]" in new
    assert new.endswith("A share of 0.8 takes about 38 samples as advised, more than 50 by default.")
    alone, shares = {advise.DEFAULT: BASE}, {advise.DEFAULT: (0.9, 0.1)}
    kept = said(runs_of([5] + [NEVER] * 19, [5] * 20).assign(arm=advise.DEFAULT), alone, shares)
    assert kept.startswith("Keep the default rates: learning rates 0.001")
    assert "Nothing that was tried makes success likely. A share of 0.8 takes about 50 samples." in kept
    never = runs_of([NEVER] * 5, [5] * 5).assign(arm=advise.DEFAULT)
    assert said(never, alone, shares).startswith("No advice: of 5 runs")


def test_the_command_from_end_to_end(tmp_path, monkeypatch, capsys):
    """Without a check nothing is trained; with one, the report has the runs of the
    store. The same command leaves the same report.
    """
    monkeypatch.setattr(sys, "argv", ["advise"])
    where: Any = {"out": tmp_path / "out", "store": tmp_path / "runs.sqlite", "execution": IN_PROCESS}
    arguments = advise.Arguments(p=4, n_train=7, width=8, budget=40, seeds=2, **TRIED, **where)
    advise.main(arguments)
    assert not arguments.store.exists()
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["check"], report["rounds"]) == (None, [[2, 2]])
    assert report["sentence"] in " ".join((tmp_path / "out/report.md").read_text().split())
    # a check needs another way to train than the default one, whatever the theory says
    monkeypatch.setattr(advise.search, "choose", lambda found, goal: next(one for one in found if one.repr_lr == 1e-2))
    advise.main(replace(arguments, check=2))
    assert "4 runs, 4 of them trained now" in capsys.readouterr().err
    first = (tmp_path / "out/report.json").read_bytes()
    scores = pd.DataFrame(json.loads(first)["scores"])
    gap = scores.query("of == 'trained' and against != '' and statistic == 'did'")
    assert {*zip(gap["arm"], gap["n"], strict=True)} == {(advise.ADVISED, 2)}
    assert pd.read_csv(tmp_path / "out/runs.csv")["seed"].tolist() == [200, 201] * 2
    assert json.loads(first)["check"] in (tmp_path / "out/report.md").read_text()
    assert (tmp_path / "out/samples.png").stat().st_size > 10_000
    advise.main(replace(arguments, check=2))
    assert "4 runs, 0 of them trained now" in capsys.readouterr().err
    assert (tmp_path / "out/report.json").read_bytes() == first
    with pytest.raises(SystemExit):
        advise.main(replace(arguments, check=3, dry_run=True))
    assert capsys.readouterr().out.startswith("6 runs in the plan")


def test_larger_training_sets_are_of_the_same_runs(monkeypatch):
    """And those that are given fix no other size."""
    monkeypatch.setattr(advise, "success_of", lambda run, draws: Made()([run])[0])
    arguments = advise.Arguments(samples="7", seeds=15, **TRIED)
    _, finalists, larger = advise.ask(arguments, advise.plan(arguments)[0], [20, 30])
    assert {*finalists["n_train"]} == {3}
    for _, table in larger.groupby(["arm", "n_train"]):
        assert [*table["seed"]] == [*range(FIRST_SEED_OF_LAST, FIRST_SEED_OF_LAST + 5)]
    assert [*larger["n_train"].unique()] == [20, 30]


def test_a_training_set_fixes_its_size():
    mask = et.addition(10).random_training_set(33, seed=1)
    (base, *_), sizes = advise.plan(advise.Arguments(samples=write_samples(mask)))
    assert base.n_train == 33
    assert max(sizes) < 55
    s3 = advise.plan(advise.Arguments(operation="s3"))[0][0]
    assert (s3.p, s3.d, s3.n_train, s3.repr_l1) == (6, 3, 29, 1e-3)
    assert advise.plan(advise.Arguments())[0][0] == RunConfig()


NONSENSE: dict[str, list[dict[str, Any]]] = {
    "p": [{"p": 1}, {"p": 7, "operation": "s3"}],
    "n_train": [{"n_train": 56}],
    "samples": [{"samples": "0x3"}, {"samples": "f" * 20}, {"samples": "7", "n_train": 4}],
    "width": [{"width": 0}],
    "budget": [{"budget": 0}],
    "repr_lr": [{"repr_lr": ()}],
    "decoder_lr": [{"decoder_lr": (1e-4, -1.0)}],
    "warmup": [{"warmup": (-1.0,)}, {"warmup": (np.inf,)}],
    "decoder_wd": [{"decoder_wd": (np.nan,)}],
    "sizes": [{"sizes": (10, 60)}, {"sizes": ()}],
    "seeds": [{"seeds": 0}],
    "check": [{"check": 0}],
    "first_seed": [{"first_seed": -1}, {"check": 24, "first_seed": 990}],
}


@pytest.mark.parametrize("named", NONSENSE)
def test_nonsense_is_refused_by_name(named):
    for change in NONSENSE[named]:
        with pytest.raises(ConfigError, match=f"^`{named}` must"):
            advise.plan(advise.Arguments(**change))


@pytest.mark.parametrize(
    ("line", "status", "says"), [("--n-train 56", 1, "error: `n_train` must be at most"), ("--goal fame", 2, "error: ")]
)
def test_the_shell_sees_one_line_and_a_failure(monkeypatch, capsys, line, status, says):
    monkeypatch.setattr(sys, "argv", ["advise", *line.split()])
    with pytest.raises(SystemExit) as stop:
        run_command(advise.Arguments, advise.main, advise.PROG, advise.ERRORS)
    assert stop.value.code == status
    assert capsys.readouterr().err.startswith(says)
