"""One leg against a loopback RTP peer and a loopback model."""

import asyncio
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from media.g711 import ULAW, alaw_to_ulaw, ulaw_to_alaw
from media.protocol import (
    AgentSpeaking,
    Answered,
    BargeIn,
    CloseLeg,
    ConnectPeer,
    DtmfHeard,
    HoldPlayout,
    LegClosed,
    LegFailed,
    LegReady,
    Levels,
    PlayoutDrained,
    Record,
    Say,
    SpeechStarted,
    ToolCalled,
    ToolOutput,
    TurnSpoken,
)
from media.rtp import RtpPacket, serialize
from tests.unit.media.peers import Bench, FakeModel, FakePeer, FakeSession, bench, fake_peer

pytestmark = pytest.mark.anyio

CALL = "c" * 32


def speech(milliseconds: int) -> bytes:
    """mu-law that is loud and whose 20 ms frames all differ."""
    time = np.arange(milliseconds * 8)
    return ULAW.encode_bytes((8000 * np.sin(time * 0.3 + time**2 * 1e-5)).astype(np.int16))


def frames(audio: bytes, size: int = 160) -> list[bytes]:
    return [audio[start : start + size] for start in range(0, len(audio), size)]


async def talking(made: Bench, model: FakeModel, peer: FakePeer, **changes: object) -> FakeSession:
    """An answered leg; returns the model's side of it."""
    settings = model.settings(**changes.pop("settings", {}))
    opened = await made.open(CALL, settings, **changes)
    await made.told(LegReady)
    peer.target = (opened.rtp_host, opened.rtp_port)
    made.engine.handle(ConnectPeer(call_id=CALL, host=peer.address[0], port=peer.address[1]))
    made.engine.handle(Answered(call_id=CALL))
    return await model.session()


async def test_the_callee_is_heard_byte_exact_and_only_after_the_answer() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        opened = await made.open(CALL, model.settings())
        await made.told(LegReady)
        peer.target = (opened.rtp_host, opened.rtp_port)
        made.engine.handle(ConnectPeer(call_id=CALL, host=peer.address[0], port=peer.address[1]))
        peer.send(b"\x11" * 160)
        await peer.received(1)
        made.engine.handle(Answered(call_id=CALL))
        audio = speech(1000)
        for frame in frames(audio):
            peer.send(frame)
        session = await model.session()
        # A machine that stalls here makes the jitter buffer feed silence in between.
        await session.signal.until(lambda: all(frame in session.audio for frame in frames(audio)))
        assert b"\x11" * 160 not in session.audio


async def test_a_burst_and_odd_packet_lengths_arrive_at_once_and_whole() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        audio = speech(600)
        for start in range(0, len(audio), 240):
            peer.transport.sendto(
                serialize(
                    RtpPacket(
                        payload_type=0,
                        sequence_number=start // 240,
                        timestamp=start,
                        ssrc=5,
                        payload=audio[start : start + 240],
                        csrc=(1, 2),
                    )
                ),
                peer.target,
            )
        assert audio in await session.got_audio(len(audio))


