"""The program that touches lists: `python -m app.contacts.program read KIND` and `... check`.

`read`: the file on stdin; on stdout one JSON line of notes, then lines of rows. `check`: a line of terms and
columns, then lines of rows; for each a line of verdicts. A program of its own, because reading a hostile file and
judging 100,000 numbers takes seconds that no event loop has; it has limits on memory and processor time, and no
secrets.
"""

import resource
import sys
import zoneinfo
from typing import BinaryIO

import msgspec

from app.contacts.sheet import open_list
from app.domain.contacts.check import Verdict, check_row
from app.domain.contacts.contact import Terms
from app.domain.contacts.mapping import Column
from app.errors import ValidationFailed

MEMORY_BYTES = 2 * 1024 * 1024 * 1024
PROCESSOR_S = 300
LINE_ROWS = 200
REFUSED = 3
"""Exit status: the last line on stdout says why, in a sentence."""


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """The list can be read."""

    notes: tuple[str, ...]


class Piece(msgspec.Struct, frozen=True, kw_only=True, tag="rows"):
    """Rows: (number in the file, cells)."""

    rows: tuple[tuple[int, tuple[str, ...]], ...]


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """The list cannot be read."""

    sentence: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """First line of `check`."""

    terms: Terms
    columns: tuple[Column, ...]


Told = Opened | Piece | Refused


def read(kind: str, source: BinaryIO, out: BinaryIO) -> None:
    """See the module. Raises ValidationFailed."""
    sheet = open_list(kind, source.read())
    _write(out, Opened(notes=sheet.notes))
    rows: list[tuple[int, tuple[str, ...]]] = []
    for n, cells in sheet.rows:
        rows.append((n, tuple(_storable(cell) for cell in cells)))
        if len(rows) >= LINE_ROWS:
            _write(out, Piece(rows=tuple(rows)))
            rows = []
    if rows:
        _write(out, Piece(rows=tuple(rows)))


def check(source: BinaryIO, out: BinaryIO) -> None:
    """See the module."""
    job = msgspec.json.decode(source.readline(), type=Job)
    decoder = msgspec.json.Decoder(tuple[tuple[str, ...], ...])
    for line in source:
        verdicts: list[Verdict] = [check_row(cells, job.columns, job.terms) for cells in decoder.decode(line)]
        _write(out, verdicts)


def _storable(cell: str) -> str:
    """Half a surrogate pair has no UTF-8."""
    return cell.encode("utf-8", errors="replace").decode("utf-8")


def _write(out: BinaryIO, value: object) -> None:
    out.write(msgspec.json.encode(value) + b"\n")
    out.flush()


def main() -> None:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    zoneinfo.reset_tzpath(to=())  # as the program that started this one
    if sys.argv[1] == "check":
        check(sys.stdin.buffer, sys.stdout.buffer)
        return
    try:
        read(sys.argv[2], sys.stdin.buffer, sys.stdout.buffer)
    except ValidationFailed as refused:
        _write(sys.stdout.buffer, Refused(sentence=refused.message))
        sys.exit(REFUSED)
    except MemoryError:
        _write(sys.stdout.buffer, Refused(sentence="The file needs too much memory to be read."))
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
