"""Holds on a tenant's dialing: placed when its account with the speech model is refused, lifted by a person.

Admission asks `active` before every dial; a look-up that fails means no dial.
"""

import msgspec

from app.store.db import Reader, Writer
from app.store.rows import to_struct, with_columns

_PLACE = """
    INSERT INTO tenant_holds (tenant_id, code, message, call_id, since_ms)
    VALUES (:tenant_id, :code, :message, :call_id, :now_ms) ON CONFLICT DO NOTHING
"""
ON_EVERY_TENANT = """
    INSERT INTO tenant_holds (tenant_id, code, message, call_id, since_ms)
    SELECT id, :code, :message, NULL, :now_ms FROM tenants WHERE true ON CONFLICT DO NOTHING
"""
_LIFT = "DELETE FROM tenant_holds WHERE tenant_id = :tenant_id"


class TenantHold(msgspec.Struct, frozen=True, kw_only=True):
    """Why nobody is dialed for this tenant; `code` is the vendor's, e.g. `insufficient_quota`."""

    tenant_id: str
    code: str
    message: str
    call_id: str | None
    since_ms: int


_EVERY = with_columns(
    "SELECT $columns FROM tenant_holds WHERE tenant_id = :tenant_id ORDER BY since_ms", TenantHold
)
_ACTIVE = with_columns(
    "SELECT $columns FROM tenant_holds WHERE tenant_id = :tenant_id ORDER BY since_ms LIMIT 1", TenantHold
)


async def place(sql: Writer, tenant_id: str, code: str, message: str, *, call_id: str | None, now_ms: int) -> bool:
    """Hold this tenant's dialing. False: it is held for that already."""
    params = {"tenant_id": tenant_id, "code": code, "message": message, "call_id": call_id, "now_ms": now_ms}
    return await sql.execute(_PLACE, params) == 1


async def place_on_every_tenant(sql: Writer, code: str, message: str, *, now_ms: int) -> int:
    """Hold everybody's dialing; for how many tenants that was not so before."""
    return await sql.execute(ON_EVERY_TENANT, {"code": code, "message": message, "now_ms": now_ms})


async def active(sql: Reader, tenant_id: str) -> TenantHold | None:
    """The oldest hold on this tenant, None when it may dial."""
    row = await sql.one(_ACTIVE, {"tenant_id": tenant_id})
    return None if row is None else to_struct(TenantHold, row)


async def every(sql: Reader, tenant_id: str) -> list[TenantHold]:
    """All holds on this tenant, oldest first."""
    return [to_struct(TenantHold, row) for row in await sql.fetch(_EVERY, {"tenant_id": tenant_id})]


async def lift(sql: Writer, tenant_id: str) -> int:
    """Let the tenant dial again; how many holds there were."""
    return await sql.execute(_LIFT, {"tenant_id": tenant_id})
