"""The question an agent has put to its own people while the callee waits: one at a time, for a limited time. Pure.

Used by `app.calls.talk_tools`. The row in the store is `app.domain.feedback`; `app.calls.people` carries it.
"""

from app.calls.talk_model import (
    SAY_CALL_BACK_LATER,
    SAY_NOT_NOW,
    AskPeople,
    GiveUpAsking,
    NobodyAnswered,
    TalkLimits,
)
from app.calls.tools import RequestUserFeedback

GIVING_UP_S = 5.0
"""How long the store may take to say whether somebody answered in the last moment."""
FAREWELLS = {"close": SAY_NOT_NOW, "close_and_call_back": SAY_CALL_BACK_LATER}


class OpenQuestion:
    """Open from `ask` until `answered` or `unanswered`."""

    def __init__(self, limits: TalkLimits) -> None:
        self._limits = limits
        self.number = 0
        """Of the question that was put last."""
        self.text = ""
        self._until: float | None = None
        self._left_s: float | None = None  # of the patience, while it is put off
        self._given_up = False

    @property
    def is_open(self) -> bool:
        """The callee waits for an answer of ours."""
        return self._until is not None or self.is_put_off

    @property
    def is_put_off(self) -> bool:
        """Nobody could be told anything now: patience does not run."""
        return self._left_s is not None

    @property
    def due(self) -> float | None:
        """When patience ends; None while it does not run."""
        return self._until

    def ask(self, request: RequestUserFeedback, now: float) -> AskPeople:
        """Put it to people; not while another one is open."""
        assert not self.is_open
        self._until, self._given_up = now + self._limits.feedback_wait_s, False
        self.number, self.text = self.number + 1, request.question
        return AskPeople(request.question, request.suggestions, self._limits.feedback_wait_s, self.number)

    def adopt(self, until: float, text: str = "") -> None:
        """A former process asked it."""
        self._until, self.number, self.text = until, self.number + 1, text

    def concerns(self, number: int) -> bool:
        """News of this question are news of the one that is open."""
        return self.is_open and number == self.number

    def tick(self, now: float) -> GiveUpAsking | NobodyAnswered | None:
        """Give it up when it has been open long enough; a store that does not answer counts as nobody."""
        if self._until is None or now < self._until:
            return None
        if self._given_up:
            return NobodyAnswered(self.number)
        self._given_up, self._until = True, now + GIVING_UP_S
        return GiveUpAsking(self.number)

    def put_off(self, now: float) -> None:
        """The callee is on hold, or waits for somebody else: what is left of the patience is kept for later."""
        if self._until is not None:
            self._left_s, self._until = max(0.0, self._until - now), None

    def nobody_yet(self) -> None:
        """It was given up while it was put off: that counts as soon as it can be told."""
        self._given_up, self._left_s = True, 0.0

    def go_on(self, now: float) -> float | None:
        """Patience runs again; for so many seconds, None when it was not put off."""
        left_s, self._left_s = self._left_s, None
        if left_s is not None:
            self._until = now + left_s
        return left_s

    def close(self) -> None:
        """It is answered, or nobody will."""
        self._until = self._left_s = None

    @property
    def farewell(self) -> str | None:
        """What the agent says then, when its rule ends the talk; None: it goes on."""
        return FAREWELLS.get(self._limits.unanswered)
