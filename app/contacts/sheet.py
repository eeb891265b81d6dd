"""Takes the rows out of one list: CSV in whatever encoding and with whatever delimiter, or the first sheet of
XLSX.

Runs in the program beside this file only: what is read was sent by anybody.
"""

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterator, Sequence

import msgspec

from app.domain.contacts.contact import MAX_COLUMNS, MAX_ROWS
from app.errors import ValidationFailed

Rows = Iterator[tuple[int, list[str]]]
"""Number of the row in the file, and its cells."""
MAX_UNPACKED_BYTES = 300 * 1024 * 1024
MAX_PARTS = 2_000
MAX_RATIO = 400
"""Times a part of an XLSX file may grow; sheets of real lists grow 10 to 30 times."""
_PROBE_LINES = 60


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """An opened list. `notes` say how it was read."""

    rows: Rows
    notes: tuple[str, ...]


def open_list(kind: str, body: bytes) -> Sheet:
    """Raises ValidationFailed for what is no such list."""
    return _xlsx(body) if kind == "xlsx" else _csv(body)


def kind_of(name: str, head: bytes) -> str:
    """`csv` or `xlsx`, by the first bytes of a file. Raises ValidationFailed for others."""
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValidationFailed("This is an old Excel file (.xls). Save it as .xlsx or CSV and send it again.")
    if head.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"{\\rtf")):
        raise ValidationFailed(f"{name[:80]} is no list: send CSV or XLSX.")
    return "csv"


def _csv(body: bytes) -> Sheet:
    text, encoding = decoded(body)
    if not text.strip():
        raise ValidationFailed("The file is empty.")
    delimiter = delimiter_of(text)
    named = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}[delimiter]
    notes = [f"Read as {encoding}, cells separated by {named}."]
    return Sheet(rows=_csv_rows(text, delimiter), notes=tuple(notes))


def _csv_rows(text: str, delimiter: str) -> Rows:
    csv.field_size_limit(1_000_000)
    # Strict: a quotation mark that is never closed would swallow the rows after it, and mix people.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    yield from _bounded(_numbered(reader))


def _numbered(reader: Iterator[list[str]]) -> Rows:
    n = 0
    try:
        for n, cells in enumerate(reader, 1):
            yield n, cells
    except csv.Error as error:
        raise ValidationFailed(f"Row {n + 1} cannot be read as CSV: {error}.") from None


def _bounded(rows: Rows) -> Rows:
    """Rows that are not empty, within the limits of a list. Raises ValidationFailed."""
    taken = 0
    for n, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        taken += 1
        if taken > MAX_ROWS + 1:
            raise ValidationFailed(f"The list has more than {MAX_ROWS} rows; split it and send the parts.")
        if len(cells) > 4 * MAX_COLUMNS or sum(1 for cell in cells if cell.strip()) > MAX_COLUMNS:
            raise ValidationFailed(f"Row {n} has more than {MAX_COLUMNS} columns.")
        yield n, cells


def decoded(body: bytes) -> tuple[str, str]:
    """The text and the encoding it seems to have. Raises ValidationFailed for what is no text."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe\x00\x00", "utf-32-le"),
        (b"\x00\x00\xfe\xff", "utf-32-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if body.startswith(mark):
            return _as(body[len(mark) :], encoding), encoding.upper()
    if b"\0" in body[:4_096]:
        even, odd = body[:4_096:2].count(0), body[1:4_096:2].count(0)
        encoding = "utf-16-le" if odd > even else "utf-16-be"
        return _as(body, encoding), encoding.upper()
    try:
        return _text(body.decode("utf-8")), "UTF-8"
    except UnicodeDecodeError:
        return _text(body.decode("cp1252", errors="replace")), "Windows-1252 (Western European; a guess)"


def _as(body: bytes, encoding: str) -> str:
    try:
        return _text(body.decode(encoding))
    except UnicodeDecodeError:
        raise ValidationFailed("The file is no text: send CSV or XLSX.") from None


def _text(text: str) -> str:
    strange = sum(1 for sign in text[:4_096] if ord(sign) < 32 and sign not in "\t\r\n")
    if strange > len(text[:4_096]) // 50:
        raise ValidationFailed("The file is no text: send CSV or XLSX.")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


def delimiter_of(text: str) -> str:
    """What splits the first rows into the same number of cells, and into the most."""
    probe = "\n".join(text.split("\n", _PROBE_LINES)[:_PROBE_LINES])

    def quality(delimiter: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in csv.reader(io.StringIO(probe, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            return 0.0, 0
        if not widths:
            return 0.0, 0
        usual = max(set(widths), key=lambda width: (widths.count(width), width))
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual

    best = max(",;\t|", key=quality)
    return best if quality(best)[1] > 1 else ","


def _xlsx(body: bytes) -> Sheet:
    _check_packed(body)
    import openpyxl  # noqa: PLC0415 - half a second that CSV need not wait for

    try:
        book = openpyxl.load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
    except Exception as error:  # noqa: BLE001 - whatever a hostile file provokes: it cannot be read
        raise ValidationFailed(f"The file cannot be read as XLSX ({type(error).__name__}).") from None
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or list(book.worksheets)
    if not sheets:
        raise ValidationFailed("The file has no sheet.")
    sheet = sheets[0]
    notes = [f"Read the sheet {sheet.title[:60]!r}."]
    others = [other.title[:40] for other in book.worksheets if other is not sheet]
    if others:
        notes.append(f"Not read: {', '.join(others[:5])}{' and more' if len(others) > 5 else ''}.")
    sheet.reset_dimensions()  # a file may lie about them
    return Sheet(rows=_bounded(_xlsx_rows(sheet.iter_rows(values_only=True))), notes=tuple(notes))


def _xlsx_rows(rows: Iterator[Sequence[object]]) -> Rows:
    n = 0
    try:
        for n, values in enumerate(rows, 1):
            cells = [cell_text(value) for value in values]
            while cells and not cells[-1].strip():
                cells.pop()
            yield n, cells
    except ValidationFailed:
        raise
    except Exception as error:  # noqa: BLE001 - see above
        raise ValidationFailed(f"Row {n + 1} of the sheet cannot be read ({type(error).__name__}).") from None


def cell_text(value: object) -> str:
    """A cell as a person sees it; a telephone number that a spreadsheet took for a number has no comma in it."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "minutes")
        case _:
            return str(value)


def _check_packed(body: bytes) -> None:
    """A file that would fill the machine when unpacked is refused before anything is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            parts = packed.infolist()
    except (zipfile.BadZipFile, ValueError, OSError):
        raise ValidationFailed("The file is damaged: it cannot be unpacked.") from None
    if len(parts) > MAX_PARTS or not any(part.filename == "[Content_Types].xml" for part in parts):
        raise ValidationFailed("The file is a ZIP archive but no XLSX list.")
    if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES or any(
        part.file_size > 10 * 1024 * 1024 and part.file_size > MAX_RATIO * max(part.compress_size, 1)
        for part in parts
    ):
        raise ValidationFailed("The file grows far too much when it is unpacked; nothing of it was read.")
