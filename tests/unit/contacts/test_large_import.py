"""A list of 100,000 rows, and one whose process is killed in the middle."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from app.contacts.program import Opened
from app.contacts.reading import read_list
from app.contacts.runner import CHUNK, CHUNK_IN
from app.contacts.sheet import open_list
from app.store import contact_imports, contacts
from app.store.contact_imports import ContactImport
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.store_world import TENANT
from tests.unit.contacts.import_world import ImportWorld, pieces

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]
ROWS = 100_000
LOOP_S = 0.05
"""Processor time the loop may spend between two turns: longer, and a call's events wait."""


def body(rows: int) -> bytes:
    lines = ["Name;Phone;City"] + [f"Ümit {n};+1212{2_000_000 + n};Town {n % 9}" for n in range(rows)]
    return "\r\n".join(lines).encode()


class Turns:
    """Measures the longest turn of the loop by the processor time of its thread: other programs do not count."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def watch(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now = time.thread_time()
            self.longest_s, last = max(self.longest_s, now - last), now


async def test_the_measure_sees_a_list_that_is_read_on_the_loop() -> None:
    turns = Turns()
    watching = asyncio.get_running_loop().create_task(turns.watch())
    await asyncio.sleep(0.01)
    assert sum(1 for _ in open_list("csv", body(ROWS)).rows) == ROWS + 1
    await asyncio.sleep(0.01)
    watching.cancel()
    assert turns.longest_s > LOOP_S


async def test_a_hundred_thousand_rows_are_read_beside_the_loop() -> None:
    turns, count = Turns(), 0
    watching = asyncio.get_running_loop().create_task(turns.watch())
    async for told in read_list("csv", pieces(body(ROWS))):
        count += 0 if isinstance(told, Opened) else len(told.rows)
    watching.cancel()
    print(f"longest turn of the loop: {turns.longest_s * 1000:.1f} ms")
    assert count == ROWS + 1
    assert turns.longest_s < LOOP_S


async def test_the_loop_goes_on_while_rows_are_checked_and_brought_in(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as db:
        world, turns = ImportWorld(db), Turns()
        watching = asyncio.get_running_loop().create_task(turns.watch())
        one = await world.brought(await world.checked(body(20 * CHUNK)))
        watching.cancel()
        assert one.tally == {"imported": 20 * CHUNK}
        print(f"longest turn of the loop: {turns.longest_s * 1000:.1f} ms")
        assert turns.longest_s < LOOP_S


CHILD = """
import asyncio, sys
from pathlib import Path
from app.store.sqlite import SqliteDatabase
from tests.unit.contacts.import_world import ImportWorld
from app.store import contact_imports

async def main():
    async with SqliteDatabase(Path(sys.argv[1])) as db:
        world = ImportWorld(db)
        one = await contact_imports.get(db, world.tenant_id, sys.argv[2])
        print("begun", flush=True)
        await world.go_on(one)
        print("done", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("step", ["reading", "checking", "importing"])
async def test_a_process_that_is_killed_leaves_what_the_next_one_goes_on_with(tmp_path: Path, step: str) -> None:
    file, rows = fresh_sqlite(tmp_path / "test.db"), 3_000
    async with SqliteDatabase(file) as db:
        world = ImportWorld(db)
        one = await world.send(body(rows))
        if step == "importing":
            one = await world.ordered(await world.go_on(one))
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CHILD, str(file), one.id, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        one = await _until(world, one, step)
        os.kill(child.pid, signal.SIGKILL)
        await child.communicate()
        left = await world.again(one)
        assert left.state == step, "it died in the middle"
        world.clock.advance(60)  # what it held runs out
        one = await world.go_on(one)
        if step != "importing":
            assert (one.state, one.rows_total, one.tally) == ("review", rows, {"ready": rows})
            one = await world.brought(one)
        assert (one.state, one.tally) == ("done", {"imported": rows})
        assert len((await contacts.of_import(db, TENANT, one.id, limit=rows + 1)).contacts) == rows
        count = await db.one("SELECT count(*) FROM contacts")
        assert count == (rows,)


async def _until(world: ImportWorld, one: ContactImport, step: str) -> ContactImport:
    """Until the other process is in the middle of this step."""
    async with asyncio.timeout(60):
        while True:
            one = await contact_imports.get(world.db, TENANT, one.id)
            done = {"reading": one.rows_total, "checking": one.checked_seq, "importing": one.imported_seq}[step]
            if one.state == step and done >= CHUNK_IN:
                return one
            await asyncio.sleep(0.002)
