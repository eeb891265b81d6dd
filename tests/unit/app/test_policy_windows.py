"""Calling windows: never open outside the minute table, next_open is right, zones are never guessed."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.local_time import told
from app.domain.policy.holiday_calendar import check_calendar, is_holiday
from app.domain.policy.merge import merge
from app.domain.policy.pack import WEEKDAYS, Rules
from app.domain.policy.week import DAY_MIN, WEEK_MIN, by_day, joined, read_span, ring
from app.domain.policy.windows import DAY_MS, CallingWindow, ZoneHours, calling_window, utc_ms
from app.domain.policy.zones import Zones, ZonesUnknown, zone_named, zones_of
from app.errors import ValidationFailed
from scripts.promises import windows as promise
from scripts.promises.minute_table import Case, Table, held

MINUTE_MS = 60_000
KEYS = (
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "UTC",
)
START = utc_ms(datetime(2027, 1, 1, tzinfo=UTC))

spans = st.integers(0, DAY_MIN - 1).flatmap(
    lambda begin: st.tuples(st.just(begin), st.integers(begin + 1, DAY_MIN))
)
days = st.lists(spans, max_size=2).map(joined)
weeks = st.fixed_dictionaries(dict.fromkeys(WEEKDAYS, days))
instants = st.integers(START, START + 500 * DAY_MS)
zone_sets = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True)


def window(
    keys: list[str], hours: dict, margin_min: int = 0, closed: frozenset[date] = frozenset()
) -> CallingWindow:
    every = [ZoneHours(ZoneInfo(key), hours, closed.__contains__, margin_min) for key in keys]
    return CallingWindow(every)


@given(zone_sets, weeks, instants, st.integers(0, 3600), st.sampled_from((0, 60)))
def test_next_open_is_open_and_the_first(keys: list[str], hours: dict, at: int, hold_s: int, margin: int) -> None:
    one = window(keys, hours, margin)
    opening = one.next_open(at, hold_s)
    if opening is None:
        assert not one.is_open(at, hold_s)
        return
    assert opening >= at
    assert one.is_open(opening, hold_s)
    assert one.next_open(opening, hold_s) == opening
    if opening > at:
        assert not one.is_open(at, hold_s)
        assert not one.is_open(opening - 1, hold_s)
        assert one.next_open((at + opening) // 2, hold_s) == opening


@given(zone_sets, weeks, instants, st.integers(0, 30 * DAY_MS), st.integers(0, 600))
def test_next_open_is_monotone(keys: list[str], hours: dict, at: int, more: int, hold_s: int) -> None:
    one = window(keys, hours)
    first, second = one.next_open(at, hold_s), one.next_open(at + more, hold_s)
    if first is not None and second is not None:
        assert first <= second
    if first is None:
        assert second is None or second > at + 390 * DAY_MS


@settings(max_examples=25)
@given(zone_sets, weeks, instants, st.sampled_from((0, 60)), st.sampled_from((0, 7)))
def test_never_open_outside_the_minute_table(
    keys: list[str], hours: dict, at: int, margin: int, hold: int
) -> None:
    start, closed = at - at % MINUTE_MS, frozenset({datetime.fromtimestamp(at // 1000, UTC).date()})
    case = Case(name="any", hours=hours, margin_min=margin, hold_min=hold, holidays=True)
    allowed = Table([ZoneInfo(key) for key in keys], start, 2000).allowed(case, closed)
    expected = held(allowed, hold)
    one = window(keys, hours, margin, closed)
    for minute in range(0, len(expected), 61):
        assert one.is_open(start + minute * MINUTE_MS, hold * 60) == expected[minute]
    first = np.flatnonzero(expected)
    opening = one.next_open(start, hold * 60)
    if len(first):
        assert opening == start + int(first[0]) * MINUTE_MS
    else:
        assert opening is None or opening >= start + len(expected) * MINUTE_MS


@given(weeks, weeks, zone_sets, instants)
def test_tightening_never_opens_an_instant(a: dict, b: dict, keys: list[str], at: int) -> None:
    both = merge(Rules(hours=a), Rules(hours=b, holidays=("US",)))
    zones = Zones(keys=tuple(keys), inferred=False)
    tight = calling_window(both, zones)
    for loose in (Rules(hours=a), Rules(hours=b, holidays=("US",))):
        for hold_s in (0, 300):
            assert not tight.is_open(at, hold_s) or calling_window(loose, zones).is_open(at, hold_s)


def test_the_promise_catches_a_wrong_window_in_one_zone() -> None:
    """The whole proof is `scripts/prove windows`; here one zone and every mutant that needs only one."""
    zone = ZoneInfo("Europe/Paris")
    found = promise.Found()
    for start in promise.stretches(zone)[0]:
        promise.check([zone], start, promise.product, found, promise.random.Random(1))
    assert found.violations == 0, found.first
    assert found.openings > 20
    for name in ("asked_offset", "standard_time", "no_margin", "no_holidays", "no_ring_time"):
        wrong = promise.Found()
        for start in promise.stretches(zone)[0]:
            promise.check([zone], start, promise.MUTANTS[name], wrong, promise.random.Random(1))
        assert wrong.violations, name


def test_a_window_that_never_opens_is_told() -> None:
    apart = window(["America/Los_Angeles", "Asia/Tokyo"], {day: ((540, 720),) for day in WEEKDAYS})
    assert apart.next_open(START) is None
    assert window(["UTC"], {day: () for day in WEEKDAYS}).next_open(START) is None
    assert window(["UTC"], {day: ((540, 660),) for day in WEEKDAYS}, margin_min=60).next_open(START) is None
    assert window(["UTC"], {}).next_open(START, 300) == START


def test_the_hour_that_comes_twice_is_open_twice_and_the_missing_one_never() -> None:
    night = window(["America/New_York"], {day: ((90, 105),) for day in WEEKDAYS})  # 01:30 to 01:45
    first = utc_ms(datetime(2027, 11, 7, 5, 30, tzinfo=UTC))
    assert [night.next_open(first), night.next_open(first + 15 * MINUTE_MS)] == [first, first + 60 * MINUTE_MS]
    gap = window(["America/New_York"], {day: ((135, 165),) for day in WEEKDAYS})  # 02:15 to 02:45
    missing = utc_ms(datetime(2027, 3, 14, 5, 0, tzinfo=UTC))
    assert gap.next_open(missing) == utc_ms(datetime(2027, 3, 15, 6, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    ("hours", "margin", "spans"),
    [
        ({}, 60, ((0, WEEK_MIN),)),
        (dict.fromkeys(WEEKDAYS, ()), 60, ()),
        ({**dict.fromkeys(WEEKDAYS, ()), "mon": ((1320, 1440),), "tue": ((0, 120),)}, 60, ((1380, 1500),)),
        (
            {**dict.fromkeys(WEEKDAYS, ()), "sun": ((1320, 1440),), "mon": ((0, 120),)},
            60,
            ((0, 60), (10020, 10080)),
        ),
        ({**dict.fromkeys(WEEKDAYS, ()), "sun": ((1400, 1440),), "mon": ((0, 300),)}, 60, ((20, 240),)),
        ({**dict.fromkeys(WEEKDAYS, ()), "sun": ((1000, 1440),), "mon": ((0, 30),)}, 60, ((9700, 10050),)),
    ],
)
def test_a_week_is_a_ring(hours: dict, margin: int, spans: tuple) -> None:
    assert ring(hours, margin) == spans


def test_written_hours() -> None:
    assert read_span("00:00-24:00") == (0, 1440)
    assert by_day({"mon": (read_span("22:00-02:00"),), "tue": ()}) == {"mon": ((1320, 1440),), "tue": ((0, 120),)}
    assert by_day({"sun": ((1320, 1560),), "mon": ((60, 180),)})["mon"] == ((0, 180),)
    for bad in ("", "9:00-20:00", "09:00-24:01", "24:00-01:00", "09:00-09:00", "٠٩:00-20:00", "09:00-20:00\n"):
        with pytest.raises(ValueError, match=r"form|past|whole"):
            read_span(bad)


@pytest.mark.parametrize(
    ("number", "contact", "expected"),
    [
        ("+12192000000", "", ("America/New_York",)),
        ("+12192000000", "America/Chicago", ("America/Chicago",)),
        ("+442079460000", "", ("Europe/London",)),
        ("+34600000000", "", ("Atlantic/Canary", "Europe/Madrid")),
        ("+18005551234", "", "kind"),
        ("+80012345678", "", "kind"),
        ("+61412345678", "", "many"),
        ("+79161234567", "", "many"),
        ("+15551000001", "", "kind"),
        ("+12192000000", "EST", "contact"),
        ("+12192000000", "Etc/GMT+5", "contact"),
        ("+12192000000", "America/Nowhere", "contact"),
        ("+12192000000", "../../etc/passwd", "contact"),
        ("+12192000000", "America/../Europe/Paris", "contact"),
        ("+12192000000", "America", "contact"),
        ("12192000000", "", "number"),
    ],
)
def test_zones_are_known_or_asked_for(number: str, contact: str, expected: tuple[str, ...] | str) -> None:
    found = zones_of(number, contact)
    if isinstance(found, Zones):
        assert found.keys == expected
        assert found.inferred is (contact == "")
        assert found.margin_min == (0 if contact else 60)
    else:
        assert isinstance(found, ZonesUnknown)
        assert found.code == expected
        assert found.sentence.endswith("Say the callee's time zone; it is never guessed.")


def test_a_zone_that_does_not_exist_makes_no_window() -> None:
    with pytest.raises(ValidationFailed, match="not a time zone"):
        calling_window(Rules(), Zones(keys=("Nowhere/Here",), inferred=False))
    with pytest.raises(ValueError, match="at least one"):
        calling_window(Rules(), Zones(keys=(), inferred=False))
    assert zone_named("localtime") is None


def test_holiday_calendars() -> None:
    closed = is_holiday(["US", "FR-57", "DE-*"])
    assert [closed(date(2026, 11, day)) for day in (25, 26, 27)] == [False, True, False]
    assert closed(date(2027, 12, 31)), "New Year of 2028 is observed the day before"
    assert closed(date(2028, 4, 14)), "Good Friday, in Moselle"
    for name in ("XX", "DE-XX", "", "us"):
        with pytest.raises(ValueError, match="calendar"):
            check_calendar(name)


def test_an_instant_is_told_in_both_clocks() -> None:
    at = utc_ms(datetime(2026, 11, 21, 2, 14, tzinfo=UTC))
    assert told(at) == "Sat 21 Nov 2026 02:14 UTC"
    assert told(at, ("America/New_York",)) == "Fri 20 Nov 2026 21:14 in New York (Sat 02:14 UTC)"
    both = told(at, ("Europe/London", "Asia/Kathmandu", "Europe/Jersey"))
    assert both == "Sat 21 Nov 2026 02:14 in Jersey and Sat 07:59 in Kathmandu (Sat 02:14 UTC)"
