"""Measures of a user's own files: what they say of arrays that are known, and the
example of the documentation.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from analysis.measure_checkpoints.__main__ import PROG, Arguments, main
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


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_known_arrays(kind: str, tmp_path: Path, monkeypatch, capsys) -> None:
    """A ring of which the second half grows; logits of one frequency, larger and
    larger.
    """
    folder = tmp_path / "run"
    folder.mkdir()
    for step, size in ((0, 1.0), (100, 2.0), (20, 1.5)):
        arrays = {"W_E": size * ring(2), "W_U": size * np.eye(P), "logits": waves(size)}
        path = folder / f"model_2_step{step:06d}.{kind}"
        if kind == "npz":
            np.savez(path, **arrays)
        else:
            save_file({name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}, path)
    (folder / "notes 3.txt").write_text("ignored")
    options = ("--embedding", "W_E", "--output", "W_U", "--logits", "logits")
    found = run(monkeypatch, folder, tmp_path / "out", *options)["measures"]
    assert [row["step"] for row in found] == [0, 20, 100]
    for row, size in zip(found, (1.0, 1.5, 2.0), strict=True):
        exact = -size + np.log(np.exp(size * np.cos(2 * np.pi * 2 * np.arange(P) / P)).sum())
        for name in ("loss", "restricted loss, current keys", "restricted loss, final keys"):
            assert row[name] == pytest.approx(exact, rel=1e-6)
        assert row["excluded loss, final keys"] == pytest.approx(np.log(P), rel=1e-6)
        assert row["key frequencies"] == 1
        assert row["largest change of a weight"] == pytest.approx(size - 1, abs=1e-6)
        assert row["weight norm"] == pytest.approx(size * np.sqrt(2 * P), rel=1e-6)
        assert row["last layer's norm"] == pytest.approx(size * np.sqrt(P), rel=1e-6)
        assert row["effective dimension"] == pytest.approx(2, rel=1e-5)
        assert row["ring quality"] == 1
        assert row["participation ratio"] == pytest.approx(0.5, rel=1e-5)
        assert row["Gini of the first layer"] == pytest.approx(1 - 1 / (P // 2), rel=1e-4)
    assert (tmp_path / "out" / "measures.png").stat().st_size > 10_000
    assert "ring quality" in capsys.readouterr().out


def test_the_documented_example(tmp_path: Path, monkeypatch, capsys) -> None:
    """docs/league/README.md: the code that writes the files, and the command."""
    text = (ROOT / "docs" / "league" / "README.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    [line] = re.findall(r"^python -m analysis\.measure_checkpoints (my_run .*)$", text, flags=re.M)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/league/README.md", "exec"), {})
    folder, *options = line.split()
    found = run(monkeypatch, Path(folder), tmp_path / "out", *options)["measures"]
    assert len(found) > 5
    assert {"ring quality", "restricted loss, final keys", "last layer's norm"} <= set(found[0])
    assert found[-1]["loss"] < 0.1 < found[0]["loss"]
    assert found[-1]["excluded loss, final keys"] > found[-1]["loss"]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("names", "options", "says"),
    [
        ([], (), "`folder` must have files that end in"),
        (["last.npz"], (), "`folder` must have a step in each file's name, but has last.npz."),
        (["a1.npz", "b1.npz"], (), "must have one file a step, but a1.npz and b1.npz are both of step 1."),
        (["a1.npz"], ("--embedding", "W"), "`embedding` must be one of W_E, but is W."),
        (["a1.npz"], ("--p", "2"), "`p` must be an integer of at least 3, but is 2."),
        (["a1.npz"], ("--embedding", "W_E", "--p", "9"), "`p` must be at most the embedding's 7 rows, but is 9."),
        (["a1.npz"], ("--logits", "W_E"), "`logits` must name an array (p, p, C)"),
    ],
)
def test_bad_input_is_one_line(
    names: list[str], options: tuple[str, ...], says: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in names:
        np.savez(folder / name, W_E=ring(1))
    with pytest.raises(SystemExit):
        run(monkeypatch, folder, tmp_path / "out", *options)
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch, capsys) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    np.savez(folder / "step1.npz", W=np.array([{"a": 1}], dtype=object))
    (folder / "step2.safetensors").write_bytes(b"nonsense")
    for bad in ("step1.npz", "step2.safetensors"):
        with pytest.raises(SystemExit):
            run(monkeypatch, folder, tmp_path / "out")
        assert f"`folder` must have files of plain arrays, but {bad}" in capsys.readouterr().err
        (folder / bad).unlink()


def test_what_is_not_defined_is_nan_and_the_rest_goes_on(tmp_path: Path, monkeypatch, capsys) -> None:
    """An embedding that is 0 at first; one more row, for a token that is no symbol."""
    folder = tmp_path / "run"
    folder.mkdir()
    for step, E in ((0, np.zeros((P + 1, 2))), (1, np.vstack([ring(1), [9.0, 9.0]]))):
        np.savez(folder / f"{step}.npz", W_E=E, logits=waves(1.0, 1))
    first, last = run(monkeypatch, folder, tmp_path / "out", "--embedding", "W_E", "--logits", "logits")["measures"]
    assert first["effective dimension"] is first["Gini of the first layer"] is None
    assert first["weight norm"] == 0
    assert last["ring quality"] == 1
    capsys.readouterr()


def test_folders_without_numbers_are_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    np.savez(folder / "1.npz", tokens=np.arange(3))
    with pytest.raises(SystemExit):
        run(monkeypatch, folder, tmp_path / "out")
    assert "must have arrays of floating point numbers" in capsys.readouterr().err.splitlines()[-1]
