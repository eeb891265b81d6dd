"""A list whose file breaks off, or that nobody reads to its end: errors as they are, and no task left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from app.contacts.program import Opened
from app.contacts.reading import read_list
from app.errors import AppError, NotFoundError, StoreError, ValidationFailed
from app.store import contact_imports
from app.store.db import Database
from tests.unit.contacts.import_world import ImportWorld

pytestmark = pytest.mark.anyio
ROWS = b"Name;Phone\n" + b"Ann;+12025550123\n" * 2000


async def broken(fault: Exception | None, body: bytes = ROWS) -> AsyncIterator[bytes]:
    yield body
    if fault is not None:
        raise fault


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (StoreError("The database is away."), ROWS),
        (StoreError("The database is away."), b""),
        (NotFoundError("There is no such piece."), ROWS),
        (ValueError("a fault of ours"), b"x"),
    ],
)
async def test_what_breaks_a_file_off_is_raised_as_it_is(fault: Exception, body: bytes) -> None:
    with pytest.raises(type(fault)) as told:
        async for _ in read_list("csv", broken(fault, body)):
            pass
    assert told.value is fault


async def test_what_is_no_list_is_refused_without_a_group() -> None:
    with pytest.raises(ValidationFailed):
        async for _ in read_list("xlsx", broken(None, b"PK\x03\x04 no archive")):
            pass


async def test_a_reader_that_leaves_early_meets_no_group() -> None:
    before = asyncio.all_tasks()

    async def leaves() -> None:
        async with aclosing(read_list("csv", broken(None, ROWS * 50))) as answers:
            assert isinstance(await anext(answers), Opened)
            raise StoreError("ours")

    with pytest.raises(StoreError, match="ours"):
        await leaves()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("fault", [StoreError("away"), NotFoundError("gone")])
async def test_imports_outlive_a_store_that_is_away(
    world: ImportWorld, monkeypatch: pytest.MonkeyPatch, fault: AppError
) -> None:
    one = await world.send("Name;Phone\nAnn;+12025550123\n")
    piece, asked = contact_imports.piece, asyncio.Event()

    async def away(sql: Database, import_id: str, seq: int) -> bytes | None:
        if not asked.is_set():
            asked.set()
            raise fault
        return await piece(sql, import_id, seq)

    monkeypatch.setattr(contact_imports, "piece", away)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        running = group.create_task(world.importer.run())
        await asked.wait()
        ended = {"review", "failed"}
        while (await world.again(one)).state not in ended:
            assert not running.done()
            world.clock.advance(contact_imports.HOLD_MS / 1000 + 1)
            world.importer.wake()
            await asyncio.sleep(0.05)
        running.cancel()
    expected = "review" if isinstance(fault, StoreError) else "failed"
    assert (await world.again(one)).state == expected
