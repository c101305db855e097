"""Figure 19: the loss that the network descends, what is measured of classes, and what
the figure says of it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

import efftheory as et
from analysis.measures.components import spreads
from analysis.paper.classes import CLASSES, LABELS, LEARNING_RATE, SAMPLES, descend, flow, inputs
from paper_figures import fig19
from paper_figures.scale import Scale
from tests.tolerances import assert_close


def test_spreads_are_those_of_plain_loops():
    rng = np.random.default_rng(0)
    path = rng.normal((1.0, 2.0), size=(3, len(LABELS), 2))
    for F, row in zip(path, spreads(LABELS, path).to_dict("records"), strict=True):
        z = sum(f @ f for f in F)
        means = [F[c == LABELS].mean(axis=0) for c in range(CLASSES)]
        deviation = sum(((f - means[c]) ** 2).sum() for f, c in zip(F, LABELS, strict=True))
        distances = [np.linalg.norm(a - b) for a, b in combinations(means, 2)]
        assert_close(row["within"], deviation / z)
        assert_close(row["within"], et.class_loss(LABELS, F) / SAMPLES)
        assert_close(row["common"], len(F) * (F.mean(axis=0) ** 2).sum() / z)
        assert_close(row["within"] + row["between"] + row["common"], 1.0)
        assert_close(row["distance"], np.sqrt(np.mean(np.square(distances)) / (z / len(F))))
        assert_close(row["separation"], min(distances) / np.sqrt(deviation / len(F)))


def test_spreads_of_classes_of_different_sizes():
    """Names of the classes do not matter, nor the order of the samples."""
    rng = np.random.default_rng(1)
    labels = np.repeat([4, 7, 9], [3, 10, 25])
    path = rng.normal((1.0, 2.0, 0.0), size=(2, len(labels), 3))
    order = rng.permutation(len(labels))
    assert_close(spreads(labels, path), spreads(10 - labels[order], path[:, order]))
    for F, row in zip(path, spreads(labels, path).to_dict("records"), strict=True):
        means = {c: F[labels == c].mean(axis=0) for c in (4, 7, 9)}
        deviation = sum(((f - means[c]) ** 2).sum() for f, c in zip(F, labels, strict=True))
        between = sum(((means[c] - F.mean(axis=0)) ** 2).sum() for c in labels)
        distances = [np.linalg.norm(means[a] - means[b]) for a, b in combinations(means, 2)]
        assert_close(row["within"], deviation / (F**2).sum())
        assert_close(row["between"], between / (F**2).sum())
        assert_close(row["within"] + row["between"] + row["common"], 1.0)
        assert_close(row["distance"], np.sqrt(np.mean(np.square(distances)) / (F**2).sum() * len(F)))


@pytest.mark.parametrize("centred", [False, True])
def test_the_network_descends_the_theorys_loss(centred):
    """The same steps by a loss written in torch. Would reveal a gradient that is
    carried back wrongly.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second, last = torch.nn.Linear(32, 200), torch.nn.Linear(200, 200), torch.nn.Linear(200, 2)
    model = torch.nn.Sequential(first, torch.nn.Tanh(), second, torch.nn.Tanh(), last).double()
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    x, labels = torch.from_numpy(inputs(3)), torch.from_numpy(LABELS)
    for F in descend(3, 3, centred=centred):
        f = model(x)
        f = f - f.mean(0) if centred else f
        assert_close(F, f.detach().numpy())
        pairs = (f[:, None] - f).square().sum(-1)[labels[:, None] == labels]
        optimizer.zero_grad()
        (pairs.sum() / 2 / f.square().sum()).backward()
        optimizer.step()


def test_a_seed_is_a_network():
    state = torch.random.get_rng_state()
    path = descend(5, 4, centred=False)
    np.testing.assert_array_equal(path, descend(5, 4, centred=False))
    np.testing.assert_array_equal(path, descend(5, 9, centred=False)[:5])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not np.array_equal(path, descend(6, 4, centred=False))


def test_an_e_folding_is_one_of_deviations_against_means():
    F0 = descend(0, 0, centred=False)[0]
    ratios = [
        row["within"] / (row["between"] + row["common"])
        for row in spreads(LABELS, flow(F0, [0, 1, 3])).to_dict("records")
    ]
    assert_close(ratios[0] / np.array(ratios), np.exp([0.0, 2.0, 6.0]))


def test_the_tables_hold_what_is_drawn(drawn):
    curves, states = (drawn.tables("fig19")[name] for name in ("curves", "states"))
    assert curves.groupby(["who", "centred", "seed"]).size().to_dict() == {
        (who, centred, seed): 101 for who in ("network", "theory") for centred in (False, True) for seed in (0, 1)
    }
    assert curves.loc[curves["who"] == "network", "time"].max() == fig19.STEPS
    assert list(states) == ["start", "network", "centred", "theory"]
    for points in states.values():
        assert points["label"].tolist() == LABELS.tolist()
        assert_close((points[["x", "y"]] ** 2).to_numpy().sum(), len(points))
    assert_close(states["centred"][["x", "y"]].mean(), [0.0, 0.0])
    for seed, centred in ((0, False), (1, True)):
        here = curves[(curves["seed"] == seed) & (curves["centred"] == centred)]
        network, theory = (here[here["who"] == who].iloc[0] for who in ("network", "theory"))
        assert_close(network["within"], theory["within"])  # one start


def test_classes_collapse_and_stay_apart_in_units_of_their_size(drawn):
    curves = drawn.tables("fig19")["curves"].sort_values("time").groupby(["who", "centred", "seed"])
    first, last = curves.first(), curves.last()
    assert (last["within"] < 0.05 * first["within"]).all()
    assert (last["separation"] > first["separation"]).all()


def test_the_theory_keeps_class_means_apart_and_the_network_if_it_is_centred(drawn):
    for (who, centred, _), curve in drawn.tables("fig19")["curves"].groupby(["who", "centred", "seed"]):
        distance, common = curve["distance"].to_numpy(), curve["common"].to_numpy()
        if who == "theory":
            assert (np.diff(distance) > 0).all()
        assert (distance[-1] > distance[0]) == (who == "theory" or centred)
        assert (common[-1] > 0.5) == (who == "network" and not centred)  # what Z consists of instead
    fell = drawn.tables("fig19")["fell"]
    assert fell["distance"].to_dict() == {False: 2, True: 0}
    assert fell["within"].to_dict() == {False: 2, True: 2}


def test_a_class_is_told_by_its_mark(drawn):
    first = drawn.picture("fig19").axes[0]
    assert len({str(line.get_marker()) for line in first.get_lines()}) == CLASSES + 1  # and the origin


def test_fewer_steps_are_a_scale(drawn):
    assert fig19.runs(Scale()) == []
    curves = fig19.tables(drawn.store, Scale(seeds=1, budget=3))["curves"]
    assert curves.loc[curves["who"] == "network", "time"].max() == 3
