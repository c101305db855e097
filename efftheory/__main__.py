"""What does the theory say of a training set? In words, in numbers and in a picture.

    python -m efftheory --p 10 --n-train 45 --seed 58
    python -m efftheory --pairs FILE.csv

FILE.csv has a row `i,j` or `i,j,result` a sample. Leaves report.json and
training_set.png in results/efftheory. The only file of the package that parses, reads
and draws; the library never imports it.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import re
import shlex
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

import efftheory as et
from efftheory import _checks
from efftheory.operations import MAX_SYMBOLS

OPERATIONS = {"addition": et.addition, "modular_addition": et.modular_addition}


class InputError(ValueError):
    """What the user gave cannot be worked with; the message is one line."""


def main(arguments: argparse.Namespace) -> None:
    repr_lr = _checks.positive("repr_lr", arguments.repr_lr)
    if arguments.pairs is None:
        op, mask, remarks = _random_training_set(arguments)
    else:
        op, mask, remarks = _training_set_of(arguments.pairs, arguments.p, arguments.operation)
    _prepare(arguments.out)
    description = et.describe(op, mask)
    z0 = op.n_symbols - 1  # of an embedding with unit unbiased standard deviation
    steps = z0 / (description.lambda3 * repr_lr) if description.lambda3 > 0 else math.inf
    pace = f"{steps:.4g} steps" if steps < math.inf else "never"
    if math.isnan(description.lambda3):
        pace = "not defined"
    picture, report = arguments.out / "training_set.png", arguments.out / "report.json"
    print(description)
    print(f"e-folding time at --repr-lr {repr_lr:g}: {pace} (Z0 = p - 1 = {z0}, a standardised embedding in 1D)")
    for remark in remarks:
        print(f"note: {remark}")
    picture_of(description, mask).savefig(picture, dpi=150)
    content = _report(description, mask, {"repr_lr": repr_lr, "z0": z0, "steps": steps})
    report.write_text(json.dumps(content | {"remarks": remarks}, indent=1) + "\n")
    print(f"{report}, {picture}")


# The training set


class Rows(NamedTuple):
    """A file of pairs: `cells` int (n, 2) or (n, 3), and the line that each row stands
    on.
    """

    cells: NDArray[np.int64]
    lines: list[int]


def _random_training_set(arguments: argparse.Namespace) -> tuple[et.Operation, NDArray[np.bool_], list[str]]:
    op = OPERATIONS[arguments.operation or "addition"](10 if arguments.p is None else arguments.p)
    n_train = op.n_samples if arguments.n_train is None else arguments.n_train
    mask = op.random_training_set(n_train, 0 if arguments.seed is None else arguments.seed)
    return op, mask, _on_modular(op)


def _training_set_of(path: Path, p: int | None, operation: str | None) -> tuple[et.Operation, NDArray, list[str]]:
    cells, lines = rows = _read(path)
    pairs = np.sort(cells[:, :2], axis=1)  # D0 has i <= j
    largest = int(pairs.max())
    if p is not None and largest >= p:
        line = lines[int(pairs[:, 1].argmax())]
        raise InputError(f"{path} line {line}: symbol {largest}, but --p {p} leaves only 0..{p - 1}.")
    n_symbols = 1 + largest if p is None else p
    if p is None and not 2 <= n_symbols <= MAX_SYMBOLS:
        line = lines[int(pairs[:, 1].argmax())]
        raise InputError(f"{path} line {line}: the largest symbol must be in 1..{MAX_SYMBOLS - 1}, but is {largest}.")
    op = _operation_of(path, rows, n_symbols, operation)
    i, j = pairs.T
    mask = np.zeros(op.n_samples, dtype=np.bool_)
    mask[i * op.n_symbols - i * (i - 1) // 2 + j - i] = True  # row i of D0 is (i, i) .. (i, p-1)
    remarks = [f"the results in {path} are those of {op.name}"] if cells.shape[1] == 3 else []
    if repeated := len(pairs) - int(mask.sum()):
        remarks.append(f"{repeated} of {len(pairs)} rows repeat a sample (i,j and j,i are one)")
    return op, mask, remarks + _on_modular(op)


def _on_modular(op: et.Operation) -> list[str]:
    if not op.name.startswith("modular"):
        return []
    return ["no sum of real embeddings tells the symbols of modular addition apart: what is unique here is a constant"]


def _read(path: Path) -> Rows:
    """The rows of a CSV file; InputError where one is not two or three whole
    numbers.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(f"{path} is not a text file (UTF-8).")
    reader = csv.reader((line.partition("#")[0] for line in text.splitlines()), skipinitialspace=True)
    rows, lines = [], []
    for found in reader:
        row = [cell.strip() for cell in found]
        if not any(row):
            continue
        if not rows and [cell.lower() for cell in row] in (["i", "j"], ["i", "j", "result"]):
            continue
        if len(row) not in (2, 3) or not all(re.fullmatch("[0-9]{1,18}", cell) for cell in row):
            wanted = "i,j or i,j,result in whole numbers from 0"
            raise InputError(f"{path} line {reader.line_num}: must be {wanted}, but is {','.join(row)[:60]!r}.")
        if rows and len(row) != len(rows[0]):
            raise InputError(f"{path} line {reader.line_num}: {len(row)} columns, but {len(rows[0])} before.")
        rows.append([int(cell) for cell in row])
        lines.append(reader.line_num)
    if not rows:
        raise InputError(f"{path} holds no pairs.")
    return Rows(np.array(rows), lines)


