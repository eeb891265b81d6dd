"""How a talk that is ending ends: as what, when at the latest, and what is left of that for another process. Pure.

Part of `app.calls.conversation`.
"""

import msgspec

from app.calls.second_thought import SecondThought, Talk
from app.calls.talk_model import APOLOGY_S, FAREWELL_LIMIT_S, HEARD_OUT_S, Note, WantHangUp
from app.calls.voicemail import LIMIT_S, Message
from app.domain.line import LineState
from stasis.outcome import EndedBy

CLOSING = "closing"
"""Kind of the event that says so."""
LATEST_S = 40.0
"""Goodbyes that answer each other end so long after the first one at the latest."""
DOUBT_S = 3.0
"""Another process does not know whether the last words have been heard: so long it waits for them to begin."""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """What a former process had decided. `message`: something is left on an answering machine; `revocable`: a
    callee who asks for something more takes it back, which has happened `taken_back` times.
    """

    ended_by: EndedBy
    reason: str
    message: bool = False
    revocable: bool = False
    taken_back: int = 0


class Inherited(msgspec.Struct, frozen=True, kw_only=True):
    """What a former process left of a talk. `awaited`: function calls that its session awaits the answers of;
    `last_seq`: number of the worker's newest report when the next process came, 0 without a leg; `asleep`: nobody
    is to be asked whether they are there (music, a recording); `closed`: it was ending the talk; `taken_back`: so
    often an end was; `line`: whether an operator had muted it or put it on hold.
    """

    agent_speaking: bool = False
    awaited: tuple[str, ...] = ()
    last_seq: int = 0
    asleep: bool = False
    closed: Closed | None = None
    taken_back: int = 0
    line: LineState = "open"


def left_of(closed: Closed | None, *, undone: bool) -> tuple[Closed | None, int]:
    """What the newest end that was noted means: `undone` when it was taken back after that."""
    if closed is None:
        return None, 0
    return (None, closed.taken_back + 1) if undone else (closed, closed.taken_back)


def apology_limit_s(queued_ms: int) -> float:
    """How long the line stays open for what a lost model leaves to be heard: words under way, the apology."""
    return min(max(APOLOGY_S, queued_ms / 1_000 + HEARD_OUT_S), FAREWELL_LIMIT_S)


class Closing:
    """Of one talk."""

    def __init__(self, talk: Talk, message: Message) -> None:
        self.end = WantHangUp(EndedBy.AGENT, "")
        self._until = float("inf")
        self.words_to_come = False
        """They were asked for and are not heard yet."""
        self.revocable = False
        """The agent has decided it, or a silence, and a callee who wants to go on takes it back."""
        self._message = message
        self._goes_on = False  # after these words others may follow
        self._latest = float("inf")
        self.second_thought = SecondThought(talk, self)

    @property
    def until(self) -> float:
        """Monotonic seconds at which it is over in any case."""
        return max(self._until, self.second_thought.until)

    def begin(
        self,
        end: WantHangUp,
        now: float,
        limit_s: float,
        *,
        words_to_come: bool = False,
        revocable: bool = False,
    ) -> Note:
        """`words_to_come`: they were just asked for; what drains before them is not their end."""
        self.end, self._until, self.words_to_come = end, now + limit_s, words_to_come
        self._latest = now + LATEST_S
        self.revocable = self._goes_on = revocable and not self._message.wanted
        told = Closed(
            ended_by=end.ended_by,
            reason=end.reason,
            message=self._message.wanted,
            revocable=self.revocable,
            taken_back=self.second_thought.taken_back,
        )
        self.second_thought.begin(now)
        return Note(CLOSING, msgspec.json.encode(told).decode())

    def model_gone(self, end: WantHangUp, now: float, limit_s: float) -> Note:
        """The talk ends as it was meant if its last words are out; what was only asked for is never said."""
        if self.words_to_come or self._message.wanted:
            return self.begin(end, now, limit_s)
        return self.begin(self.end, now, max(0.0, min(limit_s, self._until - now)))

    def resume(self, closed: Closed, now: float, *, agent_speaking: bool) -> None:
        """A former process was ending the talk."""
        self.end, self._goes_on = WantHangUp(closed.ended_by, closed.reason), True
        self.revocable = closed.revocable
        if closed.message:
            self._message.begin(again=False)
        if agent_speaking:
            self._message.speaking()
        longest_s = LIMIT_S if closed.message else FAREWELL_LIMIT_S
        self._until = now + (longest_s if agent_speaking else DOUBT_S)
        self.second_thought.begin(now)

    def again(self, now: float) -> None:
        """A message on a machine is said once more."""
        self._until = now + LIMIT_S

    def speaking(self, now: float) -> None:
        """The agent begins to be heard."""
        self.words_to_come = False
        if self._goes_on:
            until = now + (LIMIT_S if self._message.wanted else FAREWELL_LIMIT_S)
            self._until = max(self._until, min(until, self._latest))

    def drained(self, now: float) -> None:
        """The agent has nothing more to say."""
        if not self.words_to_come:
            self._until = min(self._until, self._message.drained(now, self._until) + HEARD_OUT_S)

    def over(self) -> WantHangUp:
        """How the talk ends now."""
        return self._message.end(self.end)
