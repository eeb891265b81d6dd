"""espeak-ng: real audio when the program is there, a sentence that helps when it is not."""

import numpy as np
import pytest

from app.sim import espeak
from app.sim.voice import EspeakVoice, ToneVoice

needs_program = pytest.mark.skipif(not espeak.installed(), reason="espeak-ng is not installed")


@needs_program
@pytest.mark.parametrize("rate_hz", [8_000, 24_000])
def test_a_sentence_becomes_audio_of_speaking_length(rate_hz):
    audio = EspeakVoice().speak("Hello, this is a test.", rate_hz)

    assert audio.dtype == np.int16
    assert 0.8 < len(audio) / rate_hz < 4.0
    assert np.abs(audio.astype(int)).max() > 3_000


@needs_program
def test_text_that_looks_like_an_option_is_spoken():
    assert len(espeak.speak("--version", 8_000)) > 2_000


@needs_program
def test_nothing_to_say_is_no_audio():
    assert len(espeak.speak("  ", 8_000)) == 0


@needs_program
@pytest.mark.parametrize("language", ["klingonese", "en;rm", "-x"])
def test_an_unknown_language_is_a_clear_error(language):
    with pytest.raises(espeak.EspeakUnavailable):
        espeak.speak("hello", 8_000, language)


def test_a_missing_program_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(espeak, "PROGRAM", "espeak-ng-that-is-not-there")

    with pytest.raises(espeak.EspeakUnavailable, match="not installed"):
        espeak.speak("hello", 8_000)
    with pytest.raises(espeak.EspeakUnavailable, match="tone voice"):
        EspeakVoice()


def test_the_tone_voice_needs_nothing():
    assert len(ToneVoice().speak("hi", 8_000)) == 1_600
