"""The RTP side of an external media channel, by the rules of chan_rtp (Asterisk 22).

Only static payload types (at most 34) are understood, only packets from exactly `external_host` are taken, packets
go out unpaced and only when the bridge has something to send, and a dead peer is never noticed.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

import msgspec

from app.sim.asterisk.mouth import Frame
from app.sim.asterisk.script import Samples
from media.errors import MalformedRtp
from media.g711 import ALAW, ULAW, G711Law
from media.g722 import G722Decoder, G722Encoder
from media.rtp import PAYLOAD_TYPE_G722, PAYLOAD_TYPE_PCMA, PAYLOAD_TYPE_PCMU, RtpPacket, parse, serialize

FORMATS: dict[str, int] = {"ulaw": PAYLOAD_TYPE_PCMU, "alaw": PAYLOAD_TYPE_PCMA, "g722": PAYLOAD_TYPE_G722}
HIGHEST_STATIC_PAYLOAD_TYPE = 34
_LAWS: dict[int, G711Law] = {PAYLOAD_TYPE_PCMU: ULAW, PAYLOAD_TYPE_PCMA: ALAW}
_MAX_DATAGRAM_BYTES = 2_048
_BURST = 50

Address = tuple[str, int]
Voice = Callable[[RtpPacket, Samples, int], None]
"""A voice packet with its samples and their rate in Hz."""

_log = logging.getLogger(__name__)


class LegCounters(msgspec.Struct):
    """What happened to packets from the media engine; each is counted once."""

    passed: int = 0
    foreign: int = 0
    """From another source address than external_host."""
    dynamic: int = 0
    """Payload type above 34: vanishes without a word."""
    undecodable: int = 0
    malformed: int = 0
    unbridged: int = 0
    sent: int = 0


class RtpLeg:
    """One UDP socket of Asterisk. `on_voice` is the other party of the bridge, None while there is none."""

    def __init__(self, *, external_host: Address, format_name: str, ssrc: int) -> None:
        self.external_host = external_host
        self.format_name = format_name
        self.payload_type = FORMATS[format_name]
        self.ssrc = ssrc
        self.counters = LegCounters()
        self.on_voice: Voice | None = None
        self.changed: Callable[[], None] = lambda: None
        self._encoder = G722Encoder()
        self._decoder = G722Decoder()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self.local_address: Address = self._socket.getsockname()

    @property
    def closed(self) -> bool:
        """Whether the socket is gone."""
        return self._socket.fileno() < 0

    def close(self) -> None:
        """Release the port. The loop must forget the descriptor first, or it mistakes the next one for it."""
        if not self.closed:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()

    async def run(self) -> None:
        """Take packets until cancelled."""
        loop = asyncio.get_running_loop()
        taken = 0
        try:
            while not self.closed:
                data, source = await loop.sock_recvfrom(self._socket, _MAX_DATAGRAM_BYTES)
                self.take(data, source)
                self.changed()
                taken += 1
                if taken % _BURST == 0:
                    await asyncio.sleep(0)
        finally:
            self.close()

    def take(self, data: bytes, source: Address) -> None:
        """One datagram: passed to the bridge or counted away."""
        if source != self.external_host:
            self.counters.foreign += 1
            return
        try:
            packet = parse(data)
        except MalformedRtp:
            self.counters.malformed += 1
            return
        if packet.payload_type > HIGHEST_STATIC_PAYLOAD_TYPE:
            self.counters.dynamic += 1
            return
        self._pass(packet)

    def send(self, frame: Frame) -> None:
        """A frame of the callee to the media engine, with the callee's own numbers."""
        if self.closed:
            return
        packet = RtpPacket(
            payload_type=self.payload_type,
            sequence_number=frame.sequence_number,
            timestamp=frame.timestamp,
            ssrc=self.ssrc,
            payload=self._encode(frame),
            marker=frame.marker,
        )
        try:
            self._socket.sendto(serialize(packet), self.external_host)
        except OSError as error:
            _log.debug("packet to the media engine lost: %s", error)
            return
        self.counters.sent += 1

    def _pass(self, packet: RtpPacket) -> None:
        decoded = self._decode(packet)
        if decoded is None:
            self.counters.undecodable += 1
        elif self.on_voice is None:
            self.counters.unbridged += 1
        else:
            self.counters.passed += 1
            self.on_voice(packet, *decoded)

    def _encode(self, frame: Frame) -> bytes:
        law = _LAWS.get(self.payload_type)
        if law is not None:
            return law.encode_bytes(frame.samples_8k)
        return self._encoder.encode(frame.samples_16k)

    def _decode(self, packet: RtpPacket) -> tuple[Samples, int] | None:
        law = _LAWS.get(packet.payload_type)
        if law is not None:
            return law.decode_bytes(packet.payload), 8_000
        if packet.payload_type == PAYLOAD_TYPE_G722:
            return self._decoder.decode(packet.payload), 16_000
        return None
