"""Pure tones: voicemail beeps, fax tones, busy and special information tones, ringback (pure).

A run is a tone, or two tones at once, that keeps its frequencies. Frequencies and cadences: ITU-T E.180 and Q.35
(busy, ringback, special information), T.30 (CNG 1100 Hz 0.5 s on and 3 s off, CED 2100 Hz 2.6 to 4 s).
"""

from itertools import pairwise
from typing import Final, Literal

import msgspec

from media.answer.features import FRAME_MS, FrameFeatures

QUIETEST_DBOV: Final = -48.0
PURE: Final = 0.86
STEADY_HZ: Final = 22.0
BEEP_HZ: Final = (350.0, 2060.0)
BEEP_MAX_MS: Final = 1_600
BEEP_RISE_DB: Final = 9.0
"""A beep rises out of near silence, or follows another tone at once; a vowel grows out of a word."""
BEEP_PURE: Final = 0.95
"""Mean over a beep; a sung vowel comes near it for a moment only."""
BEFORE_FRAMES: Final = 5
BEEP_SWING_DB: Final = 1.2
"""The level of a beep stands still: its loudest frame is near its mean."""
BEEP_DRIFT_HZ: Final = 5.0
"""So does its pitch (mean distance to its first frame's); a voice glides."""
VOWEL_MS: Final = 240
STILL_SWING_DB, STILL_DRIFT_HZ = 0.3, 2.5
"""A vowel may be as clean as a beep for so long, but does not stand as still: tones swing by 0.06 dB and drift by
less than 2.5 Hz, vowels of espeak-ng and of recorded people swing by 0.2 to 0.8 dB or drift by 3 to 5 Hz."""
OCTAVE: Final = (1.95, 2.05)
"""Two tones an octave apart are a voice and its first overtone."""
FILLED_DB, FILLED_FRAMES, FILLED_SHARE = 5.0, 2, 0.1
"""Lost packets are filled in 6 dB lower and count for nothing: this many, or this share."""
CED_HZ: Final = (2080.0, 2120.0)
CED_MS: Final = 480
CNG_HZ: Final = (1060.0, 1140.0)
CNG_MS: Final = (380, 640)
SIT_HZ: Final = ((880.0, 1020.0), (1340.0, 1460.0), (1740.0, 1820.0))
"""The three tones of SIT in any of its variants."""
SIT_MS: Final = (220, 460)
GAP_FRAMES: Final = 2
"""A lost packet makes a step in the tone; it goes on after it."""
TONE_MS: Final = 140
"""Vowels of recorded voices are as pure for 100 ms."""
HUM_MS: Final = 2_500
BUSY_HZ: Final = (340.0, 660.0)
BUSY_ON_MS: Final = (160, 820)
BUSY_REPEATS: Final = 3
RINGBACK_HZ: Final = (390.0, 490.0)
RINGBACK_MS: Final = 800
DTMF_HZ: Final = ((697.0, 770.0, 852.0, 941.0), (1209.0, 1336.0, 1477.0, 1633.0))
DTMF_SHARE: Final = 0.022
"""How far off a key's tones may be (ITU-T Q.24 wants 1.5 % accepted and 3.5 % refused)."""

ToneKind = Literal["beep", "cng", "ced", "sit", "busy", "ringback"]


class ToneRun(msgspec.Struct, frozen=True):
    """One tone from its first to its last frame, ms since the answer."""

    hz: float
    second_hz: float
    start_ms: int
    end_ms: int
    out_of_silence: bool = True
    previous_dbov: float = 0.0
    loudest_dbov: float = -127.0
    levels_dbov: float = 0.0
    inner: int = 0
    filled: int = 0
    """Frames between the edges, those far below the loudest apart: the loudest level and the sum of levels."""
    purities: float = 0.0
    drifts_hz: float = 0.0
    pure: int = 0
    """Pure frames after the first, the sums of their purities and drifts; what was lost between counts in none."""

    @property
    def level_dbov(self) -> float:
        """Mean over its inner frames."""
        return self.levels_dbov / self.inner if self.inner else self.loudest_dbov

    @property
    def duration_ms(self) -> int:
        """Length; a tone of d ms fills windows for d + 20 ms at most."""
        return self.end_ms - self.start_ms

    @property
    def clean(self) -> bool:
        """Pure and of one level, as no voice is for long."""
        if not self.inner or self.purities < BEEP_PURE * self.pure or self.drifts_hz > BEEP_DRIFT_HZ * self.pure:
            return False
        if self.filled > max(FILLED_FRAMES, FILLED_SHARE * self.inner):
            return False
        return self.loudest_dbov - self.level_dbov <= BEEP_SWING_DB

    @property
    def sung(self) -> bool:
        """As clean as a beep, and yet a vowel."""
        if self.second_hz and _within(max(self.hz, self.second_hz) / min(self.hz, self.second_hz), OCTAVE):
            return True
        if self.duration_ms > VOWEL_MS:
            return False
        moves = self.drifts_hz > STILL_DRIFT_HZ * self.pure
        return moves or self.loudest_dbov - self.level_dbov > STILL_SWING_DB


class ToneHeard(msgspec.Struct, frozen=True):
    """What a run turned out to be."""

    kind: ToneKind
    run: ToneRun


def _dtmf(run: ToneRun) -> bool:
    pair = sorted((run.hz, run.second_hz))
    return all(
        any(abs(hz - known) <= DTMF_SHARE * known for known in group)
        for hz, group in zip(pair, DTMF_HZ, strict=True)
    )


def _within(hz: float, band: tuple[float, float]) -> bool:
    return band[0] <= hz <= band[1]


