"""The callee's way to the model through a leg: what a network holds back is heard all the same."""

import numpy as np
import pytest

from media.clock import Slot
from media.dsp import ResampleBatch
from media.g711 import LAWS
from media.g722 import G722Encoder
from media.leg_audio import LegAudio
from media.protocol import OpenLeg
from media.realtime.settings import RealtimeSettings
from media.rtp import RtpPacket, serialize
from media.speech_gate import AUDIBLE_SQUARE

PAYLOAD_TYPES = {"ulaw": 0, "alaw": 8, "g722": 9}
HELD_BACK = range(50, 62)


def tone(frames: int) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    """Two seconds of it are loud throughout, and no two frames are the same."""
    at = np.arange(frames * 320)
    return (8_000 * np.sin(at * 0.15 + at**2 * 1e-6)).astype(np.int16)


def encoded(codec: str, pcm: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> list[bytes]:
    """Payloads of 20 ms; `pcm` is at 16 kHz for G.722, and taken for 8 kHz else."""
    if codec == "g722":
        encoder = G722Encoder()
        return [encoder.encode(frame) for frame in pcm.reshape(-1, 320)]
    return [LAWS[codec].encode_bytes(frame) for frame in pcm.reshape(-1, 160)]


class Callee:
    """Sends payloads 20 ms apart into a leg, some of them late and together."""

    def __init__(self, codec: str) -> None:
        audio_format = "audio/pcm" if codec == "g722" else f"audio/pcm{codec[0]}"
        realtime = RealtimeSettings(
            url="ws://m", api_key="k", model="m", instructions="be brief", audio_format=audio_format
        )
        self.heard = bytearray()
        self.passed = bytearray()
        self.batches = (ResampleBatch(), ResampleBatch())
        self.leg = LegAudio(
            OpenLeg(call_id="c" * 32, codec=codec, realtime=realtime),
            batches=self.batches,
            guard=lambda call, *given: call(*given),
            to_model=self.heard.extend,
            to_peer=lambda _: None,
        )
        self.codec, self.number = codec, 0

    def send(self, payloads: list[bytes], held_back: range = range(0)) -> None:
        for payload in payloads:
            due = max(self.number, held_back.stop) if self.number in held_back else self.number
            while self.slot <= due:
                self.serve()
            packet = RtpPacket(
                payload_type=PAYLOAD_TYPES[self.codec],
                sequence_number=self.number,
                timestamp=self.number * 160,
                ssrc=7,
                payload=payload,
            )
            self.leg.receive(serialize(packet), due * 0.02 + 0.001)
            self.number += 1

    slot = 0

    def serve(self) -> None:
        now = self.slot * 0.02
        self.leg.serve(Slot(index=self.slot, phase=0, deadline=now), now)
        self.passed += self.leg.tap.take()[0]
        self.slot += 1


@pytest.mark.parametrize("codec", ["ulaw", "alaw"])
def test_a_burst_after_a_stall_reaches_the_model_whole(codec: str) -> None:
    callee = Callee(codec)
    spoken = encoded(codec, tone(50))
    callee.send(spoken, HELD_BACK)
    silence = LAWS[codec].silence
    assert bytes(callee.heard).replace(silence * 160, b"") == b"".join(spoken)
    assert callee.leg.jitter.stats.dropped_samples == 0


@pytest.mark.parametrize("codec", ["ulaw", "alaw", "g722"])
@pytest.mark.parametrize("noise_level", [20, 400])
def test_a_long_pause_makes_up_for_the_stall(codec: str, noise_level: int) -> None:
    """On a noisy line too, once it is known to be one; G.722 behind its decoder."""
    callee = Callee(codec)
    callee.send(encoded(codec, tone(80)), HELD_BACK)
    too_long = callee.leg.jitter.stats.silence_samples
    assert too_long >= 160 * 8
    noise = np.random.default_rng(3).integers(-noise_level, noise_level, 320 * 100).astype(np.int16)
    callee.leg.callee.quiet_square = max(AUDIBLE_SQUARE, noise_level**2)
    callee.send(encoded(codec, noise))
    assert callee.leg.jitter.stats.dropped_samples == too_long
    assert callee.leg.jitter.position_samples == callee.number * 160


def test_a_burst_of_g722_goes_through_the_decoder_whole() -> None:
    stalled, steady = Callee("g722"), Callee("g722")
    payloads = encoded("g722", tone(80))
    stalled.send(payloads, HELD_BACK)
    steady.send(payloads)
    for callee in (stalled, steady):
        callee.serve()
    frames = [bytes(stalled.passed[at : at + 640]) for at in range(0, len(stalled.passed), 640)]
    assert b"".join(frame for frame in frames if any(frame)) == bytes(steady.passed)
