"""Measures of a user's own files: what they say of arrays that are known, and the
example of the documentation.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from analysis.grokking import files
from analysis.grokking.checkpoints import Options, measured_files
from analysis.grokking.files import checkpoint_files, read_checkpoint
from analysis.measure_checkpoints import PROG, Arguments, main, picture
from neural import ConfigError
from neural.command import run_command

P = 7
ROOT = Path(__file__).parents[2]


def ring(frequency: int) -> np.ndarray:
    angles = 2 * np.pi * frequency * np.arange(P) / P
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def waves(amplitude: float, frequency: int = 2) -> np.ndarray:
    """Logits (p, p, p), amplitude cos(w (a + b - c))."""
    a, b, c = np.indices((P, P, P))
    return amplitude * np.cos(2 * np.pi * frequency * (a + b - c) / P)


def run(monkeypatch, folder: Path, out: Path, *options: str) -> dict:
    monkeypatch.setattr(sys, "argv", ["measure_checkpoints", str(folder), "--out", str(out), *options])
    run_command(Arguments, main, PROG)
    return json.loads((out / "report.json").read_text())


def saved(folder: Path, **files: dict[str, Any]) -> Path:
    """The folder, with these arrays in NAME.npz."""
    for name, arrays in files.items():
        np.savez(folder / f"{name}.npz", **arrays)
    return folder


def measured(folder: Path, **options: Any) -> tuple[list[dict[str, float]], list[str]]:
    """A row a file, and notes: what the command computes before it draws."""
    rows, _, _, notes = measured_files(checkpoint_files(folder), Options(**options))
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")], notes


E, LOGITS = {"W_E": ring(1)}, {"logits": waves(1.0)}
TOKEN = np.vstack([ring(1), [[9.0, 9.0]]])  # and one more row, for a token that is no symbol
# options that name them
OF_E, OF_LOGITS = {"embedding": "W_E"}, {"logits": "logits"}
TRAINED, TESTED = OF_LOGITS | {"train_mask": "m"}, OF_LOGITS | {"test_mask": "m"}


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_known_arrays(kind: str, tmp_path: Path, monkeypatch, capsys) -> None:
    """A ring of which the second half grows; logits of one frequency, larger and
    larger.
    """
    for step, size in ((0, 1.0), (100, 2.0), (20, 1.5)):
        arrays = {"W_E": size * ring(2), "W_U": size * np.eye(P), "logits": waves(size)}
        path = tmp_path / f"model_2_step{step:06d}.{kind}"
        if kind == "npz":
            np.savez(path, **arrays)
        else:
            save_file({name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}, path)
    (tmp_path / "notes 3.txt").write_text("ignored")
    options = ("--embedding", "W_E", "--output", "W_U", "--logits", "logits")
    found = run(monkeypatch, tmp_path, tmp_path / "out", *options)["measures"]
    assert [row["step"] for row in found] == [0, 20, 100]
    for row, size in zip(found, (1.0, 1.5, 2.0), strict=True):
        exact = -size + np.log(np.exp(size * np.cos(2 * np.pi * 2 * np.arange(P) / P)).sum())
        expected = dict.fromkeys(("loss", "restricted loss, current keys", "restricted loss, final keys"), exact)
        expected |= dict.fromkeys(("excluded loss, current keys", "excluded loss, final keys"), np.log(P))
        expected |= {"largest change in all arrays": size - 1, "norm of all arrays": size * np.sqrt(2 * P)}
        expected |= {"last layer's norm": size * np.sqrt(P), "effective dimension": 2, "participation ratio": 0.5}
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert (row["key frequencies"], row["ring quality"]) == (1, 1)
        assert row["Gini of the first layer"] == pytest.approx(1 - 1 / (P // 2), rel=1e-4)
    assert (tmp_path / "out" / "measures.png").stat().st_size > 10_000
    traces = pd.read_csv(tmp_path / "out" / "traces.csv").set_index(["metric", "step"])["value"]
    assert traces["ring quality", 100] == 1
    assert len(traces) == 3 * (len(found[0]) - 1)
    assert "ring quality" in capsys.readouterr().out


def test_the_documented_example(tmp_path: Path, monkeypatch, capsys) -> None:
    """docs/league/README.md: the code that writes the files, and the command."""
    text = (ROOT / "docs" / "league" / "README.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    [line] = re.findall(r"^python -m analysis\.measure_checkpoints (my_run [^`]*)", text, flags=re.M)
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(compile(code, "docs/league/README.md", "exec"), made)
    folder, *options = line.replace("\\\n", " ").split()
    report = run(monkeypatch, Path(folder), tmp_path / "out", *options)
    found, history = report["measures"], made["history"]
    assert sorted(report["counted"]) == sorted(history.checkpoints)
    assert report["left_out"].keys() == {"symbols", "logits", "trained"}
    at = np.searchsorted(history.steps, history.checkpoint_steps)
    for name in ("weight norm", "train loss", "test loss"):
        trace = getattr(history, name.replace(" ", "_"))[at]
        np.testing.assert_allclose([row[name] for row in found], trace, rtol=1e-4, atol=1e-6, err_msg=name)
    assert {"ring quality", "restricted loss, final keys", "last layer's norm"} <= set(found[0])
    assert found[-1]["loss"] < 0.1 < found[0]["loss"]
    assert found[-1]["excluded loss, final keys"] > found[-1]["loss"]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("names", "option", "says"),
    [
        (["a1"], ["--p", "2"], "`p` must be an integer of at least 3, but is 2."),
        ([], [], "`folder` must have files that end in"),
        (["last"], [], "`folder` must have a step in each file's name, but has last.npz."),
        (["a1", "b1"], [], "must have one file a step, but a1.npz and b1.npz are both of step 1."),
    ],
)
def test_bad_input_is_one_line(
    names: list[str], option: list[str], says: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, saved(tmp_path, **dict.fromkeys(names, E)), tmp_path / "out", *option)
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_what_is_not_defined_is_nan_and_the_rest_goes_on(tmp_path: Path) -> None:
    """An embedding that is 0 at first; one more row, for a token that is no symbol."""
    files = {f"step{k}": {"W_E": k * TOKEN, "logits": waves(1.0, 1)} for k in range(2)}
    (first, last), _ = measured(saved(tmp_path, **files), embedding="W_E", logits="logits")
    assert np.isnan([first["effective dimension"], first["Gini of the first layer"]]).all()
    assert first["norm of all arrays"] == 0
    assert last["ring quality"] == 1


# --- which arrays count, and in what precision ---


def test_what_counts_as_weights(tmp_path: Path, monkeypatch, capsys) -> None:
    """A mask of -inf, buffers, copies and whole numbers beside weights of norm 5."""
    arrays = {
        "W": np.array([3.0, 0.0]),
        "b.bias": np.array([4.0], np.float16),
        "causal": np.triu(np.full((2, 2), -np.inf), 1),
        "far": np.full(3, -1e5),
        "spins": np.ones(2) * 1j,
        "tokens": np.arange(3),
        "<b>|": np.zeros(0),
    }
    later = arrays | {"W": np.array([3.0, 1.0]), "late": np.ones(1)}
    folder = saved(tmp_path, step_1=arrays, step_2=later)
    report = run(monkeypatch, folder, tmp_path / "out", "--include", "W", "*.bias", "[c-z]*", "--exclude", "f?r")
    assert report["counted"] == ["W", "b.bias"]
    assert report["left_out"] == {
        "causal": "not finite",
        "far": "in --exclude",
        "spins": "complex numbers",
        "tokens": "whole numbers",
        "<b>|": "not in --include",
        "late": "not in all files",
    }
    first, last = report["measures"]
    assert (first["weight norm"], last["weight norm"]) == (5, pytest.approx(26**0.5))
    assert (first["largest change of a weight"], last["largest change of a weight"]) == (0, 1)
    page = (tmp_path / "out" / "report.md").read_text()
    assert "Not counted in the norm: causal (not finite), " in page
    assert "| b.bias  | (1,)    | 4            | 4           | 0" in page
    assert "<b>" not in page
    # without patterns it is not called that of the weights; what never moves is named
    report = run(monkeypatch, folder, tmp_path / "out")
    assert report["measures"][0]["norm of all arrays"] == pytest.approx(1e5 * 3**0.5)
    assert "weight norm" not in report["measures"][0]
    assert any(note.endswith("(see --exclude): b.bias, far.") for note in report["notes"])
    capsys.readouterr()


def test_weights_that_diverge_count(tmp_path: Path) -> None:
    """nan from there on, not the norm of the others."""
    step1 = {"W": np.ones(4), "V": np.ones(5)}
    (first, last), notes = measured(saved(tmp_path, step1=step1, step2=step1 | {"W": np.full(4, np.nan)}))
    assert "W is not finite at step 2: there the norm is nan (see --exclude)." in notes
    assert first["norm of all arrays"] == pytest.approx(3)
    assert np.isnan([last["norm of all arrays"], last["largest change in all arrays"]]).all()


def test_everything_is_measured_in_float64(tmp_path: Path) -> None:
    """Squares of half precision end at 65,504."""
    large = np.full((300, 300), 2, np.float16)
    folder = saved(tmp_path, step1={"W_U": large, "logits": waves(300.0).astype(np.float16)})
    [row], _ = measured(folder, output="W_U", logits="logits")
    assert (row["last layer's norm"], row["norm of all arrays"]) == (600, 600)
    assert row["key frequencies"] == 1


def test_bfloat16_is_read_exactly(tmp_path: Path) -> None:
    numbers = torch.tensor([[1.0, -2.5, 3e38], [1e-30, 0.0, float("inf")]]).bfloat16()
    save_tensors({"W": numbers, "k": torch.tensor(3)}, tmp_path / "step1.safetensors")
    found = read_checkpoint(tmp_path / "step1.safetensors")
    np.testing.assert_array_equal(found["W"], numbers.double().numpy())
    assert found["k"] == 3


# --- which axis is which ---


@pytest.mark.parametrize(
    ("E", "options", "notes"),
    [
        (ring(1), {"p": 7}, []),
        (ring(1).T, {"p": 7, "transposed": True}, []),
        (TOKEN.T, {"p": 7, "transposed": True}, ["W_E has 8 rows for p = 7 symbols: of the last 1 nothing is"]),
        (ring(1), {}, ["p = 7, the first axis of W_E (7, 2), is taken for the number of symbols"]),
        (np.pad(ring(1), ((0, 0), (0, 6))), {"p": 7}, ["Both axes of W_E (7, 8) may be those of p = 7 symbols"]),
    ],
)
def test_axes_of_an_embedding(E: Any, options: dict[str, Any], notes: list[str], tmp_path: Path) -> None:
    [row], found = measured(saved(tmp_path, step1={"W_E": E}), embedding="W_E", **options)
    assert row["effective dimension"] == pytest.approx(2)
    assert row["ring quality"] == 1
    assert len(found) == len(notes)
    assert all(said.startswith(note) for said, note in zip(found, notes, strict=True))


@pytest.mark.parametrize(
    ("arrays", "options", "says"),
    [
        (E, {"include": ("W_*", "W_U")}, "must have patterns of arrays' names, but W_U is that of none of W_E."),
        (E, {"exclude": ("W_E",)}, "must have arrays of floating point numbers that count, but has none."),
        (E, {"train_mask": "W_E"}, "must stand beside logits, but there are none."),
        (E, OF_E | {"p": 9}, "must be at most the embedding's 7 rows, but is 9."),
        (E, {"logits": "W_E"}, "must name an array (p, p, C)"),
        ({"W_E": TOKEN.T} | LOGITS, OF_E | OF_LOGITS, "along the first axis, but W_E has shape (2, 8): --transposed"),
        ({"W_E": np.zeros((128, 7))}, OF_E | {"p": 7}, "W_E has shape (128, 7): --transposed takes it so."),
        ({"W_E": TOKEN}, OF_E | {"p": 7, "transposed": True}, "along the second axis, but W_E has shape (8, 2): leave"),
        ({"W_E": np.ones((7, 2, 3))}, OF_E, "must name an array (p, d), but W_E has shape (7, 2, 3)."),
        ({"W_E": np.array(1.0)}, OF_E, "must name an array with an axis and a number"),
        ({"W": np.array(1.0)}, {"output": "W"}, "must name an array with an axis and a number"),
        ({"W": np.array(1.0)}, {"logits": "W"}, "must name an array with an axis and a number"),
        ({"W": np.array(["a"])}, {"output": "W"}, "must name an array of real numbers, but W has type <U1."),
        ({"W": ring(1) + 1j}, {"embedding": "W"}, "of real numbers, but W has type complex128."),
        ({"W": waves(1.0) + 0j}, {"logits": "W"}, "of real numbers, but W has type complex128."),
        ({"W": np.zeros(2, [("a", float)])}, {"output": "W"}, "of real numbers, but W has type [('a', '<f8')]."),
        ({"W": np.zeros((0, 3))}, {"output": "W"}, "but W has shape (0, 3)."),
        ({"a\x1b[2J": np.zeros(3)}, {"output": "W"}, "must be one of a\\x1b[2J, but is W."),
        (LOGITS | {"m": np.eye(6)}, TRAINED, "must name an array (7, 7) or (49,)"),
        (LOGITS | {"m": 2 * np.eye(7)}, TRAINED, "of truth values, but m has shape (7, 7)"),
        (LOGITS | {"m": np.zeros(49)}, TESTED, "must have a pair at least"),
        (LOGITS | {"m": np.eye(7)}, TRAINED | TESTED, "must have no pair of train_mask, but has 7 of them."),
        (LOGITS, OF_LOGITS | {"train_mask": "none.npy"}, "but none.npy: there is no such file."),
    ],
)
def test_arrays_that_are_not_what_options_say(
    arrays: dict[str, Any], options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"^`\w+` .*{re.escape(says)}") as caught:
        measured(saved(tmp_path, step1=arrays), **options)
    assert str(caught.value).isprintable()


def test_masks_of_samples(tmp_path: Path) -> None:
    """In a file of their own, or in each; the parts' losses make up the whole."""
    rng = np.random.default_rng(0)
    train, logits = rng.random((P, P)) < 0.4, rng.normal(size=(P * P, P + 1))
    np.save(tmp_path / "train.npy", train)
    folder = saved(tmp_path, step1={"logits": logits, "some": train.ravel().astype(int)})
    [row], notes = measured(folder, logits="logits", train_mask=str(tmp_path / "train.npy"))
    share = train.mean()
    assert share * row["train loss"] + (1 - share) * row["test loss"] == pytest.approx(row["loss"])
    assert notes[0] == "logits has 8 outputs for p = 7 symbols: none of the last 1 is ever right."
    [other], _ = measured(folder, logits="logits", test_mask="some")
    assert other["test loss"] == pytest.approx(row["train loss"])
    assert "train loss" not in other