def _operation_of(path: Path, rows: Rows, p: int, operation: str | None) -> et.Operation:
    """The operation that all results agree with; addition where both do, or where there
    are no results.
    """
    candidates = [make(p) for name, make in OPERATIONS.items() if operation in (None, name)]
    if rows.cells.shape[1] == 2:
        return candidates[0]
    first: dict[tuple[int, int], tuple[int, int]] = {}
    for (i, j, result), line in zip(rows.cells.tolist(), rows.lines, strict=True):
        before, its_line = first.setdefault((min(i, j), max(i, j)), (result, line))
        if before != result:
            raise InputError(f"{path} lines {its_line} and {line}: the sample {i},{j} has results {before}, {result}.")
    complaints = []
    for op in candidates:
        i, j, result = rows.cells.T
        right = (i + j) % p if op.name.startswith("modular") else i + j
        if (right == result).all():
            return op
        k = int((right != result).argmax())
        complaints.append(f"line {rows.lines[k]}: {i[k]},{j[k]} has {result[k]}, in {op.name} {right[k]}")
    raise InputError(f"{path}: the results are not those of an operation; {'; '.join(complaints)}.")


# The report


def _report(description: et.Description, mask: NDArray[np.bool_], predicted: dict[str, float]) -> dict[str, Any]:
    op, lambda3 = description.operation, description.lambda3
    return {
        "command": shlex.join(sys.argv[1:]),
        "operation": op.name,
        "p": op.n_symbols,
        "n_train": description.n_train,
        "n_samples": op.n_samples,
        "n_parallelograms": description.n_parallelograms,
        "n_parallelograms_of_all_data": et.count_parallelograms(op),
        "nullity": description.nullity,
        "nullity_known_by": asdict(description.exact_nullity),
        "is_linear": description.is_linear,
        "lambda3": lambda3 if math.isfinite(lambda3) else None,
        "predicted_steps": predicted | {"steps": predicted["steps"] if predicted["steps"] < math.inf else None},
        "ideal_accuracy": description.ideal_accuracy,
        "eigenvalues": description.eigenvalues.tolist(),
        "training_set": op.pairs[mask].tolist(),
        "out_of_reach": description.out_of_reach.tolist(),
        "environment": {
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "versions": {name: version(name) for name in ("efftheory", "numpy", "scipy", "numba")},
        },
    }


# The picture

