"""Answers "why is this task not called now?" out of the store alone, so that the console can ask as well."""

import msgspec

from app.domain.admission import Decision, Defer
from app.domain.admission_facts import Hold
from app.domain.admission_site import Site
from app.domain.local_time import told
from app.domain.task import CallTask, TaskState
from app.domain.why import Why, explain
from app.store import admission, calls, decisions, lanes, task_changes, tasks
from app.store.db import Reader
from app.store.decisions import StoredDecision


async def why(sql: Reader, tenant_id: str, task_id: str, site: Site, now_ms: int) -> Why:
    """Raises NotFoundError, StoreError. Asks the rules as they are now; a plan for later counts as a rule."""
    task = await tasks.get(sql, tenant_id, task_id)
    made = await calls.of_task(sql, tenant_id, task_id)
    judged = await _now(sql, task, site, now_ms) if task.state is TaskState.PENDING else None
    return explain(task, made[-1] if made else None, judged, now_ms)


async def _now(sql: Reader, task: CallTask, site: Site, now_ms: int) -> Decision:
    """What would be said this moment; a task that was put off keeps the reason for it."""
    held = await lanes.held(sql, task.lane, now_ms)
    hold = Hold(reason=held.reason, until_ms=held.until_ms) if held is not None and held.rule == "hold" else None
    decision = (await admission.judge(sql, task, site, now_ms, hold=hold)).decision
    if not isinstance(decision, Defer) or decision.rule != "due":
        return decision
    aside = await task_changes.hold_of(sql, task.tenant_id, task.id)
    if aside is not None and aside.holds(task, now_ms):
        sentence = f"The task is on hold until {told(aside.until_ms)}: {aside.reason}"
        return msgspec.structs.replace(decision, rule="task_hold", sentence=sentence, until_ms=aside.until_ms)
    last = await _last(sql, task)
    if last is not None and last.result == "defer" and last.until_ms == task.next_action_time:
        return msgspec.structs.replace(
            decision, rule=last.rule, sentence=last.sentence, until_ms=task.next_action_time
        )
    if task.overall_conclusion:
        return msgspec.structs.replace(decision, sentence=f"{task.overall_conclusion} {decision.sentence}")
    return decision


async def _last(sql: Reader, task: CallTask) -> StoredDecision | None:
    found = await decisions.of_task(sql, task.tenant_id, task.id, limit=1)
    return found[0] if found else None
