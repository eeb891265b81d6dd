"""What is said into a silence: company to a callee who waits for us, a question to one who may be gone. Pure.

Part of `app.calls.conversation`; how long it has lasted is known to `app.calls.silence`.
"""

from collections.abc import Callable
from typing import Protocol

from app.calls.silence import Silence
from app.calls.talk_model import (
    ASK_IF_PRESENT,
    KEEP_COMPANY,
    SAY_GOODBYE_SILENT,
    Note,
    TalkEffect,
    ToMedia,
    WantHangUp,
)
from media import protocol as media
from stasis.outcome import EndedBy


class Talk(Protocol):
    """The talk in which nobody speaks."""

    call_id: str

    def close_with(
        self, end: WantHangUp, farewell: str, now: float, *, revocable: bool = False
    ) -> list[TalkEffect]:
        """Say the farewell, hang up when it has been heard. `revocable`: unless the callee speaks."""
        ...


class NoInput:
    """`waited_for`: the callee waits for something of ours at this moment."""

    def __init__(self, talk: Talk, silence: Silence, waited_for: Callable[[float], bool]) -> None:
        self._talk = talk
        self._silence = silence
        self._waited_for = waited_for

    def tick(self, now: float) -> list[TalkEffect]:
        """Once for each silence that has lasted long enough."""
        if self._waited_for(now):
            return [self._say(KEEP_COMPANY)] if self._silence.company(now) else []
        match self._silence.passed(now):
            case "ask":
                return [Note("no_input", str(self._silence.asked)), self._say(ASK_IF_PRESENT)]
            case "give_up":
                end = WantHangUp(EndedBy.SYSTEM_TIMEOUT, "the callee stayed silent")
                closing = self._talk.close_with(end, SAY_GOODBYE_SILENT, now, revocable=True)
                return [Note("no_input", "given up"), *closing]
            case None:
                return []

    def _say(self, instructions: str) -> ToMedia:
        return ToMedia(media.Say(call_id=self._talk.call_id, instructions=instructions))
