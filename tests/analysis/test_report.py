"""How a command leaves its results."""

from __future__ import annotations

from analysis.report.files import prepare_folder, printable, table, write_page
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


def test_a_page_can_hold_any_name(tmp_path):
    """Of a file of before UTF-8, say."""
    write_page(tmp_path / "report.md", ["Kähler r\udce9s"])
    assert (tmp_path / "report.md").read_text(encoding="utf-8") == "Kähler r\\udce9s\n"


def test_a_prepared_folder_is_empty(tmp_path):
    out = tmp_path / "a" / "b"
    prepare_folder(out)
    assert list(out.iterdir()) == []


def test_a_page_is_text(tmp_path):
    """What a store says on it is neither html nor obeyed by a terminal; signs of
    arithmetic stay.
    """
    write_page(tmp_path / "report.md", ["# 2 < 3 -> 5 <= 5\n", "torch <script>alert(1)</script><!-- \x1b[2J\u202e"])
    text = (tmp_path / "report.md").read_text()
    assert text == "# 2 < 3 -> 5 <= 5\n\n\ntorch &lt;script>alert(1)&lt;/script>&lt;!-- \\x1b[2J\\u202e\n"


def test_control_characters_are_shown():
    assert printable("η = 1 |D|") == "η = 1 |D|"
    assert printable("a\x1b[31m\r\n\x9b") == "a\\x1b[31m\\r\\n\\x9b"
    assert "\x1b" not in table([{"a": "\x1b[2J", "b": 1}])
