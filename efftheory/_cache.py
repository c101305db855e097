"""Where numba keeps what it has compiled: beside the sources, or in a folder of the
user.

Where it can write to neither (a read-only installation and home, as in containers and
clusters), numba refuses every kernel, and with it the import. Then a temporary folder
serves this process and those that it starts; where there is none either, nothing is
kept.
"""

from __future__ import annotations

import os
import tempfile
import warnings

from numba import config, njit


def found() -> bool:
    """Whether numba finds a folder for the functions of this package."""
    try:
        njit(cache=True)(found)  # looks for the folder, and compiles nothing
    except RuntimeError:
        return False
    return True


def folder() -> tempfile.TemporaryDirectory[str] | None:
    """A temporary folder for numba, removed when Python ends; None where none is needed
    or none can be made. A warning says which.
    """
    if found():
        return None
    made, kept = None, "nothing is kept"
    try:
        made = tempfile.TemporaryDirectory(prefix="efftheory-")
        # the variable is for processes that start later, and for numba, which reads it
        # again when another one changes
        os.environ["NUMBA_CACHE_DIR"] = made.name
        config.CACHE_DIR = made.name  # pyright: ignore[reportAttributeAccessIssue]
        kept = "it is kept in a temporary folder"
    except OSError:
        pass
    missing = "numba has no folder to write compiled code to (NUMBA_CACHE_DIR can name one)"
    warnings.warn(f"{missing}: {kept}, and the next start compiles again.", RuntimeWarning, stacklevel=2)
    return made


_FOLDER = folder()  # lives as long as the module
CACHE = found()  # what every kernel gives to njit as `cache`
