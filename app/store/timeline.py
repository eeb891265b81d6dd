"""Collects what is known of one task for its time line."""

import msgspec

from app.domain.lifecycle.model import ACTOR
from app.domain.lifecycle.words import words
from app.domain.policy.zones import Zones, zones_of
from app.domain.task import CallTask
from app.domain.timeline import Blocked, Change, Entry, History, Judged, timeline
from app.store import analyses, calls, decisions, feedback, lifecycle, task_changes, tasks
from app.store.db import Reader


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A task and its time line. `zones` are the callee's, IANA names; empty when nobody knows them."""

    task: CallTask
    entries: list[Entry]
    zones: tuple[str, ...]


async def of_task(sql: Reader, tenant_id: str, task_id: str) -> Told:
    """Raises NotFoundError."""
    task = await tasks.get(sql, tenant_id, task_id)
    zones = zones_of(task.number, task.callee_zone)
    keys = zones.keys if isinstance(zones, Zones) else ()
    refused = [one for one in await decisions.of_task(sql, tenant_id, task_id, 50) if one.result != "dial"]
    known = History(
        task=task,
        calls=await calls.of_task(sql, tenant_id, task_id),
        blocked=[
            Blocked(
                rule=one.rule,
                sentence=one.sentence,
                until_ms=one.until_ms,
                times=one.times,
                last_ms=one.last_ms,
            )
            for one in refused
        ],
        judged=[
            Judged(
                call_id=one.call_id,
                at_ms=one.done_ms or one.created_ms,
                decision=one.decided,
                error=one.last_error,
            )
            for one in await analyses.of_task(sql, tenant_id, task_id)
        ],
        asked=await feedback.of_task(sql, tenant_id, task_id),
        changes=[
            Change(actor=one.actor, change=one.change, at_ms=one.at_ms)
            for one in await task_changes.noted(sql, tenant_id, task_id)
        ],
        extra=[entry for one in await lifecycle.of_task(sql, tenant_id, task_id) for entry in _decided(one, keys)],
    )
    return Told(task=task, entries=timeline(known, keys), zones=keys)


def _decided(one: lifecycle.StoredDecision, zones: tuple[str, ...]) -> list[Entry]:
    """A decision of the lifecycle agent, and its undoing."""
    title = words(one.action, one.before, one.after, zones)
    found = [Entry(at_ms=one.created_ms, kind="lifecycle", title=title, detail=one.reason, actor=ACTOR)]
    if one.undone_ms is not None:
        undone = Entry(at_ms=one.undone_ms, kind="changed", title=f"Undone: {title}", actor=one.undone_by or "")
        found.append(undone)
    return found
