"""What follows from a decision of admission and from the end of a call, beside the rows of task and call
themselves: the decision kept, the trunk's token, money, breaker, lane, and the count of silent calls.
"""

import msgspec

from app.domain.admission import Decision, Defer, Suppress
from app.domain.admission_site import Site
from app.domain.pacing import taken
from app.domain.retry import NO_PERSON, VOICEMAIL
from app.domain.task import CallTask, TaskEvent, TaskState, after
from app.store import answer_hours, breakers, budgets, campaign_figures, decisions, history, lanes, tasks, trunks
from app.store.admission import Judged
from app.store.db import Tx

ENDS_AS = {
    "number": TaskEvent.FAIL,
    "task": TaskEvent.FAIL,
    "deadline": TaskEvent.FAIL,
    "campaign": TaskEvent.CANCEL,
}
"""How a refusal for good settles a task; every other rule says that the callee may not be called."""
LANE_HOLD_MAX_MS = 60_000
"""A lane is asked again at least this often: somebody may have changed a budget or a campaign."""
OF_THE_LANE = frozenset({"hold", "campaign", "budget"})
"""Rules that object to every task of the lane alike."""
SILENT_AFTER_MS = 2_000
"""A call that a person may have answered and in which no agent was heard for this long was silent: packs say
"answered within 2 s". Voicemail, a fax or an announcement of the network is nobody who could be abandoned.
"""

_ENDED = """
    SELECT coalesce(t.campaign_id, t.tenant_id), t.campaign_id, c.outcome, c.answered_ms, c.ended_ms,
        (SELECT count(*) FROM call_events e WHERE e.call_id = c.id AND e.kind = 'agent_speaking'),
        CASE WHEN c.dialed = 1 AND c.direction = 'outbound' THEN coalesce(c.ringing_ms, c.dialing_ms) END,
        c.number_requested, t.callee_zone, c.answered_by
    FROM calls c JOIN tasks t ON t.id = c.task_id WHERE c.tenant_id = :tenant_id AND c.id = :call_id
"""
_SILENT = "UPDATE calls SET silent = 1 WHERE tenant_id = :tenant_id AND id = :call_id"


async def settle(tx: Tx, task: CallTask, decision: Decision, now_ms: int) -> CallTask:
    """Carry out a refusal on a task that is pending or claimed: put off until its time, or settled with the
    sentence.

    No attempt is used. A rule that objects to the whole lane holds the lane.
    """
    match decision:
        case Defer(until_ms=until_ms, rule=rule, sentence=sentence):
            if rule in OF_THE_LANE:
                await lanes.hold(tx, task.lane, rule, sentence, min(until_ms, now_ms + LANE_HOLD_MAX_MS))
            put_off = after(task, TaskEvent.RELEASE, now_ms) if task.state is TaskState.CLAIMED else task
            task = msgspec.structs.replace(put_off, next_action_time=until_ms)
        case Suppress(rule=rule, sentence=sentence):
            settled = after(task, ENDS_AS.get(rule, TaskEvent.SUPPRESS), now_ms)
            task = msgspec.structs.replace(settled, overall_conclusion=sentence)
        case _:
            raise ValueError("only a refusal is settled here")
    await tasks.save(tx, task)
    await decisions.add(tx, task.tenant_id, task.id, decision, now_ms)
    return task


async def dialing(tx: Tx, task: CallTask, call_id: str, judged: Judged, now_ms: int, *, site: Site) -> None:
    """A call begins: keep why, take the trunk's token, set its cost aside, tell the breaker."""
    await decisions.add(tx, task.tenant_id, task.id, judged.decision, now_ms, call_id=call_id)
    bucket = await trunks.bucket(tx, site.trunk, site.calls_per_second, now_ms)
    await trunks.put(tx, site.trunk, taken(bucket))
    await budgets.reserve(tx, judged.accounts, call_id, site.reserve_micro_usd)
    await breakers.begun(tx, task.lane, call_id, now_ms)


async def ended(tx: Tx, tenant_id: str, call_id: str, now_ms: int) -> None:
    """A call has just ended, by whatever road."""
    row = await tx.one(_ENDED, {"tenant_id": tenant_id, "call_id": call_id})
    if row is None:
        return
    lane, campaign_id, outcome, answered_ms, ended_ms, spoke, rung_ms, number, zone, answered_by = row
    # Nobody is left waiting when a machine took the call, and no share of people counts it.
    live_ms = None if answered_by in VOICEMAIL | NO_PERSON else answered_ms
    silent = live_ms is not None and not spoke and ended_ms - live_ms >= SILENT_AFTER_MS
    if silent:
        await tx.execute(_SILENT, {"tenant_id": tenant_id, "call_id": call_id})
    if campaign_id is not None and live_ms is not None:
        await history.note_answered(tx, campaign_id, live_ms, silent=silent)
    if rung_ms is not None:
        answered = answered_ms is not None
        await answer_hours.note(
            tx, tenant_id, number, zone, rung_ms=rung_ms, answered=answered, answered_by=answered_by
        )
    if campaign_id is not None:
        await campaign_figures.call_ended(tx, tenant_id, call_id)
    await budgets.settle(tx, call_id)
    await breakers.ended(tx, lane, call_id, outcome, now_ms)
    await lanes.release(tx, lane, tenant_id)
