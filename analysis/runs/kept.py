"""Families of users as a store keeps them: what their runs have, and the text of their
file. The text is there to be read; it is never executed from a store.
"""

from __future__ import annotations

import json
from dataclasses import asdict, field, fields, make_dataclass
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from neural.config import Option, kinds, option_of
from neural.family import Family, Metric
from neural.foreign import Source, known, remember, source_of

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (int, float, bool, str)}


def called(family: type[Family]) -> str:
    """The name of a family, with the beginning of its file's digest where it is a
    user's.
    """
    source = source_of(family)
    return family.name if source is None else f"{family.name}@{source.digest[:8]}"


def told(family: type[Family]) -> str:
    """Where a user's family is, and whether its file is gone or has changed since; ""
    for others.
    """
    source = source_of(family)
    if source is None:
        return ""
    try:
        text = Path(source.path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"{source.path}, which is missing"
    now = Source(source.path, text).digest
    return source.path if now == source.digest else f"{source.path}, which has changed since and is now {now[:8]}"


def description(family: type[Family]) -> str:
    """All that is needed to read the runs of a user's family, as JSON."""
    return json.dumps(
        {
            "fields": {
                one.name: {
                    "kind": _kind(kinds(family.Config)[one.name]),
                    "optional": NoneType in get_args(kinds(family.Config)[one.name]),
                }
                | ({"later": one.default} if option_of(one).later else {})
                for one in fields(family.Config)
            },
            "metrics": [asdict(metric) for metric in family.METRICS],
            "arrays": list(family.ARRAYS),
        }
    )


def _kind(hint: Any) -> str:
    return next((kind.__name__ for kind in (hint, *get_args(hint)) if kind in (int, float, bool)), "str")


def kept_family(name: str, digest: str, path: str, text: str, described: str) -> type[Family]:
    """The family that a store has a description of: the class itself where this process
    has loaded it, else one that cannot train, but whose runs can be read.

    Raises:
        ValueError: the description is damaged, or the text has another digest.
    """
    try:
        return known(name, digest)
    except KeyError:
        pass
    source = Source(path, text)
    if source.digest != digest or not name.isidentifier():
        raise ValueError
    try:
        found = json.loads(described)
        columns = []
        for one, has in found["fields"].items():
            kind = _KINDS[has["kind"]]
            later = field(default=has["later"], metadata={"option": Option(later=True)}) if "later" in has else field()
            columns.append((one, kind | None if has["optional"] else kind, later))
        config = make_dataclass(f"{name.title()}Config", columns, frozen=True, kw_only=True)
        metrics = tuple(Metric(**metric) for metric in found["metrics"])
        parts = {"name": name, "Config": config, "METRICS": metrics, "ARRAYS": dict.fromkeys(found["arrays"])}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError from error
    family: Any = type(name.title(), (), parts)
    remember(family, source)
    return family
