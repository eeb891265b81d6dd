"""Whether a call is recorded now: begun by the calling rules or by a clear yes, stopped by an objection. Pure.

The model proposes with the function `recording_consent`; the callee's own words decide, and what is unclear is not
recorded. Part of `app.calls.talk_tools`; the file is `media.leg_recording`.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from app.calls.talk_model import Note, TalkEffect, ToMedia, TransferMoved
from app.calls.tools import RecordingConsent
from app.domain.fields import Said, find_quote
from app.domain.recording_consent import agreed, names_recording, objects
from media import protocol as media
from stasis.transfer_model import TransferState

Mode = Literal["off", "on", "ask"]
"""off: never; on: from the answer, until somebody objects; ask: only after a yes."""
STARTED, STOPPED, DECLINED = "recording_started", "recording_stopped", "recording_declined"
NOT_SAID = "They did not say that: {words}. Nothing is recorded."
NOT_ASKED = "The question has not been heard in full before they said it. Nothing is recorded; ask it again."
NOT_CLEAR = "That is no clear yes, so nothing is recorded. Go on without a recording; do not persuade them."
NOT_NOW = (
    "That is no answer to the question any more, so nothing is recorded; go on without. Do not persuade them."
)
FIRST_TURNS = 2
"""Of the callee after the question: a yes in a later one answers something else, unless it names a recording."""
WORDS_S = 3.0
"""How long the transcript of a turn may take."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of one function call: `error` empty when it was taken."""

    report: media.ToolCalled
    error: str
    recorded: bool
    effects: tuple[TalkEffect, ...] = ()


def recorded_before(noted: str | None, said: Sequence[Said]) -> bool | None:
    """What a former process had come to, by its newest event of ours and the callee's words; None: to nothing yet.
    Its last events may be lost, so an objection in the words counts whatever was noted.
    """
    if any(objects(one.text) for one in said):
        return False
    return None if noted is None else noted == STARTED


class Opening(Protocol):
    """What the callee has been told."""

    @property
    def told_ms(self) -> int | None:
        """Where they had heard that the call is recorded, or shall be; None: not yet."""
        ...

    @property
    def asked_ms(self) -> int | None:
        """Where they had heard the question whether it may be, for certain; None: not yet."""
        ...


