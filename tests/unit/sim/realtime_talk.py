"""A client for the tests of SimRealtime: the openai SDK's own connection, and audio of a callee."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from app.sim import tonevoice
from app.sim.realtime.options import SimOptions
from app.sim.realtime.server import SimRealtime
from media.g711 import ULAW

FAST = SimOptions(speed=2_000.0, first_delta_ms=0, transcript_ms=0)
END_CALL = {
    "type": "function",
    "name": "end_call",
    "description": "Hang up.",
    "parameters": {"type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]},
}


def session(**changes: Any) -> dict[str, Any]:
    """A session for a phone: mu-law both ways, server VAD, transcription, the end_call tool."""
    detection = changes.pop("turn_detection", {"type": "server_vad", "silence_duration_ms": 500})
    audio_format = {"type": changes.pop("format", "audio/pcmu")}
    if audio_format["type"] == "audio/pcm":
        audio_format["rate"] = 24_000
    audio = {
        "input": {
            "format": audio_format,
            "transcription": {"model": changes.pop("transcriber", "gpt-transcribe")},
            "turn_detection": detection,
        },
        "output": {"format": audio_format, "voice": "marin"},
    }
    return {"type": "realtime", "instructions": "Be brief.", "audio": audio, "tools": [END_CALL], **changes}


def speech(text: str, *, silence_ms: int = 700, before_ms: int = 0) -> bytes:
    """The callee says `text` in mu-law, then is silent."""
    before, after = np.zeros(before_ms * 8, np.int16), np.zeros(silence_ms * 8, np.int16)
    return ULAW.encode_bytes(np.concatenate([before, tonevoice.speak(text, 8_000), after]))


class Talk:
    """One connection; `events` has everything received, as dictionaries."""

    def __init__(self, connection: Any, sim: SimRealtime) -> None:
        self.connection = connection
        self.sim = sim
        self.events: list[dict[str, Any]] = []

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def far(self) -> Any:
        """The simulator's session."""
        return self.sim.sessions[-1]

    async def send(self, **event: Any) -> None:
        await self.connection.send(event)

    async def append(self, audio: bytes) -> None:
        await self.send(type="input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    async def until(self, kind: str, timeout_s: float = 5.0) -> dict[str, Any]:
        """The next event of this type."""
        async with asyncio.timeout(timeout_s):
            while True:
                event = (await self.connection.recv()).to_dict()
                self.events.append(event)
                if event["type"] == kind:
                    return event

    async def refused(self, **event: Any) -> dict[str, Any]:
        """Send a wrong event; the error it is answered with."""
        await self.send(event_id="evt_wrong", **event)
        error = (await self.until("error"))["error"]
        assert error["event_id"] == "evt_wrong"
        return error

    def last(self, kind: str) -> dict[str, Any]:
        return [event for event in self.events if event["type"] == kind][-1]

    def heard(self) -> list[str]:
        """What the agent's mu-law audio says."""
        deltas = [event["delta"] for event in self.events if event["type"] == "response.output_audio.delta"]
        audio = b"".join(map(base64.b64decode, deltas))
        return [one.text for one in tonevoice.listen(ULAW.decode_bytes(audio), 8_000)]


@asynccontextmanager
async def connected(sim: SimRealtime, config: dict[str, Any] | None = None) -> AsyncIterator[Talk]:
    """A configured session; `config` None leaves the defaults."""
    async with (
        AsyncOpenAI(base_url=sim.base_url, api_key="test-key", max_retries=0) as client,
        client.realtime.connect(model="gpt-realtime-2.1") as connection,
    ):
        talk = Talk(connection, sim)
        await talk.until("session.created")
        if config is not None:
            await talk.send(type="session.update", session=config)
            await talk.until("session.updated")
        yield talk
