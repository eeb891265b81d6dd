"""What is said is written down once, whoever else writes and whatever the store does meanwhile."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from app.domain.follow_up import News
from app.errors import StoreError
from app.llm.planner_calls import ONE_CALL, SCHEDULE
from app.llm.planner_claim import Claim
from app.llm.planner_steps import Parts
from app.llm.spoken.hands import SHOW_FORM
from app.llm.spoken.model import Act, Acted, Charge, Note, PendingNews, Used, priced
from app.llm.spoken.notebook import Notebook
from app.store import budgets, conversations
from app.store.conversations import Conversation
from app.store.db import Database, Tx
from tests.unit.app.conftest import Opener
from tests.unit.app.planner_world import NUMBER, PROFILE, World, planner_world
from tests.unit.app.store_world import TENANT

BEFORE, AFTER, FINE = "before", "after", ""
SAID = Note(role="user", text="Call Bob.", used=priced(7, None, 5))


@pytest.fixture
async def world(opener: Opener, anyio_backend: str) -> AsyncIterator[World]:
    del anyio_backend
    async with opener() as db, planner_world(db) as world:
        yield world


class Fickle:
    """A database whose next transactions fail: before anything is stored, or after all of it was."""

    def __init__(self, db: Database, *modes: str) -> None:
        self._db = db
        self.modes = list(modes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    @asynccontextmanager
    async def tx(self) -> AsyncGenerator[Tx]:
        mode = self.modes.pop(0) if self.modes else FINE
        if mode == BEFORE:
            raise StoreError("The database cannot be reached.", code="store_lost")
        async with self._db.tx() as tx:
            yield tx
        if mode == AFTER:
            raise StoreError("The connection broke during COMMIT.", code="store_unknown")


class Desk:
    """A notebook at work."""

    def __init__(self, world: World, chat: Conversation, *modes: str) -> None:
        self.world, self.chat = world, chat
        self.fickle = Fickle(world.db, *modes)
        parts = Parts(**world.planner.parts._asdict() | {"db": cast("Database", self.fickle)})
        self.notebook = Notebook(parts, chat, PROFILE)
        self.acted: list[Acted] = []
        self.stored: list[int] = []

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.notebook.run(self.acted.append, self.stored.append))
            yield
            async with asyncio.timeout(20):
                await self.notebook.todo.join()
            task.cancel()

    def put(self, *effects: Note | Act | Charge) -> None:
        for one in effects:
            self.notebook.todo.put_nowait(one)

    async def texts(self) -> list[str]:
        return [one.text for one in await conversations.turns(self.world.db, TENANT, self.chat.id)]

    async def spent(self) -> int:
        month = budgets.tenant_month(TENANT, None, self.world.clock.unix_ms())
        return (await budgets.facts(self.world.db, [month], 0))[0].spent_micro_usd


@pytest.mark.parametrize(
    "modes", [(BEFORE,), (FINE, BEFORE), (FINE, AFTER), (AFTER,)], ids=["claim", "reply", "unknown", "claimed"]
)
async def test_a_store_that_fails_loses_no_words_and_writes_none_twice(
    world: World, modes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # a claim that was taken by a transaction nobody knows of lives until it runs out
    monkeypatch.setattr("app.llm.planner_claim.LEASE_MS", 0)
    desk = Desk(world, await world.begin(), *modes)
    async with desk.working():
        desk.put(SAID)
    assert await desk.texts() == ["Call Bob."]
    assert desk.stored == [1]
    assert await desk.spent() == 12, "what has a price is charged, although a part has none"
    (turn,) = await conversations.turns(world.db, TENANT, desk.chat.id)
    assert turn.cost_micro_usd is None


@pytest.mark.parametrize(("mode", "spent"), [(BEFORE, 9), (AFTER, 9)])
async def test_money_is_charged_once(world: World, mode: str, spent: int) -> None:
    desk = Desk(world, await world.begin(), mode)
    async with desk.working():
        desk.put(Charge(Used(known_micro_usd=9)))
    assert await desk.spent() == spent


async def test_after_the_end_words_wait_for_whoever_writes_and_functions_do_not(world: World) -> None:
    desk = Desk(world, await world.begin())
    claim = Claim(world.db, world.clock, desk.chat)
    await claim.take(world.db)
    news = PendingNews(news=News(counts={}), call_ids=frozenset())
    async with desk.working():
        act = Act(tool_call_id="t1", name=SHOW_FORM, arguments="{}")
        desk.put(SAID, act, Note(role="assistant", text="I will.", news=news), Charge(Used(known_micro_usd=3)))
        await asyncio.sleep(0)
        desk.notebook.close()
        assert await desk.texts() == []
        assert await claim.release(world.db)
    assert await desk.texts() == ["Call Bob.", "I will."]
    assert desk.acted == []
    assert await desk.spent() == 15


async def test_a_function_under_way_ends_with_the_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    began, never = asyncio.Event(), asyncio.Event()

    async def endless(*_: object) -> None:
        began.set()
        await never.wait()

    monkeypatch.setattr("app.llm.spoken.notebook.carry_out", endless)
    desk = Desk(world, await world.begin())
    async with desk.working():
        desk.put(Act(tool_call_id="t1", name=SHOW_FORM, arguments="{}"), SAID)
        await began.wait()
        desk.notebook.close()
    assert await desk.texts() == ["Call Bob."]
    assert desk.acted == []


def prepares(name: str, number: str, tool_call_id: str) -> Act:
    """The model prepares one call by its function."""
    given = {"callee_name": name, "number": number, "objective": "Ask.", "earliest": "", "latest": "", "zone": ""}
    more = {"language": "en", "opening_line": "Hello, an automated assistant.", "business_quote": ""}
    return Act(tool_call_id=tool_call_id, name=SCHEDULE, arguments=json.dumps(given | more))


async def test_a_second_call_does_not_silently_replace_the_first(world: World) -> None:
    desk = Desk(world, await world.begin())
    other = "+442079460124"
    async with desk.working():
        desk.put(Note(role="user", text=f"Call Bob on {NUMBER} and Eve on {other}.", used=Used()))
        desk.put(prepares("Bob", NUMBER, "t1"), Note(role="assistant", text="Bob is prepared.", used=Used()))
        desk.put(prepares("Eve", other, "t2"))
    first, second = desk.acted
    assert "prepared" in first.output
    assert ONE_CALL in second.output
    stored = await conversations.open_plan(world.db, TENANT, desk.chat.id)
    assert stored is not None
    assert [one.number for one in stored.plan.calls] == [NUMBER]


async def test_a_call_is_prepared_anew_once_the_user_has_spoken_again(world: World) -> None:
    desk = Desk(world, await world.begin())
    other = "+442079460124"
    async with desk.working():
        desk.put(Note(role="user", text=f"Call Bob on {NUMBER}.", used=Used()), prepares("Bob", NUMBER, "t1"))
        desk.put(Note(role="user", text=f"No, call Eve on {other}.", used=Used()), prepares("Eve", other, "t2"))
    assert all("prepared" in one.output for one in desk.acted)
    stored = await conversations.open_plan(world.db, TENANT, desk.chat.id)
    assert stored is not None
    assert [one.number for one in stored.plan.calls] == [other]
