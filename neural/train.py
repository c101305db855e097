"""Train one run: python -m neural.train --p 10 --n-train 45 --seed 58 --init reference --steps 2000 --json
FILE
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tyro
from tqdm import tqdm

from neural.command import run_command
from neural.config import ConfigError, RunConfig
from neural.ensemble import METRICS
from neural.history import History
from neural.training import resolve_device, train_runs


@dataclass(frozen=True)
class Arguments:
    """Train one network and print when it crossed the thresholds (null = not within the budget)."""

    run: tyro.conf.OmitArgPrefixes[RunConfig]
    json: Path | None = None
    """Write the record of the run (configuration, steps, history, embeddings) here."""
    device: str = "auto"
    """auto, cpu or cuda."""
    compile: bool = False
    """Compile the training step: pays from about 20,000 steps on."""


def main(arguments: Arguments) -> None:
    device = resolve_device(arguments.device)
    if arguments.json is not None:  # before the training: an unwritable file must not cost a run
        try:
            arguments.json.parent.mkdir(parents=True, exist_ok=True)
            arguments.json.open("a").close()
        except OSError as error:
            reason = f"{arguments.json}: {error.strerror}"
            raise ConfigError(f"`json` must be a file that can be written, but {reason}.") from None
    begin = time.monotonic()
    with tqdm(total=arguments.run.budget, unit="step", smoothing=0) as bar:
        history = next(train_runs([arguments.run], device, None, arguments.compile, bar.update))
    record = {**asdict(arguments.run), **history.summary(), "device": device}
    record["seconds"] = round(time.monotonic() - begin, 3)
    print(json.dumps(record, indent=2))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(record | curves(history)) + "\n")


def curves(history: History) -> dict[str, object]:
    """The arrays of a run as JSON-ready lists; nan and inf, which JSON does not have, become null."""

    def plain(values: np.ndarray) -> list:
        return np.where(np.isfinite(values), values.astype(object), np.array(None)).tolist()

    return {
        "mask": history.mask.tolist(),
        "history": {name: plain(getattr(history, name)) for name in METRICS},
        "snapshot_steps": history.snapshot_steps.tolist(),
        "snapshots": plain(history.snapshots),
    }


if __name__ == "__main__":
    run_command(Arguments, main, "python -m neural.train")
