"""What a new control process reads of a talk that another one was ending."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from app.calls.adopt import adopted_order
from app.calls.closing import CLOSING, Closed
from app.calls.second_thought import TAKEN_BACK
from app.store import calls, events
from app.store.sqlite import SqliteDatabase
from stasis.outcome import EndedBy
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import switchboard
from tests.unit.app.store_world import NOW, TENANT, add_agent, begun_call, claimed_task

pytestmark = pytest.mark.anyio
END = Closed(ended_by=EndedBy.AGENT, reason="booked", revocable=True, taken_back=1)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as opened:
        await add_agent(opened)
        yield opened


@pytest.mark.parametrize(
    ("noted", "closed", "taken_back"),
    [((), None, 0), ((CLOSING,), END, 1), ((CLOSING, TAKEN_BACK), None, 2), ((TAKEN_BACK, CLOSING), END, 1)],
)
async def test_an_end_that_was_taken_back_is_not_inherited(
    db: SqliteDatabase, noted: tuple[str, ...], closed: Closed | None, taken_back: int
) -> None:
    task = await claimed_task(db)
    begun = await begun_call(db, task)
    for kind in noted:
        await events.add(db, TENANT, begun.id, kind, {"detail": msgspec.json.encode(END).decode()}, at_ms=NOW)
    order, _ = await adopted_order(switchboard(db), await calls.get(db, TENANT, begun.id), None)
    assert (order.left.closed, order.left.taken_back) == (closed, taken_back)
