"""How a command leaves its results."""

from __future__ import annotations

from analysis._report import prepare_folder, write_page
from neural._files import replacing


def test_two_commands_may_write_one_file(tmp_path):
    """Neither breaks the other; the last to finish stays, and nothing else."""
    page = tmp_path / "report.md"
    with replacing(page) as first:
        first.write_text("first")
        write_page(page, ["second"])
        assert page.read_text() == "second\n"
    assert page.read_text() == "first"
    assert list(tmp_path.iterdir()) == [page]


def test_a_prepared_folder_is_empty(tmp_path):
    out = tmp_path / "a" / "b"
    prepare_folder(out)
    assert list(out.iterdir()) == []
