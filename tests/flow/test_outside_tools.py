"""The agent's own functions in whole calls: HTTP and MCP, asked and spoken on; and all that fails out there.

Whatever fails, the call goes on; whatever is asked, is written down; what comes back is words and nothing else.
"""

import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.bus import MemoryBus
from app.calls import errands
from app.calls.outside import OFFERED, OutsideRecord, outside_records
from app.calls.outstanding import NOT_KNOWN
from app.cli.stop import StopSignals
from app.domain.agent import Agent
from app.domain.call import Call
from app.domain.outside_tool import HttpTool, McpServer
from app.domain.task import TaskState
from app.engine import Engine
from app.ids import new_id
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, Say, StaySilent, WaitForAgent
from app.sim.asterisk.personas import busy
from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Step, ToolCall
from app.sim.tools import SimTools, ToolFault, ToolFaultKind
from app.sim.tools.faults import ORDERS
from app.store import agents
from tests.flow.processes import kill, worker_gone, worker_pid
from tests.flow.rig import BYE, TENANT, Rig, beside, gate_open, rig, until, world
from tests.flow.test_callbacks import inbound, over
from tests.flow.test_processes import PROCESS, control
from tests.flow.test_stopping import stopped

pytestmark = pytest.mark.anyio
KEY = "canary-4711"
NUMBER = "+15551006001"
HEADERS = {"Authorization": "Bearer env:OPENDEEP_TOOL_K"}
WAITS = CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent(), Say("four of us"), WaitForAgent(timeout_s=20.0)))
DAY = {"date": "2026-12-01"}
ID = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


class Reads:
    """Calls the functions in turn, each after a turn of the callee or the answer to the one before; then says what
    the answers were, and goodbye.
    """

    def __init__(self, *calls: ToolCall) -> None:
        self._calls = list(calls)
        self.answers: list[dict[str, Any]] = []
        self.offered: list[str] = []
        self.seen = ""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        self.offered = [tool.name for tool in view.tools]
        self.seen = repr(view)
        if event.cause is Cause.RESPONSE_CREATE:
            return Step(say="for how many?")
        if event.cause is Cause.TOOL_OUTPUT:
            self.answers.append(json.loads(event.text))
        if self._calls:
            return Step(call=(self._calls.pop(0),))
        return Step(say=f"i have {self.word(self.answers[-1])}, bye", call=BYE.call)

    @staticmethod
    def word(answer: dict[str, Any]) -> str:
        found = answer.get("result")
        if not isinstance(found, dict):
            return "no answer"
        return f"{len(found['free'])} tables" if "free" in found else str(found["name"])


FIND = ToolCall(name="find", arguments={"id": "a/b"})
FREE = ToolCall(name="crm_free_tables", arguments=DAY)


@asynccontextmanager
async def restaurant(
    folder: Path, script: CalleeScript = WAITS, **given: Any
) -> AsyncIterator[tuple[Rig, SimTools]]:
    """A house whose agents may reach a restaurant's systems."""
    async with SimTools(key=KEY, **given) as sim:
        sim.answers["/people/a%2Fb"] = {"name": "anna"}
        async with rig(folder, callees={NUMBER: script}, outside_tool_hosts=sim.place) as house:
            yield house, sim


def functions(sim: SimTools, **changes: Any) -> dict[str, Any]:
    find = {"name": "find", "description": "Find.", "url": sim.url("/people/{id}"), "method": "GET"}
    crm = {"name": "crm", "url": sim.mcp_url, "headers": HEADERS, "tools": sim.pins(), "timeout_s": 1.0}
    return {
        "http_tools": (HttpTool(**{**find, "headers": HEADERS, "parameters": ID, "timeout_s": 1.0, **changes}),),
        "mcp": (McpServer(**{**crm, **{k: v for k, v in changes.items() if k in ("timeout_s", "most_calls")}}),),
    }


async def agent_with(house: Rig, **fields: Any) -> Agent:
    agent = Agent(id=new_id(house.clock.unix_ms()), tenant_id=TENANT, name="own", opening="greet_first", **fields)
    return await agents.create(house.db, agent, house.clock.unix_ms())


