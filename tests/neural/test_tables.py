"""Tables of operations from CSV files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neural.config import ConfigError
from neural.tables import MAX_SYMBOLS, read_table

CYCLE = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]

# what the file holds: results, names of the symbols, names of the results
READ = {
    "numbers": ("0,1,2\n1,2,0\n2,0,1\n", CYCLE, "012", "012"),
    "names in a row and a column": (",e,a,b\ne,e,a,b\na,a,b,e\nb,b,e,a\n", CYCLE, "eab", "eab"),
    "a sign in the corner": ("*,e,a,b\ne,e,a,b\na,a,b,e\nb,b,e,a\n", CYCLE, "eab", "eab"),
    "names in a row": ("e,a,b\ne,a,b\na,b,e\nb,e,a\n", CYCLE, "eab", "eab"),
    "names in a column": ("e,e,a,b\na,a,b,e\nb,b,e,a\n", CYCLE, "eab", "eab"),
    "results are numbered as the symbols are": (",b,a\nb,a,b\na,a,a\n", [[1, 0], [1, 1]], "ba", "ba"),
    "numbers from 1 as symbols": (",1,2\n1,2,1\n2,1,2\n", [[1, 0], [0, 1]], "12", "12"),
    "other numbers, ascending": ("10,-2\n9,9\n", [[2, 0], [1, 1]], "01", ["-2", "9", "10"]),
    "other names, as they come": ("z,y\ny,x\n", [[0, 1], [1, 2]], "01", "zyx"),
    "fewer results than symbols": (",a,b,c\na,c,c,c\nb,c,c,c\nc,c,c,c\n", [[2] * 3] * 3, "abc", "abc"),
    "a corner that is a result": ("0,1,2\n1,1,2\n2,2,2\n", [[0, 1, 2], [1, 1, 2], [2, 2, 2]], "012", "012"),
    "text around it": ('\ufeff# a table\n\n 0 , "1"\r\n,,\n1,0\n', [[0, 1], [1, 0]], "01", "01"),
    "names with commas and signs": (
        ',-1,"(1, 2)"\n-1,-1,-1\n"(1, 2)",-1,-1\n',
        [[0, 0], [0, 0]],
        ["-1", "(1, 2)"],
        None,
    ),
}

REFUSED = {
    "ragged": (b"0,1\n\n1\n", "line 3 has 1 columns, but line 1 has 2"),
    "not square": (b"0,1,2,3\n0,1,2,3\n", "has 2 rows and 4 columns"),
    "one symbol": (b",a\na,a\n", "has 1 rows and 1 columns"),
    "nothing": (b"\n# nothing\n", "holds no results"),
    "a hole": (b"0,1\n1,\n", "line 2 has nothing in column 2"),
    "no corner to be empty": (b",1\n0,1\n1,0\n", "line 1 has nothing in column 1"),
    "a fraction": (b"0,1\n0.5,1\n", "line 2 has '0.5', neither a name nor a whole number"),
    "a control character": (b"0,1\n\x1b[2J,1\n", "line 2 has '\\x1b[2J', neither"),
    "two of a name": (b",a,a\na,a,a\na,a,a\n", "has two symbols 'a'"),
    "rows of other names": (b",a,b\na,a,b\nc,a,b\n", "line 3 is 'c', and column 2 'b'"),
    "rows in another order": (b"*,a,b\nb,a,b\na,a,b\n", "line 2 is 'b', and column 1 'a'"),
    "a corner that may be either": (b"a,b,c\nb,b,c\nc,c,c\n", "line 1 begins with 'a', which is a result or"),
    "binary": (b"0,1\n1,\x000\n", "is not a text file"),
    "another encoding": (b"\xe9,1\n1,0\n", "is not a text file"),
    "an open quote": (b'0,1\n"1,0\n', "line 2 is not CSV"),
    "too many symbols": (b",".join([b"0"] * (MAX_SYMBOLS + 2)), f"line 1 is beyond {MAX_SYMBOLS} symbols"),
    "too many rows": (b"0,0\n" * (MAX_SYMBOLS + 2), f"line {MAX_SYMBOLS + 2} is beyond {MAX_SYMBOLS} symbols"),
}


@pytest.mark.parametrize("name", READ)
def test_a_table_is_read(name: str, tmp_path: Path) -> None:
    text, results, symbols, results_names = READ[name]
    file = tmp_path / "table.csv"
    file.write_bytes(text.encode())
    found, names, of_results = read_table(file)
    assert found.dtype == np.int64
    assert found.tolist() == results
    assert names == list(symbols)
    assert of_results == list(symbols if results_names is None else results_names)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_one_line(name: str, tmp_path: Path) -> None:
    content, wanted = REFUSED[name]
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_table(file)
    assert f"{file} {wanted}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_one_line(tmp_path: Path) -> None:
    for path, wanted in ((tmp_path / "none.csv", "cannot be read: No such file"), (tmp_path, "is no file")):
        with pytest.raises(ConfigError, match=wanted):
            read_table(path)
