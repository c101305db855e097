"""Where data is, and whether it is what runs were trained on."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from neural.config import ConfigError

FOLDER = "EFFTHEORY_DATA"  # the environment variable that names a folder of your own; by default data


def own_folder() -> Path:
    """The folder of data of your own."""
    return Path(os.environ.get(FOLDER, "data"))


def find_package(module: str, wanted: str, package: str, extra: str) -> Path:
    """The folder of a package that carries data, which is not imported.

    Args:
        module: what is imported of it.
        wanted: what the message begins with, up to "needs the package".
        package, extra: its name, and the extra of efftheory that installs it.

    Raises:
        ConfigError: it is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"{wanted} needs the package {package}: pip install 'efftheory[{extra}]'.")
    return Path(spec.origin).parent


def damaged(path: Path, kind: str, error: Exception) -> ConfigError:
    """For a file that is not what files of this kind are."""
    reason = " ".join(str(error).split())
    return ConfigError(f"`data` must be undamaged, but {path} is not what {kind} are: {reason}.")


def check_file(field: str, path: Path, sha256: str) -> None:
    """See that a file is there and has this SHA-256. Takes about 2 ms a megabyte.

    Args:
        field: the configuration's field that asks for it.
        path: the file.
        sha256: in hexadecimal.

    Raises:
        ConfigError: it is not, or has not.
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
    """See that data has the `digest` that a configuration asks for; None asks for any.

    Raises:
        ConfigError: it has another.
    """
    if asked not in (None, data.digest):
        raise ConfigError(f"`digest` must be that of the data that is here, {data.digest}, but is {asked}.")
