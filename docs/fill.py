"""Fills the marked numbers of the pages from the frozen tables of docs/data.

    python docs/fill.py [--check]

With --check nothing is written, and the exit status is 1 where a page would change.
What a mark is, where its number comes from, and which numbers need none:
`analysis/audit.py`.
"""

from __future__ import annotations

import sys

from analysis.audit import PAGES, ROOT, fill


def main(check: bool) -> None:
    changed = {page: text for page in PAGES if (text := fill(ROOT, page)) != (ROOT / page).read_text(encoding="utf-8")}
    for page, text in changed.items():
        print("not filled:" if check else "filled:", page)
        if not check:
            (ROOT / page).write_text(text, encoding="utf-8")
    sys.exit(1 if check and changed else 0)


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
