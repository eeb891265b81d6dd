"""How a leg ends: what was heard to the frame, when the clock stops, what a farewell waits for."""

import os
from pathlib import Path

import pytest

from media.protocol import (
    AgentSpeaking,
    Answered,
    BargeIn,
    CloseLeg,
    ConnectPeer,
    Fault,
    HoldPlayout,
    LegClosed,
    LegReady,
    OpenLeg,
    Say,
    TurnSpoken,
)
from media.realtime import connection
from media.recording import RecordingWriter
from tests.unit.media.peers import FakeModel, bench, fake_peer
from tests.unit.media.test_leg import CALL, frames, speech, talking

pytestmark = pytest.mark.anyio


async def test_what_was_heard_at_the_end_is_what_was_sent_though_the_playout_was_held() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        audio = speech(4000)
        known = set(frames(audio))
        await session.speak("i1", audio)
        await peer.signal.until(lambda: sum(packet.payload in known for packet in peer.packets) >= 5)
        made.engine.handle(HoldPlayout(call_id=CALL, duration_ms=60_000))
        await peer.received(15)
        made.engine.handle(CloseLeg(call_id=CALL))
        closed = await made.told(LegClosed)
        await peer.signal.until(lambda: closed.statistics.packets_sent == len(peer.packets))
        (turn,) = made.of(TurnSpoken)
        assert turn.heard_ms == 20 * sum(packet.payload in known for packet in peer.packets)
        assert (turn.interrupted, turn.generated_ms) == (True, 4000)


async def test_a_model_that_does_not_say_goodbye_lengthens_neither_call_nor_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT_S", 0.6)
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer, recording_path=str(tmp_path / "call.wav"))
        await peer.received(5)
        session.connection.transport.pause_reading()
        made.engine.handle(CloseLeg(call_id=CALL))
        closing_ms = made.engine.legs[CALL].audio_ms
        before = len(peer.packets)
        closed = await made.told(LegClosed)
        session.connection.transport.resume_reading()
        assert len(peer.packets) > before + 20  # it did take long, and the line was not dead meanwhile
        assert closed.audio_ms <= closing_ms + 100
        assert closed.recording_ms <= closing_ms + 100


async def test_a_farewell_the_callee_talks_over_is_not_waited_for() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        made.engine.handle(Say(call_id=CALL, instructions="say goodbye"))
        request = await session.got("response.create")
        await session.begin_speech("bye", speech(3000), metadata=request["response"]["metadata"])
        await session.end_speech("bye")
        await made.told(AgentSpeaking)
        made.engine.handle(CloseLeg(call_id=CALL, drain_timeout_ms=60_000))
        await session.send({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u1"})
        await made.told(BargeIn)
        await made.told(LegClosed)


async def test_a_farewell_that_cannot_be_had_is_not_waited_for() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        made.engine.handle(Say(call_id=CALL, instructions="say goodbye"))
        made.engine.handle(CloseLeg(call_id=CALL, drain_timeout_ms=60_000))
        request = await session.got("response.create")
        response = {"id": "r1", "status": "incomplete", "metadata": request["response"]["metadata"]}
        await session.send({"type": "response.created", "response": response})
        await session.send({"type": "response.done", "response": response})
        await made.told(LegClosed)


async def test_ringing_is_not_counted_as_audio_that_was_made_up() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        opened = await made.open(CALL, model.settings())
        await made.told(LegReady)
        peer.target = (opened.rtp_host, opened.rtp_port)
        made.engine.handle(ConnectPeer(call_id=CALL, host=peer.address[0], port=peer.address[1]))
        await peer.received(30)
        made.engine.handle(Answered(call_id=CALL))
        made.engine.handle(CloseLeg(call_id=CALL))
        assert (await made.told(LegClosed)).statistics.filled_ms == 0


@pytest.mark.parametrize(
    ("host", "port"), [("localhost", 4000), ("::1", 4000), ("127.0.0.1", 70_000), ("127.0.0.1", 0)]
)
async def test_only_a_numeric_ipv4_address_can_be_a_peer(host: str, port: int) -> None:
    async with FakeModel() as model, bench() as made:
        await made.open(CALL, model.settings())
        made.engine.handle(ConnectPeer(call_id=CALL, host=host, port=port))
        assert (await made.told(Fault)).code == "peer_refused"
        (leg,) = made.engine.snapshots()
        assert leg.peer is None


def test_a_disk_that_fails_while_closing_ends_one_recording_and_not_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def fail_once(descriptor: int) -> None:
        close(descriptor)
        monkeypatch.setattr(os, "close", close)
        raise OSError(28, "No space left on device")

    with RecordingWriter() as writer:
        first, second = (writer.open(tmp_path / name, 8000) for name in ("a.wav", "b.wav"))
        first.write(None, None)
        monkeypatch.setattr(os, "close", fail_once)
        assert "No space" in (first.close().result(5).error or "")
        second.write(None, None)
        assert second.close().result(5).error is None


async def test_a_leg_that_is_closed_before_its_first_step_ends() -> None:
    async with FakeModel() as model, bench() as made:
        made.engine.handle(OpenLeg(call_id=CALL, codec="ulaw", realtime=model.settings()))
        made.engine.handle(CloseLeg(call_id=CALL))
        await made.told(LegClosed)
        assert not made.engine.legs
        assert not model.sessions
