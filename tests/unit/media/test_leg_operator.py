"""A person at a leg: who hears whom, which session writes down whose words, and what becomes of failures."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest

from app.sim.tonevoice import listen, speak
from media.g711 import ULAW
from media.operator_seat import FRAME_BYTES, NOT_WRITTEN
from media.protocol import (
    AgentSpeaking,
    CloseLeg,
    Fault,
    HandBack,
    LegClosed,
    OperatorAudio,
    OperatorJoined,
    OperatorLeft,
    TakeOver,
    TurnSpoken,
)
from tests.unit.media.peers import Bench, FakeModel, FakePeer, FakeSession, bench, fake_peer
from tests.unit.media.test_leg import CALL, speech, talking

pytestmark = pytest.mark.anyio
TAKE = TakeOver(call_id=CALL, told_back="back: {words}", told_lost="lost: {words}")
CALLEE = b"\x11" * 160


@asynccontextmanager
async def microphone(made: Bench, text: str) -> AsyncGenerator[None]:
    """Says it once and stays open."""
    voice = speak(text, 16_000).tobytes()
    pieces = [voice[at : at + FRAME_BYTES] for at in range(0, len(voice), FRAME_BYTES)]

    async def run() -> None:
        for at in range(10_000):
            piece = pieces[at] if at < len(pieces) else b""
            made.engine.handle(OperatorAudio(call_id=CALL, audio=piece.ljust(FRAME_BYTES, b"\x00")))
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        speaking = group.create_task(run())
        yield
        speaking.cancel()


def heard(peer: FakePeer) -> list[str]:
    """What the callee could read out of what was sent."""
    samples = ULAW.decode_bytes(b"".join(packet.payload for packet in peer.packets))
    return [one.text for one in listen(samples, 8_000) if one.complete]


def spoken(audio: bytes) -> list[str]:
    return [one.text for one in listen(ULAW.decode_bytes(audio), 8_000) if one.complete]


async def said(session: FakeSession, text: str) -> None:
    """The server has heard and written down a turn of what this session listens to."""
    await session.send({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "w1"})
    await session.send({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": "w1"})
    await session.send({"type": "input_audio_buffer.committed", "item_id": "w1"})
    done = "conversation.item.input_audio_transcription.completed"
    await session.send({"type": done, "item_id": "w1", "content_index": 0, "transcript": text})


async def told(session: FakeSession) -> str:
    return str((await session.got("conversation.item.create"))["item"]["content"][0]["text"])


async def test_two_voices_two_sessions_and_a_silent_agent() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        agent = await talking(made, model, peer)
        await agent.begin_speech("i1", speech(4000))
        await made.told(AgentSpeaking)
        made.engine.handle(TAKE)
        await made.told(OperatorJoined)
        assert (await agent.got("response.cancel"))["response_id"] == "r-i1"
        writer = await model.session(1)
        update = await writer.got("session.update")
        assert update["session"]["audio"]["input"]["turn_detection"]["create_response"] is False
        assert not update["session"].get("tools")
        async with microphone(made, "i am the boss"):
            await peer.signal.until(lambda: "i am the boss" in heard(peer), 10.0)
            peer.send(CALLEE)
            await agent.signal.until(lambda: CALLEE in agent.audio)
            await writer.signal.until(lambda: "i am the boss" in spoken(bytes(writer.audio)), 10.0)
            assert spoken(bytes(agent.audio)) == [], "the agent's session hears the callee alone"
            assert CALLEE not in writer.audio
            await said(writer, "I am the boss")
            turn = await operator_turn(made)
            assert (turn.text, turn.item_id) == ("I am the boss", "operator-1-w1")
            made.engine.handle(HandBack(call_id=CALL))
            left = await made.told(OperatorLeft)
        assert left.why == "handed_back"
        assert left.spoke_ms >= 600
        assert await told(agent) == "back: I am the boss"
        await agent.got("response.create")
        await agent.speak("i2", speech(200))
        assert (await agent_turn(made, "i2")).heard_ms > 0, "the agent is heard again"


async def operator_turn(made: Bench) -> Any:
    def found() -> Any:
        return next((one for one in made.of(TurnSpoken) if one.speaker == "operator"), None)

    return await made.signal.until(found)


async def agent_turn(made: Bench, item_id: str) -> Any:
    return await made.signal.until(
        lambda: next((one for one in made.of(TurnSpoken) if one.item_id == item_id), None)
    )


async def test_without_a_second_session_the_operator_is_heard_and_the_transcript_says_so() -> None:
    connections: list[Any] = []

    def refuse(connection: Any, _request: Any) -> Any:
        connections.append(connection)
        return None if len(connections) == 1 else connection.respond(HTTPStatus.FORBIDDEN, "no")

    async with FakeModel(refuse) as model, fake_peer() as peer, bench() as made:
        agent = await talking(made, model, peer)
        made.engine.handle(TAKE)
        async with microphone(made, "nobody writes"):
            await peer.signal.until(lambda: "nobody writes" in heard(peer), 10.0)
            made.engine.handle(HandBack(call_id=CALL))
            await made.told(OperatorLeft)
        assert [one.code for one in made.of(Fault)][-1:] == ["operator_not_written"]
        turn = await operator_turn(made)
        assert "the words were not written down" in turn.text
        assert turn.end_audio_ms > turn.start_audio_ms
        assert await told(agent) == f"back: {NOT_WRITTEN}"
        made.engine.handle(CloseLeg(call_id=CALL))
        await made.told(LegClosed)
        assert [one.item_id for one in made.of(TurnSpoken) if one.speaker == "operator"] == [turn.item_id]


async def test_a_leg_ends_with_an_operator_at_it() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer)
        made.engine.handle(TAKE)
        await model.session(1)
        async with microphone(made, "until the end"):
            await peer.signal.until(lambda: "until the end" in heard(peer), 10.0)
            made.engine.handle(CloseLeg(call_id=CALL))
            await made.told(LegClosed)
        assert "not written down" in (await operator_turn(made)).text
        assert not made.engine.legs


async def test_before_the_answer_and_without_a_seat_nothing_happens() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer)
        made.engine.handle(HandBack(call_id=CALL))
        made.engine.handle(OperatorAudio(call_id=CALL, audio=np.full(320, 9_000, np.int16).tobytes()))
        await peer.received(5)
        assert not [packet for packet in peer.packets if ULAW.decode_bytes(packet.payload).max() > 4_000]
        assert not made.of(OperatorLeft)
        assert len(model.sessions) == 1
