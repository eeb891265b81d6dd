"""What follows an ended call, from the stored rows, in one transaction: the rule of `app.domain.retry`, or, for
a talk, a place in the queue of `app.llm.analyst`.
"""

import msgspec

from app.calls import wished_time
from app.calls.board import Switchboard
from app.calls.errands import opt_out_proof
from app.calls.second_thought import TAKEN_BACK
from app.domain import callback, retry
from app.domain.analysis.opt_out import opt_out
from app.domain.analysis.reach import reach_of
from app.domain.call import Call
from app.domain.retry import Conclusion
from app.domain.task import SETTLED, CallTask, TaskEvent, TaskState
from app.store import admission, analyses, calls, commands, dnd, events, feedback, tasks, transcripts
from app.store.db import DIALING, Reader, Tx


class _Counters(msgspec.Struct):
    packets_received: int = 1


class _Closed(msgspec.Struct):
    """What of the event `leg_closed` is read here."""

    statistics: _Counters = msgspec.field(default_factory=_Counters)


async def conclude_task(board: Switchboard, task: CallTask, token: int) -> CallTask:
    """Conclude a task that is being analyzed; any other task is answered unchanged. Raises StoreError, LeaseLost.

    Works from the stored call only, so a process that found the task after a crash concludes it just the same.
    A talk that a text model shall judge stays in analysis, without a claim.
    """
    now_ms = board.clock.unix_ms()
    async with board.db.tx() as tx:
        await tx.exclusive(DIALING)  # an opt-out may have to be listed
        task = await tasks.get(tx, task.tenant_id, task.id)
        made = await calls.of_task(tx, task.tenant_id, task.id)
        if task.state is not TaskState.ANALYZING:
            if task.state in SETTLED and made and made[-1].direction == "inbound":
                await _list_opt_out(tx, task, made[-1], now_ms)  # they called back, and no judgement follows
            return task
        last = made[-1]
        attempt = retry.attempt_of(task, last, received=await _received(tx, last))
        conclusion = await _list_opt_out(tx, task, last, now_ms)  # at once: the model may be away for hours
        parked = await feedback.unanswered(tx, task, last, now_ms) if conclusion is None else None
        if parked is None and board.settings.analysis == "model" and retry.needs_judgement(attempt):
            tasks.check_token(task, token)
            return await analyses.queue(tx, task, last.id, now_ms)
        conclusion = conclusion or parked
        if conclusion is None:
            reach = reach_of(
                task,
                await admission.policy_of(tx, task, board.site),
                hold_s=board.settings.ring_timeout_s,
                now_ms=now_ms,
                fictional=board.site.fictional,
            )
            wished, undone = wished_time.KIND, TAKEN_BACK  # whoever went on talking wished something else then
            noted = await events.standing(tx, task.tenant_id, last.id, wished, undone_by=undone)
            wish = await commands.rescheduled(tx, task.tenant_id, last.id)
            attempt = attempt if wish is None else retry.ordered(attempt)
            conclusion = wished_time.wished(noted, attempt, reach) or _by_rule(task, last, attempt, now_ms)
            if wish is not None:
                conclusion = retry.rescheduled(attempt, conclusion, wish.wished_ms, now_ms)
        if conclusion.event is TaskEvent.ASK_USER and parked is None and not _in_vain(last):
            await feedback.ask_way(tx, task, last.id, conclusion.reason, now_ms)
        return await tasks.conclude(tx, task.tenant_id, task.id, token, conclusion, now_ms=now_ms)


def _by_rule(task: CallTask, last: Call, attempt: retry.Attempt, now_ms: int) -> Conclusion:
    if last.direction == "inbound":
        return callback.conclude_callback(task, last, attempt, now_ms)
    return retry.conclude(attempt, now_ms)


def _in_vain(last: Call) -> bool:
    """They called back without a talk: a task that waited for an answer waits for the same one."""
    return last.direction == "inbound" and last.answered_ms is None


async def _list_opt_out(tx: Tx, task: CallTask, call: Call, now_ms: int) -> Conclusion | None:
    """Who plainly asked for no more calls is listed, and what waits for that number is suppressed.

    The conclusion is for when no text model is asked; None: nothing of the kind was said.
    """
    turns = await transcripts.list_turns(tx, task.tenant_id, call.id)
    heard = opt_out(turns)
    if heard is None and (noted := await events.newest(tx, task.tenant_id, call.id, "opt_out")) is not None:
        heard = opt_out_proof(turns, str(noted.data.get("detail", "")))  # the agent understood what no rule did
    if heard is None:
        return None
    await dnd.add(tx, dnd.spoken(task, call.id, heard, now_ms), now_ms)
    return Conclusion(
        event=TaskEvent.SUPPRESS, reason=f"The callee asked not to be called again: {heard.quote[:200]!r}."
    )


async def _received(sql: Reader, call: Call) -> bool:
    """Whether audio of the callee ever came, by the counters of the media leg; True where they are missing."""
    closed = await events.newest(sql, call.tenant_id, call.id, "leg_closed")
    try:
        counted = msgspec.convert(closed.data if closed is not None else {}, _Closed)
    except msgspec.ValidationError:
        return True
    return counted.statistics.packets_received > 0
