"""Which wishes of the model become decisions. Everything it may not do is refused here, whatever it was told.

| action | allowed when | limits |
|---|---|---|
| set_priority | the task waits (pending) | 0 to 100 |
| hold | it waits, is not held, nobody named the time it waits for | later than now and than its time, 30 days |
| release | it is held by the agent itself | - |
| move | as hold | later than its time, inside the calling window, 30 days, before its deadline |
| set_phase | it waits | 1 to 80 characters |
| ask_user | it waits, no question in the last week, no named time ahead | 3 a round |
| close | it waits and looks hopeless (`hopeless`) | 3 a round |

Beyond that: at most 20 decisions a round, 3 a day for one task, one a round for one task (a phase may come beside
it); two that contradict each other are refused both, and what a person took back is not done again for a week.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.domain.feedback import MAX_QUESTION, MAX_SUGGESTIONS
from app.domain.lifecycle.model import (
    ACTOR,
    Action,
    Grant,
    Judged,
    OpenTask,
    Refusal,
    RefusalCode,
    Wish,
    stand_of,
)
from app.domain.policy.windows import utc_ms
from app.domain.task import CallTask, TaskEvent, TaskState, after
from app.domain.task_change import PutOnHold, ReleaseHold, Reschedule, SetPriority, TaskChange, changed
from app.errors import AppError

DAY_MS = 86_400_000
AHEAD_MS = 30 * DAY_MS
MOST = 20
MOST_OF: dict[Action, int] = {Action.CLOSE: 3, Action.ASK_USER: 3}
MOST_A_DAY = 3
MAX_PHASE, MAX_REASON, MAX_SUGGESTION = 80, 300, 100
STUCK_MS = 7 * DAY_MS


class Refused(AppError):
    """A wish that breaks a rule; `code` says which."""

    def __init__(self, code: RefusalCode, sentence: str) -> None:
        super().__init__(sentence)
        self.why: RefusalCode = code


def judge(wishes: Sequence[Wish], shown: dict[str, OpenTask], now_ms: int) -> Judged:
    """`shown`: the tasks by the keys under which the model saw them."""
    grants: list[Grant] = []
    refusals: list[Refusal] = []
    made: Counter[Action] = Counter()
    per_task = Counter(wish.task for wish in wishes if wish.action is not Action.SET_PHASE)
    phases = Counter(wish.task for wish in wishes if wish.action is Action.SET_PHASE)
    for wish in wishes:
        known = shown.get(wish.task)
        several = (phases if wish.action is Action.SET_PHASE else per_task)[wish.task] > 1
        try:
            grants.append(_granted(wish, known, made, several=several, now_ms=now_ms))
            made[wish.action] += 1
        except Refused as refused:
            task_id = known.task.id if known is not None else ""
            refusals.append(
                Refusal(task_id=task_id, action=wish.action, code=refused.why, sentence=refused.message)
            )
    return Judged(grants=tuple(grants), refusals=tuple(refusals))


def _granted(wish: Wish, known: OpenTask | None, made: Counter[Action], *, several: bool, now_ms: int) -> Grant:
    if known is None:
        raise Refused("unknown_task", f"There is no task {wish.task[:20]!r} among those shown.")
    if several:
        raise Refused("contradicting", "More than one decision about the same task in one round.")
    if made.total() >= MOST or made[wish.action] >= MOST_OF.get(wish.action, MOST):
        raise Refused("too_many", "A round makes no more decisions of this kind.")
    return _grant(wish, known, now_ms)


def may(known: OpenTask, now_ms: int) -> frozenset[Action]:
    """What may be done with a task now; the model is shown this, and is held to it."""
    if known.task.state is not TaskState.PENDING or known.past.today >= MOST_A_DAY:
        return frozenset()
    held = known.hold is not None and known.hold.holds(known.task, now_ms)
    allowed = {Action.SET_PRIORITY, Action.SET_PHASE}
    if held and known.hold is not None and known.hold.placed_by == ACTOR:
        allowed.add(Action.RELEASE)
    if not held and not known.promised:
        allowed |= {Action.HOLD, Action.MOVE}
    ahead = known.promised and known.task.next_action_time > now_ms
    if not known.past.asked and not ahead:  # a question parks the task, and the promised call with it
        allowed.add(Action.ASK_USER)
    if not held and not known.promised and hopeless(known, now_ms):
        allowed.add(Action.CLOSE)
    return frozenset(allowed) - known.past.undone


def hopeless(known: OpenTask, now_ms: int) -> bool:
    """Whether facts, and not only words, say that calling on makes little sense: two attempts used, five that
    could not even be placed, or due for a week.
    """
    task = known.task
    overdue = now_ms - task.next_action_time > STUCK_MS
    return task.current_attempt_count >= 2 or task.not_dialed_count >= 5 or overdue


def _grant(wish: Wish, known: OpenTask, now_ms: int) -> Grant:
    reason = " ".join(wish.reason.split())[:MAX_REASON]
    if not reason:
        raise Refused("no_reason", "A decision needs its reason.")
    if wish.action not in may(known, now_ms):
        raise Refused("not_allowed", f"{wish.action} is not allowed for this task now.")
    task, hold = known.task, known.hold
    grant = Grant(
        seen=stand_of(task, hold, known.phase),
        task=task,
        hold=hold,
        action=wish.action,
        reason=reason,
        phase=known.phase,
    )
    match wish.action:
        case Action.SET_PHASE:
            phase = " ".join(wish.phase.split())
            if not 0 < len(phase) <= MAX_PHASE:
                raise Refused("bad_value", f"A phase has 1 to {MAX_PHASE} characters.")
            if phase == known.phase:
                raise Refused("no_change", "The task is in that phase already.")
            return msgspec.structs.replace(grant, phase=phase)
        case Action.ASK_USER:
            return _asked(wish, grant, now_ms)
        case Action.CLOSE:
            ended = after(task, TaskEvent.FAIL, now_ms)
            conclusion = f"Closed by the lifecycle agent: {reason}"
            return msgspec.structs.replace(
                grant, task=msgspec.structs.replace(ended, overall_conclusion=conclusion), hold=None
            )
        case _:
            return _changed(grant, _change(wish, known, reason, now_ms), now_ms)


def _asked(wish: Wish, grant: Grant, now_ms: int) -> Grant:
    question = " ".join(wish.question.split())
    if not 0 < len(question) <= MAX_QUESTION:
        raise Refused("bad_value", f"A question has 1 to {MAX_QUESTION} characters.")
    offered = dict.fromkeys(" ".join(one.split())[:MAX_SUGGESTION] for one in wish.suggestions)
    task: CallTask = msgspec.structs.replace(
        after(grant.task, TaskEvent.ASK_USER, now_ms),
        overall_conclusion=f"The lifecycle agent asks: {question}",
    )
    kept = tuple(one for one in offered if one)[:MAX_SUGGESTIONS]
    return msgspec.structs.replace(grant, task=task, hold=None, question=question, suggestions=kept)


def _change(wish: Wish, known: OpenTask, reason: str, now_ms: int) -> TaskChange:
    match wish.action:
        case Action.SET_PRIORITY:
            if wish.priority is None:
                raise Refused("bad_value", "Say the priority.")
            if wish.priority == known.task.priority:
                raise Refused("no_change", "The task has that priority already.")
            return SetPriority(priority=wish.priority)
        case Action.HOLD:
            return PutOnHold(until_ms=_later(wish, known, now_ms), reason=reason)
        case Action.RELEASE:
            return ReleaseHold()
        case _:
            at_ms = _later(wish, known, now_ms)
            window = known.reach.window
            if window is None or not window.is_open(at_ms, known.reach.hold_s):
                raise Refused("bad_value", "Nobody may be called at that time.")
            return Reschedule(at_ms=at_ms)


def _later(wish: Wish, known: OpenTask, now_ms: int) -> int:
    """The instant that was wished: ahead, later than the task's own time, not beyond reach."""
    try:
        at = datetime.fromisoformat((wish.at or "").strip())
        at_ms = utc_ms(at) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        at_ms = None
    if at_ms is None:
        raise Refused("bad_value", "The time has to be like 2027-01-16T16:00:00Z.")
    if at_ms <= max(now_ms, known.task.next_action_time):
        raise Refused("bad_value", "A task is only ever put off to later than its time.")
    if at_ms > now_ms + AHEAD_MS:
        raise Refused("bad_value", f"That is more than {AHEAD_MS // DAY_MS} days ahead.")
    return at_ms


def _changed(grant: Grant, change: TaskChange, now_ms: int) -> Grant:
    try:
        done = changed(grant.task, grant.hold, change, ACTOR, now_ms)
    except AppError as refused:
        raise Refused("bad_value", refused.message) from refused
    return msgspec.structs.replace(grant, task=done.task, hold=done.hold)