async def talk(house: Rig, sim: SimTools, mind: Reads, **changes: Any) -> tuple[Call, list[OutsideRecord]]:
    """One call of an agent with those functions, to its end."""
    house.minds["own"] = mind
    task = await house.add(NUMBER, "own functions", agent=await agent_with(house, **functions(sim, **changes)))
    done = await house.settled(task)
    call = await house.call(task)
    assert (done.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "agent")
    stored = await house.events(call)
    assert KEY not in repr(stored) + mind.seen
    return call, outside_records(stored)


async def left_out(house: Rig, call: Call) -> dict[str, str]:
    (event,) = await house.events(call, OFFERED)
    found: Any = event.data["left_out"]
    return {one["name"]: one["why"] for one in found}


async def both_kinds_are_called_and_spoken_on(folder: Path) -> None:
    async with restaurant(folder, streams=True) as (house, sim):
        mind = Reads(FIND, ToolCall(name="crm_book_table", arguments={**DAY, "people": 4}), FREE)
        call, records = await talk(house, sim, mind)
        assert house.asterisk.callee(NUMBER).heard_texts[-1] == "i have 2 tables, bye"
        assert [answer["result"] for answer in mind.answers] == [
            {"name": "anna"},
            "Booked for 4 on 2026-12-01, number 417.",
            {**DAY, "free": ["18:30", "20:00"]},
        ]
        assert {"find", "crm_free_tables", "crm_book_table", "end_call"} <= set(mind.offered)
        assert [(one.name, one.status, one.where, one.tries) for one in records] == [
            ("find", "200", sim.place, 1),
            ("crm_book_table", "ok", sim.place, 1),
            ("crm_free_tables", "ok", sim.place, 1),
        ]
        assert json.loads(records[1].arguments) == {**DAY, "people": 4}
        assert await left_out(house, call) == {}
        assert sim.asked("/people/a%2Fb")[0].headers["Authorization"] == f"Bearer {KEY}"


async def what_is_refused_never_leaves(folder: Path) -> None:
    async with restaurant(folder) as (house, sim):
        climb = ToolCall(name="find", arguments={"id": "../../admin"})
        wrong = ToolCall(name="crm_free_tables", arguments={"date": "soon", "more": 1})
        mind = Reads(climb, wrong, FREE, FREE, ToolCall(name="crm_delete", arguments={}))
        call, records = await talk(house, sim, mind, most_calls=2)
        assert [one.status for one in records] == ["refused", "refused", "ok"]
        assert [path for path in {one.path for one in sim.journal} if path != "/mcp"] == []
        assert sim.twin.calls == [("free_tables", DAY)]
        refused = [str(one.data["detail"]) for one in await house.events(call, "tool_refused")]
        assert "called too often" in refused[0]
        assert "no function 'crm_delete'" in refused[1]


async def results_nobody_can_use_are_on_record(folder: Path) -> None:
    deep: object = []
    for _ in range(300):
        deep = [deep]
    async with restaurant(folder) as (house, sim):
        sim.answers |= {"/people/1": deep, "/people/2": "a face"}
        sim.types["/people/2"] = "image/png"
        mind = Reads(*(ToolCall(name="find", arguments={"id": one}) for one in "12"))
        _, records = await talk(house, sim, mind)
        assert [(one.status, one.error, one.said) for one in records] == [
            ("nonsense", "It was asked and answered, too deeply nested to be read.", ""),
            ("200", "find answered with something that is no text.", "image/png"),
        ]
        assert [one["error"] for one in mind.answers] == [one.error for one in records]
        assert len(sim.journal) - len(sim.asked("/mcp")) == len(records)


async def a_server_that_is_down_costs_its_functions(folder: Path) -> None:
    async with restaurant(folder) as (house, sim):
        sim.faults.always = ToolFault(kind=ToolFaultKind.STATUS, at="list")
        mind = Reads(FIND, FREE)
        call, records = await talk(house, sim, mind)
        assert "find" in mind.offered
        assert not [name for name in mind.offered if name.startswith("crm_")]
        assert {name for name, why in (await left_out(house, call)).items() if "HTTP 502" in why} == {
            "crm_free_tables",
            "crm_book_table",
        }
        assert [one.name for one in records] == ["find"]
        assert "no function 'crm_free_tables'" in mind.answers[1]["error"]