async def test_frames_never_stop_and_time_is_continuous() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        await peer.received(3)
        audio = speech(300)
        await session.speak("i1", audio)
        await made.told(PlayoutDrained)
        await peer.received(3)
        packets = peer.packets
        assert {packet.ssrc for packet in packets} == {packets[0].ssrc}
        assert all((b.sequence_number - a.sequence_number) % 65536 == 1 for a, b in pairwise(packets))
        skipped = made.engine.legs[CALL]._audio.slots_skipped
        steps = [(b.timestamp - a.timestamp) % 2**32 for a, b in pairwise(packets)]
        assert all(step % 160 == 0 for step in steps)
        assert sum(step // 160 - 1 for step in steps) <= skipped
        spoken = [packet for packet in packets if packet.payload in frames(audio)]
        assert b"".join(packet.payload for packet in spoken) == audio
        assert [packet.marker for packet in packets].count(True) == 1
        assert spoken[0].marker


async def test_frames_leave_every_20_ms() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer)
        await peer.received(1)
        first = len(peer.arrivals)
        await peer.received(40)
        grid = [
            arrival - peer.arrivals[first] - (packet.timestamp - peer.packets[first].timestamp) % 2**32 / 8000
            for arrival, packet in zip(peer.arrivals[first:], peer.packets[first:], strict=True)
        ]
        middle = sorted(grid)[len(grid) // 2]
        assert sorted(abs(late - middle) for late in grid)[len(grid) * 9 // 10] < 0.010


async def test_barge_in_silences_within_two_ticks_and_truncates_to_what_was_sent() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        audio = speech(4000)
        await session.speak("i1", audio)
        await peer.signal.until(lambda: sum(packet.payload in audio for packet in peer.packets) >= 12)
        await session.send({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u1"})
        await made.told(SpeechStarted)
        at_flush = len(peer.packets)
        truncate = await session.got("conversation.item.truncate")
        await peer.received(6)
        known = set(frames(audio))
        sent = [packet for packet in peer.packets if packet.payload in known]
        assert len([packet for packet in peer.packets[at_flush:] if packet.payload in known]) <= 2
        assert truncate["item_id"] == "i1"
        assert truncate["audio_end_ms"] == 20 * len(sent)
        barge_in = await made.told(BargeIn)
        assert barge_in.heard_ms == 20 * len(sent)
        assert barge_in.generated_ms == 4000
        faded = peer.packets[peer.packets.index(sent[-1]) + 1]
        assert ULAW.decode_bytes(faded.payload)[100:].max() <= 8
        turn = await made.told(TurnSpoken)
        assert turn.interrupted


async def test_speech_queued_before_the_answer_is_held() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        opened = await made.open(CALL, model.settings(opening="greet_first", greeting="Hi"))
        peer.target = (opened.rtp_host, opened.rtp_port)
        made.engine.handle(ConnectPeer(call_id=CALL, host=peer.address[0], port=peer.address[1]))
        session = await model.session()
        request = await session.got("response.create")
        audio = speech(200)
        await session.begin_speech("g", audio, metadata=request["response"].get("metadata"))
        await session.end_speech("g")
        await peer.received(5)
        assert not any(packet.payload in audio for packet in peer.packets)
        made.engine.handle(Answered(call_id=CALL))
        speaking = await made.told(AgentSpeaking)
        assert speaking.item_id == "g"
        assert speaking.speech_stop_to_rtp_ms is None
        assert speaking.first_delta_to_rtp_ms < 200
        await made.told(PlayoutDrained)
        await peer.received(1)
        known = set(frames(audio))
        assert b"".join(packet.payload for packet in peer.packets if packet.payload in known) == audio


async def test_a_farewell_is_sent_to_the_end_before_the_leg_closes() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        made.engine.handle(Say(call_id=CALL, instructions="say goodbye"))
        made.engine.handle(CloseLeg(call_id=CALL, drain_timeout_ms=5000))
        request = await session.got("response.create")
        await peer.received(3)
        audio = speech(400)
        await session.begin_speech("bye", audio, metadata=request["response"].get("metadata"))
        await session.end_speech("bye")
        closed = await made.told(LegClosed)
        await peer.signal.until(lambda: closed.statistics.packets_sent == len(peer.packets))
        known = set(frames(audio))
        assert b"".join(packet.payload for packet in peer.packets if packet.payload in known) == audio
        assert made.reports[-1] is closed
        assert made.engine.legs == {}


async def test_a_farewell_waits_for_a_callee_who_speaks() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        await session.send({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "u1"})
        await made.told(SpeechStarted)
        made.engine.handle(Say(call_id=CALL, instructions="say goodbye"))
        made.engine.handle(CloseLeg(call_id=CALL, drain_timeout_ms=5000))
        await peer.received(4)
        assert CALL in made.engine.legs


async def test_a_repeated_answer_changes_nothing() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer)
        await peer.received(5)
        made.engine.handle(Answered(call_id=CALL))
        (leg,) = made.engine.snapshots()
        assert leg.answered
        assert leg.audio_ms >= 60


async def test_a_new_control_process_is_told_whether_the_agent_speaks() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        assert not made.engine.snapshots()[0].agent_speaking
        await session.begin_speech("i1", speech(1_000))
        await made.told(AgentSpeaking)
        assert made.engine.snapshots()[0].agent_speaking


async def test_drain_waits_no_longer_than_told() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        await session.begin_speech("i1", speech(60_000))
        await made.told(AgentSpeaking)
        made.engine.handle(CloseLeg(call_id=CALL, drain_timeout_ms=100))
        await made.told(LegClosed, timeout_s=2)


async def test_hold_playout_sends_silence_and_counts_nothing_as_heard() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        made.engine.handle(HoldPlayout(call_id=CALL, duration_ms=200))
        audio = speech(200)
        await session.speak("i1", audio)
        held = await peer.received(7)
        assert not any(packet.payload in audio for packet in held)
        await made.told(PlayoutDrained)


async def test_max_duration_ends_a_leg_that_nobody_closes() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer, max_duration_ms=150)
        closed = await made.told(LegClosed)
        assert (await made.told(LegFailed)).code == "max_duration"
        assert closed.audio_ms <= 400


async def test_a_refused_model_fails_the_leg_which_then_can_be_closed() -> None:
    async with FakeModel() as model, bench() as made:
        settings = model.settings()
    async with bench() as made:
        await made.open(CALL, settings)
        made.engine.handle(CloseLeg(call_id=CALL))
        await made.told(LegClosed)
        assert made.of(LegReady) == []


async def test_a_model_that_says_401_fails_the_leg_for_good() -> None:
    def refuse(connection: object, request: object) -> object:
        return connection.respond(401, '{"error":{"code":"invalid_api_key","message":"no"}}')

    async with FakeModel(refuse) as model, fake_peer() as peer, bench() as made:
        opened = await made.open(CALL, model.settings())
        failed = await made.told(LegFailed)
        assert failed.fatal
        peer.target = (opened.rtp_host, opened.rtp_port)
        made.engine.handle(ConnectPeer(call_id=CALL, host=peer.address[0], port=peer.address[1]))
        await peer.received(3)


async def test_a_model_lost_in_a_talk_leaves_so_much_to_be_heard() -> None:
    asked: list[object] = []

    def refuse(connection: object, request: object) -> object:
        asked.append(request)
        return None if len(asked) == 1 else connection.respond(401, '{"error":{"code":"invalid_api_key"}}')

    async with FakeModel(refuse) as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer, settings={"apology": b"\x01" * 16_000})
        await session.connection.close(1011, "boom")
        assert (await made.told(LegFailed)).queued_ms == 2_000


async def test_a_model_that_dies_is_connected_again_while_frames_go_on() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        await session.connection.close(1011, "boom")
        again = await model.session(1)
        await again.got("session.update")
        made.engine.handle(CloseLeg(call_id=CALL))
        closed = await made.told(LegClosed)
        assert closed.statistics.model_reconnects == 1
        assert all((b.sequence_number - a.sequence_number) % 65536 == 1 for a, b in pairwise(peer.packets))


async def calls_note(session: FakeSession) -> None:
    call = {"id": "f1", "type": "function_call", "call_id": "t1", "name": "note", "arguments": '{"x":1}'}
    await session.send({"type": "response.created", "response": {"id": "r1", "status": "in_progress"}})
    await session.send({"type": "response.output_item.done", "response_id": "r1", "item": call})
    await session.send({"type": "response.done", "response": {"id": "r1", "status": "completed"}})


async def test_tools_go_out_and_back() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        await calls_note(session)
        called = await made.told(ToolCalled)
        assert (called.tool_call_id, called.name, called.arguments) == ("t1", "note", '{"x":1}')
        made.engine.handle(ToolOutput(call_id=CALL, tool_call_id="t1", output='{"ok":true}', respond=False))
        item = (await session.got("conversation.item.create"))["item"]
        assert item["type"] == "function_call_output"
        assert item["output"] == '{"ok":true}'


async def test_a_new_control_process_is_told_which_functions_the_model_awaits() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        assert made.engine.snapshots()[0].tools_awaited == ()
        await calls_note(session)
        await made.told(ToolCalled)
        assert made.engine.snapshots()[0].tools_awaited == ("t1",)
        made.engine.handle(ToolOutput(call_id=CALL, tool_call_id="t1", output="{}"))
        assert made.engine.snapshots()[0].tools_awaited == ()


async def test_keys_pressed_are_reported_once() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer)
        for number in range(6):
            end, duration = (0x80, 1600) if number >= 3 else (0, 400 * (number + 1))
            payload = bytes([5, end | 10]) + duration.to_bytes(2)
            packet = RtpPacket(
                payload_type=101, sequence_number=100 + number, timestamp=8000, ssrc=77, payload=payload
            )
            peer.transport.sendto(serialize(packet), peer.target)
        heard = await made.told(DtmfHeard)
        await peer.received(2)
        assert (heard.digit, heard.duration_ms) == ("5", 200)
        assert len(made.of(DtmfHeard)) == 1


