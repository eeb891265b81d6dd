"""When a planned call may be made: the wish of the plan laid over the calling hours of the callee. Pure.

The model writes wall clock and zone and does no arithmetic. The zone must show the callee's own clock: a wish in
somebody else's would ring at an hour nobody meant.
"""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from app.domain.local_time import told
from app.domain.plan import WindowDraft
from app.domain.policy.windows import CallingWindow, local_time, utc_ms
from app.domain.policy.zones import Zones, zone_named

DAY_MS = 86_400_000
MAX_AHEAD_MS = 180 * DAY_MS


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """From the first instant (UTC ms) at which the phone may ring; `until_ms` as the plan says."""

    first_ms: int
    until_ms: int | None


def span_of(wish: WindowDraft, zones: Zones, hours: CallingWindow, *, now_ms: int, hold_s: int) -> Span | str:
    """The span of a call, or the sentence that says why there is none."""
    begin = _instant(wish.earliest, wish, zones, "earliest")
    end = _instant(wish.latest, wish, zones, "latest")
    for read in (begin, end):
        if isinstance(read, str):
            return read
    first_ms = max(now_ms, begin if isinstance(begin, int) else now_ms)
    until_ms = end if isinstance(end, int) else None
    if isinstance(begin, int) and begin > now_ms + MAX_AHEAD_MS:
        return f"window.earliest {wish.earliest} is more than {MAX_AHEAD_MS // DAY_MS} days ahead."
    if until_ms is not None and until_ms <= now_ms:
        return f"window.latest {wish.latest} is past already; it is {told(now_ms, zones.keys)}."
    if until_ms is not None and until_ms <= first_ms:
        return f"window.latest {wish.latest} is not after window.earliest {wish.earliest}."
    opening = hours.next_open(first_ms, hold_s)
    if opening is None:
        return "calling rules never open for this number."
    if until_ms is not None and opening + hold_s * 1000 > until_ms:
        legal = told(opening, zones.keys)
        guess = (
            " (the zone is inferred from the number, so an hour is taken off at both ends)"
            if zones.inferred
            else ""
        )
        return f"nobody may be called there in that window; the next legal time is {legal}{guess}."
    return Span(first_ms=opening, until_ms=until_ms)


def asked_for(wish: WindowDraft, now_ms: int) -> tuple[int, int]:
    """From when to when a call may be made, as far as the wish can be read; without an end as long as a plan may
    reach ahead.
    """
    begin, end = _read(wish.earliest, wish.zone), _read(wish.latest, wish.zone)
    first_ms = min(max(now_ms, begin or now_ms), now_ms + MAX_AHEAD_MS)
    return first_ms, max(first_ms, end or first_ms + MAX_AHEAD_MS)


def same_clock(key: str, places: tuple[str, ...], first_ms: int, last_ms: int) -> bool:
    """Whether one of `places` shows the same wall clock as `key` all the time, looked at each day. Clocks that
    agree today part when one of them is set forward.
    """
    return _same_on(key, places, first_ms // DAY_MS, last_ms // DAY_MS + 1)


@lru_cache(maxsize=4096)
def _same_on(key: str, places: tuple[str, ...], first_day: int, last_day: int) -> bool:
    zone = zone_named(key)
    others = [one for place in places if (one := zone_named(place)) is not None]
    days = range(first_day, min(last_day, first_day + 2 * MAX_AHEAD_MS // DAY_MS) + 1)
    return zone is not None and any(
        all(
            local_time(day * DAY_MS, zone).utcoffset() == local_time(day * DAY_MS, one).utcoffset() for day in days
        )
        for one in others
    )


def _read(written: str, key: str) -> int | None:
    zone = zone_named(key)
    try:
        wall = datetime.fromisoformat(written.strip())
        return None if zone is None else utc_ms(wall.replace(tzinfo=zone).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _instant(written: str, wish: WindowDraft, zones: Zones, name: str) -> int | str | None:
    if not written.strip():
        return None
    try:
        wall = datetime.fromisoformat(written.strip())
    except ValueError:
        return f"window.{name} {written[:40]!r} is not a time like 2027-01-16T16:00."
    if wall.tzinfo is not None:
        return f"window.{name} is the wall clock of window.zone: write it without offset."
    zone = zone_named(wish.zone)
    if zone is None:
        return f"window.zone {wish.zone[:40]!r} is not an IANA name like America/New_York."
    try:
        at_ms = utc_ms(wall.replace(tzinfo=zone).astimezone(UTC))
    except OverflowError:
        return f"window.{name} {written[:40]!r} is no time that can be called at."
    if local_time(at_ms, zone).replace(tzinfo=None) != wall:
        return f"window.{name} {written} does not exist in {wish.zone}: the clocks are set forward over it."
    offsets = {local_time(at_ms, one).utcoffset() for key in zones.keys if (one := zone_named(key)) is not None}
    if local_time(at_ms, zone).utcoffset() not in offsets:
        known = ", ".join(zones.keys)
        return f"window.zone {wish.zone} is not where this number is ({known}): write the callee's own clock."
    if len(offsets) > 1:  # nobody named one: what a person names is the only zone
        return (
            f"window.{name} {written} is not one hour: the number may be in {' or '.join(zones.keys)}, where the "
            "clocks differ. Ask the user whose hour is meant, as a choice of these zones."
        )
    return at_ms