class Recording:
    """Of one talk. `running`: what a former process had come to; `aside`: it had begun a transfer."""

    def __init__(
        self, call_id: str, mode: Mode, opening: Opening, *, running: bool | None = None, aside: bool = False
    ) -> None:
        self.mode = mode
        self.running = mode == "on" if running is None else running
        """The callee has not objected, and has agreed where that is asked for."""
        self._aside = aside  # somebody else may be on the line, whom nobody has told
        self._call_id = call_id
        self._opening = opening
        self._said: list[Said] = []
        self._answered = running is not None
        self._refused_ms: int | None = None if running is None or running else 0
        self._refused_words = ""  # a no that the model heard and that is not written down yet
        self._waiting: tuple[media.ToolCalled, RecordingConsent, float] | None = None

    @property
    def due(self) -> float | None:
        """When words have been waited for long enough."""
        return None if self._waiting is None else self._waiting[2]

    def called(self, report: media.ToolCalled, request: RecordingConsent, now: float) -> list[Outcome]:
        """The model heard an answer. A no counts at once, a yes when its words are written down."""
        if not request.given:
            dropped = self._drop(NOT_NOW)
            self._refused_words = request.words
            return [*dropped, Outcome(report, "", recorded=False, effects=tuple(self._stop(request.words)))]
        dropped = self._drop("Another call of this function took its place.")
        outcome = self._try(report, request)
        if outcome is None:
            self._waiting = (report, request, now + WORDS_S)
            return dropped
        return [*dropped, outcome]

    def heard(self, turn: media.TurnSpoken, *, talking: bool) -> tuple[list[TalkEffect], list[Outcome]]:
        """A turn of the callee was written down. `talking`: with the agent; to others they agree to nothing."""
        said = Said(
            item_id=turn.item_id,
            text=turn.text,
            start_audio_ms=turn.start_audio_ms,
            end_audio_ms=turn.end_audio_ms,
        )
        if talking:
            self._said = [*self._said, said][-40:]
        if self._refused_words and find_quote(self._refused_words, [said]) is not None:
            self._refused_words, self._refused_ms = "", max(self._refused_ms or 0, said.end_audio_ms)
        if self._refused(said):
            stopped = self._stop(turn.text, until_ms=said.end_audio_ms)
            return stopped, self._drop(NOT_CLEAR)
        if not talking:
            return [], self._drop(NOT_NOW)
        waiting = self._waiting
        if waiting is None or (outcome := self._try(waiting[0], waiting[1])) is None:
            return [], []
        self._waiting = None
        return [], [outcome]

    def tick(self, now: float) -> list[Outcome]:
        """Words that never came prove nothing."""
        if self._waiting is None or now < self._waiting[2]:
            return []
        return self._drop(NOT_SAID.format(words=self._waiting[1].words))

    def somebody_else(self) -> tuple[list[TalkEffect], list[Outcome]]:
        """Whoever speaks next may not be who agreed: they are asked anew, and what they say counts anew."""
        dropped = self._drop(NOT_NOW)
        self._answered, self._said = False, []
        if self.mode != "ask" or not self.running:
            return [], dropped
        self.running = False
        return [Note(STOPPED, "somebody else may speak, who has not agreed"), self._record()], dropped

    def moved(self, news: TransferMoved) -> list[TalkEffect]:
        """During a transfer nothing is recorded: the agent may speak with somebody who has not agreed."""
        was, self._aside = self._aside, news.state is not TransferState.OVER
        return [self._record()] if self.running and self._aside is not was else []

    def again(self) -> list[TalkEffect]:
        """Another media worker has the call; its leg records nothing before it is told to."""
        return [self._record()] if self.running and not self._aside else []

    def follow(self) -> list[TalkEffect]:
        """Another control process has the call; whether the leg had heard the last word is not known."""
        return [self._record()]

    def _drop(self, why: str) -> list[Outcome]:
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [Outcome(waiting[0], why, recorded=self.running)]

    def _try(self, report: media.ToolCalled, request: RecordingConsent) -> Outcome | None:
        found = find_quote(request.words, self._said)
        if found is None:
            return None
        error = self._why_not(found)
        if error or self.running or self.mode == "off":
            return Outcome(report, error, recorded=self.running)
        self.running = self._answered = True
        return Outcome(report, "", recorded=True, effects=(Note(STARTED, found.text[:300]), self._record()))

    def _why_not(self, found: Said) -> str:
        """Why these words are no consent; empty when they are one."""
        asked_ms = self._opening.asked_ms
        if asked_ms is None or found.end_audio_ms < asked_ms:
            return NOT_ASKED
        if agreed(found.text) != "yes":
            return NOT_CLEAR
        refused_ms = self._refused_ms
        if refused_ms is not None and found.start_audio_ms <= refused_ms:
            return NOT_NOW
        first = [said for said in self._said if said.end_audio_ms >= asked_ms][:FIRST_TURNS]
        plainly = refused_ms is None and found in first
        return "" if plainly or names_recording(found.text) else NOT_NOW

    def _refused(self, said: Said) -> bool:
        """By rule, beside the model: an objection at any time, a no in the first answer to what was said of it."""
        if objects(said.text):
            return True
        told_ms = self._opening.told_ms
        first = told_ms is not None and said.end_audio_ms >= told_ms and not self._answered
        self._answered = self._answered or first
        return first and agreed(said.text) == "no"

    def _stop(self, words: str, *, until_ms: int | None = None) -> list[TalkEffect]:
        """The leg is told whatever is known of it here: it may record what a former process had begun."""
        known_ms = max((said.end_audio_ms for said in self._said), default=0)
        self._refused_ms = max(self._refused_ms or 0, known_ms if until_ms is None else until_ms)
        self._answered = True
        was, self.running = self.running, False
        noted = [] if self.mode == "off" else [Note(STOPPED if was else DECLINED, words[:300])]
        return [*noted, self._record()]

    def _record(self) -> ToMedia:
        return ToMedia(media.Record(call_id=self._call_id, on=self.running and not self._aside))
