"""Rows of `retention`, and what is swept when its days are over: recordings, talks, chats, webhooks.

A sweep is one process's at a time (lease with a fencing token), and takes a bounded number of rows in a
transaction. What a legal hold keeps is passed over.
"""

from collections.abc import Mapping

import msgspec

from app.domain.erasure import Days, Kind, pseudonym
from app.domain.personal_data import NO_WORDS
from app.errors import LeaseLost
from app.store import erasing, free_text
from app.store.db import Database, Reader, SqlValue, Tx, Writer
from app.store.erasing import Counts, added
from app.store.legal_holds import EVENT_IS_FREE, IMPORT_IS_FREE, TASK_IS_FREE, campaign_is_free
from app.store.rows import to_struct, with_columns

LEASE_MS = 60_000
EVERY_MS = 3_600_000
TASKS, CALLS, CHATS, ROWS = 4, 50, 5, 500
"""Rows of a transaction: some 25 statements a task, while which nobody else writes to SQLite."""
MANY = 1_001
"""Counting for a page stops here."""
_FREE_CHAT = f"""
    NOT EXISTS (SELECT 1 FROM plans p WHERE p.conversation_id = c.id
        AND NOT ({campaign_is_free("c.tenant_id", "p.campaign_id")}))
    AND NOT EXISTS (SELECT 1 FROM plans p JOIN tasks t ON t.campaign_id = p.campaign_id
        WHERE p.conversation_id = c.id
            AND t.state IN ('pending', 'waiting_user', 'claimed', 'in_call', 'analyzing'))
"""  # noqa: S608 - a constant
"""Nothing holds the calls the chat planned, or whom they went to, and none is to be made any more."""
_OLD_RECORDINGS = f"""
    SELECT r.call_id, k.node FROM recordings r JOIN calls k ON k.id = r.call_id JOIN tasks t ON t.id = k.task_id
    WHERE r.tenant_id = :tenant_id AND r.created_ms < :before_ms AND k.state = 'ended' AND {TASK_IS_FREE}
    ORDER BY r.created_ms, r.call_id LIMIT :limit
"""  # noqa: S608 - a constant
_OLD_TASKS = f"""
    SELECT t.id, t.number FROM tasks t
    WHERE t.tenant_id = :tenant_id AND t.erased_ms IS NULL AND t.updated_ms < :before_ms
        AND t.state IN ('completed', 'failed', 'cancelled', 'suppressed') AND t.lease_owner IS NULL
        AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.task_id = t.id AND c.state <> 'ended')
        AND NOT EXISTS (SELECT 1 FROM analyses a WHERE a.task_id = t.id AND a.state = 'waiting') AND {TASK_IS_FREE}
    ORDER BY t.updated_ms, t.id LIMIT :limit
"""  # noqa: S608 - a constant
_LOCKED = " FOR UPDATE OF t"
_OLD_CHATS = f"""
    SELECT c.id FROM conversations c
    WHERE c.tenant_id = :tenant_id AND (c.erased_ms IS NULL OR c.erased_ms < c.updated_ms)
        AND c.updated_ms < :before_ms AND {_FREE_CHAT}
    ORDER BY c.updated_ms, c.id LIMIT :limit
"""  # noqa: S608 - a constant
_OLD_IMPORTS = f"""
    SELECT i.id FROM contact_imports i WHERE i.tenant_id = :tenant_id AND i.updated_ms < :before_ms
        AND i.state IN ('receiving', 'review', 'done', 'failed', 'cancelled') AND {IMPORT_IS_FREE}
    ORDER BY i.id LIMIT :limit
"""  # noqa: S608 - a constant
_OLD_EVENTS = f"""
    SELECT e.id FROM webhook_events e WHERE e.tenant_id = :tenant_id AND e.created_ms < :before_ms
        AND {EVENT_IS_FREE} ORDER BY e.created_ms LIMIT :limit
"""  # noqa: S608 - a constant
_OLD_REPORTS = f"""
    UPDATE campaign_reports SET words = '{NO_WORDS}', last_error = ''
    WHERE tenant_id = :tenant_id AND words <> '{NO_WORDS}'
        AND state = 'done' AND created_ms < :before_ms
        AND {campaign_is_free("campaign_reports.tenant_id", "campaign_reports.campaign_id")}
"""  # noqa: S608 - a constant
_OLD_ROUNDS = """
    UPDATE lifecycle_rounds SET refusals = '[]', summary = '' WHERE tenant_id = :tenant_id
        AND created_ms < :before_ms AND (summary <> '' OR refusals <> '[]')
"""
_NO_RECORDING = """
    UPDATE calls SET recording_path = NULL
    WHERE tenant_id = :tenant_id AND id IN (SELECT value FROM json_each(:ids))
"""
_LISTED = "IN (SELECT value FROM json_each(:ids))"
_DUE: Mapping[str, str] = {
    "recordings": _OLD_RECORDINGS,
    "tasks": _OLD_TASKS,
    "conversations": _OLD_CHATS,
    "contact_imports": _OLD_IMPORTS,
    "webhook_events": _OLD_EVENTS,
}
KIND_OF: Mapping[str, Kind] = {
    "recordings": Kind.RECORDINGS,
    "tasks": Kind.TALKS,
    "conversations": Kind.CHATS,
    "contact_imports": Kind.CHATS,
    "webhook_events": Kind.WEBHOOKS,
}
"""Table -> whose days count."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a tenant's own days (None: the house's) and its last sweep; `counts` is JSON text."""

    tenant_id: str
    recordings_days: int | None = None
    talks_days: int | None = None
    chats_days: int | None = None
    webhooks_days: int | None = None
    next_ms: int = 0
    swept_ms: int | None = None
    counts: str = "{}"
    lease_token: int = 0

    @property
    def days(self) -> Days:
        """The days."""
        return Days(
            recordings=self.recordings_days,
            talks=self.talks_days,
            chats=self.chats_days,
            webhooks=self.webhooks_days,
        )

    @property
    def counted(self) -> Counts:
        """Rows the last sweep took something of, by table."""
        return msgspec.json.decode(self.counts, type=Counts)


