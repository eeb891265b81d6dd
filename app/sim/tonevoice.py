"""Speech made of tones, so that a test can read WHAT was heard from the audio alone.

Every symbol is one 40 ms tone on a 62.5 Hz grid between 500 and 3250 Hz, equal neighbours are written with a
repeat tone, so a listener follows tone changes and needs no symbol clock: lost or repeated frames cost
at most the symbols they cover. Used by the simulators, the demo and the tests; the audio survives G.711, G.722
and resampling, and is loud and continuous so that energy detectors take it for speech.
"""

import unicodedata
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789 .,?'!"
SYMBOL_MS = 40
START_MS = 60
END_MS = 60
END_SILENCE_MS = 200
"""An utterance whose end marker never came is closed after this much time without tones."""
LEVEL_DBFS = -12.0

_REPEAT = len(ALPHABET)
_START = _REPEAT + 1
_END = _REPEAT + 2
_NO_TONE = -1
_FREQUENCIES_HZ = 500.0 + 62.5 * np.arange(_END + 1)

_ANALYSIS_HZ = 8_000
_HOP = 40
_HOP_MS = 5
_WINDOW = 160
_BATCH_HOPS = 12
_MIN_PURITY = 0.4
_MIN_RUN_HOPS = 3
_MAX_GAP_HOPS = 5
_MAX_RUN_HOPS = 40
"""A tone of more than 200 ms is a beep or a dial tone, not a symbol."""
_MIN_MEAN_SQUARE = float((32_768.0 * 10 ** (-50 / 20)) ** 2)

Samples = NDArray[np.int16]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One utterance found in audio; times count from the first sample fed."""

    text: str
    start_ms: int
    end_ms: int
    complete: bool
    """True when both the start and the end marker were heard."""


def normalize(text: str) -> str:
    """`text` as it can be spoken: lower case, no accents, anything else unknown and runs of space as one space."""
    plain = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    kept = (char for char in plain.lower() if not unicodedata.combining(char))
    return " ".join("".join(char if char in ALPHABET else " " for char in kept).split())


def duration_ms(text: str) -> int:
    """Length of `speak(text)`."""
    return START_MS + END_MS + SYMBOL_MS * len(normalize(text))


def speak(text: str, rate_hz: int) -> Samples:
    """`text` as int16 audio of `duration_ms(text)` at -12 dBFS RMS, phase continuous, with 5 ms ramps outside."""
    tones = _tones(normalize(text))
    lengths_ms = np.full(len(tones), SYMBOL_MS)
    lengths_ms[0], lengths_ms[-1] = START_MS, END_MS
    per_sample_hz = np.repeat(_FREQUENCIES_HZ[tones], lengths_ms * rate_hz // 1_000)
    wave = np.sin(np.cumsum(per_sample_hz) * (2 * np.pi / rate_hz))
    ramp = np.linspace(0.0, 1.0, rate_hz // 200)
    wave[: len(ramp)] *= ramp
    wave[-len(ramp) :] *= ramp[::-1]
    amplitude = 32_767 * np.sqrt(2) * 10 ** (LEVEL_DBFS / 20)
    return np.rint(wave * amplitude).astype(np.int16)


def listen(samples: Samples, rate_hz: int) -> list[Heard]:
    """Every utterance in `samples`; one that the end of the audio cuts off is returned as incomplete."""
    listener = Listener(rate_hz)
    found: list[Heard] = []
    for offset in range(0, len(samples), rate_hz):
        found += listener.feed(samples[offset : offset + rate_hz])
    return found + listener.finish()


def _tones(spoken: str) -> list[int]:
    tones = [_START]
    for char in spoken:
        tone = ALPHABET.index(char)
        tones.append(_REPEAT if tone == tones[-1] else tone)
    return [*tones, _END]


def _correlators() -> NDArray[np.float32]:
    """Columns: windowed cosines then sines of all tones, scaled so that a pure tone correlates to its energy."""
    window = np.hanning(_WINDOW + 2)[1:-1]
    phase = 2 * np.pi / _ANALYSIS_HZ * np.outer(np.arange(_WINDOW), _FREQUENCIES_HZ)
    scale = window * np.sqrt(2 * np.sum(window**2)) / np.sum(window)
    return np.hstack([scale[:, None] * np.cos(phase), scale[:, None] * np.sin(phase)]).astype(np.float32)


_CORRELATORS = _correlators()
_WINDOW_SQUARED = (np.hanning(_WINDOW + 2)[1:-1] ** 2).astype(np.float32)
_ENERGY_FLOOR = _MIN_MEAN_SQUARE * float(np.sum(_WINDOW_SQUARED))


def _classify(samples: NDArray[np.float32]) -> NDArray[np.int64]:
    """The dominating tone of each 20 ms window, one window per 5 ms; -1 where there is none."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    parts = np.square(windows @ _CORRELATORS)
    power = parts[:, : _END + 1] + parts[:, _END + 1 :]
    energy = np.square(windows) @ _WINDOW_SQUARED
    best = power.argmax(axis=1)
    pure = power[np.arange(len(best)), best] > _MIN_PURITY * np.maximum(energy, _ENERGY_FLOOR)
    return np.where(pure, best, _NO_TONE)


