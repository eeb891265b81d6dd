"""The callee's ear: what the agent sent, placed on a timeline that starts at the answer, and what it said.

Packets are placed by their RTP timestamps, as a phone plays them. When nothing arrives the timeline goes on with
silence, and late audio is moved behind it instead of being lost, so words survive a stalled test machine.
"""

from typing import cast

import msgspec
import numpy as np
import soxr

from app.sim.asterisk.script import Samples
from app.sim.tonevoice import Heard, Listener
from media.rtp import RtpPacket, SequenceUnwrapper

RATE_HZ = 8_000
SILENCE_AFTER_S = 0.2
"""Without a packet for this long the line counts as silent."""
PAUSE_S = 0.3
"""The agent counts as talking across pauses shorter than this."""
CHECK_S = 0.1
_MAX_JUMP_TICKS = 10 * RATE_HZ
_AUDIBLE_MEAN_SQUARE = float((32_768 * 10 ** (-45 / 20)) ** 2)


class Arrival(msgspec.Struct, frozen=True):
    """The header of one packet that reached the callee, and when (monotonic seconds)."""

    at_s: float
    sequence_number: int
    timestamp: int
    ssrc: int
    marker: bool
    payload_type: int
    payload_bytes: int


class Ear:
    """Collects from the answer on. Times are milliseconds since the answer unless a name ends in `_s`."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.heard: list[Heard] = []
        self.first_packet_ms: int | None = None
        self.first_audio_ms: int | None = None
        self.speaking = False
        self.next_check: float | None = None
        self._rate_hz = RATE_HZ
        self._answered_s: float | None = None
        self._listener: Listener | None = None
        self._pieces: list[tuple[int, Samples]] = []
        self._fed = 0
        self._clock = SequenceUnwrapper(bits=32)
        self._anchor = 0
        self._ssrc: int | None = None
        self._expected = 0
        self._last_arrival_s = 0.0
        self._last_audible_s = 0.0
        self._last_check_s = 0.0

    @property
    def rate_hz(self) -> int:
        """Of what it hears, from the first packet on."""
        return self._rate_hz

    @property
    def recording(self) -> Samples:
        """int16 at 8 kHz from the answer to the last packet; zeros where nothing came."""
        length = max((start + len(piece) for start, piece in self._pieces), default=0)
        timeline = np.zeros(length, np.int16)
        for start, piece in self._pieces:
            timeline[start : start + len(piece)] = piece
        if self._rate_hz == RATE_HZ:
            return timeline
        return cast("Samples", soxr.resample(timeline, self._rate_hz, RATE_HZ))

    def open(self, now: float) -> None:
        """The call was answered."""
        self._answered_s = self._last_arrival_s = self._last_check_s = now
        self.next_check = now + CHECK_S

    def take(self, packet: RtpPacket, samples: Samples, rate_hz: int, now: float) -> list[Heard]:
        """A packet arrived; returns utterances that ended with it."""
        if self._answered_s is None:
            return []
        self.arrivals.append(_arrival(packet, now))
        if self._listener is None:
            self._rate_hz = rate_hz
            self._listener = Listener(rate_hz)
            self.first_packet_ms = self._since_answer_ms(now)
        self._last_arrival_s = now
        self._judge_level(samples, now)
        return self._place(packet, samples, now)

    def check(self, now: float) -> list[Heard]:
        """Time passed without a packet: go on with silence, notice that the agent stopped."""
        if self.next_check is None or now < self.next_check:
            return []
        self.next_check = now + CHECK_S
        stalled = now - self._last_check_s > 2 * CHECK_S
        self._last_check_s = now
        if self.speaking and now - self._last_audible_s > PAUSE_S:
            self.speaking = False
        if self._listener is None or stalled or now - self._last_arrival_s < SILENCE_AFTER_S:
            return []
        return self._feed_silence(self._position(now - SILENCE_AFTER_S))

    def close(self) -> list[Heard]:
        """The call ended: an utterance that was cut off is returned as incomplete."""
        self.next_check = None
        self.speaking = False
        found = self._listener.finish() if self._listener else []
        self.heard += found
        return found

    def _since_answer_ms(self, now: float) -> int:
        return round((now - (self._answered_s or 0.0)) * 1_000)

    def _position(self, now: float) -> int:
        return max(0, int((now - (self._answered_s or 0.0)) * self._rate_hz))

    def _judge_level(self, samples: Samples, now: float) -> None:
        if len(samples) and float(np.mean(np.square(samples, dtype=np.float32))) >= _AUDIBLE_MEAN_SQUARE:
            self._last_audible_s = now
            self.speaking = True
            if self.first_audio_ms is None:
                self.first_audio_ms = self._since_answer_ms(now)
        elif self.speaking and now - self._last_audible_s > PAUSE_S:
            self.speaking = False

    def _place(self, packet: RtpPacket, samples: Samples, now: float) -> list[Heard]:
        if packet.ssrc != self._ssrc:
            self._ssrc, self._clock = packet.ssrc, SequenceUnwrapper(bits=32)
            self._re_anchor(self._clock.unwrap(packet.timestamp), max(self._fed, self._position(now)))
        ticks = self._clock.unwrap(packet.timestamp)
        if abs(ticks - self._expected) > _MAX_JUMP_TICKS:
            self._re_anchor(ticks, max(self._fed, self._position(now)))
        start = self._anchor + ticks * self._rate_hz // RATE_HZ
        if start < self._fed:
            if ticks < self._expected:
                self._pieces.append((max(0, start), samples))
                return []
            self._re_anchor(ticks, self._fed)
            start = self._fed
        self._expected = ticks + len(samples) * RATE_HZ // self._rate_hz
        found = self._feed_silence(start)
        self._pieces.append((start, samples))
        return found + self._feed(samples)

    def _re_anchor(self, ticks: int, position: int) -> None:
        """From here on the packet at `ticks` sits at `position` of the timeline."""
        self._anchor = position - ticks * self._rate_hz // RATE_HZ
        self._expected = ticks

    def _feed_silence(self, until: int) -> list[Heard]:
        missing = until - self._fed
        return self._feed(np.zeros(missing, np.int16)) if missing > 0 else []

    def _feed(self, samples: Samples) -> list[Heard]:
        if self._listener is None:
            return []
        self._fed += len(samples)
        found = self._listener.feed(samples)
        self.heard += found
        return found


def _arrival(packet: RtpPacket, now: float) -> Arrival:
    return Arrival(
        now,
        packet.sequence_number,
        packet.timestamp,
        packet.ssrc,
        packet.marker,
        packet.payload_type,
        len(packet.payload),
    )
