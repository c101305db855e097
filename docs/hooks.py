"""What mkdocs calls while it builds the site: `make docs`.

Pages are written for the repository, where their links lead to files. Here README.md is
the site's first page, and a source file that a page links to becomes a page as well.
Formulas become MathML, and the tutorial's blocks are run, in their order.
"""

from __future__ import annotations

import contextlib
import html
import json
import logging
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from posixpath import relpath
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
# By their path in the repository, what pages are called in the site that are not called
# as below docs.
RENAMED = {
    "README.md": "index.md",
    "docs/README.md": "pages.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
TUTORIAL = "docs/tutorial.md"
RUN_TUTORIAL = "EFFTHEORY_RUN_TUTORIAL"  # in the environment: 0 for a build that runs nothing
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$\n?", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)\s#]+)((?:#[^)\s]*)?\))")  # to files, not to other sites
_MATH = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def _outside_of_code(change: Callable[[str], str], markdown: str) -> str:
    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])


def _linked(page: str, link: str) -> str:
    """The path in the repository of what a page links to."""
    return os.path.normpath(os.path.join(os.path.dirname(page), link))


def _in_site(path: str) -> str:
    """What a file of the repository is called in the site. The frozen tables are
    sources: a page may link to them, but the site does not carry all of them.
    """
    if path in RENAMED:
        return RENAMED[path]
    copied = path.startswith("docs/") and not path.startswith("docs/data/") and not path.endswith(".py")
    return path.removeprefix("docs/") if copied else f"source/{path}.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation is docs/README.md's: its headings, and what its lines begin with."""
    nav: list[Any] = [{"Home": "index.md"}]
    for section in re.split(r"^## ", (ROOT / "docs/README.md").read_text(), flags=re.MULTILINE)[1:]:
        heading, _, lines = section.partition("\n")
        links = re.findall(r"\[([^]]+)\]\(([^)\s#]+\.md)\)", lines)
        pages = {_in_site(_linked("docs/README.md", link)): " ".join(title.split()) for title, link in links}
        nav.append({heading: [{title: page} for page, title in pages.items()]})
    nav[1:1] = [{"All pages": "pages.md"}]
    api = [{page.stem: f"api/{page.name}"} for page in sorted((ROOT / "docs/api").glob("*.md"))]
    config.nav = [*nav, {"API": api}, {"Changes": "CHANGELOG.md"}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that stand outside of docs, and the sources that pages link to."""
    pages = {file.src_uri: f"docs/{file.src_uri}" for file in files.documentation_pages()}
    for path, name in RENAMED.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
        pages[name] = path
    sources: set[str] = set()

    def seek(text: str) -> str:
        linked = [_linked(path, link) for link, _ in _LINK.findall(text)]
        sources.update(one for one in linked if _in_site(one).startswith("source/") and (ROOT / one).is_file())
        return text

    for path in pages.values():
        _outside_of_code(seek, (ROOT / path).read_text())
    for one in sorted(sources):
        language = "python" if one.endswith(".py") else ""
        content = f"---\nsearch: {{exclude: true}}\n---\n# {one}\n\n````{language}\n{(ROOT / one).read_text()}\n````\n"
        name = _in_site(one)
        files.append(File.generated(config, name, content=content, inclusion=InclusionLevel.NOT_IN_NAV))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    uri = page.file.src_uri
    path = next((path for path, name in RENAMED.items() if name == uri), f"docs/{uri}")
    if path == TUTORIAL and os.environ.get(RUN_TUTORIAL) != "0":
        markdown = with_output(markdown)
    if uri.startswith("source/"):
        return markdown

    def site_link(link: re.Match[str]) -> str:
        return relpath(_in_site(_linked(path, link[1])), os.path.dirname(uri) or ".") + link[2]

    return _outside_of_code(lambda text: _LINK.sub(site_link, text), markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Formulas in MathML, which browsers show without a script."""

    def mathml(formula: re.Match[str]) -> str:
        block = formula[1] == "div"
        text = convert(html.unescape(formula[2]).strip(), display="block" if block else "inline")
        return f'<div class="formula">{text}</div>' if block else text

    return _MATH.sub(mathml, content)


# In a process of its own: what compiles does not always get on with the site's builder.
_IN_TURN = """
import contextlib, io, json, sys

names = {"__name__": "tutorial"}
for number, code in enumerate(json.load(sys.stdin), 1):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, f"<block {number} of the tutorial>", "exec"), names)
    print(json.dumps(printed.getvalue()), flush=True)
"""


def with_output(markdown: str) -> str:
    """A page with what its blocks print below each: those of Python, in one namespace,
    then in bash or console the lines that begin with `python -m`, all in one temporary
    folder. An error, or another exit status than 0, fails the build.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        logging.getLogger("mkdocs").info("running the tutorial: about a minute ...")
        blocks = [code for language, code in _FENCE.findall(markdown) if language == "python"]
        printed = map(json.loads, _run(["-c", _IN_TURN], json.dumps(blocks)).splitlines())

        def shown(fence: re.Match[str]) -> str:
            language, code = fence.groups()
            if language == "python":
                text = next(printed)
            elif language in ("bash", "console") and code.startswith(("python -m", "$ python -m")):
                text = _commands(code)
            else:
                text = ""
            return fence.group() + (f"\n```text\n{text.rstrip()}\n```\n" if text.strip() else "")

        return _FENCE.sub(shown, markdown)


def _run(arguments: list[str], told: str = "") -> str:
    """What this Python prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, input=told, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PluginError(f"The tutorial ends with exit status {done.returncode}: {done.stderr}")
    return done.stdout


def _commands(code: str) -> str:
    """What commands print, one a line; a backslash at its end continues a line."""
    printed = ""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words and words[0] != "python":
            raise PluginError(f"The tutorial runs commands of Python only, not {line!r}.")
        printed += _run(words[1:]) if words else ""
    return printed
