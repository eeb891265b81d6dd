"""What becomes of a task that a dead engine left, by what its Asterisk shows of the call. Pure.

Never dialed: anybody may take it. Dialed: never again without an analysis. A call in which somebody is still heard
goes on: its media worker outlives the engine, and the engine may come back.
"""

from enum import StrEnum

import msgspec

from app.domain.call import Call
from app.domain.task import CallTask, TaskState

ORIGINATE_LATE_MS = 5_000
"""How long after the ring timeout an originate that was sent may still turn up (DECISIONS 2)."""


class Seen(StrEnum):
    """The callee's channel in the dead engine's Asterisk."""

    UNREACHABLE = "unreachable"
    GONE = "gone"
    NEW = "new"
    """There, and looked at for the first time."""
    HEARD = "heard"
    """There, and audio went to the callee since the last look."""
    SILENT = "silent"
    """There, and nobody speaks to the callee any more."""


class Verdict(StrEnum):
    """What to do with it."""

    WAIT = "wait"
    RELEASE = "release"
    """Never dialed: pending again."""
    CLOSE = "close"
    """The call is over: analyze it."""
    HANG_UP = "hang_up"
    """Hang up, then analyze."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`ring_ms`: how long a phone may ring; `longest_call_ms`: from the dial deadline to the end of a call."""

    ring_ms: int
    longest_call_ms: int


def judge(task: CallTask, call: Call | None, seen: Seen, limits: Limits, now_ms: int) -> Verdict:
    """`task` was held by an engine that is dead, and its lease has run out; or it was settled before, and its
    callee called back.
    """
    called_back = call is not None and call.direction == "inbound"
    if task.state is not TaskState.IN_CALL and not called_back:
        return Verdict.RELEASE
    if call is None:
        return Verdict.CLOSE
    dialed_ms = call.dialing_ms or call.created_ms
    over = now_ms >= max(call.dial_deadline_ms or 0, dialed_ms) + limits.longest_call_ms
    match seen:
        case Seen.UNREACHABLE:
            return Verdict.CLOSE if over else Verdict.WAIT
        case Seen.GONE:
            late_ms = 0 if called_back else limits.ring_ms + ORIGINATE_LATE_MS
            return Verdict.CLOSE if now_ms >= dialed_ms + late_ms else Verdict.WAIT
        case Seen.SILENT:
            return Verdict.HANG_UP
        case Seen.NEW | Seen.HEARD:
            return Verdict.HANG_UP if over else Verdict.WAIT
