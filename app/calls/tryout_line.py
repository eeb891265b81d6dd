"""The other end of a test call's RTP: a browser, in the place where a call to a person has Asterisk.

The media worker is told this socket's address as its peer and knows no difference: the voice of the microphone
reaches it as RTP every 20 ms, silence included, and what the agent says comes back as RTP. Nothing here can reach
a phone. Owned by `app.calls.tryout`.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec
import numpy as np

from app.domain.voice import FRAME_BYTES
from media.commands import LegCodec
from media.dsp import CODECS
from media.errors import MalformedRtp
from media.g722 import G722Decoder, G722Encoder
from media.resample import PolyphaseBank
from media.rtp import RtpSender, parse

SLOT_S: Final = 0.02
MICROPHONE_HZ: Final = 16_000
LAW_HZ: Final = 8_000
PREFILL_FRAMES: Final = 3
"""60 ms wait before a stretch of the voice is sent: a browser's frames come in lumps."""
MOST_FRAMES: Final = 15
"""Of more than 300 ms the oldest goes."""
LATE_S: Final = 0.5
"""A loop that stood still this long does not send what it missed all at once."""


class Heard(msgspec.Struct, frozen=True):
    """20 ms of the agent; the laws are at 8 kHz, pcm16 at 16 kHz."""

    codec: Literal["ulaw", "alaw", "pcm16"]
    audio: bytes


class Voice:
    """Collects a microphone's pieces of any length and gives out one frame a slot. Pure."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque(maxlen=MOST_FRAMES)
        self._rest = b""
        self._playing = False

    def put(self, audio: bytes) -> None:
        """Some of the voice: 16 bit PCM at 16 kHz."""
        self._rest += audio
        while len(self._rest) >= FRAME_BYTES:
            self._frames.append(self._rest[:FRAME_BYTES])
            self._rest = self._rest[FRAME_BYTES:]

    def frame(self) -> bytes:
        """What is sent in this slot; silence when there is nothing."""
        if not self._frames:
            self._playing = False
        elif not self._playing:
            self._playing = len(self._frames) >= PREFILL_FRAMES
        return self._frames.popleft() if self._playing else bytes(FRAME_BYTES)


class _Coder:
    """From the microphone's samples to the leg's codec, and back to what a browser plays."""

    def __init__(self, codec: LegCodec) -> None:
        self._law = CODECS[codec].law
        self._down = PolyphaseBank(MICROPHONE_HZ, LAW_HZ, rows=1)
        self._encoder, self._decoder = G722Encoder(), G722Decoder()

    def encode(self, frame: bytes) -> bytes:
        samples = np.frombuffer(frame, np.int16)
        if self._law is None:
            return self._encoder.encode(samples)
        return self._law.encode_bytes(self._down.process(np.zeros(1, np.intp), samples.reshape(1, -1))[0])

    def decode(self, payload: bytes) -> Heard:
        if self._law is None:
            return Heard("pcm16", self._decoder.decode(payload).tobytes())
        return Heard("alaw" if self._law.name == "alaw" else "ulaw", payload)


class BrowserLine(asyncio.DatagramProtocol):
    """One socket. `hear` gets what the agent says; it must not raise."""

    def __init__(self, codec: LegCodec, hear: Callable[[Heard], None]) -> None:
        self._payload_type = CODECS[codec].payload_type
        self._coder = _Coder(codec)
        self._hear = hear
        self._voice = Voice()
        self._transport: asyncio.DatagramTransport | None = None
        self._worker: tuple[str, int] | None = None
        self._sender = RtpSender(
            ssrc=secrets.randbits(32),
            payload_type=self._payload_type,
            sequence_number=secrets.randbits(16),
            timestamp=secrets.randbits(32),
        )

    async def open(self, host: str) -> tuple[str, int]:
        """Bind on `host`, where the media worker is too; the address it is told. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        bound: tuple[str, int] = self._transport.get_extra_info("sockname")[:2]
        return bound

    def connect(self, worker: tuple[str, int]) -> None:
        """Where the media worker expects this call's RTP; nothing is taken from anywhere else."""
        self._worker = worker

    def speak(self, audio: bytes) -> None:
        """Some of the microphone's voice."""
        self._voice.put(audio)

    async def run(self) -> None:
        """Send a frame every 20 ms until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if self._worker is not None and self._transport is not None:
                datagram = self._sender.packet(self._coder.encode(self._voice.frame()))
                self._transport.sendto(datagram, self._worker)
            due += SLOT_S
            if loop.time() > due + LATE_S:
                self._sender.skip_slots(round((loop.time() - due) / SLOT_S))
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))

    def close(self) -> None:
        """Give the socket back."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        if addr != self._worker:
            return
        try:
            packet = parse(data)
        except MalformedRtp:
            return
        if packet.payload_type == self._payload_type and packet.payload:
            self._hear(self._coder.decode(packet.payload))
