"""What the agent of a call shall remember: earlier calls about its task, and what its own side answered since.

Loaded once, before the call. Used by `app.scheduler` and `app.calls.inbound`.
"""

from collections.abc import Sequence

from app.calls.briefing import told_earlier
from app.domain.call import Call, Turn
from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.fields import Said
from app.store import calls, feedback, transcripts
from app.store.db import Reader

CALLS_TOLD = 5


async def earlier(sql: Reader, tenant_id: str, task_id: str) -> str:
    """Of a task that is called again: its last talks and the answers that came since; empty for a first call."""
    ended = [one for one in await calls.of_task(sql, tenant_id, task_id) if one.answered_ms is not None]
    return await remembered(sql, tenant_id, task_id, ended[-CALLS_TOLD:])


async def remembered(sql: Reader, tenant_id: str, task_id: str, before: Sequence[Call]) -> str:
    """The calls `before`, oldest first, and what people answered about the task."""
    told = [(one, await transcripts.list_turns(sql, tenant_id, one.id)) for one in before]
    asked = told_answers(await feedback.of_task(sql, tenant_id, task_id))
    return "\n".join(part for part in (told_earlier(told), asked) if part)


def told_answers(requests: Sequence[FeedbackRequest]) -> str:
    """Questions the agent had put to its own side, each with its answer."""
    lines = [
        f"- You asked: {one.question} They answered: {one.answer}"
        for one in requests
        if one.state is FeedbackState.ANSWERED
    ]
    head = "Your own side has answered what you had asked. Use it within your rules, and begin with it:"
    return "\n".join([head, *lines]) if lines else ""


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
