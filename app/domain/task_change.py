"""What a person, or the lifecycle agent, may change of a task that waits: priority, hold, time, cancel. Pure.

A task that is claimed, in a call or in analysis belongs to whoever holds its lease; nothing here touches it.
"""

import msgspec

from app.domain.local_time import told
from app.domain.task import SETTLED, CallTask, TaskEvent, TaskState, after
from app.errors import ConflictError, ValidationFailed

MAX_AHEAD_MS = 366 * 86_400_000
MAX_REASON = 300
WAITS = frozenset({TaskState.PENDING, TaskState.WAITING_USER})
_BUSY = {
    TaskState.CLAIMED: "Its call is being prepared this moment",
    TaskState.IN_CALL: "A call for this task is going on",
    TaskState.ANALYZING: "Its last call is being analyzed",
}


class SetPriority(msgspec.Struct, frozen=True, kw_only=True, tag="set_priority", tag_field="change"):
    """0..100; a higher one is dialed first."""

    priority: int


class PutOnHold(msgspec.Struct, frozen=True, kw_only=True, tag="hold", tag_field="change"):
    """Not before `until_ms`, for a reason people can read; then at once."""

    until_ms: int
    reason: str


class ReleaseHold(msgspec.Struct, frozen=True, kw_only=True, tag="release", tag_field="change"):
    """Back to the time the task had before it was held."""


class Reschedule(msgspec.Struct, frozen=True, kw_only=True, tag="reschedule", tag_field="change"):
    """The next attempt at `at_ms`; calling rules still decide whether the phone may ring then."""

    at_ms: int


class CancelTask(msgspec.Struct, frozen=True, kw_only=True, tag="cancel", tag_field="change"):
    """Nobody is called for it any more."""

    reason: str = ""


TaskChange = SetPriority | PutOnHold | ReleaseHold | Reschedule | CancelTask


class TaskHold(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `task_holds`. `placed_by` is an actor, as in the audit log."""

    task_id: str
    tenant_id: str
    until_ms: int
    before_ms: int
    reason: str
    placed_by: str
    since_ms: int

    def holds(self, task: CallTask, now_ms: int) -> bool:
        """Whether the task still waits because of it."""
        waits = task.state is TaskState.PENDING and task.next_action_time == self.until_ms
        return waits and now_ms < self.until_ms


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The task afterwards, and the hold on it if there is one."""

    task: CallTask
    hold: TaskHold | None


def changed(task: CallTask, hold: TaskHold | None, change: TaskChange, by: str, now_ms: int) -> Changed:
    """Raises ConflictError for a task that cannot be changed so now, ValidationFailed for an impossible value."""
    check_waits(task, parked_too=isinstance(change, SetPriority | CancelTask))
    hold = hold if hold is not None and hold.holds(task, now_ms) else None
    match change:
        case SetPriority(priority=priority):
            if not 0 <= priority <= 100:
                raise ValidationFailed("A priority lies between 0 and 100; a higher one is dialed first.")
            return Changed(task=msgspec.structs.replace(task, priority=priority, updated_ms=now_ms), hold=hold)
        case PutOnHold(until_ms=until_ms, reason=reason):
            _check_time(task, until_ms, now_ms)
            placed = TaskHold(
                task_id=task.id,
                tenant_id=task.tenant_id,
                until_ms=until_ms,
                before_ms=hold.before_ms if hold else task.next_action_time,
                reason=checked_reason(reason),
                placed_by=by,
                since_ms=now_ms,
            )
            return Changed(task=_at(task, until_ms, now_ms), hold=placed)
        case ReleaseHold():
            if hold is None:
                raise ConflictError("The task is not on hold.")
            return Changed(task=_at(task, hold.before_ms, now_ms), hold=None)
        case Reschedule(at_ms=at_ms):
            _check_time(task, at_ms, now_ms)
            return Changed(task=_at(task, at_ms, now_ms), hold=None)
        case CancelTask(reason=reason):
            said = " ".join(reason.split())[:MAX_REASON]
            ended = after(task, TaskEvent.CANCEL, now_ms)
            conclusion = f"Cancelled: {said}" if said else "Cancelled."
            return Changed(task=msgspec.structs.replace(ended, overall_conclusion=conclusion), hold=None)


def check_waits(task: CallTask, *, parked_too: bool) -> None:
    """Raises ConflictError with why the task cannot be changed now."""
    if task.state in _BUSY:
        raise ConflictError(f"{_BUSY[task.state]}; try again when that is over.")
    if task.state in SETTLED:
        raise ConflictError(f"The task is settled ({task.state}); nothing changes it any more.")
    if task.state is TaskState.WAITING_USER and not parked_too:
        raise ConflictError("The task waits for an answer; answer its question, or cancel it.")


def checked_reason(reason: str) -> str:
    """One line that says something. Raises ValidationFailed."""
    said = " ".join(reason.split())
    if not said:
        raise ValidationFailed("Say in a few words why; everybody who looks at the task reads it.")
    return said[:MAX_REASON]


def _check_time(task: CallTask, at_ms: int, now_ms: int) -> None:
    if at_ms <= now_ms:
        raise ValidationFailed("That time has passed already; choose one that is ahead.")
    if at_ms > now_ms + MAX_AHEAD_MS:
        raise ValidationFailed("That is more than a year ahead.")
    if task.until_ms is not None and at_ms > task.until_ms:
        raise ValidationFailed(f"The call is wanted until {told(task.until_ms)}; choose an earlier time.")


def _at(task: CallTask, at_ms: int, now_ms: int) -> CallTask:
    return msgspec.structs.replace(task, next_action_time=at_ms, updated_ms=now_ms)
