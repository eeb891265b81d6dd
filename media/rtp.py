"""RTP packets: parse, serialize, unwrap sequence numbers, number outgoing packets (RFC 3550 5.1).

The UDP shell parses what arrives and asks one `RtpSender` per leg for what it sends; the jitter buffer and the
receiver statistics work on `RtpPacket`. G.722 counts its RTP clock at 8000 Hz although its audio is sampled at
16 kHz (RFC 3551 4.5.2), so 20 ms are 160 ticks for every codec this room uses.
"""

import struct
from typing import Final

import msgspec

from media.errors import MalformedRtp, MediaUsageError

PAYLOAD_TYPE_PCMU: Final = 0
PAYLOAD_TYPE_PCMA: Final = 8
PAYLOAD_TYPE_G722: Final = 9
CLOCK_RATE_HZ: Final = 8000
SAMPLES_PER_FRAME: Final = 160
"""RTP clock ticks of one 20 ms frame."""
TELEPHONE_EVENT_TYPES: Final = frozenset({101, 121})
"""What Asterisk numbers RFC 4733 events; media legs rarely carry them."""
COMFORT_NOISE_TYPES: Final = frozenset({13, 19})
MAX_MISORDER: Final = 100
MAX_DROPOUT: Final = 3000
"""Sequence numbers this far behind or ahead are not believed at once (RFC 3550 A.1)."""

_VERSION: Final = 0x80
_PADDING: Final = 0x20
_EXTENSION: Final = 0x10
_HEADER: Final = struct.Struct("!BBHII")
_HEADER_BYTES: Final = 12


class RtpPacket(msgspec.Struct, frozen=True, kw_only=True):
    """One packet. `timestamp` counts the RTP clock; `payload` is without padding and header extension."""

    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False
    csrc: tuple[int, ...] = ()


def parse(data: bytes) -> RtpPacket:
    """Read one datagram. Raises `MalformedRtp` when it is no RTP version 2 packet or shorter than it says."""
    if len(data) < _HEADER_BYTES:
        raise MalformedRtp(f"{len(data)} bytes are less than an RTP header")
    first, second, sequence_number, timestamp, ssrc = _HEADER.unpack_from(data)
    if first == _VERSION:
        payload, csrc = data[_HEADER_BYTES:], ()
    else:
        payload, csrc = _unwrap_payload(data, first)
    return RtpPacket(
        payload_type=second & 0x7F,
        sequence_number=sequence_number,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=payload,
        marker=second >= 0x80,
        csrc=csrc,
    )


def _unwrap_payload(data: bytes, first: int) -> tuple[bytes, tuple[int, ...]]:
    """The payload behind CSRC list and header extension and before padding (RFC 3550 5.1, 5.3.1)."""
    if first & 0xC0 != _VERSION:
        raise MalformedRtp(f"RTP version {first >> 6}, not 2")
    start = _HEADER_BYTES + 4 * (first & 0x0F)
    if len(data) < start:
        raise MalformedRtp("CSRC list is cut short")
    csrc: tuple[int, ...] = struct.unpack_from(f"!{first & 0x0F}I", data, _HEADER_BYTES)
    if first & _EXTENSION:
        if len(data) < start + 4:
            raise MalformedRtp("header extension is cut short")
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    end = len(data)
    if first & _PADDING:
        if data[-1] == 0:
            raise MalformedRtp("padding of length 0")
        end -= data[-1]
    if end < start:
        raise MalformedRtp("extension or padding is longer than the packet")
    return data[start:end], csrc


def serialize(packet: RtpPacket) -> bytes:
    """The bytes of a packet, without padding or header extension."""
    if len(packet.csrc) > 15:
        raise MediaUsageError(f"{len(packet.csrc)} CSRCs; RTP has room for 15")
    header = _HEADER.pack(
        _VERSION | len(packet.csrc),
        packet.marker << 7 | packet.payload_type,
        packet.sequence_number,
        packet.timestamp,
        packet.ssrc,
    )
    return header + struct.pack(f"!{len(packet.csrc)}I", *packet.csrc) + packet.payload


def nearest(difference: int, bits: int) -> int:
    """A difference of two counters that wrap at `bits`, as the signed number nearest to zero."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half


class SequenceUnwrapper:
    """Extend wrapping counters to integers that never wrap; each value is taken as nearest to the highest seen.

    `bits` is 16 for sequence numbers and 32 for timestamps. The first value is returned as it is, so a packet
    from before it can come out negative.
    """

    def __init__(self, bits: int = 16) -> None:
        self._bits = bits
        self.highest: int | None = None

    def unwrap(self, value: int) -> int:
        """The extended value, also remembered when it is the highest."""
        if self.highest is None:
            self.highest = value
            return value
        extended = self.highest + nearest(value - self.highest, self._bits)
        self.highest = max(self.highest, extended)
        return extended


class RtpSender:
    """Numbers the packets of one outgoing stream: sequence +1 per packet, timestamp by wall time.

    One stream keeps its SSRC for the whole call. `samples_per_frame` is in RTP clock ticks.
    """

    def __init__(
        self,
        *,
        ssrc: int,
        payload_type: int,
        sequence_number: int = 0,
        timestamp: int = 0,
        samples_per_frame: int = SAMPLES_PER_FRAME,
    ) -> None:
        self.ssrc = ssrc & 0xFFFFFFFF
        self.payload_type = payload_type
        self.sequence_number = sequence_number & 0xFFFF
        self.timestamp = timestamp & 0xFFFFFFFF
        self.samples_per_frame = samples_per_frame
        self.packets_sent = 0

    def packet(self, payload: bytes, *, marker: bool = False) -> bytes:
        """The datagram of the next slot."""
        header = _HEADER.pack(
            _VERSION, marker << 7 | self.payload_type, self.sequence_number, self.timestamp, self.ssrc
        )
        self.sequence_number = (self.sequence_number + 1) & 0xFFFF
        self.timestamp = (self.timestamp + self.samples_per_frame) & 0xFFFFFFFF
        self.packets_sent += 1
        return header + payload

    def skip_slots(self, count: int) -> None:
        """`count` slots passed without a packet: the timestamp goes on, the sequence number stays."""
        self.timestamp = (self.timestamp + count * self.samples_per_frame) & 0xFFFFFFFF
