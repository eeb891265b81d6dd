"""What happens between two messages of a scripted brief: the plan is confirmed, its calls are made and judged.

Used by `app.llm.plan_trial` and tests: the rows are those that the product writes, without an exchange.
"""

from collections.abc import Sequence

from app.domain.admission_site import SIMULATION_PACK, Site
from app.domain.call import Call, CallEnd, NewCall
from app.domain.retry import Conclusion
from app.domain.task import CallTask, TaskEvent
from app.ids import new_id
from app.sim.text.briefs import Happened
from app.store import attempts, leases, tasks
from app.store.db import Database

OPEN_SITE = Site(packs=(SIMULATION_PACK,), fictional=True, number_calls_per_day=1_000, calls_per_second=1_000)
"""Whether a call may be made is not asked here: it was made."""
RING_MS = 20_000


async def calls_happen(db: Database, tenant_id: str, happened: Sequence[Happened], now_ms: int) -> int:
    """Call the due tasks of these numbers at `now_ms` and conclude them; answers how many calls there were."""
    wanted = {one.number: one for one in happened}
    if not wanted:
        return 0
    claimed = await leases.claim_due(db, now_ms, "trial", 600_000, 100)
    for task in claimed:
        if task.number in wanted:
            await _one(db, task, wanted[task.number], now_ms)
    return sum(task.number in wanted for task in claimed)


async def _one(db: Database, task: CallTask, happened: Happened, now_ms: int) -> None:
    attempt = NewCall(id=new_id(now_ms), task_id=task.id, node="trial", number_dialed=task.number)
    async with db.tx() as tx:
        await tx.execute("DELETE FROM trunk_buckets")  # nobody waits for the trunk's pace
        begun = await attempts.begin_call(tx, task.tenant_id, attempt, task.lease_token, now_ms, site=OPEN_SITE)
        assert isinstance(begun, Call), begun
        end = CallEnd(
            call_id=begun.id,
            outcome=happened.outcome,
            ended_by="callee",
            dialed=True,
            answered_ms=now_ms if happened.outcome == "completed" else None,
            ended_ms=now_ms + RING_MS,
        )
        task = await attempts.finish_call(tx, task.tenant_id, end, now_ms, token=task.lease_token)
    event = TaskEvent(happened.event)
    again_ms = now_ms + happened.again_h * 3_600_000 if event is TaskEvent.RETRY else None
    conclusion = Conclusion(event=event, reason=happened.summary, retry_at_ms=again_ms)
    async with db.tx() as tx:
        await tasks.conclude(tx, task.tenant_id, task.id, task.lease_token, conclusion, now_ms=now_ms + RING_MS)
