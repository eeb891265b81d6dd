"""Files as people have them: encodings, delimiters, spreadsheets, and files that mean harm."""

import datetime as dt
import io
import zipfile
from contextlib import suppress

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contacts.sheet import cell_text, decoded, delimiter_of, kind_of, open_list
from app.domain.contacts.contact import MAX_ROWS
from app.domain.contacts.csv_text import line
from app.domain.plan_sources import read_table
from app.errors import ValidationFailed

ROWS = [["Name", "Phone"], ["Jürgen Weiß", "+4930123456"], ["Łucja", "+48221234567"]]


def csv_rows(body: bytes) -> list[list[str]]:
    return [cells for _, cells in open_list("csv", body).rows]


def workbook(*sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    for n, rows in enumerate(sheets):
        sheet = book.active if n == 0 else book.create_sheet(f"More {n}")
        assert sheet is not None
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_delimiters(encoding: str, delimiter: str, ending: str) -> None:
    text = ending.join(delimiter.join(row) for row in ROWS) + ending
    assert csv_rows(text.encode(encoding)) == ROWS


def test_western_encodings_are_a_guess_and_say_so() -> None:
    sheet = open_list("csv", "Name;Phone\r\nJürgen Weiß;+4930123456\r\n".encode("cp1252"))
    assert list(sheet.rows)[1][1] == ["Jürgen Weiß", "+4930123456"]
    assert "a guess" in sheet.notes[0]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ('"Miller, Ann";+12025550123\n"Smith, Bob";+12025550124\n', ";"),
        ("+12025550123\n+12025550124\n", ","),
        ('name,phone,"a;b;c"\nx,1,"d;e"\n', ","),
        ("a|b\n1;2|3;4\n5;6;7|8\n", "|"),
    ],
)
def test_the_delimiter_is_what_makes_equal_rows(text: str, delimiter: str) -> None:
    assert delimiter_of(text) == delimiter


OPEN_QUOTE = """name,phone,notes
Bob,+12125550102,"he said ""call
Carl,+12125550103,x
Dora,+12125550104,y
Eve,+12125550105,"z"
"""


@pytest.mark.parametrize("text", [OPEN_QUOTE, 'name;phone\nAnn;+12125550101\n"Bob;+12125550102\nCarl;+1212\n'])
def test_a_quotation_mark_that_is_never_closed_mixes_nobody(text: str) -> None:
    with pytest.raises(ValidationFailed, match="cannot be read as CSV"):
        list(open_list("csv", text.encode()).rows)
    with pytest.raises(ValidationFailed, match="cannot be read as CSV"):
        read_table("t", text)


def test_quoted_marks_and_lines_in_a_cell_are_read() -> None:
    text = 'name,phone,notes\nBob,+12125550102,"x ""y"" z\nline 2"\n'
    assert csv_rows(text.encode())[1] == ["Bob", "+12125550102", 'x "y" z\nline 2']
    assert read_table("t", text).rows[0][2] == 'x "y" z\nline 2'


@pytest.mark.parametrize(
    "body",
    [b"", b" \r\n ", b"\x00\x01\x02\x03" * 100, b"PK\x03\x04 no archive", bytes(range(32)) * 20],
    ids=["nothing", "blanks", "binary", "broken zip", "control signs"],
)
def test_what_is_no_list_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(ValidationFailed) as refused:
        list(open_list(kind_of("x.csv", body), body).rows)
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize(
    ("head", "said"),
    [(b"\xd0\xcf\x11\xe0....", "old Excel"), (b"%PDF-1.7", "CSV or XLSX"), (b"\x1f\x8b\x08", "no list")],
)
def test_other_files_are_told_apart(head: bytes, said: str) -> None:
    with pytest.raises(ValidationFailed, match=said):
        kind_of("x", head)


def test_a_spreadsheet_is_read_as_a_person_sees_it() -> None:
    body = workbook(
        [
            ["Name", "Phone", "Day"],
            ["Ann", 12025550123, dt.datetime.fromisoformat("2026-05-03")],
            ["Bob", 12025550124.0, True],
        ],
        [["other"]],
    )
    sheet = open_list("xlsx", body)
    assert [cells for _, cells in sheet.rows] == [
        ["Name", "Phone", "Day"],
        ["Ann", "12025550123", "2026-05-03"],
        ["Bob", "12025550124", "yes"],
    ]
    assert sheet.notes == ("Read the sheet 'Sheet'.", "Not read: More 1.")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (1.5, "1.5"),
        (4930123456.0, "4930123456"),
        (dt.datetime.fromisoformat("2026-01-02 03:04"), "2026-01-02 03:04"),
        (0, "0"),
    ],
)
def test_cells_of_spreadsheets(value: object, text: str) -> None:
    assert cell_text(value) == text


def packed(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return out.getvalue()


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    bomb = packed({"[Content_Types].xml": b"<x/>", "xl/worksheets/sheet1.xml": b"0" * (40 * 1024 * 1024)})
    assert len(bomb) < 100_000
    with pytest.raises(ValidationFailed, match="far too much"):
        open_list("xlsx", bomb)


@pytest.mark.parametrize(
    "parts", [{"a.txt": b"x"}, {"[Content_Types].xml": b"<x/>"}, {}], ids=["zip", "no book", "none"]
)
def test_archives_that_are_no_books(parts: dict[str, bytes]) -> None:
    with pytest.raises(ValidationFailed):
        list(open_list("xlsx", packed(parts)).rows)


def test_entities_of_a_hostile_sheet_are_not_expanded() -> None:
    body = workbook([["Name"], ["Ann"]])
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + sheet.replace(b">Ann<", b">&b;<")
    with pytest.raises(ValidationFailed, match="cannot be read"):
        list(open_list("xlsx", packed(parts | {"xl/worksheets/sheet1.xml": bomb})).rows)


def test_too_many_rows_and_columns_are_refused() -> None:
    with pytest.raises(ValidationFailed, match="more than 60 columns"):
        csv_rows(b",".join([b"x"] * 61))
    with pytest.raises(ValidationFailed, match=f"more than {MAX_ROWS} rows"):
        csv_rows(b"1\n" * (MAX_ROWS + 2))


@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_a_sentence(body: bytes) -> None:
    with suppress(ValidationFailed):
        assert all(any(cell.strip() for cell in row) for row in csv_rows(body))


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda text: text.strip() == text and "\u2028" not in text
)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=2, max_size=8))
def test_what_was_written_is_read(rows: list[list[str]]) -> None:
    body = "".join(line(row) for row in rows)
    text, encoding = decoded(body.encode())
    assert encoding == "UTF-8"
    if delimiter_of(text) == ",":
        read = csv_rows(body.encode())
        assert len(read) == len(rows)
        assert [len(row) for row in read] == [3] * len(rows)