class Listener:
    """Finds utterances in a stream of audio of one speaker; `feed` any number of samples at a time."""

    def __init__(self, rate_hz: int) -> None:
        if rate_hz % _ANALYSIS_HZ:
            raise ValueError(f"tone speech is listened to at 8000, 16000 or 24000 Hz, not {rate_hz}")
        self._stride = rate_hz // _ANALYSIS_HZ
        self._stride_phase = 0
        self._pending = np.zeros(0, np.float32)
        self._hop = 0
        self._fed = 0
        self._run_tone = _NO_TONE
        self._run_start = 0
        self._gap_start: int | None = None
        self._last_tone = _NO_TONE
        self._utterance: _Utterance | None = None

    @property
    def partial(self) -> str:
        """Text so far of the utterance that has not ended; empty between utterances."""
        return self._utterance.text if self._utterance else ""

    def feed(self, samples: Samples) -> list[Heard]:
        """Utterances that ended: at their end marker, at the next start marker, or at 200 ms without tones."""
        wanted = samples[self._stride_phase :: self._stride]
        self._stride_phase = (self._stride_phase - len(samples)) % self._stride
        self._pending = np.concatenate([self._pending, wanted.astype(np.float32)])
        self._fed += len(wanted)
        hops = (len(self._pending) - _WINDOW) // _HOP + 1
        return self._analyse(hops) if hops >= _BATCH_HOPS else []

    def finish(self) -> list[Heard]:
        """The audio ends here: what is left, an open utterance as incomplete. The listener can be fed again."""
        self._pending = np.concatenate([self._pending, np.zeros(_WINDOW - 1, np.float32)])
        found = self._analyse((len(self._pending) - _WINDOW) // _HOP + 1)
        found += self._end_run(self._hop)
        found += self._close(complete=False)
        self._run_tone, self._gap_start = _NO_TONE, None
        self._pending = self._pending[:0]
        self._hop = self._fed // _HOP
        return found

    def _analyse(self, hops: int) -> list[Heard]:
        if hops <= 0:
            return []
        used = (hops - 1) * _HOP + _WINDOW
        tones = _classify(self._pending[:used])
        self._pending = self._pending[hops * _HOP :]
        found: list[Heard] = []
        edges = [0, *(np.flatnonzero(np.diff(tones)) + 1).tolist(), hops]
        for start, end in pairwise(edges):
            found += self._run(int(tones[start]), self._hop + start, self._hop + end)
        self._hop += hops
        return found

    def _run(self, tone: int, start: int, end: int) -> list[Heard]:
        """One stretch of equal windows; the last stretch of a batch continues in the next."""
        if tone == _NO_TONE:
            return self._gap(start, end)
        found: list[Heard] = []
        if tone != self._run_tone:
            found = self._end_run(start)
            self._run_tone, self._run_start = tone, start
        self._gap_start = None
        return found

    def _gap(self, start: int, end: int) -> list[Heard]:
        """A short gap may be a lost frame inside a symbol, a long one ends the symbol, a silence the utterance."""
        if self._gap_start is None:
            self._gap_start = start
        if end - self._gap_start <= _MAX_GAP_HOPS:
            return []
        found = self._end_run(start)
        self._run_tone = _NO_TONE
        quiet_since = self._utterance.last_hop if self._utterance else end
        if (end - quiet_since) * _HOP_MS >= END_SILENCE_MS:
            found += self._close(complete=False)
        return found

    def _end_run(self, end: int) -> list[Heard]:
        """The symbol in progress is over, at `end` or where the gap before it began."""
        end = end if self._gap_start is None else self._gap_start
        tone, length = self._run_tone, end - self._run_start
        if tone == _NO_TONE or not _MIN_RUN_HOPS <= length <= _MAX_RUN_HOPS:
            return []
        if tone == self._last_tone and self._utterance:
            self._utterance.last_hop = end
            return []
        self._last_tone = tone
        return self._symbol(tone, end)

    def _symbol(self, tone: int, end: int) -> list[Heard]:
        found: list[Heard] = []
        if tone == _START:
            found = self._close(complete=False)
            self._last_tone = tone
        utterance = self._utterance = self._utterance or _Utterance(tone, self._run_start)
        utterance.last_hop = end
        if tone == _END:
            return self._close(complete=utterance.started)
        utterance.add(tone)
        return found

    def _close(self, *, complete: bool) -> list[Heard]:
        utterance, self._utterance = self._utterance, None
        self._last_tone = _NO_TONE
        if utterance is None or not (utterance.text or utterance.started):
            return []
        return [utterance.heard(complete=complete)]


class _Utterance:
    """Symbols collected since a start marker, or since the first tone when the marker was missed."""

    def __init__(self, tone: int, start_hop: int) -> None:
        self.started = tone == _START
        self.text = ""
        self.start_hop = start_hop
        self.last_hop = start_hop

    def add(self, tone: int) -> None:
        if tone < _REPEAT:
            self.text += ALPHABET[tone]
        elif tone == _REPEAT:
            self.text += self.text[-1:]

    def heard(self, *, complete: bool) -> Heard:
        """The first window that hears a tone after silence overlaps it by 5 of its 20 ms, and so does the last."""
        start_ms = self.start_hop * _HOP_MS + 10
        end_ms = max(start_ms, self.last_hop * _HOP_MS + 5)
        return Heard(text=self.text, start_ms=start_ms, end_ms=end_ms, complete=complete)
