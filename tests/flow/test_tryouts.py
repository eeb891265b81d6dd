"""Test calls in the browser: a microphone on the bus, a leg of the media worker, a model; no phone anywhere."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from app.bus import Bus
from app.calls.tryout_plan import TryoutOrder, ordered
from app.domain.agent import Agent, TransferTarget
from app.domain.fields import FieldSpec
from app.domain.messages import CallAudio, ListChanged, OperatorVoice, TryoutNews, audio_topic, voice_topic
from app.domain.outside_tool import HttpTool
from app.domain.tryout import OBJECTIVE, NewTryout, Tryout, TryoutState, TryoutStep, read_steps
from app.domain.voice import signed
from app.errors import ConflictError
from app.ids import new_id
from app.sim.realtime.brain import Step, ToolCall
from app.sim.tonevoice import listen, speak
from app.store import agents, budgets, calls, tasks, tenants, tryouts
from media.g711 import ULAW
from tests.flow.ordering import ONE_KEY, key
from tests.flow.rig import TENANT, Rig, gate_open, rig, until, world
from tests.flow.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio
MIC = "a-microphone-in-a-browser"
FRAME = 320
SILENCE = bytes(2 * FRAME)
BOOK = HttpTool(name="book", description="Books a table.", url="http://127.0.0.1:9/never")
HELLO, ANSWER = "hello who is this", "yes i can"


class Browser:
    """What a page does: sends a frame every 20 ms, hears the agent, reads the news."""

    def __init__(self, bus: Bus, tryout_id: str) -> None:
        self._bus = bus
        self._id = tryout_id
        self._said: list[bytes] = []
        self.heard: dict[str, list[bytes]] = {}
        self.news: list[TryoutStep] = []
        self.mute = False

    def say(self, text: str) -> None:
        samples = speak(text, 16_000)
        pieces = [samples[at : at + FRAME].tobytes() for at in range(0, len(samples), FRAME)]
        self._said += [piece.ljust(2 * FRAME, b"\x00") for piece in pieces]

    @property
    def words(self) -> str:
        """What the agent was heard to say."""
        audio = b"".join(self.heard.get("ulaw", []))
        if audio:
            return " | ".join(one.text for one in listen(ULAW.decode_bytes(audio), 8_000))
        wide = np.frombuffer(b"".join(self.heard.get("pcm16", [])), np.int16)
        return " | ".join(one.text for one in listen(wide, 16_000))

    def told(self, kind: str) -> list[TryoutStep]:
        return [step for step in self.news if step.kind == kind]

    async def speak(self, secret: bytes) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for seq in count(1):
            audio = self._said.pop(0) if self._said else SILENCE
            voice = OperatorVoice(tenant_id=TENANT, call_id=self._id, mic_id=MIC, seq=seq, audio=audio, mac="")
            if not self.mute:
                await self._bus.publish(voice_topic(self._id), signed(voice, secret))
            await asyncio.sleep(max(0.0, began + seq * 0.02 - loop.time()))

    async def follow(self, messages: Any) -> None:
        async for message in messages:
            if isinstance(message, CallAudio):
                self.heard.setdefault(message.codec, []).append(message.agent)
            elif isinstance(message, TryoutNews):
                self.news.append(message.step)


@asynccontextmanager
async def begun(
    house: Rig, agent: Agent, objective: str, secret: bytes = b""
) -> AsyncGenerator[tuple[str, Browser]]:
    """A test call of this agent whose microphone is there."""
    now_ms = house.clock.unix_ms()
    await agents.create(house.db, agent, now_ms)
    new = NewTryout(
        id=new_id(now_ms),
        agent_id=agent.id,
        agent_version=1,
        body=msgspec.json.encode(agent).decode(),
        objective=objective,
        asked_by="user:1",
    )
    async with house.db.tx() as tx:
        await tryouts.ask(tx, TENANT, new, now_ms)
        assert await tryouts.want(tx, TENANT, new.id, MIC, now_ms)
    browser = Browser(house.bus, new.id)
    with house.bus.subscribe(audio_topic(new.id)) as messages:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(browser.follow(messages)),
                group.create_task(browser.speak(secret or key())),
            ]
            await house.bus.publish("lists", ListChanged(tenant_id=TENANT, kind="tryouts"))
            yield new.id, browser
            for task in running:
                task.cancel()


def agent_of(house: Rig, **fields: Any) -> Agent:
    values: dict[str, Any] = {"name": "Tried", "opening": "greet_first", **fields}
    return Agent(id=new_id(house.clock.unix_ms()), tenant_id=TENANT, **values)


async def row(house: Rig, tryout_id: str) -> Tryout:
    return await tryouts.get(house.db, TENANT, tryout_id)


async def ended(house: Rig, tryout_id: str, timeout_s: float = PATIENCE_S) -> Tryout:
    async def over() -> Tryout | None:
        now = await row(house, tryout_id)
        return now if now.state is TryoutState.ENDED else None

    return await house.until(over, timeout_s)


async def nothing_was_counted(house: Rig) -> None:
    """No task, no call, no ring: what everything that counts is made of."""
    assert house.asterisk.invites == []
    for table in (
        "calls",
        "tasks",
        "call_events",
        "call_transcripts",
        "response_usage",
        "results",
        "collected_fields",
    ):
        assert await house.db.one(f"SELECT count(*) FROM {table}") == (0,), table
    assert await calls.totals(house.db, TENANT) == (0, 0, 0)
    assert await tasks.list_tasks(house.db, TENANT, limit=5) == []


@pytest.mark.parametrize("codec", ["ulaw", "g722"])
async def test_a_microphone_is_heard_and_hears_the_agent(tmp_path: Path, codec: str) -> None:
    async with rig(tmp_path, callees={}, leg_codec=codec, **ONE_KEY) as house:
        tool = ToolCall(name="save_field", arguments={"name": "attends", "value": "yes", "quote": ANSWER})
        house.think(
            "trying",
            Step(say="can you come on friday"),
            Step(say="thank you", call=(tool,)),
            otherwise=Step(say="bye", call=(ToolCall(name="end_call", arguments={"reason": "done"}),)),
        )
        fields = (FieldSpec(name="attends", type="text", help="Can you come?"),)
        agent = agent_of(house, tools=("save_field", "end_call"), data_to_fill=fields)
        async with begun(house, agent, "trying it") as (tryout_id, browser):
            await house.until(lambda: said(browser, "can you come on friday"))
            browser.say(ANSWER)
            now = await ended(house, tryout_id)
            await house.until(lambda: said(browser, "thank you"))
            (last,) = await house.until(lambda: over(browser))
            assert last.who == "agent"
        steps = read_steps(now.steps)
        spoken = [(step.who, step.text) for step in steps if step.kind == "words"]
        assert ("agent", "can you come on friday") in spoken
        assert ("callee", ANSWER) in spoken, "the model heard the microphone"
        assert [(step.who, step.text) for step in steps if step.kind == "field"] == [("attends", '"yes"')]
        assert [step.who for step in steps if step.kind == "function"] == ["save_field", "end_call"]
        answers = [step for step in steps if step.who == "agent" and step.delay_ms is not None]
        assert answers, "the time to the first sound was measured"
        assert (now.ended_by, now.reason) == ("agent", "done")
        assert now.cost_micro_usd > 0
        month = budgets.tenant_month(TENANT, None, house.clock.unix_ms())
        assert (await budgets.facts(house.db, (month,), 0))[0].spent_micro_usd == now.cost_micro_usd
        await nothing_was_counted(house)


async def over(browser: Browser) -> list[TryoutStep]:
    return browser.told("over")


async def said(browser: Browser, text: str) -> bool:
    return text in browser.words


async def test_functions_with_effects_outside_do_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={}, **ONE_KEY) as house:
        orders = (
            ToolCall(name="transfer_call", arguments={"target": "front desk", "reason": "they asked"}),
            ToolCall(name="record_opt_out", arguments={"words": "never again"}),
            ToolCall(name="book", arguments={"day": "friday"}),
            ToolCall(name="send_dtmf", arguments={"digits": "12"}),
        )
        house.think("trying", *(Step(call=(one,)) for one in orders), otherwise=Step(say="well"))
        agent = agent_of(
            house,
            tools=("transfer_call", "record_opt_out", "send_dtmf"),
            transfer_targets=(TransferTarget(name="front desk", number="+12025550199"),),
            http_tools=(BOOK,),
        )
        async with begun(house, agent, "trying it") as (tryout_id, browser):
            await house.until(lambda: said(browser, "well"))
            browser.mute = True
            now = await ended(house, tryout_id)
        steps = read_steps(now.steps)
        answers = " ".join(step.text for step in steps if step.kind == "answer")
        assert "nobody can be connected" in answers
        assert answers.count('"simulated":true') == 2
        notes = " ".join(step.text for step in steps if step.kind == "note")
        for sentence in ("nobody was rung", "do-not-call list", "book was not called", "no key was pressed"):
            assert sentence in notes, notes
        assert await house.db.one("SELECT count(*) FROM dnd_list") == (0,)
        assert (now.ended_by, now.reason) == ("callee", "the microphone is gone")
        await nothing_was_counted(house)


async def test_a_page_that_leaves_ends_it_and_a_forged_voice_is_not_heard(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={}, **ONE_KEY) as house:
        house.think("trying", Step(say="hello"), otherwise=Step(say="i heard you"))
        house.think("again", Step(say="good day"))
        async with begun(house, agent_of(house), "trying it", secret=b"x" * 32) as (tryout_id, browser):
            await house.until(lambda: said(browser, "hello"))
            browser.say(HELLO)
            now = await ended(house, tryout_id)
        assert (now.ended_by, now.reason) == ("callee", "the microphone is gone"), "no voice of theirs counted"
        async with begun(house, agent_of(house, name="Second"), "again it") as (tryout_id, browser):
            await house.until(lambda: said(browser, "good day"))
            async with house.db.tx() as tx:
                await tryouts.leave(tx, TENANT, tryout_id, MIC)
            await house.bus.publish("lists", ListChanged(tenant_id=TENANT, kind="tryouts"))
            assert (await ended(house, tryout_id)).reason == "ended at the microphone"


async def test_who_leaves_while_the_agent_is_loaded_has_ended_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, loaded = asyncio.Event(), asyncio.Event()

    async def slow(*given: Any) -> TryoutOrder:
        loading.set()
        await loaded.wait()
        return await ordered(*given)

    monkeypatch.setattr("app.calls.tryout_desk.ordered", slow)
    async with rig(tmp_path, callees={}, **ONE_KEY) as house:
        house.think("trying", Step(say="hello"))
        async with begun(house, agent_of(house), "trying it") as (tryout_id, _):
            await asyncio.wait_for(loading.wait(), PATIENCE_S)
            async with house.db.tx() as tx:
                await tryouts.leave(tx, TENANT, tryout_id, MIC)
            loaded.set()
            assert (await ended(house, tryout_id)).reason == "ended at the microphone"


async def test_it_costs_no_more_than_the_month_has(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={}, **ONE_KEY) as house:
        now_ms = house.clock.unix_ms()
        await tenants.set_terms(house.db, TENANT, tenants.TenantTerms(budget_micro_usd=50))
        house.think("trying", Step(say="a few words"), otherwise=Step(say="time is up"))
        async with begun(house, agent_of(house), "trying it") as (tryout_id, _):
            now = await ended(house, tryout_id, 15.0)
        assert (now.ended_by, now.reason) == ("system_timeout", "cost limit reached")
        new = NewTryout(
            id=new_id(now_ms), agent_id=now.agent_id, agent_version=1, body="{}", objective=OBJECTIVE, asked_by=""
        )
        with pytest.raises(ConflictError, match="budget"):
            async with house.db.tx() as tx:
                await tryouts.ask(tx, TENANT, new, now_ms)


async def test_an_engine_that_stops_writes_its_test_calls_down(tmp_path: Path) -> None:
    async with world(tmp_path, callees={}, **ONE_KEY) as house:
        house.think("trying", Step(say="hello"))
        async with house.engine.running():
            await until(gate_open(house.engine))
            ended_well = begun(house, agent_of(house), "trying it")
            tryout_id, browser = await ended_well.__aenter__()
            await house.until(lambda: said(browser, "hello"))
        await ended_well.__aexit__(None, None, None)
        now = await row(house, tryout_id)
        assert (now.state, now.reason) == (TryoutState.ENDED, "OpenDeep is being stopped")
        assert [step.text for step in read_steps(now.steps) if step.kind == "words"] == ["hello"]


async def test_what_a_dead_engine_left_is_closed_its_test_calls_down(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={}, **ONE_KEY) as house:
        house.think("trying", Step(say="hello"))
        async with begun(house, agent_of(house), "trying it") as (tryout_id, browser):
            await house.until(lambda: said(browser, "hello"))
            async with house.db.tx() as tx:
                assert await tryouts.lost(tx, "another node", house.clock.unix_ms()) == 0
                assert await tryouts.lost(tx, house.settings.node_name, house.clock.unix_ms()) == 1
        assert (await row(house, tryout_id)).reason == "the engine was stopped"


async def test_a_fault_of_ours_is_written_down_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise LookupError("what nobody thought of")

    async with rig(tmp_path, callees={}, **ONE_KEY) as house:
        house.think("trying", Step(say="hello"))
        with monkeypatch.context() as patch:
            patch.setattr("app.calls.tryout.TryoutCall._connect", broken)
            async with begun(house, agent_of(house), "trying it") as (tryout_id, _):
                now = await ended(house, tryout_id)
        assert (now.ended_by, now.reason) == ("system_failure", "LookupError in the engine")
        async with begun(house, agent_of(house, name="Second"), "trying it") as (_, browser):
            await house.until(lambda: said(browser, "hello"))  # the next one is made
