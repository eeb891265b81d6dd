"""The agent's own functions in one call: what it is offered, found out before the phone rings, and their calls.

What was offered is kept as an event of the call, whole: it is the record of what the model was told, and what a
process that takes the call over goes on with, without asking anybody's server again.
"""

import asyncio
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import msgspec
import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.tools import RESERVED, OutsideCall
from app.domain.outside_tool import OutsideTool
from app.errors import StoreError
from app.outside_tools import Resolved, ToolAnswer
from app.store import events
from app.store.db import Reader

log = structlog.get_logger()

OFFERED = "tools_offered"
"""Kind of the event: `offered` (functions as the model is told about them), `left_out` (name and why)."""
CALLED = "outside_tool"
"""Kind of the event of one call: name, where, status, duration_ms, tries, arguments, error. JSON in its detail."""
ARGUMENTS_KEPT = 500
SAID_KEPT = 200
ENDED = "ended with the talk"


class OutsideRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is stored of one call. `where` is a host; `arguments` the beginning of their JSON; `said` what
    the other side wrote about an error.
    """

    name: str
    where: str
    status: str
    duration_ms: int
    arguments: str
    tries: int = 1
    error: str = ""
    said: str = ""


async def with_outside_tools(board: Switchboard, order: CallOrder) -> CallOrder:
    """The order with the functions that can be offered now. Takes at most `app.outside_tools.toolbox.RESOLVE_S`;
    whatever is wrong costs functions and not the call.
    """
    agent = order.agent
    if not agent.http_tools and not agent.mcp:
        return order
    try:
        resolved = await board.toolbox(order.tenant_id).resolve(agent.http_tools, agent.mcp, RESERVED)
    except Exception:  # supervision: the call is worth more than its functions
        log.exception("functions not resolved by a fault of ours", call_id=order.call_id)
        return order
    for one in resolved.left_out:
        log.warning("function not offered", call_id=order.call_id, function=one.name, why=one.why)
    try:
        await events.add(
            board.db,
            order.tenant_id,
            order.call_id,
            OFFERED,
            msgspec.to_builtins(resolved),
            at_ms=board.clock.unix_ms(),
        )
    except StoreError as error:
        log.warning("offered functions not stored", call_id=order.call_id, error=error.message)
    return msgspec.structs.replace(order, outside=resolved.offered)


async def offered_before(sql: Reader, tenant_id: str, call_id: str) -> tuple[OutsideTool, ...]:
    """What a living call was offered when it was made."""
    event = await events.newest(sql, tenant_id, call_id, OFFERED)
    return () if event is None else msgspec.convert(event.data, Resolved).offered


class OutsideDesk:
    """Of one call: carries out outside functions beside the talk, and writes each of them down."""

    def __init__(self, board: Switchboard, order: CallOrder, note: Callable[[str, str], None]) -> None:
        agent = order.agent
        self._clock = board.clock
        self._offered = {tool.name: tool for tool in order.outside}
        self._where = {one.name: urlsplit(one.url).netloc for one in (*agent.http_tools, *agent.mcp)}
        self._tools = board.toolbox(order.tenant_id).tools(agent.http_tools, agent.mcp)
        self._note = note
        self._running: set[asyncio.Task[object]] = set()

    async def call(self, request: OutsideCall) -> dict[str, object]:
        """What the model is told. Cancelled when the talk is over before the other side has answered."""
        tool, began = self._offered[request.name], self._clock.monotonic()
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            answer = await self._tools.call(tool, request.arguments)
        except asyncio.CancelledError:
            self._keep(tool, request, began, ToolAnswer(told={"error": ENDED}, status="cut off"))
            raise
        finally:
            self._running.discard(task)
        self._keep(tool, request, began, answer)
        return answer.told

    async def close(self) -> None:
        """The talk is over: nobody waits for an answer any more."""
        running = [*self._running]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        await self._tools.close()

    def _keep(self, tool: OutsideTool, request: OutsideCall, began: float, answer: ToolAnswer) -> None:
        record = OutsideRecord(
            name=tool.name,
            where=self._where.get(tool.server or tool.name, ""),
            status=answer.status,
            duration_ms=round((self._clock.monotonic() - began) * 1000),
            arguments=request.arguments[:ARGUMENTS_KEPT],
            tries=answer.tries,
            error=str(answer.told.get("error", "")),
            said=str(answer.told.get("detail", ""))[:SAID_KEPT],
        )
        self._note(CALLED, msgspec.json.encode(record).decode())


def outside_records(found: Sequence[events.CallEvent]) -> list[OutsideRecord]:
    """Read from the events of a call."""
    return [
        msgspec.json.decode(str(one.data["detail"]), type=OutsideRecord) for one in found if one.kind == CALLED
    ]
