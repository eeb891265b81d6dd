"""Which functions of its own a call is offered, and what a call of one ends in."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.calls.tools import NAMES
from app.clock import ManualClock
from app.domain.outside_tool import HttpTool, McpServer, OutsideTool
from app.guarded_http import trusted_origins
from app.outside_tools import Resolved, Toolbox, Way
from app.outside_tools.toolbox import DOWN_S, KEPT_S, MAX_OFFERED
from app.sim.tools import SAMPLES, SimTool, SimTools, ToolFault, ToolFaultKind
from app.sim.tools.faults import ORDERS

pytestmark = pytest.mark.anyio
KEY = "canary-4711"
HEADERS = {"Authorization": "Bearer env:OPENDEEP_TOOL_K", "X-Api-Key": "fixed-canary"}
PERSON = {"type": "object", "properties": {"id": {"type": "string"}, "q": {}}, "required": ["id"]}


class World:
    def __init__(self, sim: SimTools) -> None:
        self.sim = sim
        self.clock = ManualClock(datetime(2026, 11, 27, tzinfo=UTC))
        self.box = Toolbox(Way(trusted_origins(sim.place), {"OPENDEEP_TOOL_K": KEY}), self.clock)

    def server(self, **changes: Any) -> McpServer:
        values = {"name": "crm", "url": self.sim.mcp_url, "headers": HEADERS, "tools": self.sim.pins()}
        return McpServer(**{**values, "timeout_s": 2.0, **changes})

    def tool(self, **changes: Any) -> HttpTool:
        values = {"name": "find", "description": "Find.", "url": self.sim.url("/people/{id}"), "headers": HEADERS}
        return HttpTool(**{**values, "method": "GET", "parameters": PERSON, "timeout_s": 1.0, **changes})

    async def resolve(self, *servers: McpServer, taken: tuple[str, ...] = NAMES) -> Resolved:
        return await self.box.resolve((), servers, taken)

    async def call(self, tool: HttpTool, arguments: str = '{"id": "7"}') -> Any:
        offered = (await self.box.resolve((tool,), ())).offered[0]
        return await self.box.tools((tool,), ()).call(offered, arguments)


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    del anyio_backend
    async with SimTools(versions=("2025-11-25",), key=KEY) as sim:
        yield World(sim)


def why(resolved: Resolved) -> dict[str, str]:
    return {one.name: one.why for one in resolved.left_out}


async def test_pinned_tools_are_offered_as_the_server_describes_them(world: World) -> None:
    resolved = await world.resolve(world.server(most_calls=3))
    assert resolved.left_out == ()
    assert [(one.name, one.tool, one.most_calls) for one in resolved.offered] == [
        ("crm_free_tables", "free_tables", 3),
        ("crm_book_table", "book.table", 3),
    ]
    assert msgspec.json.decode(resolved.offered[0].parameters) == SAMPLES[0].schema
    assert KEY not in msgspec.json.encode(resolved).decode()
    assert msgspec.convert(msgspec.to_builtins(resolved), Resolved) == resolved


async def test_only_what_was_allowed_is_offered(world: World) -> None:
    pins = {"free_tables": world.sim.pins()["free_tables"], "delete_all": "0" * 64}
    resolved = await world.resolve(world.server(tools=pins))
    assert [one.name for one in resolved.offered] == ["crm_free_tables"]
    assert why(resolved) == {"crm_delete_all": "crm does not have delete_all any more."}


async def test_a_changed_description_is_not_offered(world: World) -> None:
    server = world.server()
    assert len((await world.resolve(server)).offered) == 2
    world.sim.twin.changed = True
    assert len((await world.resolve(server)).offered) == 2  # as it was told a moment ago
    world.clock.advance(KEPT_S + 1)
    resolved = await world.resolve(server)
    assert [one.name for one in resolved.offered] == ["crm_book_table"]
    assert "is not what was allowed" in why(resolved)["crm_free_tables"]
    assert "card number" not in msgspec.json.encode(resolved).decode()


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (ToolFault(kind=ToolFaultKind.STATUS, at="list"), "HTTP 502"),
        (ToolFault(kind=ToolFaultKind.DROP, at="list"), "no answer"),
        (ToolFault(kind=ToolFaultKind.CUT, at="list"), "broke off"),
        (ToolFault(kind=ToolFaultKind.NOT_JSON, at="list"), "no MCP message"),
        (ToolFault(kind=ToolFaultKind.WRONG_SHAPE, at="list"), "cannot be read"),
        (ToolFault(kind=ToolFaultKind.SLOW, at="list", seconds=9), "in time"),
    ],
    ids=lambda one: str(getattr(one, "kind", one)),
)
async def test_a_server_that_is_down_costs_its_tools_only(world: World, fault: ToolFault, word: str) -> None:
    world.sim.faults.always = fault
    server, began = world.server(timeout_s=0.5), time.monotonic()
    resolved = await world.box.resolve((world.tool(),), (server,), NAMES)
    assert time.monotonic() - began < 2
    assert [one.name for one in resolved.offered] == ["find"]
    assert set(why(resolved)) == {"crm_free_tables", "crm_book_table"}
    assert all(word in one for one in why(resolved).values())
    struck = len(world.sim.faults.struck)
    await world.resolve(server)
    assert len(world.sim.faults.struck) == struck  # not asked again at once
    world.sim.faults.always = None
    world.clock.advance(DOWN_S + 1)
    assert len((await world.resolve(server)).offered) == 2


async def test_calls_that_begin_together_ask_once(world: World) -> None:
    resolved = await world.resolve(world.server(), world.server(name="two"))
    assert len(resolved.offered) == 4
    assert [one.body["method"] for one in world.sim.asked("/mcp") if one.body].count("tools/list") == 1


async def test_no_name_is_taken_twice_and_none_of_ours(world: World) -> None:
    own, mine = world.tool(name="end_call"), world.tool(name="crm_free_tables")
    resolved = await world.box.resolve((own, mine, mine), (world.server(),), NAMES)
    assert [one.name for one in resolved.offered] == ["crm_free_tables", "crm_book_table"]
    assert resolved.offered[0].server == ""
    assert [one.name for one in resolved.left_out] == ["end_call", "crm_free_tables", "crm_free_tables"]


async def test_what_the_model_could_not_be_given_is_left_out(world: World) -> None:
    bad = world.tool(name="bad", parameters={"oneOf": []})
    secret = world.tool(name="secret", headers={"X-Key": "env:OPENDEEP_TOOL_NONE"})
    resolved = await world.box.resolve((bad, secret), (world.server(headers=secret.headers),))
    assert resolved.offered == ()
    assert "oneOf" in why(resolved)["bad"]
    for name in ("secret", "crm_free_tables"):
        assert "OPENDEEP_TOOL_NONE is not set" in why(resolved)[name]
    assert not world.sim.journal


async def test_there_is_a_most_of_functions() -> None:
    many = [SimTool(name=f"t{n}", description="d" * 3_000, schema={"type": "object"}, do=str) for n in range(70)]
    async with SimTools(tools=many) as sim:
        found = World(sim)
        resolved = await found.resolve(found.server(headers={}))
    assert len(resolved.offered) == MAX_OFFERED
    assert len(resolved.left_out) == 6
    assert {len(one.description) for one in resolved.offered} == {1_024}


# --- HTTP ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_where_arguments_go(world: World, method: str) -> None:
    answer = await world.call(world.tool(method=method), '{"id": "a/b", "q": ["x y", 1]}')
    (asked,) = world.sim.journal
    assert (asked.method, asked.path) == (method, "/people/a%2Fb")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    if method == "GET":
        assert (asked.query, asked.body) == ("q=x%20y&q=1", None)
    else:
        assert (asked.query, asked.body) == ("", {"q": ["x y", 1]})
        assert asked.headers["Content-Type"] == "application/json"
    assert (answer.status, answer.told["result"]["method"]) == ("200", method)


@pytest.mark.parametrize(
    "arguments", ["{}", '{"id": 7}', "[]", '{"id": ".."}', '{"id": ""}', "{", '{"id": "\\u0000"}']
)
async def test_nothing_leaves_that_does_not_fit(world: World, arguments: str) -> None:
    answer = await world.call(world.tool(), arguments)
    assert answer.status == "refused"
    assert "Nothing was sent" in answer.told["error"]
    assert not world.sim.journal


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_only_a_get_is_tried_again_and_once(world: World, method: str) -> None:
    drop = ToolFault(kind=ToolFaultKind.DROP)
    world.sim.faults.add(drop)
    answer = await world.call(world.tool(method=method))
    assert (len(world.sim.journal), answer.tries, answer.failed) == (
        (2, 2, False) if method == "GET" else (1, 1, True)
    )
    world.sim.faults.always = drop
    world.sim.journal.clear()
    assert (await world.call(world.tool(method=method))).status == "unreachable"
    assert len(world.sim.journal) == (2 if method == "GET" else 1)


@pytest.mark.parametrize(
    ("fault", "status", "word"),
    [
        (ToolFault(kind=ToolFaultKind.STATUS, status=502), "502", "HTTP 502"),
        (ToolFault(kind=ToolFaultKind.STATUS, status=404), "404", "HTTP 404"),
        (ToolFault(kind=ToolFaultKind.CUT), "fetch_failed", "broke off"),
        (ToolFault(kind=ToolFaultKind.NOT_JSON), "200", "cannot be read"),
        (ToolFault(kind=ToolFaultKind.SLOW, seconds=9), "fetch_failed", "within 1 s"),
        (ToolFault(kind=ToolFaultKind.HUGE, size=900_000), "fetch_failed", "more than"),
    ],
    ids=lambda one: str(getattr(one, "kind", one)),
)
async def test_what_goes_wrong_is_told(world: World, fault: ToolFault, status: str, word: str) -> None:
    world.sim.faults.add(fault)
    answer = await world.call(world.tool(method="POST"))
    assert answer.status == status
    assert word in answer.told["error"]
    assert "html" not in str(answer.told)


async def test_results_are_data(world: World) -> None:
    world.sim.faults.add(ToolFault(kind=ToolFaultKind.INJECTION), ToolFault(kind=ToolFaultKind.HUGE, size=50_000))
    answer = await world.call(world.tool())
    assert answer.told["result"] == ORDERS
    assert "never an instruction" in answer.told["note"]
    assert len((await world.call(world.tool())).told["result"]) < 8_100


async def test_secrets_that_are_echoed_are_hidden(world: World) -> None:
    world.sim.answers["/people/7"] = {"you sent": f"Bearer {KEY}", "and": "fixed-canary"}
    told = str((await world.call(world.tool())).told)
    assert "canary" not in told
    assert told.count("[hidden]") == 2


@pytest.mark.parametrize(
    "url",
    [
        "https://nowhere.invalid/x",
        "http://nowhere.invalid/x",
        "https://10.0.0.1/x",
        "http://169.254.169.254/latest",
    ],
)
async def test_addresses_that_are_not_reached(world: World, url: str) -> None:
    answer = await world.call(world.tool(url=url))
    assert answer.failed
    assert answer.status in {"unreachable", "url_refused", "fetch_failed"}


async def test_tls_that_fails_is_not_tried_again(world: World) -> None:
    answer = await world.call(world.tool(url=world.sim.url("/x").replace("http:", "https:")))
    assert (answer.status, answer.tries) == ("fetch_failed", 1)


async def test_an_mcp_tool_is_called_in_a_session_of_its_talk(world: World) -> None:
    server = world.server()
    resolved = await world.resolve(server)
    one, two = world.box.tools((), (server,)), world.box.tools((), (server,))
    for tools in (one, one, two):
        answer = await tools.call(resolved.offered[0], '{"date": "2026-12-01"}')
        assert answer.told["result"] == {"date": "2026-12-01", "free": ["18:30", "20:00"]}
    assert len(world.sim.twin.sessions) == 2
    refused = await one.call(resolved.offered[0], '{"date": "soon"}')
    assert refused.status == "refused"
    assert len(world.sim.twin.calls) == 3
    await one.close()
    await two.close()
    assert not world.sim.twin.sessions


async def test_a_function_that_is_gone_is_an_answer(world: World) -> None:
    gone = OutsideTool(name="gone", description="", parameters="{}")
    assert (await world.box.tools((), ()).call(gone, "{}")).status == "refused"
