"""The polarisability of molecules, by two edge-conditioned graph convolutions.

Source: Liu, Michaud, Tegmark, "Omnigrok", section 3.4, and its official code: the first
100 molecules of QM9, half of them to train on, targets in bohr^3 as they are. (Its
curves show the mean square error divided once more by the molecules of a batch; ours do
not.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, vmap

from neural.config import ConfigError, check, option
from neural.constants import ACCURACY_THRESHOLD
from neural.data.molecules import BONDS, FEATURES, SIZE, graphs, largest, read_qm9
from neural.family import Group, Looked, Metric, Parameters, Start, weight_norm
from neural.samples import check_looks, index_batches, initial_norm, logarithmic, means_of_parts

WIDTHS = (FEATURES, 32, 16)  # of an atom, before, between and after the convolutions
HIDDEN = 32  # width of the edge networks, and of the hidden layer after pooling
KINDS = 1 + len(BONDS)  # of neighbours: an atom is its own by a first kind of bond
# Of weights, (n_out, n_in) each; every one has a bias.
LAYERS = {
    **{"edge_1": (HIDDEN, len(BONDS)), "theta_1": (WIDTHS[0] * WIDTHS[1], HIDDEN), "conv_1": (WIDTHS[1], WIDTHS[0])},
    **{"edge_2": (HIDDEN, len(BONDS)), "theta_2": (WIDTHS[1] * WIDTHS[2], HIDDEN), "conv_2": (WIDTHS[2], WIDTHS[1])},
    **{"hidden": (HIDDEN, WIDTHS[2]), "last": (1, HIDDEN)},
}
TOLERANCE = 1.0
"""A prediction counts as right within so many bohr^3: a tenth of the standard deviation
of the first 100 molecules."""


@dataclass(frozen=True)
class MoleculesConfig:
    """One training run on the polarisability of molecules of QM9; 50 to train on and 50
    to test by default.
    """

    n_train: int = 50
    """Training molecules; the same seed's smaller sets are parts of its larger ones."""
    n_test: int = 50
    """Test molecules, of all others."""
    pool: int = 100
    """Both are drawn from the first so many molecules of QM9, which are its smallest: at most 130,831."""
    seed: int = option(0, 0, below=2**32, mixed=True)
    """Fixes the molecules, all initial weights and the order of mini-batches."""
    init_scale: Annotated[float, tyro.conf.arg(aliases=["--alpha"])] = option(
        1.0, above=True, mixed=True, aliases=("alpha",), label="initial scale of all weights"
    )
    """What all initial weights are multiplied by."""
    learning_rate: float = option(1e-3, above=True, mixed=True, aliases=("lr",))
    """Learning rate, per step."""
    weight_decay: float = option(0.0, mixed=True, aliases=("wd",))
    """Weight decay (decoupled)."""
    optimizer: Literal["adamw", "sgd"] = option("adamw", mixed=True)
    """AdamW, or plain SGD without momentum."""
    batch_size: int | None = option(32, label="batch size (samples)")
    """Molecules an update, through the training set in an order that is new each epoch; None is all of it."""
    constrained: bool = False
    """Scale all weights together back to their initial norm after every update."""
    look_every: int = 50
    """Updates between two measurements, and so the resolution of the steps to a threshold."""
    budget: Annotated[int, tyro.conf.arg(aliases=["--steps"])] = option(
        10_000, mixed=True, aliases=("steps",), label="budget (steps)"
    )
    """Number of updates after which a threshold that was not crossed is censored; a multiple of look_every."""
    dtype: Literal["float32", "float64"] = "float32"
    """Precision of the training."""
    checkpoints: int = option(0, 0, mixed=True)
    """How many times all weights are kept in an octave of steps; the first and the last always are."""

    def __post_init__(self) -> None:
        check(self)
        if self.pool > SIZE:
            raise ConfigError(f"`pool` must be at most {SIZE:,}, the molecules of QM9, but is {self.pool:,}.")
        if self.n_samples > self.pool:
            raise ConfigError(
                f"`n_train` and `n_test` must be at most pool = {self.pool:,} together, but are {self.n_samples:,}."
            )
        check_looks(self)

    @property
    def n_samples(self) -> int:
        """Molecules of this run."""
        return self.n_train + self.n_test


