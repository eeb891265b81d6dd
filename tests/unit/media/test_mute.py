"""A leg whose line is closed for a while: who hears what, and what the model is told about it."""

import pytest

from media.protocol import AgentSpeaking, InjectText, Mute, PlayoutDrained, TurnSpoken
from tests.unit.media.peers import FakeModel, bench, fake_peer
from tests.unit.media.test_leg import CALL, frames, speech, talking

pytestmark = pytest.mark.anyio


async def test_a_muted_agent_is_not_heard_and_hears() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        made.engine.handle(Mute(call_id=CALL, agent=True))
        unheard, heard = speech(200), speech(400)[1600:]
        await session.speak("i1", unheard)
        peer.send(b"\x11" * 160)
        assert b"\x11" * 160 in await session.got_audio(160)
        muted = await peer.received(15)
        assert not {packet.payload for packet in muted} & set(frames(unheard))
        made.engine.handle(Mute(call_id=CALL, agent=False))
        truncated = await session.got("conversation.item.truncate")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == ("i1", 0)
        assert (await made.told(TurnSpoken)).heard_ms == 0
        await session.speak("i2", heard)
        await made.told(PlayoutDrained)
        await peer.signal.until(lambda: set(frames(heard)) <= {packet.payload for packet in peer.packets})
        assert not {packet.payload for packet in peer.packets} & set(frames(unheard))


async def test_on_hold_nobody_hears_anybody_and_time_goes_on() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        made.engine.handle(Mute(call_id=CALL, agent=True, callee=True))
        for _ in range(5):
            peer.send(b"\x11" * 160)
        assert set(await session.got_audio(800)) == {0xFF}
        made.engine.handle(Mute(call_id=CALL, agent=False))
        peer.send(b"\x12" * 160)
        await session.signal.until(lambda: b"\x12" * 160 in session.audio)
        assert 0x11 not in session.audio


async def test_a_whisper_reaches_the_model_only() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        made.engine.handle(InjectText(call_id=CALL, text="offer the window table", respond=True))
        item = (await session.got("conversation.item.create"))["item"]
        assert (item["role"], item["content"][0]["text"]) == ("system", "offer the window table")
        await session.got("response.create")
        assert not made.of(AgentSpeaking)
