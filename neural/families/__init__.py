"""The families: one file and one line each."""

from __future__ import annotations

from typing import Any

from neural.families.digits import Images
from neural.families.messiness import Messiness
from neural.families.modular import Modular
from neural.families.toy import Toy
from neural.family import Family

FAMILIES: dict[str, type[Family]] = {family.name: family for family in (Toy, Modular, Images, Messiness)}


def family_of(config: Any) -> type[Family]:
    """The family whose configuration this is."""
    return next(family for family in FAMILIES.values() if type(config) is family.Config)
