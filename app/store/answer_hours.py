"""Rows of `answer_hours`: in which hours of their week callees answer. Counted as calls end, so that reading costs
the same however many calls there were.
"""

from app.domain.calling_week import HOURS, HourCount, hour_of_week
from app.domain.policy.zones import Zones, zone_named, zones_of
from app.store.db import Reader, Tx

PERSON = frozenset({"", "human", "uncertain", "call_screening"})
"""Who answered, as far as answer supervision says, when it was no machine."""
_NOTE = """
    INSERT INTO answer_hours (tenant_id, week, hour, rung, answered, people)
    VALUES (:tenant_id, :week, :hour, 1, :answered, :people)
    ON CONFLICT (tenant_id, week, hour) DO UPDATE SET rung = answer_hours.rung + 1,
        answered = answer_hours.answered + excluded.answered, people = answer_hours.people + excluded.people
"""
_SUM = """
    SELECT hour, sum(rung), sum(answered), sum(people) FROM answer_hours
    WHERE tenant_id = :tenant_id AND week >= :week GROUP BY hour ORDER BY hour
"""


async def note(
    tx: Tx, tenant_id: str, number: str, zone: str, *, rung_ms: int, answered: bool, answered_by: str
) -> None:
    """Count a call of ours that rang. A number whose zone nobody knows (simulated ones) counts by UTC."""
    zones = zones_of(number, zone)
    keys = zones.keys if isinstance(zones, Zones) and zones.keys else ("UTC",)
    week, hour = hour_of_week(rung_ms, zone_named(keys[0]))
    person = answered and answered_by in PERSON
    params = {
        "tenant_id": tenant_id,
        "week": week,
        "hour": hour,
        "answered": int(answered),
        "people": int(person),
    }
    await tx.execute(_NOTE, params)


async def counts(sql: Reader, tenant_id: str, since_ms: int) -> tuple[HourCount, ...]:
    """One entry for each of the 168 hours, over the weeks since `since_ms`."""
    week, _ = hour_of_week(since_ms, None)
    found = [HourCount() for _ in range(HOURS)]
    for hour, rung, answered, people in await sql.fetch(_SUM, {"tenant_id": tenant_id, "week": week}):
        found[hour] = HourCount(rung=int(rung), answered=int(answered), people=int(people))
    return tuple(found)
