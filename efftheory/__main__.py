"""What does the theory say of a training set? In words, in numbers and in a picture.

    python -m efftheory --p 10 --n-train 45 --seed 58
    python -m efftheory --pairs FILE.csv

FILE.csv has a row `i,j` or `i,j,result` a sample. Leaves report.json and
training_set.png in results/efftheory, the picture only where there is matplotlib. The
only file of the package that parses and reads, and that imports what draws
(`_picture.py`); the library never imports it.
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
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
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
    picture_of = _drawing()
    picture, report = arguments.out / "training_set.png", arguments.out / "report.json"
    _prepare(arguments.out, [report] if picture_of is None else [report, picture])
    description = et.describe(op, mask)
    z0 = op.n_symbols - 1  # of an embedding with unit unbiased standard deviation
    steps = z0 / (description.lambda3 * repr_lr) if description.lambda3 > 0 else math.inf
    pace = f"{steps:.4g} steps" if steps < math.inf else "never"
    if math.isnan(description.lambda3):
        pace = "not defined"
    print(description)
    print(f"e-folding time at --repr-lr {repr_lr:g}: {pace} (Z0 = p - 1 = {z0}, a standardised embedding in 1D)")
    for remark in remarks:
        print(f"note: {remark}")
    if picture_of is None:
        picture.unlink(missing_ok=True)  # an earlier command's would be taken for this one's
    else:
        picture_of(description, mask).savefig(picture, dpi=150)
    content = _report(description, mask, {"repr_lr": repr_lr, "z0": z0, "steps": steps})
    report.write_text(json.dumps(content | {"remarks": remarks}, indent=1) + "\n")
    print(f"{report}; the picture needs matplotlib" if picture_of is None else f"{report}, {picture}")


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


# The command line


def _drawing() -> Callable[[et.Description, NDArray[np.bool_]], Any] | None:
    """What draws the picture; None where matplotlib is missing."""
    try:
        from efftheory._picture import picture_of
    except ModuleNotFoundError:
        return None
    return picture_of


def _prepare(out: Path, files: list[Path]) -> None:
    """Make the folder and see that the files can be written, before anything is
    computed for them.
    """
    out.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.open("ab").close()


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
    add("--version", action="version", version=f"efftheory {et.__version__}")
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
