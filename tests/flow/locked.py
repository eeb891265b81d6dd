"""A store that another process holds."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

from tests.flow.rig import Rig, until


@asynccontextmanager
async def locked(house: Rig) -> AsyncGenerator[None]:
    """Another process holds SQLite's write lock."""
    path = house.settings.database_path
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        async def taken() -> bool:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True

        other.execute("PRAGMA busy_timeout=0")
        await until(taken)
        try:
            yield
        finally:
            other.execute("ROLLBACK")