# After Okabe and Ito: told apart with any colour vision, by lightness alone, and once
# more by the marks.
BLUE, LIGHT_BLUE, ORANGE, VERMILION = "#0072B2", "#CDE7F7", "#E69F00", "#D55E00"
FATES = (("trained", BLUE, "none"), ("within reach", LIGHT_BLUE, "."), ("out of reach", ORANGE, "x"))
MOST_PIXELS = 256  # a side of the table; with more symbols a pixel is several samples
MOST_MARKED = 64  # symbols; smaller cells have no room for a mark
TABLE_POINTS = 290  # about the width of the table in points
LOOK: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "font.size": 9,
}


def picture_of(description: et.Description, mask: NDArray[np.bool_]) -> Figure:
    """The spectrum of H, its null eigenvalues on an axis of their own, and what becomes
    of each sample.
    """
    op = description.operation
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(10.5, 5.4))
        panels = figure.subplot_mosaic(
            [["spectrum", "table"], ["null", "table"]], height_ratios=(10, 1), width_ratios=(1, 1.15)
        )
        _draw_spectrum(panels["spectrum"], panels["null"], description)
        _draw_table(panels["table"], description, mask)
        share = f"{description.n_train} of {op.n_samples} samples"
        figure.suptitle(f"{op.name}, {share}: ideal accuracy {description.ideal_accuracy:.4f}")
        marks = _spectrum_key(description)
        names = [mark.get_label() for mark in marks] + [name for name, _, _ in FATES]
        figure.legend(marks + _table_key(op.n_symbols <= MOST_MARKED), names, loc="outside lower center", ncols=6)
        figure.draw_without_rendering()  # the layout is made under this look
    return figure


def _spectrum_key(description: et.Description) -> list[Any]:
    marks = [("o", BLUE, BLUE, "eigenvalue"), ("o", BLUE, "none", "exactly 0")]
    if not math.isnan(description.lambda3):
        marks.append(("D", VERMILION, "none", _slowest(description)))
    return [Line2D([], [], marker=m, ls="", color=c, markerfacecolor=face, label=name) for m, c, face, name in marks]


def _slowest(description: et.Description) -> str:
    value = f"{description.lambda3:.4g}" if description.lambda3 else "0"
    return f"$\\lambda_{description.operation.full_nullity + 1}$ = {value}"


