"""Telephone events in RTP: the digits a callee presses (RFC 4733).

Asterisk reports digits as ARI events; this reader is for media peers that send them in band of RTP. One press is
many packets with one timestamp, its end is sent three times and may still be lost, and a press longer than
8 s is split into segments. `DtmfTracker` makes exactly one `DtmfPress` of each.
"""

import struct
from collections import deque
from typing import Final

import msgspec

from media.errors import MalformedRtp
from media.rtp import CLOCK_RATE_HZ, RtpPacket

DIGITS: Final = "0123456789*#ABCD"
LOST_END_S: Final = 0.200
"""No packet of a press for this long: its end was lost."""
MAX_SEGMENT: Final = 0xFFFF
_PAYLOAD: Final = struct.Struct("!BBH")
_REMEMBERED: Final = 8


class TelephoneEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One payload. `duration` is in clock ticks since the packet's timestamp, `volume` in -dBm0."""

    event: int
    end: bool
    volume: int
    duration: int


class DtmfPress(msgspec.Struct, frozen=True, kw_only=True):
    """One finished press of a key."""

    digit: str
    duration_ms: int


def parse_event(payload: bytes) -> TelephoneEvent:
    """Read a payload; more than one event in it is not used by anybody, the first counts."""
    if len(payload) < _PAYLOAD.size:
        raise MalformedRtp(f"{len(payload)} bytes are less than a telephone event")
    event, flags, duration = _PAYLOAD.unpack_from(payload)
    return TelephoneEvent(event=event, end=bool(flags & 0x80), volume=flags & 0x3F, duration=duration)


class _Press:
    """A key that is down. A long press has segments: ticks `before` the current one, `duration` within it."""

    def __init__(self, event: int, ssrc: int, timestamp: int, now: float) -> None:
        self.event = event
        self.ssrc = ssrc
        self.timestamp = timestamp
        self.before = 0
        self.duration = 0
        self.seen_at = now

    def continues_in(self, event: int, ssrc: int, timestamp: int) -> bool:
        """A long press goes on with a new timestamp right where a full segment ended (RFC 4733 2.5.1.3)."""
        gap = (timestamp - self.timestamp) & 0xFFFFFFFF
        return (event, ssrc) == (self.event, self.ssrc) and MAX_SEGMENT <= gap <= MAX_SEGMENT + 1

    def begin_segment(self, timestamp: int) -> None:
        self.before += MAX_SEGMENT
        self.timestamp = timestamp
        self.duration = 0


class DtmfTracker:
    """Merges the packets of each press. Feed every telephone-event packet, and `poll` every slot."""

    def __init__(self, clock_rate_hz: int = CLOCK_RATE_HZ) -> None:
        self._rate_hz = clock_rate_hz
        self._press: _Press | None = None
        self._over: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self.packets_malformed = 0

    @property
    def next_deadline(self) -> float | None:
        """When a press whose end was lost is given up."""
        return self._press.seen_at + LOST_END_S if self._press else None

    def receive(self, packet: RtpPacket, now: float) -> list[DtmfPress]:
        """Take one packet; returns the presses that are over now. Events that are no digit are ignored."""
        try:
            event = parse_event(packet.payload)
        except MalformedRtp:
            self.packets_malformed += 1
            return []
        if event.event >= len(DIGITS) or (packet.ssrc, packet.timestamp) in self._over:
            return []
        presses: list[DtmfPress] = []
        press = self._press
        if press is None or (press.ssrc, press.timestamp) != (packet.ssrc, packet.timestamp):
            press = self._follow(event.event, packet, now, presses)
        press.seen_at = now
        press.duration = max(press.duration, event.duration)
        if event.end:
            presses += self._end()
        return presses

    def poll(self, now: float) -> list[DtmfPress]:
        """End a press of which nothing came for 200 ms."""
        deadline = self.next_deadline
        return self._end() if deadline is not None and now >= deadline else []

    def _follow(self, event: int, packet: RtpPacket, now: float, presses: list[DtmfPress]) -> _Press:
        """A timestamp not seen before: the next segment of the press, or a new one that ends it."""
        press = self._press
        if press is not None and press.continues_in(event, packet.ssrc, packet.timestamp):
            self._over.append((press.ssrc, press.timestamp))
            press.begin_segment(packet.timestamp)
            return press
        presses += self._end()
        self._press = _Press(event, packet.ssrc, packet.timestamp, now)
        return self._press

    def _end(self) -> list[DtmfPress]:
        press, self._press = self._press, None
        if press is None:
            return []
        self._over.append((press.ssrc, press.timestamp))
        ticks = press.before + press.duration
        return [DtmfPress(digit=DIGITS[press.event], duration_ms=ticks * 1000 // self._rate_hz)]
