"""Checkpoints in a folder: .npz or .safetensors files of named arrays, the step the
last number in the file's name. Nothing is unpickled, or read that would take too much
memory.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from analysis.runs.traces import DAMAGED
from neural import ConfigError

KINDS = (".npz", ".safetensors")
LARGEST = 2 * 2**30  # bytes that the arrays of one file may take
_DAMAGED = (*DAMAGED, SafetensorError)
# safetensors' names of numpy's types; bfloat16 numpy does not have
_TYPES = {
    **{f"F{8 * n}": f"<f{n}" for n in (2, 4, 8)},
    **{f"{kind.upper()}{8 * n}": f"<{kind}{n}" for kind in "iu" for n in (1, 2, 4, 8)},
    **{"C64": "<c8", "BOOL": "?"},
}


def checkpoint_files(folder: Path) -> dict[int, Path]:
    """The files by their steps, ascending. Hidden ones are not looked at. ConfigError:
    there is no such folder, no such file in it, something else under such a name, a
    name that does not end in a whole number, or two of one step.
    """
    if not folder.is_dir():
        raise ConfigError(f"`folder` must be a folder of checkpoints, but {folder} is none.")
    found: dict[int, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in KINDS and not path.name.startswith(".")):
        if not path.is_file():
            raise ConfigError(f"`folder` must have files of plain arrays, but {path.name} is no file.")
        other = found.setdefault(step := _step(path), path)
        if other != path:
            both = f"{other.name} and {path.name} are both of step {step}"
            raise ConfigError(f"`folder` must have one file a step, but {both}.")
    if not found:
        raise ConfigError(f"`folder` must have files that end in {' or '.join(KINDS)}, but {folder} has none.")
    return dict(sorted(found.items()))


def _step(path: Path) -> int:
    """The last number in a name, if it is whole as it stands: not that of `30k`."""
    last = re.search(r"([0-9]+)[^0-9]*$", path.stem)
    if last is None:
        raise ConfigError(f"`folder` must have a step in each file's name, but has {path.name}.")
    before, behind = path.stem[: last.start()], path.stem[last.end(1) :]
    unfit = {
        "is a decimal": re.search(r"(^|[^a-zA-Z])[.,]$", before),  # not that of step.30
        "has an exponent": re.search(r"\d[.,]?[eE][+-]?$", before),
        "has a sign": re.search(r"(^|[^a-zA-Z\d])-$|[+\u2212]$", before),  # not that of step-30
        "has a suffix": re.match(r"[^\W_]|%", behind),
        "is hexadecimal": re.search(r"0[xX]$", before),
        "is that of a copy": before.endswith("("),
        "is a number of parts": re.search(r"\d[-_ ]?of[-_ ]?$", before),
        "is too large": int(last[1]) >= 2**63,
    }
    finding = next((finding for finding, there in unfit.items() if there), None)
    if finding is not None:
        must = "have a whole number, the step, last in each file's name"
        raise ConfigError(f"`folder` must {must}, but that of {path.name} {finding}.")
    return int(last[1])


def read_checkpoint(path: Path) -> dict[str, NDArray]:
    """The arrays of one file, by name. bfloat16 is read as float32, exactly.
    ConfigError: it cannot be read, is damaged or encrypted, holds what would have to be
    unpickled, or takes more than LARGEST.
    """
    with _one_line(f"`folder` must have files of plain arrays, but {path.name}"):
        return _of_safetensors(path) if path.suffix == ".safetensors" else _of_npz(path)


def read_array(option: str, path: Path) -> NDArray:
    """The array of an .npy file that an option names; ConfigError likewise."""
    with _one_line(f"`{option}` must name a file of one plain array, but {path}"):
        if not path.is_file():
            raise OSError("there is no such file")
        with path.open("rb") as stream:
            return npy.read_array(stream, allow_pickle=False)


@contextmanager
def _one_line(but: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise ConfigError(f"{but}: {' '.join(str(error).split()) or type(error).__name__}.") from None


def _of_npz(path: Path) -> dict[str, NDArray]:
    with zipfile.ZipFile(path) as archive:
        members = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        _check_size(sum(one.file_size for one in members))
        names = [one.filename.removesuffix(".npy") for one in members if not Path(one.filename).name.startswith(".")]
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names}


def _of_safetensors(path: Path) -> dict[str, NDArray]:
    _check_size(path.stat().st_size)
    found = {}
    for name, tensor in deserialize(path.read_bytes()):
        kind = tensor["dtype"]
        if kind == "BF16":  # the upper half of a float32
            values = (np.frombuffer(tensor["data"], "<u2").astype(np.uint32) << 16).view(np.float32)
        elif kind in _TYPES:
            values = np.frombuffer(tensor["data"], _TYPES[kind])
        else:
            raise ValueError(f"an array is of type {kind}")
        found[name] = values.reshape(tensor["shape"])
    return found


def _check_size(n_bytes: int) -> None:
    if n_bytes > LARGEST:
        raise ValueError(f"its arrays take {n_bytes / 2**30:,.1f} GiB, more than {LARGEST / 2**30:g}")
