"""Fills the marked numbers of the pages from the frozen tables of docs/data.

    python docs/fill.py [--check | --unmarked]

With --check nothing is written, and the exit status is 1 where a page would change;
--unmarked lists the lines with numbers that have no mark: settings, and what no frozen
table has.
What a mark is, and where its number comes from: `analysis/audit.py`.
"""

from __future__ import annotations

import re
import sys

from analysis.audit import MARK, PAGES, ROOT, fill


def main(check: bool) -> None:
    changed = {page: text for page in PAGES if (text := fill(ROOT, page)) != (ROOT / page).read_text(encoding="utf-8")}
    for page, text in changed.items():
        print("not filled:" if check else "filled:", page)
        if not check:
            (ROOT / page).write_text(text, encoding="utf-8")
    sys.exit(1 if check and changed else 0)


def list_unmarked() -> None:
    for page in PAGES:
        for k, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
            rest = re.sub(r"\]\([^)]*\)", "]", MARK.sub("", line))
            if numbers := re.findall(r"(?<![\w.])[+-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?![\w])", rest):
                print(f"{page}:{k}", *numbers)


if __name__ == "__main__":
    list_unmarked() if "--unmarked" in sys.argv[1:] else main("--check" in sys.argv[1:])
