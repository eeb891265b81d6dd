"""`/calls/{id}/microphone`: the voice of an operator who has taken a call over, from one browser.

The page is told an id for its microphone, orders `take_over` with it, and sends PCM16 at 16 kHz in pieces of about
20 ms. Each piece goes to whoever runs the call, signed; without the order nobody lets it in. When the websocket
ends nothing more comes, which is how the media worker notices. Beginning and end are in the audit log.
"""

import asyncio
import secrets

import msgspec
from litestar.exceptions import WebSocketDisconnect

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.messages import OperatorVoice, voice_topic
from app.domain.people import Person
from app.domain.voice import FRAME_BYTES, MAX_FRAMES, signed
from web.steer.sockets import CallSockets, Socket

MOST_AHEAD_MS = 2_000
"""A browser that sends faster than anybody speaks loses what is too much."""
BYTES_PER_MS = FRAME_BYTES // 20
LEAST_MS = 10
"""A piece counts for at least this much: each one is a signed message to the engine, however short it is."""
TOO_LONG = 4413


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """The first message to the page, as JSON text."""

    mic: str


class Pace:
    """Whether a voice comes no faster than it is spoken, within `MOST_AHEAD_MS`. Pure; times in ms."""

    def __init__(self, now_ms: float) -> None:
        self._spoken_until_ms = now_ms

    def allows(self, size: int, now_ms: float) -> bool:
        """Count a piece, or refuse it."""
        until_ms = max(self._spoken_until_ms, now_ms - MOST_AHEAD_MS) + max(size / BYTES_PER_MS, LEAST_MS)
        if until_ms > now_ms + MOST_AHEAD_MS:
            return False
        self._spoken_until_ms = until_ms
        return True


class Microphones:
    """Serves one websocket after the other; one per console."""

    def __init__(self, settings: Settings, bus: Bus, clock: Clock, sockets: CallSockets) -> None:
        self._key = settings.command_key.get_secret_value().encode()
        self._bus = bus
        self._clock = clock
        self._sockets = sockets

    async def serve(self, socket: Socket, call_id: str) -> None:
        """Until the browser goes, its session or the call ends."""
        person = await self._sockets.admit(socket, call_id)
        if person is None:
            return
        began, sent = self._clock.monotonic(), [0]
        await self._sockets.note(socket, call_id, "microphone_opened", {})
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._sockets.watch(socket, person, call_id))
                try:
                    await self._pass_on(socket, person, call_id, sent)
                except (WebSocketDisconnect, RuntimeError):
                    pass  # gone, or closed by the watch
                finally:
                    watching.cancel()
        finally:
            told = {"seconds": round(self._clock.monotonic() - began), "pieces": sent[0]}
            await asyncio.shield(self._sockets.note(socket, call_id, "microphone_closed", told))

    async def _pass_on(self, socket: Socket, person: Person, call_id: str, sent: list[int]) -> None:
        mic, pace = secrets.token_urlsafe(16), Pace(self._clock.monotonic() * 1000)
        await socket.send_text(msgspec.json.encode(Hello(mic=mic)).decode())
        while True:
            audio = await socket.receive_data("binary")
            if len(audio) > MAX_FRAMES * FRAME_BYTES or len(audio) % 2:
                await socket.close(code=TOO_LONG, reason="not a piece of a voice")
                return
            if not audio or not pace.allows(len(audio), self._clock.monotonic() * 1000):
                continue
            sent[0] += 1
            voice = OperatorVoice(
                tenant_id=person.tenant_id, call_id=call_id, mic_id=mic, seq=sent[0], audio=audio, mac=""
            )
            await self._bus.publish(voice_topic(call_id), signed(voice, self._key))
