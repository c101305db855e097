"""The command that advises: its search on a made-up theory, and the command on a
toy.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import efftheory as et
from analysis import advise
from analysis.arms.engine import score_arms
from analysis.arms.search import (
    FIRST_SEED,
    FIRST_SEED_OF_LAST,
    WAY,
    Imagine,
    choose,
    grid,
    imagined,
    last,
    needed,
    ranked,
    rounds,
    search,
    steps_to,
)
from analysis.runs.executors import Execution
from analysis.scores.success import with_learned
from neural import ConfigError, RunConfig, write_samples
from neural.command import run_command

BASE = RunConfig()
NEVER = np.inf
TINY = advise.Arguments(
    p=4,
    n_train=7,
    width=8,
    budget=40,
    repr_lr=(1e-2,),
    decoder_lr=(1e-3,),
    warmup=(0,),
    decoder_wd=(0,),
    seeds=2,
    execution=Execution(executor="in-process", device="cpu"),
)


def outlook(rqi: float, train: float, test: float = NEVER) -> Any:
    return SimpleNamespace(steps_to_train=[train], steps_to_test=[test], steps_to_rqi=[rqi])


class Made:
    """A theory in which a run succeeds if its seed is below a bound (modulo 100) that
    is largest for eta_d = 3e-4, after 10^6 eta_r steps; it counts what it is asked.
    """

    def __init__(self):
        self.asked: list[RunConfig] = []

    def __call__(self, configs):
        self.asked += configs
        return [self._of(config) for config in configs]

    @staticmethod
    def _of(config: RunConfig) -> Any:
        bound = 100 - 20 * abs(np.log10(config.decoder_lr / 3e-4)) + config.n_train - 45
        steps = 1e6 * config.repr_lr if 37 * config.seed % 100 < bound else NEVER
        return outlook(steps, steps)


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
    told: Imagine = lambda runs: [outlook(10, 30, 20), outlook(5, NEVER, NEVER)]  # noqa: E731
    [table] = imagined([BASE], 7, 2, told).values()
    assert table["seed"].tolist() == [7, 8]
    assert (steps_to(table, "rqi").tolist(), steps_to(table, "test").tolist()) == ([30, NEVER], [30, NEVER])
    assert table["steps_to_rqi"].tolist() == [10, 5]


def test_the_search_finds_the_best_with_few_runs():
    theory, candidates = Made(), grid(BASE, (1e-3, 3e-3, 1e-2), (3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3), (0, 1, 3), (0,))
    found = search(candidates, 40, "rqi", theory)
    assert next(iter(found)).decoder_lr == 3e-4
    assert choose(found, "rqi") == replace(BASE, decoder_lr=3e-4)
    assert BASE in found
    assert len(found) == 5
    plan = rounds(len(candidates), 40)
    assert plan == [(54, 4), (19, 8), (5, 40)]
    assert len(theory.asked) == sum(n * seeds for n, seeds in plan)


def test_all_candidates_of_a_round_have_the_same_runs():
    """And the last round has none of the earlier ones'; none is asked twice."""
    theory = Made()
    search(grid(BASE, (1e-3, 3e-3), (3e-5, 1e-4, 3e-4), (0, 1, 3), (0,)), 10, "rqi", theory)
    asked = {}
    for config in theory.asked:
        way = tuple(getattr(config, name) for name in WAY)
        asked.setdefault(way, []).append(config.seed)
    early, more, late = (
        [first + number for number in range(n)]
        for first, n in ((FIRST_SEED, 4), (FIRST_SEED + 4, 8), (FIRST_SEED_OF_LAST, 10))
    )
    assert sorted(asked.values()) == sorted([early] * 11 + [early + more] * 2 + [early + more + late] * 5)
    assert len(set(theory.asked)) == len(theory.asked)


def test_a_few_candidates_go_to_the_last_round_at_once():
    theory = Made()
    assert len(search(grid(BASE, (1e-3,), (3e-5, 1e-4), (0,), (0,)), 5, "rqi", theory)) == 2
    assert {config.seed for config in theory.asked} == set(range(FIRST_SEED_OF_LAST, FIRST_SEED_OF_LAST + 5))


