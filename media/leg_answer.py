"""Answer supervision as a leg sees it: its ear, and the gate on the way to the model. Owned by `media.leg`."""

from collections import deque
from collections.abc import Callable

from media.answer.ear import Ear, EarBatch, Tell
from media.answer.model import Deafen, ListenOnly
from media.dsp import CODECS, FORMATS
from media.protocol import NumberedReport, OpenLeg

KEPT_MS = 1_400
"""Speech ends a hold after `AnswerSettings.wake_ms`; the model must hear its beginning too."""


class HoldGate:
    """The way to the model: open, or silence instead of the callee; opening again hands on the last moments.

    What goes through is as long as what comes in, only later by up to `KEPT_MS` while it is shut.
    """

    def __init__(self, silence: bytes, bytes_per_ms: int) -> None:
        self.shut = False
        self._silence = silence
        self._limit = KEPT_MS * bytes_per_ms
        self._kept: deque[bytes] = deque()
        self._size = 0

    def feed(self, audio: bytes) -> bytes:
        """What the model gets now for this audio; empty while the last moments are being collected."""
        if not self.shut:
            return audio
        self._kept.append(audio)
        self._size += len(audio)
        passed = 0
        while self._size > self._limit:
            oldest = len(self._kept.popleft())
            self._size -= oldest
            passed += oldest
        return self._silence * passed

    def open(self) -> bytes:
        """Real audio from now on; the answer is the last moments."""
        self.shut = False
        kept = b"".join(self._kept)
        self._kept.clear()
        self._size = 0
        return kept


class LegAnswer:
    """Does nothing at all on a leg that is not supervised."""

    def __init__(
        self,
        opening: OpenLeg,
        ears: EarBatch,
        *,
        tell: Tell,
        listen_only: Callable[[bool, bool], None],
        to_model: Callable[[bytes], None],
    ) -> None:
        facts = FORMATS[opening.realtime.audio_format]
        self._ears = ears
        self._listen_only = listen_only
        self._to_model = to_model
        self._gate = HoldGate(facts.silence, facts.frame_bytes // 20)
        self._ear: Ear | None = None
        self._answered = False
        if opening.answer is not None:
            self._ear = Ear(opening.answer, CODECS[opening.codec].law, act=self._act, tell=tell)

    def answered(self, guard: Callable[..., None]) -> None:
        """Listening begins."""
        self._answered = True
        if self._ear is not None:
            self._ears.open(self._ear, guard)

    def close(self) -> None:
        """The leg is over."""
        if self._ear is not None:
            self._ears.close(self._ear)

    def feed(self, passed: list[bytes], audio_ms: int) -> None:
        """Callee audio of one slot, in the leg's codec."""
        if self._ear is not None and self._answered:
            self._ear.feed(passed, audio_ms)

    def overhear(self, report: NumberedReport) -> None:
        """A report of this leg that has just gone out."""
        if self._ear is not None and self._answered:
            self._ear.overhear(report)

    def forward(self, audio: bytes) -> None:
        """Callee audio on its way to the model, in the model's format."""
        passed = self._gate.feed(audio)
        if passed:
            self._to_model(passed)

    def _act(self, effect: Deafen | ListenOnly) -> None:
        match effect:
            case ListenOnly(on=on, owed=owed):
                self._listen_only(on, owed)
            case Deafen(on=True):
                self._gate.shut = True
            case Deafen():
                self._to_model(self._gate.open())
