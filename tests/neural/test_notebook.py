"""What a run shows in a notebook."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from neural import History, ModularConfig, RunConfig, train_run

ROOT = Path(__file__).parents[2]


def test_both_packages_show_alike() -> None:
    """Neither may import the other."""
    code = [(ROOT / name / "_html.py").read_text().split('"""', 2)[2] for name in ("efftheory", "neural")]
    assert code[0] == code[1]


@pytest.fixture(scope="module")
def runs() -> list[History]:
    toy, modular = RunConfig(p=4, n_train=8, budget=30), ModularConfig(p=5, budget=20, look_every=5)
    return [train_run(toy), train_run(replace(toy, n_train=10)), train_run(modular)]


def rows(run: History) -> dict[str, str]:
    page = ET.fromstring(run._repr_html_())
    return {row[0].text or "": row[1].text or "" for row in page.iter("tr")}


def test_a_page_is_whole_and_small_and_says_what_the_run_says(runs: list[History]) -> None:
    for run in runs:
        text, said = run._repr_html_(), rows(run)
        assert len(text) < 20_000
        assert text == run._repr_html_()
        assert "id=" not in text
        assert said["trained on"] == f"{run.config.n_train} of {run.config.n_samples} samples"
        assert said["steps"].startswith(f"{run.steps_run} of {run.config.budget}")
        assert said["train loss at the end"] == f"{run.train_loss[-1]:.4g}"


def test_what_was_not_reached_is_not_a_number(runs: list[History]) -> None:
    toy = runs[0]
    assert toy.steps_to_rqi is None
    assert rows(toy)["steps to rqi > 0.95"] == "not within the budget"
    curve = np.where(np.arange(len(toy.steps)) < 7, 0.0, 0.9)
    late = replace(toy, traces={**toy.traces, "test_accuracy": curve})
    assert rows(late)["steps to test accuracy ≥ 0.9"] == "7"


def test_only_shares_have_curves(runs: list[History]) -> None:
    for run, names in zip(runs, (3, 3, 2), strict=True):
        assert len(re.findall(r'<path [^>]*fill="none" stroke="#', run._repr_html_())) == names


def test_a_long_run_is_thinned_out(runs: list[History]) -> None:
    n = 100_001
    noise = {name: np.random.default_rng(0).random(n) for name in runs[0].traces}
    long = replace(runs[0], steps=np.arange(n), traces=noise)
    assert len(long._repr_html_()) < 20_000
