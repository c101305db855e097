"""The learning curves of one run."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from analysis._look import BLUE, GREEN, LOOK, ORANGE


def learning_curves(curves: Mapping[str, np.ndarray], title: str) -> Figure:
    """Accuracies and RQI, losses, and the embeddings over the steps; `curves` as from RunStore.curves."""
    steps = curves["steps"]
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 3.4))
        accuracy, loss, embedding = figure.subplots(1, 3)
        for name, colour, style in [("train", BLUE, "-"), ("test", ORANGE, "--")]:
            accuracy.plot(steps, curves[f"{name}_accuracy"], color=colour, ls=style, label=f"{name} accuracy")
            loss.plot(steps, curves[f"{name}_loss"], color=colour, ls=style, label=name)
        accuracy.plot(steps, curves["rqi"], color=GREEN, ls=":", label="RQI")
        accuracy.set(ylim=(-0.02, 1.02), ylabel="share")
        loss.set(yscale="log", ylabel="loss")
        values = curves["embedding"].reshape(len(steps), -1)
        embedding.plot(steps, values, color="0.3", lw=0.8)
        embedding.set(ylabel="entries of the embeddings")
        for axes in (accuracy, loss, embedding):
            axes.set(xlabel="steps", xlim=(0, max(steps[-1], 1)))
        accuracy.legend()
        loss.legend()
        figure.suptitle(title)
    return figure
