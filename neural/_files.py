"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file to write to, which takes the place of `path` at the end: the old file
    stays whole until the new one is.

    It is in a folder of its own beside `path`: two commands may write one file at a
    time. A symbolic link stays, and its target is replaced. What is no regular file (a
    terminal, a pipe) is written to directly.

    Args:
        path: the file.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True) as folder:
        fresh = Path(folder) / path.name
        yield fresh
        fresh.replace(path)


def check_writable(path: Path) -> None:
    """Make the folder of a file, and see that the file can be written; neither it nor
    anything else is left behind.

    Raises:
        OSError: it cannot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path = Path(os.path.realpath(path))
    if path.exists():
        os.close(os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))
    if path.is_file() or not path.exists():
        with tempfile.TemporaryFile(dir=path.parent):  # without a name: another command may do the same
            pass