async def test_garbage_datagrams_are_counted() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        for garbage in (b"", b"x", b"\x80" * 11, b"\xff" * 300):
            peer.transport.sendto(garbage, peer.target)
        peer.send(b"\x22" * 160)
        await session.signal.until(lambda: b"\x22" * 160 in session.audio)
        made.engine.handle(CloseLeg(call_id=CALL))
        closed = await made.told(LegClosed)
        assert closed.statistics.packets_malformed >= 3


@pytest.mark.parametrize(("codec", "payload_type"), [("ulaw", 0), ("alaw", 8), ("g722", 9)])
@pytest.mark.parametrize("resampler", ["polyphase", "soxr"])
async def test_pcm_models_hear_and_are_heard_through_the_resampler(
    codec: str, payload_type: int, resampler: str
) -> None:
    async with FakeModel() as model, fake_peer(payload_type) as peer, bench() as made:
        session = await talking(
            made, model, peer, codec=codec, resampler=resampler, settings={"audio_format": "audio/pcm"}
        )
        for frame in frames(speech(400)):
            peer.send(frame)
        heard = np.frombuffer(await session.got_audio(400 * 48), np.int16)
        assert np.abs(heard.astype(int)).max() > 1000
        loud = (8000 * np.sin(np.arange(24000 * 3 // 10) * 0.2)).astype(np.int16).tobytes()
        await session.speak("i1", loud)
        speaking = await made.told(AgentSpeaking)
        assert speaking.item_id == "i1"
        await made.told(PlayoutDrained)
        assert all((b.sequence_number - a.sequence_number) % 65536 == 1 for a, b in pairwise(peer.packets))
        assert {len(packet.payload) for packet in peer.packets} == {160}
        assert [packet.marker for packet in peer.packets].count(True) == 1


async def test_a_law_that_differs_from_the_models_is_recoded() -> None:
    async with FakeModel() as model, fake_peer(8) as peer, bench() as made:
        session = await talking(made, model, peer, codec="alaw", settings={"audio_format": "audio/pcmu"})
        peer.send(b"\x21" * 160)
        await session.signal.until(lambda: alaw_to_ulaw(b"\x21" * 160) in session.audio)
        await session.speak("i1", b"\x33" * 160)
        await peer.signal.until(
            lambda: any(packet.payload == ulaw_to_alaw(b"\x33" * 160) for packet in peer.packets)
        )


async def test_levels_once_a_second_and_a_two_channel_recording(tmp_path: Path) -> None:
    path = tmp_path / "rec" / "call.wav"
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer, recording_path=str(path))
        callee, agent = speech(900), ULAW.encode_bytes(np.full(7200, 12000, np.int16))
        await session.speak("i1", agent)
        for frame in frames(callee):
            await peer.received(1)
            peer.send(frame)
        levels = await made.told(Levels)
        assert -20 < levels.callee_dbov < -8
        assert -20 < levels.agent_dbov < -6
        assert levels.packets_lost == 0
        made.engine.handle(CloseLeg(call_id=CALL))
        closed = await made.told(LegClosed)
    assert closed.recording_path == str(path)
    data = path.read_bytes()
    stereo = np.frombuffer(data[44:], np.int16).reshape(-1, 2)
    assert abs(len(stereo) / 8 - closed.recording_ms) <= 1
    assert abs(closed.audio_ms - closed.recording_ms) <= 80
    assert ULAW.decode_bytes(callee).tobytes() in stereo[:, 0].tobytes()
    assert ULAW.decode_bytes(agent).tobytes() in stereo[:, 1].tobytes()


async def test_a_recording_that_waits_for_a_yes_holds_nothing_from_before_it(tmp_path: Path) -> None:
    """And nothing from after an objection; positions in the file stay those of the call."""
    path = tmp_path / "call.wav"
    before, during, after = frames(speech(900), 2_400)
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer, recording_path=str(path), record_from="command")
        for on, audio in ((None, before), (True, during), (False, after)):
            if on is not None:
                made.engine.handle(Record(call_id=CALL, on=on))
            for frame in frames(audio):
                await peer.received(1)
                peer.send(frame)
            await peer.received(4)
        made.engine.handle(CloseLeg(call_id=CALL))
        closed = await made.told(LegClosed)
    callee = np.frombuffer(path.read_bytes()[44:], np.int16).reshape(-1, 2)[:, 0]
    kept = [sum(ULAW.decode_bytes(one).tobytes() in callee.tobytes() for one in frames(audio))
            for audio in (before, during, after)]  # fmt: skip
    assert kept[1] >= 9, kept
    assert kept[0] <= 2, "what the jitter buffer still held at the yes"
    assert kept[2] == 0, kept
    begin = int(np.flatnonzero(np.abs(callee) > 200)[0]) // 8
    assert 250 <= begin <= closed.audio_ms - 600, begin


async def test_a_recording_that_cannot_be_written_does_not_harm_the_call(tmp_path: Path) -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer, recording_path=str(tmp_path))
        await peer.received(3)
        made.engine.handle(CloseLeg(call_id=CALL))
        closed = await made.told(LegClosed)
        assert closed.recording_path is None
        assert any(report.code == "recording_failed" for report in made.reports if hasattr(report, "code"))
        await asyncio.sleep(0)
