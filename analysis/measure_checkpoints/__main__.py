"""Which measures of grokking apply to a user's own checkpoints, and what they are.

    python -m analysis.measure_checkpoints my_run --embedding W_E --output W_U

reads the .npz or .safetensors files in a folder (arrays by name, the step the last
number in the file's name) and leaves report.json, report.md and measures.png in
results/measure_checkpoints.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray
from tqdm import tqdm

from analysis.measure_checkpoints.counted import Counted, Patterns, counted, looked_at, shown
from analysis.measure_checkpoints.files import checkpoint_files, read_checkpoint
from analysis.measure_checkpoints.named import Named, Options, named
from analysis.measure_checkpoints.pictures import picture
from analysis.measures.components import effective_dimension
from analysis.measures.rings import fourier_shares, gini, inverse_participation, ring_rqi
from analysis.measures.waves import cyclic, excluded, key_parts, mean_cross_entropy, restricted
from analysis.report.command import check_at_least, environment, leave
from analysis.report.files import prepare_folder, table
from efftheory import ArgumentError
from neural import ConfigError
from neural.command import run_command

Result = TypeVar("Result")
PROG = "python -m analysis.measure_checkpoints"


@dataclass(frozen=True)
class Arguments:
    """Take the measures that apply of checkpoints in a folder: norms and how far the
    numbers have moved of any; more if it is said which arrays are which. All of it in
    float64.
    """

    folder: tyro.conf.Positional[Path]
    """Folder of .npz or .safetensors files; the last number in a name is its step."""
    named: tyro.conf.OmitArgPrefixes[Options] = field(default_factory=Options)
    include: tuple[str, ...] = ()
    """Patterns of the names of the arrays that are weights, for example 'blocks.*' W_E; by default all arrays of real
    floating-point numbers are."""
    exclude: tuple[str, ...] = ()
    """Patterns of the names of arrays that are none: copies, masks, buffers."""
    out: Path = Path("results/measure_checkpoints")
    """Folder for the report."""


def main(arguments: Arguments) -> None:
    check_at_least(3, arguments.named, "p")
    files = checkpoint_files(arguments.folder)
    prepare_folder(arguments.out)
    rows, weights, notes = measured_files(files, arguments)
    made_with = environment(PROG)
    page = [
        "# Measures of checkpoints",
        f"`{made_with['command']}`",
        f"{len(files)} files of {_escaped(str(arguments.folder))}. Key frequencies: the fewest with 90 % of the power "
        "of the logits in waves of a + b; final ones are those of the last file, which earlier files cannot know.",
        *map(_escaped, notes),
        "![measures](measures.png)",
        table(_texts(rows)),
        "## What was counted in the norm",
        table(_of_weights(weights)) if weights.weights else "Nothing.",
    ]
    report = {
        "measures": rows.to_dict("records"),
        "counted": list(weights.weights),
        "left_out": weights.left_out,
        "notes": notes,
        "environment": made_with,
    }
    said = [table(_texts(rows), "simple"), "", *notes]
    leave(arguments.out, report, {"measures.png": picture(rows)}, page, said)


def measured_files(files: Mapping[int, Path], arguments: Arguments) -> tuple[pd.DataFrame, Counted, list[str]]:
    """A row a file: step, and a column a measure that applies. Which arrays count as
    weights. And what a reader must know of that.
    """
    options = arguments.named
    patterns = Patterns(arguments.include, arguments.exclude, options.taken())
    steps = list(files)
    first, last = read_checkpoint(files[steps[0]]), read_checkpoint(files[steps[-1]])
    patterns.check(list(first | last))
    final = named(last, options).logits
    final_keys = None if final is None else _or_none(lambda: key_parts(final, cyclic(len(final))))
    looked, measured, notes = [], [], {}
    for step in tqdm(steps, desc="measuring", unit="file", leave=False):
        arrays = read_checkpoint(files[step])
        here = named(arrays, options)
        looked.append(looked_at(arrays, first))
        measured.append(_measured(here, final_keys))
        notes |= dict.fromkeys(here.notes)
    weights = counted(looked, patterns)
    rows = pd.DataFrame({"step": steps})
    if weights.weights:
        said = arguments.include or arguments.exclude  # else nobody knows whether they are
        rows["weight norm" if said else "norm of all arrays"] = weights.norms()
        rows["largest change of a weight" if said else "largest change in all arrays"] = weights.changes()
    rows = pd.concat([rows, pd.DataFrame(measured)], axis=1)
    if len(rows.columns) == 1:
        raise ConfigError("`folder` must have arrays of floating point numbers that count, but has none.")
    return rows, weights, [*notes, *_notes(weights, steps)]


def _notes(weights: Counted, steps: list[int]) -> list[str]:
    notes = []
    if weights.left_out:
        why = ", ".join(f"{shown(name)} ({why})" for name, why in weights.left_out.items())
        notes.append(f"Not counted in the norm: {why}.")
    for name, files in weights.diverged().items():
        at = ", ".join(str(steps[k]) for k in files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        notes.append(f"{shown(name)} is not finite at step {at}: there the norm is nan (see --exclude).")
    if still := weights.still():
        notes.append(
            f"Counted, but the same in all files, so perhaps masks or buffers (see --exclude): "
            f"{', '.join(map(shown, still))}."
        )
    return notes


def _measured(here: Named, final_keys: NDArray | None) -> dict[str, float]:
    """nan where a measure is not defined, of an embedding that is 0, say."""
    found: dict[str, Callable[[], float]] = {}
    if (output := here.output) is not None:
        found["last layer's norm"] = lambda: float(np.linalg.norm(output))
    if (E := here.embedding) is not None:
        found |= {
            "effective dimension": lambda: effective_dimension(E),
            "Gini of the first layer": lambda: gini(np.sqrt(fourier_shares(E))),
            "participation ratio": lambda: float(pd.Series(inverse_participation(E)).median()),
            "ring quality": lambda: ring_rqi(E),
        }
    if here.logits is not None:
        found |= _of_logits(here.logits, {"train loss": here.train, "test loss": here.test}, final_keys)
    values = {name: _or_none(measure) for name, measure in found.items()}
    return {name: float("nan") if value is None else value for name, value in values.items()}


def _of_logits(
    logits: NDArray[np.float64], parts: Mapping[str, NDArray[np.bool_] | None], final_keys: NDArray | None
) -> dict[str, Callable[[], float]]:
    """`parts`: the losses of some pairs only, by name."""
    p, group = len(logits), cyclic(len(logits))
    labels = np.add.outer(np.arange(p), np.arange(p)).ravel() % p

    def loss(values: NDArray, mask: NDArray[np.bool_] | None = None) -> float:
        which = slice(None) if mask is None else mask
        return mean_cross_entropy(values.reshape(p * p, -1)[which], labels[which])

    keys = cache(lambda: key_parts(logits, group))
    found: dict[str, Callable[[], float]] = {
        "loss": lambda: loss(logits),
        **{name: lambda mask=mask: loss(logits, mask) for name, mask in parts.items() if mask is not None},
        "key frequencies": lambda: float(len(keys())),
        "restricted loss, current keys": lambda: loss(restricted(logits, group, keys())),
        "excluded loss, current keys": lambda: loss(excluded(logits, group, keys())),
    }
    if final_keys is not None:
        found |= {
            "restricted loss, final keys": lambda: loss(restricted(logits, group, final_keys)),
            "excluded loss, final keys": lambda: loss(excluded(logits, group, final_keys)),
        }
    return found


def _or_none(measure: Callable[[], Result]) -> Result | None:
    """None where it is not defined."""
    try:
        return measure()
    except ArgumentError:
        return None


def _texts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): f"{value:,.0f}" if name == "step" else f"{value:.4g}" for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def _of_weights(weights: Counted) -> list[dict[str, str]]:
    """A row an array that counts."""

    def text(value: float | None) -> str:
        return "nan" if value is None else f"{value:.4g}"

    return [
        {
            "array": _escaped(name),
            "shape": str(row[0].shape),
            "first norm": text(row[0].norm),
            "last norm": text(row[-1].norm),
            "largest change from first to last": text(row[-1].change),
        }
        for name, row in weights.weights.items()
    ]


def _escaped(text: str) -> str:
    """Words out of files in a page, where nothing in them has a meaning."""
    return html.escape(shown(text), quote=False).replace("|", "&#124;")


if __name__ == "__main__":
    run_command(Arguments, main, PROG)
