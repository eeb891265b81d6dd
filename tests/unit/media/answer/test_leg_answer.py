"""A supervised leg: verdicts are reported, machines get no response, hold music never reaches the model."""

import numpy as np
import pytest

from media.answer.model import AnswerSettings
from media.g711 import ULAW
from media.leg_answer import KEPT_MS, HoldGate
from media.protocol import AnswerTreatment, AnswerVerdict
from tests.unit.media.answer.line_sounds import melody, tone
from tests.unit.media.peers import FakeModel, FakePeer, FakeSession, bench, fake_peer
from tests.unit.media.test_leg import frames, talking

pytestmark = pytest.mark.anyio


def send(peer: FakePeer, sound: np.ndarray) -> None:
    for frame in frames(ULAW.encode_bytes(np.clip(sound, -32000, 32000).astype(np.int16))):
        peer.send(frame)


async def says(session: FakeSession, text: str) -> None:
    await session.send({"type": "input_audio_buffer.speech_started", "item_id": "u1", "audio_start_ms": 0})
    await session.send({"type": "input_audio_buffer.speech_stopped", "item_id": "u1", "audio_end_ms": 0})
    await session.send({"type": "input_audio_buffer.committed", "item_id": "u1"})
    done = "conversation.item.input_audio_transcription.completed"
    await session.send({"type": done, "item_id": "u1", "content_index": 0, "transcript": text})


async def test_a_fax_is_reported_with_its_decision_time() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        await talking(made, model, peer, answer=AnswerSettings())
        send(peer, tone(800, 2100))
        verdict = await made.told(AnswerVerdict)
        assert (verdict.verdict, verdict.final) == ("fax", True)
        assert 400 <= verdict.decision_ms <= 800
        await made.signal.until(lambda: [one.action for one in made.of(AnswerTreatment)] == ["hang_up"])
        assert made.of(AnswerTreatment)[0].mark_number == "fax"


async def test_a_machine_gets_no_responses() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer, answer=AnswerSettings())
        await says(session, "Please leave a message after the tone.")
        assert (await made.told(AnswerVerdict)).verdict == "machine"
        updates = await session.signal.until(
            lambda: [one for one in session.events if one["type"] == "session.update"][1:]
        )
        assert updates[0]["session"]["audio"]["input"]["turn_detection"]["create_response"] is False


async def test_hold_music_stops_at_the_gate() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer, answer=AnswerSettings())
        send(peer, melody(5000))
        assert (await made.told(AnswerVerdict)).verdict == "hold_music"
        send(peer, melody(3000))
        await session.signal.until(lambda: set(session.audio[-2000:]) == {0xFF})


async def test_without_supervision_nothing_is_judged() -> None:
    async with FakeModel() as model, fake_peer() as peer, bench() as made:
        session = await talking(made, model, peer)
        send(peer, tone(800, 2100))
        await says(session, "Please leave a message after the tone.")
        await session.got_audio(6400)
        assert not made.of(AnswerVerdict)


def test_the_gate_keeps_time_and_hands_on_the_last_moments() -> None:
    gate = HoldGate(b"\xff", 8)
    assert gate.feed(b"\x01" * 160) == b"\x01" * 160
    gate.shut = True
    audio = [bytes([2 + number % 100]) * 160 for number in range(200)]
    passed = b"".join(gate.feed(frame) for frame in audio)
    kept = gate.open()
    assert set(passed) == {0xFF}
    assert len(passed) + len(kept) == 200 * 160
    assert kept == b"".join(audio)[-KEPT_MS * 8 :]
    assert gate.feed(b"\x01" * 160) == b"\x01" * 160
