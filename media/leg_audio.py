"""The audio path of one leg: RTP in, reordered, converted, to the model; speech of the model, converted, RTP out.

A frame leaves in every slot, speech or comfort noise, with one SSRC and timestamps that follow wall time, so the
far end's buffers stay calm. Called by `media.leg` per datagram and per slot; what it has for the model and what it
sent goes out through callbacks, so it knows neither session nor socket.
"""

import secrets
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from media.callee_codec import CalleeCodec
from media.clock import Slot
from media.comfort import POOL_FRAMES, comfort_noise, noise
from media.dsp import (
    CODECS,
    FORMATS,
    FormatFacts,
    Lane,
    ResampleBatch,
    ResamplerKind,
    ducked_bytes,
    faded_bytes,
    recoding,
)
from media.dtmf import DtmfPress, DtmfTracker
from media.errors import MalformedRtp
from media.g711 import G711Law, Int16Array
from media.g722 import G722Encoder
from media.hold_tone import PERIOD_SLOTS, hold_tone
from media.jitter import JitterBuffer
from media.playout import OutFrame, Playout
from media.protocol import OpenLeg
from media.rtp import TELEPHONE_EVENT_TYPES, RtpSender, parse
from media.stats import ReceiverStatistics
from media.taps import Tap
from media.timeline import Frame

OPERATOR_HZ = 16_000


