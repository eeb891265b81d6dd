"""The planner by voice on the simulated Realtime API: a real websocket, real audio both ways, the real store."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.bus import MemoryBus
from app.domain.follow_up import News
from app.llm.orchestrator import Confirmer, Orchestrator
from app.llm.plan_events import calls_happen
from app.llm.spoken.hands import SHOW_FORM, SHOW_PLAN
from app.llm.spoken.line import PATH_MS
from app.llm.spoken.model import Ending, LineEvent, OverEvent, Phase, PhaseEvent
from app.llm.spoken.told import RESUMED
from app.sim.realtime.brain import Cause, ScriptedBrain, Step
from app.sim.realtime.faults import Fault, FaultKind
from app.sim.realtime.session import SimSession
from app.sim.text.briefs import Happened
from app.store import budgets, conversations, follow_up, tenants
from app.store.db import Database
from app.store.tenants import TenantTerms
from tests.unit.app.conftest import Opener
from tests.unit.app.planner_world import NUMBER, OWNER, SITE, World, call, planned, reply
from tests.unit.app.spoken_world import Speaker, speaking, spoken_world
from tests.unit.app.store_world import TENANT

BRIEF = f"Call Bob on {NUMBER} and ask whether Friday suits him."
LONG = Step(say="This is a long sentence that nobody wants to hear to its very end.")


@pytest.fixture
async def db(opener: Opener, anyio_backend: str) -> AsyncIterator[Database]:
    del anyio_backend
    async with opener() as db:
        yield db


def told(session: SimSession, role: str = "system") -> str:
    """What the model of a session was told."""
    return "\n".join(item.text for item in session.conversation.items if item.role == role)


def names(session: SimSession) -> list[str]:
    return [tool["name"] for tool in session.config["tools"]]


async def test_a_plan_by_voice(db: Database) -> None:
    async with spoken_world(db) as (world, sim):
        chat = await world.begin()
        async with speaking(world, sim, chat) as ann:
            await ann.turn(lambda one: one.role == "assistant")  # it greets
            await ann.say(BRIEF)
            plan = await ann.turn(lambda one: one.kind == "plan")
            spoken = await ann.turn(lambda one: one.seq > plan.seq and "Nothing is called before" in one.text)
            await ann.say("Yes, do it.")
            await ann.turn(lambda one: one.seq > spoken.seq and one.role == "assistant")
            turns = await ann.turns()
        assert [one.role for one in turns[:4]] == ["assistant", "user", "assistant", "assistant"]
        assert turns[1].text == BRIEF
        assert all(one.content.spoken for one in turns)
        assert plan.content.plan is not None
        assert plan.content.plan.calls[0].number == NUMBER
        assert plan.content.plan.calls[0].origin.kind == "user"
        assert spoken.model == world.settings.realtime_model
        assert ann.frames * 20 > 1_000, "it was heard"
        assert any(isinstance(one, PhaseEvent) and one.name == SHOW_PLAN for one in ann.told)
        fates = await conversations.fates(db, TENANT, chat.id)
        assert {one.state for one in fates.values()} <= {"open", "superseded"}, "no voice confirms anything"
        assert not any("confirm" in name or "execute" in name for name in names(sim.sessions[0]))
        cost = sum(one.cost_micro_usd or 0 for one in await ann.turns())
        month = budgets.tenant_month(TENANT, None, world.clock.unix_ms())
        (spent,) = await budgets.facts(db, [month], 0)
        assert cost == spent.spent_micro_usd > 0


async def test_a_form_asked_for_aloud_is_filled_in_on_the_page(db: Database) -> None:
    async with spoken_world(db) as (world, sim):
        chat = await world.begin()
        world.thinks(planned(calls=[call()]))
        async with speaking(world, sim, chat) as ann:
            await ann.turn(lambda one: one.role == "assistant")
            await ann.say("Call Bob and ask whether Friday suits him.")
            form = await ann.turn(lambda one: one.kind == "questions")
            remark = await ann.turn(lambda one: one.seq > form.seq and one.role == "assistant")
            assert remark.remark
            typed = await world.says(chat, answers={"phone": NUMBER})
            assert typed.kind == "plan", "the words after the form did not close it"
            await ann.turn(lambda one: one.seq > typed.seq and "page shows it now" in one.text)
        note = told(sim.sessions[0])
        assert "Meanwhile on the page" in note
        assert NUMBER in note
        assert SHOW_FORM in names(sim.sessions[0])


async def test_who_breaks_in_is_heard_and_the_rest_forgotten(db: Database) -> None:
    brain = ScriptedBrain([Step(say="Hello.", on=Cause.RESPONSE_CREATE), LONG, Step(say="Yes?")])
    async with spoken_world(db, lambda: brain) as (world, sim):
        chat = await world.begin()
        async with speaking(world, sim, chat) as ann:
            await ann.turn(lambda one: one.role == "assistant")
            flushed, heard = ann.flushes, ann.frames
            await ann.say("Tell me.")
            await ann.until(lambda: ann.frames - heard > 30)  # 600 ms of it
            await ann.say("Stop.")
            await ann.until(lambda: ann.flushes > flushed)
            cut = await ann.turn(lambda one: one.content.interrupted)
            await ann.turn(lambda one: one.text == "Yes?")
        assert cut.text
        assert LONG.say.startswith(cut.text)
        assert len(cut.text) < len(LONG.say)
        item = next(one for one in sim.sessions[0].spoken if one.text.startswith("This is"))
        assert item.truncated_at_ms is not None
        played_ms = (ann.frames - heard) * 20
        assert 600 - PATH_MS <= item.truncated_at_ms <= played_ms, "what was sent, less what was on its way"


async def test_the_model_comes_back_and_knows_what_was_said(db: Database) -> None:
    async with spoken_world(db) as (world, sim):
        chat = await world.begin()
        world.thinks(reply("message", "Noted."))
        for n in range(12):
            await world.says(chat, f"Remember {n}.")
        async with speaking(world, sim, chat) as ann:
            await ann.say(BRIEF)
            plan = await ann.turn(lambda one: one.kind == "plan")
            await ann.turn(lambda one: one.seq > plan.seq)
            for _ in range(2):
                sim.faults.add(Fault(kind=FaultKind.REFUSE, status=503))
            sim.sessions[0].drop()
            await ann.until(lambda: LineEvent(up=False) in ann.told)
            await ann.until(lambda: LineEvent(up=True) in ann.told)
        assert len(sim.sessions) == 2
        note = told(sim.sessions[1])
        assert "Remember 11." in note
        assert "Remember 1." not in note, "the last 20 turns, not all of them"
        assert RESUMED in note
        assert f"they: {BRIEF}" in note, "and what was said in this very session"


async def test_a_session_that_expires_is_renewed(db: Database) -> None:
    async with spoken_world(db) as (world, sim):
        chat = await world.begin()
        sim.faults.add(Fault(kind=FaultKind.EXPIRE, seconds=6.0))  # younger ones count as broken
        async with speaking(world, sim, chat) as ann:
            await ann.until(lambda: len(sim.sessions) == 2)
            await sim.sessions[1].wait_event("session.updated")
            await ann.say(BRIEF)
            assert (await ann.turn(lambda one: one.kind == "plan")).content.plan is not None
        assert LineEvent(up=False) not in ann.told, "nobody notices"


async def test_the_browser_comes_back_and_is_answered(db: Database) -> None:
    brain = ScriptedBrain([Step(say="Hello.", on=Cause.RESPONSE_CREATE), LONG, Step(say="As I said.")])
    async with spoken_world(db, lambda: brain) as (world, sim):
        chat = await world.begin()
        async with speaking(world, sim, chat) as ann:
            await ann.turn(lambda one: one.role == "assistant")
            await ann.say("Tell me.")
            await ann.turn(lambda one: one.text == "Tell me.")
        async with speaking(world, sim, chat, resumed=True) as again:
            await again.turn(lambda one: one.text in {"As I said.", "Okay."})
        note = told(sim.sessions[1])
        assert RESUMED in note
        assert "user: Tell me." in note
        assert "you: Hello." in note


async def confirmed(world: World, *, happens: bool) -> conversations.Conversation:
    """A chat with a plan that was confirmed, whose call has ended when it `happens`."""
    chat = await world.begin()
    world.thinks(planned(calls=[call()]))
    await world.says(chat, BRIEF)
    stored = await conversations.open_plan(world.db, TENANT, chat.id)
    assert stored is not None
    made = Orchestrator(world.settings, world.clock, world.db, MemoryBus(), model=None, site=SITE)
    await made.confirm(Confirmer(tenant_id=TENANT, actor=OWNER), chat.id, stored.id)
    due_ms = max(one.first_ms for one in stored.plan.calls)
    world.clock.advance(max(0, due_ms - world.clock.unix_ms()) / 1000)
    if happens:
        await happen(world)
    return chat


async def happen(world: World) -> None:
    ended = Happened(number=NUMBER, summary="Friday suits him.")
    assert await calls_happen(world.db, TENANT, [ended], world.clock.unix_ms()) == 1
    world.clock.advance(60)


@pytest.mark.parametrize("before", [True, False], ids=["before", "while speaking"])
async def test_news_about_calls_is_told(db: Database, before: bool) -> None:
    async with spoken_world(db) as (world, sim):
        chat = await confirmed(world, happens=before)
        async with speaking(world, sim, chat) as ann:
            if not before:
                await happen(world)
            news = await ann.turn(lambda one: one.content.news is not None)
        assert isinstance(news.content.news, News)
        assert "Friday suits him." in news.text
        assert await follow_up.untold(db, TENANT, chat.id) == []
        assert told(sim.sessions[0]).count("Calls of this conversation have ended") == 1


async def test_news_waits_until_the_user_has_spoken(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.llm.spoken.session.LOOK_S", 0.05)
    async with spoken_world(db) as (world, sim):
        chat = await confirmed(world, happens=False)
        async with speaking(world, sim, chat) as ann:
            hearing = PhaseEvent(phase=Phase.HEARING)
            await ann.say("What can you do?", symbols=100)
            await ann.until(lambda: hearing in ann.told)
            await happen(world)
            await ann.turn(lambda one: one.text == "What can you do?")
            news = await ann.turn(lambda one: one.content.news is not None)
        phases = [one.phase for one in ann.told if isinstance(one, PhaseEvent)]
        after = phases[phases.index(Phase.HEARING) + 1]
        assert after is Phase.THINKING, "nobody listens anew in the middle of a sentence"
        assert "Friday suits him." in news.text
        question = next(one for one in await ann.turns() if one.text == "What can you do?")
        assert news.seq > question.seq + 1, "the question was answered first"


async def test_a_month_without_money_ends_it(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.llm.spoken.session.LOOK_S", 0.1)
    endless = " ".join([LONG.say] * 20)
    brain = ScriptedBrain([Step(say="Hello.", on=Cause.RESPONSE_CREATE), Step(say=endless)])
    async with spoken_world(db, lambda: brain) as (world, sim):
        chat = await world.begin()
        async with speaking(world, sim, chat) as ann:
            await ann.turn(lambda one: one.role == "assistant")
            heard = ann.frames
            await ann.say("Tell me.")
            await ann.until(lambda: ann.frames - heard > 50)  # a second of it
            await tenants.set_terms(db, TENANT, TenantTerms(budget_micro_usd=1))
            await ann.until(lambda: _over(ann))
        (over,) = _over(ann)
        assert over.why is Ending.BUDGET
        assert "budget" in over.words
        last = (await ann.turns())[-1]
        assert last.content.interrupted
        assert last.text
        assert endless.startswith(last.text), "what was heard of the sentence is kept"


@pytest.mark.parametrize("stopping", [False, True])
async def test_words_on_their_way_when_the_browser_goes(
    db: Database, monkeypatch: pytest.MonkeyPatch, stopping: bool
) -> None:
    monkeypatch.setattr("app.llm.spoken.talk.WORDS_S", 600.0)
    async with spoken_world(db, transcript_ms=600_000 if stopping else 600) as (world, sim):
        chat = await world.begin()
        async with speaking(world, sim, chat) as ann:
            await ann.turn(lambda one: one.role == "assistant")
            await ann.say("Whom do you call?")
            await ann.until(lambda: ann.told.count(PhaseEvent(phase=Phase.THINKING)) > 0)
            ann.session.hang_up()
            ann.session.hang_up(stopping=stopping)
            await asyncio.wait_for(ann.session.ended.wait(), 60)
        last = (await ann.turns())[-1]
        assert last.role == ("assistant" if stopping else "user"), "a console that stops waits for nobody"
        assert stopping or last.text == "Whom do you call?"


def _over(ann: Speaker) -> list[OverEvent]:
    return [one for one in ann.told if isinstance(one, OverEvent)]
