"""Rows of test calls and rehearsals in both stores: who is taken, and what is swept."""

from collections.abc import AsyncIterator

import pytest

from app.domain.agent import Agent
from app.domain.tryout import ALIVE_AT_ONCE, ALIVE_MS, KEPT_WISH_MS, NewTryout
from app.ids import new_id
from app.store import agents, rehearsals, tryouts, users
from app.store.db import Database
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import NOW, TENANT

pytestmark = pytest.mark.anyio
OTHER = "other"


@pytest.fixture
async def db(opener: Opener, anyio_backend: str) -> AsyncIterator[Database]:
    del anyio_backend
    async with opener() as db:
        yield db


async def agent_in(db: Database, tenant_id: str) -> Agent:
    return await agents.create(db, Agent(id=new_id(NOW), tenant_id=tenant_id, name="Tried", prompt="hello"), NOW)


async def wished(db: Database, agent: Agent) -> str:
    new = NewTryout(id=new_id(NOW), agent_id=agent.id, agent_version=1, body="{}", objective="", asked_by="user:1")
    async with db.tx() as tx:
        await tryouts.ask(tx, agent.tenant_id, new, NOW)
        assert await tryouts.want(tx, agent.tenant_id, new.id, "mic", NOW)
    return new.id


async def test_who_has_enough_alive_waits_until_an_engine_is_given_up(db: Database) -> None:
    await users.add_tenant(db, OTHER, "Other", 0)
    mine, others = await agent_in(db, TENANT), await agent_in(db, OTHER)
    ids = [await wished(db, mine) for _ in range(10)]
    theirs = await wished(db, others)
    for tryout_id in ids[: ALIVE_AT_ONCE + 1]:
        async with db.tx() as tx:
            one = await tryouts.get(tx, TENANT, tryout_id)
            assert await tryouts.take(tx, one, "node", "m", NOW) is (tryout_id != ids[ALIVE_AT_ONCE])
    assert [one.id for one in await tryouts.wanted(db, NOW)] == [theirs]
    async with db.tx() as tx:
        assert await tryouts.lost(tx, "", NOW + ALIVE_MS - 1) == 0
        assert await tryouts.lost(tx, "", NOW + ALIVE_MS) == ALIVE_AT_ONCE
    async with db.tx() as tx:
        assert await tryouts.sweep(tx, TENANT, NOW, NOW) == {}
        assert await tryouts.sweep(tx, TENANT, NOW + 1, NOW) == {"tryouts": ALIVE_AT_ONCE}
        assert await tryouts.sweep(tx, TENANT, 0, NOW + KEPT_WISH_MS + 1) == {"tryouts": 8}
    assert [one.id for one in await tryouts.wanted(db, NOW)] == [theirs], "another tenant's stays"


async def test_an_engine_takes_the_microphone_it_saw_or_none(db: Database) -> None:
    tryout_id = await wished(db, await agent_in(db, TENANT))
    (seen,) = await tryouts.wanted(db, NOW)
    async with db.tx() as tx:
        await tryouts.leave(tx, TENANT, tryout_id, "mic")
        assert not await tryouts.take(tx, seen, "node", "m", NOW), "nobody is there"
        assert await tryouts.want(tx, TENANT, tryout_id, "another", NOW)
        assert not await tryouts.take(tx, seen, "node", "m", NOW), "its voice would not be taken"
    (seen,) = await tryouts.wanted(db, NOW)
    async with db.tx() as tx:
        assert await tryouts.take(tx, seen, "node", "m", NOW)


async def test_rehearsals_go_when_they_are_over_and_old(db: Database) -> None:
    agent, rehearsal_id = await agent_in(db, TENANT), new_id(NOW)
    async with db.tx() as tx:
        await rehearsals.ask(tx, agent, rehearsal_id, "user:1", NOW)
        assert await rehearsals.sweep(tx, TENANT, NOW + 1, NOW) == {}, "it waits"
    await rehearsals.fail(db, await rehearsals.get(db, TENANT, rehearsal_id), "no verdict", NOW)
    async with db.tx() as tx:
        assert await rehearsals.sweep(tx, TENANT, NOW, NOW) == {}
        assert await rehearsals.sweep(tx, TENANT, NOW + 1, NOW) == {"rehearsals": 1}
