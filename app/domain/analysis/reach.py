"""When a callee may be reached again: zones by contact data first, and the calling window of the packs. Pure."""

from collections.abc import Sequence

from app.domain.admission_site import NOWHERE
from app.domain.analysis.when import Reach
from app.domain.number import country_of
from app.domain.policy.pack import Pack
from app.domain.policy.selection import Callee, policy_for
from app.domain.policy.windows import CallingWindow, calling_window
from app.domain.policy.zones import Zones, ZonesUnknown, zones_of
from app.domain.task import CallTask
from app.errors import ValidationFailed


def reach_of(task: CallTask, packs: Sequence[Pack], *, hold_s: int, now_ms: int, fictional: bool = False) -> Reach:
    """For the callee of a task. `fictional`: a number of a simulation, whose clock is UTC."""
    if fictional:
        zones: Zones | ZonesUnknown = Zones(keys=("UTC",), inferred=False)
    else:
        zones = zones_of(task.number, task.callee_zone)
    country = NOWHERE if fictional else country_of(task.number)
    return Reach(now_ms=now_ms, zones=zones, window=_window(task, country, zones, packs), hold_s=hold_s)


def _window(
    task: CallTask, country: str, zones: Zones | ZonesUnknown, packs: Sequence[Pack]
) -> CallingWindow | None:
    """None when no rule or no zone is known, which never permits a call."""
    if not isinstance(zones, Zones) or not zones.keys:
        return None
    regions = (task.callee_region,) if task.callee_region else ()
    callee = Callee(number=task.number, countries=(country,), regions=regions, kind=task.callee_kind)
    policy = policy_for(packs, callee, task.purpose)
    if policy is None:
        return None
    try:
        return calling_window(policy.rules, zones)
    except ValidationFailed:
        return None
