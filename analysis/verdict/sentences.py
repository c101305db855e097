"""A verdict: sentences, each with the evidence that it stands on."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape
from typing import Literal

Kind = Literal["fact", "finding", "remedy", "not known"]

_WIDTH = 88
_NOTHING = "Nothing found that stands in its way."


@dataclass(frozen=True)
class Sentence:
    """What is said of a run.

    Attributes:
        text: one or two sentences.
        evidence: a page, a number of runs, or the log itself.
        kind: "finding" is what stands in the run's way, "remedy" what to do about the
            finding before it, "fact" neither, "not known" what could not be said, and
            for want of what.
    """

    text: str
    evidence: str
    kind: Kind = "finding"


@dataclass(frozen=True)
class Verdict:
    """What is said of one run.

    Attributes:
        name: the run's.
        sentences: in the order in which they are to be read.
        clear: what was asked and found to be in order.
    """

    name: str
    sentences: tuple[Sentence, ...]
    clear: tuple[str, ...] = ()

    def of(self, kind: Kind) -> list[Sentence]:
        """The sentences of one kind."""
        return [one for one in self.sentences if one.kind == kind]

    def __str__(self) -> str:
        told = [one for one in self.sentences if one.kind != "not known"]
        lines = [_filled(f"{one.text} ({one.evidence})", "  > " if one.kind == "remedy" else "- ") for one in told]
        return "\n".join([*lines, *map(_filled, self._ends())])

    def _repr_html_(self) -> str:
        told = [one for one in self.sentences if one.kind != "not known"]
        rows = [[one.kind, one.text, one.evidence] for one in told]
        cells = ["".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row) for row in rows]
        ends = "".join(f"<p>{escape(line)}</p>" for line in self._ends())
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>{ends}"

    def _ends(self) -> list[str]:
        """What is said of the rules that found nothing."""
        ends = [_NOTHING] if self.clear and not self.of("finding") else []
        if self.clear:
            ends.append(f"Looked at and found in order: {', '.join(self.clear)}.")
        unknown = self.of("not known")
        wants = {
            one.evidence: ", ".join(each.text for each in unknown if each.evidence == one.evidence) for one in unknown
        }
        if wants:
            ends.append(f"Not known: {'; '.join(f'{names} ({want})' for want, names in wants.items())}.")
        return ends


def _filled(text: str, begin: str = "") -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin), break_on_hyphens=False)
