"""What the models of one call have cost so far, and the goodbye when that is enough. Pure.

Used by `app.calls.conversation`.
"""

from typing import Protocol

from app.calls.talk_model import SAY_GOODBYE_TIME, Note, TalkEffect, TalkState, WantHangUp
from stasis.outcome import EndedBy


class Talk(Protocol):
    """The talk it is spent on."""

    state: TalkState

    def close_with(self, end: WantHangUp, farewell: str, now: float) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard."""
        ...


class Spending:
    """`limit_micro_usd` None: there is no limit."""

    def __init__(self, talk: Talk, limit_micro_usd: int | None) -> None:
        self._talk = talk
        self._micro_usd = 0
        self._limit = limit_micro_usd

    def add(self, micro_usd: int, now: float) -> list[TalkEffect]:
        """Count a response or a transcription; the agent says goodbye once the talk has cost what it may."""
        self._micro_usd += micro_usd
        if self._limit is None or self._micro_usd < self._limit or self._talk.state is not TalkState.TALKING:
            return []
        end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "cost limit reached")
        note = Note("cost_limit", f"{self._micro_usd} micro-USD")
        return [note, *self._talk.close_with(end, SAY_GOODBYE_TIME, now)]
