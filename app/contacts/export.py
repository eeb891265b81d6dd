"""Lists on their way out, line by line: rows that were not taken with their reasons, and contacts."""

from collections.abc import AsyncIterator

from app.domain.contacts.csv_text import line
from app.store import contact_rows
from app.store.contact_imports import ContactImport
from app.store.db import Reader

PAGE = 500
REASONS = ("Row in the file", "What is wrong", "In words")
"""Headings of the columns that come before those of the list."""


async def rejected_lines(sql: Reader, one: ContactImport) -> AsyncIterator[str]:
    """Rows that did not come in, as CSV with their reasons; the columns behind those are the ones that were sent,
    so the file can be mended and sent again.
    """
    yield line([*REASONS, *(column.name for column in one.mapping)])
    after = 0
    while rows := await contact_rows.page(sql, one.tenant_id, one.id, after=after, limit=PAGE):
        yield "".join(
            line([str(row.line), row.issue or row.state, row.sentence or f"The row was {row.state}.", *row.values])
            for row in rows
            if row.state in {"rejected", "skipped"}
        )
        after = rows[-1].seq