_GET = with_columns("SELECT $columns FROM retention WHERE tenant_id = :tenant_id", Terms)
_SET = """
    INSERT INTO retention (tenant_id, recordings_days, talks_days, chats_days, webhooks_days, next_ms, counts,
        lease_token)
    VALUES (:tenant_id, :recordings, :talks, :chats, :webhooks, :now_ms, '{}', 0)
    ON CONFLICT (tenant_id) DO UPDATE SET recordings_days = excluded.recordings_days,
        talks_days = excluded.talks_days, chats_days = excluded.chats_days, webhooks_days = excluded.webhooks_days,
        next_ms = excluded.next_ms
"""
_EVERYBODY = """
    INSERT INTO retention (tenant_id, next_ms, counts, lease_token)
    SELECT id, :now_ms, '{}', 0 FROM tenants t
    WHERE NOT EXISTS (SELECT 1 FROM retention r WHERE r.tenant_id = t.id) ON CONFLICT (tenant_id) DO NOTHING
"""
_HOLD = with_columns(
    """
    UPDATE retention SET lease_owner = :owner, lease_token = lease_token + 1, lease_until = :until_ms
    WHERE tenant_id IN (SELECT tenant_id FROM retention WHERE next_ms <= :now_ms
        AND (lease_until IS NULL OR lease_until < :now_ms) ORDER BY next_ms LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING $columns
    """,
    Terms,
)
_ANY_DUE = """
    SELECT 1 FROM tenants t LEFT JOIN retention r ON r.tenant_id = t.id
    WHERE r.tenant_id IS NULL OR (r.next_ms <= :now_ms AND (r.lease_until IS NULL OR r.lease_until < :now_ms))
    LIMIT 1
"""
"""Asked first, for nobody writes while there is nothing to do."""
_RENEW = """
    UPDATE retention SET lease_until = :until_ms WHERE tenant_id = :tenant_id AND lease_token = :token
        AND lease_owner IS NOT NULL
"""
_FINISH = """
    UPDATE retention SET lease_owner = NULL, lease_until = NULL, swept_ms = :now_ms, next_ms = :next_ms,
        counts = :counts WHERE tenant_id = :tenant_id AND lease_token = :token
"""


async def terms(sql: Reader, tenant_id: str) -> Terms:
    """A tenant's days and its last sweep; no row means the house's days."""
    row = await sql.one(_GET, {"tenant_id": tenant_id})
    return to_struct(Terms, row) if row else Terms(tenant_id=tenant_id)


async def set_days(sql: Writer, tenant_id: str, days: Days, now_ms: int) -> None:
    """A tenant's own days; `app.domain.erasure.check_days` comes before. The next sweep begins at once."""
    await sql.execute(_SET, {"tenant_id": tenant_id, "now_ms": now_ms} | msgspec.structs.asdict(days))


async def hold_due(db: Database, owner: str, now_ms: int) -> Terms | None:
    """The next tenant to sweep, which nobody else sweeps now."""
    if await db.one(_ANY_DUE, {"now_ms": now_ms}) is None:
        return None
    await db.execute(_EVERYBODY, {"now_ms": now_ms})
    rows = await db.change(_HOLD, {"owner": owner, "now_ms": now_ms, "until_ms": now_ms + LEASE_MS})
    return to_struct(Terms, rows[0]) if rows else None


async def renew(tx: Tx, held: Terms, now_ms: int) -> None:
    """In each transaction of a sweep. Raises LeaseLost."""
    params = {"tenant_id": held.tenant_id, "token": held.lease_token, "until_ms": now_ms + LEASE_MS}
    if not await tx.execute(_RENEW, params):
        raise LeaseLost("Another process sweeps this tenant.")


async def finish(sql: Writer, held: Terms, counts: Counts, now_ms: int) -> None:
    """The sweep is over; the next one is due in an hour."""
    params = {"tenant_id": held.tenant_id, "token": held.lease_token, "now_ms": now_ms}
    told = msgspec.json.encode(counts).decode()
    await sql.execute(_FINISH, params | {"next_ms": now_ms + EVERY_MS, "counts": told})


