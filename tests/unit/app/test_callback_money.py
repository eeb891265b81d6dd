"""A call-back costs what any call costs: set aside, charged, refused when nothing is left; both stores."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain.admission_facts import Budget
from app.domain.task import CallTask, TaskState
from app.store import attempts, budgets, callbacks, calls, campaigns, holds, tasks, tenants, usage
from app.store.budgets import Account
from app.store.callbacks import CallBack, CallBackRefusal
from app.store.campaigns import NewCampaign
from app.store.tenants import TenantTerms
from app.store.usage import Usage
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import LEASE_MS, NOW, SITE, TENANT, add_agent, ended, new_call, new_task

pytestmark = pytest.mark.anyio
USD = 1_000_000
RESERVE = 600_000
DEAR = msgspec.structs.replace(SITE, reserve_micro_usd=RESERVE)
MONTH = budgets.tenant_month(TENANT, USD, NOW)


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await add_agent(opened)
        await tenants.set_terms(opened, TENANT, TenantTerms(budget_micro_usd=USD))
        yield opened


async def calls_us(db: AnyDatabase, task: CallTask) -> CallBack | CallBackRefusal | None:
    async with db.tx() as tx:
        new = new_call(task, caller_channel=f"c-{task.id}")
        return await callbacks.begin(tx, task, new, NOW + LEASE_MS, NOW, site=DEAR)


async def in_(db: AnyDatabase, *accounts: Account) -> list[tuple[int, int]]:
    """What is spent and set aside in each account."""
    found: tuple[Budget, ...] = await budgets.facts(db, accounts, 0)
    return [(one.spent_micro_usd, one.reserved_micro_usd) for one in found]


async def turned_away(db: AnyDatabase, task: CallTask, why: str) -> None:
    refused = await calls_us(db, task)
    assert isinstance(refused, CallBackRefusal), refused
    assert why in refused.sentence
    assert await calls.of_task(db, TENANT, task.id) == []
    assert (await tasks.get(db, TENANT, task.id)).state is TaskState.PENDING


async def test_its_cost_is_set_aside_then_charged_to_the_month_and_the_campaign(db: AnyDatabase) -> None:
    async with db.tx() as tx:
        await campaigns.create(tx, TENANT, NewCampaign(id="c", name="C"), [new_task()], NOW)
    (task,) = await tasks.list_tasks(db, TENANT)
    purses = (MONTH, budgets.campaign("c", None))
    back = await calls_us(db, task)
    assert isinstance(back, CallBack), back
    assert await in_(db, *purses) == [(0, RESERVE)] * 2
    async with db.tx() as tx:
        talk = Usage(kind="response", ref="1", model="m", cost_micro_usd=70_000)
        await usage.add(tx, TENANT, back.call.id, talk, NOW)
        await attempts.finish_call(tx, TENANT, ended(back.call, "completed", answered_ms=NOW), NOW + 9)
        analysis = Usage(kind="response", ref="2", model="m", cost_micro_usd=5_000)
        await usage.add(tx, TENANT, back.call.id, analysis, NOW + 99)
    cost = (await calls.get(db, TENANT, back.call.id)).cost_micro_usd
    assert cost == 75_000
    assert await in_(db, *purses) == [(cost, 0)] * 2


async def test_who_calls_when_the_money_is_spent_or_held_by_calls_is_turned_away(db: AnyDatabase) -> None:
    first, second = [await tasks.create(db, TENANT, new_task(), NOW) for _ in range(2)]
    async with db.tx() as tx:
        await budgets.charge(tx, MONTH, USD)
    await turned_away(db, first, "The budget of this month has no room")
    assert await in_(db, MONTH) == [(USD, 0)]
    async with db.tx() as tx:
        await budgets.charge(tx, MONTH, -USD)
    assert isinstance(await calls_us(db, first), CallBack)
    await turned_away(db, second, "The budget of this month has no room")


async def test_a_campaign_s_own_budget_counts_too(db: AnyDatabase) -> None:
    async with db.tx() as tx:
        new = NewCampaign(id="c", name="C", budget_micro_usd=RESERVE - 1)
        await campaigns.create(tx, TENANT, new, [new_task()], NOW)
    (task,) = await tasks.list_tasks(db, TENANT)
    await turned_away(db, task, "The budget of the campaign has no room")


async def test_a_suspended_organisation_and_a_refused_account_talk_with_nobody(db: AnyDatabase) -> None:
    task = await tasks.create(db, TENANT, new_task(), NOW)
    await holds.place(db, TENANT, "insufficient_quota", "Pay first.", call_id=None, now_ms=NOW)
    await turned_away(db, task, "insufficient_quota")
    await holds.lift(db, TENANT)
    await tenants.set_terms(db, TENANT, TenantTerms(state="suspended"))
    await turned_away(db, task, "suspended")
    await tenants.set_terms(db, TENANT, TenantTerms())
    assert isinstance(await calls_us(db, task), CallBack)
