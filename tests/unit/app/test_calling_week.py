"""The callee's week: hours counted as calls end, on the callee's clock, and the hours that rules allow."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calling_week import HOURS, HourCount, hour_of_week, week_hours
from app.domain.policy.pack import WEEKDAYS
from app.store import answer_hours, attempts, calls, users
from app.store.db import Database
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task, ended

EARLIEST, LATEST = datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2060-01-01")


@given(st.datetimes(EARLIEST, LATEST))
def test_an_hour_is_where_the_callees_clock_stands(naive: datetime) -> None:
    zone = ZoneInfo("America/New_York")
    at = naive.replace(tzinfo=UTC, microsecond=0)
    week, hour = hour_of_week(int(at.timestamp() * 1000), zone)
    local = at.astimezone(zone)
    assert (hour // 24, hour % 24) == (local.weekday(), local.hour)
    assert (
        hour_of_week(int(at.timestamp() * 1000) + 7 * 86_400_000, UTC)[0]
        == hour_of_week(int(at.timestamp() * 1000), UTC)[0] + 1
    )
    assert week >= 0


def test_open_minutes_are_those_of_the_rules() -> None:
    counts = [HourCount()] * HOURS
    hours = {day: ((9 * 60 + 30, 20 * 60),) for day in WEEKDAYS[:5]} | {"sat": (), "sun": ((600, 660),)}
    week = week_hours(counts, hours)  # type: ignore[arg-type]
    of = {(one.day, one.hour): one.open_min for one in week}
    assert (of[0, 8], of[0, 9], of[0, 10], of[0, 19], of[0, 20]) == (0, 30, 60, 60, 0)
    assert {of[5, hour] for hour in range(24)} == {0}
    assert [hour for hour in range(24) if of[6, hour]] == [10]
    assert {one.open_min for one in week_hours(counts, None)} == {None}
    assert {one.open_min for one in week_hours(counts, {})} == {60}, "days that no rule names are open"


def test_a_share_is_told_only_where_phones_rang() -> None:
    counts = [HourCount(rung=3, answered=2, people=1), *[HourCount()] * (HOURS - 1)]
    first, second = week_hours(counts, None)[:2]
    assert (first.percent, second.percent) == (33, None)


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


@pytest.mark.anyio
async def test_a_call_that_rang_is_counted_once_when_it_ends(db: Database) -> None:
    """+1 202 is Washington; NOW is Friday 2027-01-15 08:00 UTC, 03:00 there."""
    await users.add_tenant(db, "other", "Other", NOW)
    cases = ((True, True, "human"), (True, True, "machine"), (True, False, ""), (False, False, ""))
    for at, (dialed, answered, by) in enumerate(cases):
        call = await begun_call(db, await claimed_task(db, f"+120255501{at:02}"))
        if by:
            await calls.set_answered_by(db, TENANT, call.id, by)
        end = ended(
            call,
            "completed" if answered else "busy",
            dialed=dialed,
            answered_ms=NOW + 1 if answered else None,
            ended_ms=NOW + 2,
        )
        for _ in range(2):
            async with db.tx() as tx:
                await attempts.close_row(tx, call, end, NOW + 2)
    found = await answer_hours.counts(db, TENANT, NOW)
    expected = HourCount(rung=3, answered=2, people=1)
    assert {hour: one for hour, one in enumerate(found) if one != HourCount()} == {4 * 24 + 3: expected}
    assert set(await answer_hours.counts(db, "other", NOW)) == {HourCount()}
    assert set(await answer_hours.counts(db, TENANT, NOW + 8 * 86_400_000)) == {HourCount()}, "older weeks"
