"""Whose voice the callee hears: the agent's, or that of a person who has taken its place. Pure.

Somebody takes the seat; from then on the agent listens, makes no responses and is not heard. The person's voice
comes through a small buffer, as long as their microphone lives. When they hand back, or nothing has come for
`LOST_S`, the last words are waited for a moment; then the agent is told what was said, and speaks. Held by
`media.leg_operator`.
"""

from collections import deque
from enum import StrEnum
from typing import Final, Literal

import msgspec

from media.commands import TakeOver

FRAME_BYTES: Final = 640
"""20 ms of a voice: 16 bit little-endian PCM at 16 kHz."""
PREFILL_FRAMES: Final = 3
"""60 ms wait before a stretch of speech is played: a browser's frames come in lumps."""
MOST_FRAMES: Final = 15
"""Of more than 300 ms the oldest goes: the callee must not hear it later and later."""
LOST_S: Final = 4.0
LAST_WORDS_S: Final = 1.5
AT_LEAST_S: Final = 0.3
WORDS_CHARACTERS: Final = 2_000
"""What the agent is told of the person's words; the last ones count."""
NOT_WRITTEN = "(their words could not be written down)"


class SeatState(StrEnum):
    """Who speaks for us."""

    EMPTY = "empty"
    """The agent."""
    SEATED = "seated"
    LEAVING = "leaving"
    """The person has gone; their last words are being written down."""


TRANSITIONS: dict[SeatState, frozenset[SeatState]] = {
    SeatState.EMPTY: frozenset({SeatState.SEATED}),
    SeatState.SEATED: frozenset({SeatState.LEAVING}),
    SeatState.LEAVING: frozenset({SeatState.EMPTY, SeatState.SEATED}),
}
Why = Literal["handed_back", "lost"]


class Quiet(msgspec.Struct, frozen=True):
    """The agent listens and is not heard (`on`), or takes part again."""

    on: bool


class WriteDown(msgspec.Struct, frozen=True):
    """What the person says is to be transcribed from now on (`on`), or no more."""

    on: bool


class TellAgent(msgspec.Struct, frozen=True):
    """The agent learns this and speaks on it."""

    text: str


class Joined(msgspec.Struct, frozen=True):
    """Somebody sits there now."""


class Left(msgspec.Struct, frozen=True):
    """The agent goes on. `spoke_ms`: how much of the person's voice was sent."""

    why: Why
    spoke_ms: int


Effect = Quiet | WriteDown | TellAgent | Joined | Left


class OperatorSeat:
    """One seat of one call. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.state = SeatState.EMPTY
        self._told = TakeOver(call_id="", told_back="", told_lost="")
        self._frames: deque[bytes] = deque()
        self._rest = b""
        self._playing = False
        self._spoke_ms = 0
        self._heard_at = 0.0
        self._left_at = 0.0
        self._why: Why = "handed_back"
        self._words: list[str] = []
        self._awaited = False
        self._written = True

    @property
    def spoke_ms(self) -> int:
        """How much of the person's voice was sent since they took the seat."""
        return self._spoke_ms

    def take(self, command: TakeOver, now: float) -> list[Effect]:
        """Somebody takes the seat; who sits there already stays."""
        self._told = command
        if self.state is SeatState.SEATED:
            return [Joined()]
        again = self.state is SeatState.LEAVING
        self._enter(SeatState.SEATED)
        self._forget_voice()
        self._heard_at, self._spoke_ms = now, 0
        if again:
            return [Joined()]
        self._words, self._awaited, self._written = [], False, True
        return [Quiet(on=True), WriteDown(on=True), Joined()]

    def hand_back(self, now: float) -> list[Effect]:
        """They are done; an empty seat stays as it is."""
        if self.state is SeatState.SEATED:
            self._leave("handed_back", now)
        return []

    def hear(self, audio: bytes, now: float) -> None:
        """Some of their voice, in pieces of any length."""
        if self.state is not SeatState.SEATED:
            return
        self._heard_at = now
        self._rest += audio
        while len(self._rest) >= FRAME_BYTES:
            self._frames.append(self._rest[:FRAME_BYTES])
            self._rest = self._rest[FRAME_BYTES:]
        while len(self._frames) > MOST_FRAMES:
            self._frames.popleft()

    def frame(self) -> bytes | None:
        """What the callee hears of them in this slot; None: nothing of theirs."""
        if self.state is SeatState.EMPTY:
            return None
        due = len(self._frames) >= PREFILL_FRAMES or self.state is SeatState.LEAVING
        self._playing = bool(self._frames) and (self._playing or due)
        if not self._playing:
            return None
        self._spoke_ms += 20
        return self._frames.popleft()

    def speaks(self) -> None:
        """The transcription has heard a beginning: words will follow."""
        self._awaited = True

    def said(self, text: str) -> None:
        """Words of theirs were written down."""
        self._awaited = False
        if self.state is not SeatState.EMPTY:
            self._words.append(text)

    def unwritten(self) -> None:
        """Their words cannot be written down; nobody waits for them."""
        self._awaited, self._written = False, False

    def tick(self, now: float) -> list[Effect]:
        """Let time pass: once per slot."""
        if self.state is SeatState.SEATED and now >= self._heard_at + LOST_S:
            self._leave("lost", now)
        if self.state is not SeatState.LEAVING or now < self._left_at + AT_LEAST_S:
            return []
        if (self._awaited and now < self._left_at + LAST_WORDS_S) or self._frames:
            return []
        self._enter(SeatState.EMPTY)
        template = self._told.told_lost if self._why == "lost" else self._told.told_back
        text = template.replace("{words}", self._summary())
        return [WriteDown(on=False), Quiet(on=False), TellAgent(text), Left(self._why, self._spoke_ms)]

    def _summary(self) -> str:
        said = " / ".join(word.strip() for word in self._words if word.strip())
        if not said:
            return "nothing" if self._written else NOT_WRITTEN
        return said[-WORDS_CHARACTERS:]

    def _leave(self, why: Why, now: float) -> None:
        self._enter(SeatState.LEAVING)
        self._why, self._left_at = why, now
        self._rest = b""

    def _forget_voice(self) -> None:
        self._frames.clear()
        self._rest, self._playing = b"", False

    def _enter(self, state: SeatState) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        self.state = state
