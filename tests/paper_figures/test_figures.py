"""Every figure draws from a store, theory beside experiment, and the command says what it can draw."""

from __future__ import annotations

import sys
from dataclasses import replace

import matplotlib as mpl
import pytest
from matplotlib.image import imread

from analysis._report import save_picture
from analysis.runs.experiments import PAPER_SIZES, paper_sizes
from analysis.runs.store import RunStore
from neural import train_runs
from neural.command import run_command
from paper_figures import fig3, fig4, fig5
from paper_figures.__main__ import FIGURES, Arguments, main
from paper_figures.style import LOOK


@pytest.fixture(scope="module")
def short_runs(tmp_path_factory):
    """The paper's runs, two sizes and seeds, a few steps of a narrow network: enough to be drawn."""
    configs = [replace(run, budget=100, width=8) for run in paper_sizes(2) if run.n_train in (20, 45)]
    reference = replace(fig4.REFERENCE, budget=100, width=8)
    with RunStore(tmp_path_factory.mktemp("store") / "runs.sqlite") as store:
        for history in train_runs([*configs, reference], device="cpu", compiled=False):
            store.add(history, "cpu", "test")
        yield store, configs, reference


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_draws(name, short_runs, tmp_path, monkeypatch):
    store, configs, reference = short_runs
    monkeypatch.setattr(fig3, "runs", lambda seeds: configs)
    monkeypatch.setattr(fig5, "runs", lambda seeds: configs)
    monkeypatch.setattr(fig4, "paper_sizes", lambda seeds: configs)
    monkeypatch.setattr(fig4, "REFERENCE", reference)
    monkeypatch.setattr(fig4, "DRAWS", 200)
    monkeypatch.setattr(fig5, "SETS", 3)
    with mpl.rc_context(LOOK):
        figure = FIGURES[name].draw(FIGURES[name].tables(store, 2))
        save_picture(tmp_path / "figure.png", figure)
    assert imread(tmp_path / "figure.png").std() > 0.02  # something was drawn
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.has_data()


@pytest.mark.parametrize("name", FIGURES)
def test_what_a_figure_needs_are_the_papers_runs(name):
    runs = FIGURES[name].runs(3)
    assert {run.n_train for run in runs} == set(PAPER_SIZES)
    assert {run.budget for run in runs} == {10_000}
    assert len(set(runs)) == len(runs) >= 3 * len(PAPER_SIZES)


def test_the_command_lists_and_refuses(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["paper_figures"])
    run_command(Arguments, main, "paper_figures")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FIGURES)
    monkeypatch.setattr(sys, "argv", ["paper_figures", "fig99"])
    with pytest.raises(SystemExit):
        run_command(Arguments, main, "paper_figures")
    assert capsys.readouterr().err == "error: `names` must be among fig3, fig4, fig5, but one is 'fig99'.\n"