def test_of_those_that_tie_the_quickest_is_advised():
    quick, slow, worse, poor = (replace(BASE, decoder_warmup=steps) for steps in (1, 2, 3, 4))
    found = {
        poor: runs_of([5] * 8 + [NEVER] * 12, [5] * 20),
        worse: runs_of([9] * 17 + [NEVER] * 3, [10] * 20),  # cannot be told from the best, but is too far below it
        slow: runs_of([9] * 19 + [NEVER] * 1, [50] * 20),
        quick: runs_of([9] * 18 + [NEVER] * 2, [20] * 20),
    }
    assert ranked(found, "rqi") == [slow, quick, worse, poor]
    assert choose(found, "rqi") == quick


def test_no_tie_where_every_pair_says_the_same():
    """Less than the theory's error apart, but told apart by many runs."""
    slow = replace(BASE, decoder_warmup=1)
    found = {slow: runs_of([9] * 200, [50] * 200), BASE: runs_of([9] * 190 + [NEVER] * 10, [5] * 200)}
    assert choose(found, "rqi") == slow


def test_more_samples_are_asked_for_where_success_is_rare():
    assert needed((30, 40, 50), (0.7, 0.8, 1.0)) == 40
    assert needed((50, 30, 40), (1.0, 0.9, 0.5)) == 50
    assert needed((30, 40), (1.0, 0.7)) is None


def tables(advised: list[float], default: list[float], train: float = 6.0) -> pd.DataFrame:
    """Runs of both arms, with these steps to RQI > 0.95."""
    both = {advise.ADVISED: advised, advise.DEFAULT: default}
    return pd.concat([runs_of(steps, [train] * len(steps)).assign(arm=name) for name, steps in both.items()])


def test_the_check_says_whether_the_advice_helped():
    good, bad, pairs = [5.0] * 20, [5.0] * 8 + [NEVER] * 12, [(advise.ADVISED, advise.DEFAULT)]

    def said(runs: pd.DataFrame) -> str:
        return advise.verdict(score_arms(runs, ["learned_rqi"], pairs=pairs), "learned_rqi")

    assert said(tables(good, bad)).startswith("The advice helped: +0.60")
    assert "12 of 20 runs succeed only as advised, 0 only with" in said(tables(good, bad))
    assert said(tables(bad, good)).startswith("The advice harmed: -0.60")
    assert said(tables(bad, bad)).startswith("These runs do not show")
    assert said(tables(good, bad, train=NEVER)).startswith("These runs do not show")  # nobody has learned
    kept = runs_of(good, good).assign(arm=advise.DEFAULT)
    assert advise.verdict(score_arms(kept, ["learned_rqi"]), "learned_rqi").startswith("The advice is to keep")


def test_the_sentence_names_what_to_do():
    def said(runs: pd.DataFrame, arms: dict[str, RunConfig], sizes: tuple[int, ...], shares: dict[str, Any]) -> str:
        growth = [
            {"statistic": "did", "against": "", "arm": name, "n_train": n, "value": share}
            for name in arms
            for n, share in zip(sizes, shares[name], strict=True)
        ]
        scores = {"imagined": score_arms(runs, ["learned_rqi"], pairs=[]), "sizes": pd.DataFrame(growth)}
        return advise.sentence(scores, "learned_rqi", arms)

    way = replace(BASE, decoder_warmup=3000, decoder_wd=5.0)
    arms, shares = {advise.ADVISED: way, advise.DEFAULT: BASE}, {advise.ADVISED: (0.8, 1), advise.DEFAULT: (0.1, 0.2)}
    new = said(tables([5] * 9 + [NEVER], [5] + [NEVER] * 9), arms, (38, 50), shares)
    assert "warms up over 3,000 steps; weight decay 5 of the decoder. 0.90 [0.55, 1.00]" in new
    assert new.endswith("A share of 0.8 takes about 38 samples as advised, more than 50 by default.")
    rare, alone = runs_of([5] + [NEVER] * 19, [5] * 20).assign(arm=advise.DEFAULT), {advise.DEFAULT: BASE}
    kept = said(rare, alone, (50,), {advise.DEFAULT: (0.9,)})
    assert kept.startswith("Keep the default rates: learning rates 0.001")
    assert "Nothing that was tried makes success likely. A share of 0.8 takes about 50 samples." in kept
    never = runs_of([NEVER] * 5, [5] * 5).assign(arm=advise.DEFAULT)
    assert said(never, alone, (50,), {advise.DEFAULT: (0.9,)}).startswith("No advice: of 5 runs")


