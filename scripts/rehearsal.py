"""The personas on a real Asterisk: SIPp answers, RTP phones act the scripts, the engine calls as it always does.

Started by `opendeep sim run --on asterisk` and by tests/real/test_personas.py; as root, in a checkout.
"""

import asyncio
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
from pydantic import SecretStr

from app.bus import MemoryBus
from app.cli.memory_folder import memory_folder
from app.cli.sim_run import LIMIT_S, OPTIONS, rehearsal_settings
from app.clock import SystemClock
from app.engine import Engine
from app.sim import tonevoice
from app.sim.asterisk.call_flow import CalleeFlow
from app.sim.asterisk.call_signals import (
    AgentPressed,
    AgentSaid,
    AgentSpeaks,
    Gone,
    Input,
    Invited,
    Joined,
    PressKeys,
    Speak,
    Spoken,
    Tick,
)
from app.sim.asterisk.ear import Ear
from app.sim.asterisk.script import Answer, CalleeScript
from app.sim.realtime.capable import CapableBrain
from app.sim.realtime.server import SimRealtime
from app.sim.rehearsal.cast import Persona
from app.sim.rehearsal.stage import Judged, Stage, number_of
from app.sim.text import Route, SimText
from app.sim.text.attentive import AttentiveAnalyst
from app.sim.text.server import MODELS
from app.store.sqlite import SqliteDatabase
from media.rtp import RtpPacket
from tests.real.conftest import ROOT, SCRIPT, RealAsterisk, missing
from tests.real.phones import Callee, Phones
from tests.real.rtp_phone import RtpPhone, keys_heard

RATE_HZ = 8_000
STEP_S = 0.02
COMFORT_SLOTS = 8
"""Silence kept queued, in packets of 20 ms; speech comes after it."""
KEY_OVER_S = 0.1


