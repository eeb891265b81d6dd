"""The MCP client against a strict twin of servers of every generation, and everything that goes wrong there."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.domain.outside_tool import McpServer
from app.errors import AppError
from app.guarded_http import UrlRefused, trusted_origins
from app.outside_tools import Way
from app.outside_tools.errors import ToolFailed
from app.outside_tools.mcp import McpClient
from app.sim.tools import SAMPLES, SimTools, ToolFault, ToolFaultKind
from app.sim.tools.server import VERSIONS

pytestmark = pytest.mark.anyio
KEY = "canary-4711"
FREE = SAMPLES[0]
DAY = {"date": "2026-12-01"}
OLD = ("2025-11-25",)


@asynccontextmanager
async def client_of(
    sim: SimTools, eras: dict[str, str] | None = None, timeout_s: float = 3.0
) -> AsyncIterator[McpClient]:
    headers = {"Authorization": "Bearer env:OPENDEEP_TOOL_K"}
    server = McpServer(name="crm", url=sim.mcp_url, headers=headers, tools=sim.pins(), timeout_s=timeout_s)
    way = Way(trusted_origins(sim.place), {"OPENDEEP_TOOL_K": KEY})
    client = McpClient(server, way, {} if eras is None else eras)
    yield client
    await client.close()


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("sessions", [False, True])
@pytest.mark.parametrize("versions", [VERSIONS, VERSIONS[:1], *((one,) for one in VERSIONS[1:])])
async def test_servers_of_every_generation(versions: Sequence[str], sessions: bool, streams: bool) -> None:
    more: dict[str, Any] = {"streams": streams, "lingers": streams, "pings": streams, "page": 1}
    async with SimTools(versions=versions, sessions=sessions, key=KEY, **more) as sim:
        async with client_of(sim) as client:
            found = await client.tools()
            assert {one.name: one.hash for one in found} == sim.pins()
            answer = await client.call("free_tables", DAY, FREE.schema)
            assert answer.told["result"] == {"date": "2026-12-01", "free": ["18:30", "20:00"]}
            booked = await client.call("book.table", {**DAY, "people": 4}, SAMPLES[1].schema)
            assert booked.told["result"] == "Booked for 4 on 2026-12-01, number 417."
            await client.ping()
        assert [name for name, _ in sim.twin.calls] == ["free_tables", "book.table"]
        assert not sim.twin.sessions  # ended in order
        modern = versions[0] == VERSIONS[0]
        assert (sim.twin.replies != []) == (streams and not modern)
        methods = [one.body["method"] for one in sim.journal if one.body and "method" in one.body]
        handshake = [] if modern else ["initialize", "notifications/initialized"]
        last = "server/discover" if modern else "ping"
        expected = ["server/discover", *handshake, "tools/list", "tools/list", "tools/call", "tools/call", last]
        assert methods == expected


async def test_the_generation_is_found_out_once() -> None:
    eras: dict[str, str] = {}
    async with SimTools(versions=OLD) as sim:
        for _ in range(2):
            async with client_of(sim, eras) as client:
                await client.ping()
        assert eras == {sim.mcp_url: "2025-11-25"}
        assert [one.body["method"] for one in sim.journal if one.body].count("server/discover") == 1


async def test_a_server_that_has_changed_its_generation_is_asked_again() -> None:
    async with SimTools(versions=VERSIONS[:1]) as sim:
        eras = {sim.mcp_url: "2025-11-25"}
        async with client_of(sim, eras) as client:
            with pytest.raises(ToolFailed):
                await client.ping()
            await client.ping()


async def test_a_session_that_was_forgotten_is_begun_again_and_the_tool_called_once() -> None:
    async with SimTools(versions=OLD) as sim, client_of(sim) as client:
        await client.tools()
        sim.faults.add(ToolFault(kind=ToolFaultKind.FORGOTTEN))
        answer = await client.call("free_tables", DAY, FREE.schema)
        assert not answer.failed
        assert len(sim.twin.calls) == 1


@pytest.mark.parametrize("versions", [VERSIONS[:1], OLD])
@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (ToolFault(kind=ToolFaultKind.STATUS, status=502), "HTTP 502"),
        (ToolFault(kind=ToolFaultKind.STATUS, status=401), "HTTP 401"),
        (ToolFault(kind=ToolFaultKind.CUT), "broke off"),
        (ToolFault(kind=ToolFaultKind.DROP), "no answer"),
        (ToolFault(kind=ToolFaultKind.NOT_JSON), "no MCP message"),
        (ToolFault(kind=ToolFaultKind.HUGE, size=2_000_000), "more than"),
    ],
    ids=lambda one: str(getattr(one, "kind", one)),
)
async def test_what_goes_wrong_is_a_sentence(fault: ToolFault, word: str, versions: Sequence[str]) -> None:
    async with SimTools(versions=versions) as sim, client_of(sim) as client:
        await client.ping()
        sim.faults.add(fault)
        with pytest.raises(AppError, match=word) as failed:
            await client.call("free_tables", DAY, FREE.schema)
        assert KEY not in failed.value.message
        assert sim.faults.struck == [fault]
        assert not (await client.call("free_tables", DAY, FREE.schema)).failed


async def test_nonsense_and_slowness() -> None:
    async with SimTools(versions=OLD) as sim, client_of(sim, timeout_s=0.5) as client:
        await client.ping()
        sim.faults.add(ToolFault(kind=ToolFaultKind.WRONG_SHAPE), ToolFault(kind=ToolFaultKind.SLOW, seconds=5))
        assert (await client.call("free_tables", DAY, FREE.schema)).told["result"] == "done"
        began = time.monotonic()
        with pytest.raises((TimeoutError, AppError)):
            await client.call("free_tables", DAY, FREE.schema)
        assert time.monotonic() - began < 2


async def test_a_stream_that_never_ends_is_left_in_time() -> None:
    async with SimTools(streams=True, lingers=True) as sim, client_of(sim, timeout_s=2.5) as client:
        async with asyncio.timeout(2):  # the stream stays open for 30 s
            await client.tools()


async def test_a_server_without_end_of_pages_is_given_up() -> None:
    many = [type(FREE)(name=f"t{n}", description="", schema={"type": "object"}, do=str) for n in range(30)]
    async with SimTools(tools=many, page=1) as sim, client_of(sim) as client:
        with pytest.raises(ToolFailed, match="pages"):
            await client.tools()


async def test_a_server_in_the_own_network_has_to_be_listed() -> None:
    async with SimTools() as sim:
        server = McpServer(name="crm", url=sim.mcp_url)
        for way in (Way(), Way(trusted_origins("127.0.0.1"))):  # the host alone is not this port
            with pytest.raises(UrlRefused):
                await McpClient(server, way, {}).tools()
        assert not sim.journal


async def test_an_unknown_version_is_not_spoken() -> None:
    async with SimTools(versions=("2099-01-01",)) as sim, client_of(sim) as client:
        with pytest.raises(ToolFailed, match="a version of MCP that we do not") as failed:
            await client.tools()
        assert (failed.value.status, failed.value.said) == ("version", "2099-01-01")


async def test_errors_of_a_server_are_told_without_secrets() -> None:
    async with SimTools() as sim, client_of(sim) as client:
        with pytest.raises(ToolFailed) as failed:
            await client.call(f"none {KEY}", {}, {})
        assert (failed.value.message, failed.value.status) == ("crm refused (-32602).", "-32602")
        assert failed.value.said == "Unknown tool: none [hidden]"
