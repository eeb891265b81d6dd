"""The error breaker of a lane (a campaign, or a tenant's single tasks): a broken trunk does not eat a call list.

closed -> (LIMIT failures in a row) -> open until a time -> half open: one call tries -> closed, or open for
twice as long. Failures are calls that broke on the way (network, trunk_fault, failed); a busy or silent phone
proves that the way is fine; calls taken back, or lost with their process, prove nothing. Pure; fed where a call
is closed, asked by admission.
"""

from enum import StrEnum

import msgspec

LIMIT = 5
OPEN_MS = 60_000
OPEN_MAX_MS = 15 * 60_000
PROBE_LOOK_MS = 5_000
"""How soon to look again while the probing call is on its way."""
FAILURES = frozenset({"network", "trunk_fault", "failed"})
NEUTRAL = frozenset({"canceled", "lost"})


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """`failures` in a row, `opened` times in a row; `until_ms` is set while it is not closed, `probe_id` while a
    call tries the way.
    """

    failures: int = 0
    opened: int = 0
    until_ms: int | None = None
    probe_id: str | None = None
    reason: str = ""

    def state(self, now_ms: int) -> BreakerState:
        """Where it is now."""
        if self.until_ms is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now_ms < self.until_ms else BreakerState.HALF_OPEN

    def holds_until(self, now_ms: int) -> int | None:
        """Until when nobody is dialed; None: a call may begin (in half open the one that tries)."""
        match self.state(now_ms):
            case BreakerState.CLOSED:
                return None
            case BreakerState.OPEN:
                return self.until_ms
            case BreakerState.HALF_OPEN:
                return None if self.probe_id is None else now_ms + PROBE_LOOK_MS


def begun(breaker: Breaker, call_id: str, now_ms: int) -> Breaker:
    """A call begins: in half open it is the one that tries."""
    if breaker.state(now_ms) is BreakerState.HALF_OPEN:
        return msgspec.structs.replace(breaker, probe_id=call_id)
    return breaker


def ended(breaker: Breaker, call_id: str, outcome: str, now_ms: int) -> Breaker:
    """A call that may have rung somebody ended with `outcome`."""
    trying = breaker.probe_id is None and breaker.state(now_ms) is BreakerState.HALF_OPEN
    probing = breaker.probe_id == call_id or trying
    if outcome in NEUTRAL:
        return msgspec.structs.replace(breaker, probe_id=None) if probing else breaker
    if outcome not in FAILURES:
        # While it is open, a call from before says nothing about the way now.
        return Breaker() if probing or breaker.until_ms is None else breaker
    failures = breaker.failures + 1
    if breaker.until_ms is not None and not probing:
        return msgspec.structs.replace(breaker, failures=failures)
    if failures < LIMIT and not probing:
        return msgspec.structs.replace(breaker, failures=failures)
    return Breaker(
        failures=failures,
        opened=breaker.opened + 1,
        until_ms=now_ms + min(OPEN_MS << min(breaker.opened, 10), OPEN_MAX_MS),
        reason=f"{failures} calls in a row failed, the last with {outcome}",
    )
