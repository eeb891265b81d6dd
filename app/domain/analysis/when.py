"""From the time a callee named to an instant at which the phone may ring, or to a question for a person.

The model writes wall clock and zone; it never does the arithmetic. A wish is kept exactly or not at all: outside
the calling window, in a zone that is not the callee's, in an hour that does not exist or that two clocks of the
number's places show at different times, somebody is asked.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from app.domain.analysis.judgement import RetryWish
from app.domain.local_time import place_of, told
from app.domain.policy.windows import CallingWindow, local_time, utc_ms
from app.domain.policy.zones import Zones, ZonesUnknown, zone_named

DAY_MS = 86_400_000
MAX_AHEAD_MS = 90 * DAY_MS
"""A wish later than this is a person's business."""
_SEASONS_MS = (utc_ms(datetime(2027, 1, 15, tzinfo=UTC)), utc_ms(datetime(2027, 7, 15, tzinfo=UTC)))
_SPOKEN = {
    **{"EST": "Eastern", "EDT": "Eastern", "CST": "Central time", "CDT": "Central time"},
    **{"MST": "Mountain time", "MDT": "Mountain time", "PST": "Pacific", "PDT": "Pacific"},
    **{"AST": "Atlantic time", "ADT": "Atlantic time", "AKST": "Alaska", "AKDT": "Alaska", "HST": "Hawaii"},
}


SOON_MS = 6 * 3_600_000
_SPAN = re.compile(
    r"\b(?:in|within|en|dentro de|dans|d'ici|tra|fra|em|daqui a|over|binnen)\b[^.,;]{0,24}?"
    r"(?:\bmin\w*|\bhours?\b|\bhoras?\b|\b\w*stunden?\b|\bheures?\b|\bor[ae]\b|\b(?:half)?uur\b|\brato\b|\bmoment\w*)",
    re.IGNORECASE,
)
"""A time from now, like "in twenty minutes": the same instant on every clock."""


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


def instant_of(wish: RetryWish, reach: Reach, *, sure_zone: bool = True) -> int | BadTime | AskTime:
    """The UTC instant (ms) of a wish. `sure_zone`: its zone is the one in which its clock was written."""
    instants = _instants(wish)
    if isinstance(instants, BadTime):
        return instants
    if not isinstance(reach.zones, Zones):
        return AskTime(f"The callee said {_said(wish)}. {reach.zones.sentence}")
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
    soon = sure_zone and ahead[0] <= reach.now_ms + SOON_MS and _SPAN.search(wish.quote) is not None
    if not (soon or _one_clock(instants, reach.zones) or names_zone(wish.quote, wish.zone)):
        places = " or ".join(place_of(key) for key in reach.zones.keys)
        return AskTime(
            f"The callee said {_said(wish)}, but the number may be in {places}, where the clocks differ. "
            "Ask whose hour is meant."
        )
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


def names_zone(said: str, key: str) -> bool:
    """Whether somebody who said this named the zone's clock: by its place, like "Madrid", by what the clock is
    called in America, like "Eastern", or by its abbreviation in capitals.
    """
    zone = zone_named(key)
    if zone is None:
        return False
    short = {local_time(at_ms, zone).tzname() or "" for at_ms in _SEASONS_MS}
    spoken = [place_of(key)]
    if key.startswith(("America/", "US/", "Canada/", "Pacific/")):
        spoken += [_SPOKEN[name] for name in short if name in _SPOKEN]
    return any(re.search(rf"\b{re.escape(name)}\b", said, re.IGNORECASE) for name in spoken) or any(
        re.search(rf"\b{re.escape(name)}\b", said) for name in short if name.isalpha()
    )


def _instants(wish: RetryWish) -> list[int] | BadTime:
    """When the zone shows that wall clock: twice where clocks are set back, never where they are set forward."""
    try:
        wall = datetime.fromisoformat(wish.local_time.strip())
    except ValueError:
        return BadTime(f"retry.local_time {wish.local_time[:40]!r} is not a time like 2027-01-16T16:00.")
    if wall.tzinfo is not None:
        return BadTime("retry.local_time is the wall clock of retry.zone: write it without offset.")
    zone = zone_named(wish.zone)
    if zone is None:
        return BadTime(f"retry.zone {wish.zone[:40]!r} is not an IANA name like America/New_York.")
    try:
        instants = sorted({utc_ms(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)) for fold in (0, 1)})
    except OverflowError:
        return BadTime(f"retry.local_time {wish.local_time[:40]!r} is no time that can be called at.")
    return [at for at in instants if local_time(at, zone).replace(tzinfo=None) == wall]


def _one_clock(instants: Sequence[int], zones: Zones) -> bool:
    """Whether all of the callee's zones show the same wall clock then."""
    clocks = [zone for one in zones.keys if (zone := zone_named(one)) is not None]
    return all(len({local_time(at_ms, zone).utcoffset() for zone in clocks}) <= 1 for at_ms in instants)


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
