"""The effective theory of classification held against networks that descend its loss.

The theory moves every representation freely. A network moves them all by one set of
weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
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
