"""Promise `erasure` (P22): deleted means gone.

A person stands in every column that is said to be taken away, in recordings, and in what a real engine on
simulators writes of a call. Afterwards the bytes of the database, its write-ahead log, its index, recordings and
logs are searched. What may be left: the number in the do-not-call list, until that entry is taken off as well.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from app.clock import SystemClock
from app.config import Settings
from app.domain.personal_data import FREE_TEXT, OF_NUMBERS, OF_TASKS
from app.domain.personal_table import Table
from app.erasure import runner
from app.erasure.runner import Eraser
from app.errors import AppError
from app.figures import Result
from app.logs import set_up_logs
from app.store import erasing, erasures, free_text, retold, sqlite
from app.store.audit import Deed
from app.store.sqlite import SqliteDatabase
from scripts.promises.changed import changed
from scripts.promises.erasure import called
from scripts.promises.erasure.world import (
    NUMBER,
    TENANT,
    found_in_files,
    found_in_rows,
    people,
    record,
    settle,
)
from scripts.promises.tenancy.world import dump
from tests.fresh_sqlite import fresh_sqlite

MEMORY = Path("/dev/shm")
LOOKS = 400


class Tally:
    """What was put in, and what was found afterwards."""

    def __init__(self) -> None:
        self.columns = 0
        self.rows = 0
        self.waited = False
        self.wrong: list[str] = []


def run(seed: int, mutant: str = "") -> Result:
    """Every column, then a call of a real engine, then each mutant on the columns alone."""
    set_up_logs("critical", as_json=False)
    began = time.monotonic()
    tally = whole(mutant)
    spoken = [] if mutant else asyncio.run(called.wrong())
    missed = [name for name in MUTANTS if not mutant and not whole(name).wrong]
    return Result(
        name="erasure",
        n=tally.columns,
        violations=len(tally.wrong) + len(missed) + len(spoken),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures={
            "columns": tally.columns,
            "rows_changed": tally.rows,
            "waited_for_a_call": tally.waited,
            "mutants": len(MUTANTS),
            "mutants_missed": ", ".join(missed) or None,
            "first": next(iter([*tally.wrong, *spoken]), None),
        },
    )


def whole(mutant: str = "") -> Tally:
    """One world, one erasure; what is wrong is in `wrong`."""
    tally = Tally()
    with (
        MUTANTS[mutant]() if mutant else contextlib.nullcontext(),
        tempfile.TemporaryDirectory(dir=MEMORY) as name,
    ):
        try:
            asyncio.run(_erased(Path(name), tally))
        except (AppError, TimeoutError) as error:
            tally.wrong.append(f"it did not come to an end: {error}")
    return tally


async def _erased(folder: Path, tally: Tally) -> None:
    settings = Settings(_env_file=None).model_copy(update={"data_dir": folder})  # type: ignore[call-arg]
    record(settings.recordings_dir)
    async with SqliteDatabase(fresh_sqlite(settings.database_path)) as db:
        tally.columns = await people(db)
        others = dump(settings.database_path, "other")
        if not found_in_files(_files(folder)):
            tally.wrong.append("nothing of the person was there to begin with")
        eraser = Eraser(settings, db, SystemClock())
        now_ms = SystemClock().unix_ms()
        async with db.tx() as tx:
            deed = Deed(actor="prove", action="", object="")
            one = await erasures.request(tx, TENANT, NUMBER, b"k" * 32, deed, now_ms=now_ms)
        waits = await eraser.finish(TENANT, one.id)
        tally.waited = waits.state == "open" and waits.waits_for == 1
        if not tally.waited:
            tally.wrong.append(f"it did not wait for the call that goes on: {waits.state}, {waits.waits_for}")
        await settle(db)
        await db.execute("UPDATE erasures SET next_ms = 0 WHERE tenant_id = :t", {"t": TENANT})
        done = await eraser.finish(TENANT, one.id)
        tally.rows = sum(done.counted.values())
        if done.state != "done":
            tally.wrong.append(f"it is {done.state} at {done.step}")
        tally.wrong += found_in_rows(settings.database_path)
        tally.wrong += found_in_files(_files(folder), but=["number"])
        if dump(settings.database_path, "other") != others:
            tally.wrong.append("another tenant's rows have changed")
        async with db.tx() as tx:
            if not await tx.execute("DELETE FROM dnd_list WHERE number = :n", {"n": NUMBER}):
                tally.wrong.append("the number may be dialed again")
        await db.scour([])
        tally.wrong += found_in_files(_files(folder))
    tally.wrong += found_in_files(_files(folder))


def _careless() -> tuple[str, ...]:
    return tuple("PRAGMA secure_delete=OFF" if one == sqlite.SECURE else one for one in sqlite.WRITER_PRAGMAS)


def _files(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.rglob("*")) if file.is_file()]


@contextlib.contextmanager
def _forgets(table: Table) -> Generator[None]:
    real: Any = erasing.statement

    def statement(one: Table) -> str:
        return real(one) + " AND 1 = 0" if one.name == table.name else real(one)

    with changed(erasing, "statement", statement):
        yield


@contextlib.contextmanager
def _does_not_read(table: Table) -> Generator[None]:
    walks = tuple(walk for walk in free_text.WALKS if walk.table != table.name)
    with changed(free_text, "WALKS", walks):
        yield


async def _nothing(*_: object, **__: object) -> Any:
    return 0


async def _no_list(*_: object) -> Any:
    return {}, None


async def _keeps(*_: object) -> dict[str, int]:
    return {}


async def _scoured(*_: object) -> bool:
    return True


MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    **{f"forgets_{table.name}": lambda table=table: _forgets(table) for table in (*OF_TASKS, *OF_NUMBERS)},
    **{f"does_not_read_{table.name}": lambda table=table: _does_not_read(table) for table in FREE_TEXT},
    "does_not_read_lists": lambda: changed(free_text, "walk_lists", _no_list),
    "keeps_quotes": lambda: changed(retold, "forget", _keeps),
    "keeps_files": lambda: changed(runner, "remove_due", _nothing),
    "keeps_the_log": lambda: changed(SqliteDatabase, "scour", _scoured),
    "deletes_without_overwriting": lambda: changed(sqlite, "WRITER_PRAGMAS", _careless()),
}
"""A product that forgets one table, one walk or one file."""
