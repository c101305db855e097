"""Figures 2, 7, 8 and 20: what their tables say is what the runs did."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.measures.components import effective_dimension
from analysis.paper.representations import around_generalisation, plane
from analysis.paper.runs import lower_medians
from neural.data.digits import digits
from neural.families.digits import Images, hidden_features
from neural.families.modular import answers_at, correct_samples, task
from paper_figures import fig7, fig8, fig20
from paper_figures.scale import Scale
from tests.paper_figures.conftest import Drawn

# --- figure 2


def test_a_plane_is_the_run(drawn: Drawn) -> None:
    """By plain loops over the samples."""
    drawn.tables("fig2")
    store = drawn.store
    for config in drawn.runs("fig2"):
        one, traces = plane(store, config, n=50), store.traces(config)
        weights = {name: values[-1] for name, values in traces.checkpoints.items()}
        right = correct_samples(config, weights)
        pairs, results = task(config)
        trained = {tuple(pair) for pair in pairs[traces.mask].tolist()}
        unseen = [s for s, (a, b) in enumerate(pairs.tolist()) if a <= b and not {(a, b), (b, a)} & trained]
        assert one.n_unseen == len(unseen)
        assert one.unseen_accuracy == pytest.approx(right[unseen].mean())
        assert one.train_accuracy == pytest.approx(right[traces.mask].mean())
        assert len(one.means) == len(one.results) == 5 * 6 // 2
        assert (~one.trained).sum() == len(unseen)
        means = one.places[pairs].mean(axis=1)
        np.testing.assert_array_equal(answers_at(config, weights, means) == results, right)
        row, column = 7, 31
        place = np.array([[one.grid[0, column], one.grid[1, row]]])
        assert one.answers[row, column] == answers_at(config, weights, place)[0]


def test_the_two_orders_of_a_pair_are_one_to_the_decoder(drawn: Drawn) -> None:
    drawn.tables("fig2")
    for config in drawn.runs("fig2"):
        weights = {name: values[-1] for name, values in drawn.store.traces(config).checkpoints.items()}
        right = correct_samples(config, weights).reshape(5, 5)
        np.testing.assert_array_equal(right, right.T)


# --- figure 7


def test_the_legend_of_the_times_lies_on_no_run(drawn: Drawn) -> None:
    """Runs may be anywhere in the panel, so that it lies below."""
    figure = drawn.picture("fig7")
    figure.draw_without_rendering()
    times = figure.axes[1]
    legend = times.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y1 < times.get_window_extent().y0


def test_dimensions_are_those_of_the_checkpoints(drawn: Drawn) -> None:
    found = drawn.tables("fig7")["curves"]
    for config in (run for run in drawn.runs("fig7") if run.checkpoints):
        traces = drawn.store.traces(config)
        here = found[found["seed"] == config.seed]
        assert here["step"].tolist() == traces.checkpoint_steps.tolist()
        wanted = [effective_dimension(E[:-1]) for E in traces.checkpoints["embedding"]]
        np.testing.assert_allclose(here["effective_dimension"], wanted)


def test_what_dimensions_did_around_generalisation() -> None:
    """Rises, then falls; only falls; never generalises."""
    steps = [0, 10, 20, 40]
    table = pd.concat(
        pd.DataFrame({"seed": seed, "step": steps, "effective_dimension": values, "steps_to_test_95": time})
        for seed, values, time in ((3, [5, 7, 6, 2], 25.0), (4, [9, 8, 7, 6], 40.0), (5, [1, 2, 3, 4], np.nan))
    )
    rows = around_generalisation(table)
    assert rows.to_numpy().tolist() == [[3, 5, 7, 6, 2], [4, 9, 9, 6, 6]]


def test_medians_keep_runs_that_never_got_there() -> None:
    """An odd and an even number of runs; the lower of two; inf where most did not."""
    table = pd.DataFrame(
        {
            "dropout": [0.0, 0.0, 0.0, 0.1, 0.1, 0.1, 0.2, 0.2],
            "steps_to_test_95": [100, 300, np.nan, np.nan, np.nan, 50, 70, np.nan],
            "steps_to_train": [1, 2, 3, 4, 5, 6, 9, 7],
        }
    )
    rows = lower_medians(table, "dropout", ["steps_to_test_95", "steps_to_train"])
    assert rows.to_numpy().tolist() == [[0, 300, 2], [0.1, np.inf, 5], [0.2, 70, 7]]


def test_figure_7_has_the_papers_runs() -> None:
    """Thirty seeds, a grid of dropout, 6 x 6 settings of three seeds at the quick
    scale; a hundred seeds at the published one.
    """
    quick, published = fig7.runs(fig7.QUICK), fig7.runs(Scale())
    assert len({run.seed for run in quick}) == 30
    plane_runs = [run for run in quick if run.dropout == 0 and not run.checkpoints]
    settings = {(run.learning_rate, run.weight_decay) for run in plane_runs}
    assert len(plane_runs) == 3 * len(settings) == 108
    assert {len({one[k] for one in settings}) for k in (0, 1)} == {6}
    assert len({run.seed for run in published}) == 100
    assert {run.embedding_wd for run in quick + published} == {0.0}
    assert {run.embedding_lr for run in quick + published} == {1e-3}


# --- figures 8 and 20


def test_hidden_features_are_those_of_plain_products(drawn: Drawn) -> None:
    drawn.tables("fig8")
    config = next(run for run in drawn.runs("fig8") if run.checkpoints)
    weights = {name: values[-1] for name, values in drawn.store.traces(config).checkpoints.items()}
    images = digits("small").images[:9]
    x = images
    for number in (1, 2):
        x = np.maximum(x @ weights[f"layer_{number}"].T + weights[f"layer_{number}_bias"], 0)
    np.testing.assert_allclose(hidden_features(config, weights, images), x, rtol=1e-4, atol=1e-5)


def test_network_and_theory_collapse_from_one_start(drawn: Drawn) -> None:
    found = drawn.tables("fig8")["collapses"]
    configs = [run for run in drawn.runs("fig8") if run.checkpoints]
    assert found.groupby(["init_scale", "seed", "who"]).ngroups == 2 * len(configs)
    for config in configs:
        here = found[(found["init_scale"] == config.init_scale) & (found["seed"] == config.seed)]
        network, theory = (here[here["who"] == who] for who in ("network", "theory"))
        columns = ["within", "between", "common", "distance"]
        np.testing.assert_allclose(network[columns].iloc[0], theory[columns].iloc[0], rtol=1e-6)
        assert network["step"].tolist() == drawn.store.traces(config).checkpoint_steps.tolist()
        assert (np.diff(theory["within"]) < 0).all()
        assert (np.diff(theory["distance"]) > 0).all()
        begun = {name: value.detach().numpy() for name, value in Images.start(config).model.named_parameters()}
        chosen = Images.start(config).lane["chosen"][: config.n_train]
        F = hidden_features(config, begun, digits("small").images[chosen])
        labels = digits("small").labels[chosen]
        deviation = sum(((F[labels == c] - F[labels == c].mean(0)) ** 2).sum() for c in range(10))
        assert network["within"].iloc[0] == pytest.approx(deviation / (F**2).sum())


def test_accuracies_are_the_traces(drawn: Drawn) -> None:
    table = drawn.tables("fig8")["accuracies"]
    for config in (run for run in drawn.runs("fig8") if run.checkpoints):
        found = table[(table["init_scale"] == config.init_scale) & (table["seed"] == config.seed)]
        traces = drawn.store.traces(config)
        np.testing.assert_array_equal(found["test_accuracy"], traces.metrics["test_accuracy"])
        assert found["step"].tolist() == traces.steps.tolist()


def test_figures_of_digits_have_five_points_an_axis() -> None:
    assert len({run.n_train for run in fig20.runs(fig20.QUICK)}) == 5
    plane_runs = [run for run in fig8.runs(fig8.QUICK) if not run.checkpoints]
    assert len({run.last_lr for run in plane_runs}) == len({run.weight_decay for run in plane_runs}) == 5
    assert len(plane_runs) == 3 * 25
