"""`python -m analysis.forecast`, as somebody sees it who has a log of their own."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analysis.forecast.__main__ import Arguments, main, picture
from analysis.forecast.model import forecast
from analysis.logs.log import Log
from analysis.logs.read import read_logs

STEPS = np.arange(0, 1000, 20.0)


def table(end: float = 0.5) -> pd.DataFrame:
    """A run that has memorised, and whose test accuracy grows until its end."""
    rises, late = np.minimum(STEPS / 100, 1), np.maximum(STEPS - 500, 0) / 480
    losses = {"train_loss": 2 - 1.9 * rises, "test_loss": 3 - late}
    return pd.DataFrame({"step": STEPS, "train_accuracy": rises, "test_accuracy": end * late} | losses)


def said_of(folder: Path, capsys: pytest.CaptureFixture[str], until: float | None = None) -> str:
    main(Arguments(log=folder, out=folder.parent / "out", until=until))
    return capsys.readouterr().out


def test_runs_of_one_name_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = pd.concat([table().assign(seed=0), table(0.2).assign(seed=1)])
    for name in ("one", "other"):
        (tmp_path / "logs").mkdir(exist_ok=True)
        both.to_csv(tmp_path / "logs" / f"{name}.csv", index=False)
    rows = said_of(tmp_path / "logs", capsys).splitlines()[2:6]
    assert [row.split()[:2] for row in rows] == [
        ["one.csv", "0"],
        ["one.csv", "1"],
        ["other.csv", "0"],
        ["other.csv", "1"],
    ]


def test_one_look_has_no_interval_and_no_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table().to_csv(tmp_path / "run.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = said_of(tmp_path / "run.csv", capsys, until=0)
    assert said.splitlines()[2].split() == ["run", "0", "learning", "-", "-", "-"]


@pytest.mark.parametrize("runs", [1, 2, 3, 5])
def test_the_legend_is_within_the_picture(tmp_path: Path, runs: int) -> None:
    table().to_csv(tmp_path / "run.csv", index=False)
    logs: list[Log] = read_logs(tmp_path / "run.csv") * runs
    figure = picture(logs, [forecast(log) for log in logs])
    FigureCanvasAgg(figure).draw()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
