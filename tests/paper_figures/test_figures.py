"""Every figure draws from a store, its tables say what the runs did, and the command
says what it can draw.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from itertools import combinations
from typing import cast

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.image import imread

import efftheory as et
from analysis.experiments import EXPERIMENTS, PAPER_SIZES
from analysis.report.files import save_picture
from analysis.report.look import BLUE, GREEN, ORANGE, VERMILION
from analysis.runs.plan import Axis, grid
from analysis.runs.store import RunStore
from neural import ConfigError, DigitsConfig, RunConfig
from neural.command import run_command
from neural.families.toy import task
from paper_figures import fig4, fig6, fig16, fig17, fig18, s3
from paper_figures.__main__ import FIGURES, Arguments, figures_named, main
from paper_figures.scale import Part, Scale, differences, part
from paper_figures.style import LOOK, recolour
from tests.paper_figures.conftest import SCALES
from tests.paper_figures.texts import TEXTS, texts

TOY = ("fig3", "fig4", "fig5")  # addition, p = 10, every size of the paper
PLANES = ("fig6", "fig13", "fig14", "fig15")
S3 = ("fig16", "fig17", "fig18")


SHARED = {
    "fig3": 2,
    "fig4": 1,
    "fig9": 1,
    "fig11": 1,
    "fig12": 1,
    "fig19": 3,
}  # panels with a neighbour's y axis, or none


def test_every_figure_is_tried():
    assert set(SCALES) == set(FIGURES)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.filterwarnings("error::UserWarning")  # matplotlib's
def test_each_figure_draws(name, drawn, tmp_path):
    """Not empty, every panel with its words; the caption names the panels."""
    with mpl.rc_context(LOOK):
        figure = drawn.picture(name)
        save_picture(tmp_path / "figure.png", figure)
    assert imread(tmp_path / "figure.png").std() > 0.02
    assert texts(figure) == TEXTS[name]
    panels = [axes for axes in figure.axes if axes.axison and axes.get_label() != "<colorbar>"]
    assert all(axes.has_data() and axes.get_xlabel() for axes in panels)
    assert sum(not axes.get_ylabel() for axes in panels) == SHARED.get(name, 0)
    assert name[:3] == "fig" or ("(a)" in FIGURES[name].__doc__ and "(b)" in FIGURES[name].__doc__)


def test_figures_3_to_5_need_the_papers_runs():
    sizes = Axis("n_train", PAPER_SIZES)
    for name in TOY:
        runs = FIGURES[name].runs(Scale())
        assert [run for run in runs if run.init == "default"] == grid(RunConfig(), [sizes], 8)
        assert FIGURES[name].runs(Scale(seeds=3))[: 3 * len(PAPER_SIZES)] == grid(RunConfig(), [sizes], 3)
    assert fig4.REFERENCE in fig4.runs(Scale())


@pytest.mark.parametrize(("name", "points"), [("fig6", 13 * 13 + 3 * 16 * 11), ("fig13", 162), ("fig15", 162)])
def test_phase_diagrams_need_the_papers_planes(name, points):
    runs = FIGURES[name].runs(Scale())
    assert len(set(runs)) == len(runs)
    assert 0.97 * 3 * points < len(runs) <= 3 * points  # where planes cross they share runs
    assert {run.budget for run in runs} == {100_000}
    assert {run.seed for run in runs} == {0, 1, 2}


def test_figures_of_s3_need_eleven_seeds_of_every_size():
    sizes = (*range(3, 36, 3), 35)
    for name in S3:
        runs = FIGURES[name].runs(Scale())
        assert {(run.n_train, run.seed) for run in runs} == {(n, seed) for n in sizes for seed in range(11)}
        assert {run.budget for run in runs} == {10_000}


def test_the_network_and_the_theory_have_one_table_of_s3():
    (pairs, results), theirs = task(s3.BASE), et.symmetric_group(3)
    np.testing.assert_array_equal(pairs, theirs.pairs)
    np.testing.assert_array_equal(results, theirs.results)


class InventedRuns:
    """A store whose runs learn at step 10, and generalise late with a fast decoder,
    never with seed 2 and any decay.
    """

    def table(self, configs):
        rows = []
        for run in configs:
            late = 5000.0 if run.decoder_lr > 1e-3 else 20.0
            test = [[0.0], [0.1]] if run.seed == 2 and run.decoder_wd else [[0.0, late], [0.1, 1.0]]
            rows.append(asdict(run) | {"train_record": np.array([[10.0], [1.0]]), "test_record": np.array(test)})
        return pd.DataFrame(rows)


def test_cells_of_a_phase_diagram_count_its_runs():
    diagrams = fig6.tables(cast(RunStore, InventedRuns()), Scale(points=4))["diagrams"]
    assert list(diagrams) == [
        EXPERIMENTS["phase_diagram"][name].title for name in ("lr_lr", "regression", "classification", "s3")
    ]
    for diagram in diagrams.values():
        assert len(diagram.cells) == 16
        of_rates = diagram.axes[1].field == "decoder_lr"
        for cell in diagram.cells.to_dict("records"):
            decoder_lr, decay = (cell["y"], 0) if of_rates else (cell["x"], cell["y"])
            name = "grokking" if decoder_lr > 1e-3 else "comprehension"
            assert cell["majority"] == name
            assert cell["n"] == 3
            assert (cell[name], cell["memorisation"]) == ((2, 1) if decay else (3, 0))


def test_weight_decays_of_s3_are_drawn_in_rows():
    figure = fig6.draw(**fig6.tables(cast(RunStore, InventedRuns()), Scale(seeds=1)))
    texts = [tick.get_text() for tick in figure.axes[3].get_yticklabels()]
    assert texts == ["0", "1", "2", "3", "5", "10", "20", "30", "50", "100", "200"]
    assert figure.axes[3].get_yticks().tolist() == list(range(11))
    assert figure.axes[2].get_yticks().tolist() == list(range(0, 21, 2))


def test_tables_of_s3_are_those_of_the_runs(drawn):
    """Acc-hat by its definition, the best seed and the count of the bound by plain
    loops.
    """
    op = et.symmetric_group(3)
    table = drawn.tables("fig17")["table"]
    for run in table.to_dict("records"):
        E, mask = run["final_embedding"], run["mask"]
        products = [E[a] @ E[b] / np.mean(E**2) for a, b in op.pairs]
        reached = [
            any(op.results[s] == op.results[t] and ((products[s] - x) ** 2).mean() < 0.5 for s in np.flatnonzero(mask))
            for t, x in enumerate(products)
        ]
        assert run["predicted_accuracy"] == np.mean(reached)
        assert run["fraction"] == run["n_train"] / 36 == mask.mean()
    for _, rivals in table.groupby("n_train"):
        best = rivals[rivals["best"]]
        assert best["rqi"].tolist() == [rivals["rqi"].max()]
    n_bounded = sum(low <= high for low, high in zip(table["predicted_accuracy"], table["accuracy"], strict=True))
    label = fig17.draw(table).axes[2].get_legend_handles_labels()[1][-1]
    assert label.endswith(f"{n_bounded} of 9 runs")


def test_medians_of_s3_take_censored_runs_as_longer(drawn, monkeypatch):
    table = drawn.tables("fig16")["table"]
    steps = [10.0, 20.0, np.nan, 30.0, np.nan, np.nan, np.nan, np.nan, np.nan]
    monkeypatch.setattr(fig16, "outcomes", lambda store, configs: table.assign(steps_to_rqi=steps))
    medians = fig16.tables(drawn.store, SCALES["fig16"])["medians"]
    assert medians == {3 / 36: 20.0, 21 / 36: np.inf, 35 / 36: np.inf}


def test_principal_components_keep_distances_of_what_spreads_in_three_directions():
    rng = np.random.default_rng(0)
    E = (rng.normal(size=(6, 3)) @ rng.normal(size=(3, 9)) + 5).reshape(6, 3, 3)
    state = fig18.along_components("", E)
    for a, b in combinations(range(6), 2):
        assert np.linalg.norm(state.places[a] - state.places[b]) == pytest.approx(np.linalg.norm(E[a] - E[b]))
    assert state.shares.sum() == pytest.approx(1)
    assert sorted(state.shares, reverse=True) == state.shares.tolist()
    assert (state.places[0] >= 0).all()


def test_embeddings_of_s3_are_labelled_by_their_permutation(drawn):
    before, after = drawn.tables("fig18")["states"]
    op, even = et.symmetric_group(3), fig18.EVEN
    a, b = op.pairs.T  # the parity of a product is the product of the parities
    np.testing.assert_array_equal(even[op.results], even[a] == even[b])
    names = [text.get_text() for text in fig18.draw([before, after]).axes[0].texts]
    assert names == ["123", "132", "213", "231", "312", "321"]
    assert even.tolist() == [True, False, False, True, True, False]
    assert f"RQI {drawn.tables('fig16')['table']['rqi'].max():.2f}" in after.title


def test_a_scale_thins_axes_and_shortens_runs():
    axis = Axis("n_train", PAPER_SIZES)
    assert Scale().axis(axis) == Scale(points=11).axis(axis) == Scale(points=99).axis(axis) == axis
    assert Scale(points=3).axis(axis).values == (5, 30, 54)
    assert Scale(points=2).axis(axis).values == (5, 54)
    for points in range(2, 12):
        values = Scale(points=points).axis(axis).values
        assert len(set(values)) == points
        assert (values[0], values[-1]) == (5, 54)
    assert Scale().run(RunConfig()) == RunConfig()
    sizes = Part(RunConfig(), (axis,), seeds=5)
    runs = sizes.runs(Scale(seeds=2, points=2, budget=7))
    assert [(run.n_train, run.seed, run.budget) for run in runs] == [(5, 0, 7), (5, 1, 7), (54, 0, 7), (54, 1, 7)]
    assert len(sizes.runs(Scale(points=2))) == 10
    assert len(replace(sizes, whole=True).runs(Scale(points=2))) == 55


def test_a_part_with_smaller_networks_has_them_at_the_small_scale():
    sizes = part(RunConfig(), "n_train=5,10,20", seeds=2).or_small(RunConfig(width=8))
    assert {run.width for run in sizes.runs(Scale())} == {200}
    assert {(run.width, run.n_train) for run in sizes.runs(Scale(small=True))} == {(8, 5), (8, 10), (8, 20)}
    fewer = sizes.or_small(RunConfig(width=8), "n_train=7", seeds=1)
    assert fewer.runs(Scale(small=True)) == [RunConfig(width=8, n_train=7)]
    assert fewer.runs(Scale()) == sizes.runs(Scale())


def test_what_is_given_goes_before_what_a_figure_has():
    quick = Scale(seeds=2, points=5, small=True)
    assert quick.but(Scale()) == quick
    assert quick.but(Scale(seeds=7, budget=40)) == Scale(7, 5, 40, small=True)


def test_it_is_said_what_was_reduced():
    sizes = Axis("n_train", (5, 10, 20))
    published = grid(RunConfig(), [sizes], 3)
    assert differences(published, published) == ""
    quick = Part(RunConfig(width=8), (sizes,)).runs(Scale(seeds=1, points=2, budget=2_000))
    assert differences(quick, published) == (
        "2 runs instead of 9; n_train 5 and 20 instead of 3 values; seed 0 instead of 3 values; "
        "width 8 instead of 200; budget 2,000 instead of 10,000"
    )


def test_what_was_reduced_is_said_of_each_kind_of_run():
    digits, toy = DigitsConfig(), RunConfig()
    assert (
        differences([digits, RunConfig(p=5, n_train=9)], [toy, digits]) == "p 5 instead of 10; n_train 9 instead of 45"
    )


def test_no_quick_figure_trains_what_the_published_one_does_not_have_room_for():
    """Never more runs than there are published, and never longer ones."""
    for figure in FIGURES.values():
        quick, published = figure.runs(getattr(figure, "QUICK", Scale())), figure.runs(Scale())
        assert 0 <= len(set(quick)) <= len(set(published))
        assert max((run.budget for run in quick), default=0) <= max((run.budget for run in published), default=0)


@pytest.mark.parametrize(("field", "value", "low"), [("seeds", 0, 1), ("points", 1, 2), ("budget", -5, 1)])
def test_a_scale_that_cannot_be_is_refused(field, value, low):
    with pytest.raises(ConfigError, match=rf"^`{field}` must be an integer of at least {low}, but is {value}\.$"):
        Scale(**{field: value})


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["paper_figures", *map(str, arguments)])
    run_command(Arguments, main, "paper_figures")


def test_figures_whose_data_are_missing_are_left_out_and_the_others_come(tmp_path, monkeypatch, capsys):
    """The last line says which, and what to do; the command has failed."""

    def absent(source):
        raise ConfigError(f"{source} is not here")

    monkeypatch.setattr("neural.families.digits.digits", absent)
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, "fig8", "fig11", "fig20", "--out", tmp_path, "--store", tmp_path / "runs.sqlite")
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'fig11.png'}\n"
    assert said.err.splitlines()[-1] == "error: fig8, fig20 left out: mlxtend is not here"


def test_the_command_lists_and_refuses(monkeypatch, capsys):
    command(monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(FIGURES)
    assert "fig3           88 runs  accuracy, predicted accuracy and training fraction" in lines
    for wrong in (["fig99"], ["fig3", "--points", "1"]):
        with pytest.raises(SystemExit):
            command(monkeypatch, *wrong)
    assert capsys.readouterr().err.splitlines() == [
        f"error: `names` must be among {', '.join(FIGURES)}, but one is 'fig99'.",
        "error: `points` must be an integer of at least 2, but is 1.",
    ]


def test_a_paper_is_all_of_its_figures():
    assert figures_named(["fig"]) == [f"fig{number}" for number in range(1, 23)]
    assert figures_named(["omnigrok7", "fig3", "omnigrok"])[:3] == ["omnigrok7", "fig3", "omnigrok2"]
    assert sorted(figures_named(["fig", "omnigrok"])) == sorted(FIGURES)


def test_a_palette_is_that_of_all_but_maps():
    figure = Figure()
    axes = figure.subplots()
    line = axes.plot([1, 2], color=BLUE, marker="o", mfc="none", mec=GREEN, label="line")[0]
    dots = axes.scatter([1, 2], [1, 2], color=[VERMILION, "white"], alpha=0.5)
    mapped = axes.scatter([1, 2], [1, 2], c=[0, 1])
    bar = axes.bar([1], [1], color=ORANGE)[0]
    key = axes.legend().get_lines()[0]
    before = mapped.get_cmap()
    recolour(figure, "tol")
    assert to_hex(line.get_color()) == to_hex(key.get_color()) == "#4477aa"
    assert to_hex(line.get_markeredgecolor()) == "#228833"
    assert to_hex(line.get_markerfacecolor(), keep_alpha=True) == "#00000000"
    assert [to_hex(rgba, keep_alpha=True) for rgba in to_rgba_array(dots.get_facecolor())] == ["#ee667780", "#ffffff80"]
    assert to_hex(bar.get_facecolor()) == "#ccbb44"
    assert mapped.get_cmap() is before
    assert mapped.get_array() is not None


def test_a_dry_run_trains_nothing_and_a_real_one_leaves_picture_and_caption(drawn, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Scale, "run", lambda scale, run: replace(run, budget=scale.budget or run.budget, width=8))
    drawn.tables("fig16")
    scale = ["--points", 3, "--budget", 40, "--store", drawn.store.path, "--out", tmp_path / "out"]
    command(monkeypatch, "fig16", "fig17", "--seeds", 4, "--dry-run", *scale)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "12 runs in the plan"
    assert lines[1].startswith("3 runs to train, 120 steps")
    assert not (tmp_path / "out").exists()
    command(monkeypatch, "fig16", "--seeds", 3, "--palette", "grey", *scale)
    page = (tmp_path / "out" / "fig16.md").read_text()
    assert page.startswith("![fig16](fig16.png)\n\nRepresentations of S3")
    assert page.endswith(
        "\n\nUnlike what the caption says, drawn with 9 runs instead of 132; "
        "n_train 3 values instead of 12 values; "
        "seed 3 values instead of 11 values; budget 40 instead of 10,000.\n"
    )
    assert (tmp_path / "out" / "fig16.png").stat().st_size > 10_000
