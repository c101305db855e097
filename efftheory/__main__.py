"""What does the theory say of a training set? As text, as numbers and as a picture.

    python -m efftheory --p 10 --n-train 45 --seed 58
    python -m efftheory --pairs FILE.csv
    python -m efftheory --table TABLE.csv --n-train 60

FILE.csv has a row `i,j` or `i,j,result` a sample, TABLE.csv the results of all pairs.
Leaves report.json and training_set.png in results/efftheory, the picture only where
there is matplotlib. The only file of the package that parses, and that imports what
reads and draws (`_files.py`, `_picture.py`); the library never imports them.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

import efftheory as et
from efftheory import _checks
from efftheory._files import (
    InputError,
    Rows,
    Table,
    check_writable,
    read_pairs,
    read_table,
    replacing,
)
from efftheory.operations import MAX_SYMBOLS

OPERATIONS = {"addition": et.addition, "modular_addition": et.modular_addition}
LISTED = 10_000  # pairs of a list in the report
MOST_BYTES = 10**9
_SAMPLE_BYTES, _TRAINED_BYTES = 4, 40  # of the theory, a sample of D0 and one of D
_DRAW_BYTES = 9  # a sample of D0, for a random set of more than a fiftieth


def main(arguments: argparse.Namespace) -> None:
    repr_lr = _checks.positive("repr_lr", arguments.repr_lr)
    op, mask, remarks = _training_set(arguments)
    picture_of = _drawing()
    report, picture = arguments.out / "report.json", arguments.out / "training_set.png"
    files = [report] if picture_of is None else [report, picture]
    for file in files:
        check_writable(file)
    description = et.describe(op, mask)
    z0 = op.n_symbols - op.tables  # of embeddings with unit unbiased standard deviation
    steps = z0 / (description.lambda3 * repr_lr) if description.lambda3 > 0 else None
    never = "not defined" if math.isnan(description.lambda3) else "never"
    pace = never if steps is None else f"{steps:.4g} steps"
    embeddings = "p - 1 = {}, a standardised embedding" if op.tables == 1 else "2 (p - 1) = {}, standardised embeddings"
    print(description)
    print(f"e-folding time at --repr-lr {repr_lr:g}: {pace} (Z0 = {embeddings.format(z0)} in 1D)")
    for remark in remarks:
        print(f"note: {remark}")
    predicted = {"repr_lr": repr_lr, "z0": z0, "steps": steps}
    content = _report(description, mask) | {"predicted_steps": predicted, "remarks": remarks}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    with replacing(files) as fresh:
        fresh[0].write_text("{\n" + ",\n".join(lines) + "\n}\n")
        if picture_of is not None:
            picture_of(description).savefig(fresh[1], dpi=150)
    if picture_of is None:
        picture.unlink(missing_ok=True)  # an earlier command's would be taken for this one's
    print(f"{report}; the picture needs matplotlib" if picture_of is None else f"{report}, {picture}")


# The training set


def _training_set(arguments: argparse.Namespace) -> tuple[et.Operation, NDArray[np.bool_], list[str]]:
    """The operation, the mask, and what is to be said of them."""
    path, table = arguments.pairs, None if arguments.table is None else read_table(arguments.table)
    if path is not None:
        rows = read_pairs(path, table)
        pairs = rows.cells[:, :2]
        op = _operation_of(path, rows, arguments) if table is None else _of_table(table)
        if table is not None and (wrong := _first_misfit(rows, table.results[*pairs.T], op, table)):
            raise InputError(f"{path} {wrong}.")
        _check_size(op, len(pairs), drawn=False)
        right = op.n_symbols // 2 if op.tables == 2 else 0  # where the symbols of the right begin
        mask = op.mask(pairs + np.array([0, right]))
        remarks = [f"the results in {path} are those of {op.name}"] if rows.cells.shape[1] == 3 else []
        if repeated := len(pairs) - int(mask.sum()):
            one = " (i,j and j,i are one)" if op.tables == 1 else ""
            remarks.append(f"{repeated} of {len(pairs)} rows repeat a sample{one}")
    else:
        make = OPERATIONS[arguments.operation or "addition"]
        op = make(10 if arguments.p is None else arguments.p) if table is None else _of_table(table)
        n_train = op.n_samples if arguments.n_train is None else arguments.n_train
        _check_size(op, n_train, drawn=True)
        mask, remarks = op.random_training_set(n_train, 0 if arguments.seed is None else arguments.seed), []
    if op.tables == 2:
        remarks.append("the table does not commute: each side of the sum has its own embeddings, E_a + F_b")
    if op.full_nullity == op.tables:
        constant = "a constant" if op.tables == 1 else "a constant on each side"
        apart = f"no sum of real embeddings tells the symbols of {op.name} apart"
        remarks.append(f"{apart}: what is unique here is {constant}")
    return op, mask, remarks


def _check_size(op: et.Operation, n_train: int, drawn: bool) -> None:
    """See that the theory's memory is bounded, before any of it is taken."""
    needed = _SAMPLE_BYTES * op.n_samples + _TRAINED_BYTES * n_train
    if drawn and 50 * n_train > op.n_samples:  # else numpy draws without a list of all
        needed = max(needed, _DRAW_BYTES * op.n_samples)
    if needed > MOST_BYTES:
        what = f"{n_train} of {op.n_samples} samples of {op.name} would take about {needed / 1e9:.1f} GB of memory"
        raise InputError(f"{what}, more than the {MOST_BYTES / 1e9:.0f} GB that this command takes at most.")


