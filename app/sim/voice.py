"""What the simulators speak with: tones that tests can read back, or espeak-ng for human ears."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.sim import espeak, tonevoice


class Voice(Protocol):
    """Text to int16 audio. May block for tens of milliseconds: call it in a thread from an event loop."""

    def speak(self, text: str, rate_hz: int) -> NDArray[np.int16]:
        """`text` as mono samples at 8000, 16000 or 24000 Hz."""
        ...


class ToneVoice:
    """The tone language of `app.sim.tonevoice`."""

    def speak(self, text: str, rate_hz: int) -> NDArray[np.int16]:
        """Tones; a listener finds the normalized text in them."""
        return tonevoice.speak(text, rate_hz)


class EspeakVoice:
    """The espeak-ng program; raises `EspeakUnavailable` at once when it is missing."""

    def __init__(self, language: str = "en") -> None:
        if not espeak.installed():
            raise espeak.EspeakUnavailable("espeak-ng is not installed: install it, or use the tone voice")
        self.language = language

    def speak(self, text: str, rate_hz: int) -> NDArray[np.int16]:
        """Synthetic speech in the voice's language."""
        return espeak.speak(text, rate_hz, self.language)
