"""The pages of the library from its docstrings, into docs/api: `make docs`.

The door, which shows all that the modules behind it have, and what it leaves out.
"""

from __future__ import annotations

from inspect import formatannotation
from pathlib import Path
from typing import Any

import pdoc
from pdoc import doc, doc_types, render

OUT = Path(__file__).parent / "api"
MODULES = ("efftheory", r"!efftheory\..*", "efftheory.symbolic")
MOST_CHARACTERS = 60


class AsWritten(str):
    """An annotation as it stands in the source."""

    __slots__ = ()
    __repr__ = str.__str__


def short(annotation: Any, *where: Any) -> Any:
    """What the annotation stands for, so that pdoc can link to it; as it is written where that is long.

    `ArrayLike` alone stands for a dozen lines.
    """
    found = resolve(annotation, *where)
    too_long = isinstance(annotation, str) and len(formatannotation(found)) > MOST_CHARACTERS
    return AsWritten(annotation) if too_long else found


if __name__ == "__main__":
    resolve = doc_types.safe_eval_type
    doc.safe_eval_type = doc_types.safe_eval_type = short
    render.configure(docformat="google", show_source=False)
    pdoc.pdoc(*MODULES, output_directory=OUT)
