"""Named places where a test kills this process as an operating system does: no last word, nothing flushed.

`OPENDEEP_CRASH_AT=after_intent` (or `after_intent:3`, the third time) makes `crash_here("after_intent")` send
SIGKILL to ourselves. Without that variable a call costs one comparison. Used along the dial protocol; proven by
`scripts/prove dial`.
"""

import os
import signal
from typing import Literal, get_args

VARIABLE = "OPENDEEP_CRASH_AT"

Point = Literal[
    "after_claim",
    "after_open",
    "before_intent",
    "after_intent",
    "after_originate_sent",
    "after_originate_reply",
    "ringing",
    "answered",
    "bridged",
    "after_transfer_intent",
    "before_end_stored",
    "after_end_stored",
    "before_conclude",
    "after_conclude",
    "while_reconciling",
]
"""In the order in which a call passes them; the last one is passed by whoever comes after a crash."""
POINTS: tuple[Point, ...] = get_args(Point)
OF_TRANSFERS: frozenset[Point] = frozenset({"after_transfer_intent"})
"""Passed only by calls that are transferred."""

ConfirmPoint = Literal[
    "confirm_begun",
    "confirm_ordered",
    "confirm_locked",
    "confirm_agent",
    "confirm_campaign",
    "confirm_written",
    "confirm_committed",
]
"""In the order in which the confirmation of a plan passes them; proven by `scripts/prove confirm`."""
CONFIRM_POINTS: tuple[ConfirmPoint, ...] = get_args(ConfirmPoint)


class _Fuse:
    """Counts down to the end."""

    def __init__(self, given: str) -> None:
        self.point, _, times = given.partition(":")
        self._left = int(times) if times.isdecimal() else 1

    def pass_by(self, point: str) -> None:
        if point == self.point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


_fuse = _Fuse(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def arm(given: str) -> None:
    """As the variable does, for a process that was forked after this module was read."""
    global _fuse  # noqa: PLW0603 - one per process, as the variable is
    _fuse = _Fuse(given)


def crash_here(point: Point | ConfirmPoint) -> None:
    """Die here if that was asked for."""
    if _fuse is not None:
        _fuse.pass_by(point)


def armed(point: Point) -> bool:
    """Whether this process is to die at `point`, for places that must bring it about first."""
    return _fuse is not None and _fuse.point == point
