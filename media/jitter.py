"""Puts the callee's RTP packets in order and keeps the audio handed on as long as the peer's own time.

Not a clocked buffer: `push` hands on at once what is in order, because the model buffers anyway. Only a gap is
held, at most 40 ms, for packets that were overtaken; then its length is read from the timestamps and filled.
When nothing arrives (silence suppression, hold) `poll` feeds silence by the wall clock, since the server's voice
detection counts audio and not time; late packets are handed on all the same, and `silence_debt` makes up for it.
The leg calls `push` per packet and `poll` per slot. RFC 3550 5.1 and A.1.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Final

import msgspec

from media.rtp import (
    CLOCK_RATE_HZ,
    COMFORT_NOISE_TYPES,
    MAX_DROPOUT,
    MAX_MISORDER,
    SAMPLES_PER_FRAME,
    TELEPHONE_EVENT_TYPES,
    RtpPacket,
    nearest,
)
from media.silence_debt import SilenceDebt
from media.timeline import Frame, FrameKind

HOLD_S: Final = 0.040
"""How long a missing packet is waited for."""
OVERDUE_S: Final = 0.040
"""The next packet is this late (60 ms after the last one at 20 ms per packet): silence is fed."""
RESYNC_S: Final = 1.0
"""A time line that jumps further than this is a new one."""
MAX_FILLS: Final = 3
"""Lost frames that repeat the last good one; the rest of a gap is silence."""
MAX_PENDING: Final = 64
SILENT_PAYLOAD_TYPES: Final = COMFORT_NOISE_TYPES | TELEPHONE_EVENT_TYPES
"""They have sequence numbers but no audio."""


class JitterStats(msgspec.Struct, kw_only=True):
    """Counters over the life of one leg; `_samples` are RTP clock ticks."""

    packets_received: int = 0
    packets_reordered: int = 0
    packets_duplicate: int = 0
    packets_late: int = 0
    packets_lost: int = 0
    packets_wrong_payload_type: int = 0
    ssrc_changes: int = 0
    resyncs: int = 0
    audio_samples: int = 0
    filled_samples: int = 0
    silence_samples: int = 0
    dropped_samples: int = 0
    """Quiet packets left out of a long pause, for silence that was fed before late ones."""


class JitterBuffer:
    """The receiving end of one leg. One byte of payload is one clock tick (ulaw, alaw and 64 kbit/s G.722)."""

    def __init__(
        self,
        *,
        payload_types: Collection[int],
        clock_rate_hz: int = CLOCK_RATE_HZ,
        silent_payload_types: Collection[int] = SILENT_PAYLOAD_TYPES,
        is_quiet: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        self._audio_types = frozenset(payload_types)
        self._known_types = self._audio_types | frozenset(silent_payload_types)
        self._rate_hz = clock_rate_hz
        self._resync_samples = int(RESYNC_S * clock_rate_hz)
        self.stats = JitterStats()
        self.position_samples = 0
        """Length of everything handed on so far: the clock of the audio the model has got."""
        self.ssrc: int | None = None
        self._left_ssrc: int | None = None
        self._changed_at = 0.0
        self._next = 0  # extended sequence number expected
        self._highest = 0
        self._timestamp = 0  # expected timestamp: end of what the peer has sent us, modulo 2**32
        self._pending: dict[int, tuple[RtpPacket, float]] = {}
        self._given_up: deque[int] = deque(maxlen=MAX_MISORDER)
        self._restart_at: int | None = None
        self._ahead = 0  # silence handed on that the peer's timestamps do not cover yet
        self._debt = SilenceDebt(is_quiet, clock_rate_hz)
        self._covered_until: float | None = None  # wall time up to which audio was handed on
        self._transit_s: float | None = None  # smoothed arrival time minus position: where wall time puts a packet
        self._frame_samples = SAMPLES_PER_FRAME
        self._last_payload: bytes | None = None  # what FILL repeats; None after silence

    def push(self, packet: RtpPacket, now: float) -> list[Frame]:
        """Take one packet in arrival order; returns what is in order now, often exactly this packet."""
        self.stats.packets_received += 1
        if packet.payload_type not in self._known_types:
            self.stats.packets_wrong_payload_type += 1
            if packet.ssrc != self.ssrc:
                return []
        if packet.ssrc != self.ssrc:
            return self._change_ssrc(packet, now)
        delta = nearest(packet.sequence_number - self._next, 16)
        extended = self._next + delta
        if delta < 0 or extended in self._pending:
            return self._repeated(packet, extended, now)
        if delta >= MAX_DROPOUT:
            return self._out_of_range(packet, now)
        self._restart_at = None
        return self._accept(packet, extended, now)

    def poll(self, now: float) -> list[Frame]:
        """Give up gaps that are too old and feed silence when nothing arrives.

        Call it every slot, after reading the socket empty: packets that waited there would count as late.
        """
        frames = [*self._expire(now)]
        if self._covered_until is None:
            self._covered_until = now
        frame_s = self._frame_samples / self._rate_hz
        overdue = now - self._covered_until - frame_s - OVERDUE_S + 1e-6  # slots must not lose to rounding
        if not self._pending and overdue >= 0:
            count = int(overdue / frame_s) + 1
            self._covered_until += count * frame_s
            self._ahead += count * self._frame_samples
            frames += self._silence(count * self._frame_samples)
        return frames

    # --- one stream -----------------------------------------------------------------------------------------
    def _accept(self, packet: RtpPacket, extended: int, now: float) -> list[Frame]:
        if extended < self._highest:
            self.stats.packets_reordered += 1
        self._highest = max(self._highest, extended)
        self._pending[extended] = packet, now
        frames = [*self._in_order()]
        if self._pending:
            frames += self._expire(now)
        if packet.payload_type in self._audio_types:
            if self._covered_until is not None:
                self._debt.came(len(packet.payload), now - self._covered_until)
            self._covered_until = now
            transit_s = now - (self.position_samples - self._debt.owed_samples) / self._rate_hz
            before_s = transit_s if self._transit_s is None else self._transit_s
            self._transit_s = before_s + (transit_s - before_s) / 16
        return frames

    def _in_order(self) -> Iterator[Frame]:
        while self._next in self._pending:
            packet, _ = self._pending.pop(self._next)
            self._next += 1
            if packet.payload_type in self._audio_types:
                yield from self._play(packet, lost=0)

    def _expire(self, now: float) -> Iterator[Frame]:
        """Jump over gaps whose first later packet has waited long enough."""
        while self._pending:
            _, waiting_since = next(iter(self._pending.values()))
            if now - waiting_since < HOLD_S and len(self._pending) < MAX_PENDING:
                return
            yield from self._jump()

    def _jump(self) -> Iterator[Frame]:
        """Give up what is missing before the oldest pending packet."""
        oldest = min(self._pending)
        lost = oldest - self._next
        self.stats.packets_lost += lost
        self._given_up.extend(range(max(self._next, oldest - MAX_MISORDER), oldest))
        packet, _ = self._pending.pop(oldest)
        self._next = oldest + 1
        if packet.payload_type in self._audio_types:
            yield from self._play(packet, lost=lost)
        yield from self._in_order()

    def _play(self, packet: RtpPacket, *, lost: int) -> Iterator[Frame]:
        """Place one in-order packet on the time line: fill before it, or owe what silence already covered."""
        gap = nearest(packet.timestamp - self._timestamp, 32)
        missing = gap - self._ahead
        stalled = packet.marker and gap <= 0  # a talk spurt whose clock stood still during the pause
        if gap < 0 or stalled or missing > self._resync_samples:
            if gap < 0 or missing > self._resync_samples:
                self.stats.resyncs += 1
            self._ahead = missing = 0
        elif -missing > self._resync_samples:
            self._debt.suspect(-missing)
            missing = 0
        if missing > 0:
            yield from self._fill(missing, lost)
        self._debt.owe(-missing)
        self._ahead = 0
        self._timestamp = (packet.timestamp + len(packet.payload)) & 0xFFFFFFFF
        yield from self._audio(packet.payload)

    def _audio(self, payload: bytes) -> Iterator[Frame]:
        if not payload:
            return
        self._frame_samples = len(payload)
        if self._debt.leaves_out(payload):
            self.stats.dropped_samples += len(payload)
            return
        self._last_payload = payload
        self.stats.audio_samples += len(payload)
        yield self._frame(FrameKind.AUDIO, len(payload), payload)

    def _fill(self, samples: int, lost: int) -> Iterator[Frame]:
        """Cover a gap: after a loss up to three fading repeats, else (silence suppression) silence."""
        for step in range(1, min(lost, MAX_FILLS) + 1):
            if self._last_payload is None or not samples:
                break
            payload = self._last_payload[:samples]
            samples -= len(payload)
            self.stats.filled_samples += len(payload)
            yield self._frame(FrameKind.FILL, len(payload), payload, step)
        yield from self._silence(samples)

    def _silence(self, samples: int) -> Iterator[Frame]:
        samples = self._debt.settle(samples)
        if samples > 0:
            self._last_payload = None
            self.stats.silence_samples += samples
            yield self._frame(FrameKind.SILENCE, samples)

    def _frame(self, kind: FrameKind, samples: int, payload: bytes | None = None, steps: int = 0) -> Frame:
        position = self.position_samples
        self.position_samples += samples
        return Frame(
            kind=kind,
            position_samples=position,
            duration_samples=samples,
            payload=payload,
            attenuation_steps=steps,
        )

    # --- packets that do not fit ----------------------------------------------------------------------------
    def _repeated(self, packet: RtpPacket, extended: int, now: float) -> list[Frame]:
        """A packet behind the time line: a duplicate, a late one, or a peer that began a new numbering."""
        newer = packet.payload_type in self._audio_types and nearest(packet.timestamp - self._timestamp, 32) >= 0
        if extended < self._next and (newer or extended < self._next - MAX_MISORDER):
            return self._out_of_range(packet, now)
        if extended in self._given_up:
            self._given_up.remove(extended)
            self.stats.packets_late += 1
        else:
            self.stats.packets_duplicate += 1
        return []

    def _out_of_range(self, packet: RtpPacket, now: float) -> list[Frame]:
        """Believe an impossible number only when the next packet continues it (RFC 3550 A.1), and never one of a
        payload type that is none of ours (RFC 3550 5.1).
        """
        if packet.payload_type not in self._known_types:
            return []
        if packet.sequence_number == self._restart_at:
            self.stats.resyncs += 1
            return self._restart(packet, now)
        self._restart_at = (packet.sequence_number + 1) & 0xFFFF
        self.stats.packets_late += 1
        return []

    def _change_ssrc(self, packet: RtpPacket, now: float) -> list[Frame]:
        """A new source takes over at once; stragglers of the old one are late for a second."""
        if packet.ssrc == self._left_ssrc and now - self._changed_at < RESYNC_S:
            self.stats.packets_late += 1
            return []
        if self.ssrc is not None:
            self.stats.ssrc_changes += 1
        self._left_ssrc, self.ssrc, self._changed_at = self.ssrc, packet.ssrc, now
        return self._restart(packet, now)

    def _restart(self, packet: RtpPacket, now: float) -> list[Frame]:
        """Begin a new numbering; what was lost around the change is told by the wall clock alone."""
        frames: list[Frame] = []
        while self._pending:
            frames += self._jump()
        if self._covered_until is not None:
            frame_s = self._frame_samples / self._rate_hz
            handed_on_until = self._covered_until
            if self._transit_s is not None:
                settled_samples = self.position_samples - self._debt.owed_samples
                handed_on_until = self._transit_s + settled_samples / self._rate_hz
            count = max(0, round((now - handed_on_until) / frame_s - 1))
            self._covered_until += count * frame_s
            frames += self._silence(count * self._frame_samples)
        self._ahead = 0
        self._restart_at = None
        self._given_up.clear()
        self._next = self._highest = packet.sequence_number
        self._timestamp = packet.timestamp
        return frames + self._accept(packet, packet.sequence_number, now)
