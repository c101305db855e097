"""The command that advises: its search on a made-up theory, and the command on a
toy.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

import efftheory as et
from analysis.advise import __main__ as advise
from analysis.advise.candidates import DEFAULT, Candidate, grid
from analysis.advise.outcomes import Outcomes, measured, predicted
from analysis.advise.page import sentence, verdict
from analysis.advise.rows import row_of
from analysis.advise.samples import growth, needed
from analysis.advise.search import FIRST_SEED, FIRST_SEED_OF_LAST, Trial, choose, ranked, rounds, search
from analysis.advise.trained import check
from analysis.runs.executors import Execution
from analysis.theory.decoder_theory import Outlook
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


def outlook(rqi: float, train: float, test: float = NEVER) -> Outlook:
    return Outlook(np.array([train]), np.array([test]), np.array([rqi]))


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
    def _of(config: RunConfig) -> Outlook:
        bound = 100 - 20 * abs(np.log10(config.decoder_lr / 3e-4)) + config.n_train - 45
        steps = 1e6 * config.repr_lr if 37 * config.seed % 100 < bound else NEVER
        return outlook(steps, steps)


def trial(rqi: list[float], train: list[float], candidate: Candidate = DEFAULT) -> Trial:
    return Trial(candidate, Outcomes(np.array(rqi), np.array(train), np.full(len(rqi), NEVER)))


def test_a_frozen_decoder_is_no_success():
    """RQI alone is not enough, nor is learning alone; and the later of the two
    counts.
    """
    runs = predicted([outlook(10, NEVER), outlook(NEVER, 10), outlook(10, 30), outlook(40, 30)])
    assert runs.success("rqi").tolist() == [False, False, True, True]
    assert runs.steps("rqi").tolist() == [NEVER, NEVER, 30, 40]
    assert not runs.success("test").any()


def test_measured_and_predicted_runs_are_judged_alike():
    steps = {"rqi": [5.0, 5, np.nan], "train": [7.0, np.nan, 7], "test": [9.0, 9, 9]}
    runs = measured(pd.DataFrame({f"steps_to_{name}": values for name, values in steps.items()}))
    assert runs.success("rqi").tolist() == [True, False, False]
    assert runs.success("test").tolist() == [True, False, True]


def test_the_grid_begins_with_the_default_and_has_nothing_twice():
    found = grid((1e-3, 1e-2), (1e-4,), (0, 3), (0, 5))
    assert found[0] == DEFAULT
    assert len(found) == len(set(found)) == 8
    assert {(one.repr_lr, one.decoder_warmup) for one in found} == {(1e-3, 0), (1e-3, 3000), (1e-2, 0), (1e-2, 300)}
    assert DEFAULT.applied_to(BASE) == BASE


def test_the_search_finds_the_best_with_few_runs():
    theory, candidates = Made(), grid((1e-3, 3e-3, 1e-2), (3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3), (0, 1, 3), (0,))
    found = search(candidates, BASE, 40, "rqi", theory)
    assert found[0].candidate.decoder_lr == 3e-4
    assert choose(found, "rqi").candidate == Candidate(1e-3, 3e-4, 0, 0.0)
    assert DEFAULT in [one.candidate for one in found]
    assert len(found) == 5
    plan = rounds(len(candidates), 40)
    assert [(one.candidates, one.seeds) for one in plan] == [(54, 4), (19, 8), (5, 40)]
    assert len(theory.asked) == sum(one.candidates * one.seeds for one in plan)


def test_all_candidates_of_a_round_have_the_same_runs():
    """And the last round has none of the earlier ones'; none is asked twice."""
    theory = Made()
    search(grid((1e-3, 3e-3), (3e-5, 1e-4, 3e-4), (0, 1, 3), (0,)), BASE, 10, "rqi", theory)
    asked = {}
    for config in theory.asked:
        way = tuple(getattr(config, name) for name in asdict(DEFAULT))
        asked.setdefault(way, []).append(config.seed)
    early, more, late = (
        [first + number for number in range(n)]
        for first, n in ((FIRST_SEED, 4), (FIRST_SEED + 4, 8), (FIRST_SEED_OF_LAST, 10))
    )
    assert sorted(asked.values()) == sorted([early] * 11 + [early + more] * 2 + [early + more + late] * 5)
    assert len(set(theory.asked)) == len(theory.asked)


def test_a_few_candidates_go_to_the_last_round_at_once():
    theory = Made()
    assert len(search(grid((1e-3,), (3e-5, 1e-4), (0,), (0,)), BASE, 5, "rqi", theory)) == 2
    assert {config.seed for config in theory.asked} == set(range(FIRST_SEED_OF_LAST, FIRST_SEED_OF_LAST + 5))


def test_of_those_that_tie_the_quickest_is_advised():
    quick, slow, worse, poor = (replace(DEFAULT, decoder_warmup=steps) for steps in (1, 2, 3, 4))
    trials = [
        trial([5] * 8 + [NEVER] * 12, [5] * 20, poor),
        trial([9] * 17 + [NEVER] * 3, [10] * 20, worse),  # cannot be told from the best, but is too far below it
        trial([9] * 19 + [NEVER] * 1, [50] * 20, slow),
        trial([9] * 18 + [NEVER] * 2, [20] * 20, quick),
    ]
    assert [one.candidate for one in ranked(trials, "rqi")] == [slow, quick, worse, poor]
    assert choose(trials, "rqi").candidate == quick


