"""A raw ARI client and media engine for the tests of SimAsterisk; holds no tests itself.

Plain aiohttp and plain sockets, so that nothing of ours stands between the test and the simulator's wire.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import aiohttp

from app.sim.asterisk import Answer, CalleeScript, Ring, SimAsterisk
from media.rtp import RtpPacket, parse, serialize

APP = "opendeep-n1"
C, M, B = "od-n1-call1-c", "od-n1-call1-m", "od-n1-call1-b"
NUMBER = "+15551000001"
QUICKLY_UP = CalleeScript((Ring(0.0), Answer(0.0)))
CHATTER = {"ChannelDialplan", "ChannelVarset"}
Event = dict[str, Any]


def brief(event: Event) -> str:
    """One event as a short sentence: type and the fields that tell it apart."""
    match event["type"]:
        case "Dial":
            return f"Dial {event['dialstatus']}".strip()
        case "ChannelStateChange":
            return f"State {event['channel']['state']}"
        case "ChannelHangupRequest" | "ChannelDestroyed":
            parts = [event["type"].removeprefix("Channel"), str(event.get("cause"))]
            parts += [f"tech={event['tech_cause']}"] if "tech_cause" in event else []
            parts += ["soft"] if event.get("soft") else []
            return " ".join(parts)
        case other:
            return other.removeprefix("Channel")


def subject(event: Event) -> str:
    """The channel an event is about."""
    return (event.get("channel") or event.get("peer") or {}).get("id", "")


class EventReader:
    """One event websocket, read in the background."""

    def __init__(self, web_socket: aiohttp.ClientWebSocketResponse) -> None:
        self.web_socket = web_socket
        self.events: list[Event] = []
        self.raw: list[str] = []
        self.closed = False
        self._changed = asyncio.Event()

    async def read(self) -> None:
        async for message in self.web_socket:
            self.raw.append(message.data)
            with suppress(ValueError):
                self.events.append(message.json())
            self._changed.set()
        self.closed = True
        self._changed.set()

    async def wait(self, condition: Callable[[], bool], timeout_s: float = 3.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def of(self, channel_id: str) -> list[str]:
        """The channel's events in short form, without chatter."""
        own = [event for event in self.events if subject(event) == channel_id]
        return [brief(event) for event in own if event["type"] not in CHATTER]

    async def wait_for(self, channel_id: str, wanted: str) -> list[str]:
        """Until an event of the channel that starts with `wanted` came; returns the channel's events."""
        await self.wait(lambda: any(line.startswith(wanted) for line in self.of(channel_id)))
        return self.of(channel_id)

    def find(self, event_type: str, channel_id: str) -> Event:
        return next(event for event in self.events if event["type"] == event_type and subject(event) == channel_id)


class Rig:
    """SimAsterisk, an HTTP session and one event websocket."""

    def __init__(self, sim: SimAsterisk, *, connect: bool = True) -> None:
        self.sim = sim
        self._connect = connect
        self.session: aiohttp.ClientSession
        self.stream: EventReader
        self._group: asyncio.TaskGroup
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.sim.__aenter__()
        self.headers = {"Authorization": aiohttp.encode_basic_auth(self.sim.username, self.sim.password)}
        self.session = aiohttp.ClientSession()
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        if self._connect:
            self.stream = await self.open_stream()
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)
        await self.session.close()
        await self.sim.__aexit__(None, None, None)

    async def open_stream(self, app: str = APP) -> EventReader:
        web_socket = await self.session.ws_connect(
            f"{self.sim.base_url}/events", params={"app": app}, headers=self.headers
        )
        reader = EventReader(web_socket)
        self._tasks.append(self._group.create_task(reader.read()))
        await self.sim.wait_until(lambda: self.sim.exchange.app_is_active(app))
        return reader

    async def ask(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
        async with self.session.request(
            method, self.sim.base_url + path, json=body, params=query, headers=self.headers
        ) as response:
            return response.status, await response.json() if response.content_type == "application/json" else None

    async def ok(self, method: str, path: str, body: object = None, **query: str) -> Any:
        status, answer = await self.ask(method, path, body, **query)
        assert status in (200, 201, 204), (status, answer)
        return answer

    async def originate(self, number: str = NUMBER, channel_id: str = C, **more: object) -> Any:
        body = {
            "endpoint": f"PJSIP/{number}@opendeep-trunk",
            "app": APP,
            "appArgs": f"callee,{channel_id}",
            "channelId": channel_id,
            **more,
        }
        return await self.ok("POST", "/channels", body)

    async def open_media(self, engine: "Engine", **more: object) -> Any:
        """Bridge and media channel, in the order of the product."""
        await self.ok("POST", "/bridges", {"type": "mixing", "bridgeId": B})
        body = {"channelId": M, "app": APP, "external_host": engine.address, "format": "ulaw", "data": "media,x"}
        channel = await self.ok("POST", "/channels/externalMedia", {**body, **more})
        engine.use(channel["channelvars"])
        await self.stream.wait_for(M, "StasisStart")
        await self.ok("POST", f"/bridges/{B}/addChannel", {"channel": M})
        return channel

    async def talk(self, engine: "Engine", number: str = NUMBER, **more: object) -> None:
        """A whole call up to callee and engine in one bridge."""
        await self.open_media(engine, **more)
        await self.originate(number)
        await self.stream.wait_for(C, "StasisStart")
        await self.ok("POST", f"/bridges/{B}/addChannel", {"channel": C})


class Engine:
    """A bare UDP socket in the place of the media engine."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.peer: tuple[str, int] = ("", 0)
        self.sequence = 100
        self.timestamp = 5_000

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def use(self, channelvars: dict[str, str]) -> None:
        self.peer = (channelvars["UNICASTRTP_LOCAL_ADDRESS"], int(channelvars["UNICASTRTP_LOCAL_PORT"]))

    def send(self, payload: bytes, *, payload_type: int = 0, from_socket: socket.socket | None = None) -> None:
        packet = RtpPacket(
            payload_type=payload_type,
            sequence_number=self.sequence,
            timestamp=self.timestamp,
            ssrc=77,
            payload=payload,
        )
        self.sequence, self.timestamp = self.sequence + 1, self.timestamp + 160
        (from_socket or self.socket).sendto(serialize(packet), self.peer)

    async def speak(self, encoded: bytes, *, payload_type: int = 0) -> None:
        """Send audio (160 bytes per 20 ms), faster than real time."""
        for start in range(0, len(encoded), 160):
            self.send(encoded[start : start + 160], payload_type=payload_type)
            await asyncio.sleep(0.002)

    async def receive(self, timeout_s: float = 2.0) -> RtpPacket:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            data, source = await loop.sock_recvfrom(self.socket, 2048)
        assert source == self.peer
        return parse(data)

    def received_nothing(self) -> bool:
        try:
            self.socket.recvfrom(2048)
        except BlockingIOError:
            return True
        return False
