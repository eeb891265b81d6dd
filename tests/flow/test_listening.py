"""Somebody listens in on living calls: both directions, for as long as is asked for, and only for who may ask."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from app.bus import Bus
from app.bus.redis import RedisBus
from app.domain import command as cmd
from app.domain.call import Call
from app.domain.messages import CallAudio, ListenWanted, audio_topic, voice_topic
from app.domain.voice import LISTEN_FOR_MS, signed
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.tonevoice import Listener
from media.g711 import ALAW, ULAW
from tests.flow.ordering import ONE_KEY, in_talk, key, obedient, redis_house, told
from tests.flow.rig import TENANT, Rig, beside, rig
from tests.lone_redis import lone_redis

pytestmark = pytest.mark.anyio
ANSWERS = CalleeScript((Ring(0.02), Answer(0.02), *(WaitForAgent("listen"), Say("i hear you")) * 3), comfort=True)
SAID, HEARD = "listen now", "i hear you"


class Headphones:
    """What came of a call, and what was said in it."""

    def __init__(self) -> None:
        self.frames = 0
        self.texts: tuple[list[str], list[str]] = ([], [])
        self._ears: tuple[Listener, Listener] | None = None
        self._heard = asyncio.Event()

    def take(self, audio: CallAudio) -> None:
        rate_hz = 16_000 if audio.codec == "pcm16" else 8_000
        self._ears = self._ears or (Listener(rate_hz), Listener(rate_hz))
        self.frames += 1
        for lane, data in enumerate((audio.callee, audio.agent)):
            law = {"ulaw": ULAW, "alaw": ALAW}.get(audio.codec)
            samples = np.frombuffer(data, np.int16) if law is None else law.decode_bytes(data)
            self.texts[lane].extend(one.text for one in self._ears[lane].feed(samples) if one.complete)
        self._heard.set()

    async def until(self, callee: str, agent: str) -> None:
        async with asyncio.timeout(10):
            while callee not in self.texts[0] or agent not in self.texts[1]:
                self._heard.clear()
                await self._heard.wait()


@asynccontextmanager
async def headphones(bus: Bus, call: Call) -> AsyncGenerator[Headphones]:
    """Takes whatever comes of the call."""
    worn = Headphones()

    async def wear() -> None:
        with bus.subscribe(audio_topic(call.id)) as messages:
            async for message in messages:
                if isinstance(message, CallAudio):
                    worn.take(message)

    async with asyncio.TaskGroup() as group:
        wearing = group.create_task(wear())
        await asyncio.sleep(0)
        yield worn
        wearing.cancel()


async def wish(house: Rig, bus: Bus, call: Call, *, tenant: str = TENANT, for_ms: int = LISTEN_FOR_MS) -> None:
    until_ms = house.clock.unix_ms() + for_ms
    wanted = ListenWanted(tenant_id=tenant, call_id=call.id, until_ms=until_ms, mac="")
    await bus.publish(voice_topic(call.id), signed(wanted, key()))


async def listened_in(house: Rig, bus: Bus, number: str) -> None:
    """Nothing before anybody asks, both lanes afterwards, nothing once the wish has run out."""
    obedient(house, "obey")
    task, call = await in_talk(house, number, "obey")
    async with headphones(bus, call) as worn:
        assert (await told(house, call, cmd.Say(text=SAID)))[0] == "done"
        await house.talking(task, SAID)
        assert worn.frames == 0, "nobody asked"
        await wish(house, bus, call, for_ms=2_500)
        await house.until(lambda: answer(worn.frames > 5))
        assert (await told(house, call, cmd.Say(text=SAID)))[0] == "done"
        await worn.until(HEARD, SAID)
        await house.until(lambda: quiet(house, worn, number))
        frames = worn.frames
        assert (await told(house, call, cmd.Say(text=SAID)))[0] == "done"
        await house.asterisk.wait_until(lambda: heard(house, number, SAID) == 3, 40.0)
        assert worn.frames == frames
    await told(house, call, cmd.EndCall(polite=False))
    await house.settled(task)


def heard(house: Rig, number: str, text: str) -> int:
    return house.asterisk.callee(number).heard_texts.count(text)


async def answer(value: bool) -> bool:
    return value


async def quiet(house: Rig, worn: Headphones, number: str) -> bool:
    """No frame comes any more while the line goes on."""
    before, packets = worn.frames, house.asterisk.callee(number).arrivals
    heard = len(packets) + 10
    await house.asterisk.wait_until(lambda: len(packets) >= heard, 40.0)
    return worn.frames == before


async def both_directions_within_one_process(tmp_path: Path) -> None:
    number = "+15551004101"
    async with rig(tmp_path, callees={number: ANSWERS}, **ONE_KEY) as house:
        await listened_in(house, house.bus, number)


async def both_directions_of_a_media_worker_that_is_a_process(tmp_path: Path) -> None:
    number = "+15551004102"
    async with rig(tmp_path, callees={number: ANSWERS}, media_mode="process", **ONE_KEY) as house:
        await listened_in(house, house.bus, number)


async def nobody_listens_without_our_signature(tmp_path: Path) -> None:
    number = "+15551004103"
    async with rig(tmp_path, callees={number: ANSWERS}, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        async with headphones(house.bus, call) as worn:
            now_ms = house.clock.unix_ms()
            plain = ListenWanted(tenant_id=TENANT, call_id=call.id, until_ms=now_ms + 5_000, mac="")
            for forged in (plain, signed(plain, b"x" * 40)):
                await house.bus.publish(voice_topic(call.id), forged)
            await wish(house, house.bus, call, tenant="another")
            await wish(house, house.bus, call, for_ms=-1)
            await wish(house, house.bus, call, for_ms=3_600_000)
            assert (await told(house, call, cmd.Say(text=SAID)))[0] == "done"
            await house.talking(task, SAID)
            assert worn.frames == 0
        await told(house, call, cmd.EndCall(polite=False))
        await house.settled(task)


async def test_listening(tmp_path: Path) -> None:
    await beside(
        tmp_path,
        both_directions_within_one_process,
        both_directions_of_a_media_worker_that_is_a_process,
        nobody_listens_without_our_signature,
    )


@pytest.mark.redis
async def test_a_console_elsewhere_listens_by_redis(tmp_path: Path) -> None:
    number = "+15551004104"
    async with (
        lone_redis(tmp_path) as server,
        RedisBus(server.url).running() as console,
        redis_house(tmp_path, server.url, callees={number: ANSWERS}) as (house, _),
    ):
        await listened_in(house, console, number)
