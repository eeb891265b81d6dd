"""Answer supervision on a living leg: callee audio in, features of all legs in one go, effects carried out.

`EarBatch` belongs to the engine and runs every 40 ms over what all ears have collected; an ear whose verdict needs
no listening any more costs nothing. `Ear` belongs to a leg: it turns effects into reports and into the few things
that must happen at once (a model that hears nothing during hold music, one that listens without answering).
"""

from collections.abc import Callable
from typing import assert_never

import numpy as np

from media.answer.features import FRAME_MS, FRAME_SAMPLES, FeatureBank, frames_of
from media.answer.model import (
    ENDS,
    AgentHeard,
    AnswerSettings,
    Deafen,
    Decided,
    HangUp,
    Heard,
    Input,
    KeyHeard,
    LeaveMessage,
    ListenOnly,
    ModelSays,
    SayIdentity,
    Tick,
    Verdict,
    Words,
)
from media.answer.supervision import Supervision
from media.g711 import G711Law, Int16Array
from media.report_types import AnswerTreatment, AnswerVerdict, DtmfHeard, ToolCalled, TurnPartial, TurnSpoken

ROWS = 128
RUN_EVERY_TICKS = 8
"""Of 5 ms."""
WATCH_MS, REST = 4_000, 3
LATE_MS = 200
"""Audio that comes brings its own time; when it is this late there is none."""
HEARD_MS = 700
"""An agent turn of which less was heard changed nothing."""
REPORT_VOICEMAIL = "report_voicemail"

Tell = Callable[..., None]


class Ear:
    """One supervised leg. `act` is told of `ListenOnly` and `Deafen`, `tell` makes reports of this leg."""

    def __init__(
        self,
        settings: AnswerSettings,
        law: G711Law | None,
        *,
        act: Callable[[Deafen | ListenOnly], None],
        tell: Tell,
    ) -> None:
        self.row = -1
        self._law = law
        self._supervision = Supervision(settings)
        self._act = act
        self._tell = tell
        self._audio = bytearray()
        self._heard_ms = 0

    @property
    def listening(self) -> bool:
        """Sound can still change something."""
        return self._supervision.verdict not in ENDS

    def feed(self, passed: list[bytes], audio_ms: int) -> None:
        """Callee audio of one slot as it passed (law bytes, or 16 kHz PCM); `audio_ms` since the answer."""
        if not self.listening:
            return
        audio = b"".join(passed)
        if self._supervision.final and self._supervision.verdict is Verdict.HUMAN and self._resting(audio_ms):
            self._heard_ms += len(audio) // (8 if self._law is not None else 32)
            return
        self._audio += audio
        if audio_ms >= self._heard_ms + LATE_MS:
            self._tick(audio_ms)

    def _resting(self, audio_ms: int) -> bool:
        """With a person on the line only hold music and busy tones are looked for, in 4 of every 12 seconds."""
        return audio_ms // WATCH_MS % REST != 0

    def take(self) -> Int16Array | None:
        """Whole frames at 8 kHz collected since the last take."""
        frame_bytes = FRAME_SAMPLES * (1 if self._law is not None else 4)
        size = len(self._audio) // frame_bytes * frame_bytes
        if not size:
            return None
        audio = bytes(self._audio[:size])
        del self._audio[:size]
        if self._law is not None:
            return self._law.decode_bytes(audio)
        pairs = np.frombuffer(audio, np.int16).astype(np.int32).reshape(-1, 2)
        return (pairs.sum(axis=1) >> 1).astype(np.int16)

    def hear(self, features: np.ndarray) -> None:
        """Features of the frames taken."""
        for frame in frames_of(features):
            self._heard_ms += FRAME_MS
            self._put(Heard(frame))

    def overhear(self, report: object) -> None:
        """A report of this leg on its way to the control process: words, tools, keys, the agent's turns."""
        match report:
            case TurnSpoken(speaker="callee", text=text):
                self._put(Words(text))
            case TurnPartial(speaker="callee", text=text):
                self._put(Words(text, final=False))
            case TurnSpoken(
                speaker="agent", heard_ms=heard_ms, interrupted=interrupted, generated_ms=generated_ms
            ):
                if (heard_ms if interrupted else max(heard_ms, generated_ms)) >= HEARD_MS:
                    self._put(AgentHeard())
            case ToolCalled(name=name) if name == REPORT_VOICEMAIL:
                self._put(ModelSays())
            case DtmfHeard(digit=digit):
                self._put(KeyHeard(digit))
            case _:
                pass

    def _tick(self, audio_ms: int) -> None:
        """Time passes though no audio comes."""
        deadline = self._supervision.next_deadline_ms
        if deadline is not None and audio_ms >= deadline + LATE_MS:
            self._heard_ms = max(self._heard_ms, deadline)
            self._put(Tick())

    def _put(self, event: Input) -> None:
        for effect in self._supervision.handle(event, self._heard_ms):
            match effect:
                case Decided():
                    self._tell(
                        AnswerVerdict,
                        verdict=str(effect.verdict),
                        final=effect.final,
                        decision_ms=effect.at_ms,
                        evidence=effect.evidence,
                    )
                case LeaveMessage(evidence=evidence):
                    self._treat("leave_message", evidence)
                case SayIdentity():
                    self._treat("say_identity", "call screening")
                case HangUp(reason=reason, mark_number=mark):
                    self._treat("hang_up", reason, mark)
                case ListenOnly(on=on):
                    self._treat("listen_only" if on else "respond", "")
                    self._act(effect)
                case Deafen(on=on):
                    self._treat("wait" if on else "wake", "hold music" if on else "somebody speaks")
                    self._act(effect)
                case _:
                    assert_never(effect)

    def _treat(self, action: str, reason: str, mark_number: str | None = None) -> None:
        fields = {"action": action, "reason": reason, "mark_number": mark_number, "audio_ms": self._heard_ms}
        self._tell(AnswerTreatment, **fields)


