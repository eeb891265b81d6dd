"""Agents' own functions reach over the network: names, TLS, proxies and slow servers fail. On SimAsterisk.

Whatever fails, the call goes on, the model is told, and it is written down; before the ring a server that is away
costs its functions only.
"""

from contextlib import AsyncExitStack
from typing import Any

import msgspec

from app.calls.outside import OFFERED, outside_records
from app.domain.agent import Agent
from app.domain.outside_tool import HttpTool, McpServer
from app.domain.task import CallTask
from app.ids import new_id
from app.sim.realtime.brain import Cause, ScriptedBrain, Step, ToolCall
from app.sim.tools import SimTools, ToolFault, ToolFaultKind
from scripts.promises.faults.ground import GOES_ON, Ground, Row, Story
from scripts.promises.faults.simulated import LONG, Blow, struck
from tests.flow.rig import BYE, TENANT, Rig

ON: frozenset[Story] = frozenset({GOES_ON})
NOWHERE = "https://nowhere.invalid/x"
"""A name that no resolver knows (RFC 6761)."""
TIMEOUT_S = 2.0
SLOW = ToolFault(kind=ToolFaultKind.SLOW, seconds=30)
PROXY = ToolFault(kind=ToolFaultKind.STATUS, status=502)
CUT = ToolFault(kind=ToolFaultKind.CUT)
OTHERS = (("proxy 502", PROXY), ("slow", SLOW), ("cut in its answer", CUT))


def agent_of(name: str, **functions: object) -> Agent:
    """Of one blow."""
    agent = Agent(id=new_id(1_700_000_000_000), tenant_id=TENANT, name=name)
    return msgspec.structs.replace(agent, **functions)


def http(url: str) -> tuple[HttpTool, ...]:
    return (HttpTool(name="look_up", description="Look up.", url=url, method="GET", timeout_s=TIMEOUT_S),)


def mcp(url: str, sim: SimTools) -> tuple[McpServer, ...]:
    return (McpServer(name="crm", url=url, tools=sim.pins(), timeout_s=TIMEOUT_S),)


async def told(house: Rig, task: CallTask) -> list[str]:
    """The one function was called, failed, and the model knows."""
    records = outside_records(await house.events(await house.call(task)))
    wrong = [f"{one.name} ended as {one.status} without an error" for one in records if not one.error]
    wrong += [] if len(records) == 1 else [f"{len(records)} calls of functions were written down"]
    mind = house.minds["talk"]
    assert isinstance(mind, ScriptedBrain)
    outputs = [event.text for event, _ in mind.asked if event.cause is Cause.TOOL_OUTPUT]
    return wrong + ([] if any('"error"' in one for one in outputs) else ["the model was not told of the failure"])


async def left_out(house: Rig, task: CallTask) -> list[str]:
    """The server's functions were not offered, and the operator sees why."""
    events = await house.events(await house.call(task), OFFERED)
    if len(events) != 1 or events[0].data["offered"] or not events[0].data["left_out"]:
        return [f"written down: {[event.data for event in events]}"]
    return []


def calls(function: str, arguments: str) -> tuple[Step, ...]:
    call = ToolCall(name=function, arguments=arguments)
    return (Step(call=(call,)), Step(say=LONG, on=Cause.TOOL_OUTPUT), BYE)


def within_reach(sim: SimTools, blow: Blow) -> Blow:
    return msgspec.structs.replace(blow, settings={"outside_tool_hosts": sim.place})


SHARED: dict[str, Any] = {"allowed": ON, "invites": 1}
IN_CALL: dict[str, Any] = {**SHARED, "steps": calls("look_up", "{}"), "check": told}
IN_MCP_CALL: dict[str, Any] = {
    **SHARED,
    "steps": calls("crm_free_tables", '{"date": "2026-12-01"}'),
    "check": told,
}
BEFORE: dict[str, Any] = {**SHARED, "check": left_out}


async def over_the_network(ground: Ground) -> None:
    """In a call of a function, and when a call asks before the ring what it may offer."""
    async with AsyncExitStack() as systems:
        sim = await systems.enter_async_context(SimTools())
        tls = sim.url("/x").replace("http:", "https:")
        blows: list[Blow] = []
        for name, url in (("DNS", NOWHERE), ("TLS", tls)):
            own, away = agent_of(name, http_tools=http(url)), agent_of(f"{name} list", mcp=mcp(url, sim))
            blows.append(within_reach(sim, Blow(name=f"{name} in a call of a function", agent=own, **IN_CALL)))
            blows.append(within_reach(sim, Blow(name=f"{name} before the ring", agent=away, **BEFORE)))
        for name, fault in OTHERS:
            called = await systems.enter_async_context(SimTools())
            listed = await systems.enter_async_context(SimTools())
            called.faults.always = fault
            listed.faults.always = msgspec.structs.replace(fault, at="list")
            own = agent_of(f"{name} HTTP", http_tools=http(called.url("/x")))
            theirs = agent_of(f"{name} MCP", mcp=mcp(called.mcp_url, called))
            away = agent_of(f"{name} list", mcp=mcp(listed.mcp_url, listed))
            blows += [
                within_reach(called, Blow(name=f"{name} in a call of a function", agent=own, **IN_CALL)),
                within_reach(called, Blow(name=f"{name} in a call of an MCP tool", agent=theirs, **IN_MCP_CALL)),
                within_reach(listed, Blow(name=f"{name} before the ring", agent=away, **BEFORE)),
            ]
        await struck(ground, blows)


ROWS = (
    Row(
        name="tools-over-the-network",
        fault="DNS failure, TLS failure, proxy 502, slow, cut: an agent's own functions",
        during="D L",
        run=over_the_network,
    ),
)
