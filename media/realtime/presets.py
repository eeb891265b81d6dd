"""Turn detection by name: what suits a line or a moment, as `TurnDetection` and noise reduction (pure).

Values: practice of telephone agents on the Realtime API. Its defaults assume a headset; a threshold above 0.75 or
silence above 900 ms makes an agent deaf or slow. Used by whoever fills in `RealtimeSettings`.
"""

from typing import Literal

import msgspec

from media.realtime.settings import NoiseReduction, TurnDetection

TurnPreset = Literal["natural", "phone", "noisy", "digits"]


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One named way of taking turns."""

    turn_detection: TurnDetection
    noise_reduction: NoiseReduction | None = None


PRESETS: dict[TurnPreset, Preset] = {
    "natural": Preset(turn_detection=TurnDetection(type="semantic_vad", eagerness="auto")),
    "phone": Preset(
        turn_detection=TurnDetection(threshold=0.6, prefix_padding_ms=300, silence_duration_ms=600),
    ),
    "noisy": Preset(
        turn_detection=TurnDetection(threshold=0.7, prefix_padding_ms=300, silence_duration_ms=700),
        noise_reduction="far_field",
    ),
    "digits": Preset(turn_detection=TurnDetection(type="semantic_vad", eagerness="low")),
}
"""natural: by meaning. phone: by loudness, for any telephone. noisy: for loud surroundings and loudspeakers.
digits: patient, for people who read out numbers with pauses.
"""