def _draw_spectrum(axes: Axes, null: Axes, description: et.Description) -> None:
    values, p = description.eigenvalues, description.operation.n_symbols
    n_null = min(description.nullity, len(values))  # of large p these are the smallest only
    number = np.arange(1, len(values) + 1)
    size = 6 if len(values) <= MOST_MARKED else 3
    axes.plot(number[n_null:], values[n_null:], "o", color=BLUE, markersize=size)
    null.plot(number[:n_null], np.zeros(n_null), "o", color=BLUE, markersize=size, markerfacecolor="none")
    third = description.operation.full_nullity
    if not math.isnan(description.lambda3):
        where = axes if third >= n_null else null
        where.plot(number[third], values[third], "D", color=VERMILION, markersize=size + 5, markerfacecolor="none")
    if n_null == len(values):
        axes.text(0.5, 0.5, "all are 0", ha="center", transform=axes.transAxes)
        axes.set_yticks([])
    else:
        axes.set(yscale="log", ylim=(values[n_null] / 2, values[-1] * 2))
    for each in (axes, null):
        each.set_xlim(0.4, len(values) + 0.6)
        each.grid(alpha=0.25)
    axes.tick_params(labelbottom=False, bottom=False)
    axes.set(ylabel="eigenvalue of H", title="Spectrum of the Hessian of $\\ell_0$")
    which = "ascending" if len(values) == p else f"the smallest of {p}"
    null.set(ylim=(-1, 1), yticks=[0], yticklabels=["0"], xlabel=f"number of the eigenvalue, {which}")
    for each in (axes, null):
        each.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _draw_table(axes: Axes, description: et.Description, mask: NDArray[np.bool_]) -> None:
    op = description.operation
    fate = np.where(mask, 0, np.where(description.reached, 1, 2))
    side = math.ceil(op.n_symbols / MOST_PIXELS)  # of a pixel, in symbols
    n = math.ceil(op.n_symbols / side)
    i, j = op.pairs.T.astype(np.int64) // side
    counts = np.bincount((j * n + i) * 3 + fate, minlength=3 * n * n).reshape(n, n, 3)
    total = counts.sum(axis=2, keepdims=True)
    colours = np.array([to_rgb(colour) for _, colour, _ in FATES])
    image = np.where(total > 0, counts @ colours / np.maximum(total, 1), 1.0)
    edge = n * side - 0.5
    axes.imshow(image, origin="lower", extent=(-0.5, edge, -0.5, edge), interpolation="nearest")
    if op.n_symbols <= MOST_MARKED:
        cell = TABLE_POINTS / op.n_symbols
        look: Any = {"ls": "", "color": "black", "markersize": min(0.55 * cell, 7), "mew": min(cell / 7, 1.2)}
        for number, (_, _, mark) in enumerate(FATES):
            axes.plot(*op.pairs[fate == number].T, **look, marker=mark)
        lines = np.arange(op.n_symbols + 1) - 0.5
        axes.hlines(lines, -0.5, edge, color="white", linewidth=min(cell / 8, 1.5))
        axes.vlines(lines, -0.5, edge, color="white", linewidth=min(cell / 8, 1.5))
    axes.set(xlabel="smaller symbol i", ylabel="larger symbol j", title="Samples (i, j) of $D_0$")
    axes.set(xlim=(-0.6, op.n_symbols - 0.4), ylim=(-0.6, op.n_symbols - 0.4))
    if side > 1:
        axes.set_title(f"Samples (i, j) of $D_0$; a pixel is {side} x {side}, its colour their mean")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _table_key(marked: bool) -> list[Any]:
    cells = [Patch(facecolor=colour) for _, colour, _ in FATES]
    marks = [Line2D([], [], marker=mark, ls="", color="black") for _, _, mark in FATES]
    return list(zip(cells, marks, strict=True)) if marked else cells  # a tuple is drawn one on the other


# The command line


def _prepare(out: Path) -> None:
    """Make the folder and see that both files can be written, before anything is
    computed for them.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in ("report.json", "training_set.png"):
        (out / name).open("ab").close()


def _fail(message: str, status: int) -> NoReturn:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:  # argparse would print its usage before it
        _fail(f"{message}; --help lists the options.", 2)


def _parse(command: list[str] | None) -> argparse.Namespace:
    about = "Say what the effective theory predicts of a training set, before any network is trained on it."
    parser = _Parser(prog="python -m efftheory", description=about, allow_abbrev=False)
    add = parser.add_argument
    add("--p", type=int, help="symbols 0..p-1 (default: 10, or with --pairs 1 + the largest symbol of the file)")
    add("--n-train", type=int, help="size of a random training set (default: all samples)")
    add("--seed", type=int, help="of the random training set, op.random_training_set(n_train, seed) (default: 0)")
    file = "the training set: CSV, a row i,j or i,j,result a sample (a header, blank lines, # comments may be there)"
    add("--pairs", type=Path, metavar="FILE", help=file)
    inferred = "default: addition, or with --pairs what the results in the file are"
    add("--operation", choices=OPERATIONS, help=inferred)
    add("--repr-lr", type=float, default=1e-3, help="learning rate of the embeddings (default: 1e-3)")
    folder = "for report.json and training_set.png (default: results/efftheory)"
    add("--out", type=Path, default=Path("results/efftheory"), metavar="DIR", help=folder)
    arguments = parser.parse_args(command)
    if arguments.pairs is not None and (arguments.n_train is not None or arguments.seed is not None):
        parser.error("--pairs names the training set: leave out --n-train and --seed")
    return arguments


def run(command: list[str] | None = None) -> None:
    """Parse `command` (None: the process's own) and do it; what the user can fix is one
    line and a non-zero exit.
    """
    arguments = _parse(command)
    try:
        main(arguments)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)
    except (InputError, et.ArgumentError, csv.Error, MemoryError) as error:
        _fail(str(error) or "not enough memory", 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


if __name__ == "__main__":
    run()
