"""Files are written whole or not at all; what reading a damaged one raises."""

from __future__ import annotations

import contextlib
import lzma
import os
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

# All that numpy and zipfile raise at files of arrays whose bytes are others than were
# written.
DAMAGED = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, RuntimeError, MemoryError, OverflowError),
    *(SyntaxError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError),
)


@contextlib.contextmanager
def replacing(path: Path, synced: bool = False) -> Iterator[Path]:
    """A file to write to, which takes the place of `path` at the end: the old file
    stays whole until the new one is.

    It is in a folder of its own beside `path`: two commands may write one file at a
    time. A symbolic link stays, and its target is replaced. What is no regular file (a
    terminal, a pipe) is written to directly.

    Args:
        path: the file.
        synced: whether the new file is on the disk, and not only on its way, when this
            ends.

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
        if synced:
            sync(fresh)
        fresh.replace(path)
    if synced:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":  # where folders cannot be opened
        return
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)


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
