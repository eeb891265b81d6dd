"""What follows an ended call: the rule of `app.domain.retry` applied to the stored rows, in one transaction."""

import msgspec

from app.calls.board import Switchboard
from app.domain import callback, retry
from app.domain.call import Call
from app.domain.task import CallTask, TaskState
from app.store import calls, commands, events, tasks
from app.store.db import Reader


class _Counters(msgspec.Struct):
    packets_received: int = 1


class _Closed(msgspec.Struct):
    """What of the event `leg_closed` is read here."""

    statistics: _Counters = msgspec.field(default_factory=_Counters)


async def conclude_task(board: Switchboard, task: CallTask, token: int) -> CallTask:
    """Conclude a task that is being analyzed; any other task is answered unchanged. Raises StoreError, LeaseLost.

    Works from the stored call only, so a process that found the task after a crash concludes it just the same.
    """
    now_ms = board.clock.unix_ms()
    async with board.db.tx() as tx:
        task = await tasks.get(tx, task.tenant_id, task.id)
        if task.state is not TaskState.ANALYZING:
            return task
        last = (await calls.of_task(tx, task.tenant_id, task.id))[-1]
        attempt = retry.attempt_of(task, last, received=await _received(tx, last))
        if last.direction == "inbound":
            conclusion = callback.conclude_callback(task, last, attempt, now_ms)
        else:
            conclusion = retry.conclude(attempt, now_ms)
        if (wish := await commands.rescheduled(tx, task.tenant_id, last.id)) is not None:
            conclusion = retry.rescheduled(attempt, conclusion, wish.wished_ms, now_ms)
        return await tasks.conclude(tx, task.tenant_id, task.id, token, conclusion, now_ms=now_ms)


async def _received(sql: Reader, call: Call) -> bool:
    """Whether audio of the callee ever came, by the counters of the media leg; True where they are missing."""
    closed = await events.newest(sql, call.tenant_id, call.id, "leg_closed")
    try:
        counted = msgspec.convert(closed.data if closed is not None else {}, _Closed)
    except msgspec.ValidationError:
        return True
    return counted.statistics.packets_received > 0
