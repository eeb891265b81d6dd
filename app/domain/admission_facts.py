"""Everything that is known when a task asks to be dialed. What is not known is None, and None never dials.

Collected by the store inside the transaction that commits the intent; judged by `app.domain.admission`. Times are
UTC epoch milliseconds. Part of the evidence, so every field can be written as JSON.
"""

from typing import Literal

import msgspec

from app.domain.policy.pack import ConsentLevel, Purpose
from app.domain.policy.selection import Callee
from app.domain.policy.zones import Zones, ZonesUnknown
from app.domain.task import TaskState

TenantState = Literal["active", "suspended"]
CampaignState = Literal["active", "paused", "completed", "cancelled"]


class TaskFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The task. `number` is whom it is about, `number_dialed` what would be dialed (test mode differs)."""

    id: str
    state: TaskState
    number: str
    number_dialed: str
    next_action_ms: int
    attempts_used: int
    max_attempts: int
    purpose: Purpose | None
    until_ms: int | None = None


class CampaignFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The campaign of the task. `abandoned_percent`: of its answered calls in 30 days; None is unknown."""

    id: str
    state: CampaignState
    reason: str = ""
    abandoned_percent: float | None = None


class DoNotCallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the lists say about both numbers of the task."""

    listed: Literal["no", "tenant", "global"]
    entry_id: str = ""


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """A public do-not-call registry as last imported."""

    imported_ms: int
    listed: bool


class PastAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A call that may have rung this number, for whichever task. `silent`: answered and no agent was ready."""

    at_ms: int
    result: Literal["unanswered", "answered", "refused", "silent"]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What the callee agreed to, and the evidence for it."""

    level: ConsentLevel
    purposes: tuple[Purpose, ...]
    given_ms: int
    evidence: str
    expires_ms: int | None = None
    withdrawn_ms: int | None = None


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """A counter and its limit; `frees_ms` is when there may be room again."""

    used: int
    limit: int
    frees_ms: int | None = None


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Calls at the same time, and calls to the number in a day. A task without campaign has no campaign cap.

    `number_alive`: calls and transfers with the number that live now, in either direction, of whichever tenant and
    task but this one: a phone rings once.
    """

    tenant: Cap
    trunk: Cap
    number_day: Cap
    campaign: Cap | None = None
    number_alive: int = 0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """The trunk's token bucket: whole calls that may begin now, and when the next token comes."""

    tokens: int
    next_token_ms: int


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Money of a tenant or campaign, in millionths of a dollar; `limit_micro_usd` None is a budget without end."""

    name: str
    spent_micro_usd: int
    reserved_micro_usd: int
    estimate_micro_usd: int
    limit_micro_usd: int | None
    resets_ms: int | None = None


class RedirectMode(msgspec.Struct, frozen=True, kw_only=True):
    """The wall: where every call goes instead, and how many are alive anywhere."""

    on: bool
    redirect: str = ""
    calls_alive: int = 0


class CallerIdFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The number shown to the callee; empty is withheld."""

    number: str
    owned: bool
    reachable: bool


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """The engine dials nobody for now: drain, breaker, no connection, a clock that jumped."""

    reason: str
    until_ms: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One question: may this task be dialed at `now_ms`?"""

    now_ms: int
    ring_timeout_s: int
    task: TaskFacts
    callee: Callee
    zones: Zones | ZonesUnknown
    tenant_state: TenantState | None
    campaign: CampaignFacts | None
    """None: the task belongs to no campaign."""
    allowed_countries: tuple[str, ...]
    test_mode: RedirectMode
    do_not_call: DoNotCallFacts | None
    registries: dict[str, Registry]
    attempts: tuple[PastAttempt, ...] | None
    consent: Consent | None
    caller_id: CallerIdFacts | None
    caps: Caps | None
    pace: Pace | None
    budgets: tuple[Budget, ...] | None
    hold: Hold | None = None
    fictional: bool = False
    """True in simulations only: numbers that nobody can own may be dialed."""
