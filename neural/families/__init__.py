"""The families: one file and one line each; and those that users bring. External are
runs that others trained: the store has them, nothing trains them.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neural import foreign
from neural.config import ConfigError
from neural.families.digits import Images
from neural.families.external import External
from neural.families.messiness import Messiness
from neural.families.modular import Modular
from neural.families.molecules import Molecules
from neural.families.parity import Parity
from neural.families.reviews import Texts
from neural.families.teacher import Teacher
from neural.families.toy import Toy
from neural.family import Family

_ALL: tuple[type[Family], ...] = (Toy, Modular, Images, Teacher, Texts, Molecules, Messiness, Parity)
FAMILIES: dict[str, type[Family]] = {family.name: family for family in _ALL}
STORED: Mapping[str, type[Family]] = ChainMap({External.name: External}, FAMILIES)  # begins with the latter


def find_family(asked: str) -> type[Family]:
    """The family with a name, or that of a file of yours, NAME.py.

    Raises:
        ConfigError: there is none, or the file's cannot be used.
    """
    if asked in FAMILIES:
        return FAMILIES[asked]
    if asked.endswith(".py"):
        return foreign.load(Path(asked), STORED)
    raise ConfigError(f"`family` must be one of {', '.join(FAMILIES)}, or a file NAME.py, but is {asked!r}.")


def family_of(config: Any) -> type[Family]:
    """The family whose configuration this is; ConfigError if there is none."""
    for family in STORED.values():
        if type(config) is family.Config:
            return family
    return foreign.family_with(type(config), STORED)
