"""Speech, silence, noise and music in the callee's audio, frame by frame (pure).

Speech rises above the noise floor and falls again, and its spectrum changes from frame to frame; music stands
still between notes; noise does neither. Measured on the tuning clips of `scripts/bench answer`: of loud frames,
speech has at most 28 % with a flux below 0.3, music mostly more than 40 %; within 1.5 s speech spans 20 dB, noise
at most 11 dB.
"""

from bisect import bisect_left, insort
from collections import deque
from itertools import islice
from math import log2
from typing import Final

from media.answer.features import FRAME_MS, FrameFeatures

FLOOR_FRAMES: Final = 150
FLOOR_RANK: Final = 0.1
"""The noise floor is the tenth percentile of the last 3 s: half of that is one sentence without a gap."""
LOWEST_FLOOR_DBOV: Final = -66.0
ABOVE_FLOOR_DB: Final = 9.0
QUIETEST_SPEECH_DBOV: Final = -54.0
BRIDGE_MS: Final = 220
"""Shorter gaps belong to the utterance."""
FALL_DB: Final = 8.0
"""An utterance ends in a fall; a sound the noise floor rose up to was noise."""
NOISE_FLATNESS: Final = 0.36
MUSIC_UTTERANCE: Final = 0.45
"""From this share of steady frames an utterance is notes: people have 0.33, 2 % of their shortest words more."""
VOICE_FLUX: Final = 0.5
"""Mean flux of an utterance: 99.5 % of what people answer with have more, struck strings half of it."""
SHORTEST_MS: Final = 160
"""Clicks are shorter than any word."""

LOUD_DBOV: Final = -50.0
BELOW_PEAK_DB: Final = 15.0
PEAK_FALLS_DB: Final = 0.1
"""Loud is near the recent peak, which falls by 5 dB a second: hum under a voice is not."""
NOTES: Final = 3
NOTES_FRAMES: Final = 400
NOTE_FRAMES: Final = 4
"""Music has had three notes of 80 ms within 8 s; hum and busy tones have one or two."""
STEADY_FLUX: Final = 0.3
MUSIC_STEADY_SHARE: Final = 0.40
MUSIC_PART_SHARE: Final = 0.3
MUSIC_LOUD_SHARE: Final = 0.5
QUIET_DB: Final = 20.0
"""So far below the peak there is a pause: between any two words, and in no song that a beat runs through."""
MUSIC_FLUX, PAUSE_WEIGHT = 0.62, 1.05
"""Music with drums and voices is not steady, but changes less than speech (mean flux over 3 s: 0.37 to 0.62, of
real recordings of speech 0.65 to 0.98) and has no pauses, of which speech has 7 to 50 %."""
MUSIC_PART_FLUX: Final = 0.70
SPEECH_STEADY_SHARE: Final = 0.22
SPEECH_FLUX: Final = 0.6


