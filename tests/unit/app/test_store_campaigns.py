"""Campaigns: a confirm counts once, and a campaign is completed with its last settled task."""

from collections.abc import AsyncIterator

import pytest

from app.domain.agent import Agent
from app.domain.task import NewTask
from app.domain.tenant import DEFAULT_TENANT_ID as TENANT
from app.errors import ValidationFailed
from app.store import agents, campaigns, tasks
from app.store.campaigns import NewCampaign
from app.store.db import Database
from tests.unit.app.conftest import Opener

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000_000


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as db:
        await agents.create(db, Agent(id="a", tenant_id=TENANT, name="A"), NOW)
        yield db


def task(name: str, number: str = "+12025550123") -> NewTask:
    return NewTask(id=name, agent_id="a", number=number, objective="o", next_action_time=NOW)


async def confirm(db: Database, name: str, key: str | None, *batch: NewTask) -> tuple[str, bool]:
    async with db.tx() as tx:
        new = NewCampaign(id=name, name=name, idempotency_key=key)
        campaign, added = await campaigns.create(tx, TENANT, new, batch, NOW)
    return campaign.id, added


async def test_a_confirm_counts_once(db: Database) -> None:
    assert await confirm(db, "c1", "key", task("t1"), task("t2")) == ("c1", True)
    assert await confirm(db, "c2", "key", task("t3")) == ("c1", False)
    assert len(await tasks.list_tasks(db, TENANT)) == 2


async def test_one_bad_task_stores_nothing(db: Database) -> None:
    with pytest.raises(ValidationFailed, match="number"):
        await confirm(db, "c1", None, task("t1"), task("t2", number="call me"))
    assert await campaigns.list_campaigns(db, TENANT) == []
    assert await tasks.list_tasks(db, TENANT) == []


async def test_completed_with_the_last_settled_task(db: Database) -> None:
    await confirm(db, "c1", None, task("t1"), task("t2"))
    await confirm(db, "empty", None)
    assert await campaigns.complete_settled(db, NOW) == []
    for number, done in (("t1", []), ("t2", [(TENANT, "c1")])):
        async with db.tx() as tx:
            await tasks.cancel(tx, TENANT, number, "not needed", NOW)
        assert await campaigns.complete_settled(db, NOW) == done
    assert (await campaigns.get(db, TENANT, "c1")).state == "completed"
    assert (await campaigns.get(db, TENANT, "empty")).state == "active"
