"""Graph convolutions on molecules: each lane against a twin that goes from bond to
bond, molecules written down by hand, and what must not matter.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from importlib.machinery import ModuleSpec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neural.config import ConfigError
from neural.data import molecules
from neural.data.molecules import SIZE, graph, graphs, largest, read_qm9
from neural.families.molecules import TOLERANCE, WIDTHS, GraphNetwork, Molecules, MoleculesConfig, samples
from neural.history import History
from neural.training import train_run
from tests.neural.test_ensemble import run_all
from tests.neural.twins import Twin, assert_run_is, norm_of

needs_molecules = pytest.mark.skipif(
    not all(importlib.util.find_spec(package) for package in ("qm9pack", "rdkit")),
    reason="needs the molecules of qm9pack and rdkit: pip install 'efftheory[molecules]'",
)
SMALL = MoleculesConfig(n_train=12, n_test=8, pool=40, batch_size=5, look_every=5, budget=40)


class Convolution(nn.Module):
    """x_v -> W x_v + b + sum over bonds vu of x_u Theta(e_vu), with a matrix for each
    bond.
    """

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.edge = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, n_in * n_out))
        self.root = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor, ends: Tensor, e: Tensor) -> Tensor:
        theta = self.edge(e).view(len(e), x.shape[1], -1)
        messages = torch.einsum("ei,eio->eo", x[ends[:, 1]], theta)
        return self.root(x).index_add(0, ends[:, 0], messages)


class Plain(nn.Module):
    """In torch's own layers, on one large graph of all molecules."""

    def __init__(self) -> None:
        super().__init__()
        one, two = (Convolution(*widths) for widths in pairwise(WIDTHS))
        self.convolutions = nn.ModuleList([one, two])
        self.hidden, self.last = nn.Linear(16, 32), nn.Linear(32, 1)
        self.layers: dict[str, Any] = {
            **{"edge_1": one.edge[0], "theta_1": one.edge[2], "conv_1": one.root},
            **{"edge_2": two.edge[0], "theta_2": two.edge[2], "conv_2": two.root},
            **{"hidden": self.hidden, "last": self.last},
        }

    def load(self, initial: dict[str, Tensor]) -> None:
        assert initial.keys() == self.arrays().keys()
        with torch.no_grad():
            for name, layer in self.layers.items():
                layer.weight.copy_(initial[name])
                layer.bias.copy_(initial[f"{name}_bias"])

    def arrays(self) -> dict[str, np.ndarray]:
        weights = {name: layer.weight.detach().numpy() for name, layer in self.layers.items()}
        return weights | {f"{name}_bias": layer.bias.detach().numpy() for name, layer in self.layers.items()}

    def forward(self, some: list[str]) -> Tensor:
        kind = self.last.weight.dtype
        x, ends, e, owner, n = [], [], [], [], 0
        for number, smiles in enumerate(some):
            atoms, bonds = graph(smiles)
            for one, other in np.argwhere(bonds.any(2)).tolist():
                ends.append([n + one, n + other])
                e.append(bonds[one, other])
            x.append(atoms)
            owner += [number] * len(atoms)
            n += len(atoms)
        features = torch.as_tensor(np.concatenate(x), dtype=kind)
        links, marks = torch.as_tensor(ends), torch.as_tensor(np.array(e), dtype=kind)
        for convolution in self.convolutions:
            features = convolution(features, links, marks).relu()
        pooled = features.new_zeros(len(some), 16).index_add(0, torch.as_tensor(owner), features)
        return self.last(self.hidden(pooled).relu())[:, 0]


