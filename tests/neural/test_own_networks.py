"""Networks that users bring: any module of torch's, in a file of theirs."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from neural import ConfigError, Data, Supervised, TrainingConfig, family_of, find_family, train_run, train_runs
from neural.foreign import Source, remember

ROOT = Path(__file__).parents[2]
MAJORITY, SUMS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/families.md").read_text(), re.DOTALL)[:2]


def written(folder: Path, text: str) -> str:
    (folder / "own.py").write_text(text)
    return str(folder / "own.py")


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Embedding(5, 3), nn.Linear(3, 5)
        self.last.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(x).sum(1))


class Buffers(nn.Module):
    """Of every kind; what the seed draws is a run's own."""

    places: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Embedding(5, 5)
        self.register_buffer("drawn", torch.randn(5))
        self.register_buffer("hidden", torch.tensor([True, False, False, False, True]), persistent=False)
        self.register_buffer("places", torch.arange(5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = (self.first(x).sum(1) * self.drawn).masked_fill(self.hidden, 0.5)
        return seen[:, self.places.flip(0)]


class Scaled(Tied):
    """With a parameter of no dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * super().forward(x)


class Plain(Tied):
    """With a random tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = torch.randn(5)


class Recurrent(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.first, self.layer, self.last = nn.Embedding(5, 4), kind(4, 4, batch_first=True), nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.layer(self.first(x))[0][:, -1])


class Attention(Recurrent):
    def __init__(self) -> None:
        super().__init__(lambda *sizes, **options: nn.MultiheadAttention(4, 2, **options))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return self.last(self.layer(x, x, x)[0][:, -1])


class Encoder(Recurrent):
    def __init__(self) -> None:
        super().__init__(lambda *sizes, **options: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, **options))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.layer(self.first(x))[:, -1])


def _flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), *layers)


NETWORKS = {
    "tied": Tied,
    "scaled": Scaled,
    "buffers": Buffers,
    "attention": Attention,
    "encoder": Encoder,
    "lstm": lambda: Recurrent(nn.LSTM),
    "gru": lambda: Recurrent(nn.GRU),
    "norms": lambda: _flat(nn.LayerNorm(8), nn.Linear(8, 8), nn.GroupNorm(2, 8), nn.Dropout(0.0), nn.Linear(8, 5)),
    "convolution": lambda: nn.Sequential(nn.Embedding(5, 4), nn.Conv1d(2, 5, 4), nn.Flatten()),
    "batch norm": lambda: _flat(nn.Linear(8, 5), nn.BatchNorm1d(5)),
    "dropout": lambda: _flat(nn.Linear(8, 5), nn.Dropout(0.1)),
    "attention's dropout": lambda: nn.TransformerEncoderLayer(4, 2, 8),
    "rrelu": lambda: _flat(nn.Linear(8, 5), nn.RReLU()),
    "plain": Plain,
    "frozen": lambda: _flat(nn.Linear(8, 5).requires_grad_(False)),
    "lazy": lambda: _flat(nn.LazyLinear(5)),
    "weightless": nn.Identity,
    "function": lambda: _flat,
    "shape": lambda: _flat(nn.Linear(9, 5)),
    "complex": lambda: _flat(nn.Linear(8, 5, dtype=torch.complex64)),
}


@dataclass(frozen=True)
class OwnConfig(TrainingConfig):
    network: str = "tied"
    n_train: int = 20

    @property
    def n_samples(self) -> int:
        return 25


class Own(Supervised):
    name = "own"
    Config = OwnConfig

    @staticmethod
    def network(config: OwnConfig) -> nn.Module:
        return NETWORKS[config.network]()

    @staticmethod
    def data(config: OwnConfig) -> Data:
        pairs = np.stack(np.divmod(np.arange(25), 5), axis=1)
        order = np.random.default_rng(config.seed).permutation(25)
        return Data(order < config.n_train, {"x": pairs, "y": pairs.sum(1) % 5})


