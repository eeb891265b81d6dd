"""Who works on a task: claims by lease with a fencing token, renewal, release, recovery of what was abandoned.

The tasks table is the queue. A claim raises `lease_token`; every later write names it, so a process that stalled
past its lease can do nothing any more. Claims go over all tenants; everything after a claim names the tenant.
"""

from collections.abc import Collection

import msgspec

from app.domain.call import CallEnd
from app.domain.lanes import share_out
from app.domain.task import CallTask, TaskEvent, TaskState, after
from app.errors import IllegalTransition, NotFoundError
from app.store import attempts, calls, lanes, tasks
from app.store.db import DIALING, Database, Reader, Tx, Writer
from app.store.rows import to_struct, with_columns

_CLAIM = with_columns(
    """
    WITH due AS MATERIALIZED (
        SELECT id FROM tasks
        WHERE state = 'pending' AND coalesce(campaign_id, tenant_id) = :lane AND priority = :priority
            AND next_action_time <= :now_ms
        ORDER BY next_action_time, id LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE tasks SET state = 'claimed', lease_owner = :owner, lease_token = lease_token + 1,
        lease_until = :lease_until, updated_ms = :now_ms
    WHERE state = 'pending' AND id IN (SELECT id FROM due)
    RETURNING $columns
    """,
    CallTask,
)
_CLAIM_ANALYSIS = with_columns(
    """
    WITH waiting AS MATERIALIZED (
        SELECT id FROM tasks WHERE state = 'analyzing' AND (lease_until IS NULL OR lease_until < :now_ms)
            AND NOT EXISTS (SELECT 1 FROM analyses a WHERE a.task_id = tasks.id AND a.state = 'waiting')
        ORDER BY updated_ms, id LIMIT :limit FOR UPDATE SKIP LOCKED)
    UPDATE tasks SET lease_owner = :owner, lease_token = lease_token + 1, lease_until = :lease_until,
        updated_ms = :now_ms
    WHERE state = 'analyzing' AND id IN (SELECT id FROM waiting)
    RETURNING $columns
    """,
    CallTask,
)
_LEFT_BY = with_columns(
    "SELECT $columns FROM tasks WHERE state IN ('claimed', 'in_call') AND lease_owner = :owner"
    " ORDER BY lease_until, id",
    CallTask,
)
_RENEW = """
    UPDATE tasks SET lease_until = :lease_until
    WHERE tenant_id = :tenant_id AND id = :task_id AND lease_token = :token AND lease_owner IS NOT NULL
"""
_EXPIRED = with_columns(
    """
    SELECT $columns FROM tasks WHERE state IN ('claimed', 'in_call') AND lease_until < :now_ms
        AND (:owner IS NULL OR lease_owner = :owner)
        AND (state = 'claimed' OR NOT EXISTS (SELECT 1 FROM calls c WHERE c.task_id = tasks.id
            AND c.state <> 'ended' AND c.created_ms >= :unasked_ms))
    ORDER BY lease_until, id FOR UPDATE SKIP LOCKED
    """,
    CallTask,
)
"""Longest expired first. Ordered by the id alone, SQLite reads every task in its order."""
_ANY_EXPIRED = _EXPIRED.replace("FOR UPDATE SKIP LOCKED", "LIMIT 1")
_NEVER = 2**62


async def claim_due(
    db: Database, now_ms: int, owner: str, lease_ms: int, limit: int, *, most_alive: int | None = None
) -> list[CallTask]:
    """Claim up to `limit` due tasks, most urgent first; each goes to one caller only. Lanes (campaigns, a tenant's
    single tasks) take turns, and one whose cap is reached is passed over.

    `most_alive`: how many tasks may be claimed or in a call at the same time, over every engine of this database.
    It and the caps are taken as they were seen just before: engines that look in the same moment may claim more
    together than there is room for. Nobody is dialed for it: admission asks every cap again, one at a time.
    """
    if limit <= 0:
        return []
    heads, room = await lanes.heads(db, now_ms, limit)
    places = limit if most_alive is None else min(limit, most_alive - room.alive)
    shares = [
        {
            "owner": owner,
            "now_ms": now_ms,
            "lease_until": now_ms + lease_ms,
            "lane": share.head.lane,
            "priority": share.head.priority,
            "limit": share.count,
        }
        for share in share_out(heads, places, room.lanes, room.tenants)
    ]
    if len(shares) == 1:  # a statement commits by itself: two ways less to a server
        rows = await db.change(_CLAIM, shares[0])
    elif shares:
        async with db.tx() as tx:
            rows = [row for share in shares for row in await tx.change(_CLAIM, share)]
    else:
        return []
    claimed = [to_struct(CallTask, row) for row in rows]
    return sorted(claimed, key=lambda task: (-task.priority, task.next_action_time, task.id))


