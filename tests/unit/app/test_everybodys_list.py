"""Who opts out at two organisations is called by none of this installation. On both databases."""

from collections.abc import AsyncIterator

import pytest

from app.domain.task import TaskState
from app.ids import new_id
from app.store import agents, dnd, tasks, users
from app.store.dnd import DoNotCall, Source
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import AGENT, NOW, NUMBER, TENANT, begun_call, claimed_task, new_task

pytestmark = pytest.mark.anyio
BRANCH, THIRD = "branch", "third"


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await agents.create(opened, AGENT, NOW)
        for tenant_id in (BRANCH, THIRD):
            await users.add_tenant(opened, tenant_id, tenant_id, NOW)
        yield opened


async def opts_out(
    db: AnyDatabase, tenant_id: str, source: Source = "callee", call_id: str | None = None
) -> list[str]:
    entry = DoNotCall(
        id=new_id(NOW),
        tenant_id=tenant_id,
        number=NUMBER,
        reason=f"said on a call: no more of {tenant_id}",
        source=source,
        evidence_call_id=call_id,
        evidence_item_id=None if call_id is None else "item",
    )
    async with db.tx() as tx:
        return await dnd.add(tx, entry, NOW)


async def test_the_second_organisation_makes_it_everybody_s_and_tells_neither_of_the_other(
    db: AnyDatabase,
) -> None:
    call = await begun_call(db, await claimed_task(db))
    waiting = await tasks.create(db, TENANT, new_task(next_action_time=NOW + 1), NOW)
    assert await opts_out(db, BRANCH) == []
    assert await dnd.find(db, THIRD, [NUMBER]) is None
    assert (await tasks.get(db, TENANT, waiting.id)).state is TaskState.PENDING, "one organisation's list binds it"
    assert await opts_out(db, TENANT, call_id=call.id) == [waiting.id]
    (everybody,) = await dnd.page(db, None)
    assert (everybody.tenant_id, everybody.number, everybody.source) == (None, NUMBER, "callee")
    assert (everybody.evidence_call_id, everybody.evidence_item_id) == (None, None)
    assert everybody.reason == dnd.SEVERAL
    bound = await dnd.find(db, THIRD, [NUMBER])
    assert bound is not None
    assert bound.tenant_id is None
    assert await opts_out(db, THIRD) == []
    assert await dnd.page(db, None) == [everybody]


async def test_what_waits_is_taken_off_the_queue_of_every_organisation(db: AnyDatabase) -> None:
    await opts_out(db, BRANCH)
    waiting = await tasks.create(db, TENANT, new_task(), NOW)
    assert await opts_out(db, THIRD) == [], "of another organisation's tasks it learns nothing"
    after = await tasks.get(db, TENANT, waiting.id)
    assert (after.state, after.overall_conclusion) == (
        TaskState.SUPPRESSED,
        "The number is on a do-not-call list.",
    )


async def test_removing_its_own_entry_does_not_lift_that_of_everybody(db: AnyDatabase) -> None:
    for tenant_id in (BRANCH, TENANT):
        await opts_out(db, tenant_id)
    for tenant_id in (BRANCH, TENANT):
        assert await dnd.remove(db, tenant_id, (await dnd.own_entry(db, tenant_id, NUMBER)).id)
        assert await dnd.is_listed(db, tenant_id, [NUMBER])
    (everybody,) = await dnd.page(db, None)
    assert not await dnd.remove(db, TENANT, everybody.id)


@pytest.mark.parametrize("other", ["operator", "import"])
async def test_only_what_callees_said_counts(db: AnyDatabase, other: Source) -> None:
    await opts_out(db, BRANCH)
    await opts_out(db, BRANCH)
    await opts_out(db, TENANT, other)
    assert await dnd.page(db, None) == []
    await opts_out(db, THIRD, other)
    await opts_out(db, THIRD)
    assert len(await dnd.page(db, None)) == 1, "said, though somebody had listed the number before"


async def test_an_entry_that_was_removed_before_does_not_count(db: AnyDatabase) -> None:
    await opts_out(db, BRANCH)
    await dnd.remove(db, BRANCH, (await dnd.own_entry(db, BRANCH, NUMBER)).id)
    await opts_out(db, TENANT)
    assert await dnd.page(db, None) == []
