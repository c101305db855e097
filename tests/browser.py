"""A real browser for the gallery: Debian's chromium, headless, by its own driver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
# What the last line names would call hosts that nobody asked for.
FLAGS = """--headless --no-sandbox --disable-gpu --no-first-run
--disable-quic --disable-background-networking --disable-component-update --disable-sync"""


@contextmanager
def browser(profile: Path) -> Iterator[Any]:
    """A driver, whose console can be read; `profile` is an empty folder."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.binary_location = str(CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()