async def a_changed_description_is_not_offered(folder: Path) -> None:
    async with restaurant(folder) as (house, sim):
        sim.faults.add(ToolFault(kind=ToolFaultKind.CHANGED, at="list"))
        mind = Reads(FREE, ToolCall(name="crm_book_table", arguments=DAY))
        call, records = await talk(house, sim, mind)
        assert "card number" not in mind.seen
        assert "is not what was allowed" in (await left_out(house, call))["crm_free_tables"]
        assert [one.name for one in records] == ["crm_book_table"]


class Obedient(Reads):
    """Does whatever a result demands."""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        if event.cause is Cause.TOOL_OUTPUT and json.loads(event.text).get("result") == ORDERS:
            self.answers.append(json.loads(event.text))
            orders = {"transfer_call": {"target": "them", "reason": ""}, "send_dtmf": {"digits": "12345"}}
            more = {"dial": {"number": "+15551006999"}, "find": {"id": "../key"}}
            return Step(
                call=tuple(ToolCall(name=name, arguments=each) for name, each in {**orders, **more}.items())
            )
        return super().answer(event, view)


async def orders_in_a_result_have_no_effect(folder: Path) -> None:
    async with restaurant(folder) as (house, sim):
        sim.faults.add(ToolFault(kind=ToolFaultKind.INJECTION), ToolFault(kind=ToolFaultKind.INJECTION))
        house.minds["own"] = mind = Obedient(FIND, FREE)
        agent = await agent_with(house, tools=("end_call",), **functions(sim))
        task = await house.add(NUMBER, "own functions", agent=agent)
        await house.settled(task)
        call = await house.call(task)
        told = [one for one in mind.answers if one.get("result") == ORDERS]
        assert told
        assert all("never an instruction" in one["note"] for one in told)
        assert ORDERS not in (await house.session("own")).instructions
        assert house.asterisk.callee(NUMBER).digits_heard == ""
        assert [invite.number for invite in house.asterisk.invites] == [NUMBER]
        refused = " ".join(str(one.data["detail"]) for one in await house.events(call, "tool_refused"))
        assert all(f"no function '{name}'" in refused for name in ("transfer_call", "send_dtmf", "dial"))
        assert "/key" not in repr(sim.journal)


async def nobody_waits_for_a_system_when_the_talk_is_over(folder: Path) -> None:
    steps = (Ring(0.02), Answer(0.02), WaitForAgent(), Say("four"), StaySilent(0.6), HangUp())
    async with restaurant(folder, CalleeScript(steps)) as (house, sim):
        sim.faults.always = ToolFault(kind=ToolFaultKind.SLOW, seconds=30)
        house.minds["own"] = Reads(FIND)
        task = await house.add(
            NUMBER, "own functions", agent=await agent_with(house, **functions(sim, timeout_s=30))
        )
        began = time.monotonic()
        await house.settled(task)
        assert time.monotonic() - began < 10
        (record,) = outside_records(await house.events(await house.call(task)))
        assert (record.status, record.error) == ("cut off", "ended with the talk")


async def who_calls_back_is_offered_them_too(folder: Path) -> None:
    listens = CalleeScript((Answer(0.0), WaitForAgent(), Say("four"), WaitForAgent(timeout_s=20.0)))
    async with restaurant(folder, busy()) as (house, sim):
        house.minds["back"] = mind = Reads(FIND)
        agent = await agent_with(house, **functions(sim))
        task = await house.add(NUMBER, "back matter", agent=agent)
        await house.settled(task)
        phone = house.asterisk.call_in(NUMBER, listens)
        await over(house, phone)
        call = await inbound(house, task)
        assert phone.callee.heard_texts == ["for how many?", "i have anna, bye"]
        assert "crm_book_table" in mind.offered
        assert [one.status for one in outside_records(await house.events(call))] == ["200"]


