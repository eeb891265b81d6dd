"""One response being made, and the faults that strike it."""

import asyncio
import json

import msgspec

from app.sim.realtime import request
from app.sim.realtime.brain import Step, ToolCall
from app.sim.realtime.faults import Fault, FaultKind
from app.sim.realtime.outbox import Outbox
from app.sim.realtime.protocol_check import Json, Refusal
from app.sim.realtime.response import ResponseWriter

_MID_RESPONSE = {
    FaultKind.DROP,
    FaultKind.CLOSE,
    FaultKind.INCOMPLETE,
    FaultKind.STALL,
    FaultKind.DUPLICATE_DELTA,
}
_TOKEN_LIMIT = 15_000
_BROKEN_JSON = '{"reason": "cut off in the mid'


class CutShort(Exception):
    """The response ends here; its last event has been sent."""


class Generation:
    """State of one response in the making."""

    def __init__(
        self, *, writer: ResponseWriter, step: Step, faults: list[Fault], config: Json, outbox: Outbox
    ) -> None:
        self.writer = writer
        self.step = step
        self.config = config
        self.task: asyncio.Task[None] | None = None
        self.deltas = 0
        self.last_audio = b""
        self._faults = faults
        self._outbox = outbox

    def take(self, kind: FaultKind) -> Fault | None:
        """The response's fault of this kind, once."""
        found = next((fault for fault in self._faults if fault.kind is kind), None)
        if found is not None:
            self._faults.remove(found)
        return found

    def announce(self) -> None:
        """response.created and the rate limits."""
        if not self.take(FaultKind.DONE_WITHOUT_CREATED):
            self.writer.open()
        self._rate_limits(remaining=_TOKEN_LIMIT)

    def strike_at_once(self) -> None:
        """Faults that need no audio; raises `CutShort` when the response has failed."""
        if fault := self.take(FaultKind.ERROR):
            self._outbox.refuse(Refusal(code=fault.code, message=f"Simulated {fault.code}.", type="server_error"))
        self._strike_frames()
        if self.take(FaultKind.RATE_LIMIT):
            self._rate_limits(remaining=0)
            self._fail("rate_limit_exceeded")
        if fault := self.take(FaultKind.FAIL):
            self._fail(fault.code)
        if self.step.fail:
            self._fail(self.step.fail)

    async def strike_due(self, *, last: bool = False) -> None:
        """Faults whose number of deltas has been reached; at the `last` delta all that are left."""
        for fault in list(self._faults):
            if fault.kind in _MID_RESPONSE and (last or fault.after_deltas <= self.deltas):
                self._faults.remove(fault)
                await self._strike(fault)

    def check_token_limit(self) -> None:
        """Ends the response as incomplete at `max_output_tokens` of audio."""
        limit = self.config["max_output_tokens"]
        if limit != "inf" and self.writer.audio_ms // 50 >= limit:
            self._cut("incomplete", "max_output_tokens")

    def calls(self) -> list[tuple[str, str]]:
        """Name and arguments of the step's tool calls, spoiled when a fault says so."""
        calls = list(self.step.call)
        if self.take(FaultKind.UNKNOWN_TOOL):
            calls = [ToolCall(name="no_such_tool")]
        if self.take(FaultKind.BAD_ARGUMENTS):
            names = [call.name for call in calls] or [tool["name"] for tool in self.config["tools"][:1]]
            calls = [ToolCall(name=name, arguments=_BROKEN_JSON) for name in names]
        return [(call.name, request.arguments(call)) for call in calls]

    def _strike_frames(self) -> None:
        if self.take(FaultKind.UNKNOWN_EVENT):
            self._outbox.raw(
                '{"type": "vendor.new_thing", "event_id": "event_x", "data": [1]}', "vendor.new_thing"
            )
        if self.take(FaultKind.NOT_JSON):
            self._outbox.raw("<html>502 Bad Gateway</html>", "not json")
        if self.take(FaultKind.BINARY_FRAME):
            self._outbox.raw(b"\x00\xff\xfe", "binary")
        if fault := self.take(FaultKind.HUGE_FRAME):
            self._outbox.raw(json.dumps({"type": "vendor.huge", "data": "x" * fault.size_bytes}), "vendor.huge")

    async def _strike(self, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.DROP:
                self._outbox.abort()
                raise CutShort
            case FaultKind.CLOSE:
                self._outbox.close(fault.status, "simulated")
                raise CutShort
            case FaultKind.INCOMPLETE:
                filtered = fault.code == "content_filter"
                self._cut("incomplete", "content_filter" if filtered else "max_output_tokens")
            case FaultKind.STALL:
                await asyncio.sleep(fault.seconds)
            case _:
                if self.last_audio and self.writer.is_open:
                    self.writer.repeat_audio(self.last_audio)

    def _cut(self, status: str, reason: str) -> None:
        self.writer.finish(status, reason=reason)
        raise CutShort

    def _fail(self, code: str) -> None:
        error = {"type": "server_error", "code": code, "message": f"Simulated {code}."}
        self.writer.finish("failed", error=error)
        raise CutShort

    def _rate_limits(self, *, remaining: int) -> None:
        row = {"name": "tokens", "limit": _TOKEN_LIMIT, "remaining": remaining, "reset_seconds": 60.0}
        self._outbox.send("rate_limits.updated", rate_limits=[row])


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the assistant, for assertions."""

    item_id: str
    response_id: str
    text: str
    audio_ms: int
    """Generated and sent."""
    truncated_at_ms: int | None
    status: str