class ToneTracker:
    """Feed every frame; `hear` returns what has just become certain."""

    def __init__(self, beep_min_ms: int) -> None:
        self._beep_min_ms = beep_min_ms
        self._run: ToneRun | None = None
        self._ended: list[ToneRun] = []
        self._told_ced = False
        self._gap = 0
        self._before_dbov = [-127.0] * BEFORE_FRAMES

    @property
    def sounding(self) -> bool:
        """A tone too long and too clean to be a vowel is on; one that never ends is hum."""
        run = self._run
        return run is not None and TONE_MS <= run.duration_ms < HUM_MS and run.clean

    @property
    def beeping(self) -> bool:
        """A tone is on, clean or not, that is no hum of the line: a beep may be going on."""
        run = self._run
        return run is not None and 80 <= run.duration_ms < HUM_MS and run.hz >= BEEP_HZ[0] - STEADY_HZ

    def hear(self, frame: FrameFeatures, now_ms: int) -> ToneHeard | None:
        """One frame that ends at `now_ms`."""
        run = self._run
        pure = frame.level_dbov > QUIETEST_DBOV and frame.pair_purity >= PURE
        if pure and run is not None and _same(run, frame):
            self._gap = 0
            run = self._run = _longer(run, frame, now_ms)
            return self._ongoing(run)
        if run is not None and run.duration_ms >= 40 and self._gap < GAP_FRAMES:
            self._gap += 1
            return None
        self._gap = 0
        self._run = self._begun(frame, now_ms, run) if pure else None
        self._before_dbov = [*self._before_dbov[1:], frame.level_dbov]
        return None if run is None or run.duration_ms < 80 else self._over(run)

    def _begun(self, frame: FrameFeatures, now_ms: int, before: ToneRun | None) -> ToneRun:
        second_hz = 0.0 if frame.purity >= PURE else frame.second_hz
        ended = [*self._ended, before] if before is not None and before.duration_ms >= 80 else self._ended
        last_ms = ended[-1].end_ms if ended else -1_000
        silent = self._before_dbov[0] < frame.level_dbov - BEEP_RISE_DB or now_ms - last_ms <= 120
        return ToneRun(frame.tone_hz, second_hz, now_ms - FRAME_MS, now_ms, out_of_silence=silent)

    def _ongoing(self, run: ToneRun) -> ToneHeard | None:
        if _within(run.hz, CED_HZ) and not run.second_hz and run.duration_ms >= CED_MS and not self._told_ced:
            self._told_ced = True
            return ToneHeard("ced", run)
        return None

    def _over(self, run: ToneRun) -> ToneHeard | None:
        self._ended = [*self._ended, run][-4:]
        if _dtmf(run):
            return None
        if self._is_sit():
            return ToneHeard("sit", run)
        if self._is_busy():
            return ToneHeard("busy", run)
        if _within(run.hz, RINGBACK_HZ) and run.duration_ms >= RINGBACK_MS:
            return ToneHeard("ringback", run)
        if _within(run.hz, CNG_HZ) and not run.second_hz and CNG_MS[0] <= run.duration_ms <= CNG_MS[1]:
            return ToneHeard("cng", run)
        return ToneHeard("beep", run) if self._is_beep(run) else None

    def _is_beep(self, run: ToneRun) -> bool:
        lasts = self._beep_min_ms <= run.duration_ms <= BEEP_MAX_MS
        return lasts and run.clean and not run.sung and run.out_of_silence and _within(run.hz, BEEP_HZ)

    def _is_sit(self) -> bool:
        last = self._ended[-3:]
        return len(last) == 3 and all(
            _within(run.hz, band) and SIT_MS[0] <= run.duration_ms <= SIT_MS[1]
            for run, band in zip(last, SIT_HZ, strict=True)
        )

    def _is_busy(self) -> bool:
        last = self._ended[-BUSY_REPEATS:]
        if len(last) < BUSY_REPEATS or not all(_within(run.hz, BUSY_HZ) for run in last):
            return False
        on = [run.duration_ms for run in last]
        off = [later.start_ms - run.end_ms for run, later in pairwise(last)]
        regular = max(on) - min(on) <= 80 and max(off) - min(off) <= 80
        return regular and BUSY_ON_MS[0] <= on[0] <= BUSY_ON_MS[1] and BUSY_ON_MS[0] <= off[0] <= BUSY_ON_MS[1]


def _longer(run: ToneRun, frame: FrameFeatures, now_ms: int) -> ToneRun:
    """The run with one frame more; its first and last frames are edges and say nothing about its level."""
    inner = run.end_ms >= run.start_ms + 2 * FRAME_MS
    filled = inner and run.previous_dbov < run.loudest_dbov - FILLED_DB
    inner = inner and not filled
    return msgspec.structs.replace(
        run,
        end_ms=now_ms,
        previous_dbov=frame.level_dbov,
        loudest_dbov=max(run.loudest_dbov, run.previous_dbov) if inner else run.loudest_dbov,
        levels_dbov=run.levels_dbov + (run.previous_dbov if inner else 0.0),
        inner=run.inner + inner,
        filled=run.filled + filled,
        purities=run.purities + frame.pair_purity,
        drifts_hz=run.drifts_hz + min(abs(frame.tone_hz - run.hz), abs(frame.tone_hz - run.second_hz)),
        pure=run.pure + 1,
    )


def _same(run: ToneRun, frame: FrameFeatures) -> bool:
    """Two tones of nearly equal strength may swap places from frame to frame."""
    if abs(frame.tone_hz - run.hz) <= STEADY_HZ:
        return not run.second_hz or frame.purity >= PURE or abs(frame.second_hz - run.second_hz) <= 2 * STEADY_HZ
    swapped = abs(frame.second_hz - run.hz) <= STEADY_HZ and abs(frame.tone_hz - run.second_hz) <= STEADY_HZ
    return bool(run.second_hz) and swapped
