"""Results in the store: nothing older replaces what is newer, and totals are what counting row by row finds."""

from collections import Counter
from random import Random

import msgspec
import pytest

from app.store import attempts, results, tasks
from app.store.db import Database
from app.store.results import MAX_VALUES, ResultValue
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import AGENT, NOW, TENANT, add_agent, begun_call, claimed_task, ended, new_task

pytestmark = pytest.mark.anyio


def value(call_id: str, text: object, field: str = "day") -> ResultValue:
    raw = msgspec.json.encode(text).decode()
    return ResultValue(field=field, value=raw, call_id=call_id, item_id="i", quote="q", audio_ms=0, at_ms=NOW)


async def two_calls(db: Database) -> list[tuple[str, str]]:
    """An earlier and a later task to the same number, each with its call: (task, call)."""
    await add_agent(db)
    made: list[tuple[str, str]] = []
    for created_ms in (1, 2):
        task = await claimed_task(db)
        call = await begun_call(db, task)
        async with db.tx() as tx:
            await attempts.finish_call(tx, TENANT, ended(call), NOW, token=task.lease_token)
        await db.execute("UPDATE calls SET created_ms = :at WHERE id = :id", {"at": created_ms, "id": call.id})
        made.append((task.id, call.id))
    return made


async def note(db: Database, task_id: str, call_id: str, *found: ResultValue, outcome: str) -> None:
    async with db.tx() as tx:
        await results.note(tx, TENANT, task_id, call_id, found, outcome=outcome, now_ms=NOW)


async def test_an_earlier_call_that_is_analyzed_late_replaces_nothing(opener: Opener) -> None:
    async with opener() as db:
        await late(db)


async def late(db: Database) -> None:
    (first, earlier), (second, later) = await two_calls(db)
    await note(db, second, later, value(later, "Friday"), outcome="success")
    await note(db, first, earlier, value(earlier, "Monday"), value(earlier, 3, "people"), outcome="refused")
    await note(db, first, earlier, outcome="voicemail")
    (row,) = await results.page(db, TENANT, results.Filter(), None, 10)
    assert (row.result.outcome, row.result.call_id) == ("success", later)
    assert {name: one.text for name, one in row.fields.items()} == {"day": "Friday", "people": "3"}
    await note(db, second, later, value(later, "Sunday"), outcome="partial")
    (row,) = await results.page(db, TENANT, results.Filter(), None, 10)
    assert (row.result.outcome, row.fields["day"].text) == ("partial", "Sunday")


async def test_who_walks_meets_each_recipient_once_although_values_change(opener: Opener) -> None:
    async with opener() as db:
        await add_agent(db)
        made: dict[str, tuple[str, str]] = {}
        for n in range(7):
            task = await claimed_task(db, f"+1202555010{n}")
            made[task.number] = task.id, (await begun_call(db, task)).id
            await note(db, *made[task.number], value(made[task.number][1], n), outcome="success")
        for which in (results.Filter(), results.Filter(agent_id=AGENT.id)):
            seen, after = list[str](), ("", "")
            while rows := await results.walk(db, TENANT, which, after, 2):
                seen += [row.result.number for row in rows]
                after = (rows[-1].result.agent_id, rows[-1].result.number)
                for task_id, call_id in made.values():
                    await note(db, task_id, call_id, value(call_id, len(seen)), outcome="success")
            assert seen == sorted(made)
        assert await results.walk(db, "other", results.Filter(), ("", ""), 2) == []


async def test_totals_are_what_counting_finds(opener: Opener, seed: int) -> None:
    random = Random(seed)
    counted: dict[str, Counter[str]] = {"day": Counter(), "size": Counter()}
    async with opener() as db:
        await add_agent(db)
        call = await begun_call(db, await claimed_task(db))
        for n in range(60):
            task = await tasks.create(db, TENANT, new_task(number=f"+1202555{n:04d}", id=f"{n:032x}"), NOW)
            for field, most in (("day", 25), ("size", 3)):
                text = str(random.randrange(most))
                counted[field][text] += 1
                await note(db, task.id, call.id, value(call.id, text, field), outcome="")
        totals = {one.name: one for one in await results.totals(db, TENANT, results.Filter(), 100)}
    for field, counts in counted.items():
        best = sorted(counts.items(), key=lambda one: (-one[1], msgspec.json.encode(one[0])))[:MAX_VALUES]
        assert totals[field].values == tuple(best)
        assert (totals[field].count, totals[field].different) == (60, len(counts))
