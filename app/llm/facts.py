"""Collects what is known about an ended call before it is judged."""

from collections.abc import Sequence

import msgspec

from app.config import Settings
from app.domain import callback, retry
from app.domain.analysis.decide import Facts
from app.domain.analysis.judgement import CallbackWish
from app.domain.analysis.reach import reach_of
from app.domain.call import Call, Turn
from app.domain.policy.selection import Policy
from app.domain.task import CallTask
from app.store.events import CallEvent

WISH_KIND = "callback_wished"
"""The event in which a talk notes the time that the callee wished."""
WISH_UNDONE = "closing_taken_back"
"""The event after which that wish does not count: the callee went on talking, and may wish something else."""


def facts_of(
    task: CallTask,
    call: Call,
    turns: Sequence[Turn],
    wish: CallbackWish | None = None,
    *,
    policy: Policy | None,
    settings: Settings,
    now_ms: int,
) -> Facts:
    """Everything the decision needs, at this moment. `policy`: the rules that bind another call."""
    return Facts(
        ended_ms=call.ended_ms or now_ms,
        attempt=retry.attempt_of(task, call),
        turns=tuple(turns),
        reach=reach_of(task, policy, hold_s=settings.ring_timeout_s, now_ms=now_ms),
        wish=wish,
        in_vain=callback.in_vain(task, call, now_ms) if call.direction == "inbound" else None,
    )


def wish_of(event: CallEvent | None) -> CallbackWish | None:
    """The wish as the talk noted it; one that cannot be read is none."""
    if event is None:
        return None
    try:
        return msgspec.json.decode(str(event.data.get("detail", "")), type=CallbackWish)
    except msgspec.DecodeError:
        return None
