"""`python -m scripts.benchmarks.audio_model JOB`: the simulated Realtime API in a process of its own, with stamps.

Prints its address, serves until stdin is closed, then writes every frame with the time it passed.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any, cast

import numpy as np
from websockets.asyncio.server import ServerConnection

from app.sim.realtime.brain import BrainEvent, SessionView, Step
from app.sim.realtime.codec import Samples
from app.sim.realtime.options import SimOptions
from app.sim.realtime.server import SimRealtime
from app.sim.voice import ToneVoice, Voice
from scripts.benchmarks.audio_jobs import ModelJob, ModelLog, SessionLog, load, save

KEPT = ("response.output_audio.delta", "input_audio_buffer.speech_started")
LETTERS_PER_WORD = 5
LAG_PERIOD_S = 0.010
TONE_HZ, TONE_AMPLITUDE = 5000, 0.355
"""-12 dBFS, as loud as the tone voice."""


class Talker:
    """Always has an answer of the same length; what is in it depends on the turn, so no two are alike."""

    def __init__(self, words: int) -> None:
        self._words = words
        self._turn = 0

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        """The next answer."""
        self._turn += 1
        words = (f"{(self._turn * 997 + word * 31) % 9973:04d}" for word in range(self._words))
        return Step(say=" ".join(words) + ".")


class PureTone:
    """5000 Hz: above what a telephone band of 8 kHz carries, inside what G.722 carries."""

    def speak(self, text: str, rate_hz: int) -> Samples:
        """As long as the tone voice would speak `text`."""
        t = np.arange(ToneVoice().speak(text, rate_hz).size) / rate_hz
        return (32767 * TONE_AMPLITUDE * np.sin(2 * np.pi * TONE_HZ * t)).astype(np.int16)


class Witness:
    """A server connection that notes when frames pass. Anything else goes to the real one."""

    def __init__(self, connection: ServerConnection, log: SessionLog) -> None:
        self._connection = connection
        self._log = log

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def __aiter__(self) -> AsyncGenerator[str | bytes]:
        async for frame in self._connection:
            self._log.received.append((time.monotonic(), str(frame)))
            yield frame

    async def send(self, frame: str) -> None:
        """Noted before it is handed to the socket."""
        if any(kind in frame[:100] for kind in KEPT):
            self._log.sent.append((time.monotonic(), frame))
        await self._connection.send(frame)


class WitnessedRealtime(SimRealtime):
    """The simulator with a witness on every connection."""

    def __init__(self, job: ModelJob) -> None:
        options = SimOptions(speed=job.speed, delta_ms=job.delta_ms, first_delta_ms=job.first_delta_ms)
        voice: Voice = PureTone() if job.voice == "5khz" else ToneVoice()
        super().__init__(brain=lambda: Talker(job.words), voice=voice, seed=job.seed, options=options)
        self.logs: list[SessionLog] = []

    async def _serve_session(self, connection: ServerConnection) -> None:
        log = SessionLog()
        self.logs.append(log)
        await super()._serve_session(cast("ServerConnection", Witness(connection, log)))


async def sample_lag(lag_ms: list[float]) -> None:
    """How late this loop wakes up: bounds what its own stamps are worth."""
    while True:
        due = time.monotonic() + LAG_PERIOD_S
        await asyncio.sleep(LAG_PERIOD_S)
        lag_ms.append((time.monotonic() - due) * 1e3)


async def serve(job: ModelJob) -> None:
    """Until stdin ends."""
    lag_ms: list[float] = []
    async with WitnessedRealtime(job) as sim, asyncio.TaskGroup() as group:
        print(sim.url, flush=True)
        sampling = group.create_task(sample_lag(lag_ms))
        await asyncio.to_thread(sys.stdin.read)
        sampling.cancel()
    save(job.log, ModelLog(sessions=sim.logs, lag_ms=lag_ms))


if __name__ == "__main__":
    asyncio.run(serve(load(sys.argv[1], ModelJob)))
