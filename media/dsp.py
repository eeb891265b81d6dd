"""Signal processing for all legs at once: resampling lanes, and the law tables that legs use frame by frame.

A leg whose codec the model does not speak has two `Lane`s, one per direction. What its lanes were fed since the
last run goes through one resampler call together with all lanes of the same kind: that is five times cheaper than
leg by leg. G.711 legs to a G.711 model have no lanes. Pure; run by `media.engine` every 5 ms.
"""

from collections.abc import Callable
from functools import cache
from typing import Final, Literal

import msgspec
import numpy as np

from media.comfort import comfort_noise, noise
from media.g711 import ALAW, ALAW_TO_ULAW, LAWS, ULAW, ULAW_TO_ALAW, G711Law, Int16Array
from media.protocol import LegCodec
from media.realtime.settings import AudioFormat
from media.resample import PolyphaseBank, Resampler, SoxrBank
from media.rtp import PAYLOAD_TYPE_G722, PAYLOAD_TYPE_PCMA, PAYLOAD_TYPE_PCMU

ResamplerKind = Literal["polyphase", "soxr"]

BANK_ROWS: Final = 128
FADE_MS: Final = 10


class CodecFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a leg's codec means. `law` is None for G.722, whose coders are stateful and belong to the leg."""

    payload_type: int
    sample_rate_hz: int
    law: G711Law | None


CODECS: Final[dict[LegCodec, CodecFacts]] = {
    "ulaw": CodecFacts(payload_type=PAYLOAD_TYPE_PCMU, sample_rate_hz=8000, law=ULAW),
    "alaw": CodecFacts(payload_type=PAYLOAD_TYPE_PCMA, sample_rate_hz=8000, law=ALAW),
    "g722": CodecFacts(payload_type=PAYLOAD_TYPE_G722, sample_rate_hz=16000, law=None),
}


class FormatFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the model's audio format means; `law` None is 16 bit little-endian PCM."""

    sample_rate_hz: int
    frame_bytes: int
    silence: bytes
    law: G711Law | None


FORMATS: Final[dict[AudioFormat, FormatFacts]] = {
    "audio/pcmu": FormatFacts(sample_rate_hz=8000, frame_bytes=160, silence=ULAW.silence, law=ULAW),
    "audio/pcma": FormatFacts(sample_rate_hz=8000, frame_bytes=160, silence=ALAW.silence, law=ALAW),
    "audio/pcm": FormatFacts(sample_rate_hz=24000, frame_bytes=960, silence=b"\x00", law=None),
}


@cache
def recoding(source: str, target: str) -> bytes | None:
    """Table for `bytes.translate` from one law to another; None when they are the same."""
    return {("ulaw", "alaw"): ULAW_TO_ALAW, ("alaw", "ulaw"): ALAW_TO_ULAW}.get((source, target))


@cache
def attenuation(law_name: str, steps: int) -> bytes:
    """Table for `bytes.translate` that makes a frame 6 dB softer `steps` times: how lost frames are repeated."""
    law = LAWS[law_name]
    return law.encode_bytes((law.decode_table.astype(np.int32) >> steps).astype(np.int16))


