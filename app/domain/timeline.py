"""The time line of one task: what happened to it, why it waits, what comes next. Pure; rows come from
`app.store.timeline`, the page "Tasks" and the API show it.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from app.domain.analysis.judgement import Decision
from app.domain.call import Call
from app.domain.feedback import FeedbackRequest
from app.domain.local_time import told
from app.domain.task import CallTask, TaskState
from app.domain.task_change import (
    CancelTask,
    PutOnHold,
    ReleaseHold,
    Reschedule,
    SetPriority,
    TaskChange,
)

Kind = Literal[
    "created", "blocked", "attempt", "judged", "asked", "answered", "changed", "lifecycle", "settled", "next"
]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One point of the lane. `times`: how often the same thing happened, the last time at `at_ms`."""

    at_ms: int
    kind: Kind
    title: str
    detail: str = ""
    call_id: str | None = None
    actor: str = ""
    times: int = 1


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that put the task off, or settled it."""

    rule: str
    sentence: str
    until_ms: int | None
    times: int
    last_ms: int


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What was made of a call's talk; `decision` None: it still waits, `error` says for what."""

    call_id: str
    at_ms: int
    decision: Decision | None
    error: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a person changed."""

    actor: str
    change: TaskChange
    at_ms: int


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of a task."""

    task: CallTask
    calls: Sequence[Call] = ()
    blocked: Sequence[Blocked] = ()
    judged: Sequence[Judged] = ()
    asked: Sequence[FeedbackRequest] = ()
    changes: Sequence[Change] = ()
    extra: Sequence[Entry] = ()


def timeline(known: History, zones: Sequence[str] = ()) -> list[Entry]:
    """Oldest first; what comes next is last. `zones`: the callee's, in which times are told."""
    task = known.task
    entries = [
        Entry(at_ms=task.created_ms, kind="created", title="Created", detail=task.objective),
        *(_blocked(one, zones) for one in known.blocked),
        *(_attempt(call) for call in known.calls),
        *(_judged(one, zones) for one in known.judged),
        *(entry for one in known.asked for entry in _asked(one)),
        *(_changed(one, zones) for one in known.changes),
        *known.extra,
    ]
    entries.sort(key=lambda entry: entry.at_ms)
    return [*entries, *_ahead(task, zones)]


def _blocked(one: Blocked, zones: Sequence[str]) -> Entry:
    until = f" until {told(one.until_ms, zones)}" if one.until_ms is not None else " for good"
    title = f"Blocked by rule {one.rule}{until}"
    return Entry(at_ms=one.last_ms, kind="blocked", title=title, detail=one.sentence, times=one.times)


def _attempt(call: Call) -> Entry:
    what = "They called back" if call.direction == "inbound" else f"Attempt {call.attempt_number}"
    said = call.outcome.replace("_", " ") if call.outcome else str(call.state)
    if call.outcome and not call.dialed and call.direction == "outbound":
        said += ", nobody was dialed"
    by = f", ended by {call.ended_by.replace('_', ' ')}" if call.ended_by else ""
    answered = f"answered by {call.answered_by.replace('_', ' ')}" if call.answered_by else ""
    detail = "; ".join(part for part in (answered, call.detail) if part)
    return Entry(
        at_ms=call.dialing_ms or call.created_ms,
        kind="attempt",
        title=f"{what}: {said}{by}",
        detail=detail,
        call_id=call.id,
    )


def _judged(one: Judged, zones: Sequence[str]) -> Entry:
    if one.decision is None:
        waits = f"Last try: {one.error}" if one.error else ""
        return Entry(
            at_ms=one.at_ms, kind="judged", title="The talk waits to be judged", detail=waits, call_id=one.call_id
        )
    conclusion = one.decision.conclusion
    at = f" at {told(conclusion.retry_at_ms, zones)}" if conclusion.retry_at_ms is not None else ""
    parts = (one.decision.summary, conclusion.reason, *one.decision.doubts)
    return Entry(
        at_ms=one.at_ms,
        kind="judged",
        title=f"Judged: {one.decision.action}{at}",
        detail=" ".join(dict.fromkeys(part for part in parts if part)),
        call_id=one.call_id,
    )


def _asked(one: FeedbackRequest) -> Iterator[Entry]:
    yield Entry(at_ms=one.created_ms, kind="asked", title="Asked you", detail=one.question, call_id=one.call_id)
    if one.answered_ms is not None:
        yield Entry(
            at_ms=one.answered_ms,
            kind="answered",
            title="Answered",
            detail=one.answer or "",
            actor=f"user:{one.answered_by}" if one.answered_by else "",
        )


def _changed(one: Change, zones: Sequence[str]) -> Entry:
    title, detail = change_words(one.change, zones)
    return Entry(at_ms=one.at_ms, kind="changed", title=title, detail=detail, actor=one.actor)


def change_words(change: TaskChange, zones: Sequence[str] = ()) -> tuple[str, str]:
    """(what was done, why)."""
    match change:
        case SetPriority(priority=priority):
            return f"Priority set to {priority}", ""
        case PutOnHold(until_ms=until_ms, reason=reason):
            return f"Put on hold until {told(until_ms, zones)}", reason
        case ReleaseHold():
            return "Hold released", ""
        case Reschedule(at_ms=at_ms):
            return f"Moved to {told(at_ms, zones)}", ""
        case CancelTask(reason=reason):
            return "Cancelled", reason


def _ahead(task: CallTask, zones: Sequence[str]) -> Iterator[Entry]:
    if task.state is TaskState.PENDING:
        left = task.max_attempts - task.current_attempt_count
        yield Entry(
            at_ms=task.next_action_time,
            kind="next",
            title=f"Due {told(task.next_action_time, zones)}",
            detail=f"{left} of {task.max_attempts} attempts left. {task.overall_conclusion}".strip(),
        )
    elif task.state in {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.SUPPRESSED}:
        title = f"Settled: {task.state}"
        yield Entry(at_ms=task.updated_ms, kind="settled", title=title, detail=task.overall_conclusion)