def assert_twin_agrees(config: MoleculesConfig, run: History) -> None:
    """By torch's layers and optimisers, on molecules that are found again by their
    seed.
    """
    begin = Molecules.start(config)
    kind = getattr(torch, config.dtype)
    model = Plain().to(kind)
    model.load(dict(begin.model.named_parameters()))
    drawn = np.random.default_rng(np.random.SeedSequence([config.seed, config.pool]).spawn(3)[0])
    order = drawn.permutation(config.pool)
    found = read_qm9(config.pool)[[*order[: config.n_train], *order[config.pool - config.n_test :]]]
    smiles, y = found["SMILES"].tolist(), torch.as_tensor(found["Polarizability_bohr3"], dtype=kind)

    def measured(batch: Any) -> tuple[Tensor, ...]:
        some = range(len(y)) if batch is None else batch.tolist()
        errors = model([smiles[k] for k in some]) - y[list(some)]
        return errors.abs() <= TOLERANCE, errors.square()

    traces, right = Twin(config, begin, model, measured, lambda: [norm_of(model.last.parameters())]).train()
    assert_run_is(run, traces, model.arrays(), right)


@needs_molecules
@pytest.mark.parametrize(
    "shared", [{}, {"batch_size": None, "pool": 100}, {"constrained": True, "batch_size": 12}], ids=str
)
def test_lanes_are_separate_runs(shared: dict[str, Any]) -> None:
    """Four runs that differ in all that an ensemble may mix."""
    base = replace(SMALL, dtype="float64", **shared)
    configs = [
        replace(base, seed=1),
        replace(base, seed=2, init_scale=2.0, learning_rate=1e-2),
        replace(base, seed=3, weight_decay=1.0, checkpoints=1),
        replace(base, seed=4, optimizer="sgd", learning_rate=1e-6, init_scale=0.5),
    ]
    for config, run in run_all(configs, lanes=4).items():
        assert_twin_agrees(config, run)


@needs_molecules
def test_molecules_by_hand() -> None:
    """Methane, ethyne, and benzene, whose bonds are aromatic; hydrogens come last."""
    carbon, hydrogen = [0, 1, 0, 0, 0, 6], [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    for smiles, n, aromatic, orbital, between in (
        ("C", 1, 0, [0, 0, 1], None),
        ("C#C", 2, 0, [1, 0, 0], 2),
        ("c1ccccc1", 6, 1, [0, 1, 0], 3),
    ):
        atoms, bonds = graph(smiles)
        each = 4 if n == 1 else 1  # hydrogens at a carbon
        assert atoms[:n].tolist() == [[*carbon, aromatic, *orbital, each]] * n
        assert atoms[n:].tolist() == [hydrogen] * n * each
        wanted = np.zeros_like(bonds)
        for one in range(n):
            wanted[one, n + each * one : n + each * (one + 1), 0] = 1
            if between is not None:
                wanted[one, (one + 1) % n, between] = wanted[(one + 1) % n, one, between] = 1
        np.testing.assert_array_equal(bonds, np.maximum(wanted, wanted.transpose(1, 0, 2)))


@needs_molecules
def test_the_first_molecules() -> None:
    """Published polarisabilities of methane, water and ethyne; valences are whole."""
    found = graphs(np.array([0, 2, 3]), first=100)
    assert found.polarisability.tolist() == [13.21, 6.31, 16.28]
    assert found.present.sum(1).tolist() == [5, 3, 4]
    many = graphs(np.arange(200), first=220)
    assert many.atoms[..., :5].sum(2).astype(bool).tolist() == many.present.tolist()
    np.testing.assert_array_equal(many.bonds, many.bonds.transpose(0, 2, 1, 3))
    hydrogens, bound = many.atoms[..., 0] == 1, many.bonds.sum((2, 3))
    assert (bound[hydrogens] == 1).all()
    orders = many.bonds @ np.array([1, 2, 3, 1.5])
    plain = (many.atoms[..., 1] == 1) & (many.atoms[..., 6] == 0)
    assert (orders.sum(2)[plain] == 4).mean() > 0.95  # carbon, but for a few ions


@needs_molecules
def test_room_is_known_beforehand() -> None:
    """Of all files: never too small, and at most two places too large."""
    paths = [molecules.folder() / f"qm9_part{number}.csv" for number in (1, 2, 3)]
    words: Any = {"delimiter": ",", "quotechar": '"', "comments": None, "skiprows": 1, "dtype": int}
    most = np.maximum.accumulate(np.concatenate([np.loadtxt(path, usecols=4, **words) for path in paths]))
    assert len(most) == SIZE
    given_room = np.array([largest(first) for first in range(1, SIZE + 1)])
    assert (given_room >= most).all()
    assert (given_room - most)[1_000:].max() <= 2
    assert largest(100) == most[99] == 17


def prediction(model: GraphNetwork, lane: dict[str, np.ndarray]) -> np.ndarray:
    graph = [torch.as_tensor(lane[name], dtype=torch.float64) for name in ("around", "bonds", "present")]
    with torch.no_grad():
        return model.double()(*graph).numpy()


@needs_molecules
@settings(max_examples=15)
@given(st.integers(0, 99), st.integers(1, 99), st.integers(0, 2**32 - 1))
def test_neither_order_nor_padding_matter(number: int, other: int, seed: int) -> None:
    """Atoms in another order, with empty places among them, predict the same; a model
    whose biases are not 0.
    """
    model = Molecules.start(replace(SMALL, seed=seed)).model
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.as_tensor(rng.normal(0, 0.1, value.shape)))
    numbers = np.array([number, other])
    lane = samples(numbers, pool=100)
    wanted = prediction(model, lane)
    np.testing.assert_allclose(prediction(model, samples(numbers, pool=3_000)), wanted, rtol=1e-10)
    order = rng.permutation(largest(100))
    bonds = lane["bonds"].reshape(2, largest(100), largest(100), 5)[:, order][:, :, order]
    moved = {
        "around": lane["around"][:, order],
        "bonds": bonds.reshape(2, largest(100), -1),
        "present": lane["present"][:, order],
    }
    np.testing.assert_allclose(prediction(model, moved), wanted, rtol=1e-10)
    assert number == other or wanted[0] != wanted[1]


