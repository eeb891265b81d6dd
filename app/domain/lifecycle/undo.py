"""Taking back a decision of the lifecycle agent: what it changed becomes what it was, if nobody has touched the
task since. Pure.

| action | given back | not when |
|---|---|---|
| set_priority | the priority | it is another one now |
| hold, release, move | time and hold | the time or the hold is another one now |
| set_phase | the phase | it is in another phase now |
| ask_user | the task waits for its time again; the question is closed | it was answered |
| close | the task waits for its time again | its campaign is over |

A task that was claimed since (its lease token has grown) is never touched. To open a closed task again is the one
way out of a settled state.
"""

import msgspec

from app.domain.lifecycle.model import Action, Stand
from app.domain.task import CallTask, TaskState
from app.domain.task_change import TaskHold
from app.errors import ConflictError

OPEN_CAMPAIGNS = frozenset({"active", "paused"})
_BUSY = frozenset({TaskState.CLAIMED, TaskState.IN_CALL, TaskState.ANALYZING})


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a stored decision that counts here."""

    action: Action
    before: Stand
    after: Stand


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """The task afterwards, the hold on it, and its phase."""

    task: CallTask
    hold: TaskHold | None
    phase: str


def undo(
    decided: Decided,
    task: CallTask,
    now: Stand,
    now_ms: int,
    *,
    campaign: str | None = None,
    answered: bool = False,
) -> Undone:
    """`now`: the task as it stands, `campaign`: the state of its campaign. Raises ConflictError with why not."""
    before, after = decided.before, decided.after
    if task.state in _BUSY:
        raise ConflictError(
            "A call for the task is going on, or being prepared or judged; it cannot be undone now."
        )
    if now.lease_token != after.lease_token or now.attempts != after.attempts:
        raise ConflictError("The task was called since then, so it cannot be undone any more.")
    changed = msgspec.structs.replace(task, updated_ms=now_ms)
    match decided.action:
        case Action.SET_PRIORITY:
            _same(now.state, after.state, "state")
            _same(now.priority, after.priority, "priority")
            return Undone(
                task=msgspec.structs.replace(changed, priority=before.priority), hold=now.hold, phase=now.phase
            )
        case Action.SET_PHASE:
            _same(now.phase, after.phase, "phase")
            return Undone(task=changed, hold=now.hold, phase=before.phase)
        case Action.HOLD | Action.RELEASE | Action.MOVE:
            _same(now.state, after.state, "state")
            _same(now.next_action_time, after.next_action_time, "time")
            _same(now.hold, after.hold, "hold")
        case Action.ASK_USER:
            _same(now.state, after.state, "state")
            if answered:
                raise ConflictError("The question has been answered, so it cannot be undone any more.")
        case Action.CLOSE:
            _same(now.state, after.state, "state")
            _same(now.conclusion, after.conclusion, "conclusion")
            if campaign is not None and campaign not in OPEN_CAMPAIGNS:
                raise ConflictError(f"The campaign is {campaign}, so the task cannot be opened again.")
    back = msgspec.structs.replace(
        changed,
        state=before.state,
        next_action_time=before.next_action_time,
        overall_conclusion=before.conclusion,
    )
    return Undone(task=back, hold=before.hold, phase=now.phase)


def _same(now: object, after: object, what: str) -> None:
    if now != after:
        raise ConflictError(f"The task's {what} was changed since then, so it cannot be undone any more.")
