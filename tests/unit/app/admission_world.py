"""Facts of a task that may be dialed, for tests to spoil one at a time."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from app.domain.admission_facts import (
    Budget,
    CallerIdFacts,
    CampaignFacts,
    Cap,
    Caps,
    Consent,
    DoNotCallFacts,
    Facts,
    Pace,
    RedirectMode,
    Registry,
    TaskFacts,
)
from app.domain.policy.selection import Callee, Policy, policy_for
from app.domain.policy.zones import Zones
from app.domain.task import TaskState
from app.policy_packs import enabled_packs, load_packs

NUMBER = "+12025550123"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
PACKS = load_packs()


def ms(*when: int) -> int:
    """UTC time as stored."""
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc,arg-type]


NOON = ms(2026, 11, 18, 17, 0)  # Wednesday 12:00 in New York


def policy(number: str = NUMBER, country: str = "US", purpose: Any = "marketing") -> Policy:
    found = policy_for(enabled_packs(PACKS), Callee(number=number, countries=(country,)), purpose)
    assert found is not None
    return found


def facts(**changes: Any) -> Facts:
    """A marketing call to a person in New York, everything in order; `task`: changes of the task's fields."""
    task = TaskFacts(
        id="t1",
        state=TaskState.CLAIMED,
        number=NUMBER,
        number_dialed=NUMBER,
        next_action_ms=NOON - 1,
        attempts_used=0,
        max_attempts=3,
        purpose="marketing",
    )
    good = Facts(
        now_ms=NOON,
        ring_timeout_s=40,
        task=msgspec.structs.replace(task, **changes.pop("task", {})),
        callee=Callee(number=NUMBER, countries=("US",)),
        zones=Zones(keys=("America/New_York",), inferred=False),
        tenant_state="active",
        campaign=CampaignFacts(id="c1", state="active", abandoned_percent=0.0),
        allowed_countries=("US",),
        test_mode=RedirectMode(on=False),
        do_not_call=DoNotCallFacts(listed="no"),
        registries={"us-national-dnc": Registry(imported_ms=NOON - 3 * DAY_MS, listed=False)},
        attempts=(),
        consent=Consent(level="written", purposes=("marketing",), given_ms=NOON - DAY_MS, evidence="form 7"),
        caller_id=CallerIdFacts(number="+12025550100", owned=True, reachable=True),
        caps=Caps(
            tenant=Cap(used=0, limit=5),
            trunk=Cap(used=0, limit=5),
            number_day=Cap(used=0, limit=3),
            campaign=Cap(used=0, limit=5),
        ),
        pace=Pace(tokens=1, next_token_ms=NOON),
        budgets=(
            Budget(
                name="the account",
                spent_micro_usd=0,
                reserved_micro_usd=0,
                estimate_micro_usd=100_000,
                limit_micro_usd=1_000_000,
            ),
        ),
    )
    return msgspec.structs.replace(good, **changes)
