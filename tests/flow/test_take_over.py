"""A person takes over a living call by microphone, and the agent goes on afterwards."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.bus import Bus
from app.bus.redis import RedisBus
from app.domain import command as cmd
from app.domain.call import Call
from app.domain.messages import OperatorVoice, voice_topic
from app.domain.voice import signed
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.tonevoice import speak
from tests.flow.ordering import BYE_NOW, HELLO, NOTED, ONE_KEY, in_talk, key, obedient, redis_house, told
from tests.flow.rig import TENANT, Rig, beside, rig
from tests.flow.test_listening import headphones, wish
from tests.lone_redis import lone_redis

pytestmark = pytest.mark.anyio
MIC = "mic-of-an-operator"
BOSS, ASKS, TOO = "i am the boss", "is it open", "me too"
CALLEE = CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent(BOSS), Say(ASKS)), comfort=True)
FRAME = 320
SILENCE = bytes(2 * FRAME)


class Microphone:
    """Sends a frame every 20 ms, as a page does: what is to be said, else silence."""

    def __init__(self, bus: Bus, call: Call, mic_id: str = MIC, secret: bytes = b"") -> None:
        self._bus, self._call, self._mic_id = bus, call, mic_id
        self._secret = secret or key()
        self._said: list[bytes] = []
        self.sent = 0

    async def spoken(self, house: Rig) -> None:
        """Everything has left, and half a second of silence after it."""
        until = self.sent + len(self._said) + 25

        async def passed() -> bool:
            return self.sent >= until

        await house.until(passed)

    def say(self, text: str) -> None:
        samples = speak(text, 16_000)
        pieces = [samples[at : at + FRAME].tobytes() for at in range(0, len(samples), FRAME)]
        self._said += [piece.ljust(2 * FRAME, b"\x00") for piece in pieces]

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for seq in count(1):
            voice = OperatorVoice(
                tenant_id=TENANT,
                call_id=self._call.id,
                mic_id=self._mic_id,
                seq=seq,
                audio=self._said.pop(0) if self._said else SILENCE,
                mac="",
            )
            await self._bus.publish(voice_topic(self._call.id), signed(voice, self._secret))
            self.sent = seq
            await asyncio.sleep(max(0.0, began + seq * 0.02 - loop.time()))


@asynccontextmanager
async def microphone(bus: Bus, call: Call, **given: Any) -> AsyncGenerator[Microphone]:
    """A microphone that lives while the block runs."""
    mic = Microphone(bus, call, **given)
    async with asyncio.TaskGroup() as group:
        living = group.create_task(mic.run())
        yield mic
        living.cancel()


async def heard(house: Rig, number: str, text: str) -> None:
    await house.asterisk.wait_until(lambda: text in house.asterisk.callee(number).heard_texts, 40.0)


async def taken_over_and_handed_back(house: Rig, bus: Bus, number: str) -> None:
    mind = obedient(house, "obey")
    task, call = await in_talk(house, number, "obey")
    async with headphones(bus, call) as worn, microphone(bus, call) as mic:
        await wish(house, bus, call)
        assert await told(house, call, cmd.TakeOver(mic=MIC)) == ("done", "The callee hears the operator.")
        assert (await told(house, call, cmd.TakeOver(mic="another-mic")))[0] == "refused"
        mic.say(BOSS)
        await heard(house, number, BOSS)
        await house.until(lambda: has_turns(house, call, ("operator", BOSS), ("callee", ASKS)))
        assert BOSS in worn.texts[1], "who listens hears what the callee hears"
        assert house.asterisk.callee(number).heard_texts == [HELLO, BOSS], "the agent is silent"
        assert (await told(house, call, cmd.Say(text="no")))[0] == "refused"
        assert await told(house, call, cmd.HandBack()) == ("done", "The agent goes on.")
        await heard(house, number, NOTED)
    (note,) = [one for one in mind.notes if BOSS in one]
    assert note.startswith("For a while a person of your own side spoke")
    kinds = [one.kind for one in await house.events(call) if one.kind.startswith("operator")]
    assert kinds == ["operator_joined", "operator_left"]
    assert await told(house, call, cmd.EndCall()) == ("done", "The agent says goodbye.")
    await house.settled(task)
    assert house.asterisk.callee(number).heard_texts == [HELLO, BOSS, NOTED, BYE_NOW]


async def has_turns(house: Rig, call: Call, *wanted: tuple[str, str]) -> bool:
    found = [(turn.speaker, turn.text) for turn in await house.turns(call)]
    return all(one in found for one in wanted)


async def within_one_process(tmp_path: Path) -> None:
    number = "+15551004201"
    async with rig(tmp_path, callees={number: CALLEE}, **ONE_KEY) as house:
        await taken_over_and_handed_back(house, house.bus, number)


async def with_a_media_worker_that_is_a_process_and_wideband(tmp_path: Path) -> None:
    number = "+15551004202"
    async with rig(tmp_path, callees={number: CALLEE}, media_mode="process", leg_codec="g722", **ONE_KEY) as house:
        await taken_over_and_handed_back(house, house.bus, number)


async def a_microphone_that_dies_gives_the_call_back(tmp_path: Path) -> None:
    number = "+15551004203"
    async with rig(tmp_path, callees={number: CALLEE}, **ONE_KEY) as house:
        mind = obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        async with microphone(house.bus, call) as mic:
            assert (await told(house, call, cmd.TakeOver(mic=MIC)))[0] == "done"
            mic.say(BOSS)
            await heard(house, number, BOSS)
            await house.until(lambda: has_turns(house, call, ("operator", BOSS)))
        await heard(house, number, NOTED)
        (note,) = [one for one in mind.notes if BOSS in one]
        assert "Their connection is lost" in note
        (left,) = await house.events(call, "operator_left")
        assert left.data["why"] == "lost"
        assert (await told(house, call, cmd.HandBack()))[0] == "refused"
        await told(house, call, cmd.EndCall(polite=False))
        await house.settled(task)


async def only_the_microphone_of_the_order_is_heard(tmp_path: Path) -> None:
    number = "+15551004204"
    async with rig(tmp_path, callees={number: CALLEE}, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        async with (
            microphone(house.bus, call) as mic,
            microphone(house.bus, call, mic_id="another-mic") as other,
            microphone(house.bus, call, secret=b"x" * 40) as forger,
        ):
            mic.say(TOO)  # before anybody has ordered it
            await mic.spoken(house)
            assert (await told(house, call, cmd.TakeOver(mic=MIC)))[0] == "done"
            for one in (other, forger):
                one.say(TOO)
                await one.spoken(house)
            mic.say(BOSS)
            await heard(house, number, BOSS)
            assert house.asterisk.callee(number).heard_texts == [HELLO, BOSS]
            assert (await told(house, call, cmd.EndCall())) == ("done", "Hung up.")
        await house.settled(task)
        assert (await house.call(task)).ended_by == "operator"


async def test_take_over(tmp_path: Path) -> None:
    await beside(
        tmp_path,
        within_one_process,
        with_a_media_worker_that_is_a_process_and_wideband,
        a_microphone_that_dies_gives_the_call_back,
        only_the_microphone_of_the_order_is_heard,
    )


@pytest.mark.redis
async def test_an_operator_at_a_console_elsewhere_takes_over_by_redis(tmp_path: Path) -> None:
    number = "+15551004205"
    async with (
        lone_redis(tmp_path) as server,
        RedisBus(server.url).running() as console,
        redis_house(tmp_path, server.url, callees={number: CALLEE}) as (house, _),
    ):
        await taken_over_and_handed_back(house, console, number)
