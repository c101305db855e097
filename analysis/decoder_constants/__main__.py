"""The constants of the theory with a decoder, held against the weights of networks in
early training.

    python -m analysis.decoder_constants

trains some networks of different shape until their loss has fallen to 60 % and looks at
their decoders' weights: how far they have moved, how coherently, and what that does to
the kernel. Whether a run succeeds is not looked at. Leaves report.json, report.md and
weights.png in results/decoder_constants.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from tqdm import tqdm

from analysis._command import environment, leave, seeds_of
from analysis._report import prepare_folder, table
from analysis.decoder_constants.page import Report, page, summary
from analysis.decoder_constants.pictures import picture
from analysis.decoder_constants.weights import BAND, beside_theory
from efftheory.decoder import COHERENCE
from neural import RunConfig
from neural.command import run_command

PROG = "python -m analysis.decoder_constants"
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
    """Measure the constants of the theory with a decoder on the weights of networks in
    early training.
    """

    seeds: int = 3
    """How many networks of each shape."""
    first_seed: int = 0
    """The seeds are first_seed .. first_seed + seeds - 1, so that runs nobody has looked at can be asked for."""
    out: Path = Path("results/decoder_constants")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    seeds = seeds_of(arguments)
    prepare_folder(arguments.out)
    rows = []
    plan = [(name, shape, seed) for name, shape in SHAPES.items() for seed in seeds]
    for name, shape, seed in tqdm(plan, desc="networks", leave=False):
        config = replace(shape, seed=seed, budget=LIMIT)
        rows += [{"shape": name, "seed": seed} | asdict(look) for look in beside_theory(config)]
    looks = pd.DataFrame(rows)
    report = Report(
        band=BAND,
        coherence_of_the_theory=COHERENCE,
        shapes=summary(looks),
        looks=rows,
        environment=environment(PROG, [("cpu", torch.__version__)]),
    )
    said = [table(report.shapes, "simple"), ""]
    leave(arguments.out, asdict(report), {"weights.png": picture(looks)}, page(report), said)


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