@pytest.mark.parametrize("network", list(NETWORKS)[:9])
def test_a_network_is_trained_as_torch_trains_it(network: str) -> None:
    """AdamW's weights after 20 updates of two runs, in float64; alone or in company."""
    configs = [OwnConfig(network=network, seed=seed, budget=20, dtype="float64", weight_decay=0.1) for seed in (0, 1)]
    runs = list(train_runs(configs, "cpu"))
    for config, run in zip(configs, runs, strict=True):
        start = Own.start(config)
        model, lane = start.model.double(), start.lane
        x, y = torch.as_tensor(lane["x"])[start.batch], torch.as_tensor(lane["y"])[start.batch]
        optimizer = torch.optim.AdamW(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        for name, value in model.named_parameters():
            np.testing.assert_allclose(run.checkpoints[name][-1], value.detach(), atol=1e-7)
    alone = train_run(configs[1])
    assert all((alone.checkpoints[name] == value).all() for name, value in runs[1].checkpoints.items())


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ("batch norm", "`3`, BatchNorm1d with running statistics: "),
        ("dropout", "`3`, Dropout with dropout 0.1: "),
        ("attention's dropout", "`self_attn`, MultiheadAttention with dropout 0.1, `dropout`, Dropout with"),
        ("rrelu", "RReLU: RuntimeError: vmap: we do not yet support aten::rrelu"),
        ("shape", "Linear: RuntimeError: Expected size"),
        ("complex", "`2`, Linear with complex weights: "),
        ("plain", "Plain with a tensor `drawn` that is no buffer: "),
        ("frozen", "`2`, Linear with weights that need no gradient: "),
        ("lazy", r"^`network` must make a module with weights, all of them of known sizes\.$"),
        ("weightless", "^`network` must make a module with weights"),
        ("function", "^`network` must make a module with weights"),
    ],
)
def test_what_cannot_be_trained_is_named_in_one_line(network: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        train_run(OwnConfig(network=network, budget=20))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"y": np.zeros(24, int)}, "`data` must have n_samples = 25 rows in `y`, but has int64 (24,)"),
        ({"y": None}, "`data` must have n_samples = 25 rows in `y`, but has object ()"),
        ({"y": np.full(25, "no")}, "`data` must have numbers in `y`, but has <U2 (25,)"),
        (
            {"y": np.zeros(25)},
            "`y` must be the number of a class, an integer, where a family has no `losses` and `right`",
        ),
        ({"y": np.full(25, 7)}, "`family` must train, but Changed.losses: RuntimeError: index 7 is out of bounds"),
        (
            {"mask": np.ones(25, bool)},
            "a bool `mask` of n_samples = 25 with n_train = 20 true, but has 25 of bool (25,)",
        ),
        ({"mask": np.arange(20)}, "but has 19 of int64 (20,)"),
        ({"mask": np.zeros(25, bool)}, "but has 0 of bool (25,)"),
    ],
)
def test_data_that_cannot_be_learned(changed: dict[str, Any], says: str) -> None:
    @dataclass(frozen=True)
    class ChangedConfig(OwnConfig):
        pass

    class Changed(Own):
        Config = ChangedConfig

        @staticmethod
        def data(config: OwnConfig) -> Data:
            data = Own.data(config)
            lane = {"x": data.lane["x"], "y": changed.get("y", data.lane["y"])}
            return Data(changed.get("mask", data.mask), lane)

    family: Any = Changed
    remember(family, Source("", ""))
    with pytest.raises(ConfigError, match=re.escape(says)):
        train_run(ChangedConfig(budget=20))


def test_a_family_that_forgets(tmp_path: Path) -> None:
    """Which answers are right, where they are numbers; to return its data."""
    unjudged = MAJORITY[: MAJORITY.index("    def right")]
    for text, says in (
        (unjudged, "`y` must be the number"),
        (MAJORITY.replace("return Data(", "Data("), "make a Data"),
    ):
        family: Any = find_family(written(tmp_path, text))
        with pytest.raises(ConfigError, match=says):
            train_run(family.Config(budget=20))


def test_lists_and_tensors_are_arrays_too() -> None:
    data = Own.data(OwnConfig())
    lane = {"x": torch.as_tensor(data.lane["x"]), "y": data.lane["y"].tolist()}
    same = Data(data.mask.tolist(), lane)
    assert (same.mask == data.mask).all()
    assert all((same.lane[name] == array).all() for name, array in data.lane.items())


def test_losses_that_are_no_sample_s(tmp_path: Path) -> None:
    """As of outputs (N, 1) less answers (N,)."""
    text = MAJORITY.replace("-y * outputs[:, 0])", "-y * outputs)")
    family: Any = find_family(written(tmp_path, text))
    with pytest.raises(ConfigError, match=r"`losses` must give a number a sample, \(512,\), but gives \(512, 512\)\."):
        train_run(family.Config(budget=20))


def test_a_configuration_that_checks_nothing_ends() -> None:
    @dataclass(frozen=True)
    class LooseConfig(OwnConfig):
        def __post_init__(self) -> None:
            pass

    class Loose(Own):
        Config = LooseConfig

    family: Any = Loose
    remember(family, Source("", ""))
    assert train_run(LooseConfig(budget=30)).steps.tolist() == [0, 20]


