"""When a call may begin: open hours of a week, in every zone the callee may be in, without public holidays.

Time runs in UTC milliseconds and is only ever turned into local time, never back, so gaps and folds of daylight
saving need no rule of their own: a local hour that does not exist is never met, one that comes twice is met twice.
The hold is the time a phone may ring: a call may begin when the window stays open until it stops. Called by
admission and `opendeep policy check`; proven by `scripts/prove windows` against a table made minute by minute.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from app.domain.policy.holiday_calendar import is_holiday
from app.domain.policy.pack import Rules, Span, Weekday
from app.domain.policy.week import DAY_MIN, ring
from app.domain.policy.zones import Zones, zone_named
from app.errors import ValidationFailed

MINUTE_MS = 60_000
DAY_MS = DAY_MIN * MINUTE_MS
WEEK_MS = 7 * DAY_MS
HORIZON_DAYS = 400
"""A window that does not open within this time counts as one that never opens."""
_STEP_MS = DAY_MS // 2
"""Longest look ahead; no zone changes its clock twice within."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY = 3  # a Thursday


def local_time(at_ms: int, zone: tzinfo) -> datetime:
    """The wall clock of `zone` at an instant."""
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


def utc_ms(at: datetime) -> int:
    """Milliseconds since 1970 of an aware time."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


class ZoneHours:
    """One zone's open hours; `margin_min` makes up for not being sure of the zone."""

    def __init__(
        self,
        zone: tzinfo,
        hours: Mapping[Weekday, Sequence[Span]],
        closed_on: Callable[[date], bool] | None = None,
        margin_min: int = 0,
    ) -> None:
        self._zone = zone
        self._spans = [(a * MINUTE_MS, b * MINUTE_MS) for a, b in ring(hours, margin_min)]
        self._edges = sorted({edge for span in self._spans for edge in span})
        self._closed_on = closed_on
        self._margin_ms = margin_min * MINUTE_MS

    def state(self, at_ms: int) -> tuple[bool, int]:
        """Whether it is open, and an instant after `at_ms` before which that does not change."""
        offset_ms = self._offset_ms(at_ms)
        local_ms = at_ms + offset_ms
        ahead_ms = min(_STEP_MS, self._to_edge_ms(local_ms), self._to_other_day_ms(local_ms))
        until_ms = at_ms + ahead_ms
        if self._offset_ms(until_ms) != offset_ms:
            until_ms = self._change_ms(at_ms, until_ms, offset_ms)
        return self._is_open(local_ms), until_ms

    def _is_open(self, local_ms: int) -> bool:
        in_week = (local_ms + _EPOCH_WEEKDAY * DAY_MS) % WEEK_MS
        if not any(begin <= in_week < end for begin, end in self._spans):
            return False
        if self._closed_on is None:
            return True
        days = {(local_ms + shift) // DAY_MS for shift in (-self._margin_ms, 0, self._margin_ms)}
        return not any(self._closed_on(date.fromordinal(_EPOCH_ORDINAL + day)) for day in days)

    def _to_edge_ms(self, local_ms: int) -> int:
        if not self._edges:
            return WEEK_MS
        in_week = (local_ms + _EPOCH_WEEKDAY * DAY_MS) % WEEK_MS
        n = bisect_right(self._edges, in_week)
        return self._edges[n] - in_week if n < len(self._edges) else self._edges[0] + WEEK_MS - in_week

    def _to_other_day_ms(self, local_ms: int) -> int:
        if self._closed_on is None:
            return WEEK_MS
        shifts = (-self._margin_ms, 0, self._margin_ms)
        return min(DAY_MS - (local_ms + shift) % DAY_MS for shift in shifts)

    def _change_ms(self, before_ms: int, after_ms: int, offset_ms: int) -> int:
        """The first instant after `before_ms` with another offset; there is one by `after_ms`."""
        while after_ms - before_ms > 1:
            middle = (before_ms + after_ms) // 2
            before_ms, after_ms = (
                (middle, after_ms) if self._offset_ms(middle) == offset_ms else (before_ms, middle)
            )
        return after_ms

    def _offset_ms(self, at_ms: int) -> int:
        offset = local_time(at_ms, self._zone).utcoffset()
        if offset is None:
            raise ValueError("a time zone without offset")
        return offset // timedelta(milliseconds=1)


class CallingWindow:
    """The hours of every zone at once."""

    def __init__(self, zones: Sequence[ZoneHours]) -> None:
        if not zones:
            raise ValueError("a window needs at least one zone")
        self._zones = tuple(zones)

    def is_open(self, at_ms: int, hold_s: int = 0) -> bool:
        """Whether it is open at `at_ms` and stays so for `hold_s` seconds, their end included."""
        return self.closes(at_ms, at_ms + hold_s * 1000) is None

    def next_open(self, at_ms: int, hold_s: int = 0) -> int | None:
        """The first instant from `at_ms` on at which `is_open`; None: not within HORIZON_DAYS."""
        last_ms = at_ms + HORIZON_DAYS * DAY_MS
        while (opening := self._opens_ms(at_ms, last_ms)) is not None:
            closing = self.closes(opening, opening + hold_s * 1000)
            if closing is None:
                return opening
            at_ms = closing
        return None

    def _opens_ms(self, at_ms: int, last_ms: int) -> int | None:
        while at_ms <= last_ms:
            closed = [until for is_open, until in (zone.state(at_ms) for zone in self._zones) if not is_open]
            if not closed:
                return at_ms
            at_ms = max(closed)
        return None

    def closes(self, at_ms: int, last_ms: int) -> int | None:
        """The first closed instant from `at_ms` to `last_ms`; None: it stays open."""
        while at_ms <= last_ms:
            states = [zone.state(at_ms) for zone in self._zones]
            if not all(is_open for is_open, _ in states):
                return at_ms
            at_ms = min(until for _, until in states)
        return None


def calling_window(rules: Rules, zones: Zones) -> CallingWindow:
    """The window of some rules for a callee. Raises ValidationFailed when a zone does not exist here."""
    closed_on = is_holiday(rules.holidays) if rules.holidays else None
    hours: list[ZoneHours] = []
    for key in zones.keys:
        zone = zone_named(key)
        if zone is None:
            raise ValidationFailed(f"{key!r} is not a time zone.")
        hours.append(ZoneHours(zone, rules.hours, closed_on, zones.margin_min))
    return CallingWindow(hours)