class LegAudio:
    """Both directions of one leg. `to_model` takes callee audio in the model's format, `to_peer` datagrams."""

    def __init__(
        self,
        opening: OpenLeg,
        *,
        batches: tuple[ResampleBatch, ResampleBatch],
        guard: Callable[..., None],
        to_model: Callable[[bytes], None],
        to_peer: Callable[[bytes], None],
    ) -> None:
        facts, model = CODECS[opening.codec], FORMATS[opening.realtime.audio_format]
        self.malformed = 0
        self.slots_skipped = 0
        self.tap = Tap(facts.law, facts.sample_rate_hz)
        self.callee = CalleeCodec(facts.law)
        self.jitter = JitterBuffer(payload_types={facts.payload_type}, is_quiet=self.callee.is_quiet)
        self.received = ReceiverStatistics(payload_types={facts.payload_type})
        self.playout = Playout(
            frame_bytes=model.frame_bytes, bytes_per_ms=model.frame_bytes // 20, silence=model.silence
        )
        self.sender = RtpSender(
            ssrc=secrets.randbits(32),
            payload_type=facts.payload_type,
            sequence_number=secrets.randbits(16),
            timestamp=secrets.randbits(32),
        )
        self._dtmf = DtmfTracker()
        self._facts, self._model = facts, model
        self._to_model, self._to_peer = to_model, to_peer
        self._marker = False
        self._tail_slots = 0
        self._noise_slot = secrets.randbelow(POOL_FRAMES) if opening.comfort_noise else None
        self._guard = guard
        self.operator_frame: bytes | None = None
        """20 ms of an operator's voice (PCM16, 16 kHz): sent in this slot instead of what the agent says."""
        self._operator: Lane | None = None
        self._operator_spoke = False
        self._hold_slot = None if opening.continued is None else 0
        self._batches = batches
        self._up: Lane | None = None
        self._down: Lane | None = None
        self._recode_up = self._recode_down = None
        if facts.law is not None and model.law is not None:
            self._recode_up = recoding(facts.law.name, model.law.name)
            self._recode_down = recoding(model.law.name, facts.law.name)
        else:
            self._open_lanes(opening.resampler, guard)
        self._g722 = None if facts.law is not None else G722Encoder()
        self._made_up_before: int | None = None

    def begin_count(self) -> None:
        """The callee is there: silence from now on is something that did not arrive."""
        self._made_up_before = self._made_up

    @property
    def made_up_samples(self) -> int:
        """Audio of the callee that was filled in since `begin_count`, clock ticks."""
        return 0 if self._made_up_before is None else self._made_up - self._made_up_before

    @property
    def _made_up(self) -> int:
        return self.jitter.stats.filled_samples + self.jitter.stats.silence_samples

    # --- callee -> model --------------------------------------------------------------------------
    def receive(self, datagram: bytes, now: float) -> list[DtmfPress]:
        """Take one datagram of the peer; audio in order goes on at once. Returns keys pressed."""
        try:
            packet = parse(datagram)
        except MalformedRtp:
            self.malformed += 1
            return []
        self.received.receive(packet, now)
        self._listen(self.jitter.push(packet, now))
        return self._dtmf.receive(packet, now) if packet.payload_type in TELEPHONE_EVENT_TYPES else []

    def _listen(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            audio = self.callee.audio(frame)
            self.tap.callee_passed.append(audio)
            if self._up is not None:
                self._up.feed(audio)
            else:
                self._to_model(audio if self._recode_up is None else audio.translate(self._recode_up))

    # --- model -> callee --------------------------------------------------------------------------
    def serve(self, slot: Slot, now: float) -> tuple[OutFrame, list[DtmfPress]]:
        """One slot: late audio of the callee is made up, one frame leaves (through the batch when resampled)."""
        if slot.skipped:
            self.slots_skipped += slot.skipped
            self.sender.skip_slots(slot.skipped)
            self.tap.skip(slot.skipped)
        self._listen(self.jitter.poll(now))
        out = self.playout.next_frame(now)
        voice, self.operator_frame = self.operator_frame, None
        if voice is not None:
            self._speak_for_the_agent(voice)
        elif out.payload is None:
            self._speak_nothing()
        else:
            self._hold_slot = None
            self._speak(_softened(out, out.payload, self._model), marker=out.marker)
        self._operator_spoke = voice is not None
        return out, self._dtmf.poll(now)

    @property
    def idle(self) -> bool:
        """Nothing is queued, and all that was said has left the resampler too."""
        return self.playout.drained and not self._tail_slots

    def _speak(self, audio: bytes, *, marker: bool) -> None:
        if self._down is None:
            self._send(audio if self._recode_down is None else audio.translate(self._recode_down), marker=marker)
        else:
            self._tail_slots = int(self._down.bank.delay_ms // 20) + 1
            self._marker = marker
            self._down.feed(audio)

    def _speak_nothing(self) -> None:
        """A slot in which nobody speaks. The first one pushes out what the resampler still holds (2 ms)."""
        if self._tail_slots and self._down is not None:
            self._tail_slots -= 1
            self._marker = False
            self._down.feed(self._model.silence * self._model.frame_bytes)
        elif self._facts.law is None:
            tone = self._tone()
            self._send_pcm(self._noise_pcm() if tone is None else tone.tobytes(), marker=False)
        else:
            tone, law = self._tone(), self._facts.law
            self._send(self._noise_law(law) if tone is None else law.encode_bytes(tone), marker=False)

    def _tone(self) -> Int16Array | None:
        """The next frame of the hold tone; None when there is nothing to bridge, or between its beeps."""
        if self._hold_slot is None:
            return None
        frame = hold_tone(self._facts.sample_rate_hz)[self._hold_slot]
        self._hold_slot = (self._hold_slot + 1) % PERIOD_SLOTS
        return frame

    def _noise_law(self, law: G711Law) -> bytes:
        if self._noise_slot is None:
            return law.silence * 160
        self._noise_slot += 1
        return comfort_noise(law.name).frame(self._noise_slot)

    def _noise_pcm(self) -> bytes:
        if self._noise_slot is None:
            return bytes(640)
        self._noise_slot += 1
        return noise(self._facts.sample_rate_hz)[self._noise_slot % POOL_FRAMES].tobytes()

    def _resampled(self, audio: bytes) -> None:
        """The batch's answer to what was fed in this slot."""
        if self._facts.law is None:
            self._send_pcm(audio, marker=self._marker)
        else:
            self._send(audio, marker=self._marker)

    def _send_pcm(self, pcm: bytes, *, marker: bool) -> None:
        assert self._g722 is not None
        self.tap.agent_passed.append(pcm)
        self._to_peer(self.sender.packet(self._g722.encode(np.frombuffer(pcm, np.int16)), marker=marker))

    def _send(self, payload: bytes, *, marker: bool) -> None:
        self.tap.agent_passed.append(payload)
        self._to_peer(self.sender.packet(payload, marker=marker))

    # --- an operator ------------------------------------------------------------------------------
    def operator_joins(self) -> None:
        """Be ready for an operator's voice."""
        facts = self._facts
        if facts.law is not None and self._operator is None:
            rates, laws = (OPERATOR_HZ, facts.sample_rate_hz), (None, facts.law)
            self._operator = self._batches[1].open_lane(
                "polyphase", rates, laws, partial(self._guard, self._resampled)
            )

    def operator_leaves(self) -> None:
        """Nobody speaks for the agent any more."""
        self.operator_frame = None
        if self._operator is not None:
            self._batches[1].close_lane(self._operator)
            self._operator = None

    def _speak_for_the_agent(self, voice: bytes) -> None:
        self._hold_slot = None
        self._marker = not self._operator_spoke
        if self._operator is not None:
            self._operator.feed(voice)
        elif self._facts.law is None:
            self._send_pcm(voice, marker=self._marker)

    # --- lanes ------------------------------------------------------------------------------------
    def _open_lanes(self, kind: ResamplerKind, guard: Callable[..., None]) -> None:
        facts, model = self._facts, self._model
        up, down = self._batches
        leg_hz, model_hz = facts.sample_rate_hz, model.sample_rate_hz
        self._up = up.open_lane(kind, (leg_hz, model_hz), (facts.law, model.law), partial(guard, self._to_model))
        self._down = down.open_lane(
            kind, (model_hz, leg_hz), (model.law, facts.law), partial(guard, self._resampled)
        )

    def close(self) -> None:
        """Give the resampler rows back."""
        for batch, lane in zip(self._batches, (self._up, self._down), strict=True):
            if lane is not None:
                batch.close_lane(lane)
        self._up = self._down = None


def _softened(out: OutFrame, payload: bytes, facts: FormatFacts) -> bytes:
    if out.fade:
        return faded_bytes(payload, facts)
    return ducked_bytes(payload, facts) if out.ducked else payload