class Actor:
    """One number: acts the script of each of its calls on its RTP phone."""

    def __init__(self, number: str, persona: Persona, phones: Phones) -> None:
        self.heard: list[str] = []
        self._number = number
        self._persona = persona
        self._phones = phones
        self._phone: RtpPhone = phones[number]
        self._calls = self._packets = self._keys = 0

    @property
    def keys(self) -> str:
        """Of the agent, so far."""
        return "".join(key for key, _, _ in keys_heard(self._phone))

    async def run(self) -> None:
        """Answer until cancelled."""
        while True:
            while len(self._phones.seen("ACK", self._number)) <= self._calls:  # noqa: ASYNC110 - a log is polled
                await asyncio.sleep(STEP_S)
            self._calls += 1
            again = self._persona.again
            await self._act(self._persona.script if again is None or self._calls == 1 else again)

    async def _act(self, script: CalleeScript) -> None:
        talk = [step for step in script.steps if not isinstance(step, Answer)]
        after = len(script.steps) - next(n for n, step in enumerate(script.steps) if isinstance(step, Answer)) - 1
        self._flow = CalleeFlow(msgspec.structs.replace(script, steps=(Answer(0.0), *talk[len(talk) - after :])))
        self._ear = Ear()
        self._ear.open(time.monotonic())
        self._over_at: float | None = None
        self._packets = len(self._phone.packets)
        self._feed(Invited())
        self._feed(Joined(there=True))  # a telephone does not see the bridge
        while len(self._phones.seen("BYE-IN", self._number)) < self._calls:
            self._step(script)
            await asyncio.sleep(STEP_S)
        self._phone.silence()
        self._listen_on(lambda now: self._ear.close())
        self._feed(Gone())

    def _step(self, script: CalleeScript) -> None:
        now = time.monotonic()
        if self._over_at is not None and now >= self._over_at:
            self._over_at = None
            self._feed(Spoken())
        self._listen_on(self._ear.check)
        done = [key for key, _, last in keys_heard(self._phone) if now - last > KEY_OVER_S]
        for key in done[self._keys :]:
            self._feed(AgentPressed(key))
        self._keys = max(self._keys, len(done))
        if script.comfort and len(self._phone.slots) < COMFORT_SLOTS:
            self._phone.speak(np.zeros(RATE_HZ // 10, np.int16))
        self._feed(Tick())

    def _listen_on(self, then: Callable[[float], list[tonevoice.Heard]]) -> None:
        before, now = self._ear.speaking, time.monotonic()
        found: list[tonevoice.Heard] = []
        new = self._phone.packets[self._packets :]
        self._packets += len(new)
        for one in new:
            if one.payload_type == 0:
                packet = RtpPacket(
                    payload_type=0,
                    sequence_number=one.sequence_number,
                    timestamp=one.timestamp,
                    ssrc=one.ssrc,
                    marker=one.marker,
                    payload=one.payload,
                )
                found += self._ear.take(packet, self._phone._decode(one.payload), RATE_HZ, one.arrival)
        found += then(now)
        if self._ear.speaking != before:
            self._feed(AgentSpeaks(self._ear.speaking))
        for one in found:
            if one.complete:
                self.heard.append(one.text)
                self._feed(AgentSaid(one.text))

    def _feed(self, event: Input) -> None:
        now = time.monotonic()
        for effect in self._flow.handle(event, now):
            match effect:
                case Speak(text=text, samples=samples):
                    voice = tonevoice.speak(text, RATE_HZ) if samples is None else samples
                    waits_s = len(self._phone.slots) * STEP_S
                    self._phone.speak(voice)
                    self._over_at = now + waits_s + len(voice) / RATE_HZ
                case PressKeys(digits=digits):
                    self._phone.press(digits)
                case _:
                    pass


class Witness:
    """What SIPp and the phones saw, by E.164."""

    def __init__(self, phones: Phones, actors: Mapping[str, Actor]) -> None:
        self._phones = phones
        self._actors = actors

    def invited(self) -> Mapping[str, int]:
        return Counter({f"+{number}": times for number, times in self._phones.invites.items()})

    def heard(self, number: str) -> list[str]:
        return self._actors[number].heard

    def keys(self, number: str) -> str:
        return self._actors[number].keys


@asynccontextmanager
async def real_house(
    asterisk: RealAsterisk, phones: Phones, folder: Path, cast: Sequence[Persona], *, media_mode: str
) -> AsyncGenerator[Stage]:
    """The engine on a real Asterisk, with simulated models and the cast at its telephones."""
    clock, bus = SystemClock(), MemoryBus()
    async with (
        SimRealtime(brain=CapableBrain, options=OPTIONS) as realtime,
        SimText(routes=[Route(schema="CallJudgement", mind=AttentiveAnalyst())]) as text,
    ):
        settings = rehearsal_settings(folder, media_mode).model_copy(
            update={
                "simulate": False,
                "node_name": "rehearsal",
                "ari_app": "opendeep-rehearsal",
                "ari_url": f"{asterisk.url}/ari",
                "ari_username": asterisk.username,
                "ari_password": SecretStr(asterisk.password),
                "realtime_url": realtime.url,
                "openai_api_key": SecretStr("simulated"),
                "text_base_url": text.base_url,
                "text_api_key": SecretStr("simulated"),
                "text_api": "responses",
                "text_quirks": "",
                "text_model": MODELS[0],
                "analysis_model": MODELS[1],
            }
        )
        settings.recordings_dir.mkdir(parents=True, exist_ok=True)
        actors = {number_of(at): Actor(number_of(at)[1:], one, phones) for at, one in enumerate(cast)}
        async with (
            SqliteDatabase(settings.database_path) as db,
            asyncio.TaskGroup() as group,
            Engine(settings, db, bus, clock).running(),
        ):
            acting = [group.create_task(one.run()) for one in actors.values()]
            yield Stage(db, bus, clock, cast=cast, realtime=realtime, phones=Witness(phones, actors))
            for one in acting:
                one.cancel()


def telephones(trunk_port: int, cast: Sequence[Persona], folder: Path) -> Phones:
    """SIPp and one RTP phone for each of the cast; started and closed by the caller."""
    return Phones(trunk_port, tuple(Callee(number_of(at)[1:]) for at in range(len(cast))), folder)


def not_possible() -> str | None:
    """Why there is no real Asterisk here; None when there is one."""
    return missing()


async def on_asterisk(cast: Sequence[Persona], media_mode: str) -> list[Judged]:
    """Start an Asterisk of its own, rehearse, and leave nothing behind."""
    name = f"rehearsal-{os.getpid()}"
    command = [str(SCRIPT), "up", "--name", name]
    up = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=True, timeout=90, cwd=ROOT
    )
    try:
        asterisk = RealAsterisk(**json.loads(up.stdout))
        with memory_folder() as folder:
            phones = telephones(asterisk.trunk_port, cast, folder / "phones")
            phones.start()
            try:
                async with real_house(asterisk, phones, folder, cast, media_mode=media_mode) as stage:
                    return await stage.play(LIMIT_S)
            finally:
                phones.close()
    finally:
        await asyncio.to_thread(subprocess.run, [str(SCRIPT), "down", "--name", name], check=True, timeout=30)
