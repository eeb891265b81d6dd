"""Open tasks as the lifecycle agent sees them, and wishes of a model, for its tests."""

import msgspec

from app.domain.analysis.when import Reach
from app.domain.lifecycle.model import Action, OpenTask, Past, Wish
from app.domain.policy.windows import CallingWindow, ZoneHours
from app.domain.policy.zones import Zones, zone_named
from app.domain.task import CallTask, TaskState
from tests.unit.app.store_world import NOW, TENANT, new_task

HOUR_MS = 3_600_000
ZONE = zone_named("America/New_York")
assert ZONE is not None
WEEK = {day: ((9 * 60, 20 * 60),) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
REACH = Reach(
    now_ms=NOW,
    zones=Zones(keys=("America/New_York",), inferred=False),
    window=CallingWindow([ZoneHours(ZONE, WEEK)]),  # type: ignore[arg-type]
    hold_s=30,
)
NOON = "2027-01-16T17:00:00+00:00"
"""Noon in New York, a day after NOW."""
NIGHT = "2027-01-16T06:00:00+00:00"


def a_task(**changes: object) -> CallTask:
    fields = msgspec.structs.asdict(new_task(next_action_time=NOW + HOUR_MS))
    task = CallTask(
        **fields,
        tenant_id=TENANT,
        state=TaskState.PENDING,
        current_attempt_count=0,
        not_dialed_count=0,
        overall_conclusion="",
        lease_owner=None,
        lease_token=0,
        lease_until=None,
        created_ms=NOW - 24 * HOUR_MS,
        updated_ms=NOW,
    )
    return msgspec.structs.replace(task, **changes)  # type: ignore[arg-type]


def seen(task: CallTask | None = None, **known: object) -> OpenTask:
    return OpenTask(task=task or a_task(), **{"reach": REACH, "past": Past(), **known})  # type: ignore[arg-type]


def wants(task: str, action: Action, **changes: object) -> Wish:
    wish = Wish(
        task=task,
        action=action,
        priority=80,
        at=NOON,
        question="Still wanted?",
        suggestions=("Yes", "No", "Yes", " "),
        phase="second attempt",
        reason="A reason.",
    )
    return msgspec.structs.replace(wish, **changes)  # type: ignore[arg-type]
