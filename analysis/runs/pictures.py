"""The learning curves of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from analysis.report.look import BLUE, GREEN, LOOK, ORANGE
from neural.family import Metric


def learning_curves(curves: Mapping[str, np.ndarray], metrics: Sequence[Metric], title: str) -> Figure:
    """Shares, losses, and the embeddings or else the sizes over the steps; `curves` as
    from RunStore.curves.
    """
    steps = curves["steps"]
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(11, 3.4))
        share, loss, rest = figure.subplots(1, 3)
        for metric in metrics:
            name, colour, style = _STYLES.get(metric.name, (metric.name.replace("_", " "), GREEN, ":"))
            axes = {"share": share, "loss": loss, "size": rest}[metric.kind]
            axes.plot(steps, curves[metric.name], color=colour, ls=style, label=name)
        share.set(ylim=(-0.02, 1.02), ylabel="share")
        loss.set(yscale="log", ylabel="loss")
        if "embedding" in curves:
            rest.plot(steps, curves["embedding"].reshape(len(steps), -1), color="0.3", lw=0.8)
            rest.set(ylabel="entries of the embeddings")
        else:
            rest.set(ylabel=" and ".join(m.name.replace("_", " ") for m in metrics if m.kind == "size"))
        for axes in (share, loss, rest):
            axes.set(xlabel="steps", xlim=(0, max(steps[-1], 1)))
        share.legend()
        loss.legend()
        figure.suptitle(title)
    return figure


_STYLES = {
    "train_accuracy": ("train accuracy", BLUE, "-"),
    "test_accuracy": ("test accuracy", ORANGE, "--"),
    "train_loss": ("train", BLUE, "-"),
    "test_loss": ("test", ORANGE, "--"),
    "rqi": ("RQI", GREEN, ":"),
}
