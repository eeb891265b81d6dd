"""Rows of `file_removals`: recordings whose files have to go. The engine on whose disk they lie removes them."""

import msgspec

from app.store.db import Reader, Writer

_NEXT = """
    SELECT call_id, tenant_id, node, names FROM file_removals WHERE call_id > :after ORDER BY call_id LIMIT :limit
"""
_WAITING = "SELECT node, count(*) FROM file_removals WHERE tenant_id = :tenant_id GROUP BY node ORDER BY node"


class FileRemoval(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one call, made by the engine `node`; `names` as they were stored."""

    call_id: str
    tenant_id: str
    node: str
    names: tuple[str, ...]


async def after(sql: Reader, call_id: str, limit: int = 100) -> list[FileRemoval]:
    """What has to go, of all tenants, behind a call's id."""
    return [
        FileRemoval(
            call_id=row[0], tenant_id=row[1], node=row[2], names=msgspec.json.decode(row[3], type=tuple[str, ...])
        )
        for row in await sql.fetch(_NEXT, {"after": call_id, "limit": limit})
    ]


async def gone(sql: Writer, call_id: str) -> None:
    """The files of a call are no more."""
    await sql.execute("DELETE FROM file_removals WHERE call_id = :call_id", {"call_id": call_id})


async def waiting(sql: Reader, tenant_id: str) -> dict[str, int]:
    """How many calls' files wait, by the engine they wait for."""
    return {row[0]: row[1] for row in await sql.fetch(_WAITING, {"tenant_id": tenant_id})}
