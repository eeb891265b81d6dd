"""Collects what is known about an ended call before it is judged."""

from collections.abc import Sequence

from app.config import Settings
from app.domain import retry
from app.domain.analysis.decide import Facts
from app.domain.analysis.when import Reach
from app.domain.call import Call, Turn
from app.domain.number import country_of
from app.domain.policy.pack import Pack
from app.domain.policy.selection import Callee, policy_for
from app.domain.policy.windows import CallingWindow, calling_window
from app.domain.policy.zones import Zones, ZonesUnknown, zones_of
from app.domain.task import CallTask
from app.errors import ValidationFailed


def facts_of(
    task: CallTask, call: Call, turns: Sequence[Turn], *, packs: Sequence[Pack], settings: Settings, now_ms: int
) -> Facts:
    """Everything the decision needs, at this moment."""
    zones = zones_of(task.number)
    reach = Reach(
        now_ms=now_ms,
        zones=zones,
        window=window_of(task.number, zones, packs),
        hold_s=settings.ring_timeout_s,
    )
    return Facts(
        ended_ms=call.ended_ms or now_ms, attempt=retry.attempt_of(task, call), turns=tuple(turns), reach=reach
    )


def window_of(number: str, zones: Zones | ZonesUnknown, packs: Sequence[Pack]) -> CallingWindow | None:
    """The calling window of a number; None when no rule or no zone is known, which never permits a call."""
    if not isinstance(zones, Zones) or not zones.keys:
        return None
    policy = policy_for(packs, Callee(number=number, countries=(country_of(number),)), "service")
    if policy is None:
        return None
    try:
        return calling_window(policy.rules, zones)
    except ValidationFailed:
        return None