async def due(sql: Reader, tenant_id: str, cutoffs: Mapping[Kind, int]) -> Counts:
    """What the next sweep would take, by table (`MANY`: that many or more). Kinds without days are kept."""
    found: Counts = {}
    for table, sql_text in _DUE.items():
        if KIND_OF[table] not in cutoffs:
            continue
        params = {"tenant_id": tenant_id, "before_ms": cutoffs[KIND_OF[table]], "limit": MANY}
        row = await sql.one(f"SELECT count(*) FROM ({sql_text}) due", params)  # noqa: S608 - constants
        found[table] = row[0] if row else 0
    return found


async def sweep_recordings(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
    """Some recordings whose days are over; their files go on the list of what has to go."""
    rows = await tx.fetch(_OLD_RECORDINGS, _params(tenant_id, before_ms, CALLS))
    calls = dict.fromkeys((row[0], row[1]) for row in rows)
    await erasing.remove_files(tx, tenant_id, list(calls), now_ms=now_ms)
    of: dict[str, SqlValue] = {"tenant_id": tenant_id, "ids": _json([call_id for call_id, _ in calls])}
    await tx.execute(_NO_RECORDING, of)
    here = "WHERE tenant_id = :tenant_id AND call_id " + _LISTED
    return _counted({"recordings": await tx.execute(f"DELETE FROM recordings {here}", of)})  # noqa: S608


async def sweep_talks(tx: Tx, tenant_id: str, before_ms: int, now_ms: int, key: bytes) -> Counts:
    """What was said with some tasks that are over for longer than their days, and than calling rules look back."""
    rows = await tx.fetch(_OLD_TASKS + _LOCKED, _params(tenant_id, before_ms, TASKS))
    by_number: dict[str, list[str]] = {}
    for task_id, number in rows:
        by_number.setdefault(number, []).append(task_id)
    done: Counts = {}
    for number, tasks in by_number.items():
        stands = pseudonym(key, tenant_id, number)
        found = await erasing.erase_tasks(tx, tenant_id, tasks, stands, since_ms=before_ms, now_ms=now_ms)
        done = added(done, found)
    return done


async def sweep_reports(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
    """The words of reports and of the lifecycle agent's rounds; figures and costs stay."""
    del now_ms
    params: dict[str, SqlValue] = {"tenant_id": tenant_id, "before_ms": before_ms}
    done = {"campaign_reports": await tx.execute(_OLD_REPORTS, params)}
    return _counted(done | {"lifecycle_rounds": await tx.execute(_OLD_ROUNDS, params)})


async def sweep_chats(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
    """Some chats nobody wrote in for longer than their days."""
    done: Counts = {}
    for (conversation_id,) in await tx.fetch(_OLD_CHATS, _params(tenant_id, before_ms, CHATS)):
        done = added(done, await free_text.empty_chat(tx, tenant_id, conversation_id, now_ms=now_ms))
        done = added(done, {"conversations": 1})
    return done


async def sweep_uploads(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
    """Some rows of a list that was brought in, or given up, longer ago than the days of chats; then the list."""
    del now_ms
    row = await tx.one(_OLD_IMPORTS, _params(tenant_id, before_ms, 1))
    if row is None:
        return {}
    of: dict[str, SqlValue] = {"tenant_id": tenant_id, "id": row[0]}
    here = "WHERE tenant_id = :tenant_id AND import_id = :id"
    some = f"SELECT seq FROM contact_import_rows {here} ORDER BY seq LIMIT {ROWS}"  # noqa: S608
    lines = await tx.execute(f"DELETE FROM contact_import_rows {here} AND seq IN ({some})", of)  # noqa: S608
    if lines == ROWS:
        return {"contact_import_rows": lines}
    await tx.execute(f"DELETE FROM contact_import_pieces {here}", of)  # noqa: S608 - constants
    lists = await tx.execute("DELETE FROM contact_imports WHERE tenant_id = :tenant_id AND id = :id", of)
    return _counted({"contact_import_rows": lines, "contact_imports": lists})


async def sweep_webhooks(tx: Tx, tenant_id: str, before_ms: int, now_ms: int) -> Counts:
    """Some messages to other systems, delivered or not."""
    del now_ms
    rows = await tx.fetch(_OLD_EVENTS, _params(tenant_id, before_ms, ROWS))
    of: dict[str, SqlValue] = {"tenant_id": tenant_id, "ids": _json([row[0] for row in rows])}
    done: Counts = {}
    for table, column in (("webhook_deliveries", "event_id"), ("webhook_events", "id")):
        statement = f"DELETE FROM {table} WHERE tenant_id = :tenant_id AND {column} {_LISTED}"  # noqa: S608
        done[table] = await tx.execute(statement, of)
    return _counted(done)


def _params(tenant_id: str, before_ms: int, limit: int) -> dict[str, SqlValue]:
    return {"tenant_id": tenant_id, "before_ms": before_ms, "limit": limit}


def _counted(counts: Counts) -> Counts:
    return {name: rows for name, rows in counts.items() if rows}


def _json(values: list[str]) -> str:
    return msgspec.json.encode(values).decode()