def test_the_command_from_end_to_end(tmp_path, monkeypatch, capsys):
    """Without a check nothing is trained; with one, the report has the runs of the
    store. The same command leaves the same report.
    """
    monkeypatch.setattr(sys, "argv", ["advise"])
    arguments = replace(TINY, out=tmp_path / "out", store=tmp_path / "runs.sqlite")
    advise.main(arguments)
    assert not arguments.store.exists()
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["check"] is None
    assert report["sentence"] in " ".join((tmp_path / "out/report.md").read_text().split())
    assert report["rounds"] == [[2, 2]]
    # a check needs another way to train than the default one, whatever the theory says
    monkeypatch.setattr(advise.search, "choose", lambda found, goal: next(one for one in found if one.repr_lr == 1e-2))
    advise.main(replace(arguments, check=2))
    assert "4 runs, 4 of them trained now" in capsys.readouterr().err
    first = (tmp_path / "out/report.json").read_bytes()
    scores = pd.DataFrame(json.loads(first)["scores"])
    gap = scores[(scores["of"] == "trained") & (scores["against"] != "") & (scores["statistic"] == "did")]
    assert set(gap["arm"]) == {advise.ADVISED}
    assert set(gap["n"]) == {2}
    assert pd.read_csv(tmp_path / "out/runs.csv")["seed"].tolist() == [200, 201] * 2
    assert json.loads(first)["check"] in (tmp_path / "out/report.md").read_text()
    assert (tmp_path / "out/samples.png").stat().st_size > 10_000
    advise.main(replace(arguments, check=2))
    assert "4 runs, 0 of them trained now" in capsys.readouterr().err
    assert (tmp_path / "out/report.json").read_bytes() == first
    with pytest.raises(SystemExit):
        advise.main(replace(arguments, check=3, dry_run=True))
    assert capsys.readouterr().out.startswith("6 runs in the plan")


def test_larger_training_sets_are_of_the_same_runs():
    """And those that are given fix no other size."""
    theory = Made()
    arms = [
        replace(way, n_train=20, samples="")
        for way in grid(replace(BASE, samples="7", n_train=3), (3e-3,), (1e-4,), (0,), (0,))
    ]
    found = list(last(arms, 5, theory).values())
    assert {tuple(table["seed"]) for table in found} == {tuple(range(FIRST_SEED_OF_LAST, FIRST_SEED_OF_LAST + 5))}
    assert not any(config.samples for config in theory.asked)


def test_a_training_set_fixes_its_size():
    mask = et.addition(10).random_training_set(33, seed=1)
    (base, *_), sizes = advise.plan(advise.Arguments(samples=write_samples(mask)))
    assert base.n_train == 33
    assert max(sizes) < 55
    s3 = advise.plan(advise.Arguments(operation="s3"))[0][0]
    assert (s3.p, s3.d, s3.n_train, s3.repr_l1) == (6, 3, 29, 1e-3)
    assert advise.plan(advise.Arguments())[0][0] == RunConfig()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"p": 1}, "p"),
        ({"p": 7, "operation": "s3"}, "p"),
        ({"n_train": 56}, "n_train"),
        ({"samples": "0x3"}, "samples"),
        ({"samples": "f" * 20}, "samples"),
        ({"samples": "7", "n_train": 4}, "samples"),
        ({"width": 0}, "width"),
        ({"budget": 0}, "budget"),
        ({"repr_lr": ()}, "repr_lr"),
        ({"decoder_lr": (1e-4, -1.0)}, "decoder_lr"),
        ({"warmup": (-1.0,)}, "warmup"),
        ({"warmup": (np.inf,)}, "warmup"),
        ({"decoder_wd": (np.nan,)}, "decoder_wd"),
        ({"sizes": (10, 60)}, "sizes"),
        ({"sizes": ()}, "sizes"),
        ({"seeds": 0}, "seeds"),
        ({"check": 0}, "check"),
        ({"first_seed": -1}, "first_seed"),
        ({"check": 24, "first_seed": 990}, "first_seed"),
    ],
)
def test_nonsense_is_refused_by_name(change, named):
    with pytest.raises(ConfigError, match=f"^`{named}` must"):
        advise.plan(replace(advise.Arguments(), **change))


def test_the_shell_sees_one_line_and_a_failure(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["advise", "--n-train", "56"])
    with pytest.raises(SystemExit) as stop:
        run_command(advise.Arguments, advise.main, advise.PROG, advise.ERRORS)
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("error: `n_train` must be at most")
    monkeypatch.setattr(sys, "argv", ["advise", "--goal", "fame"])
    with pytest.raises(SystemExit) as stop:
        run_command(advise.Arguments, advise.main, advise.PROG, advise.ERRORS)
    assert stop.value.code == 2