def _of_table(table: Table) -> et.Operation:
    """Composed by a sum of one table of embeddings if it commutes, else of two."""
    p, tables = len(table.names), 1 if (table.results == table.results.T).all() else 2
    name = f"{table.name}({p})" if tables == 1 else f"{table.name}({p}, tables=2)"
    return et.from_table(table.results, "sum", name, tables, table.names)


def _operation_of(path: Path, rows: Rows, arguments: argparse.Namespace) -> et.Operation:
    """The operation that all results agree with; addition where both do, or where there
    are no results. Its p is that of the command, or one more than the largest symbol.
    """
    of_rows, p = rows.cells[:, :2].max(axis=1), arguments.p
    largest, line = int(of_rows.max()), rows.lines[int(of_rows.argmax())]
    if p is not None and largest >= p:
        raise InputError(f"{path} line {line}: symbol {largest}, but --p {p} leaves only 0..{p - 1}.")
    if p is None and not 1 <= largest < MAX_SYMBOLS:
        raise InputError(f"{path} line {line}: the largest symbol must be in 1..{MAX_SYMBOLS - 1}, but is {largest}.")
    p = 1 + largest if p is None else p
    candidates = [make(p) for name, make in OPERATIONS.items() if arguments.operation in (None, name)]
    if rows.cells.shape[1] == 2:
        return candidates[0]
    i, j, result = rows.cells.T
    _, first, number = np.unique(np.minimum(i, j) * p + np.maximum(i, j), return_index=True, return_inverse=True)
    before = first[number]  # the first row with the sample
    if len(other := np.flatnonzero(result != result[before])):
        k, its = int(other[0]), int(before[other[0]])
        lines, sample = f"lines {rows.lines[its]} and {rows.lines[k]}", f"{i[k]},{j[k]}"
        raise InputError(f"{path} {lines}: the sample {sample} has results {result[its]}, {result[k]}.")
    # addition has a result for every sum
    misfits = {op: _first_misfit(rows, (i + j) % op.n_results, op) for op in candidates}
    for op, misfit in misfits.items():
        if not misfit:
            return op
    raise InputError(f"{path}: the results are not those of an operation; {'; '.join(misfits.values())}.")


