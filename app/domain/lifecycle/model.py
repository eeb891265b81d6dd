"""What the lifecycle agent sees, may wish, and decides."""

from enum import StrEnum
from typing import Literal

import msgspec

from app.domain.analysis.when import Reach
from app.domain.task import CallTask, TaskState
from app.domain.task_change import TaskHold

ACTOR = "lifecycle"
"""Who it is, in holds and on time lines."""


class Action(StrEnum):
    """The closed list."""

    SET_PRIORITY = "set_priority"
    HOLD = "hold"
    RELEASE = "release"
    """Only its own holds."""
    MOVE = "move"
    """The next attempt at a later time."""
    SET_PHASE = "set_phase"
    """A note of where a long task stands; read again in the next round."""
    ASK_USER = "ask_user"
    """A check-in question: the task waits until a person answers."""
    CLOSE = "close"
    """Hopeless: nobody is called any more."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that put the task off, how often, and when last."""

    rule: str
    times: int
    last_ms: int


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent did to this task in the last week."""

    today: int = 0
    """Decisions of the last 24 hours."""
    undone: frozenset[Action] = frozenset()
    """Kinds that a person took back: not tried again."""
    asked: bool = False


class OpenTask(msgspec.Struct, frozen=True, kw_only=True):
    """One open task as code knows it. `promised`: somebody, callee or person, named the time it waits for."""

    task: CallTask
    reach: Reach
    hold: TaskHold | None = None
    blocks: tuple[Block, ...] = ()
    last_outcome: str = ""
    promised: bool = False
    phase: str = ""
    campaign: str = ""
    past: Past = Past()


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may change of a task, and how to know that nobody else did meanwhile."""

    state: TaskState
    priority: int
    next_action_time: int
    attempts: int
    lease_token: int
    conclusion: str
    hold: TaskHold | None = None
    phase: str = ""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the model wants of one task. `task` is the key it was shown, `at` an ISO time with offset."""

    task: str
    action: Action
    priority: int | None
    at: str | None
    question: str
    suggestions: tuple[str, ...]
    phase: str
    reason: str


RefusalCode = Literal[
    "unknown_task", "contradicting", "not_allowed", "bad_value", "too_many", "no_reason", "no_change", "moved"
]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A wish that was not granted, and why. `task_id` empty: there is no such task."""

    task_id: str
    action: str
    code: RefusalCode
    sentence: str


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A wish that follows every rule, not carried out yet: the task as seen and as it shall be."""

    seen: Stand
    task: CallTask
    hold: TaskHold | None
    action: Action
    reason: str
    phase: str = ""
    question: str = ""
    suggestions: tuple[str, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A round's wishes, sorted out."""

    grants: tuple[Grant, ...]
    refusals: tuple[Refusal, ...]


def stand_of(task: CallTask, hold: TaskHold | None, phase: str = "") -> Stand:
    """The part of a task that matters here."""
    return Stand(
        state=task.state,
        priority=task.priority,
        next_action_time=task.next_action_time,
        attempts=task.current_attempt_count,
        lease_token=task.lease_token,
        conclusion=task.overall_conclusion,
        hold=hold,
        phase=phase,
    )