# --- names and files ---


STEPS: dict[int | str, list[str]] = {
    **{100: ["step_000100"], 500: ["checkpoint-500"], 7: ["run2-7_final"], 30: ["lr_1e-3_step.30"], 3: ["epoch=3"]},
    "is a decimal": ["epoch=00-acc=0.30", "acc=1.00", "acc=.5", "step_1,000"],
    "has an exponent": ["step_1e2", "lr=1E-05"],
    "has a sign": ["step_-5", "-5", "step+5"],
    "has a suffix": ["step_10k", "10%"],
    "is hexadecimal": ["step_0x10"],
    "is that of a copy": ["step 5 (1)"],
    "is a number of parts": ["model-00001-of-00002"],
    "is too large": ["step" + "9" * 30],
}


@pytest.mark.parametrize(("step", "name"), [(step, name) for step, names in STEPS.items() for name in names])
def test_steps_in_names(step: int | str, name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / f"{name}.npz", W=np.ones(1))
    np.savez(tmp_path / "._1.0.npz", W=np.ones(1))  # hidden: not looked at
    if isinstance(step, int):
        assert checkpoint_files(tmp_path) == {step: tmp_path / f"{name}.npz"}
    else:
        with pytest.raises(ConfigError, match=rf"that of {re.escape(name)}\.npz {step}\.$"):
            checkpoint_files(tmp_path)


