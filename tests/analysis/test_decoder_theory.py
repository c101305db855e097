"""What the theory with a decoder is told of a run, and the commands that are about
nothing else.
"""

from __future__ import annotations

import json
import sys

import pytest

from analysis.remedies import __main__ as remedies
from neural import ConfigError, RunConfig

SMALL = RunConfig(p=5, n_train=12, budget=1500, decoder_lr=1e-3)


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
