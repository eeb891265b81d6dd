"""Rows of `recipients`, and the earlier talks of an agent with one of them."""

from collections.abc import Sequence

import msgspec

from app.domain.call import Call
from app.domain.recipient import Recipient
from app.store.db import Reader, Tx, Writer
from app.store.rows import to_params, to_struct, with_columns, with_values

_GET = with_columns("SELECT $columns FROM recipients WHERE tenant_id = :tenant_id AND number = :number", Recipient)
_LIST = with_columns(
    "SELECT $columns FROM recipients WHERE tenant_id = :tenant_id ORDER BY number LIMIT :limit", Recipient
)
_PUT = with_values(
    """
    INSERT INTO recipients ($columns) VALUES ($values)
    ON CONFLICT (tenant_id, number) DO UPDATE SET name = excluded.name, language = excluded.language,
        preferences = excluded.preferences, updated_ms = excluded.updated_ms
    """,
    Recipient,
)
_REMEMBER = with_values(
    """
    INSERT INTO recipients ($columns) VALUES ($values)
    ON CONFLICT (tenant_id, number) DO UPDATE SET
        name = CASE WHEN excluded.name = '' THEN recipients.name ELSE excluded.name END,
        language = CASE WHEN excluded.language = '' THEN recipients.language ELSE excluded.language END,
        preferences = CASE WHEN excluded.preferences = '' THEN recipients.preferences ELSE excluded.preferences
        END, updated_ms = excluded.updated_ms
    """,
    Recipient,
)
_TALKS = with_columns(
    """
    SELECT $columns, t.objective, coalesce(n.decision, '{}') FROM calls c
    JOIN tasks t ON t.id = c.task_id
    LEFT JOIN analyses n ON n.call_id = c.id
    WHERE c.tenant_id = :tenant_id AND c.agent_id = :agent_id AND c.number_requested = :number
        AND c.answered_ms IS NOT NULL AND c.state = 'ended' AND c.id <> :call_id
    ORDER BY c.answered_ms DESC, c.id DESC LIMIT :limit
    """,
    Call,
    "c",
)


class _Decided(msgspec.Struct):
    summary: str = ""


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """A call that somebody answered, what it was about, and what came of it (empty while nobody judged it)."""

    call: Call
    objective: str
    summary: str


async def get(sql: Reader, tenant_id: str, number: str) -> Recipient | None:
    """What the tenant remembers of a number (E.164)."""
    row = await sql.one(_GET, {"tenant_id": tenant_id, "number": number})
    return None if row is None else to_struct(Recipient, row)


async def put(sql: Writer, recipient: Recipient) -> None:
    """Remember a recipient; what was there under this number is replaced."""
    await sql.execute(_PUT, to_params(recipient))


async def remember_many(tx: Tx, found: Sequence[Recipient]) -> None:
    """What a list says of recipients; what it does not say stays as it was."""
    if found:
        await tx.many(_REMEMBER, [to_params(one) for one in found])


async def list_recipients(sql: Reader, tenant_id: str, limit: int = 1_000) -> list[Recipient]:
    """Those of a tenant, by number."""
    rows = await sql.fetch(_LIST, {"tenant_id": tenant_id, "limit": limit})
    return [to_struct(Recipient, row) for row in rows]


async def forget(sql: Writer, tenant_id: str, number: str) -> bool:
    """Remember nothing of a number any more. False: nothing was known."""
    params = {"tenant_id": tenant_id, "number": number}
    return (
        await sql.execute("DELETE FROM recipients WHERE tenant_id = :tenant_id AND number = :number", params) == 1
    )


async def talks(
    sql: Reader, tenant_id: str, agent_id: str, number: str, *, limit: int, but: str = ""
) -> list[Talk]:
    """The last talks of an agent with whoever has this number, over all tasks of the tenant, oldest first. `but`:
    a call that is left out, the present one. Test mode changes nothing: the number is the one the task is about.
    """
    params = {"tenant_id": tenant_id, "agent_id": agent_id, "number": number, "call_id": but, "limit": limit}
    rows = await sql.fetch(_TALKS, params)
    return [
        Talk(
            call=to_struct(Call, row[:-2]),
            objective=row[-2],
            summary=msgspec.json.decode(row[-1], type=_Decided).summary,
        )
        for row in reversed(rows)
    ]