def _first_misfit(rows: Rows, right: NDArray[np.integer], op: et.Operation, table: Table | None = None) -> str:
    """Where the results in a file first differ from the right ones; "" if nowhere, or
    if there are none.
    """
    wrong = np.flatnonzero(rows.cells[:, 2:] != right[:, None])
    if not len(wrong):
        return ""
    k = int(wrong[0])
    told = [*rows.cells[k].tolist(), int(right[k])]
    if table is not None:
        told = [table.names[n] for n in told[:2]] + [table.results_names[n] for n in told[2:]]
    return "line {}: {},{} has {}, in {} {}".format(rows.lines[k], *told[:3], op.name, told[3])


# The report


def _report(description: et.Description, mask: NDArray[np.bool_]) -> dict[str, Any]:
    op, lambda3 = description.operation, description.lambda3
    return {
        "command": shlex.join(sys.argv[1:]),
        "operation": op.name,
        "p": op.n_symbols // op.tables,
        "tables": op.tables,
        "n_train": description.n_train,
        "n_samples": op.n_samples,
        "n_parallelograms": description.n_parallelograms,
        "n_parallelograms_of_all_data": et.count_parallelograms(op),
        "nullity": description.nullity,
        "nullity_known_by": asdict(description.exact_nullity),
        "is_linear": description.is_linear,
        "lambda3": lambda3 if math.isfinite(lambda3) else None,
        "ideal_accuracy": description.ideal_accuracy,
        "eigenvalues": description.eigenvalues.tolist(),
        "n_out_of_reach": description.n_beyond,
        "listed_at_most": LISTED,
        "training_set": _listed(op, op.first_pairs(mask, LISTED)),
        "out_of_reach": _listed(op, op.first_pairs(~description.reached, LISTED)),
        "environment": {
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "versions": {"efftheory": et.__version__} | {name: version(name) for name in ("numpy", "scipy", "numba")},
        },
    }


def _listed(op: et.Operation, pairs: NDArray[np.int32]) -> list[list[int]] | list[list[str]]:
    """Pairs as numbers of symbols, or by their names."""
    numbers = (pairs % (op.n_symbols // op.tables)).tolist()  # on the right they are numbered on
    if op.names is None:
        return numbers
    return [[op.names[a], op.names[b]] for a, b in numbers]


# The command line


def _drawing() -> Callable[[et.Description], Any] | None:
    """What draws the picture; None where matplotlib is missing, or finds no folder to
    write to.
    """
    try:
        from efftheory._picture import picture_of
    except (ModuleNotFoundError, OSError):
        return None
    return picture_of


def _fail(message: str, status: int) -> NoReturn:
    print("error:", " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:  # argparse would print its usage before it
        _fail(f"{message}{'' if message.endswith('?') else '.'} --help lists the options.", 2)


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
    table = "your own operation: CSV, a square of results, row a and column b that of (a, b), with or without names"
    add("--table", type=Path, metavar="FILE", help=table)
    inferred = "default: addition, or with --pairs what the results in the file are"
    add("--operation", choices=OPERATIONS, help=inferred)
    add("--repr-lr", type=float, default=1e-3, help="learning rate of the embeddings (default: 1e-3)")
    folder = "for report.json and training_set.png (default: results/efftheory)"
    add("--out", type=Path, default=Path("results/efftheory"), metavar="DIR", help=folder)
    arguments, unknown = parser.parse_known_args(command)
    if unknown:
        options = [name.replace("_", "-") for name in vars(arguments)]
        near = get_close_matches(unknown[0].strip("-").partition("=")[0], options, 1)
        option = f"there is no option {unknown[0]}" + "".join(f"; is it --{name}?" for name in near)
        parser.error(option if unknown[0].startswith("-") else f"{unknown[0]!r} is one word too many")
    if arguments.pairs is not None and (arguments.n_train is not None or arguments.seed is not None):
        parser.error("--pairs names the training set: leave out --n-train and --seed")
    if arguments.table is not None and (arguments.p is not None or arguments.operation is not None):
        parser.error("--table is the operation: leave out --p and --operation")
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
    except (InputError, et.ArgumentError, MemoryError) as error:
        _fail(str(error) or "not enough memory", 1)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


if __name__ == "__main__":
    run()
