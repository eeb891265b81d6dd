"""Utterances in frames: what is speech, and when nobody speaks."""

import pytest

from media.answer.activity import SpeechTracker
from media.answer.features import FrameFeatures
from media.answer.tones import ToneTracker


def frame(
    level_dbov: float, *, flux: float = 0.8, flatness: float = 0.08, pair_purity: float = 0.5
) -> FrameFeatures:
    return FrameFeatures(level_dbov, 300.0, 600.0, 0.4, pair_purity, flatness, flux)


QUIET = [frame(-66)] * 30
SENTENCE = ([frame(-20)] * 6 + [frame(-32)] * 2) * 12 + [frame(-27)] * 13
"""2.2 s without a gap, dying away: its own softest tenth must not become the noise floor."""
PURE_VOWELS = ([frame(-20, pair_purity=0.93)] * 5 + [frame(-24)] * 3) * 5
NOTES = ([frame(-20, flux=0.05)] * 20 + [frame(-22)] * 3) * 2
PIANO = ([frame(-20, flux=0.35)] * 12 + [frame(-24, flux=0.45)] * 8) * 2
"""Struck strings: they change, but not as a voice does."""
NOISE = [frame(-30, flatness=0.5)] * 40

CASES = {
    "a sentence without a gap": (SENTENCE, True),
    "vowels as pure as tones": (PURE_VOWELS, True),
    "notes": (NOTES, False),
    "struck strings": (PIANO, False),
    "noise": (NOISE, False),
}


@pytest.mark.parametrize(("sound", "spoken"), CASES.values(), ids=CASES)
def test_what_is_speech(sound: list[FrameFeatures], *, spoken: bool) -> None:
    tones, speech = ToneTracker(140), SpeechTracker(1_200)
    for number, one in enumerate([*QUIET, *sound, *QUIET]):
        tones.hear(one, (number + 1) * 20)
        speech.hear(one, (number + 1) * 20, tonal=tones.sounding)
    assert (speech.spoken_ms > 0) is spoken
    assert (speech.first_ms is not None) is spoken


def test_a_gap_that_has_fallen_is_rest_at_once() -> None:
    speech = SpeechTracker(1_200)
    rests: list[int] = []
    for number, one in enumerate([*QUIET, *[frame(-20)] * 20, *QUIET]):
        speech.hear(one, (number + 1) * 20, tonal=False)
        if speech.stretch_ms and speech.resting:
            rests.append(number - 49)
    assert rests[0] == 1
