"""Collects what is known about an ended call before it is judged."""

from collections.abc import Sequence

from app.config import Settings
from app.domain import retry
from app.domain.analysis.decide import Facts
from app.domain.analysis.reach import reach_of
from app.domain.call import Call, Turn
from app.domain.policy.pack import Pack
from app.domain.task import CallTask


def facts_of(
    task: CallTask, call: Call, turns: Sequence[Turn], *, packs: Sequence[Pack], settings: Settings, now_ms: int
) -> Facts:
    """Everything the decision needs, at this moment."""
    reach = reach_of(task, packs, hold_s=settings.ring_timeout_s, now_ms=now_ms)
    return Facts(
        ended_ms=call.ended_ms or now_ms, attempt=retry.attempt_of(task, call), turns=tuple(turns), reach=reach
    )