@needs_molecules
def test_initial_weights_are_torchs() -> None:
    """Uniform within 1/sqrt(number of inputs); the convolutions' biases are 0."""
    model = Molecules.start(SMALL).model
    for name, layer in Plain().layers.items():
        limit = layer.in_features**-0.5
        weights, bias = model.get_parameter(name), model.get_parameter(f"{name}_bias")
        assert (weights.shape, bias.shape) == (layer.weight.shape, layer.bias.shape)
        assert 0.9 * limit < weights.abs().max() <= limit
        assert bias.abs().max() <= (0 if name.startswith("conv") else limit)
        assert abs(weights.mean().item()) < 5 * limit * (3 * weights.numel()) ** -0.5


@needs_molecules
def test_molecules_are_learned_at_a_fixed_norm() -> None:
    run = train_run(replace(SMALL, budget=400, constrained=True))
    assert run.train_loss[-1] < run.train_loss[0] / 50
    np.testing.assert_allclose(run.weight_norm, run.weight_norm[0], rtol=1e-5)
    assert run.last_norm.std() > 1e-3
    assert run.checkpoint_steps.tolist() == [0, 400]
    assert not run.retired


@pytest.mark.parametrize("package", ["qm9pack", "rdkit"])
def test_a_package_that_is_not_installed(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else ModuleSpec(name, None, origin=__file__)
    )
    with pytest.raises(ConfigError, match=rf"needs the package {package}: pip install 'efftheory\[molecules\]'\.$"):
        read_qm9.__wrapped__(10)


HEADER = "XYZ_file,Index,SMILES,Elements,Polarizability_bohr3\n"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "qm9_part1.csv: No such file or directory."),
        (HEADER + '"a",1,"C#C","[\'C\',\'C\']",16.5\n' * 9, "its SHA-256 is "),
    ],
)
def test_other_files_are_one_line(
    content: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(molecules, "folder", lambda: tmp_path)
    if content is not None:
        (tmp_path / "qm9_part1.csv").write_text(content)
    with pytest.raises(ConfigError, match=f"^`pool` must be .*{says}") as caught:
        read_qm9.__wrapped__(9)
    assert "\n" not in str(caught.value)