def faded(samples: Int16Array, rate_hz: int) -> Int16Array:
    """One frame that falls to silence within 10 ms: an interrupted word ends without a click."""
    ramp = np.zeros(samples.size, np.float32)
    fading = min(samples.size, rate_hz * FADE_MS // 1000)
    ramp[:fading] = np.linspace(1.0, 0.0, fading, dtype=np.float32)
    return (samples * ramp).astype(np.int16)


def faded_bytes(payload: bytes, facts: FormatFacts) -> bytes:
    """`faded` for one frame in a model's audio format."""
    if facts.law is None:
        return faded(np.frombuffer(payload, np.int16), facts.sample_rate_hz).tobytes()
    return facts.law.encode_bytes(faded(facts.law.decode_bytes(payload), facts.sample_rate_hz))


def ducked_bytes(payload: bytes, facts: FormatFacts) -> bytes:
    """One frame in a model's audio format, 12 dB softer: the callee may have begun to speak."""
    if facts.law is None:
        return (np.frombuffer(payload, np.int16) >> 2).tobytes()
    return payload.translate(attenuation(facts.law.name, 2))


def warm_up() -> None:
    """Make the shared tables before the first call needs them: some take longer than a frame's turn allows."""
    for law_name in LAWS:
        comfort_noise(law_name)
        for steps in range(1, 4):
            attenuation(law_name, steps)
    noise(CODECS["g722"].sample_rate_hz)
    bank = PolyphaseBank(8000, 24000, rows=1)
    bank.process(np.zeros(1, np.intp), np.zeros((1, 160), np.int16))


class Lane:
    """One direction of one leg through a resampler: bytes of one kind in, bytes of another out.

    `law_in` / `law_out` None means 16 bit PCM. `deliver` gets the result of each run; it must not raise.
    """

    def __init__(
        self,
        *,
        bank: Resampler,
        row: int,
        laws: tuple[G711Law | None, G711Law | None],
        queue: list["Lane"],
        deliver: Callable[[bytes], None],
    ) -> None:
        self.bank = bank
        self.row = row
        self.law_in, self.law_out = laws
        self.deliver = deliver
        self.waiting = bytearray()
        self.group = id(bank), id(self.law_in), id(self.law_out)
        self._queue = queue

    def feed(self, audio: bytes) -> None:
        """Queue audio for the next run; whole samples."""
        if audio and not self.waiting:
            self._queue.append(self)
        self.waiting += audio


class ResampleBatch:
    """All lanes of one direction. Banks are made when needed and live as long as the engine; rows are reused."""

    def __init__(self) -> None:
        self._queue: list[Lane] = []
        self._banks: dict[tuple[int, int], list[Resampler]] = {}
        self._free: dict[int, list[int]] = {}

    def open_lane(
        self,
        kind: ResamplerKind,
        rates: tuple[int, int],
        laws: tuple[G711Law | None, G711Law | None],
        deliver: Callable[[bytes], None],
    ) -> Lane:
        """A lane from `rates[0]` to `rates[1]`. The reference resampler has a bank of its own per lane."""
        if kind == "soxr":
            return Lane(bank=SoxrBank(*rates, rows=1), row=0, laws=laws, queue=self._queue, deliver=deliver)
        bank = self._bank(rates)
        row = self._free[id(bank)].pop()
        bank.reset(row)
        return Lane(bank=bank, row=row, laws=laws, queue=self._queue, deliver=deliver)

    def close_lane(self, lane: Lane) -> None:
        """Give the row back; what is queued is dropped."""
        lane.waiting.clear()
        if lane in self._queue:
            self._queue.remove(lane)
        if id(lane.bank) in self._free:
            self._free[id(lane.bank)].append(lane.row)

    def run(self) -> None:
        """Process everything fed since the last run and deliver it."""
        if not self._queue:
            return
        groups: dict[tuple[int, int, int, int], list[Lane]] = {}
        for lane in self._queue:
            groups.setdefault((*lane.group, len(lane.waiting)), []).append(lane)
        self._queue.clear()
        for lanes in groups.values():
            _process(lanes)

    def _bank(self, rates: tuple[int, int]) -> Resampler:
        banks = self._banks.setdefault(rates, [])
        for bank in banks:
            if self._free[id(bank)]:
                return bank
        bank = PolyphaseBank(*rates, rows=BANK_ROWS)
        banks.append(bank)
        self._free[id(bank)] = list(range(BANK_ROWS))
        return bank


def _process(lanes: list[Lane]) -> None:
    """One resampler call for lanes of one kind with equally long input."""
    first = lanes[0]
    joined = b"".join(lane.waiting for lane in lanes)
    for lane in lanes:
        lane.waiting.clear()
    if first.law_in is None:
        samples = np.frombuffer(joined, np.int16).reshape(len(lanes), -1)
    else:
        samples = first.law_in.decode(np.frombuffer(joined, np.uint8)).reshape(len(lanes), -1)
    rows = np.fromiter((lane.row for lane in lanes), np.intp, len(lanes))
    resampled = first.bank.process(rows, samples)
    encoded = (resampled if first.law_out is None else first.law_out.encode(resampled)).tobytes()
    size = len(encoded) // len(lanes)
    for number, lane in enumerate(lanes):
        lane.deliver(encoded[number * size : (number + 1) * size])
