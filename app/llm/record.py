"""Writes down what was decided about an ended call: one transaction, fenced by the claim of the task."""

import re

import msgspec

from app.domain import retry
from app.domain.analysis.decide import carried
from app.domain.analysis.judgement import Decision, Judgement, ProvenValue
from app.domain.call import Call
from app.domain.report import FIELD_NAME
from app.domain.task import NOTES_MARK, CallTask, TaskEvent, TaskState
from app.llm.analysis import PROMPT_VERSION
from app.llm.model import Reply, paid
from app.store import analyses, commands, dnd, feedback, results, tasks, usage
from app.store.analyses import Examined
from app.store.db import Tx
from app.store.results import ResultValue

NOTES_CHARACTERS = 1_000
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+", re.IGNORECASE)


async def record(
    tx: Tx, task: CallTask, call: Call, decision: Decision, examined: Examined, *, now_ms: int
) -> CallTask:
    """Conclude the task by the decision, once. Raises LeaseLost, StoreError; then nothing was written.

    An opt-out is listed, and every waiting task to that number is taken off the queue, in the same transaction.
    An operator's wish for another time outweighs the model's, never an opt-out. Where only a person can say how it
    goes on, they are asked.
    """
    current = await tasks.get(tx, task.tenant_id, task.id)
    tasks.check_token(current, task.lease_token)
    if current.state is not TaskState.ANALYZING:
        return current
    conclusion = decision.conclusion
    if decision.opt_out is not None:
        await dnd.add(tx, dnd.spoken(current, call.id, decision.opt_out, now_ms), now_ms)
    elif (wish := await commands.rescheduled(tx, task.tenant_id, call.id)) is not None:
        otherwise = retry.Conclusion(event=TaskEvent.COMPLETE, reason=decision.summary)
        conclusion = retry.rescheduled(retry.attempt_of(current, call), otherwise, wish.wished_ms, now_ms)
    conclusion = await tasks.taken(tx, current, conclusion)
    if decision.revised_instructions and conclusion.event is TaskEvent.RETRY:
        await tasks.save(tx, with_notes(current, decision.revised_instructions))
    concluded = carried(decision, conclusion)
    await analyses.finish(tx, current, call.id, examined, concluded, now_ms=now_ms)
    found = [_value(one, call.id, now_ms) for one in decision.collected if FIELD_NAME.fullmatch(one.field)]
    await results.note(
        tx, task.tenant_id, task.id, call.id, found, outcome=decision.outcome, replaces=False, now_ms=now_ms
    )
    if conclusion.event is TaskEvent.ASK_USER:
        await feedback.ask_way(tx, current, call.id, conclusion.reason, now_ms)
    return await tasks.conclude(tx, task.tenant_id, task.id, task.lease_token, conclusion, now_ms=now_ms)


def _value(one: ProvenValue, call_id: str, now_ms: int) -> ResultValue:
    return ResultValue(
        field=one.field,
        value=msgspec.json.encode(one.value).decode(),
        call_id=call_id,
        item_id=one.proof.item_id,
        quote=one.proof.quote,
        audio_ms=one.proof.audio_ms,
        at_ms=now_ms,
    )


async def charge(tx: Tx, task: CallTask, call_id: str, reply: Reply, at_ms: int) -> None:
    """Put the cost of one answer on the call, whatever the answer was worth."""
    used = reply.usage
    entry = usage.Usage(
        kind="response",
        ref=reply.reply_id,
        model=reply.model,
        status="analysis",
        input_text_tokens=used.input_tokens if used else 0,
        input_cached_text_tokens=used.cached_tokens if used else 0,
        output_text_tokens=used.output_tokens if used else 0,
        cost_micro_usd=reply.cost_micro_usd,
        price_table=reply.price_table,
    )
    await usage.add(tx, task.tenant_id, call_id, entry, at_ms)


def examined_by(model: str, replies: tuple[Reply, ...], judgement: Judgement | None) -> Examined:
    """Model, tokens and cost of an examination; one unknown cost makes the sum unknown."""
    return Examined(
        model=model if replies else "",
        prompt_version=PROMPT_VERSION if replies else "",
        **msgspec.structs.asdict(paid(replies)),
        judgement=judgement,
    )


def with_notes(task: CallTask, notes: str) -> CallTask:
    """The task with notes for its next attempt: the newest ones only, without web addresses, as information."""
    told = task.generated_agent_prompt or task.objective
    kept = _ADDRESS.sub("[address left out]", notes).strip()[:NOTES_CHARACTERS]
    return msgspec.structs.replace(task, generated_agent_prompt=told.split(NOTES_MARK)[0] + NOTES_MARK + kept)