class GraphNetwork(nn.Module):
    """Convolutions 11 -> 32 -> 16, a sum over atoms, and 16-32-1; ReLU between them.

    A convolution takes the features x_v of each atom to W x_v + b + sum over its bonds
    vu of x_u Theta(e_vu), where Theta is a network 4-32-(n_in n_out) with ReLU:
    PyTorch Geometric's NNConv with its default, addition. A bond is one of but four
    kinds, so Theta is four matrices: x' = sum over kinds k of A_k x Theta_k + b, where
    A_k says which atoms are bound so. The diagonal of A_0 says which atoms there are,
    and Theta_0 = W.
    """

    def __init__(self) -> None:
        super().__init__()
        for name, shape in LAYERS.items():
            self.register_parameter(name, nn.Parameter(torch.empty(shape)))
            self.register_parameter(f"{name}_bias", nn.Parameter(torch.empty(shape[0])))

    def draw(self, generator: torch.Generator, scale: float) -> None:
        """As torch draws linear layers, uniform within 1/sqrt(number of inputs), times
        `scale`; but the biases of the convolutions are 0, as NNConv's are.
        """
        for name in LAYERS:
            weights, bias = self.get_parameter(name), self.get_parameter(f"{name}_bias")
            limit = scale * weights.shape[1] ** -0.5
            nn.init.uniform_(weights, -limit, limit, generator)
            if name.startswith("conv"):
                nn.init.zeros_(bias)
            else:
                nn.init.uniform_(bias, -limit, limit, generator)

    def forward(self, around: Tensor, bonds: Tensor, present: Tensor) -> Tensor:
        """A_k x of each molecule, (B, A, 5 * 11), which do not change in training; all
        A_k beside each other, (B, A, A * 5); which atoms are there, (B, A); to (B,).
        """
        B, A, _ = around.shape
        x = (around @ self._matrices(1).flatten(0, 1) + self._bias("conv_1")).relu()
        x = (x @ self._matrices(2).transpose(0, 1).flatten(1)).view(B, A * KINDS, WIDTHS[2])  # all x_u Theta_k
        x = (bonds @ x + self._bias("conv_2")).relu()
        x = (present[:, None] @ x)[:, 0]  # an empty place has features too, by the bias
        return self._linear("last", self._linear("hidden", x).relu())[:, 0]

    def _matrices(self, number: int) -> Tensor:
        """W and Theta of the four kinds of bond, transposed: (5, n_in, n_out)."""
        # a one-hot bond takes a column of the first layer
        first = getattr(self, f"edge_{number}").T + self._bias(f"edge_{number}")
        theta = self._linear(f"theta_{number}", first.relu()).view(-1, *WIDTHS[number - 1 : number + 1])
        return torch.cat([getattr(self, f"conv_{number}").T[None], theta])

    def _linear(self, layer: str, x: Tensor) -> Tensor:
        return x @ getattr(self, layer).T + self._bias(layer)

    def _bias(self, layer: str) -> Tensor:
        return getattr(self, f"{layer}_bias")


def start(config: MoleculesConfig) -> Start:
    """Independent streams from the seed and the pool alone: runs that differ in another
    field share test molecules, and nested training sets.
    """
    streams = np.random.SeedSequence([config.seed, config.pool]).spawn(3)
    order = np.random.default_rng(streams[0]).permutation(config.pool)
    chosen = np.concatenate([order[: config.n_train], order[config.pool - config.n_test :]])
    mask = np.arange(config.n_samples) < config.n_train
    model = GraphNetwork()
    with torch.no_grad():
        model.draw(torch.Generator().manual_seed(int(streams[1].generate_state(1)[0])), config.init_scale)
    trained = np.arange(config.n_train)
    return Start(
        mask=mask,
        model=model,
        lane={"mask": mask, **samples(chosen, config.pool)},
        batch=trained[: config.batch_size],
        batches=index_batches(trained, config.batch_size, streams[2]),
        radius=initial_norm(model) if config.constrained else 0.0,
    )


def samples(numbers: NDArray[np.int64], pool: int) -> dict[str, NDArray]:
    """Molecules as the network takes them, and their polarisability."""
    found = graphs(numbers, pool)
    itself = np.eye(largest(pool), dtype=np.float32) * found.present[:, None]
    bonds = np.concatenate([itself[..., None], found.bonds], axis=3)  # (N, A, A, 5)
    around = np.einsum("nvuk,nuf->nvkf", bonds, found.atoms)
    return {
        "around": around.reshape(*around.shape[:2], -1),
        "bonds": bonds.reshape(*bonds.shape[:2], -1),
        "present": found.present,
        "target": found.polarisability,
    }


