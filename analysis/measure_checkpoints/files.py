"""Checkpoints in a folder: .npz or .safetensors files of named arrays, the step the
last number in the file's name. Nothing is unpickled.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from neural import ConfigError

KINDS = (".npz", ".safetensors")


def checkpoint_files(folder: Path) -> dict[int, Path]:
    """The files by their steps, ascending.

    Raises:
        ConfigError: there is no such folder, no such file in it, a name without a
            number, or two of one step.
    """
    if not folder.is_dir():
        raise ConfigError(f"`folder` must be a folder of checkpoints, but {folder} is none.")
    found: dict[int, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in KINDS):
        numbers = re.findall(r"\d+", path.stem)
        if not numbers:
            raise ConfigError(f"`folder` must have a step in each file's name, but has {path.name}.")
        step = int(numbers[-1])
        if step in found:
            raise ConfigError(
                f"`folder` must have one file a step, but {found[step].name} and {path.name} are both of step {step}."
            )
        found[step] = path
    if not found:
        raise ConfigError(f"`folder` must have files that end in {' or '.join(KINDS)}, but {folder} has none.")
    return dict(sorted(found.items()))


def read_checkpoint(path: Path) -> dict[str, NDArray]:
    """The arrays of one file, by name.

    Raises:
        ConfigError: it cannot be read, or holds what would have to be unpickled.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, KeyError, EOFError, SafetensorError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"`folder` must have files of plain arrays, but {path.name}: {reason}.") from None
