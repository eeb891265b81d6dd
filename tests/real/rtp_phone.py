"""A telephone's audio: one UDP socket per call that speaks, stays silent, presses keys and records all it hears.

Independent of the code under test: own RTP header, own G.711 formulas (ITU-T G.711), the G722 package.
Arrival times come from the kernel (SO_TIMESTAMPNS), so a busy test process does not blur them. One thread
(`RtpBank`) serves all phones; packets leave on absolute 20 ms deadlines. Used by tests/real/phones.py.
"""

import asyncio
import heapq
import random
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import G722
import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.020
SO_TIMESTAMPNS = 35
TELEPHONE_EVENT = 101
PAYLOAD_TYPES = {"ulaw": 0, "alaw": 8, "g722": 9}
RATES_HZ = {"ulaw": 8000, "alaw": 8000, "g722": 16000}
Samples = NDArray[np.int16]


def ulaw_encode(samples: Samples) -> bytes:
    """16-bit samples to mu-law, by the segment formula of ITU-T G.711."""
    wide = samples.astype(np.int32)
    sign = np.where(wide < 0, 0x80, 0)
    level = np.minimum(np.abs(wide), 32635) + 132
    segment = np.floor(np.log2(level)).astype(np.int32) - 7
    mantissa = (level >> (segment + 3)) & 0x0F
    return (~(sign | (segment << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()


def ulaw_decode(payload: bytes) -> Samples:
    code = ~np.frombuffer(payload, np.uint8).astype(np.int32) & 0xFF
    level = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -level, level).astype(np.int16)


def alaw_encode(samples: Samples) -> bytes:
    """16-bit samples to A-law, by the segment formula of ITU-T G.711."""
    wide = samples.astype(np.int32)
    sign = np.where(wide >= 0, 0x80, 0)
    level = np.minimum(np.where(wide < 0, -wide - 1, wide), 32767) >> 3
    segment = np.maximum(np.floor(np.log2(np.maximum(level, 1))).astype(np.int32) - 4, 0)
    mantissa = np.where(segment == 0, level >> 1, level >> segment) & 0x0F
    return ((sign | (segment << 4) | mantissa) ^ 0x55).astype(np.uint8).tobytes()


def alaw_decode(payload: bytes) -> Samples:
    code = np.frombuffer(payload, np.uint8).astype(np.int32) ^ 0x55
    segment = (code >> 4) & 7
    base = ((code & 0x0F) << 4) + 8
    level = np.where(segment == 0, base, (base + 256) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, level, -level).astype(np.int16)


@dataclass(frozen=True)
class Packet:
    """One RTP packet as it arrived; `arrival` is monotonic seconds, stamped by the kernel."""

    arrival: float
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes


@dataclass
class Slot:
    """What goes out in one 20 ms slot; `event` = (code, duration, end, first) of RFC 4733."""

    payload: bytes = b""
    event: tuple[int, int, bool, bool] | None = None


@dataclass
class RtpPhone:
    """The audio half of one telephone. All methods may be called from any thread."""

    bank: "RtpBank"
    codec: str
    rtp: socket.socket
    rtcp: socket.socket
    packets: list[Packet] = field(default_factory=list)
    remote: tuple[str, int] | None = None
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    """(monotonic time, payload) of every packet that left."""
    rtcp_packets: int = 0
    slots: deque[Slot] = field(default_factory=deque)
    next_due: float | None = None
    sequence_number: int = field(default_factory=lambda: random.getrandbits(15))
    timestamp: int = field(default_factory=lambda: random.getrandbits(31))
    ssrc: int = field(default_factory=lambda: random.getrandbits(32))
    _event_timestamp: int = 0
    _g722: object = field(default_factory=lambda: (G722.G722(16000, 64000), G722.G722(16000, 64000)))

    @property
    def port(self) -> int:
        return self.rtp.getsockname()[1]

    @property
    def rate_hz(self) -> int:
        return RATES_HZ[self.codec]

    def speak(self, samples: Samples) -> None:
        """Queues speech (int16 at `rate_hz`), padded to whole frames; starts as soon as the far end is known."""
        frame = self.rate_hz // 50
        padded = np.pad(samples, (0, -len(samples) % frame)).astype(np.int16)
        coded = self._encode(padded)
        self._queue([Slot(coded[at : at + 160]) for at in range(0, len(coded), 160)])

    def press(self, digits: str, press_ms: int = 120, pause_ms: int = 80) -> None:
        """Queues key presses as RFC 4733 events, each with three end packets."""
        slots: list[Slot] = []
        steps = press_ms // 20
        for digit in digits:
            code = "0123456789*#ABCD".index(digit)
            slots += [Slot(event=(code, 160 * (n + 1), False, n == 0)) for n in range(steps)]
            slots += [Slot(event=(code, 160 * steps, True, False))] * 3
            slots += [Slot()] * (pause_ms // 20)
        self._queue(slots)

    @property
    def longest_pause_ms(self) -> float:
        """Between two packets that left. More than 20 ms while it spoke without a break: this process was late."""
        return float(np.max(np.diff([at for at, _ in self.sent]), initial=0.0)) * 1000

    def silence(self) -> None:
        """Drops what is still queued: from now on no packet leaves."""
        with self.bank.changed:
            self.slots.clear()

    async def spoken(self, timeout_s: float = 30.0) -> None:
        """Waits until everything queued has left."""
        await self.bank.until(lambda: not self.slots and self.next_due is None, timeout_s, "all audio sent")

    async def hears(self, packets: int = 1, timeout_s: float = 10.0) -> Packet:
        """Waits until that many audio packets have arrived; gives the first."""
        await self.bank.until(lambda: len(self.audio()) >= packets, timeout_s, f"{packets} RTP packets")
        return self.audio()[0]

    def audio(self) -> list[Packet]:
        return [one for one in self.packets if one.payload_type == PAYLOAD_TYPES[self.codec]]

    def heard(self) -> Samples:
        """Everything heard, decoded, in order of arrival without filling gaps."""
        payload = b"".join(one.payload for one in self.audio())
        return self._decode(payload) if payload else np.zeros(0, np.int16)

    def _encode(self, samples: Samples) -> bytes:
        match self.codec:
            case "ulaw":
                return ulaw_encode(samples)
            case "alaw":
                return alaw_encode(samples)
            case _:
                return bytes(self._g722[0].encode(samples))

    def _decode(self, payload: bytes) -> Samples:
        match self.codec:
            case "ulaw":
                return ulaw_decode(payload)
            case "alaw":
                return alaw_decode(payload)
            case _:
                return np.asarray(G722.G722(16000, 64000).decode(payload), np.int16)

    def _queue(self, slots: list[Slot]) -> None:
        with self.bank.changed:
            self.slots.extend(slots)
        self.bank.wake()

    def send_slot(self, now: float) -> None:
        """Sends the next slot and advances the clock by one frame (called by the bank, lock held)."""
        slot = self.slots.popleft() if self.slots else None
        if slot is not None and self.remote is not None:
            packet = self._packet(slot)
            if packet:
                self.rtp.sendto(packet, self.remote)
                self.sent.append((now, packet[12:]))
        self.timestamp = (self.timestamp + 160) & 0xFFFFFFFF

    def _packet(self, slot: Slot) -> bytes:
        if slot.event is not None:
            code, duration, end, first = slot.event
            if first:
                self._event_timestamp = self.timestamp
            body = struct.pack("!BBH", code, 0x8A if end else 0x0A, duration)
            return self._header(TELEPHONE_EVENT, first, self._event_timestamp) + body
        if not slot.payload:
            return b""
        return self._header(PAYLOAD_TYPES[self.codec], not self.sent, self.timestamp) + slot.payload

    def _header(self, payload_type: int, marker: bool, timestamp: int) -> bytes:
        self.sequence_number = (self.sequence_number + 1) & 0xFFFF
        return struct.pack(
            "!BBHII", 0x80, payload_type | (marker << 7), self.sequence_number, timestamp, self.ssrc
        )


KEYS = "0123456789*#ABCD"


def keys_heard(phone: RtpPhone) -> list[tuple[str, float, float]]:
    """(key, first packet, last packet) of each telephone-event the phone received, monotonic seconds."""
    by_event: dict[int, list[float]] = {}
    names: dict[int, str] = {}
    for one in phone.packets:
        if one.payload_type == TELEPHONE_EVENT:
            by_event.setdefault(one.timestamp, []).append(one.arrival)
            names[one.timestamp] = KEYS[one.payload[0]]
    return [(names[stamp], times[0], times[-1]) for stamp, times in by_event.items()]


class RtpBank:
    """One thread for all phones: receives with kernel time stamps, sends on absolute deadlines."""

    def __init__(self, poll: Callable[[], None] = lambda: None) -> None:
        """`poll` is called at least every 5 ms in the bank's thread, lock held (the SIPp log is read there)."""
        self.changed = threading.Condition(threading.RLock())
        self._poll = poll
        self._phones: list[RtpPhone] = []
        self._selector = selectors.DefaultSelector()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._selector.register(self._wake_r, selectors.EVENT_READ, None)
        self._due: list[tuple[float, int, RtpPhone]] = []
        self._serial = count()
        self._epoch = time.time() - time.monotonic()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="rtp-phones", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def phone(self, codec: str) -> RtpPhone:
        """A new phone on a free even port of 127.0.0.1, the odd one above it held for RTCP."""
        rtp, rtcp = _socket_pair()
        rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        phone = RtpPhone(bank=self, codec=codec, rtp=rtp, rtcp=rtcp)
        with self.changed:
            self._phones.append(phone)
            self._selector.register(rtp, selectors.EVENT_READ, phone)
            self._selector.register(rtcp, selectors.EVENT_READ, phone)
        return phone

    def close(self) -> None:
        self._running = False
        self.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        self._selector.close()
        for one in (self._wake_r, self._wake_w, *(s for p in self._phones for s in (p.rtp, p.rtcp))):
            one.close()

    def wake(self) -> None:
        self._wake_w.send(b"x")

    async def until(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Waits until `done()`; it is asked, lock held, after every arrival, departure and log line."""

        def wait() -> bool:
            with self.changed:
                return self.changed.wait_for(done, timeout_s)

        if not await asyncio.to_thread(wait):
            raise TimeoutError(f"not within {timeout_s} s: {what}")

    def _run(self) -> None:
        while self._running:
            for key, _ in self._selector.select(self._timeout()):
                with self.changed:
                    self._receive(key.fileobj, key.data)
            with self.changed:
                self._poll()
                self._start_queued()
                self._send_due()
                self.changed.notify_all()

    def _timeout(self) -> float:
        return min(0.005, max(0.0, self._due[0][0] - time.monotonic())) if self._due else 0.005

    def _receive(self, source: socket.socket, phone: RtpPhone | None) -> None:
        while True:
            try:
                data, ancillary, _, _ = source.recvmsg(2048, 64)
            except BlockingIOError:
                return
            if phone is None:
                continue
            if source is phone.rtcp:
                phone.rtcp_packets += 1
            elif len(data) >= 12 and data[0] >> 6 == 2 and not 200 <= data[1] <= 207:
                phone.packets.append(self._packet(data, ancillary))

    def _packet(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> Packet:
        arrival = time.monotonic()
        for _level, kind, value in ancillary:
            if kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("qq", value[:16])
                arrival = seconds + nanoseconds / 1e9 - self._epoch
        _, second, sequence_number, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        return Packet(arrival, second & 0x7F, sequence_number, timestamp, ssrc, bool(second & 0x80), data[12:])

    def _start_queued(self) -> None:
        now = time.monotonic()
        for phone in self._phones:
            if phone.slots and phone.next_due is None and phone.remote is not None:
                self._schedule(phone, now)

    def _schedule(self, phone: RtpPhone, due: float) -> None:
        phone.next_due = due
        heapq.heappush(self._due, (due, next(self._serial), phone))

    def _send_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            due, _, phone = heapq.heappop(self._due)
            phone.send_slot(time.monotonic())
            if phone.slots:
                self._schedule(phone, due + FRAME_S)
            else:
                phone.next_due = None


def _socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two bound UDP sockets, the first on an even port, the second on the next one."""
    while True:
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtp.setblocking(False)
        rtcp.setblocking(False)
        rtp.bind(("127.0.0.1", 0))
        port = rtp.getsockname()[1]
        if port % 2 == 0:
            try:
                rtcp.bind(("127.0.0.1", port + 1))
            except OSError:
                pass
            else:
                return rtp, rtcp
        rtp.close()
        rtcp.close()