async def claim_analysis(sql: Writer, now_ms: int, owner: str, lease_ms: int, limit: int) -> list[CallTask]:
    """Claim tasks that wait for a conclusion by rule and that nobody is working on, longest waiting first.

    Those that wait for a text model are claimed by `analyses.claim_due`.
    """
    params = {"owner": owner, "now_ms": now_ms, "lease_until": now_ms + lease_ms, "limit": limit}
    claimed = [to_struct(CallTask, row) for row in await sql.change(_CLAIM_ANALYSIS, params)]
    return sorted(claimed, key=lambda task: task.id)


async def renew(sql: Writer, tenant_id: str, task_id: str, token: int, lease_until: int) -> bool:
    """Prolong a lease. False: it is lost, stop working on the task."""
    params = {"tenant_id": tenant_id, "task_id": task_id, "token": token, "lease_until": lease_until}
    return await sql.execute(_RENEW, params) == 1


async def release(
    tx: Tx, tenant_id: str, task_id: str, token: int, next_action_time: int, *, now_ms: int
) -> CallTask:
    """Put a claimed task back without an attempt (no capacity, drain). Raises LeaseLost or IllegalTransition."""
    task = await tasks.get(tx, tenant_id, task_id)
    tasks.check_token(task, token)
    await _close_abandoned(tx, task, "put back before anybody was dialed", now_ms)
    task = msgspec.structs.replace(after(task, TaskEvent.RELEASE, now_ms), next_action_time=next_action_time)
    await tasks.save(tx, task)
    return task


async def left_by(sql: Reader, owner: str) -> list[CallTask]:
    """Tasks that `owner` has claimed or is calling; after a restart, those that its former self left."""
    return [to_struct(CallTask, row) for row in await sql.fetch(_LEFT_BY, {"owner": owner})]


async def adopt(tx: Tx, tenant_id: str, task_id: str, owner: str, lease_until: int) -> CallTask:
    """Take over a task whose call is still alive on the exchange, after its process died. New token, same state.

    Raises IllegalTransition when the task is in no call.
    """
    task = await tasks.get(tx, tenant_id, task_id)
    if task.state is not TaskState.IN_CALL:
        raise IllegalTransition(f"The task is {task.state}; only one with a call in progress can be adopted.")
    task = msgspec.structs.replace(
        task, lease_owner=owner, lease_token=task.lease_token + 1, lease_until=lease_until
    )
    await tasks.save(tx, task)
    return task


async def recover_expired(
    tx: Tx,
    now_ms: int,
    *,
    held: Collection[str] = (),
    owner: str | None = None,
    longest_call_ms: int = 0,
) -> list[CallTask]:
    """Settle what dead processes left: claimed -> pending at once, in_call -> analyzing with the call `lost`.

    `held`: tasks that the asking process is calling now; a clock set forward or a store that was away must not
    take them from it. `owner`: only what this engine held, since what a dead one held is settled through its own
    Asterisk (`app.calls.estate`); None: whatever ran out. `longest_call_ms`: a call begun less than that ago may
    live on the exchange, and whoever can ask it decides (`app.calls.settle`); 0: nobody will ask. Answers the
    tasks in their new state.
    """
    recovered: list[CallTask] = []
    expired = {
        "now_ms": now_ms,
        "owner": owner,
        "unasked_ms": now_ms - longest_call_ms if longest_call_ms else _NEVER,
    }
    if not await tx.fetch(_ANY_EXPIRED, expired):  # without locks: DIALING comes first
        return recovered
    await tx.exclusive(DIALING)  # an intent that is being committed this moment is either seen or kept from it
    for row in await tx.fetch(_EXPIRED, expired):
        task = to_struct(CallTask, row)
        if task.id in held:
            continue
        recovered.append(await recover(tx, task, "the process that ran the call vanished", now_ms))
    return recovered


async def recover(tx: Tx, task: CallTask, detail: str, now_ms: int) -> CallTask:
    """Settle one task whose lease ran out: claimed -> pending, in_call -> analyzing with the call `lost`."""
    await _close_abandoned(tx, task, detail, now_ms)
    task = await tasks.get(tx, task.tenant_id, task.id)
    if task.state in {TaskState.CLAIMED, TaskState.IN_CALL}:
        task = after(task, TaskEvent.LEASE_EXPIRED, now_ms)
    task = msgspec.structs.replace(task, lease_owner=None, lease_until=None)
    await tasks.save(tx, task)
    return task


async def _close_abandoned(tx: Tx, task: CallTask, detail: str, now_ms: int) -> None:
    """End the row of an attempt nobody follows any more; the task itself is left as it is."""
    try:
        call = await calls.alive_of_task(tx, task.tenant_id, task.id)
    except NotFoundError:
        return
    dialed = task.state is TaskState.IN_CALL
    end = CallEnd(
        call_id=call.id,
        outcome="lost" if dialed else "canceled",
        ended_by="system_failure",
        dialed=dialed,
        detail=detail,
        ended_ms=now_ms,
    )
    await attempts.close_row(tx, call, end, now_ms)
