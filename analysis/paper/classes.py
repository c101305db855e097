"""The effective theory of classification held against networks: those of figure 19 that
descend its loss, and the last hidden layer of the digits of figure 8.

The theory moves every representation freely. A network moves them all by one set of
weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

import efftheory as et
from analysis.measures.components import spreads
from analysis.runs.store import RunStore
from neural import DigitsConfig
from neural.data.digits import digits
from neural.families.digits import Images, hidden_features

CLASSES, SAMPLES = 10, 20  # samples a class
INPUTS, WIDTH = 32, 200
LEARNING_RATE = 1e-3
LABELS = np.repeat(np.arange(CLASSES), SAMPLES)
_POINTS = 61  # of the theory's path
_CLOSER = 1e-6  # the theory is followed until within-class shares are this small


def inputs(seed: int) -> NDArray[np.float64]:
    """Gaussian classes, (200, 32): centres from N(0, 1), variance 1 around them."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(CLASSES, INPUTS))[LABELS] + rng.normal(size=(len(LABELS), INPUTS))


def descend(seed: int, steps: int, *, centred: bool) -> NDArray[np.float64]:
    """The representations of a random MLP while Adam descends l/Z on its weights,
    (steps + 1, 200, 2), from step 0 on.

    32-200-200-2, tanh, PyTorch's default initialisation, all samples in every step.
    `centred`: they are the output minus its mean over all samples, in the loss, too, so
    that no common mean can grow.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a network gains nothing from more; and its bits depend on it
    try:
        with torch.random.fork_rng(devices=[]):  # the caller's generator stays where it was
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
                # the theory's own gradient: torch carries it back to the weights
                F.backward(torch.from_numpy(et.class_loss_gradient(LABELS, path[-1])))
                optimizer.step()
    finally:
        torch.set_num_threads(threads)
    return np.array(path)


def flow(F0: NDArray[np.float64], e_foldings: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The theory's representations from F0 on, (T, 200, 2), after these e-foldings."""
    return et.class_flow(LABELS, F0, np.asarray(e_foldings) * (F0**2).sum() / (2 * SAMPLES)).F


def collapse(store: RunStore, configs: Sequence[DigitsConfig]) -> pd.DataFrame:
    """How far the classes of the training digits have collapsed in the last hidden
    layer, by the network and by the theory from the network's own start: a row a run,
    who (network, theory) and time, with init_scale, seed, step (of the checkpoints; nan
    for the theory, which knows no steps) and the columns of `spreads`.
    """
    tables = []
    for config in configs:
        traces, found = store.traces(config), digits(config.data)
        chosen = Images.start(config).lane["chosen"][: config.n_train]
        images, labels = found.images[chosen], found.labels[chosen]
        looks = range(len(traces.checkpoint_steps))
        weights = ({name: values[k] for name, values in traces.checkpoints.items()} for k in looks)
        path = [hidden_features(config, one, images) for one in weights]
        slowest = 2 * np.unique(labels, return_counts=True)[1].min() / (path[0] ** 2).sum()  # the smallest class
        until = -np.log(_CLOSER) / (2 * slowest)
        times = np.geomspace(until / 100, until, _POINTS)
        theory = [path[0], *(et.class_flow(labels, path[0], [0.0, t]).F[-1] for t in times)]
        for who, F, steps in (("network", path, traces.checkpoint_steps), ("theory", theory, np.nan)):
            own = {"who": who, "step": steps, "init_scale": config.init_scale, "seed": config.seed}
            tables.append(spreads(labels, F).assign(**own))
    return pd.concat(tables)
