"""Clocks: the wall may jump, monotonic time may not."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from app.clock import Clock, ManualClock, SystemClock

START = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)


def test_system_clock_agrees_with_itself() -> None:
    clock: Clock = SystemClock()
    now = clock.now()
    assert now.utcoffset() == timedelta(0)
    assert abs(now.timestamp() * 1000 - clock.unix_ms()) < 1000
    assert clock.monotonic() <= clock.monotonic()


def test_manual_clock_stands_still_until_moved() -> None:
    clock = ManualClock(START)
    assert (clock.now(), clock.unix_ms()) == (START, int(START.timestamp() * 1000))
    before = clock.monotonic()
    clock.advance(1.5)
    assert clock.unix_ms() - int(START.timestamp() * 1000) == 1500
    assert clock.monotonic() - before == 1.5


def test_wall_jump_leaves_monotonic_alone() -> None:
    clock = ManualClock(START)
    before = clock.monotonic()
    clock.jump_wall(-86_400)
    assert clock.now() == START - timedelta(days=1)
    assert clock.monotonic() == before


def test_zone_is_converted_and_mistakes_are_refused() -> None:
    clock = ManualClock(START.astimezone(timezone(timedelta(hours=5))))
    assert clock.now().tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
