"""The audit log: append only, and every way of tampering with the file shows."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from app.errors import StoreError
from app.store import audit, users
from app.store.audit import Deed
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import TENANT

pytestmark = pytest.mark.anyio
ROWS = 12


@pytest.fixture
async def written(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as db:
        await users.add_tenant(db, "other", "Other", 0)
        async with db.tx() as tx:
            for number in range(ROWS):
                await audit.add(tx, TENANT, Deed(actor="user:a", action=f"did {number}", object="task:1"), number)
                await audit.add(tx, "other", Deed(actor="user:b", action="x", object="", detail={"n": number}), 1)
        yield db


async def test_a_whole_log_is_whole(written: Database) -> None:
    assert await audit.verify(written, TENANT) == (ROWS, None)
    assert await audit.verify(written, "other") == (ROWS, None)
    assert await audit.verify(written, "nobody") == (0, None)
    page = await audit.newest(written, TENANT, limit=5)
    assert [row.seq for row in page] == [12, 11, 10, 9, 8]
    assert [row.seq for row in await audit.newest(written, TENANT, before=8, limit=2)] == [7, 6]


@pytest.mark.parametrize("sql", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"])
async def test_the_database_refuses_changes(written: Database, sql: str) -> None:
    with pytest.raises(StoreError, match="append only"):
        await written.execute(sql)


TAMPERING = {
    "edited": "UPDATE audit_log SET action = 'nothing' WHERE tenant_id = 'default' AND seq = 5",
    "moved in time": "UPDATE audit_log SET at_ms = at_ms + 1 WHERE tenant_id = 'default' AND seq = 1",
    "deleted": "DELETE FROM audit_log WHERE tenant_id = 'default' AND seq = 5",
    "beginning deleted": "DELETE FROM audit_log WHERE tenant_id = 'default' AND seq = 1",
    "taken from another": "UPDATE audit_log SET hash = (SELECT hash FROM audit_log WHERE tenant_id = 'other' "
    "AND seq = 3) WHERE tenant_id = 'default' AND seq = 3",
    "swapped": "UPDATE audit_log SET seq = CASE seq WHEN 4 THEN 104 ELSE 4 END "
    "WHERE tenant_id = 'default' AND seq IN (4, 5)",
}


@pytest.mark.parametrize("opener", ["sqlite"], indirect=True)  # with the file in hand
@pytest.mark.parametrize("how", TAMPERING)
async def test_tampering_shows(written: SqliteDatabase, how: str) -> None:
    await written.close()
    with closing(sqlite3.connect(written.path)) as raw, raw:
        raw.execute("DROP TRIGGER audit_log_no_update")
        raw.execute("DROP TRIGGER audit_log_no_delete")
        raw.execute(TAMPERING[how])
    async with SqliteDatabase(written.path) as again:
        read, wrong = await audit.verify(again, TENANT)
        assert wrong is not None
        assert read < ROWS
        assert (await audit.verify(again, "other"))[1] is None
