"""A handful of quick tests of what is installed: `pytest -m smoke`.

tests/wheel.py runs them in fresh environments, outside of the repository, so they read
no file of it. Where torch is not installed, those of networks are skipped.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import efftheory as et

pytestmark = pytest.mark.smoke
HAS_TORCH = importlib.util.find_spec("torch") is not None
trains = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed: pip install 'efftheory[networks]'")
OP = et.addition(10)
MASK = OP.random_training_set(25, seed=3)


def test_there_is_one_version() -> None:
    assert et.__version__ == version("efftheory")


@pytest.mark.parametrize("package", ["efftheory", "neural", "analysis", "paper_figures"])
def test_types_are_for_users(package: str) -> None:
    found = importlib.util.find_spec(package)  # without its import, which may need torch
    assert found is not None
    assert Path(str(found.origin)).with_name("py.typed").is_file()


def test_the_theory_of_a_training_set() -> None:
    said = et.describe(OP, MASK)
    assert "14 of 70 parallelograms" in str(said)
    assert et.is_linear(OP, MASK)
    assert et.spectrum(OP, MASK).lambda3 == pytest.approx(2.7458, abs=1e-4)


def test_descending_the_effective_loss() -> None:
    E0 = np.random.default_rng(0).normal(size=(10, 1))
    path = et.flow(OP, MASK, E0, [0.0, 1.0])
    assert path.loss[-1] < path.loss[0]
    assert et.effective_loss(OP, MASK, np.arange(10.0)[:, None]) == 0


def test_a_prediction_with_the_decoder() -> None:
    E0 = np.random.default_rng(0).uniform(-1, 1, size=(10, 1))
    path = et.memory_flow(OP, MASK, E0, repr_lr=1e-3, decoder_lr=1e-4, steps=20)
    assert np.isfinite(path.E).all()


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "efftheory", "--p", "10", "--n-train", "25", "--seed", "3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "lambda_3 = 2.7458" in done.stdout


@trains
def test_a_network() -> None:
    from neural import RunConfig, train_runs

    first, second = train_runs([RunConfig(n_train=25, seed=seed, budget=20) for seed in (0, 1)])
    assert 0 <= first.accuracy <= 1
    assert first.config.seed != second.config.seed


@trains
def test_the_comparison_has_its_runs_and_predictors() -> None:
    from analysis.experiments import EXPERIMENTS
    from analysis.predictors.catalogue import CATALOGUE

    assert "optimizer_flow" in CATALOGUE
    assert "addition" in EXPERIMENTS["compare_theory"]
    assert files("analysis.gallery").joinpath("page.html").is_file()