class SpeechTracker:
    """Utterances of the callee. `now_ms` is the end of the newest frame."""

    def __init__(self, long_pause_ms: int) -> None:
        self._long_pause_ms = long_pause_ms
        self._stretch_from_ms = 0
        self.first_ms: int | None = None
        """Where the first utterance began."""
        self.spoken_ms = 0
        """Active time of all utterances."""
        self.utterance_ms = 0
        """Active time of the utterance that is going on, or was last."""
        self.last_active_ms = 0
        self.speaking = False
        """An utterance is going on (gaps up to `BRIDGE_MS` included)."""
        self._recent: deque[float] = deque(maxlen=FLOOR_FRAMES)
        self._sorted: list[float] = []
        self._start_ms = 0
        self._levels = 0.0
        self._flatness = self._flux = 0.0
        self._steady = 0
        self._quiet_level = 0.0
        self._quiet_frames = 0

    @property
    def floor_dbov(self) -> float:
        """The noise floor."""
        return max(LOWEST_FLOOR_DBOV, self._sorted[int(len(self._sorted) * FLOOR_RANK)]) if self._sorted else 0.0

    def pause_ms(self, now_ms: int) -> int:
        """Silence since the last speech, or since the answer."""
        return max(0, now_ms - self.last_active_ms)

    def hear(self, frame: FrameFeatures, now_ms: int, *, tonal: bool) -> None:
        """One frame that ends at `now_ms`; tones are no speech."""
        level = frame.level_dbov
        self._remember(level)
        if tonal:
            self._drop()
            return
        if level > max(self.floor_dbov + ABOVE_FLOOR_DB, QUIETEST_SPEECH_DBOV):
            self._active(frame, now_ms)
        elif self.speaking:
            self._quiet_level += level
            self._quiet_frames += 1
            if now_ms - self.last_active_ms > BRIDGE_MS:
                self._end()

    @property
    def resting(self) -> bool:
        """Nobody speaks now: between two utterances, or in a gap of one that has clearly fallen."""
        return not self.speaking or (self.convincing and self.has_fallen)

    @property
    def stretch_ms(self) -> int:
        """Active time since the last long pause."""
        going_on = self.utterance_ms if self.speaking and self.convincing else 0
        return self.spoken_ms - self._stretch_from_ms + going_on

    @property
    def convincing(self) -> bool:
        """The utterance that is going on, or was last, is speech and neither noise nor notes."""
        frames = self.utterance_ms // FRAME_MS
        if self.utterance_ms < SHORTEST_MS or self._steady >= MUSIC_UTTERANCE * frames:
            return False
        return self._flatness / frames < NOISE_FLATNESS and self._flux / frames >= VOICE_FLUX

    @property
    def has_fallen(self) -> bool:
        """The level since the last speech is clearly below that of the speech."""
        if not self._quiet_frames or not self.utterance_ms:
            return False
        level = self._levels / (self.utterance_ms // FRAME_MS)
        return self._quiet_level / self._quiet_frames < level - FALL_DB

    def _active(self, frame: FrameFeatures, now_ms: int) -> None:
        if not self.speaking:
            self.speaking = True
            if now_ms - self.last_active_ms > self._long_pause_ms:
                self._stretch_from_ms = self.spoken_ms
            self._start_ms = now_ms - FRAME_MS
            self.utterance_ms = 0
            self._levels = self._flatness = self._flux = 0.0
            self._steady = 0
        self._quiet_level, self._quiet_frames = 0.0, 0
        self.utterance_ms += FRAME_MS
        self._levels += frame.level_dbov
        self._flatness += frame.flatness
        self._flux += frame.flux
        self._steady += frame.flux < STEADY_FLUX
        self.last_active_ms = now_ms

    def _end(self) -> None:
        self.speaking = False
        if self.convincing and self.has_fallen:
            self.spoken_ms += self.utterance_ms
            if self.first_ms is None:
                self.first_ms = self._start_ms
        else:
            self.utterance_ms = 0

    def _drop(self) -> None:
        """A tone began: its first frames were no utterance."""
        if self.speaking:
            if self.utterance_ms <= SHORTEST_MS:
                self.speaking = False
                self.utterance_ms = 0
            else:
                self._quiet_level, self._quiet_frames = LOWEST_FLOOR_DBOV, 1
                self._end()

    def _remember(self, level: float) -> None:
        if len(self._recent) == FLOOR_FRAMES:
            del self._sorted[bisect_left(self._sorted, self._recent[0])]
        self._recent.append(level)
        insort(self._sorted, level)


class MusicTracker:
    """Whether the last seconds were music, and whether the last moment was speech in spite of it."""

    def __init__(self, window_ms: int, wake_ms: int) -> None:
        self._frames: deque[tuple[bool, bool, float, bool]] = deque(maxlen=window_ms // FRAME_MS)
        self._moment: deque[tuple[bool, float]] = deque(maxlen=wake_ms // FRAME_MS)
        self._loud = self._steady = self._quiet = 0
        self._flux = 0.0
        self._peak_dbov = LOUD_DBOV
        self._melody: deque[int] = deque(maxlen=NOTES_FRAMES)
        self._notes: dict[int, int] = {}
        self._moment_loud = self._moment_steady = 0
        self._moment_flux = 0.0

    def hear(self, frame: FrameFeatures) -> None:
        """The next frame."""
        self._peak_dbov = max(frame.level_dbov, self._peak_dbov - PEAK_FALLS_DB)
        loud = frame.level_dbov > max(LOUD_DBOV, self._peak_dbov - BELOW_PEAK_DB)
        steady = loud and frame.flux < STEADY_FLUX
        if len(self._frames) == self._frames.maxlen:
            old_loud, old_steady, gone, old_quiet = self._frames[0]
            self._loud -= old_loud
            self._steady -= old_steady
            self._flux -= gone
            self._quiet -= old_quiet
        flux, quiet = frame.flux if loud else 0.0, frame.level_dbov < self._peak_dbov - QUIET_DB
        self._frames.append((loud, steady, flux, quiet))
        self._loud += loud
        self._steady += steady
        self._flux += flux
        self._quiet += quiet
        if steady:
            self._note(round(12 * log2(frame.tone_hz / 200)) + 1)
        if len(self._moment) == self._moment.maxlen:
            old_loud, old_flux = self._moment[0]
            self._moment_loud -= old_loud
            self._moment_steady -= old_loud and old_flux < STEADY_FLUX
            self._moment_flux -= old_flux
        self._moment.append((loud, flux))
        self._moment_loud += loud
        self._moment_steady += steady
        self._moment_flux += flux

    @property
    def playing(self) -> bool:
        """Music fills the window: loud, steady most of the time or moving without a pause, more than one note."""
        size = self._frames.maxlen or 1
        if len(self._frames) < size or self._loud < MUSIC_LOUD_SHARE * size:
            return False
        if sum(1 for count in self._notes.values() if count >= NOTE_FRAMES) < NOTES:
            return False
        thirds = [self._third(part, size // 3) for part in range(3)]
        if any(loud < 10 for loud, _, _ in thirds):
            return False
        # Speech and then a beep are steady on the whole, music in every third of the window.
        if self._steady >= MUSIC_STEADY_SHARE * self._loud:
            return all(steady >= MUSIC_PART_SHARE * loud for loud, steady, _ in thirds)
        flowing = self._flux / self._loud + PAUSE_WEIGHT * self._quiet / size < MUSIC_FLUX
        return flowing and all(flux < MUSIC_PART_FLUX * loud for loud, _, flux in thirds)

    def _third(self, part: int, size: int) -> tuple[int, int, float]:
        """Loud frames, steady frames, sum of flux."""
        frames = list(islice(self._frames, part * size, (part + 1) * size))
        return sum(one[0] for one in frames), sum(one[1] for one in frames), sum(one[2] for one in frames)

    @property
    def speech_like(self) -> bool:
        """The last moment sounded like speech."""
        size, loud = self._moment.maxlen or 1, self._moment_loud
        if len(self._moment) < size or loud < 0.5 * size:
            return False
        return self._moment_steady < SPEECH_STEADY_SHARE * loud and self._moment_flux / loud > SPEECH_FLUX

    def _note(self, semitone: int) -> None:
        if len(self._melody) == NOTES_FRAMES:
            self._notes[self._melody[0]] -= 1
        self._melody.append(semitone)
        self._notes[semitone] = self._notes.get(semitone, 0) + 1
