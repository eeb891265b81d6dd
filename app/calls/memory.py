"""What the agent of a call shall remember: its last talks with this recipient, and what its own side answered.

Loaded once, before the call, and kept for its whole length. Never anything of another tenant, another number or
another agent. Used by `app.scheduler`, `app.calls.inbound` and `app.calls.adopt`.
"""

from collections.abc import Sequence

from app.calls.briefing import TURNS_TOLD, Conversation, told_earlier
from app.calls.frames import quoted
from app.domain.call import Call, Turn
from app.domain.feedback import FeedbackRequest, FeedbackState, asks_way, way_of
from app.domain.fields import Said
from app.domain.task import NOTES_MARK, CallTask
from app.store import feedback, recipients, transcripts
from app.store.db import Reader

CALLS_TOLD = 5
QUESTION_CHARACTERS = 500


async def earlier(sql: Reader, task: CallTask, *, but: str = "") -> str:
    """The last conversations of the task's agent with its recipient, over all tasks, and the answers of people
    about this task. `but`: the present call, which is none of them. Empty when there is nothing.
    """
    before = await recipients.talks(sql, task.tenant_id, task.agent_id, task.number, limit=CALLS_TOLD, but=but)
    told = [
        Conversation(
            call=one.call,
            turns=await transcripts.last_turns(sql, task.tenant_id, one.call.id, TURNS_TOLD),
            objective=one.objective.partition(NOTES_MARK)[0],
            summary=one.summary,
        )
        for one in before
    ]
    return await _with_answers(sql, task.tenant_id, task.id, told)


async def remembered(sql: Reader, tenant_id: str, task_id: str, before: Sequence[Call]) -> str:
    """Of a call-back, in which anybody may speak: only the calls `before` about its task, oldest first, and what
    people answered about it.
    """
    told = [
        Conversation(call=one, turns=await transcripts.last_turns(sql, tenant_id, one.id, TURNS_TOLD))
        for one in before[-CALLS_TOLD:]
    ]
    return await _with_answers(sql, tenant_id, task_id, told)


async def _with_answers(sql: Reader, tenant_id: str, task_id: str, told: Sequence[Conversation]) -> str:
    asked = told_answers(await feedback.of_task(sql, tenant_id, task_id))
    return "\n".join(part for part in (told_earlier(told), asked) if part)


def told_answers(requests: Sequence[FeedbackRequest]) -> str:
    """Questions the agent had put to its own side, each with its answer, and what people said after a call."""
    lines = [
        _told(one)
        for one in requests
        if one.state is FeedbackState.ANSWERED and not (asks_way(one) and way_of(one.answer or ""))
    ]
    head = "Your own side has answered what you had asked. Use it within your rules, and begin with it:"
    return "\n".join([head, *lines]) if lines else ""


def _told(one: FeedbackRequest) -> str:
    answer = quoted(one.answer or "", QUESTION_CHARACTERS)
    if asks_way(one):
        return f"- After the last call they said: {answer}"
    return f"- You asked: {quoted(one.question, QUESTION_CHARACTERS)} They answered: {answer}"


def said_by_callee(turns: Sequence[Turn]) -> tuple[Said, ...]:
    """The turns that may prove a value."""
    return tuple(
        Said(
            item_id=turn.item_id,
            text=turn.text,
            start_audio_ms=turn.start_audio_ms,
            end_audio_ms=turn.end_audio_ms,
        )
        for turn in turns
        if turn.speaker == "callee"
    )
