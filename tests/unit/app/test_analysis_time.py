"""Times a callee named: the wall clock that was said, inside the window, or a question; over clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.analysis.judgement import RetryWish
from app.domain.analysis.when import MAX_AHEAD_MS, AskTime, BadTime, Reach, earliest, instant_of
from app.domain.policy.windows import CallingWindow, ZoneHours
from app.domain.policy.zones import Zones, ZonesUnknown

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEYS = (
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "Europe/Berlin",
    "Europe/Lisbon",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Kathmandu",
    "Africa/Casablanca",
)
OPEN, CLOSE = 540, 1200


def reach(key: str, now: datetime, *, begin: int = OPEN, end: int = CLOSE, hold_s: int = 40) -> Reach:
    hours = {day: ((begin, end),) for day in DAYS}
    window = CallingWindow([ZoneHours(ZoneInfo(key), hours)])  # type: ignore[arg-type]
    zones = Zones(keys=(key,), inferred=False)
    return Reach(now_ms=round(now.timestamp() * 1000), zones=zones, window=window, hold_s=hold_s)


def wish(local_time: str, zone: str) -> RetryWish:
    return RetryWish(local_time=local_time, zone=zone, turn=1, quote="then")


walls = st.datetimes(min_value=datetime(2027, 1, 1), max_value=datetime(2027, 12, 31))  # noqa: DTZ001 - wall clocks


@given(st.sampled_from(KEYS), walls, st.integers(0, 60 * 24 * 20), st.booleans())
def test_an_instant_shows_the_wall_clock_that_was_said_and_is_open(
    key: str, wall: datetime, ahead_min: int, all_day: bool
) -> None:
    wall = wall.replace(second=0, microsecond=0)
    zone = ZoneInfo(key)
    now = wall.replace(tzinfo=zone).astimezone(UTC) - timedelta(minutes=ahead_min)
    hours = {"begin": 0, "end": 1440} if all_day else {}
    found = instant_of(wish(wall.isoformat(timespec="minutes"), key), reach(key, now, **hours))
    if isinstance(found, int):
        at = datetime.fromtimestamp(found / 1000, UTC)
        assert at > now
        assert at.astimezone(zone).replace(tzinfo=None) == wall
        last = (at + timedelta(seconds=40)).astimezone(zone)
        for clock in (at.astimezone(zone), last):
            assert all_day or OPEN <= clock.hour * 60 + clock.minute < CLOSE
    elif isinstance(found, AskTime):
        exists = wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
        inside = all_day or OPEN <= wall.hour * 60 + wall.minute < CLOSE - 1
        assert not (exists and inside), found
    else:
        # Only a time that is over; in the hour that comes twice the second one may still lie ahead.
        assert ahead_min <= 60, found


@pytest.mark.parametrize(
    ("local_time", "zone", "kind", "word"),
    [
        ("tomorrow at four", "America/New_York", BadTime, "not a time"),
        ("", "America/New_York", BadTime, "not a time"),
        ("2027-01-16T16:00Z", "America/New_York", BadTime, "without offset"),
        ("2027-01-16T16:00", "EST", BadTime, "IANA"),
        ("2027-01-16T16:00", "", BadTime, "IANA"),
        ("2027-01-16T16:00", "Europe/London", BadTime, "not where this number is"),
        ("2027-01-14T16:00", "America/New_York", BadTime, "past"),
        ("0001-01-01T00:00", "America/New_York", BadTime, ""),
        ("9999-12-31T23:59", "America/New_York", BadTime, ""),
        ("2031-12-31T15:00", "America/New_York", AskTime, "days ahead"),
        ("2027-01-16T05:00", "America/New_York", AskTime, "outside"),
        ("2027-01-16T19:59:45", "America/New_York", AskTime, "outside"),
    ],
)
def test_what_is_no_legal_time(local_time: str, zone: str, kind: type, word: str) -> None:
    found = instant_of(wish(local_time, zone), reach("America/New_York", datetime(2027, 1, 15, 15, tzinfo=UTC)))
    assert isinstance(found, kind)
    assert word in found.sentence


def test_without_zone_or_rules_somebody_is_asked() -> None:
    known = reach("America/New_York", datetime(2027, 1, 15, 15, tzinfo=UTC))
    named = wish("2027-01-16T16:00", "America/New_York")
    unknown = ZonesUnknown(code="kind", sentence="No place.")
    no_zone = Reach(now_ms=known.now_ms, zones=unknown, window=None, hold_s=40)
    no_rules = Reach(now_ms=known.now_ms, zones=known.zones, window=None, hold_s=40)
    assert isinstance(instant_of(named, no_zone), AskTime)
    assert isinstance(instant_of(named, no_rules), AskTime)
    assert isinstance(instant_of(named, known), int)


@given(st.sampled_from(KEYS), st.integers(1_798_000_000_000, 1_830_000_000_000))
def test_a_rule_delay_ends_inside_the_window_and_never_earlier(key: str, at_ms: int) -> None:
    place = reach(key, datetime.fromtimestamp(at_ms / 1000, UTC))
    found = earliest(at_ms, place)
    clock = datetime.fromtimestamp(found / 1000, ZoneInfo(key))
    assert at_ms <= found <= at_ms + MAX_AHEAD_MS
    assert OPEN <= clock.hour * 60 + clock.minute < CLOSE
