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
    assert isinstance(found, BadTime | AskTime)
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


def two_clocks(*keys: str) -> Reach:
    """A number whose zones were inferred, everywhere open from nine to eight."""
    hours = {day: ((OPEN, CLOSE),) for day in DAYS}
    window = CallingWindow([ZoneHours(ZoneInfo(key), hours) for key in keys])  # type: ignore[arg-type]
    now = datetime(2027, 1, 15, 10, tzinfo=UTC)
    return Reach(
        now_ms=round(now.timestamp() * 1000), zones=Zones(keys=keys, inferred=True), window=window, hold_s=40
    )


MADRID_OR_CANARY = ("Atlantic/Canary", "Europe/Madrid")


@pytest.mark.parametrize("zone", MADRID_OR_CANARY)
@pytest.mark.parametrize(
    "quote",
    ["tomorrow at four", "mañana a las cuatro", "I'm at the central office", "tomorrow at four, est-ce que"],
)
def test_an_hour_in_a_place_with_two_clocks_is_asked_about(zone: str, quote: str) -> None:
    said = RetryWish(local_time="2027-01-16T16:00", zone=zone, turn=1, quote=quote)
    found = instant_of(said, two_clocks(*MADRID_OR_CANARY))
    assert isinstance(found, AskTime)
    assert "Canary or Madrid" in found.sentence
    assert "2027-01-16T16:00" in found.sentence


@pytest.mark.parametrize(
    ("keys", "zone", "quote", "utc_hour"),
    [
        (MADRID_OR_CANARY, "Europe/Madrid", "at four, Madrid time", 15),
        (MADRID_OR_CANARY, "Atlantic/Canary", "at four in the CANARY islands", 16),
        (("America/Chicago", "America/New_York"), "America/New_York", "at 4 Eastern", 21),
        (("America/Chicago", "America/New_York"), "America/Chicago", "four o'clock CST", 22),
        # Two names of one clock leave nothing to ask.
        (("Europe/Berlin", "Europe/Busingen"), "Europe/Berlin", "at four", 15),
    ],
)
def test_a_clock_that_the_callee_named_or_that_is_the_only_one_is_taken(
    keys: tuple[str, ...], zone: str, quote: str, utc_hour: int
) -> None:
    said = RetryWish(local_time="2027-01-16T16:00", zone=zone, turn=1, quote=quote)
    found = instant_of(said, two_clocks(*keys))
    assert found == round(datetime(2027, 1, 16, utc_hour, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("quote", ["call me in twenty minutes", "llámame dentro de 20 minutos", "in half an hour"])
def test_a_span_from_now_is_the_same_on_every_clock(quote: str) -> None:
    said = RetryWish(local_time="2027-01-15T11:20", zone="Europe/Madrid", turn=1, quote=quote)
    reach = two_clocks(*MADRID_OR_CANARY)
    assert instant_of(said, reach) == reach.now_ms + 20 * 60_000
    assert isinstance(instant_of(said, reach, sure_zone=False), AskTime), (
        "nobody knows whose clock was written down"
    )


@pytest.mark.parametrize(
    "quote", ["a las cuatro horas", "à quatre heures", "at four in the afternoon", "um vier Uhr"]
)
def test_an_hour_of_the_day_is_no_span(quote: str) -> None:
    said = RetryWish(local_time="2027-01-15T13:00", zone="Europe/Madrid", turn=1, quote=quote)
    assert isinstance(instant_of(said, two_clocks(*MADRID_OR_CANARY)), AskTime)


def test_words_that_name_the_other_clock_are_not_taken_for_this_one() -> None:
    said = RetryWish(local_time="2027-01-16T16:00", zone="Atlantic/Canary", turn=1, quote="at four, Madrid time")
    assert isinstance(instant_of(said, two_clocks(*MADRID_OR_CANARY)), AskTime)
