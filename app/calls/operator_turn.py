"""A person speaks in the agent's place: who, until when, and what becomes of the talk meanwhile. Pure.

The media worker moves the voices and notices when a microphone is gone (`media.operator_seat`); the talk only
waits. Used by `app.calls.conversation`.
"""

from typing import Protocol

from app.calls.talk_model import Note, TalkEffect, TalkState, ToMedia, WantHangUp
from media import protocol as media

HANDED_BACK = (
    "For a while a person of your own side spoke with the callee in your place; you heard the callee meanwhile. "
    "That person said: {words}. They have handed the call back to you: go on from there in one or two sentences, "
    "and keep to what they agreed."
)
CONNECTION_LOST = (
    "A person of your own side spoke with the callee in your place; you heard the callee meanwhile. That person "
    "said: {words}. Their connection is lost in the middle of it. Apologize for the interruption in one short "
    "sentence and go on with the call yourself; keep to what they agreed."
)


class Tools(Protocol):
    """The agent's functions."""

    def taken(self, now: float) -> list[TalkEffect]:
        """A person has the call: what the agent wanted to press is not pressed, what it asked is in their hand."""
        ...


class Talk(Protocol):
    """The talk it happens in."""

    call_id: str
    state: TalkState
    talk_until: float
    """When it has lasted as long as it may, monotonic seconds; a person's time does not count."""

    @property
    def tools(self) -> Tools:
        """The agent's functions."""
        ...

    def close_with(self, end: WantHangUp, farewell: str, now: float) -> list[TalkEffect]:
        """The agent says goodbye, then the call ends."""
        ...

    def turn_to(self, state: TalkState, now: float) -> None:
        """A person has taken over, or the agent goes on."""
        ...


class OperatorTurn:
    """`mic`: the microphone that is let in; empty while the agent speaks."""

    def __init__(self, talk: Talk) -> None:
        self.mic = ""
        self._talk = talk
        self._over: WantHangUp | None = None
        self._goodbye: tuple[WantHangUp, str] | None = None
        self._since = 0.0

    def take(self, mic: str, now: float) -> list[TalkEffect]:
        """A person takes over a talk that goes on."""
        self._talk.turn_to(TalkState.TAKEN, now)
        self.mic, self._over, self._since = mic, None, now
        return [*self._talk.tools.taken(now), self._seat()]

    def hand_back(self) -> list[TalkEffect]:
        """They are done; `left` follows as soon as their last words are written down."""
        self.mic = ""
        return [self.release()]

    def release(self) -> TalkEffect:
        """Nobody speaks for the agent any more, whoever let them."""
        return ToMedia(media.HandBack(call_id=self._talk.call_id))

    def again(self) -> list[TalkEffect]:
        """Another media worker has the call: the person goes on speaking."""
        return [self._seat()] if self._talk.state is TalkState.TAKEN else []

    def model_gone(self, end: WantHangUp) -> list[TalkEffect]:
        """There is no agent any more. People talk on; the call ends when the operator leaves it."""
        self._over = end
        return [Note("model_gone", "the operator goes on without an agent")]

    def end_after(self, end: WantHangUp, farewell: str) -> list[TalkEffect]:
        """The call is to end, but not in a person's words: the agent says goodbye when they hand back."""
        self._goodbye = (end, farewell)
        return [Note("goodbye_waits", end.reason)]

    def left(self, now: float) -> list[TalkEffect]:
        """The agent goes on."""
        if self._talk.state is not TalkState.TAKEN:
            return []
        self.mic = ""
        self._talk.turn_to(TalkState.TALKING, now)
        self._talk.talk_until += now - self._since
        if self._over is not None:
            return [self._over]
        return [] if self._goodbye is None else self._talk.close_with(*self._goodbye, now)

    def _seat(self) -> TalkEffect:
        command = media.TakeOver(call_id=self._talk.call_id, told_back=HANDED_BACK, told_lost=CONNECTION_LOST)
        return ToMedia(command)
