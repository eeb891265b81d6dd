"""From the time a callee named to an instant at which the phone may ring, or to a question for a person.

The model writes wall clock and zone; it never does the arithmetic. A wish is kept exactly or not at all: outside
the calling window, in a zone that is not the callee's or in an hour that does not exist, somebody is asked.
"""

from datetime import UTC, datetime

import msgspec

from app.domain.analysis.judgement import RetryWish
from app.domain.local_time import told
from app.domain.policy.windows import CallingWindow, local_time, utc_ms
from app.domain.policy.zones import Zones, ZonesUnknown, zone_named

DAY_MS = 86_400_000
MAX_AHEAD_MS = 90 * DAY_MS
"""A wish later than this is a person's business."""


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """When the callee may be reached. `window` None: nobody knows the hours. `hold_s`: how long it may ring."""

    now_ms: int
    zones: Zones | ZonesUnknown
    window: CallingWindow | None
    hold_s: int


class BadTime(msgspec.Struct, frozen=True):
    """The model may mend this: the sentence goes back to it."""

    sentence: str


class AskTime(msgspec.Struct, frozen=True):
    """Only a person can say."""

    sentence: str


def instant_of(wish: RetryWish, reach: Reach) -> int | BadTime | AskTime:
    """The UTC instant (ms) of a wish."""
    try:
        wall = datetime.fromisoformat(wish.local_time.strip())
    except ValueError:
        return BadTime(f"retry.local_time {wish.local_time[:40]!r} is not a time like 2027-01-16T16:00.")
    if wall.tzinfo is not None:
        return BadTime("retry.local_time is the wall clock of retry.zone: write it without offset.")
    zone = zone_named(wish.zone)
    if zone is None:
        return BadTime(f"retry.zone {wish.zone[:40]!r} is not an IANA name like America/New_York.")
    if not isinstance(reach.zones, Zones):
        return AskTime(f"The callee said {_said(wish)}. {reach.zones.sentence}")
    try:
        instants = sorted({utc_ms(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)) for fold in (0, 1)})
    except OverflowError:
        return BadTime(f"retry.local_time {wish.local_time[:40]!r} is no time that can be called at.")
    instants = [at for at in instants if local_time(at, zone).replace(tzinfo=None) == wall]
    if not instants:
        return AskTime(f"The callee said {_said(wish)}, but the clocks are set forward over {wish.local_time}.")
    if not all(_same_clock(at, wish.zone, reach.zones) for at in instants):
        known = ", ".join(reach.zones.keys)
        return BadTime(
            f"retry.zone {wish.zone} is not where this number is ({known}); use the callee's own clock."
        )
    ahead = [at for at in instants if at > reach.now_ms]
    if not ahead:
        return BadTime(f"retry.local_time {wish.local_time} is past already; it is {_now(reach)}.")
    if ahead[0] > reach.now_ms + MAX_AHEAD_MS:
        return AskTime(f"The callee said {_said(wish)}: that is more than {MAX_AHEAD_MS // DAY_MS} days ahead.")
    if reach.window is None:
        return AskTime(f"The callee said {_said(wish)}, but no calling rules are known for this number.")
    legal = [at for at in ahead if reach.window.is_open(at, reach.hold_s)]
    if not legal:
        when = told(ahead[0], reach.zones.keys)
        return AskTime(f"The callee said {_said(wish)}, but {when} is outside the calling window.")
    return legal[0]


def earliest(at_ms: int, reach: Reach) -> int:
    """The first instant from `at_ms` on inside the window; `at_ms` itself when no window is known (then admission
    refuses to dial and says why).
    """
    if reach.window is None:
        return at_ms
    return reach.window.next_open(at_ms, reach.hold_s) or at_ms


def _same_clock(at_ms: int, key: str, zones: Zones) -> bool:
    """Whether one of the callee's zones shows the same wall clock then."""
    named = zone_named(key)
    clocks = [zone for one in zones.keys if (zone := zone_named(one)) is not None]
    return named is not None and any(
        local_time(at_ms, zone).utcoffset() == local_time(at_ms, named).utcoffset() for zone in clocks
    )


def _said(wish: RetryWish) -> str:
    return f"{wish.quote[:80]!r} (understood as {wish.local_time} in {wish.zone})"


def _now(reach: Reach) -> str:
    return told(reach.now_ms, reach.zones.keys if isinstance(reach.zones, Zones) else ())
