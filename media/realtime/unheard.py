"""Words of the callee that no session has heard: spoken in an outage, or into a connection that was dead already.

Read off the local gate, because a dead connection tells nothing: until its ping fails, 10 to 20 s may pass. Kept
for the next session, whose turn detection then finds them. Called by `media.realtime.conversation`.
"""

from media.realtime.input_audio import RECALL_MS, InputAudio
from media.speech_gate import Confirmed, GateEvent, Onset

BEFORE_ONSET_MS = 400
"""Audio before the gate noticed a word."""


class Unheard:
    """One call's; `audio` keeps from where it is told."""

    def __init__(self, audio: InputAudio) -> None:
        self._audio = audio
        self._onset_at: float | None = None
        self._from_ms = 0
        self._sure_from: tuple[float, int] | None = None

    def gate(self, event: GateEvent, now: float, *, live: bool, heard_at: float) -> None:
        """The gate heard something, with a session there (it last said something at `heard_at`) or without."""
        match event:
            case Onset():
                self._onset_at, self._from_ms = now, self._audio.position_ms - BEFORE_ONSET_MS
                if not live:
                    self._audio.keep_from(self._from_ms)
            case Confirmed() if live and self._onset_at is not None:
                if self._sure_from is None or heard_at >= self._sure_from[0]:
                    self._sure_from = self._onset_at, self._from_ms
            case _:
                pass

    def lost(self, heard_at: float, *, noticed: bool) -> None:
        """The session is gone; it last said something at `heard_at`. What was spoken since, it never noticed,
        unless it has told that somebody speaks (`noticed`): its ear may be quicker than the gate.
        """
        sure, self._sure_from = self._sure_from, None
        if (
            sure is not None
            and not noticed
            and heard_at < sure[0]
            and self._audio.position_ms - sure[1] <= RECALL_MS
        ):
            self._audio.keep_from(sure[1])