def npz_of(header: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of one array W whose header says what it likes."""
    text = header.encode().ljust(117) + b"\n"
    whole = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("W.npy", whole)
    return file.getvalue()


FOUR = "{'descr': '<f8', 'fortran_order': False, 'shape': (4,)}"
PACKED = npz_of(FOUR, np.random.default_rng(0).random(4).tobytes(), zipfile.ZIP_DEFLATED)
HUGE = b'{"W": {"dtype": "F32", "shape": [2500000000], "data_offsets": [0, 10000000000]}}'
FLOAT8 = b'{"W": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}'


def encrypted(archive: bytes) -> bytes:
    """With the flags that say so, in both headers of its only member."""
    changed = bytearray(archive)
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        changed[archive.index(signature) + flags] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("1.npz", PACKED[:35] + b"\xff" * 9 + PACKED[44:], "Error -3 while decompressing data"),
        ("1.npz", PACKED[:-30], "File is not a zip file"),
        ("1.npz", encrypted(PACKED), "is encrypted"),
        ("1.npz", npz_of(FOUR.replace("4", "125"), bytes(32)), "EOF: reading array data, expected 1000 bytes got 32"),
        ("1.npz", npz_of(FOUR.replace("(4,)", "(-2, -2)"), bytes(32)), "one unknown dimension"),
        ("1.npz", npz_of("[" * 100, b""), "EOF in multi-line"),
        ("1.npz", npz_of(FOUR.replace("<f8", "|O"), bytes(32)), "Object arrays cannot be loaded"),
        ("1.npz", npz_of(FOUR.replace("4", "1000"), bytes(8000), zipfile.ZIP_DEFLATED), "GiB, more than"),
        ("1.safetensors", len(HUGE).to_bytes(8, "little") + HUGE + bytes(9), "Error while deserializing"),
        ("1.safetensors", (10**10).to_bytes(8, "little"), "Error while deserializing"),
        ("1.safetensors", len(FLOAT8).to_bytes(8, "little") + FLOAT8 + bytes(1), "an array is of type F8_E4M3"),
        ("1.safetensors", bytes(8001), "GiB, more than"),
        ("1.npz", None, "1.npz is no file"),
    ],
)
def test_hostile_files_are_one_line(name: str, content: bytes | None, says: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 8000)
    if content is None:
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=rf"^`folder` must have files of plain arrays, but .*{re.escape(says)}"):
        measured(tmp_path)


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_no_bytes_are_an_exception_of_another_kind(suffix: str, tmp_path: Path) -> None:
    """Two hundred damaged files, a few bytes of each changed."""
    path = tmp_path / f"1.{suffix}"
    save_file({"W": np.arange(4.0)}, tmp_path / "whole")
    whole = PACKED if suffix == "npz" else (tmp_path / "whole").read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for _ in range(200):
        changed = np.frombuffer(whole, np.uint8).copy()
        changed[rng.integers(len(whole), size=3)] = rng.integers(256, size=3)
        path.write_bytes(changed.tobytes())
        try:
            read_checkpoint(path)
        except ConfigError:
            refused += 1
    assert refused > 20


def test_every_column_of_the_picture_has_steps_and_wide_ranges_a_logarithm() -> None:
    rows = pd.DataFrame({"step": [0, 10, 20], **{f"measure {k}": [1.0, 2.0, 3.0] for k in range(4)}})
    rows["loss"] = [1.0, 1e-2, 1e-4]
    figure = picture(rows.assign(gone=np.nan, flat=0.0))
    figure.canvas.draw()
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown if axes.get_yscale() == "log"] == ["loss"]
    for axes in shown[-3:]:  # the lowest of each column: seven in rows of three
        assert axes.get_xlabel() == "step"
        assert any(label.get_visible() and label.get_text() for label in axes.get_xticklabels())
