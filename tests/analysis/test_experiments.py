"""The catalogue of experiments: its runs are those of stores that people have."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter

import pytest

from analysis.experiments import DIAGRAMS, EXPERIMENTS, PAPER_SIZES, S3
from analysis.runs.plan import Axis, planned
from analysis.runs.session import PlaneOptions
from analysis.runs.store import key
from neural import ConfigError, RunConfig
from neural.config import mixed, shape

# Of the keys of each experiment's runs, sorted: how many, and how their SHA-256 begins.
KEYS = {
    ("compare_theory", "addition"): (64, "298fa858813755dd"),
    ("decoder_range", "the paper's"): (30, "3a18dd1a675c0c55"),
    ("decoder_range", "width 50"): (30, "22a3c06eac8423ab"),
    ("decoder_range", "width 100"): (30, "e2647192021a7bf0"),
    ("decoder_range", "width 400"): (30, "873d9b7950086b96"),
    ("decoder_range", "depth 1"): (30, "90899c6ed8d9bb33"),
    ("decoder_range", "depth 3"): (30, "df21cee1eea7a11e"),
    ("decoder_range", "10 outputs"): (30, "b649bcf1d5b5dc20"),
    ("decoder_range", "100 outputs"): (30, "f60b2bf3ab6db048"),
    ("decoder_range", "ReLU"): (30, "f6695175abe0cb45"),
    ("decoder_range", "classification"): (30, "072c8cf7c56e7e3a"),
    ("decoder_range", "SGD embeddings"): (30, "22aa230d6be97e90"),
    ("decoder_range", "SGD decoder"): (30, "16df84243c30fd86"),
    ("decoder_range", "decoder decay 1"): (30, "d1dcadc02d2d0e80"),
    ("decoder_range", "decoder decay 5"): (30, "200d9c2fccd308da"),
    ("decoder_range", "mini-batches of 10"): (30, "01bc13c9e0bae9eb"),
    ("decoder_range", "d = 2"): (30, "e598114c8a8b0172"),
    ("decoder_range", "S3"): (30, "d2cb234cedc7ec4e"),
    ("decoder_range", "p = 7"): (30, "78ebf33cdd59b0e7"),
    ("decoder_range", "p = 15"): (30, "c1fac291a88516d9"),
    ("decoder_range", "p = 20"): (10, "506cd4d4e3612cc8"),
    ("decoder_range", "p = 30"): (5, "74d9138e938d3774"),
    ("modular_theory", "squares"): (192, "6433649d922f76ed"),
    ("modular_theory", "transformer"): (72, "92d02b6f5d9755d0"),
    ("league", "squares-40"): (48, "6eac52d6205a766f"),
    ("league", "squares-32"): (48, "2792eeee726e9351"),
    ("league", "transformer"): (48, "334aca1d31c888d6"),
    ("league", "symmetric"): (32, "5cd1ce9c04a5482d"),
    ("league", "parity"): (32, "908f2d0b2c1ee6d5"),
    ("landscape", "teacher"): (63, "d576d8c689c025e4"),
    ("landscape", "digits"): (88, "6fb583dc8203d57a"),
    ("landscape", "transformer"): (72, "b2e6a611d225ead7"),
    ("landscape", "reviews"): (42, "f45ad643c6c0c12b"),
    ("landscape", "molecules"): (42, "15f0f42742033738"),
    ("norm_law", "teacher"): (64, "6cca6debbe6d07a3"),
    ("norm_law", "digits"): (60, "fb6c2dc7c0d0751c"),
    ("norm_law", "transformer"): (40, "dfabaaa9cb1e023c"),
    ("shells", "teacher"): (168, "beaab8257a9f164e"),
    ("shells", "digits"): (105, "add42eb309d7f4c0"),
    ("shells", "transformer"): (50, "e5b73d1daebd9ab1"),
    ("two_variables", "free"): (72, "43de5c311abe4acf"),
    ("phase_diagram", "lr_lr"): (507, "5e832cbefd496750"),
    ("phase_diagram", "regression"): (528, "b975a47b040b9d15"),
    ("phase_diagram", "classification"): (528, "ffcba8e944e18446"),
    ("phase_diagram", "s3"): (528, "578cfb7fc77ee2cc"),
    ("phase_diagram", "batch_size"): (243, "d874a2890dc5d62c"),
    ("phase_diagram", "batch_size_ce"): (243, "e4100b25ae15bfc6"),
    ("phase_diagram", "init_scale"): (243, "b963872858566d00"),
    ("phase_diagram", "init_scale_ce"): (243, "9bc8bc2f242131ae"),
    ("phase_diagram", "repr_weight_decay"): (243, "11d089d1c83ca1bf"),
    ("phase_diagram", "repr_weight_decay_ce"): (243, "3589f0f8627d74cd"),
}


def test_every_experiment_has_its_keys_here() -> None:
    assert [(group, name) for group, named in EXPERIMENTS.items() for name in named] == list(KEYS)


@pytest.mark.parametrize(("group", "name"), KEYS)
def test_the_keys_of_an_experiment_never_change(group: str, name: str) -> None:
    """Would reveal anything that makes a command train again what is in a store."""
    keys = sorted(map(key, EXPERIMENTS[group][name].configs()))
    assert len(set(keys)) == len(keys)
    assert (len(keys), hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]) == KEYS[group, name]


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_fits_into_one_ensemble(name: str) -> None:
    diagram = DIAGRAMS[name]
    assert len({shape(run) for run in diagram.configs(range(1))}) == 1
    assert {axis.field for axis in diagram.axes} <= set(mixed(RunConfig))
    assert diagram.base.budget == 100_000
    assert name.removesuffix("_ce") in inspect.getsource(PlaneOptions)  # its help


def test_the_landscapes_of_the_law_have_its_seeds_and_its_fields() -> None:
    for name, law in EXPERIMENTS["norm_law"].items():
        shells = EXPERIMENTS["shells"][name]
        assert shells.seeds == law.seeds
        held, free = shells.configs()[0], law.configs()[0]
        own = {"init_scale", "weight_decay", "constrained", "budget"}
        assert {one for one in vars(held) if getattr(held, one) != getattr(free, one)} <= own


def test_parts_of_an_experiment_and_other_seeds() -> None:
    some = planned("Some", S3, "n_train=16,20", "decoder_wd=0,1", seeds=2, early=(1, 2))
    assert Counter((run.n_train, run.decoder_wd) for run in some.configs()) == {
        (n, decay): 2 for n in (16, 20) for decay in (0, 1)
    }
    assert some.values("n_train") == (16, 20)
    assert {(run.n_train, run.seed) for run in some.at(decoder_wd=1.0).configs(range(5, 6))} == {(16, 5), (20, 5)}
    assert set(some.at(decoder_wd=1.0, n_train=20).configs()) < set(some.configs())
    assert planned("None", S3).configs(range(1)) == [S3]
    with pytest.raises(ConfigError, match="`seeds` must be an integer of at least 1, but is 0"):
        some.configs(range(0))


def test_a_budget_that_follows_from_other_fields() -> None:
    some = planned("Some", RunConfig(), "n_train=16,20", seeds=1, budget=lambda run: 100 * run.n_train)
    assert [run.budget for run in some.configs()] == [1_600, 2_000]


def test_an_experiment_with_other_axes_and_settings() -> None:
    some = planned("Some", RunConfig(p=5, n_train=9), "n_train=9,12", seeds=1)
    other = some.varied({"x": None, "y": "decoder_wd=0,1"}, {"loss": "ce"})
    assert other.axes == (Axis("n_train", (9, 12)), Axis("decoder_wd", (0.0, 1.0)))
    assert {run.loss for run in other.configs()} == {"ce"}
    assert some.varied({"x": "width=8,9"}, {}).axes == (Axis("width", (8, 9)),)
    with pytest.raises(ConfigError, match="n_train must be an axis or one value for all runs, but is both"):
        some.varied({"x": None}, {"n_train": 12})
    # fewer samples than n_train has by default: the axis makes it right
    assert planned("Some", RunConfig()).varied({"x": f"n_train={PAPER_SIZES[0]}"}, {"p": 5}).base.p == 5
