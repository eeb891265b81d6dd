"""What the local gate has told about the sound the callee makes now, or made a moment ago (pure).

Read by `media.realtime.turn_taking`.
"""

from media.speech_gate import Confirmed, Ended, GateEvent, Long, Onset

EARLIER_S = 0.8
"""The server notices a sound this much later at most."""


class Burst:
    """One burst after the other: `open` while it lasts, and how sure it is that it is speech."""

    def __init__(self) -> None:
        self.open = self.confirmed = self.long = False
        self._ended_at = float("-inf")

    def take(self, event: GateEvent, now: float) -> None:
        """The next news of the gate."""
        match event:
            case Onset():
                self.open, self.confirmed, self.long = True, False, False
            case Confirmed():
                self.confirmed = True
            case Long():
                self.long = True
            case Ended():
                self.open, self._ended_at = False, now

    def just_over(self, now: float) -> bool:
        """It was short, and over before the server noticed it."""
        return not self.open and not self.long and now - self._ended_at < EARLIER_S
