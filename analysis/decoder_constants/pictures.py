"""The picture of the constants."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from analysis._look import BLUE, GREEN, LOOK, ORANGE, VERMILION
from analysis.decoder_constants.weights import BAND
from efftheory.decoder import COHERENCE


def picture(looks: pd.DataFrame) -> Figure:
    """Path of the hidden layer's weights and loss over tau for three speeds of the
    decoder; coherence by network.
    """
    with rc_context(LOOK):
        figure = Figure(figsize=(11, 3.6))
        paths, losses, coherences = figure.subplots(1, 3)
        shown = {"the paper's": BLUE, "eta_d = 1e-5": GREEN, "eta_d = 1e-3": VERMILION}
        for (name, colour), marker in zip(shown.items(), "os^", strict=True):
            group = looks[(looks["shape"] == name) & (looks["layer"] == 0) & (looks["seed"] == 0)]
            label = "eta_d = 1e-4" if name == "the paper's" else name
            label = label.replace("eta_d", r"$\eta_d$")
            paths.plot(group["step"], group["path"], marker, ms=4, color=colour, label=label)
            paths.plot(group["step"], group["path_predicted"], color=colour)
            losses.plot(group["step"], group["loss"], marker, ms=4, color=colour)
            losses.plot(group["step"], group["loss_predicted"], color=colour)
        paths.set(xscale="log", xlabel="step", ylabel=r"path of a weight / $\eta_d t$", ylim=(0, 1))
        paths.set_title("hidden layer's weights: network (marks), theory (lines)")
        paths.legend(loc="upper right")
        losses.set(xscale="log", xlabel="step", ylabel="training loss", title="loss: network (marks), theory (lines)")
        in_band = looks[looks["loss_share"].between(*BAND)]
        names = list(dict.fromkeys(looks["shape"]))
        hidden = in_band[in_band["layer"] < in_band.groupby("shape")["layer"].transform("max")]
        for place, name in enumerate(names):
            values = hidden[hidden["shape"] == name]["coherence"]
            coherences.plot(values, np.full(len(values), place), ".", color=BLUE, ms=4, alpha=0.4)
            coherences.plot(values.median(), place, "D", color=ORANGE, ms=6, mec="black", mew=0.6)
        coherences.axvline(COHERENCE, color="black", lw=1, ls="--")
        coherences.set_yticks(range(len(names)), [name.replace("eta_d", r"$\eta_d$") for name in names])
        coherences.set(xlim=(0, 1), xlabel="coherence (diamond: median; dashed: theory)", ylim=(len(names) - 0.5, -0.5))
        return figure
