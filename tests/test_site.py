"""The site that `make docs` makes: strict on links, complete, and searched without a
network.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.browser import CHROMIUM, DRIVER, browser

ROOT = Path(__file__).parents[1]
NO_MKDOCS = any(importlib.util.find_spec(name) is None for name in ("mkdocs", "material", "mkdocstrings"))
pytestmark = pytest.mark.skipif(NO_MKDOCS, reason="the extra `docs` is not installed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, but for the tutorial, which is not run. Not with
    --quiet: then mkdocs counts no warning, and a dead link would pass.
    """
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "EFFTHEORY_RUN_TUTORIAL": "0", "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_api_has_what_the_doors_have(site: Path) -> None:
    import efftheory
    import neural

    for package in (efftheory, neural):
        page = (site / f"api/{package.__name__}.html").read_text()
        there = set(re.findall(rf'id="{package.__name__}\.(\w+)"', page))
        there |= set(re.findall(rf'id="{package.__name__}\.(\w+)\.\1"', page))  # in a module of its name
        missing = {*package.__all__} - there
        assert missing <= {"FAMILIES", "RunConfig"}  # a table, and a second name


def test_nothing_is_fetched_and_every_formula_is_mathml(site: Path) -> None:
    pages = {page: page.read_text() for page in site.rglob("*.html")}
    assert len(pages) > 10
    scripts = [re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="https?://[^"]*"', text) for text in pages.values()]
    assert [one for one in scripts if one] == []
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in pages[site / "index.html"]
    assert [page for page, text in pages.items() if "arithmatex" in text] == []


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="NO BROWSER: chromium and chromium-driver are not installed")
def test_the_search_works_without_a_server(site: Path, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    with browser(tmp_path) as driver:
        driver.get((site / "index.html").as_uri())
        driver.set_window_size(1400, 1000)  # a narrow window has a button in place of the box
        box = driver.find_element(By.CSS_SELECTOR, ".md-search__input")
        box.click()
        box.send_keys("parallelogram")
        found = WebDriverWait(driver, 20).until(
            lambda _: driver.find_elements(By.CSS_SELECTOR, ".md-search-result__item a")
        )
        pages = {str(one.get_attribute("href")).partition("?")[0].partition("#")[0] for one in found}
        assert (site / "api/efftheory.html").as_uri() in pages
        fetched = driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert [name for name in fetched if not name.startswith("file:")] == []
        assert [line for line in driver.get_log("browser") if line["level"] == "SEVERE"] == []


@pytest.fixture
def hooks() -> object:
    spec = importlib.util.spec_from_file_location("hooks_of_the_site", ROOT / "docs/hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_tutorial_shows_what_its_blocks_print(hooks) -> None:
    page = "# T\n```python\nx = 2\n```\n```python\nprint(x + 1)\n```\nThen\n```text\nno code\n```\n"
    page += "```bash\npython -m platform \\\n  --terse\n```\n```bash\nmake test\n```\n"
    shown = hooks.with_output(page)
    assert "```python\nprint(x + 1)\n```\n\n```text\n3\n```\n" in shown
    assert shown.count("```text") == 3
    assert shown.endswith("```bash\nmake test\n```\n")


@pytest.mark.parametrize("block", ["```python\n1 / 0\n```\n", "```bash\npython -m json.tool missing.json\n```\n"])
def test_a_tutorial_that_fails_is_no_page(hooks, block: str) -> None:
    with pytest.raises(hooks.PluginError, match=r"ZeroDivisionError|exit status"):
        hooks.with_output(block)


def test_the_navigation_is_the_list_of_pages() -> None:
    """mkdocs.yml names no page, so that none is forgotten there."""
    text = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text())
    assert "nav" not in yaml.safe_load(text)
