"""The one way a command leaves its results: report.json (all numbers), report.md (a
page to read), pictures.
"""

from __future__ import annotations

import io
import json
import math
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # pictures go to files: no display is needed or asked for
from matplotlib.figure import Figure
from tabulate import tabulate

from neural import ConfigError
from neural._files import replacing

_TAG = re.compile("<(?=[A-Za-z/!?])")  # with what html begins


def prepare_folder(out: Path) -> None:
    """Make the folder and see that it can be written, before any work is done for it;
    ConfigError if it cannot.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):  # without a name of its own: another command may be doing the same
            pass
    except OSError as error:
        raise ConfigError(f"`out` must be a folder that can be written, but {out}: {error.strerror}.") from None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content`; nan and inf become null. The old file stays whole until the new
    one is.
    """
    write_bytes(path, (json.dumps(_plain(content), indent=1) + "\n").encode())


def write_page(path: Path, parts: Sequence[str]) -> None:
    """Write a markdown page of paragraphs. What a table from elsewhere says is text on
    it: neither html nor control characters.
    """
    write_text(path, _TAG.sub("&lt;", "\n".join(map(printable, "\n\n".join(parts).split("\n")))) + "\n")


def printable(text: str) -> str:
    """A text with its control characters as escape sequences: a terminal shows them,
    and does not obey.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def write_text(path: Path, text: str) -> None:
    """Write a file of text, in UTF-8, with backslashes for what that lacks (bytes in a
    file's name that are no text); the old one stays whole until the new one is.
    """
    write_bytes(path, text.encode(errors="backslashreplace"))


def save_picture(path: Path, figure: Figure) -> None:
    """Write a figure as PNG."""
    content = io.BytesIO()
    figure.savefig(content, dpi=150, format="png")
    write_bytes(path, content.getvalue())


def table(rows: list[dict[str, Any]], form: str = "github") -> str:
    """Rows of one shape as a text table; None is a dash, control characters are
    escaped.
    """
    shown = [{name: printable(cell) if isinstance(cell, str) else cell for name, cell in row.items()} for row in rows]
    return tabulate(shown, headers="keys", tablefmt=form, missingval="-", disable_numparse=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; the old one stays whole until the new one is. ConfigError if it
    cannot be written (a full disk, say).
    """
    try:
        with replacing(path) as fresh:
            fresh.write_bytes(content)
    except OSError as error:
        raise ConfigError(f"`out` must be a folder that can be written, but {path}: {error.strerror}.") from None


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.item() if hasattr(value, "item") else value
