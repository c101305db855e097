"""The effective theory of classification held against networks that descend its loss.

The theory moves every representation freely. A network moves them all by one set of
weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

import efftheory as et

CLASSES, SAMPLES = 10, 20  # samples a class
INPUTS, WIDTH = 32, 200
LEARNING_RATE = 1e-3
LABELS = np.repeat(np.arange(CLASSES), SAMPLES)


def inputs(seed: int) -> NDArray[np.float64]:
    """Gaussian classes in the order of LABELS, (200, 32): centres from N(0, 1), samples
    around them with variance 1.
    """
    rng = np.random.default_rng(seed)
    return rng.normal(size=(CLASSES, INPUTS))[LABELS] + rng.normal(size=(len(LABELS), INPUTS))


def descend(seed: int, steps: int, *, centred: bool) -> NDArray[np.float64]:
    """The representations of a random MLP while Adam descends l/Z on its weights,
    (steps + 1, 200, 2), from step 0 on.

    32-200-200-2, tanh, PyTorch's default initialisation, all samples in every step.
    `centred`: they are the output minus its mean over all samples, in the loss, too, so
    that no common mean can grow.
    """
    with torch.random.fork_rng(devices=[]), _one_thread():  # the caller's generator stays where it was
        torch.manual_seed(seed)
        layers = [nn.Linear(INPUTS, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 2)]
        model = nn.Sequential(*layers).double()
        x = torch.from_numpy(inputs(seed))
        optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
        path = []
        for step in range(steps + 1):
            output = model(x)
            F = output - output.mean(0) if centred else output
            path.append(F.detach().numpy())
            if step < steps:
                optimizer.zero_grad()
                # the theory's own gradient at F: torch only
                # carries it back to the weights
                F.backward(torch.from_numpy(et.class_loss_gradient(LABELS, path[-1])))
                optimizer.step()
    return np.array(path)


@contextmanager
def _one_thread() -> Iterator[None]:
    """So small a network gains nothing from more, and waits for them where cores are
    busy; and its bits depend on it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def flow(F0: NDArray[np.float64], e_foldings: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The theory's representations from F0 on, (T, 200, 2), when deviations fell by
    e_foldings against the means.
    """
    z = (F0**2).sum()
    return et.class_flow(LABELS, F0, np.asarray(e_foldings) * z / (2 * SAMPLES)).F


def spreads(path: NDArray[np.float64]) -> pd.DataFrame:
    """How the representations (T, 200, 2) are spread, a row a time.

    within, between, common: the shares of Z that deviations from class means, of class
    means from the mean of all, and the latter hold; their sum is 1. distance: between
    class means, root mean square, in units of sqrt(Z/n). separation: the smallest of
    these distances over the root mean square deviation from class means.
    """
    z = (path**2).mean(axis=1).sum(axis=1)  # (T,), Z/n, as all squares below
    by_class = path.reshape(len(path), CLASSES, SAMPLES, -1)
    means = by_class.mean(axis=2)  # (T, 10, 2)
    common = means.mean(axis=1, keepdims=True)
    within = ((by_class - means[:, :, None]) ** 2).mean(axis=(1, 2)).sum(axis=1)
    between = ((means - common) ** 2).mean(axis=1).sum(axis=1)
    one, other = np.triu_indices(CLASSES, 1)
    distances2 = ((means[:, one] - means[:, other]) ** 2).sum(axis=2)  # (T, 45)
    return pd.DataFrame(
        {
            "within": within / z,
            "between": between / z,
            "common": (common**2).sum(axis=(1, 2)) / z,
            "distance": np.sqrt(distances2.mean(axis=1) / z),
            "separation": np.sqrt(distances2.min(axis=1) / within),
        }
    )
