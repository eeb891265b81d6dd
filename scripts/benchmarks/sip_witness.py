"""Sees SIP calls and answers on the loopback interface, stamped by the kernel when they are handed to it (us).

SIPp's own log is written before the message is built and read by polling; this is the packet itself. Needs root,
as the real Asterisk does. Used by the audio benchmark for "the phone said 200 OK at ..." and by the
dialer benchmark for "the INVITE left at ...".
"""

import ctypes
import re
import select
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

from tests.real.rtp_phone import SO_TIMESTAMPNS

ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
IP_UDP_HEADERS = 28
_TO = re.compile(rb"^To:.*?sip:\+?(\d+)@", re.MULTILINE | re.IGNORECASE)
_CALL_ID = re.compile(rb"^(?:Call-ID|i):\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_INVITE = re.compile(rb"^CSeq:\s*\d+ INVITE", re.MULTILINE | re.IGNORECASE)


class SipWitness:
    """`with SipWitness(port) as witness:` then `witness.answered["12025550100"]` is monotonic seconds.

    `port` is the sender's: the phones' for answers, Asterisk's for INVITEs.
    """

    def __init__(self, port: int) -> None:
        self.answered: dict[str, float] = {}
        self.invited: dict[str, tuple[str, float]] = {}
        """By SIP Call-ID: number and time of its first INVITE."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        _attach_filter(self._socket, port)
        self._socket.bind(("lo", ETH_P_IP))
        self._epoch = time.time() - time.monotonic()
        self._stopped_r, self._stopped_w = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="sip-witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped_w.close()
        self._thread.join(timeout=5)
        self._stopped_r.close()
        self._socket.close()

    def _run(self) -> None:
        while True:
            readable, _, _ = select.select([self._socket, self._stopped_r], [], [])
            if self._stopped_r in readable:
                return
            data, ancillary, _, _ = self._socket.recvmsg(65536, 64)
            self._see(data[IP_UDP_HEADERS:], ancillary)

    def _see(self, message: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        found = _TO.search(message)
        if found is None or not _INVITE.search(message):
            return
        number, at = found[1].decode(), self._stamp(ancillary)
        if message.startswith(b"SIP/2.0 200 "):
            self.answered.setdefault(number, at)
        elif message.startswith(b"INVITE ") and (call := _CALL_ID.search(message)) is not None:
            self.invited.setdefault(call[1].decode(), (number, at))

    def _stamp(self, ancillary: list[tuple[int, int, bytes]]) -> float:
        for _level, kind, value in ancillary:
            if kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                return seconds + nanoseconds / 1e9 - self._epoch
        return time.monotonic()


def _attach_filter(taken: socket.socket, port: int) -> None:
    """Only UDP from this port; everything else (thousands of RTP packets a second) never reaches us."""
    program = [
        (0x30, 0, 0, 9),  # A = protocol
        (0x15, 0, 4, 17),  # UDP?
        (0xB1, 0, 0, 0),  # X = length of the IP header
        (0x48, 0, 0, 0),  # A = source port
        (0x15, 0, 1, port),
        (0x06, 0, 0, 0xFFFF),  # take it
        (0x06, 0, 0, 0),  # drop it
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    where = struct.pack("HL", len(program), ctypes.addressof(code))
    taken.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, where)
