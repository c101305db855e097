"""Which arrays of some checkpoints count as weights, and how large they are and how far
they have moved: whatever real floating-point numbers there are, unless patterns of
names say which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from analysis.measures.weights import largest_change, total_norm
from neural import ConfigError

_OTHERS = {"c": "complex numbers", "i": "whole numbers", "u": "whole numbers", "b": "truth values"}


@dataclass(frozen=True)
class Patterns:
    """Shell patterns of names, as `blocks.*.weight`: what counts, and of that what does
    not. And by name the options that take an array for something else.
    """

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    taken: Mapping[str, str] = field(default_factory=dict)

    def check(self, names: Sequence[str]) -> None:
        """ConfigError if a pattern is that of no array."""
        for option in ("include", "exclude"):
            for pattern in getattr(self, option):
                if not any(fnmatchcase(name, pattern) for name in names):
                    raise ConfigError(
                        f"`{option}` must have patterns of arrays' names, but {shown(pattern)} is that of none of "
                        f"{', '.join(map(shown, sorted(names)))}."
                    )

    def against(self, name: str) -> str | None:
        """Why an array of this name does not count."""
        if name in self.taken:
            return f"it is --{self.taken[name]}"
        if self.include and not any(fnmatchcase(name, pattern) for pattern in self.include):
            return "not in --include"
        return "in --exclude" if any(fnmatchcase(name, pattern) for pattern in self.exclude) else None


@dataclass(frozen=True)
class One:
    """An array in one file: its norm and the largest change of a number in it since the
    first file, both in float64; None where it is no array that counts.
    """

    shape: tuple[int, ...]
    norm: float | None
    change: float | None
    why: str = ""
    """That it does not count."""


@dataclass(frozen=True)
class Counted:
    """The weights: of each the array in each file; of the others why they are none."""

    weights: Mapping[str, Sequence[One]]
    left_out: Mapping[str, str]

    def norms(self) -> NDArray[np.float64]:
        """Of all weights together, a number a file."""
        return np.linalg.norm([[_number(one.norm) for one in row] for row in self.weights.values()], axis=0)

    def changes(self) -> NDArray[np.float64]:
        """The largest of all weights, a number a file."""
        return np.max([[_number(one.change) for one in row] for row in self.weights.values()], axis=0)

    def diverged(self) -> dict[str, list[int]]:
        """The weights that are not finite in some files, and in which."""
        rows = {name: [k for k, one in enumerate(row) if one.norm is None] for name, row in self.weights.items()}
        return {name: found for name, found in rows.items() if found}

    def still(self) -> list[str]:
        """The same in all of several files: masks or buffers, perhaps."""
        return [name for name, row in self.weights.items() if len(row) > 1 and not any(one.change for one in row)]


def looked_at(arrays: Mapping[str, NDArray], start: Mapping[str, NDArray]) -> dict[str, One]:
    """The arrays of one file beside those of the first."""
    found = {}
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            found[name] = One(array.shape, None, None, _OTHERS.get(array.dtype.kind, f"no numbers, {array.dtype}"))
        elif not array.size:
            found[name] = One(array.shape, None, None, "empty")
        else:
            same = name in start and start[name].shape == array.shape and start[name].dtype.kind == "f"
            with np.errstate(invalid="ignore"):  # of what is not finite
                change = largest_change({name: array}, {name: start[name]}) if same else None
                norm = total_norm({name: array})
            found[name] = One(array.shape, norm if np.isfinite(array).all() else None, change)
    return found


def counted(files: Sequence[Mapping[str, One]], patterns: Patterns) -> Counted:
    """What counts of arrays that were looked at file by file.

    What is finite in no file is left out (a mask of -inf); what is finite in some is a
    weight that has diverged, and the norm is nan where it has.
    """
    weights, left_out = {}, {}
    for name in dict.fromkeys(name for file in files for name in file):
        row = [file.get(name) for file in files]
        here = [one for one in row if one is not None]
        why = patterns.against(name) or next((one.why for one in here if one.why), None)
        if why is None and len(here) < len(files):
            why = "not in all files"
        if why is None and len({one.shape for one in here}) > 1:
            why = "of several shapes"
        if why is None and all(one.norm is None for one in here):
            why = "not finite"
        if why is None:
            weights[name] = here
        else:
            left_out[name] = why
    return Counted(weights, left_out)


def shown(name: str) -> str:
    """A name out of a file as text that a terminal takes for nothing else."""
    return name if name.isprintable() else ascii(name)[1:-1]


def _number(value: float | None) -> float:
    return np.nan if value is None else value
