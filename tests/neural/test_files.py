"""A file that was there stays whole until the new one is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from neural import train
from neural._files import check_writable, replacing
from neural.config import ConfigError
from neural.families.toy import RunConfig
from neural.train import Arguments

RUN = RunConfig(p=3, n_train=4, width=4, budget=2)


def full(path: Path, text: str) -> None:
    """A disk that is full after half of it."""
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("before", ["the record of an earlier run", None])
def test_a_full_disk_leaves_the_earlier_record(tmp_path, monkeypatch, before):
    file = tmp_path / "run.json"
    if before is not None:
        file.write_text(before)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match=r"^`json` must be a file that can be written, but .*run\.json: No space"):
        train.main(Arguments(RUN, json=file, device="cpu"))
    assert [one.read_text() for one in tmp_path.iterdir()] == ([] if before is None else [before])


def test_a_run_that_does_not_end_leaves_no_record(tmp_path, monkeypatch):
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train_runs", stopped)
    with pytest.raises(KeyboardInterrupt):
        train.main(Arguments(RUN, json=tmp_path / "new" / "run.json", device="cpu"))
    assert list((tmp_path / "new").iterdir()) == []


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    check_writable(link)
    with replacing(link) as fresh:
        fresh.write_text("new")
        assert target.read_text() == "old"
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == [link, target]


def test_a_device_is_written_to(tmp_path):
    """And not replaced by a file."""
    device = Path(os.devnull)
    check_writable(device)
    with replacing(device) as fresh:
        assert fresh == device
