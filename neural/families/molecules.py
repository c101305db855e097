"""The polarisability of molecules, by two edge-conditioned graph convolutions.

Source: Liu, Michaud, Tegmark, "Omnigrok", section 3.4, and its official code: the first
100 molecules of QM9, half of them to train on, targets in bohr^3 as they are. (Its
curves show the mean square error divided once more by the molecules of a batch; ours do
not.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neural.config import ConfigError
from neural.data.molecules import BONDS, FEATURES, SIZE, graphs, largest, read_qm9
from neural.family import Parameters
from neural.layers import layer
from neural.supervised import Data, Supervised, TrainingConfig, again, nested, usual_metrics

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
class MoleculesConfig(TrainingConfig):
    """One training run on the polarisability of molecules of QM9; 50 to train on and 50
    to test by default.
    """

    n_train: int = 50
    """Training molecules; the same seed's smaller sets are parts of its larger ones."""
    n_test: int = 50
    """Test molecules, of all others."""
    pool: int = 100
    """Both are drawn from the first so many molecules of QM9, which are its smallest: at most 130,831."""
    seed: int = again("seed")
    """Fixes the molecules, all initial weights and the order of mini-batches."""
    batch_size: int | None = again("batch_size", 32)
    """Molecules an update, through the training set in an order that is new each epoch; None is all of it."""
    look_every: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool > SIZE:
            raise ConfigError(f"`pool` must be at most {SIZE:,}, the molecules of QM9, but is {self.pool:,}.")
        self.check_enough(self.pool, "pool = ")


class GraphNetwork(nn.Module):
    """Convolutions 11 -> 32 -> 16, a sum over atoms, and 16-32-1; ReLU between them.

    A convolution takes the features x_v of each atom to W x_v + b + sum over its bonds
    vu of x_u Theta(e_vu), where Theta is a network 4-32-(n_in n_out) with ReLU:
    PyTorch Geometric's NNConv with its default, addition. A bond is one of but four
    kinds, so Theta is four matrices: x' = sum over kinds k of A_k x Theta_k + b, where
    A_k says which atoms are bound so. The diagonal of A_0 says which atoms there are,
    and Theta_0 = W.
    """

    def __init__(self, scale: float = 1.0):
        super().__init__()
        for name, (n_out, n_in) in LAYERS.items():
            layer(self, name, n_in, n_out, scale * n_in**-0.5, biased=not name.startswith("conv"))

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


class Molecules(Supervised):
    """The family of molecules."""

    name: ClassVar = "molecules"
    Config: ClassVar = MoleculesConfig
    METRICS: ClassVar = usual_metrics("last_norm", share="within", steps_to_train_100=1.0, steps_to_test_50=0.5)
    SETTLED = 0  # the error goes on falling, and is what is asked for
    SCALED = True

    def __init__(self, config: MoleculesConfig, device: str):
        read_qm9(config.pool)  # or say what is missing before anything is trained
        super().__init__(config, device)

    @staticmethod
    def network(config: MoleculesConfig) -> GraphNetwork:
        return GraphNetwork(config.init_scale)

    @staticmethod
    def data(config: MoleculesConfig) -> Data:
        chosen, rest = nested(config, config.pool)
        return Data(lane=samples(chosen, config.pool), **rest)

    def samples(self, lane: Parameters, batch: Tensor | None) -> tuple[Any, Tensor]:
        *graph, target = (lane[name] for name in ("around", "bonds", "present", "target"))
        return (tuple(graph), target) if batch is None else (tuple(part[batch] for part in graph), target[batch])

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """bohr^6."""
        return (outputs - y).square()

    def right(self, outputs: Tensor, y: Tensor) -> Tensor:
        return (outputs - y).abs() <= TOLERANCE
