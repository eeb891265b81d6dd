"""The answer that a turn of the callee waits for (pure). Used by the conversation and by `turn_taking`."""

from media.realtime.floor import REPLY_TIMEOUT_S
from media.realtime.listening import Listening
from media.realtime.outbox import Outbox
from media.realtime.responses import Responses
from media.realtime.wants import ActiveResponse


class Reply:
    """`due`: when the server's own answer is late; `stopped_at`: when the callee began to wait. While we only
    listen nothing is owed to anybody.
    """

    def __init__(self, outbox: Outbox, responses: Responses, listening: Listening) -> None:
        self.due: float | None = None
        self.stopped_at: float | None = None
        self._outbox = outbox
        self._responses = responses
        self._listening = listening

    @property
    def wanted(self) -> bool:
        """Turns are answered."""
        return not self._listening.only

    def expect(self, now: float) -> None:
        """A turn is over, and the server answers it."""
        self.stopped_at = now
        self.due = now + REPLY_TIMEOUT_S if self.wanted else None

    def owe(self, now: float) -> None:
        """A turn waits for an answer that nobody else is making."""
        if self.wanted:
            self._responses.owe(now)

    def owe_turn(self, now: float) -> None:
        """The same, for a turn that has just ended."""
        self.stopped_at = now
        self.owe(now)

    def came(self, response: ActiveResponse) -> None:
        """A response began; one from before the turn ended does not answer it."""
        if self.due is not None and response.created_at >= self.due - REPLY_TIMEOUT_S:
            self.due = None

    def off(self) -> bool:
        """Nobody waits any more. True if somebody did."""
        waited = self.due is not None
        self.due = None
        return waited

    def advance(self, now: float) -> None:
        """Ask ourselves for an answer that did not come."""
        if self.due is not None and now >= self.due:
            self.due = None
            self._outbox.fault("no_reply", "the server left a callee turn unanswered", now)
            self.owe(now)
