"""Rows of `legal_holds`: calls, campaigns and recipients whose words are kept, whatever their days."""

from typing import Literal

import msgspec

from app.domain.number import possible_number
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import new_id
from app.store.db import Reader, Tx
from app.store.rows import to_params, to_struct, with_columns, with_values

Held = Literal["call", "campaign", "recipient"]
MAX_REASON = 500
TASK_IS_FREE = """
    NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.tenant_id = t.tenant_id AND h.lifted_ms IS NULL AND (
        (h.kind = 'campaign' AND h.subject = t.campaign_id) OR (h.kind = 'recipient' AND h.subject = t.number)
        OR (h.kind = 'call' AND EXISTS (SELECT 1 FROM calls k WHERE k.id = h.subject AND k.task_id = t.id))))
"""
"""A condition of SQL: nothing holds the task `t`."""


def campaign_is_free(tenant_id: str, campaign_id: str) -> str:
    """A condition of SQL: nothing holds a campaign, its calls or whom they went to. Both are columns."""
    return f"""
        NOT EXISTS (SELECT 1 FROM legal_holds h WHERE h.tenant_id = {tenant_id} AND h.lifted_ms IS NULL AND (
            (h.kind = 'campaign' AND h.subject = {campaign_id})
            OR (h.kind = 'call' AND EXISTS (SELECT 1 FROM calls k JOIN tasks t ON t.id = k.task_id
                WHERE k.id = h.subject AND t.campaign_id = {campaign_id}))
            OR (h.kind = 'recipient' AND EXISTS (SELECT 1 FROM tasks t WHERE t.number = h.subject
                AND t.tenant_id = h.tenant_id AND t.campaign_id = {campaign_id}))))
    """  # noqa: S608 - names of our own columns


EVENT_IS_FREE = f"""
    NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = e.subject AND NOT ({TASK_IS_FREE}))
    AND NOT EXISTS (SELECT 1 FROM calls s JOIN tasks t ON t.id = s.task_id
        WHERE s.id = e.subject AND NOT ({TASK_IS_FREE}))
    AND NOT EXISTS (SELECT 1 FROM feedback_requests s JOIN tasks t ON t.id = s.task_id
        WHERE s.id = e.subject AND NOT ({TASK_IS_FREE}))
    AND NOT EXISTS (SELECT 1 FROM dnd_list s JOIN legal_holds h ON h.kind = 'recipient' AND h.subject = s.number
        WHERE s.id = e.subject AND h.tenant_id = e.tenant_id AND h.lifted_ms IS NULL)
    AND {campaign_is_free("e.tenant_id", "e.subject")}
"""  # noqa: S608 - a constant
"""A condition of SQL: nothing holds what the webhook event `e` tells of."""
IMPORT_IS_FREE = """
    NOT EXISTS (SELECT 1 FROM legal_holds h JOIN contact_import_rows r ON r.number = h.subject
        WHERE h.tenant_id = i.tenant_id AND h.kind = 'recipient' AND h.lifted_ms IS NULL AND r.import_id = i.id)
"""
"""A condition of SQL: no number that is held stands in the uploaded list `i`."""


class LegalHold(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `subject`: the id of a call or a campaign, or a number (E.164)."""

    id: str
    tenant_id: str
    kind: Held
    subject: str
    reason: str
    placed_by: str
    since_ms: int
    lifted_by: str | None = None
    lifted_ms: int | None = None


_INSERT = with_values("INSERT INTO legal_holds ($columns) VALUES ($values)", LegalHold)
_ALIVE = with_columns(
    """
    SELECT $columns FROM legal_holds WHERE tenant_id = :tenant_id AND lifted_ms IS NULL
    ORDER BY id DESC LIMIT :limit
    """,
    LegalHold,
)
_SAME = with_columns(
    """
    SELECT $columns FROM legal_holds WHERE tenant_id = :tenant_id AND kind = :kind AND subject = :subject
        AND lifted_ms IS NULL
    """,
    LegalHold,
)
_LIFT = with_columns(
    """
    UPDATE legal_holds SET lifted_by = :by, lifted_ms = :now_ms
    WHERE tenant_id = :tenant_id AND id = :id AND lifted_ms IS NULL RETURNING $columns
    """,
    LegalHold,
)
_THERE = {
    "call": "SELECT 1 FROM calls WHERE tenant_id = :tenant_id AND id = :subject",
    "campaign": "SELECT 1 FROM campaigns WHERE tenant_id = :tenant_id AND id = :subject",
}
_OF_NUMBER = f"""
    SELECT 1 FROM legal_holds h WHERE h.tenant_id = :tenant_id AND h.lifted_ms IS NULL
        AND h.kind = 'recipient' AND h.subject = :number
    UNION ALL SELECT 1 FROM tasks t WHERE t.tenant_id = :tenant_id AND t.number = :number AND NOT ({TASK_IS_FREE})
    LIMIT 1
"""  # noqa: S608 - a constant


async def place(tx: Tx, hold: LegalHold, now_ms: int) -> LegalHold:
    """Keep what a call, a campaign or a number left. Holding it twice changes nothing.

    Raises ValidationFailed without a reason, NotFoundError for what the tenant does not have.
    """
    reason = " ".join(hold.reason.split())
    if not reason or len(reason) > MAX_REASON:
        raise ValidationFailed(f"Say why it is kept, in at most {MAX_REASON} characters.")
    subject = possible_number(hold.subject) if hold.kind == "recipient" else hold.subject.strip()
    about = {"tenant_id": hold.tenant_id, "subject": subject}
    if hold.kind != "recipient" and await tx.one(_THERE[hold.kind], about) is None:
        raise NotFoundError(f"There is no such {hold.kind}.")
    await tx.exclusive(f"legal hold {hold.tenant_id}")
    row = await tx.one(_SAME, about | {"kind": hold.kind})
    if row is not None:
        return to_struct(LegalHold, row)
    new = msgspec.structs.replace(hold, id=new_id(now_ms), subject=subject, reason=reason, since_ms=now_ms)
    await tx.execute(_INSERT, to_params(new))
    return new


async def lift(tx: Tx, tenant_id: str, hold_id: str, by: str, now_ms: int) -> LegalHold:
    """End a hold. Raises NotFoundError."""
    rows = await tx.change(_LIFT, {"tenant_id": tenant_id, "id": hold_id, "by": by, "now_ms": now_ms})
    if not rows:
        raise NotFoundError("There is no such legal hold.")
    return to_struct(LegalHold, rows[0])


async def alive(sql: Reader, tenant_id: str, limit: int = 200) -> list[LegalHold]:
    """What is held now, newest first."""
    return [to_struct(LegalHold, row) for row in await sql.fetch(_ALIVE, {"tenant_id": tenant_id, "limit": limit})]


async def is_held(sql: Reader, tenant_id: str, number: str) -> bool:
    """Whether a hold keeps something of this number."""
    return await sql.one(_OF_NUMBER, {"tenant_id": tenant_id, "number": number}) is not None


async def refuse_held(sql: Reader, tenant_id: str, number: str) -> None:
    """Raises ConflictError when a hold keeps something of this number."""
    if await is_held(sql, tenant_id, number):
        raise ConflictError(
            "A legal hold keeps what this number left. Lift it first, if you may; nothing was erased.",
            code="legal_hold",
        )
