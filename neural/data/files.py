"""Data that runs were trained on, known by its contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neural.config import ConfigError

FOLDER = "EFFTHEORY_DATA"  # names the folder of data of your own; by default data


def check_file(field: str, path: Path, sha256: str) -> None:
    """ConfigError, which names the configuration's `field`, unless the file is there
    and has this SHA-256, in hexadecimal. Takes about 2 ms a megabyte.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"`{field}` must be undamaged, but {path}: {error.strerror}.") from None
    if found != sha256:
        raise ConfigError(
            f"`{field}` must be undamaged, but {path} is not the file that runs were trained on: "
            f"its SHA-256 is {found}, not {sha256}."
        )


def digest_of(parts: Iterable[bytes]) -> str:
    """Of data in parts, in their order: the first 16 hexadecimal digits of a SHA-256 of
    them and their lengths.
    """
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()[:16]


def check_digest(asked: str | None, data: Any) -> None:
    """ConfigError unless the `digest` of the data that is there is what a configuration
    asks for; None asks for any.
    """
    if asked is not None and asked != data.digest:
        raise ConfigError(f"`digest` must be that of the data that is here, {data.digest}, but is {asked}.")