class Molecules:
    """The family of molecules. A batch is int64 (B,): which of the run's own samples an
    update descends on.
    """

    name: ClassVar[str] = "molecules"
    Config: ClassVar[type] = MoleculesConfig
    METRICS: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "train_within",
            "share",
            {"steps_to_train": ACCURACY_THRESHOLD, "steps_to_train_100": 1.0},
            record="train_record",
        ),
        Metric(
            "test_within",
            "share",
            {"steps_to_test_50": 0.5, "steps_to_test": ACCURACY_THRESHOLD},
            record="test_record",
        ),
        Metric("train_loss", "loss"),
        Metric("test_loss", "loss"),
        Metric("weight_norm", "size"),
        Metric("last_norm", "size"),
    )
    LEARNED: ClassVar[str] = "train_within"
    GENERALISED: ClassVar[str] = "test_within"
    SETTLED: ClassVar[int] = 1
    ARRAYS: ClassVar[tuple[str, ...]] = ()
    COMPILES: ClassVar[bool] = True

    start = staticmethod(start)

    def __init__(self, config: MoleculesConfig, device: str):
        self.look_every, self.constrained = config.look_every, config.constrained
        read_qm9(config.pool)  # or say what is missing before anything is trained
        with torch.device("meta"):  # its own weights are never used
            self._model = GraphNetwork()

    @staticmethod
    def groups(config: MoleculesConfig) -> dict[str, Group]:
        return {"all": Group(config.learning_rate, config.weight_decay, config.optimizer)}

    @staticmethod
    def group(parameter: str) -> str:
        return "all"

    def objective(self, parameters: Parameters, lane: Parameters, batch: Tensor) -> tuple[Tensor, Any]:
        """Mean square error of the batch, bohr^6."""
        picked = {name: lane[name][batch] for name in ("around", "bonds", "present", "target")}
        return self._errors(parameters, picked).square().mean(), ()

    def look(self, parameters: Parameters, lanes: Parameters, outputs: Any) -> Looked:
        """Over all molecules of each run."""
        picked = {name: lanes[name] for name in ("around", "bonds", "present", "target")}
        errors = vmap(self._errors)(parameters, picked)  # (R, N)
        correct = errors.abs() <= TOLERANCE  # not where it is nan
        hits, mask = correct.to(errors.dtype), lanes["mask"]
        means = [*means_of_parts(hits, mask), *means_of_parts(errors.square(), mask)]
        last = {name: value for name, value in parameters.items() if name.startswith("last")}
        return torch.stack([*means, weight_norm(parameters), weight_norm(last)], dim=1), correct, {}

    def _errors(self, parameters: Parameters, picked: Parameters) -> Tensor:
        """(B,), bohr^3."""
        graph = (picked["around"], picked["bonds"], picked["present"])
        return functional_call(self._model, parameters, graph) - picked["target"]

    @staticmethod
    def settled(traces: Mapping[str, NDArray]) -> bool:
        """Never: the error goes on falling, and is what is looked at."""
        return False

    @staticmethod
    def checkpoints(config: MoleculesConfig) -> NDArray[np.int64]:
        return logarithmic(config.look_every, config.budget, config.checkpoints)

    @staticmethod
    def arrays(history: Any) -> dict[str, NDArray]:
        return {}

    @staticmethod
    def n_parameters(config: MoleculesConfig) -> int:
        return sum(n_out * (n_in + 1) for n_out, n_in in LAYERS.values())

    @staticmethod
    def operations(config: MoleculesConfig) -> float:
        """Products forward and backward of a batch, without the gradients of what does
        not change (features, bonds, which atoms there are); forward of all samples at a
        look; AdamW.
        """
        A, (n_in, n_mid, n_out) = largest(config.pool), WIDTHS
        features, messages = A * KINDS * n_in * n_mid, A * n_mid * KINDS * n_out
        gathered, pooled = A * A * KINDS * n_out, A * n_out
        decoder = n_out * HIDDEN + HIDDEN
        theta = len(BONDS) * HIDDEN * (n_in * n_mid + n_mid * n_out)
        batch = config.batch_size or config.n_train
        forward = features + messages + gathered + pooled + decoder
        update = batch * (2 * (forward - messages - decoder) + 3 * (messages + decoder)) + 3 * theta
        look = config.n_samples * forward + theta
        return 2 * (update + look / config.look_every) + 14 * Molecules.n_parameters(config)

    @staticmethod
    def product(config: MoleculesConfig) -> tuple[int, int]:
        return (config.batch_size or config.n_train) * largest(config.pool), WIDTHS[1]