def test_a_configuration_of_no_family() -> None:
    with pytest.raises(ConfigError, match=r"^`configs` must be configurations of families, but int is of none\.$"):
        train_run(5)
    assert family_of(OwnConfig()) is Own


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Majority(:", r"own\.py, line 1: invalid syntax"),
        ("import nothing_of_the_kind", "own.py, line 1: ModuleNotFoundError"),
        ("", "must be a file with one family, but .*own.py has none"),
        (MAJORITY + "\nclass Other(Majority):\n    name = 'other'\n", "has Majority, Other"),
        (MAJORITY.replace('"majority"', '"toy"'), "has the name of another family, toy"),
        (MAJORITY.replace('"majority"', '"a; b"'), "has the name 'a; b'"),
        (MAJORITY.replace("width: int", "width: list"), "has a field width that is no int"),
        (MAJORITY.replace("width: int", "width: Foo"), "own.py .* NameError: name 'Foo' is not defined"),
        (MAJORITY.replace("Config = MajorityConfig", "Config = MajorityConfig()"), "has a Config that is no frozen"),
        (MAJORITY.replace("@dataclass(frozen=True)", ""), "has a Config that is no frozen"),
        (MAJORITY.replace("width: int", "json: int"), "has two things of one name, json"),
        (MAJORITY.replace("width: int", "steps: int"), "has two things of one name, steps"),
        (MAJORITY.replace("def network", "def net"), "has no network of its own"),
        (MAJORITY.replace("def data", "def date"), "has no data of its own"),
        (MAJORITY.replace("@staticmethod", "", 1), "has a network that is no @staticmethod"),
        ("raise SystemExit", "own.py, line 1: SystemExit"),
        ("x = '\0'", r"own\.py: source code string cannot contain null bytes"),
        (MAJORITY.replace("width: int = 16", "width: int"), "own.py, line .*: TypeError: non-default argument"),
        (MAJORITY.replace("n_samples", "n_all", 1), "has a configuration without n_samples"),
        (MAJORITY.replace("width: int", "accuracy: int"), "has two things of one name, accuracy"),
        (MAJORITY.replace("(frozen=True)", "").replace("(TrainingConfig)", ""), "has a Config that is no frozen"),
        (MAJORITY.replace("Config = MajorityConfig", "Config = TrainingConfig"), "has no configuration of its own"),
    ],
)
def test_files_that_are_no_family(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        find_family(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"must be a file of Python, but gone\.py: No such file"):
        find_family("gone.py")


def test_a_line_of_the_file_that_fails_is_named(tmp_path: Path) -> None:
    text = MAJORITY.replace("rng.choice(", "rng.choise(")
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "choise" in one)
    family: Any = find_family(written(tmp_path, text))
    with pytest.raises(
        ConfigError, match=rf"^`family` must train, but .*own\.py, line {line}: AttributeError: .*choise"
    ):
        train_run(family.Config(budget=20))


def test_what_a_file_may_have_beside_its_family(tmp_path: Path) -> None:
    """A byte-order mark, another name of the class, imports of files beside it, rules
    of its own.
    """
    (tmp_path / "beside_own.py").write_text("even = 2\n")
    rule = """
    def __post_init__(self):
        super().__post_init__()
        if self.width % beside_own.even:
            raise ValueError("width must be even")
"""
    text = (
        "\ufeffimport beside_own\n"
        + MAJORITY.replace("    @property", rule + "\n    @property", 1)
        + "\nSame = Majority\n"
    )
    family: Any = find_family(written(tmp_path, text))
    with pytest.raises(
        ConfigError, match=r"^`family` must allow this configuration, but .*own\.py, line .*: ValueError: width must"
    ):
        family.Config(width=3)


def test_the_page_has_whole_families(tmp_path: Path) -> None:
    """Of at most 60 lines each; a run that was sent to a worker is the same run."""
    for text, options in ((MAJORITY, {"n": 7, "budget": 500}), (SUMS, {"p": 5, "width": 8, "budget": 200})):
        assert len(text.splitlines()) <= 60
        family: Any = find_family(written(tmp_path, text))
        config = family.Config(**options)
        run = train_run(config)
        assert run.steps_to_train is not None
        assert pickle.loads(pickle.dumps(config)) == config
        assert family_of(pickle.loads(pickle.dumps(run)).config) is family
