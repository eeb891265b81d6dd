"""Cells that no spreadsheet runs, and that come back as they were."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.contacts.csv_text import FORMULA, escaped, line, unescaped

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+49 30 1",
        "-2",
        "@SUM(A1)",
        "\t=1",
        " =cmd|' /C calc'!A0",
        "\u00a0=1",
        "\r=1",
        "＝1+1",
        "'=1",
        "''=1",
    ],
)
def test_what_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert escaped(cell).startswith("'")
    assert unescaped(escaped(cell)) == cell


@pytest.mark.parametrize("cell", ["", "Ann", "O'Neill", "a=b", "12", "'quoted'", "a@b.example"])
def test_harmless_cells_stay(cell: str) -> None:
    assert escaped(cell) == cell == unescaped(cell)


@given(TEXTS)
def test_every_cell_comes_back(cell: str) -> None:
    assert unescaped(escaped(cell)) == cell
    assert not escaped(cell).lstrip(" \u00a0").startswith(FORMULA)


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_line_is_read_by_others_as_it_was_meant(cells: list[str]) -> None:
    text = line(cells)
    (row,) = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert [unescaped(cell) for cell in row] == cells or cells == [""]
