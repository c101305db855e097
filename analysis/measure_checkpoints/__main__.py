"""Which measures of grokking apply to a user's own checkpoints, and what they are.

    python -m analysis.measure_checkpoints my_run --embedding W_E --output W_U

reads the .npz or .safetensors files in a folder (arrays by name, the step the last
number in the file's name) and leaves report.json, report.md and measures.png in
results/measure_checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from analysis._command import check_at_least, environment, leave
from analysis._look import BLUE, LOOK
from analysis._report import prepare_folder, table
from analysis.measure_checkpoints.files import checkpoint_files, read_checkpoint
from analysis.measures.components import effective_dimension
from analysis.measures.fourier import excluded, gini, inverse_participation, key_frequencies, mean_cross_entropy
from analysis.measures.fourier import restricted as restricted_logits
from analysis.measures.rings import fourier_shares, ring_rqi
from analysis.measures.weights import largest_change, total_norm
from efftheory import ArgumentError
from neural import ConfigError
from neural.command import run_command

Result = TypeVar("Result")
PROG = "python -m analysis.measure_checkpoints"


@dataclass(frozen=True)
class Arguments:
    """Take the measures that apply of checkpoints in a folder: weight norms and how far
    the weights have moved of any; more if it is said which arrays are which.
    """

    folder: tyro.conf.Positional[Path]
    """Folder of .npz or .safetensors files; the last number in a name is its step."""
    embedding: str | None = None
    """Array (p, d) of the symbols' embeddings; of one with more rows the first p count:
    effective dimension, and waves modulo p."""
    output: str | None = None
    """Array of the last layer: its norm."""
    logits: str | None = None
    """Array (p, p, C) or (p^2, C): the outputs for all pairs (a, b), which should be
    largest at a + b modulo p: restricted and excluded loss, all pairs."""
    p: int | None = None
    """Symbols; by default what the logits have, or the rows of the embedding."""
    out: Path = Path("results/measure_checkpoints")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    check_at_least(3, arguments, "p")
    files = checkpoint_files(arguments.folder)
    prepare_folder(arguments.out)
    rows = measured_files(files, arguments)
    made_with = environment(PROG)
    page = [
        "# Measures of checkpoints",
        f"`{made_with['command']}`",
        f"{len(files)} files of {arguments.folder}. Key frequencies: the fewest with 90 % of the power of the logits "
        "in waves of a + b; final ones are those of the last file, which earlier files cannot know.",
        "![measures](measures.png)",
        table(_texts(rows)),
    ]
    report = {"measures": rows.to_dict("records"), "environment": made_with}
    leave(arguments.out, report, {"measures.png": picture(rows)}, page, [table(_texts(rows), "simple"), ""])


def measured_files(files: Mapping[int, Path], arguments: Arguments) -> pd.DataFrame:
    """A row a file: step, and a column a measure that applies."""
    steps = list(files)
    first, last = read_checkpoint(files[steps[0]]), read_checkpoint(files[steps[-1]])
    final = None if arguments.logits is None else _logits(last, arguments)
    final_keys = None if final is None else _or_none(lambda: key_frequencies(final))
    p = arguments.p if final is None else len(final)
    rows = []
    for step in tqdm(steps, desc="measuring", unit="file", leave=False):
        arrays = read_checkpoint(files[step])
        rows.append({"step": step} | _measured(arrays, first, final_keys, p, arguments))
    return pd.DataFrame(rows)


def _measured(
    arrays: dict[str, NDArray],
    first: dict[str, NDArray],
    final_keys: NDArray | None,
    p: int | None,
    arguments: Arguments,
) -> dict[str, float]:
    """nan where a measure is not defined, of an embedding that is 0, say."""
    weights, start = (
        {name: value for name, value in some.items() if name != arguments.logits and value.dtype.kind == "f"}
        for some in (arrays, first)
    )
    found: dict[str, Callable[[], float]] = {}
    if weights:
        found["weight norm"] = lambda: total_norm(weights)
        found["largest change of a weight"] = lambda: largest_change(weights, start)
    if arguments.output is not None:
        output = _named(arrays, "output", arguments.output)
        found["last layer's norm"] = lambda: float(np.linalg.norm(output))
    if arguments.embedding is not None:
        E = _named(arrays, "embedding", arguments.embedding).astype(np.float64)
        if p is not None and len(E) < p:
            raise ConfigError(f"`p` must be at most the embedding's {len(E)} rows, but is {p}.")
        E = E[:p]
        found |= {
            "effective dimension": lambda: effective_dimension(E),
            "Gini of the first layer": lambda: gini(np.sqrt(fourier_shares(E))),
            "participation ratio": lambda: float(pd.Series(inverse_participation(E)).median()),
            "ring quality": lambda: ring_rqi(E),
        }
    if arguments.logits is not None:
        found |= _of_logits(_logits(arrays, arguments), final_keys)
    if not found:
        raise ConfigError("`folder` must have arrays of floating point numbers, but has none.")
    values = {name: _or_none(measure) for name, measure in found.items()}
    return {name: float("nan") if value is None else value for name, value in values.items()}


def _of_logits(logits: NDArray[np.float64], final_keys: NDArray | None) -> dict[str, Callable[[], float]]:
    p = len(logits)
    labels = np.add.outer(np.arange(p), np.arange(p)).ravel() % p

    def loss(values: NDArray) -> float:
        return mean_cross_entropy(values.reshape(p * p, -1), labels)

    keys = cache(lambda: key_frequencies(logits))
    found: dict[str, Callable[[], float]] = {
        "loss": lambda: loss(logits),
        "key frequencies": lambda: float(len(keys())),
        "restricted loss, current keys": lambda: loss(restricted_logits(logits, keys())),
        "excluded loss, current keys": lambda: loss(excluded(logits, keys())),
    }
    if final_keys is not None:
        found |= {
            "restricted loss, final keys": lambda: loss(restricted_logits(logits, final_keys)),
            "excluded loss, final keys": lambda: loss(excluded(logits, final_keys)),
        }
    return found


def _or_none(measure: Callable[[], Result]) -> Result | None:
    """None where it is not defined."""
    try:
        return measure()
    except ArgumentError:
        return None


def _named(arrays: dict[str, NDArray], option: str, name: str) -> NDArray:
    if name not in arrays:
        raise ConfigError(f"`{option}` must be one of {', '.join(sorted(arrays))}, but is {name}.")
    return arrays[name]


def _logits(arrays: dict[str, NDArray], arguments: Arguments) -> NDArray[np.float64]:
    """(p, p, C)."""
    assert arguments.logits is not None
    values = _named(arrays, "logits", arguments.logits).astype(np.float64)
    p = arguments.p or (values.shape[0] if values.ndim == 3 else round(len(values) ** 0.5))
    if values.size == 0 or values.shape[-1] < p or values.size != p * p * values.shape[-1]:
        raise ConfigError(
            f"`logits` must name an array (p, p, C) or (p^2, C) with p = {p} and C at least p, but {arguments.logits} "
            f"has shape {values.shape}."
        )
    return values.reshape(p, p, -1)


def _texts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): f"{value:,.0f}" if name == "step" else f"{value:.4g}" for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def picture(rows: pd.DataFrame) -> Figure:
    """Each measure against the step, a panel each."""
    names = [name for name in rows if name != "step"]
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(3.4 * columns, 2.2 * lines))
        panels: Any = figure.subplots(lines, columns, sharex=True, squeeze=False)
        for axes, name in zip(panels.flat, names, strict=False):
            axes.plot(rows["step"], rows[name], "o-", color=BLUE, ms=3)
            axes.set_title(name, loc="left")
            if rows["step"].max() > 100 * max(rows["step"].min(), 1):
                axes.set_xscale("symlog", linthresh=max(rows["step"][rows["step"] > 0].min(), 1))
        for axes in panels.flat[len(names) :]:
            axes.set_visible(False)
        for axes in panels[-1]:
            axes.set_xlabel("step")
        return figure


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
