"""The constants of the theory with a decoder, held against the weights of networks in early training.

    python -m analysis.decoder_constants

trains some networks of different shape until their loss has fallen to 60 % and looks at their decoders' weights: how
far they have moved, how coherently, and what that does to the kernel. Whether a run succeeds is not looked at. Leaves
report.json, report.md and weights.png in results/decoder_constants.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from torch import Tensor, nn
from tqdm import tqdm

from analysis._report import environment, prepare_folder, save_picture, table, write_json, write_page
from analysis.agreement.decoder_theory import follow, known
from analysis.agreement.pictures import BLUE, GREEN, LOOK, ORANGE, VERMILION
from efftheory.decoder import COHERENCE
from neural import ConfigError, RunConfig
from neural.command import run_command
from neural.models import draw, task

PROG = "python -m analysis.decoder_constants"
BAND = (0.6, 0.97)  # of the initial loss: the embeddings' order is decided here
LIMIT = 20_000  # steps
SHAPES = {
    "the paper's": RunConfig(),
    "eta_d = 1e-5": RunConfig(decoder_lr=1e-5),
    "eta_d = 1e-3": RunConfig(decoder_lr=1e-3),
    "25 samples": RunConfig(n_train=25),
    "width 50": RunConfig(width=50),
    "width 100": RunConfig(width=100),
    "width 400": RunConfig(width=400),
    "depth 3": RunConfig(depth=3),
    "10 outputs": RunConfig(n_outputs=10),
    "100 outputs": RunConfig(n_outputs=100),
    "ReLU": RunConfig(activation="relu"),
    "p = 15": RunConfig(p=15, n_train=98),
}


@dataclass(frozen=True)
class Arguments:
    """Measure the constants of the theory with a decoder on the weights of networks in early training."""

    seeds: int = 3
    """How many networks of each shape: seeds 0..seeds-1."""
    out: Path = Path("results/decoder_constants")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    if arguments.seeds < 1:
        raise ConfigError(f"`seeds` must be an integer of at least 1, but is {arguments.seeds}.")
    prepare_folder(arguments.out)
    rows = []
    plan = [(name, shape, seed) for name, shape in SHAPES.items() for seed in range(arguments.seeds)]
    for name, shape, seed in tqdm(plan, desc="networks", leave=False):
        config = replace(shape, seed=seed, budget=LIMIT)
        rows += [{"shape": name, "seed": seed} | row for row in beside_theory(config)]
    looks = pd.DataFrame(rows)
    report = {
        "band": BAND,
        "coherence_of_the_theory": COHERENCE,
        "shapes": summary(looks),
        "looks": looks.to_dict("records"),
        "environment": environment([("cpu", torch.__version__)], " ".join([PROG, *sys.argv[1:]])),
    }
    write_json(arguments.out / "report.json", report)
    save_picture(arguments.out / "weights.png", picture(looks))
    write_page(arguments.out / "report.md", page(report))
    print(table(report["shapes"], "simple"), f"\n{arguments.out / 'report.md'}", sep="\n")


def beside_theory(config: RunConfig) -> list[dict[str, Any]]:
    """The looks at one network, each with what the theory says of the same step."""
    looks = measure(config)
    seen = replace(config, budget=max(look["step"] for look in looks))
    theory = follow(seen, *known(seen), seed=config.seed)
    for look in looks:
        at = min(np.searchsorted(theory.times, look["step"]), len(theory.times) - 1)
        look["path_predicted"] = float(theory.layer_lengths[at, look["layer"]] / (config.decoder_lr * theory.times[at]))
        look["loss_predicted"] = float(theory.train_loss[at])
    return looks


def measure(config: RunConfig) -> list[dict[str, Any]]:
    """Train one network by torch's own AdamW and look at the weights into each layer beyond the first.

    Of each look: path = |dW|_rms / tau, how far a weight has moved per tau = eta_d t; coherence = mean of |dW h|^2 over
    samples and units / ((n |dW|_rms)^2 mean h^2), 1 if all moves of a unit's weights add up.
    """
    start, data = draw(config), task(config)
    model, mask = start.model, torch.as_tensor(start.mask)
    pairs = torch.as_tensor(data.pairs)[mask]
    targets = torch.as_tensor(start.targets, dtype=torch.float32)[torch.as_tensor(data.results)][mask]
    layers = [layer for layer in model.decoder if isinstance(layer, nn.Linear)][1:]
    initial = [layer.weight.detach().clone() for layer in layers]
    groups = [
        {"params": [model.embedding], "lr": config.repr_lr},
        {"params": list(model.decoder.parameters()), "lr": config.decoder_lr},
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    looks, next_look, first_loss = [], 10, math.nan
    for step in range(config.budget):
        loss = (model(pairs) - targets).square().mean()
        value = loss.item()
        first_loss = value if step == 0 else first_loss
        if step >= next_look:
            next_look = math.ceil(1.2 * next_look)
            looks += [
                {"step": step, "layer": number, "loss": value, "loss_share": value / first_loss} | of_layer
                for number, of_layer in enumerate(_look(model, pairs, layers, initial, config.decoder_lr * step))
            ]
            if value < BAND[0] * first_loss:
                break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return looks


@torch.no_grad()
def _look(
    model: nn.Module, pairs: Tensor, layers: list[nn.Linear], initial: list[Tensor], tau: float
) -> list[dict[str, float]]:
    inputs: dict[nn.Module, Tensor] = {}
    hooks = [layer.register_forward_pre_hook(lambda layer, args: inputs.update({layer: args[0]})) for layer in layers]
    model(pairs)
    for hook in hooks:
        hook.remove()
    found = []
    for layer, before in zip(layers, initial, strict=True):
        moved, hidden = layer.weight - before, inputs[layer]
        mean_square = moved.square().mean()
        straight = mean_square * hidden.shape[1] ** 2 * hidden.square().mean()
        coherence = (hidden @ moved.T).square().mean() / straight
        found.append({"path": float(mean_square.sqrt() / tau), "coherence": float(coherence)})
    return found


def summary(looks: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a shape: medians over the looks in the band, hidden layers and the output's apart."""
    rows = []
    in_band = looks[looks["loss_share"].between(*BAND)]
    for name, group in in_band.groupby("shape", sort=False):
        last = group["layer"] == group["layer"].max()
        hidden = group[~last]
        low, middle, high = hidden["coherence"].quantile([0.25, 0.5, 0.75])
        rows.append(
            {
                "network": name,
                "looks": len(hidden),
                "coherence": f"{middle:.2f} [{low:.2f}, {high:.2f}]",
                "path / tau": f"{hidden['path'].median():.2f}",
                "predicted": f"{hidden['path_predicted'].median():.2f}",
                "outputs' path / tau": f"{group[last]['path'].median():.2f}",
                "outputs' predicted": f"{group[last]['path_predicted'].median():.2f}",
                "growth, measured / predicted": f"{_growth(hidden).median():.2f}",
                "loss, measured / predicted": f"{(hidden['loss'] / hidden['loss_predicted']).median():.3f}",
            }
        )
    return rows


def _growth(looks: pd.DataFrame) -> pd.Series:
    """Of the preactivations' variance: coherence times squared path."""
    return looks["coherence"] * looks["path"] ** 2 / (COHERENCE * looks["path_predicted"] ** 2)


def page(report: dict[str, Any]) -> list[str]:
    """The paragraphs of report.md."""
    return [
        "# The decoder's weights in early training",
        f"`{report['environment']['command']}`",
        f"Networks whose loss lies between {BAND[0]:g} and {BAND[1]:g} of the initial one; medians over looks at them, "
        f"[quartiles]. The theory takes the coherence as {COHERENCE:.2f} for every network; the path of the weights it "
        "derives from the optimiser. Not one number hangs on whether a run succeeds.",
        table(report["shapes"]),
        "![weights](weights.png)",
    ]


def picture(looks: pd.DataFrame) -> Figure:
    """Path of the hidden layer's weights and loss over tau for three speeds of the decoder; coherence by network."""
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


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
