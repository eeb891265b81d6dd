"""When a callee may be reached again: zones by contact data first, and the hours of what binds a dial. Pure."""

from app.domain.analysis.when import Reach
from app.domain.policy.selection import Policy
from app.domain.policy.windows import CallingWindow, calling_window
from app.domain.policy.zones import Zones, ZonesUnknown, zones_of
from app.domain.task import CallTask
from app.errors import ValidationFailed


def reach_of(task: CallTask, policy: Policy | None, *, hold_s: int, now_ms: int, fictional: bool = False) -> Reach:
    """For the callee of a task. `policy`: what binds its dial, by `app.store.admission.policy_of`. `fictional`: a
    number of a simulation, whose clock is UTC.
    """
    if fictional:
        zones: Zones | ZonesUnknown = Zones(keys=("UTC",), inferred=False)
    else:
        zones = zones_of(task.number, task.callee_zone)
    return Reach(now_ms=now_ms, zones=zones, window=_window(policy, zones), hold_s=hold_s)


def _window(policy: Policy | None, zones: Zones | ZonesUnknown) -> CallingWindow | None:
    """None when no rule or no zone is known, which never permits a call."""
    if policy is None or not isinstance(zones, Zones) or not zones.keys:
        return None
    try:
        return calling_window(policy.rules, zones)
    except ValidationFailed:
        return None