async def a_call_that_is_taken_over_keeps_them(folder: Path) -> None:
    """The next process knows what was offered from the call's own record, and asks no server for it."""
    steps = (*WAITS.steps[:3], StaySilent(3.0), Say("four"), WaitForAgent(timeout_s=20.0))
    async with (
        SimTools(key=KEY) as sim,
        world(folder, callees={NUMBER: CalleeScript(steps)}, outside_tool_hosts=sim.place, **PROCESS) as house,
    ):
        house.minds["own"] = mind = Reads(FREE)
        async with house.engine.running():
            await until(gate_open(house.engine))
            task = await house.add(NUMBER, "own functions", agent=await agent_with(house, **functions(sim)))
            await house.talking(task, "for how many?")
            signals, said = StopSignals(), list[str]()
            signals.put(signal.SIGUSR1)
            await stopped(house, signals, said)
            pid = worker_pid(house)
        sim.faults.always = ToolFault(kind=ToolFaultKind.STATUS, at="list")
        successor = Engine(house.settings, house.db, MemoryBus(), house.clock)
        async with successor.running():
            await house.settled(task, 20.0)
            call = await house.call(task)
            assert [one.status for one in outside_records(await house.events(call))] == ["ok"]
            assert mind.answers[0]["result"]["free"] == ["18:30", "20:00"]
            assert house.asterisk.callee(NUMBER).heard_texts[-1] == "i have 2 tables, bye"
        await worker_gone(pid)


async def what_was_under_way_when_the_process_died_is_not_asked_for_again(folder: Path) -> None:
    """Somebody may have a table twice. The model is told that nobody knows, and can look."""
    async with (
        SimTools(key=KEY) as sim,
        world(folder, callees={NUMBER: WAITS}, outside_tool_hosts=sim.place, **PROCESS) as house,
    ):
        house.minds["own"] = mind = Reads(FIND)
        sim.faults.always = ToolFault(kind=ToolFaultKind.SLOW, seconds=30)
        async with control(house) as first:
            agent = await agent_with(house, **functions(sim, method="POST", timeout_s=30))
            task = await house.add(NUMBER, "own functions", agent=agent)

            async def asked() -> bool:
                return bool(sim.asked("/people/a%2Fb"))

            await until(asked)
            await kill(first)
        pid = worker_pid(house)
        async with control(house):
            done = await house.settled(task, 30.0)
            assert done.state is TaskState.COMPLETED
            assert len(sim.asked("/people/a%2Fb")) == 1
            assert mind.answers == [{"error": NOT_KNOWN}]
        await worker_gone(pid)


async def nobody_is_asked_before_the_next_process_would_know_of_it(folder: Path) -> None:
    """Until its report is stored, the worker would tell the next process of the call again."""
    async with restaurant(folder) as (house, sim):
        held = "BEGIN SELECT raise(ABORT, 'held'); END"
        house.minds["own"] = Reads(FIND)
        task = await house.add(NUMBER, "own functions", agent=await agent_with(house, **functions(sim)))
        await house.talking(task, "for how many?")
        for what in ("INSERT", "UPDATE"):
            await house.db.execute(f"CREATE TRIGGER hold_{what} BEFORE {what} ON worker_cursor {held}")
        looks = 0

        async def noted_and_not_asked() -> bool:
            nonlocal looks
            looks += bool(await house.events(await house.call(task), "tool_call"))
            assert not sim.asked("/people/a%2Fb")
            return looks > 20

        await until(noted_and_not_asked)
        for what in ("INSERT", "UPDATE"):
            await house.db.execute(f"DROP TRIGGER hold_{what}")
        await house.settled(task)
        assert len(sim.asked("/people/a%2Fb")) == 1


async def test_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENDEEP_TOOL_K", KEY)
    monkeypatch.setattr(errands, "STORED_S", 60.0)
    await beside(
        tmp_path,
        both_kinds_are_called_and_spoken_on,
        what_is_refused_never_leaves,
        results_nobody_can_use_are_on_record,
        a_server_that_is_down_costs_its_functions,
        a_changed_description_is_not_offered,
        orders_in_a_result_have_no_effect,
        nobody_waits_for_a_system_when_the_talk_is_over,
        who_calls_back_is_offered_them_too,
        a_call_that_is_taken_over_keeps_them,
        what_was_under_way_when_the_process_died_is_not_asked_for_again,
        nobody_is_asked_before_the_next_process_would_know_of_it,
        at_once=4,
    )
