"""What a transaction promises, on both databases; and that rows read to be written back are nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec
import pytest

from app.domain.call import Call
from app.domain.command import CommandKind, NewCommand, Say
from app.errors import ConflictError, ConstraintFailed, StoreError, ValidationFailed
from app.ids import new_id
from app.store import attempts, commands, dnd, events, leases, tasks
from app.store.db import Database
from app.store.dnd import DoNotCall
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import (
    LEASE_MS,
    NOW,
    SITE,
    TENANT,
    add_agent,
    begun_call,
    claimed_task,
    ended,
    new_call,
    new_task,
)

pytestmark = pytest.mark.anyio
ADD = "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :id, 0)"
COUNT = "SELECT count(*) FROM tenants WHERE id LIKE 'x%'"


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def count(db: Database) -> int:
    row = await db.one(COUNT)
    assert row is not None
    return row[0]


async def test_a_transaction_commits_whole_or_not_at_all(db: Database) -> None:
    async with db.tx() as tx:
        await tx.execute(ADD, {"id": "x1"})
        assert await tx.one(COUNT) == (1,)
        assert await count(db) == 0, "a reader must not see what is not committed"
    assert await count(db) == 1

    async def fail() -> None:
        async with db.tx() as tx:
            await tx.execute(ADD, {"id": "x2"})
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await count(db) == 1


async def test_a_cancelled_transaction_is_rolled_back(db: Database) -> None:
    for steps in (*range(12), 40, 200):
        started = asyncio.Event()

        async def doomed(begun: asyncio.Event = started) -> None:
            async with db.tx() as tx:
                begun.set()
                await tx.execute(ADD, {"id": "x-doomed"})
                await tx.execute(ADD, {"id": "x-doomed-2"})
                await asyncio.Event().wait()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(doomed())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
        assert await count(db) == 0
    async with asyncio.timeout(5), db.tx() as tx:
        await tx.execute(ADD, {"id": "x-doomed"})  # nobody holds its lock any more


async def test_a_transaction_inside_a_transaction_is_a_mistake_not_a_deadlock(db: Database) -> None:
    async with asyncio.timeout(5), db.tx() as outer:
        for inner in (db.execute(ADD, {"id": "x"}), db.change("SELECT 1"), db.many(ADD, [{"id": "x"}])):
            with pytest.raises(RuntimeError, match="inside"):
                await inner
        await outer.execute(ADD, {"id": "x"})
    assert await count(db) == 1
    with pytest.raises(RuntimeError, match="over"):
        await outer.execute(ADD, {"id": "y"})


async def test_after_a_failed_statement_nothing_is_stored_even_if_the_error_is_swallowed(db: Database) -> None:
    async def swallow() -> None:
        async with db.tx() as tx:
            await tx.execute(ADD, {"id": "x1"})
            with pytest.raises(ConstraintFailed):
                await tx.execute(ADD, {"id": "x1"})
            with pytest.raises(StoreError, match="failed"):
                await tx.execute(ADD, {"id": "x2"})

    with pytest.raises(StoreError, match="nothing of it is stored"):
        await swallow()
    assert await count(db) == 0


async def test_a_savepoint_is_undone_alone(db: Database) -> None:
    async def part(tx: object, *names: str) -> None:
        async with tx.savepoint():  # type: ignore[attr-defined]
            for name in names:
                await tx.execute(ADD, {"id": name})  # type: ignore[attr-defined]

    async def nested(tx: object, name: str) -> None:
        async with tx.savepoint():  # type: ignore[attr-defined]
            await part(tx, name)
            await part(tx, name)

    async with db.tx() as tx:
        await part(tx, "x1")
        with pytest.raises(ConstraintFailed):
            await part(tx, "x2", "x1")
        with pytest.raises(ConstraintFailed):
            await nested(tx, "x3")
        await tx.execute(ADD, {"id": "x4"})
    assert [row[0] for row in await db.fetch("SELECT id FROM tenants WHERE id LIKE 'x%' ORDER BY id")] == [
        "x1",
        "x4",
    ]


async def test_many_is_all_or_nothing_and_readers_cannot_write(db: Database) -> None:
    with pytest.raises(ConstraintFailed):
        await db.many(ADD, [{"id": "x1"}, {"id": "x1"}])
    with pytest.raises(StoreError):
        await db.fetch(ADD, {"id": "x"})
    assert await count(db) == 0


async def test_values_that_cannot_be_stored_are_named(db: Database) -> None:
    for value in ("\ud800", 1 << 70):
        with pytest.raises(ValidationFailed, match="cannot be stored"):
            await db.execute(ADD, {"id": value})
    await db.execute(ADD, {"id": "x'; DROP TABLE tenants; --"})
    assert await count(db) == 1


async def test_sums_are_whole_numbers(db: Database) -> None:
    assert await db.one("SELECT sum(created_ms), coalesce(max(created_ms), 0) FROM tenants") == (0, 0)
    row = await db.one("SELECT sum(created_ms) FROM tenants")
    assert row is not None
    assert type(row[0]) is int


# --- races that one writer hides ---------------------------------------------------------------------------------
async def test_a_cancel_and_a_claim_of_one_task_never_both_win(db: Database, opener: Opener) -> None:
    made = [await tasks.create(db, TENANT, new_task(), NOW) for _ in range(30)]
    won: list[str] = []

    async def claimer(own: Database) -> None:
        while batch := await leases.claim_due(own, NOW, "me", LEASE_MS, 3):
            won.extend(task.id for task in batch)

    async def canceller(own: Database) -> None:
        for task in made:
            async with own.tx() as tx:
                await tasks.cancel(tx, TENANT, task.id, "not needed", NOW)
            await asyncio.sleep(0)

    async with opener() as second, asyncio.TaskGroup() as group:
        group.create_task(claimer(db))
        group.create_task(canceller(second))
    for task in made:
        now = await tasks.get(db, TENANT, task.id)
        assert now.state == "cancelled"
        assert now.lease_owner is None
        assert now.lease_token == (1 if task.id in won else 0), "a cancel must not take a claim's token back"


async def test_a_task_that_was_read_to_be_changed_is_not_claimed_meanwhile(db: Database, opener: Opener) -> None:
    held, free = [await tasks.create(db, TENANT, new_task(priority=p), NOW) for p in (90, 10)]
    async with opener() as second, asyncio.TaskGroup() as group, db.tx() as tx:
        await tasks.get(tx, TENANT, held.id)
        claiming = group.create_task(leases.claim_due(second, NOW, "me", LEASE_MS, 9))
        await asyncio.wait([claiming], timeout=0.3)  # SQLite lets it wait, PostgreSQL lets it pass by
        await tasks.cancel(tx, TENANT, held.id, "not needed", NOW)
    assert [task.id for task in claiming.result()] == [free.id]
    now = await tasks.get(db, TENANT, held.id)
    assert (now.state, now.lease_token) == ("cancelled", 0)


async def test_what_is_numbered_per_call_is_numbered_once(db: Database, opener: Opener) -> None:
    call = await begun_call(db, await claimed_task(db))

    async def note(own: Database, name: str) -> None:
        for at in range(10):
            assert await events.add(own, TENANT, call.id, name, {"at": at}, at_ms=NOW)

    async def order(own: Database) -> None:
        for _ in range(5):
            new = NewCommand(
                id=new_id(NOW),
                kind=CommandKind.SAY,
                payload=Say(text="hello"),
                issued_by="lead",
                call_id=call.id,
                expires_ms=NOW + 30_000,
            )
            async with own.tx() as tx:
                await commands.enqueue(tx, TENANT, new, NOW)

    async with opener() as second, asyncio.TaskGroup() as group:
        for own, name in ((db, "a"), (second, "b"), (db, "c"), (second, "d")):
            group.create_task(note(own, name))
            group.create_task(order(own))
    assert [event.seq for event in await events.list_events(db, TENANT, call.id)] == list(range(1, 41))
    assert [one.seq for one in await commands.list_of_call(db, TENANT, call.id)] == list(range(1, 21))


async def test_an_order_and_the_end_of_its_call_leave_nothing_waiting(db: Database, opener: Opener) -> None:
    async with opener() as second:
        for _ in range(15):
            task = await claimed_task(db)
            call = await begun_call(db, task)

            async def order(call_id: str = call.id) -> None:
                new = NewCommand(
                    id=new_id(NOW),
                    kind=CommandKind.SAY,
                    payload=Say(text="hello"),
                    issued_by="lead",
                    call_id=call_id,
                    expires_ms=NOW + 30_000,
                )
                with suppress(ConflictError):  # the call had ended
                    async with second.tx() as tx:
                        await commands.enqueue(tx, TENANT, new, NOW)

            async with asyncio.TaskGroup() as group:
                group.create_task(order())
                async with db.tx() as tx:
                    await attempts.finish_call(tx, TENANT, ended(call), NOW, token=task.lease_token)
            assert not await commands.waiting(db, TENANT, call.id)


async def test_an_opt_out_waits_for_the_dial_that_is_being_decided(db: Database, opener: Opener) -> None:
    """Also for a number that only test mode's redirect dials, where no row of its own makes the two meet: whatever
    was decided before the opt-out is committed before it."""
    redirect = "+12025550199"
    site = msgspec.structs.replace(SITE, test_mode=True, redirect=redirect)
    task = await claimed_task(db)
    entry = DoNotCall(id=new_id(NOW), tenant_id=TENANT, number=redirect, reason="", source="callee")

    async def opt_out(own: Database) -> None:
        async with own.tx() as tx:
            await dnd.add(tx, entry, NOW)

    async with opener() as second, asyncio.TaskGroup() as group, db.tx() as tx:
        new = new_call(task, number_dialed=redirect)
        assert isinstance(await attempts.begin_call(tx, TENANT, new, task.lease_token, NOW, site=site), Call)
        opting = group.create_task(opt_out(second))
        done, _ = await asyncio.wait([opting], timeout=0.3)
        assert not done, "it must not be committed between the look at the list and the dial"
    assert opting.done()
    next_one = await claimed_task(db, "+12025550188")
    async with db.tx() as tx:
        new = new_call(next_one, number_dialed=redirect)
        refusal = await attempts.begin_call(tx, TENANT, new, next_one.lease_token, NOW, site=site)
    assert isinstance(refusal, attempts.DialRefusal)
