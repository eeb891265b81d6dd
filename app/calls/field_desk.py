"""Values the agent wants to write down: each waits for the callee's words before it is refused. Pure.

The model hears the callee's voice and calls `save_field` before the transcription of that turn has arrived. Used
by `app.calls.talk_tools`.
"""

from collections.abc import Callable

import msgspec

from app.calls.talk_model import Note, StoreField, TalkEffect
from app.calls.tools import SaveField
from app.domain.fields import FieldBook, NotTaken, Said
from media import protocol as media

TRANSCRIPT_WAIT_S = 3.0
"""How long the words of a turn may take; the model waits for its answer meanwhile."""
TURNS_KEPT = 400


class Outcome(msgspec.Struct, frozen=True):
    """What came of one function call: `error` empty when the value was taken down."""

    report: media.ToolCalled
    error: str
    effects: tuple[TalkEffect, ...] = ()


class FieldDesk:
    """`said` are the callee's turns so far; what is called while one is still being written waits for it."""

    def __init__(self, book: FieldBook, said: tuple[Said, ...] = ()) -> None:
        self.book = book
        self._said = list(said)
        self._unwritten = 0
        self._waiting: list[tuple[media.ToolCalled, SaveField, float]] = []

    @property
    def due(self) -> float | None:
        """When the first value has waited long enough."""
        return min((at for _, _, at in self._waiting), default=None)

    def speech_started(self) -> None:
        """Words of the callee will follow."""
        self._unwritten += 1

    def heard(self, turn: media.TurnSpoken) -> list[Outcome]:
        """A turn of the callee, written down."""
        self._unwritten = max(0, self._unwritten - 1)
        self._said.append(
            Said(
                item_id=turn.item_id,
                text=turn.text,
                start_audio_ms=turn.start_audio_ms,
                end_audio_ms=turn.end_audio_ms,
            )
        )
        del self._said[:-TURNS_KEPT]
        return self._settle(lambda _: self._unwritten == 0)

    def called(self, report: media.ToolCalled, request: SaveField, now: float) -> list[Outcome]:
        """Take a value down now, or when the words that prove it are there."""
        outcome = self._try(report, request)
        if outcome.error and self._unwritten:
            self._waiting.append((report, request, now + TRANSCRIPT_WAIT_S))
            return []
        return [outcome]

    def tick(self, now: float) -> list[Outcome]:
        """What has waited long enough is refused."""
        return self._settle(lambda at: now >= at)

    def _settle(self, over: Callable[[float], bool]) -> list[Outcome]:
        """Try all that wait again; a refusal only counts when there is nothing more to wait for."""
        settled: list[Outcome] = []
        waiting, self._waiting = self._waiting, []
        for report, request, until in waiting:
            outcome = self._try(report, request)
            if outcome.error and not over(until):
                self._waiting.append((report, request, until))
            else:
                settled.append(outcome)
        return settled

    def _try(self, report: media.ToolCalled, request: SaveField) -> Outcome:
        taken = self.book.save(request.name, msgspec.json.decode(request.value), request.quote, self._said)
        if isinstance(taken, NotTaken):
            return Outcome(report, taken.sentence)
        note = Note("field_saved", f"{taken.name} = {taken.value[:200]}: {taken.evidence.quote[:200]!r}")
        return Outcome(report, "", (note, StoreField(taken)))
