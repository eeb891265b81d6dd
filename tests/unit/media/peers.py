"""The other ends of a media leg for the tests: Asterisk's RTP side and a Realtime server on loopback."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from media.engine import MediaEngine
from media.protocol import LegOpened, NumberedReport, OpenLeg
from media.realtime.settings import RealtimeSettings
from media.rtp import RtpPacket, RtpSender, parse

TIMEOUT_S = 5.0


class Signal:
    """Wait for a condition on what others change, without polling."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def set(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
        async with asyncio.timeout(timeout_s):
            while not (result := condition()):
                self._changed.clear()
                await self._changed.wait()
            return result


class FakePeer(asyncio.DatagramProtocol):
    """What chan_rtp is to us: sends numbered frames, keeps what it gets with arrival times."""

    def __init__(self, payload_type: int = 0) -> None:
        self.packets: list[RtpPacket] = []
        self.arrivals: list[float] = []
        self.signal = Signal()
        self.sender = RtpSender(ssrc=77, payload_type=payload_type, sequence_number=65530)
        self.target = ("127.0.0.1", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.arrivals.append(time.monotonic())
        self.packets.append(parse(data))
        self.signal.set()

    @property
    def address(self) -> tuple[str, int]:
        return self.transport.get_extra_info("sockname")

    def send(self, payload: bytes) -> None:
        self.transport.sendto(self.sender.packet(payload), self.target)

    async def received(self, count: int) -> list[RtpPacket]:
        """The first `count` packets from now on."""
        start = len(self.packets)
        await self.signal.until(lambda: len(self.packets) >= start + count)
        return self.packets[start : start + count]


@contextlib.asynccontextmanager
async def fake_peer(payload_type: int = 0) -> AsyncIterator[FakePeer]:
    transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: FakePeer(payload_type), local_addr=("127.0.0.1", 0)
    )
    try:
        yield peer
    finally:
        transport.close()
        await asyncio.sleep(0)


class FakeSession:
    """One model session: confirms what is asked, remembers what comes, says what the test wants."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self.audio = bytearray()
        self.signal = Signal()

    async def run(self) -> None:
        await self.send({"type": "session.created", "session": {"id": "s", "model": "m", "type": "realtime"}})
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._take(json.loads(await self.connection.recv()))

    async def _take(self, event: dict[str, Any]) -> None:
        if event["type"] == "input_audio_buffer.append":
            self.audio += base64.b64decode(event["audio"])
        else:
            self.events.append(event)
        if event["type"] == "session.update":
            await self.send({"type": "session.updated", "session": event["session"]})
        self.signal.set()

    async def send(self, event: dict[str, Any]) -> None:
        await self.connection.send(json.dumps({"event_id": "e", **event}))

    async def got(self, kind: str) -> dict[str, Any]:
        """The newest event of this type, waiting for the first."""
        matching = [event for event in self.events if event["type"] == kind]
        if not matching:
            await self.signal.until(lambda: any(event["type"] == kind for event in self.events))
            return await self.got(kind)
        return matching[-1]

    async def got_audio(self, size: int) -> bytes:
        await self.signal.until(lambda: len(self.audio) >= size)
        return bytes(self.audio)

    async def begin_speech(self, item_id: str, audio: bytes, *, metadata: dict[str, str] | None = None) -> None:
        response = {"id": f"r-{item_id}", "status": "in_progress", "metadata": metadata}
        item = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress"}
        where = {"response_id": response["id"], "item_id": item_id, "output_index": 0, "content_index": 0}
        await self.send({"type": "response.created", "response": response})
        await self.send({"type": "response.output_item.added", "response_id": response["id"], "item": item})
        for start in range(0, len(audio), 1600):
            delta = base64.b64encode(audio[start : start + 1600]).decode()
            await self.send({"type": "response.output_audio.delta", **where, "delta": delta})

    async def end_speech(self, item_id: str, text: str = "hello") -> None:
        response_id = f"r-{item_id}"
        where = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        item = {"id": item_id, "type": "message", "role": "assistant", "status": "completed"}
        await self.send({"type": "response.output_audio.done", **where})
        await self.send({"type": "response.output_audio_transcript.done", **where, "transcript": text})
        await self.send({"type": "response.output_item.done", "response_id": response_id, "item": item})
        await self.send({"type": "response.done", "response": {"id": response_id, "status": "completed"}})

    async def speak(self, item_id: str, audio: bytes) -> None:
        await self.begin_speech(item_id, audio)
        await self.end_speech(item_id)


class FakeModel:
    """A Realtime server whose sessions the test plays."""

    def __init__(self, refuse: Callable[[ServerConnection, Any], Any] | None = None) -> None:
        self.sessions: list[FakeSession] = []
        self.signal = Signal()
        self._refuse = refuse
        self._server: Server | None = None

    async def __aenter__(self) -> "FakeModel":
        self._server = await serve(self._serve, "127.0.0.1", 0, compression=None, process_request=self._refuse)
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1/realtime"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        session = FakeSession(connection)
        self.sessions.append(session)
        self.signal.set()
        await session.run()

    async def session(self, number: int = 0) -> FakeSession:
        await self.signal.until(lambda: len(self.sessions) > number)
        return self.sessions[number]

    def settings(self, **changes: Any) -> RealtimeSettings:
        fields: dict[str, Any] = {
            "url": self.url,
            "api_key": "k",
            "model": "m",
            "instructions": "be brief",
            "greet_after_silence_ms": 60_000,
        }
        return RealtimeSettings(**{**fields, **changes})


class Bench:
    """A running engine with everything it reports."""

    def __init__(self) -> None:
        self.reports: list[NumberedReport] = []
        self.signal = Signal()
        self.engine = MediaEngine("127.0.0.1", "127.0.0.1", 0, self._take)

    def _take(self, report: NumberedReport) -> None:
        self.reports.append(report)
        self.signal.set()

    def of(self, kind: type, call_id: str | None = None) -> list[Any]:
        return [one for one in self.reports if isinstance(one, kind) and call_id in {None, one.call_id}]

    async def told(self, kind: type, call_id: str | None = None, timeout_s: float = TIMEOUT_S) -> Any:
        """The newest report of this kind, waiting for the first."""
        await self.signal.until(lambda: self.of(kind, call_id), timeout_s)
        return self.of(kind, call_id)[-1]

    async def open(self, call_id: str, settings: RealtimeSettings, **changes: Any) -> LegOpened:
        self.engine.handle(
            OpenLeg(call_id=call_id, codec=changes.pop("codec", "ulaw"), realtime=settings, **changes)
        )
        return await self.told(LegOpened, call_id)


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    async with asyncio.TaskGroup() as group:
        group.create_task(made.engine.run())
        await made.engine.started.wait()
        try:
            yield made
        finally:
            made.engine.stop()
