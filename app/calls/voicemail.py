"""The message on an answering machine: whether it has been said, and what a beep in the middle of it means. Pure.

Some machines beep so late that silence has begun the message already; then the beep cuts it, and it is said again.
Used by `app.calls.conversation`.
"""

from app.calls.talk_model import SAY_VOICEMAIL, SAY_VOICEMAIL_WORDS, WantHangUp
from stasis.outcome import EndedBy

LIMIT_S = 45.0
"""A message that has not been heard by then is given up."""
BEEP_S = 2.0
"""How long a sound over the message may take to turn out to be the beep."""
LEFT = WantHangUp(EndedBy.SYSTEM_COMPLETE, "a message was left on an answering machine")
CUT = WantHangUp(EndedBy.SYSTEM_COMPLETE, "a message on an answering machine was cut off")
NOT_LEFT = WantHangUp(EndedBy.SYSTEM_COMPLETE, "an answering machine answered, and no message could be left")


class Message:
    """Of one talk. `words`: what shall be said; empty: the agent's own."""

    def __init__(self, words: str) -> None:
        self.instructions = f"{SAY_VOICEMAIL_WORDS} {words}" if words else SAY_VOICEMAIL
        self.wanted = False
        self._spoken = self._cut = False

    def begin(self, *, again: bool) -> bool:
        """The machine records. True: the message was begun before, and is to be said `again`, if it may be."""
        if again and not self.wanted:
            return False  # the talk is closing for another reason
        self.wanted, self._spoken, self._cut = True, False, False
        return again

    def speaking(self) -> None:
        """A turn of the agent begins to be heard."""
        self._spoken, self._cut = self.wanted, False

    def disturbed(self) -> None:
        """A sound of the machine while it is said."""
        self._cut = self._cut or self.wanted

    def drained(self, now: float, until: float) -> float:
        """The agent has nothing more to say: when the talk is over, `until` at the latest."""
        if not self.wanted or (self._spoken and not self._cut):
            return now
        return min(until, now + BEEP_S) if self._spoken else until

    def end(self, planned: WantHangUp) -> WantHangUp:
        """How the talk ends now; `planned` when this is no message."""
        if not self.wanted:
            return planned
        if not self._spoken:
            return NOT_LEFT
        return CUT if self._cut else LEFT
