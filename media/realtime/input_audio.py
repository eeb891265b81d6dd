"""The callee's audio on its way to the model, and the clock it makes: position 0 is the moment of the answer.

The server counts the audio appended to *its* session; `call_ms` turns such a position into one of the call. While
no session is configured the last second is kept for the next one, what is older is dropped: nobody wants an answer
to the silence of an outage. Speech is the exception: what the callee says in an outage, or was saying when it
began, is kept from its first word on (`keep_from`), and what was said and not written down can be had again
(`between`).
"""

from collections import deque

from media.realtime.client_events import append_frame
from media.realtime.settings import AudioFormat

KEPT_MS = 1_000
RECALL_MS = 12_000
"""How far back the callee's own words can be fetched."""

BYTES_PER_MS: dict[AudioFormat, int] = {"audio/pcmu": 8, "audio/pcma": 8, "audio/pcm": 48}
"""G.711 at 8 kHz, 16 bit PCM at 24 kHz."""


class InputAudio:
    """Counts every byte offered since the answer, forwarded or not."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.bytes_per_ms = BYTES_PER_MS[audio_format]
        self.answered = False
        self._open = False
        self._offered_bytes = 0
        self._base_bytes = 0
        self._kept: deque[bytes] = deque()
        self._kept_bytes = 0
        self._dropped_bytes = 0
        self._frames = 0
        self._keep_bytes = KEPT_MS * self.bytes_per_ms
        self._recall: deque[bytes] = deque()
        self._recall_bytes = 0

    @property
    def position_ms(self) -> int:
        """Audio of the callee since the answer, ms."""
        return self._offered_bytes // self.bytes_per_ms

    @property
    def dropped_ms(self) -> int:
        """Audio the model never got, ms."""
        return self._dropped_bytes // self.bytes_per_ms

    def append(self, audio: bytes) -> bytes | None:
        """The frame to send for this audio, or None when it is kept for later, or too early to be heard."""
        if not self.answered:
            return None
        self._offered_bytes += len(audio)
        self._remember(audio)
        if self._open:
            self._frames += 1
            return append_frame(audio, self._frames)
        self._keep(audio)
        return None

    def open(self, before_bytes: int = 0) -> list[bytes]:
        """A session is configured: what was kept, to be appended to it first. `before_bytes` of earlier words were
        appended already, so its clock does not begin at 0.
        """
        self._open = True
        self._base_bytes = self._offered_bytes - self._kept_bytes - before_bytes
        kept = [b"".join(self._kept)] if self._kept else []
        self._kept.clear()
        self._kept_bytes = 0
        self._keep_bytes = KEPT_MS * self.bytes_per_ms
        return kept

    def keep_from(self, position_ms: int) -> None:
        """The callee has been speaking since then, and no session hears it: keep all of it for the next one."""
        words = self.between(position_ms, self.position_ms)
        if not self._open and len(words) > self._kept_bytes:
            self._kept = deque([words])
            self._kept_bytes = len(words)
        self._keep_bytes = RECALL_MS * self.bytes_per_ms

    def between(self, start_ms: int, end_ms: int) -> bytes:
        """Audio of the call, as far back as it is remembered."""
        audio = b"".join(self._recall)
        first = self._offered_bytes - len(audio)
        start, end = (max(0, at * self.bytes_per_ms - first) for at in (start_ms, end_ms))
        return audio[start:end]

    def shut(self) -> None:
        """The session is gone."""
        self._open = False

    def lose(self, lost_bytes: int) -> None:
        """Frames given out by `append` were not sent after all: the server's clock falls behind ours."""
        self._dropped_bytes += lost_bytes
        self._base_bytes += lost_bytes

    def call_ms(self, session_ms: int) -> int:
        """A position in the server's session as a position in the call, never beyond what was appended."""
        return max(0, min(self._base_bytes // self.bytes_per_ms + session_ms, self.position_ms))

    def _keep(self, audio: bytes) -> None:
        self._kept.append(audio)
        self._kept_bytes += len(audio)
        while self._kept_bytes > self._keep_bytes:
            dropped = len(self._kept.popleft())
            self._kept_bytes -= dropped
            self._dropped_bytes += dropped

    def _remember(self, audio: bytes) -> None:
        self._recall.append(audio)
        self._recall_bytes += len(audio)
        while self._recall_bytes > RECALL_MS * self.bytes_per_ms:
            self._recall_bytes -= len(self._recall.popleft())