class EarBatch:
    """The ears of an engine."""

    def __init__(self) -> None:
        self._banks: list[FeatureBank] = []
        self._free: list[int] = []
        self._ears: list[tuple[Ear, Callable[..., None]]] = []
        self._ticks = 0

    def open(self, ear: Ear, guard: Callable[..., None]) -> None:
        """Listen with this ear; what a decision of its leg raises goes to `guard`."""
        if not self._free:
            self._free = [len(self._banks) * ROWS + row for row in reversed(range(ROWS))]
            self._banks.append(FeatureBank(ROWS))
        ear.row = self._free.pop()
        self._banks[ear.row // ROWS].reset(ear.row % ROWS)
        self._ears.append((ear, guard))

    def close(self, ear: Ear) -> None:
        """Give the row back."""
        self._ears = [entry for entry in self._ears if entry[0] is not ear]
        if ear.row >= 0:
            self._free.append(ear.row)
            ear.row = -1

    def run(self) -> None:
        """Called every 5 ms; every 40 ms all that was collected is listened to."""
        self._ticks += 1
        if self._ticks % RUN_EVERY_TICKS or not self._ears:
            return
        groups: dict[tuple[int, int], list[tuple[Ear, Callable[..., None], Int16Array]]] = {}
        for ear, guard in self._ears:
            samples = ear.take()
            if samples is not None:
                groups.setdefault((ear.row // ROWS, samples.size), []).append((ear, guard, samples))
        for (bank, _), entries in groups.items():
            rows = np.fromiter((ear.row % ROWS for ear, _, _ in entries), np.intp, len(entries))
            features = self._banks[bank].process(rows, np.stack([samples for _, _, samples in entries]))
            for (ear, guard, _), one in zip(entries, features, strict=True):
                guard(ear.hear, one)
