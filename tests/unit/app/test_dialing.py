"""The dial protocol of one call while others take the trunk's tokens, over a real store."""

from pathlib import Path

import pytest

from app.calls.board import Switchboard
from app.calls.dial import Dialing
from app.calls.plan import call_machine
from app.clock import ManualClock
from app.domain.pacing import taken
from app.domain.task import TaskState
from app.store import tasks, trunks
from app.store.attempts import WAIT_FOR_TOKEN_MS
from app.store.sqlite import SqliteDatabase
from stasis.call_model import Completed, Failed
from stasis.requests import Originate
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.call_world import order, switchboard
from tests.unit.app.store_world import NOW, TENANT, add_agent, claimed_task

pytestmark = pytest.mark.anyio


async def somebody_dials(board: Switchboard) -> None:
    async with board.db.tx() as tx:
        bucket = await trunks.bucket(tx, board.site.trunk, board.site.calls_per_second, board.clock.unix_ms())
        await trunks.put(tx, board.site.trunk, taken(bucket))


async def test_a_call_waits_for_the_token_from_its_first_request_on(tmp_path: Path) -> None:
    async with SqliteDatabase(fresh_sqlite(tmp_path / "test.db")) as db:
        await add_agent(db)
        task = await claimed_task(db)
        board, asked = switchboard(db, calls_per_second=1.0), order(task)
        given: list[Completed | Failed | Originate] = []
        dialing = Dialing(board, asked, given.append, lambda kind, text: None)
        effect = call_machine(board.settings, asked).plan.originate()
        assert isinstance(board.clock, ManualClock)
        while True:
            await somebody_dials(board)
            again_ms = await dialing.commit(effect)
            if not isinstance(again_ms, int):
                break
            board.clock.advance((again_ms - board.clock.unix_ms()) / 1000)
            assert board.clock.unix_ms() - NOW < WAIT_FOR_TOKEN_MS
        assert isinstance(again_ms, Failed)
        assert board.clock.unix_ms() > NOW, "it did wait"
        assert (await tasks.get(db, TENANT, task.id)).state is TaskState.PENDING
