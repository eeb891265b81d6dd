"""The callee's time line as audio in the leg's codec: law bytes, or PCM16 at 16 kHz for G.722; and is it quiet?

Called by `media.leg_audio` for each frame in its order, since a G.722 decoder must follow the far encoder.
"""

import numpy as np

from media.dsp import attenuation
from media.g711 import G711Law
from media.g722 import G722Decoder
from media.levels import mean_square
from media.speech_gate import AUDIBLE_SQUARE
from media.timeline import Frame, FrameKind

_WIDE_BYTES = 4
"""Of PCM16 at 16 kHz for each tick of the RTP clock."""


class CalleeCodec:
    """One leg's. `law` None is G.722."""

    def __init__(self, law: G711Law | None) -> None:
        self.quiet_square = AUDIBLE_SQUARE
        """Mean square below which nobody speaks on this line."""
        self._law = law
        self._decoder = G722Decoder()
        self._last_pcm = b""
        self._looked_at: tuple[bytes, bytes] | None = None  # a payload, and its samples

    def is_quiet(self, payload: bytes) -> bool:
        """Whether nobody speaks in the packet that comes next."""
        if self._law is not None:
            return float(self._law.mean_square(np.frombuffer(payload, np.uint8))) < self.quiet_square
        pcm = self._decoded(payload)
        self._looked_at = payload, pcm
        return float(mean_square(np.frombuffer(pcm, np.int16))) < self.quiet_square

    def audio(self, frame: Frame) -> bytes:
        """One frame. Repeats and silence do not touch the decoder."""
        return self._wide(frame) if self._law is None else _narrow(frame, self._law)

    def _wide(self, frame: Frame) -> bytes:
        match frame.kind:
            case FrameKind.AUDIO:
                self._last_pcm = self._decoded(frame.payload or b"")
                return self._last_pcm
            case FrameKind.FILL:
                size = len(frame.payload or b"") * _WIDE_BYTES
                repeated = np.frombuffer(self._last_pcm[:size].ljust(size, b"\x00"), np.int16)
                return (repeated >> frame.attenuation_steps).tobytes()
            case FrameKind.SILENCE:
                return bytes(frame.duration_samples * _WIDE_BYTES)

    def _decoded(self, payload: bytes) -> bytes:
        seen, self._looked_at = self._looked_at, None
        if seen is not None and seen[0] is payload:
            return seen[1]
        return self._decoder.decode(payload).tobytes()


def _narrow(frame: Frame, law: G711Law) -> bytes:
    match frame.kind:
        case FrameKind.AUDIO:
            return frame.payload or b""
        case FrameKind.FILL:
            return (frame.payload or b"").translate(attenuation(law.name, frame.attenuation_steps))
        case FrameKind.SILENCE:
            return law.silence * frame.duration_samples