def test_no_tie_where_every_pair_says_the_same():
    """Less than the theory's error apart, but told apart by many runs."""
    slow, quick = replace(DEFAULT, decoder_warmup=1), DEFAULT
    trials = [
        trial([9] * 200, [50] * 200, slow),
        trial([9] * 190 + [NEVER] * 10, [5] * 200, quick),
    ]
    assert choose(trials, "rqi").candidate == slow


def test_more_samples_are_asked_for_where_success_is_rare():
    assert needed((30, 40, 50), (0.7, 0.8, 1.0)) == 40
    assert needed((50, 30, 40), (1.0, 0.9, 0.5)) == 50
    assert needed((30, 40), (1.0, 0.7)) is None


def test_growth_pairs_the_runs():
    theory, advised = Made(), replace(DEFAULT, decoder_lr=3e-4)
    small, large = growth(advised, replace(BASE, samples="7", n_train=3), et.addition(10), (20, 50), 25, "rqi", theory)
    assert (small.n_train, large.n_train) == (20, 50)
    assert small.advised.value > small.default.value
    assert large.default.value > small.default.value
    assert small.linear < large.linear == 1
    assert not any(config.samples for config in theory.asked)
    [kept] = growth(DEFAULT, BASE, et.addition(10), (20,), 25, "rqi", theory)
    assert kept.advised == kept.default == small.default


def test_the_check_says_whether_the_advice_helped():
    advised = replace(DEFAULT, decoder_warmup=3000)
    good, bad = np.full(20, 5.0), np.repeat([5.0, NEVER], [8, 12])
    train = np.full(20, 6.0)
    runs = {advised: Outcomes(good, train, train), DEFAULT: Outcomes(bad, train, bad)}
    theory = {advised: [outlook(1, 1)] * 20, DEFAULT: [outlook(1, NEVER)] * 20}
    found = check((200, 219), advised, runs, theory, "rqi")
    assert (found.advised.row.success.value, found.default.row.success.value) == (1, 0.4)
    assert (found.advised.predicted, found.default.predicted) == (1, 0)
    assert found.default.test.value == 0.4
    assert verdict(found).startswith("The advice helped: +0.60")
    swapped = check((200, 219), advised, {advised: runs[DEFAULT], DEFAULT: runs[advised]}, theory, "rqi")
    assert verdict(swapped).startswith("The advice harmed: -0.60")
    same = check((200, 219), advised, {advised: runs[DEFAULT], DEFAULT: runs[DEFAULT]}, theory, "rqi")
    assert verdict(same).startswith("These runs do not show")
    assert verdict(check((200, 219), DEFAULT, runs, theory, "rqi")).startswith("The advice is to keep")


def test_the_sentence_names_what_to_do():
    likely = row_of(
        replace(DEFAULT, decoder_warmup=3000, decoder_wd=5.0), trial([5] * 9 + [NEVER], [5] * 10).outcomes, "rqi"
    )
    rare = row_of(DEFAULT, trial([5] + [NEVER] * 19, [5] * 20).outcomes, "rqi")
    said = sentence(likely, rare, {"advised": 38, "default": None}, 50, 45)
    assert "warms up over 3,000 steps; weight decay 5 of the decoder. 0.90 [0.55, 1.00]" in said
    assert said.endswith("A share of 0.8 takes about 38 samples as advised, more than 50 by default.")
    kept = sentence(rare, rare, {"advised": 50, "default": 50}, 50, 45)
    assert kept.startswith("Keep the default rates: learning rates 0.001")
    assert "Nothing that was tried makes success likely. A share of 0.8 takes about 50 samples." in kept
    never = row_of(DEFAULT, trial([NEVER] * 5, [5] * 5).outcomes, "rqi")
    assert sentence(never, never, {"advised": None, "default": None}, 50, 45).startswith("No advice: of 5 runs")


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
    assert [one["candidates"] for one in report["rounds"]] == [2]
    # a check needs another way to train than the default one, whatever the theory says
    other = Candidate(1e-2, 1e-3, 0, 0.0)
    monkeypatch.setattr(advise, "choose", lambda trials, goal: next(one for one in trials if one.candidate == other))
    advise.main(replace(arguments, check=2))
    assert "4 runs, 4 of them trained now" in capsys.readouterr().err
    first = (tmp_path / "out/report.json").read_bytes()
    report = json.loads(first)
    assert report["check"]["seeds"] == [200, 201]
    assert report["check"]["gain"]["n"] == 2
    assert "## The check" in (tmp_path / "out/report.md").read_text()
    assert (tmp_path / "out/samples.png").stat().st_size > 10_000
    advise.main(replace(arguments, check=2))
    assert "4 runs, 0 of them trained now" in capsys.readouterr().err
    assert (tmp_path / "out/report.json").read_bytes() == first


def test_a_training_set_fixes_its_size():
    mask = et.addition(10).random_training_set(33, seed=1)
    base, _, sizes = advise.plan(advise.Arguments(samples=write_samples(mask)))
    assert base.n_train == 33
    assert max(sizes) < 55
    s3 = advise.plan(advise.Arguments(operation="s3"))[0]
    assert (s3.p, s3.d, s3.n_train, s3.repr_l1) == (6, 3, 29, 1e-3)
    assert advise.plan(advise.Arguments())[0] == RunConfig()


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
