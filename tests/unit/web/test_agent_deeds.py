"""People and programs that change one agent at the same time, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from litestar.testing import RequestFactory

from app.domain.agent import Agent
from app.domain.people import Person, Role
from app.errors import ConflictError
from app.store import agents
from app.store.db import Database, Tx
from tests.unit.app.conftest import Opener, opener
from tests.unit.app.store_world import AGENT, TENANT, add_agent
from tests.unit.contacts.import_world import utc_clock
from web.agents.deeds import AgentDeeds, Asked

__all__ = ["opener"]
pytestmark = pytest.mark.anyio
WHO = Person(tenant_id=TENANT, user_id="u", name="x", role=Role.OWNER, via="token", key_id="k")
Deed = Callable[[AgentDeeds, Tx, Asked], Awaitable[Agent]]


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as made:
        yield made


def asked() -> Any:
    request = RequestFactory().get("/")
    request.scope["state"]["person"] = WHO
    return request


async def change(deeds: AgentDeeds, tx: Tx, who: Asked) -> Agent:
    return await deeds.change(tx, who, AGENT.id, {"prompt": "Theirs."}, 1)


async def replace(deeds: AgentDeeds, tx: Tx, who: Asked) -> Agent:
    whole = {"name": AGENT.name, "prompt": "Theirs.", "greeting": "Hello."}
    return await deeds.replace(tx, who, AGENT.id, whole, 1)


@pytest.mark.parametrize("deed", [change, replace])
async def test_of_two_changes_of_one_version_one_is_made(db: Database, deed: Deed) -> None:
    await add_agent(db)
    deeds = AgentDeeds(utc_clock())

    async def second() -> Agent:
        async with db.tx() as tx:
            return await deed(deeds, tx, asked())

    async with db.tx() as tx:
        mine = await deeds.change(tx, asked(), AGENT.id, {"prompt": "Mine."}, 1)
        running = asyncio.get_running_loop().create_task(second())
        await asyncio.sleep(0.3)  # time to read the version, if nothing holds it
    with pytest.raises(ConflictError, match="version 2"):
        await running
    now = await agents.get(db, TENANT, AGENT.id)
    assert (now.version, now.prompt, now) == (2, "Mine.", mine)
    assert [one.version for one in await agents.versions(db, TENANT, AGENT.id)] == [2, 1]
