"""Confirm = campaign: once, whole, by the plan, whatever the orchestrator model says and how often it is asked."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
import pytest

from app.bus import MemoryBus
from app.calls.tools import NAMES
from app.domain.agent import PLANNED_TOOLS
from app.domain.contacts.contact import Contact
from app.domain.task import CallTask
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.llm.model import Ask, Reply, TextDelta, TextModel
from app.llm.orchestrator import FUNCTION, Confirmed, Confirmer, Orchestrator
from app.sim.text import Route, ScriptedMind, TextAnswer, TextFault, TextFaultKind
from app.store import agents, audit, campaigns, consents, contacts, conversations, dnd, tasks, tenants, users
from app.store.conversations import Conversation, StoredPlan
from app.store.tenants import TenantTerms
from tests.unit.app.conftest import Opener
from tests.unit.app.planner_world import NUMBER, OWNER, SITE, World, call, planned, planner_world
from tests.unit.app.store_world import TENANT

pytestmark = pytest.mark.anyio
OTHER = "+442079460124"
WHO = Confirmer(tenant_id=TENANT, actor=OWNER)


@pytest.fixture
async def world(opener: Opener, anyio_backend: str) -> AsyncIterator[World]:
    del anyio_backend
    async with opener() as db, planner_world(db) as world:
        yield world


class Paying:
    """A model, with what its answers cost."""

    def __init__(self, model: TextModel) -> None:
        self.model, self.costs = model, list[int]()

    async def ask(self, ask: Ask) -> Reply:
        reply = await self.model.ask(ask)
        assert reply.cost_micro_usd is not None
        self.costs.append(reply.cost_micro_usd)
        return reply

    def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Reply]:
        return self.model.stream(ask)


async def planned_in(world: World, **changes: Any) -> tuple[Conversation, StoredPlan]:
    chat = await world.begin()
    world.thinks(planned(**{"calls": [call(), call(OTHER)]} | changes))
    await world.says(chat, f"Ask Bob on {NUMBER} or {OTHER}. He agreed in writing on 3 May. +12125550123")
    stored = await conversations.open_plan(world.db, TENANT, chat.id)
    assert stored is not None
    return chat, stored


def orchestrator(world: World) -> Orchestrator:
    return Orchestrator(world.settings, world.clock, world.db, MemoryBus(), model=world.model, site=SITE)


def orders(world: World, *answers: TextAnswer) -> ScriptedMind:
    mind = ScriptedMind(answers)
    world.sim.routes[:] = [Route(tool=FUNCTION, mind=mind)]
    return mind


def calls(plan_id: str, order: tuple[str, ...] = (OTHER, NUMBER), name: str = "Friday") -> TextAnswer:
    return TextAnswer(calls=((FUNCTION, json.dumps({"plan_id": plan_id, "name": name, "order": order})),))


async def confirm(world: World, chat: Conversation, stored: StoredPlan, who: Confirmer = WHO) -> Confirmed:
    return await orchestrator(world).confirm(who, chat.id, stored.id)


async def made(world: World, campaign_id: str) -> list[CallTask]:
    return await tasks.list_tasks(world.db, TENANT, campaign_id=campaign_id)


async def test_the_model_names_and_orders_and_code_schedules(world: World) -> None:
    chat, stored = await planned_in(world)
    mind = orders(world, calls(stored.id))
    done = await confirm(world, chat, stored)
    assert (done.campaign.name, done.calls, done.first) == ("Friday", 2, True)
    first, second = sorted(await made(world, done.campaign.id), key=lambda task: -task.priority)
    assert (first.number, second.number) == (OTHER, NUMBER)
    assert first.priority > second.priority
    assert first.objective == "Ask whether Friday suits."
    assert first.next_action_time == stored.plan.calls[0].first_ms
    agent = await agents.get(world.db, TENANT, first.agent_id)
    assert (agent.greeting, agent.tools) == (stored.plan.agent.opening_line, PLANNED_TOOLS)
    assert "End the call when" in agent.prompt
    assert (await audit.newest(world.db, TENANT))[0].action == "plan_confirmed"
    again = await confirm(world, chat, stored)
    assert (again.campaign.id, again.first, len(mind.asked)) == (done.campaign.id, False, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        TextAnswer(text="done"),
        TextAnswer(calls=(("other", "{}"),)),
        TextAnswer(calls=((FUNCTION, "{"),)),
        calls("another plan"),
        calls("PLAN", (NUMBER,)),
        calls("PLAN", (NUMBER, NUMBER)),
        calls("PLAN", (NUMBER, OTHER, "+12025550123")),
        calls("PLAN", name=" "),
    ],
)
async def test_a_wrong_order_goes_back_once_and_then_the_plan_counts(world: World, wrong: TextAnswer) -> None:
    chat, stored = await planned_in(world)
    wrong = TextAnswer(text=wrong.text, calls=tuple((n, a.replace("PLAN", stored.id)) for n, a in wrong.calls))
    mind = orders(world, wrong)
    done = await confirm(world, chat, stored)
    assert len(mind.asked) == 2
    assert (done.campaign.name, done.calls) == ("Ask Bob", 2)
    assert {task.number for task in await made(world, done.campaign.id)} == {NUMBER, OTHER}


@pytest.mark.parametrize("right", [True, False])
async def test_the_order_is_charged_to_the_month_also_when_it_was_refused(world: World, right: bool) -> None:
    chat, stored = await planned_in(world)
    before, paid = await world.spent(), Paying(world.model)
    orders(world, calls(stored.id if right else "another plan"))
    paying = Orchestrator(world.settings, world.clock, world.db, MemoryBus(), model=paid, site=SITE)
    await paying.confirm(WHO, chat.id, stored.id)
    assert len(paid.costs) == (1 if right else 2)
    assert await world.spent() - before == sum(paid.costs) > 0
    await paying.confirm(WHO, chat.id, stored.id)
    assert await world.spent() - before == sum(paid.costs), "a second click asks nobody"


async def test_the_order_of_a_plan_that_does_not_hold_any_more_is_charged_too(world: World) -> None:
    chat, stored = await planned_in(world)
    before, paid = await world.spent(), Paying(world.model)
    async with world.db.tx() as tx:
        entry = dnd.DoNotCall(id="d", tenant_id=TENANT, number=OTHER, reason="asked", source="operator")
        await dnd.add(tx, entry, world.clock.unix_ms())
    orders(world, calls(stored.id))
    paying = Orchestrator(world.settings, world.clock, world.db, MemoryBus(), model=paid, site=SITE)
    with pytest.raises(ValidationFailed, match="do-not-call"):
        await paying.confirm(WHO, chat.id, stored.id)
    assert await world.spent() - before == sum(paid.costs) > 0


async def test_a_model_that_is_away_delays_nothing(world: World) -> None:
    chat, stored = await planned_in(world)
    world.sim.faults.always = TextFault(kind=TextFaultKind.STATUS, status=401, code="invalid_api_key")
    assert (await confirm(world, chat, stored)).calls == 2


async def test_clicks_at_the_same_time_make_one_campaign(world: World) -> None:
    chat, stored = await planned_in(world)
    orders(world, *(calls(stored.id, name=f"Name {n}") for n in range(8)))
    async with asyncio.TaskGroup() as group:
        clicks = [group.create_task(confirm(world, chat, stored)) for _ in range(8)]
    done = [click.result() for click in clicks]
    assert len({one.campaign.id for one in done}) == 1
    assert sum(one.first for one in done) == 1
    assert len(await campaigns.list_campaigns(world.db, TENANT)) == 1
    assert len(await tasks.list_tasks(world.db, TENANT)) == 2


async def test_a_click_that_is_late_finds_the_campaign_and_not_what_stands_against_a_second(world: World) -> None:
    chat, stored = await planned_in(world)
    firsts: list[Confirmed] = []

    class Slow:
        """The model, which takes so long that the other click is through and a callee on the list."""

        async def ask(self, ask: Ask) -> Reply:
            quick = Orchestrator(world.settings, world.clock, world.db, MemoryBus(), model=None, site=SITE)
            firsts.append(await quick.confirm(WHO, chat.id, stored.id))
            async with world.db.tx() as tx:
                entry = dnd.DoNotCall(id="d", tenant_id=TENANT, number=OTHER, reason="asked", source="operator")
                await dnd.add(tx, entry, world.clock.unix_ms())
            return await world.model.ask(ask)

        def stream(self, ask: Ask) -> AsyncGenerator[TextDelta | Reply]:
            return world.model.stream(ask)

    orders(world, calls(stored.id))
    slow = Orchestrator(world.settings, world.clock, world.db, MemoryBus(), model=Slow(), site=SITE)
    late = await slow.confirm(WHO, chat.id, stored.id)
    assert (late.campaign.id, late.first) == (firsts[0].campaign.id, False)


async def test_a_replaced_plan_and_those_of_others_are_not_confirmed(world: World) -> None:
    chat, stored = await planned_in(world)
    world.thinks(planned())
    await world.says(chat, "Only the first.")
    with pytest.raises(ConflictError, match="later one"):
        await confirm(world, chat, stored)
    fresh = await conversations.open_plan(world.db, TENANT, chat.id)
    assert fresh is not None
    for who in (Confirmer(tenant_id=TENANT, actor="user:eve"), Confirmer(tenant_id="other", actor=OWNER)):
        with pytest.raises(NotFoundError):
            await confirm(world, chat, fresh, who)
    other, _ = await planned_in(world)
    with pytest.raises(ConflictError, match="another conversation"):
        await confirm(world, other, fresh)
    assert await campaigns.list_campaigns(world.db, TENANT) == []


async def test_what_changed_since_the_plan_was_made_is_said(world: World) -> None:
    chat, stored = await planned_in(world)
    async with world.db.tx() as tx:
        entry = dnd.DoNotCall(id="d", tenant_id=TENANT, number=OTHER, reason="asked", source="operator")
        await dnd.add(tx, entry, world.clock.unix_ms())
    with pytest.raises(ValidationFailed, match="do-not-call"):
        await confirm(world, chat, stored)
    assert await tasks.list_tasks(world.db, TENANT) == []
    assert (await conversations.get_plan(world.db, TENANT, stored.id)).state == "open"
    await tenants.set_terms(world.db, TENANT, TenantTerms(allowed_countries=("US",)))
    with pytest.raises(ValidationFailed, match="allowed countries"):
        await confirm(world, chat, stored)


async def test_a_window_that_closed_meanwhile(world: World) -> None:
    window = {"earliest": "2027-01-15T16:00", "latest": "2027-01-15T18:00", "zone": "Europe/London"}
    chat, stored = await planned_in(world, calls=[call(window=window)])
    world.clock.advance(3 * 3_600)
    with pytest.raises(ValidationFailed, match="no time is left"):
        await confirm(world, chat, stored)


async def test_the_zone_that_a_contact_has_on_record_reaches_the_task(world: World) -> None:
    """Also when the contact is not named in the chat, as in a list that was uploaded."""
    away = Contact(
        id="c1", tenant_id=TENANT, number=OTHER, name="Zed Quill", company="", zone="America/Los_Angeles",
        language="", kind="person", region="", variables="{}", import_id=None, created_ms=1, updated_ms=1,
    )  # fmt: skip
    await users.add_tenant(world.db, "other", "Other", 0)
    async with world.db.tx() as tx:
        await contacts.put_many(tx, [away])
        await contacts.put_many(tx, [msgspec.structs.replace(away, id="c2", tenant_id="other", number=NUMBER)])
    chat, stored = await planned_in(world)
    orders(world, calls(stored.id))
    done = await confirm(world, chat, stored)
    zones = {task.number: task.callee_zone for task in await made(world, done.campaign.id)}
    assert zones == {OTHER: "America/Los_Angeles", NUMBER: ""}


async def test_a_consent_the_user_vouched_for_is_written_down_with_its_words(world: World) -> None:
    claim = {"level": "express", "quote": "He agreed in writing on 3 May"}
    chat, stored = await planned_in(world, calls=[call("+12125550123", consent=claim)])
    assert await consents.of_callee(world.db, TENANT, "+12125550123", "service") is None
    await confirm(world, chat, stored)
    given = await consents.of_callee(world.db, TENANT, "+12125550123", "service")
    assert given is not None
    assert (given.level, OWNER in given.evidence, "3 May" in given.evidence) == ("express", True, True)


def test_a_planned_agent_may_do_everything_that_needs_no_list_of_its_own() -> None:
    assert set(NAMES) - set(PLANNED_TOOLS) == {"transfer_call"}
