"""Processes that stand still, loops that stall, disks that are full."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import StoreError
from app.store.sqlite import SqliteDatabase
from scripts.lib.faults.machine import filled, no_small_disk, small_disk, sockets_of, stall, stopped
from tests.fresh_sqlite import fresh_sqlite

pytestmark = pytest.mark.anyio


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_a_process_stands_still_and_goes_on() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with stopped(process.pid):
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
            assert state_of(process.pid) == "T"
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(10) == 0


async def test_a_stall_holds_up_the_whole_loop() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    stall(0.1)
    await asyncio.sleep(0.01)
    assert loop.time() - began >= 0.1


async def test_a_full_disk_is_a_store_error_and_ends_with_room(tmp_path: Path) -> None:
    reason = no_small_disk()
    if reason is not None:
        pytest.skip(reason)
    insert = "INSERT INTO tenants (id, name, created_ms) VALUES (:id, :name, 0)"
    with small_disk(tmp_path / "disk", 4 << 20) as folder:
        async with SqliteDatabase(fresh_sqlite(folder / "test.db")) as db:
            with filled(folder, leave_bytes=8_192):
                rows = [{"id": f"x{at}", "name": "n" * 20_000} for at in range(1_000)]
                with pytest.raises(StoreError, match="disk of the database is full"):
                    await db.many(insert, rows)
                assert await db.one("SELECT count(*) FROM tenants") is not None
            assert await db.execute(insert, {"id": "after", "name": "n"}) == 1
        with closing(sqlite3.connect(folder / "test.db")) as plain:
            assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_sockets_of_a_process() -> None:
    before = sockets_of(os.getpid())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        assert len(sockets_of(os.getpid()) - before) == 1
    assert sockets_of(os.getpid()) <= before
    assert sockets_of(2**22 + 1) == set()
