"""The families: one file and one line each."""

from __future__ import annotations

from typing import Any

from neural.families.digits import Images
from neural.families.messiness import Messiness
from neural.families.modular import Modular
from neural.families.molecules import Molecules
from neural.families.parity import Parity
from neural.families.reviews import Texts
from neural.families.teacher import Teacher
from neural.families.toy import Toy
from neural.family import Family

_ALL = (Toy, Modular, Images, Teacher, Texts, Molecules, Messiness, Parity)
FAMILIES: dict[str, type[Family]] = {family.name: family for family in _ALL}


def family_of(config: Any) -> type[Family]:
    """The family whose configuration this is."""
    return next(family for family in FAMILIES.values() if type(config) is family.Config)
