"""The one UDP socket of a media worker: every leg's RTP arrives and leaves here.

Legs are told apart by the exact source address Asterisk announced (`UNICASTRTP_LOCAL_ADDRESS/PORT`), never by
learning: a datagram from anywhere else is dropped and counted, so nobody can inject speech or steal a stream.
IPv4 addresses only, as chan_rtp is given numeric IPv4. Used by `media.engine`; never blocks, never raises on
what the network does.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable

import msgspec

from media.errors import MediaError

logger = logging.getLogger(__name__)

Address = tuple[str, int]
Sink = Callable[[bytes, float], None]
"""Takes one datagram and its arrival time (loop clock, seconds)."""

RECEIVE_BUFFER_ASKED_BYTES = 4 * 1024 * 1024
RECEIVE_BUFFER_NEEDED_BYTES = 1024 * 1024
"""The kernel's usual 208 KiB holds 256 packets: 51 ms at 100 calls. 1 MiB holds half a second."""

DATAGRAMS_PER_WAKE = 128
"""Bound of one drain, so a flood cannot hold the loop (about 1 ms); the rest waits for the next wake."""

MAX_DATAGRAM_BYTES = 2048


class PeerRefused(MediaError):
    """This address cannot be a leg's peer; `code` says why in one word."""

    code = "peer_refused"


class AddressInUse(PeerRefused):
    """Two legs were given the same peer address; Asterisk never announces one twice."""

    code = "peer_in_use"


class UdpStatistics(msgspec.Struct, kw_only=True):
    """Counters of the socket over its life, in datagrams."""

    received: int = 0
    sent: int = 0
    unknown_source: int = 0
    receive_errors: int = 0
    send_errors: int = 0


class RtpSocket:
    """Non-blocking UDP socket with an exact-address table of sinks.

    The socket is bound by the constructor (raises OSError when the address is taken) and read once `attach` was
    called with the running loop.
    """

    def __init__(self, bind_host: str, port: int = 0) -> None:
        self.statistics = UdpStatistics()
        self._sinks: dict[Address, Sink] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._view = memoryview(self._buffer)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_ASKED_BYTES)
            self._socket.bind((bind_host, port))
        except OSError:
            self._socket.close()
            raise
        self.receive_buffer_bytes = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        if self.receive_buffer_bytes < RECEIVE_BUFFER_NEEDED_BYTES:
            logger.warning(
                "UDP receive buffer is %d KiB: a short stall loses packets of many calls; "
                "set net.core.rmem_max to at least %d",
                self.receive_buffer_bytes // 1024,
                RECEIVE_BUFFER_ASKED_BYTES,
            )

    @property
    def port(self) -> int:
        """Local port, chosen by the kernel when 0 was asked."""
        return int(self._socket.getsockname()[1])

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start reading on `loop`."""
        self._loop = loop
        loop.add_reader(self._socket.fileno(), self.drain)

    def add_peer(self, address: Address, sink: Sink) -> None:
        """Deliver datagrams from exactly `address` to `sink`. Raises PeerRefused.

        A name is refused: looking it up would hold the loop with every packet, and no source address equals it.
        """
        if not _numeric(address):
            raise PeerRefused(f"{address[0]}:{address[1]} is no numeric IPv4 address with a port")
        if address in self._sinks:
            raise AddressInUse(f"another leg already talks with {address[0]}:{address[1]}")
        self._sinks[address] = sink

    def remove_peer(self, address: Address) -> None:
        """Forget `address`; its late datagrams count as unknown."""
        self._sinks.pop(address, None)

    def send(self, datagram: bytes, address: Address) -> bool:
        """Send from the receiving socket (strict RTP wants that). False, and counted, when the kernel refuses."""
        try:
            self._socket.sendto(datagram, address)
        except OSError:
            # EAGAIN, an ICMP refusal of an earlier datagram, no route: a lost packet, never a lost call.
            self.statistics.send_errors += 1
            return False
        self.statistics.sent += 1
        return True

    def close(self) -> None:
        """Stop reading and give the port back. Idempotent."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop = None
        self._sinks.clear()
        self._socket.close()

    def drain(self) -> None:
        """Hand on what has arrived, at most DATAGRAMS_PER_WAKE datagrams."""
        assert self._loop is not None
        now = self._loop.time()
        receive, buffer, view = self._socket.recvfrom_into, self._buffer, self._view
        sinks, statistics = self._sinks, self.statistics
        for _ in range(DATAGRAMS_PER_WAKE):
            try:
                length, address = receive(buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                statistics.receive_errors += 1
                continue
            sink = sinks.get(address)
            if sink is None:
                statistics.unknown_source += 1
                continue
            statistics.received += 1
            sink(bytes(view[:length]), now)


def _numeric(address: Address) -> bool:
    try:
        ipaddress.IPv4Address(address[0])
    except ValueError:
        return False
    return 0 < address[1] < 65536
