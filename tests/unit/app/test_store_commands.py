"""Commands in the store: who may order, taken once and in order whoever races, settled once, never left behind."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain import command as cmd
from app.domain.call import Call
from app.domain.command import Command, CommandKind, CommandState, NewCommand
from app.domain.task import CallTask
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import new_id
from app.store import attempts, commands, leases
from app.store.db import Database
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import LEASE_MS, NOW, TENANT, add_agent, begun_call, claimed_task, ended

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


def say(call: Call, text: str = "hello", **changes: object) -> NewCommand:
    fields = {"id": new_id(NOW), "kind": CommandKind.SAY, "payload": cmd.Say(text=text), "issued_by": "lead"}
    return NewCommand(**{**fields, "call_id": call.id, "expires_ms": NOW + 30_000, **changes})


async def order(db: Database, new: NewCommand, tenant_id: str = TENANT) -> Command:
    async with db.tx() as tx:
        return await commands.enqueue(tx, tenant_id, new, NOW)


async def take(db: Database, call: Call, token: int, now_ms: int = NOW) -> Command | None:
    async with db.tx() as tx:
        return await commands.take_next(tx, TENANT, call.id, token, now_ms)


async def living(db: Database) -> tuple[CallTask, Call]:
    task = await claimed_task(db)
    return task, await begun_call(db, task)


async def test_orders_are_taken_in_order_and_settled_once(db: Database) -> None:
    task, call = await living(db)
    placed = [await order(db, say(call, str(number))) for number in range(3)]
    assert [one.seq for one in placed] == [1, 2, 3]
    assert await commands.waiting(db, TENANT, call.id)
    taken = [await take(db, call, task.lease_token) for _ in range(4)]
    assert [one and one.id for one in taken] == [*(one.id for one in placed), None]
    assert not await commands.waiting(db, TENANT, call.id)
    first = placed[0].id
    assert await commands.finish(db, TENANT, first, CommandState.DONE, "said", now_ms=NOW + 1)
    assert not await commands.finish(db, TENANT, first, CommandState.REFUSED, "again", now_ms=NOW + 2)
    row = await commands.get(db, TENANT, first)
    assert (row.state, row.result, row.taken_ms, row.done_ms) == (CommandState.DONE, "said", NOW, NOW + 1)


async def test_the_same_order_again_is_the_same_row(db: Database) -> None:
    task, call = await living(db)
    new = say(call)
    first = await order(db, new)
    assert await order(db, new) == first
    await take(db, call, task.lease_token)
    later = msgspec.structs.replace(new, expires_ms=NOW - 5)  # a repeat that comes after it has expired
    assert (await order(db, later)).state is CommandState.TAKEN
    with pytest.raises(ConflictError, match="something else"):
        await order(db, msgspec.structs.replace(new, payload=cmd.Say(text="other")))
    assert len(await commands.list_of_call(db, TENANT, call.id)) == 1


async def test_only_living_calls_of_the_tenant_take_orders(db: Database) -> None:
    task, call = await living(db)
    await db.execute("INSERT INTO tenants (id, name, created_ms) VALUES ('other', 'Other', 0)")
    foreign = say(call)
    with pytest.raises(NotFoundError):
        await order(db, foreign, "other")
    with pytest.raises(NotFoundError):
        await order(db, say(call, call_id="no such call"))
    own = await order(db, say(call))
    with pytest.raises(ConflictError, match="something else"):
        await order(db, say(call, id=own.id), "other")
    with pytest.raises(NotFoundError):
        await commands.get(db, "other", own.id)
    async with db.tx() as tx:
        assert await commands.take_next(tx, "other", call.id, task.lease_token, NOW) is None
        await attempts.finish_call(tx, TENANT, ended(call), NOW + 5, token=task.lease_token)
    with pytest.raises(ConflictError, match="has ended"):
        await order(db, say(call))
    with pytest.raises(ValidationFailed):
        await order(db, say(call, expires_ms=NOW))


async def test_what_waits_too_long_expires_and_what_is_behind_it_does_not_wait(db: Database) -> None:
    task, call = await living(db)
    short = await order(db, say(call, expires_ms=NOW + 10))
    long = await order(db, say(call))
    taken = await take(db, call, task.lease_token, NOW + 10)
    assert taken is not None
    assert taken.id == long.id
    row = await commands.get(db, TENANT, short.id)
    assert (row.state, row.taken_ms) == (CommandState.EXPIRED, None)


async def test_a_call_takes_so_many_and_no_more(db: Database) -> None:
    task, call = await living(db)
    for _ in range(commands.MAX_OPEN):
        await order(db, say(call))
    with pytest.raises(ConflictError, match="wait already"):
        await order(db, say(call))
    first = await take(db, call, task.lease_token)
    assert first is not None
    await commands.finish(db, TENANT, first.id, CommandState.DONE, "", now_ms=NOW)
    assert (await order(db, say(call))).seq == commands.MAX_OPEN + 1


async def test_a_process_that_lost_its_claim_takes_nothing(db: Database) -> None:
    task, call = await living(db)
    await order(db, say(call))
    async with db.tx() as tx:
        adopted = await leases.adopt(tx, TENANT, task.id, "other", NOW + LEASE_MS)
    assert await take(db, call, task.lease_token) is None
    assert await take(db, call, adopted.lease_token) is not None


async def test_the_end_of_a_call_leaves_nothing_waiting(db: Database) -> None:
    task, call = await living(db)
    taken, waiting = await order(db, say(call)), await order(db, say(call))
    expired = await order(db, say(call, expires_ms=NOW + 1))
    await take(db, call, task.lease_token)
    async with db.tx() as tx:
        await leases.recover_expired(tx, NOW + LEASE_MS + 1)  # the process died
    rows = {row.id: row for row in await commands.list_of_call(db, TENANT, call.id)}
    assert {row.state for row in rows.values()} == {CommandState.REFUSED, CommandState.EXPIRED}
    assert rows[expired.id].state is CommandState.EXPIRED
    assert "nothing was done" in rows[waiting.id].result
    assert "before it was known" in rows[taken.id].result


async def test_what_a_dead_process_took_is_never_tried_again(db: Database) -> None:
    task, call = await living(db)
    placed = await order(db, say(call))
    await take(db, call, task.lease_token)
    assert await commands.give_up_taken(db, TENANT, call.id, "interrupted", NOW + 1) == 1
    assert await take(db, call, task.lease_token) is None
    assert (await commands.get(db, TENANT, placed.id)).result == "interrupted"


async def test_a_wish_for_another_time_counts_once_it_is_done(db: Database) -> None:
    task, call = await living(db)
    wish = cmd.Reschedule(wished_ms=NOW + 999)
    await order(db, say(call, kind=CommandKind.RESCHEDULE, payload=wish))
    assert await commands.rescheduled(db, TENANT, call.id) is None
    taken = await take(db, call, task.lease_token)
    assert taken is not None
    await commands.finish(db, TENANT, taken.id, CommandState.DONE, "", now_ms=NOW)
    assert await commands.rescheduled(db, TENANT, call.id) == wish


async def test_racing_workers_never_take_one_twice(opener: Opener, db: Database) -> None:
    """Four connections, as four processes have them, and a fifth that keeps ordering."""
    task, call = await living(db)
    total = 60
    took: list[Command] = []
    others = [opener() for _ in range(4)]

    async def worker(own: Database) -> None:
        mine: list[int] = []
        async with own:
            while len(took) < total:
                command = await take(own, call, task.lease_token)
                if command is None:
                    await asyncio.sleep(0.001)
                    continue
                took.append(command)
                mine.append(command.seq)
                await commands.finish(own, TENANT, command.id, CommandState.DONE, "", now_ms=NOW)
        assert mine == sorted(mine)

    async def orderer() -> list[Command]:
        placed: list[Command] = []
        while len(placed) < total:
            try:
                placed.append(await order(db, say(call, str(len(placed)))))
            except ConflictError:
                await asyncio.sleep(0.001)
        return placed

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        ordering = group.create_task(orderer())
        for own in others:
            group.create_task(worker(own))
    assert sorted(one.seq for one in took) == list(range(1, total + 1))
    assert {one.id for one in took} == {one.id for one in ordering.result()}
