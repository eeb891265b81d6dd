"""Whether a plan that was checked when it was made still holds when it is confirmed. Pure.

Hours may have passed: lists grew, consents were withdrawn, windows closed, the site allows other countries.
"""

from app.domain.admission_site import NOWHERE
from app.domain.number import NumberRefused, check_country, country_of
from app.domain.plan import Plan, PlannedCall
from app.domain.plan_check import PlanWorld
from app.domain.policy.selection import Callee, policy_for
from app.domain.policy.windows import calling_window
from app.domain.policy.zones import Zones, zones_of


def recheck(plan: Plan, world: PlanWorld) -> list[str]:
    """Sentences for the user; empty: it holds. Calling hours of thousands of numbers take seconds: not on a loop,
    and not while anything waits for it.
    """
    found = [f"{call.number}: {refusal}" for call in plan.calls if (refusal := _refusal(call, plan, world))]
    if len(plan.calls) > world.max_calls:
        found.append(f"The plan has {len(plan.calls)} calls; {world.max_calls} are allowed.")
    return found


def refused_since(plan: Plan, world: PlanWorld) -> list[str]:
    """What lists and consents, which a callee may change at any moment, object to; quick."""
    found = [(call.number, _objects(call, world)) for call in plan.calls]
    return [f"{number}: {refusal}" for number, refusal in found if refusal]


def _objects(call: PlannedCall, world: PlanWorld) -> str:
    if call.number in world.listed:
        return "the number is on a do-not-call list now."
    if call.number in world.withdrew:
        return "the callee withdrew the consent."
    return ""


def _refusal(call: PlannedCall, plan: Plan, world: PlanWorld) -> str:
    if objection := _objects(call, world):
        return objection
    if call.until_ms is not None and not _reachable(call, call.until_ms, plan, world):
        return "no time is left for this call in which it may be made."
    try:
        if not world.fictional:
            check_country(call.number, world.allowed_countries)
    except NumberRefused as refused:
        return refused.message
    return ""


def _reachable(call: PlannedCall, until_ms: int, plan: Plan, world: PlanWorld) -> bool:
    """Whether the calling hours still open before the end that was asked for."""
    country = NOWHERE if world.fictional else country_of(call.number)
    callee = Callee(number=call.number, countries=(country,), kind=call.callee_kind)
    policy = policy_for(world.packs, callee, plan.purpose, world.overlay)
    zones = Zones(keys=("UTC",), inferred=False) if world.fictional else zones_of(call.number, call.zone)
    if policy is None or not isinstance(zones, Zones):
        return False
    opening = calling_window(policy.rules, zones).next_open(max(call.first_ms, world.now_ms), world.hold_s)
    return opening is not None and opening + world.hold_s * 1000 <= until_ms
