"""The callee's time line: stretches of audio, of repeats and of silence without hole or overlap (pure)."""

from enum import StrEnum

import msgspec


class FrameKind(StrEnum):
    """What a frame of the time line is made of."""

    AUDIO = "audio"
    FILL = "fill"
    SILENCE = "silence"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the callee's time line; stretches follow each other without hole or overlap.

    Positions and durations are RTP clock ticks. AUDIO carries the peer's payload. FILL carries the last good
    payload, to be repeated at `-6 dB * attenuation_steps`. SILENCE has no payload and any length.
    """

    kind: FrameKind
    position_samples: int
    duration_samples: int
    payload: bytes | None = None
    attenuation_steps: int = 0
