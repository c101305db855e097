"""The pages: every link leads somewhere, and a number that stands on two pages is one
number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]) if "api" not in page.parts]


def prose(page: Path) -> str:
    """A page without its blocks of code, whose comments look like headings."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What its headings are called in a link."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead nowhere."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_anchor_exists(page: Path) -> None:
    assert list(broken(page)) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title: 2 `words`\n## Same\n## Same\n```\n# code\n```\n[there](#a-title-2-words) [there](#same-1)\n"
    )
    assert list(broken(page)) == []
    page.write_text(page.read_text() + "[a](#code) [b](none.md) [c](page.md#same-2) [d](https://a.page#x)\n")
    assert list(broken(page)) == ["#code", "none.md", "page.md#same-2"]


def test_every_page_has_its_line_in_the_list() -> None:
    """Every report, too: nobody finds a page that no list names."""
    docs = ROOT / "docs"
    lists = [docs / "README.md", docs / "decoder/README.md"]
    named = {(page.parent / link).resolve() for page in lists for link in re.findall(r"\]\(([^)#\s]+)", prose(page))}
    assert [str(page) for page in PAGES if docs in page.parents and page not in {*named, lists[0]}] == []


def test_the_map_of_the_house_has_every_room() -> None:
    words = (ROOT / "CONTRIBUTING.md").read_text()
    library = [path.name for path in ROOT.glob("efftheory/[!_]*.py")]
    commands = {path.parent.name for path in ROOT.glob("analysis/*/__main__.py")} - {"runs"}
    shared = [
        f"{path.parent.name}/" for path in ROOT.glob("analysis/*/__init__.py") if path.parent.name not in commands
    ]
    assert len(library) > 15
    assert len(shared) >= 5
    assert [name for name in (*library, *shared) if f"`{name}`" not in words] == []


# What more than one page says: each match is a page that says it, its groups are the
# numbers.
TWICE = {
    "how long the tests take": r"make test`? +(?:#|takes) ([\w ]+ minutes)",
    "when the official code's run gets there": r"RQI > 0\.95 after (\d+) updates, train accuracy 0\.9 after (\d+), "
    r"test accuracy 0\.9 after (\d+)",
    "what a prediction costs": r"1/(\d+), at worst 1/\d+ \(`[^`]*`, processor time"
    r"|takes (\d+) times the processor time",
    "how well it tells who succeeds": r"remembers, blind, with targets \| \S+ (\S+) \| \S+ (\S+)"
    r"|remembers \| D, E0, rates, targets \| (\S+) \| \*\*(\S+)\*\*",
    "what the advice gains": r"from (\.\d+) to (\.\d+) \((?:48 fresh|paired)",
    "how many runs the league has": r"(\d+) runs(?: in five settings|, \d+ minutes from an empty store)",
    "how many runs the paper's theory was held against": r"(\d+) (?:runs\]\(docs/dec|networks at three|real runs: 128)",
}


@pytest.mark.parametrize("what", TWICE)
def test_a_number_that_stands_twice_is_one_number(what: str) -> None:
    text = {page: " ".join(re.sub(r"<!--.*?-->", "", page.read_text()).split()) for page in PAGES}
    said = {
        str(page.relative_to(ROOT)): [group for group in found.groups() if group]
        for page in PAGES
        for found in re.finditer(TWICE[what], text[page])
    }
    assert len(said) > 1, f"one page is left that says {what}: {list(said)}"
    assert len(set(map(tuple, said.values()))) == 1, said


def test_words_in_signatures_are_words_of_the_code() -> None:
    """The glossary's first column: what is between backticks there stands in a file of
    a package. `repr_...` is a beginning.
    """
    files = [file for name in ("efftheory", "neural", "analysis") for file in ROOT.glob(f"{name}/**/*.py")]
    code = set(re.findall(r"\w+", "\n".join(file.read_text() for file in files)))
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    words = {word for row in rows for word in re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", row)))}
    words = {word for word in words if not word.endswith("_")}
    assert len(words) > 50
    assert words - code == set()
