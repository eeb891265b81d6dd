"""Rows of `contact_import_rows`: a list as it was sent, and what was found about each row."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from app.domain.contacts.check import Issue
from app.domain.contacts.contact import Made
from app.errors import NotFoundError
from app.store.db import Reader, SqlValue, Writer
from app.store.rows import to_struct, with_columns, with_values

State = Literal["unchecked", "ready", "rejected", "skipped", "imported"]


class ImportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `cells` and `made` are JSON text. State ready with an issue: taken, and worth a look."""

    import_id: str
    seq: int
    tenant_id: str
    line: int
    cells: str
    state: State
    issue: Issue
    sentence: str
    number: str
    made: str
    edited: bool
    contact_id: str | None

    @property
    def values(self) -> tuple[str, ...]:
        """The cells."""
        return msgspec.json.decode(self.cells, type=tuple[str, ...])

    @property
    def contact(self) -> Made:
        """What the row says of the contact."""
        return msgspec.json.decode(self.made, type=Made)


_INSERT = with_values(
    "INSERT INTO contact_import_rows ($columns) VALUES ($values) ON CONFLICT (import_id, seq) DO NOTHING",
    ImportRow,
)
_NEXT = with_columns(
    """
    SELECT $columns FROM contact_import_rows WHERE import_id = :import_id AND seq > :after
    ORDER BY seq LIMIT :limit
    """,
    ImportRow,
)
_GET = with_columns(
    """
    SELECT $columns FROM contact_import_rows
    WHERE import_id = :import_id AND tenant_id = :tenant_id AND seq = :seq
    """,
    ImportRow,
)
_PAGE = with_columns(
    """
    SELECT $columns FROM contact_import_rows WHERE import_id = :import_id AND tenant_id = :tenant_id
        AND seq > :after AND $what ORDER BY seq LIMIT :limit
    """,
    ImportRow,
)
_PAGES = {
    "all": _PAGE.replace("$what", "seq > 0"),
    "issue": _PAGE.replace("$what", "issue = :value"),
    "state": _PAGE.replace("$what", "state = :value"),
}
_JUDGED = """
    UPDATE contact_import_rows SET state = :state, issue = :issue, sentence = :sentence, number = :number,
        made = :made, cells = :cells, edited = :edited, contact_id = :contact_id
    WHERE import_id = :import_id AND tenant_id = :tenant_id AND seq = :seq
"""
_FIRST = """
    SELECT number, min(seq), min(line) FROM contact_import_rows
    WHERE import_id = :import_id AND number IN (SELECT value FROM json_each(:numbers)) AND seq < :before
        AND state IN ('ready', 'imported')
    GROUP BY number
"""
_OTHERS = with_columns(
    """
    SELECT $columns FROM contact_import_rows WHERE import_id = :import_id AND number = :number AND seq <> :seq
    ORDER BY seq LIMIT 20
    """,
    ImportRow,
)


async def stage(sql: Writer, rows: Sequence[ImportRow]) -> None:
    """Store rows as they were read; those that are there stay as they are."""
    await sql.many(_INSERT, [msgspec.structs.asdict(row) | {"edited": int(row.edited)} for row in rows])


async def after(sql: Reader, import_id: str, seq: int, limit: int) -> list[ImportRow]:
    """The rows that follow `seq`, for whoever holds the import."""
    rows = await sql.fetch(_NEXT, {"import_id": import_id, "after": seq, "limit": limit})
    return [to_struct(ImportRow, row) for row in rows]


async def get(sql: Reader, tenant_id: str, import_id: str, seq: int) -> ImportRow:
    """One row. Raises NotFoundError."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "import_id": import_id, "seq": seq})
    if row is None:
        raise NotFoundError("There is no such row.")
    return to_struct(ImportRow, row)


async def page(
    sql: Reader, tenant_id: str, import_id: str, what: str = "", *, after: int = 0, limit: int = 50
) -> list[ImportRow]:
    """Rows in the order of the file: all, `issue:bad_number` or `state:ready`."""
    by, _, value = what.partition(":")
    params: dict[str, SqlValue] = {
        "tenant_id": tenant_id,
        "import_id": import_id,
        "after": after,
        "limit": limit,
    }
    if by in {"issue", "state"} and value:
        rows = await sql.fetch(_PAGES[by], params | {"value": value})
    else:
        rows = await sql.fetch(_PAGES["all"], params)
    return [to_struct(ImportRow, row) for row in rows]


async def save(sql: Writer, rows: Sequence[ImportRow]) -> None:
    """Store what was found about rows, or what became of them."""
    params: list[Mapping[str, SqlValue]] = [
        msgspec.structs.asdict(row) | {"edited": int(row.edited)} for row in rows
    ]
    if params:
        await sql.many(_JUDGED, params)


async def first_of(sql: Reader, import_id: str, numbers: Sequence[str], before: int) -> dict[str, tuple[int, int]]:
    """Where (seq, line) each of these numbers stands first among the rows above `before` that are not left out."""
    params = {"import_id": import_id, "numbers": msgspec.json.encode(numbers).decode(), "before": before}
    return {row[0]: (row[1], row[2]) for row in await sql.fetch(_FIRST, params)}


async def others(sql: Reader, row: ImportRow) -> list[ImportRow]:
    """The first rows of the same import with the same number."""
    if not row.number:
        return []
    rows = await sql.fetch(_OTHERS, {"import_id": row.import_id, "number": row.number, "seq": row.seq})
    return [to_struct(ImportRow, one) for one in rows]
