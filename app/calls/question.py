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
        self._until: float | None = None
        self._given_up = False

    @property
    def is_open(self) -> bool:
        """The callee waits for an answer of ours."""
        return self._until is not None

    @property
    def due(self) -> float | None:
        """When patience ends."""
        return self._until

    def ask(self, request: RequestUserFeedback, now: float) -> AskPeople:
        """Put it to people; not while another one is open."""
        assert not self.is_open
        self._until, self._given_up = now + self._limits.feedback_wait_s, False
        return AskPeople(request.question, request.suggestions, self._limits.feedback_wait_s)

    def adopt(self, until: float) -> None:
        """A former process asked it."""
        self._until = until

    def tick(self, now: float) -> GiveUpAsking | NobodyAnswered | None:
        """Give it up when it has been open long enough; a store that does not answer counts as nobody."""
        if self._until is None or now < self._until:
            return None
        if self._given_up:
            return NobodyAnswered()
        self._given_up, self._until = True, now + GIVING_UP_S
        return GiveUpAsking()

    def close(self) -> None:
        """It is answered, or nobody will."""
        self._until = None

    @property
    def farewell(self) -> str | None:
        """What the agent says then, when its rule ends the talk; None: it goes on."""
        return FAREWELLS.get(self._limits.unanswered)
