"""How long nobody has spoken, and how often the callee was asked whether they are still there. Pure.

Used by `app.calls.floor` and `app.calls.no_input`.
"""

from typing import Literal

OWED_S = 30.0
"""An answer that is being made is no silence of the callee's. A rate limit is waited out for 20 s, and between
those pauses the requests take their time; a model that says nothing for longer is not waited for any more.
"""


class Silence:
    """`limit_s` of silence is asked about `prompts` times; the next one is given up. `asleep`: nobody is asked."""

    def __init__(self, limit_s: float, prompts: int) -> None:
        self.asleep = False
        self._limit_s = limit_s
        self._prompts = prompts
        self._since: float | None = None
        self._owed_until = float("-inf")
        self._asked = 0

    @property
    def due(self) -> float | None:
        """When it has lasted long enough."""
        if self.asleep or self._since is None:
            return None
        return max(self._since + self._limit_s, self._owed_until)

    @property
    def asked(self) -> int:
        """How often it was asked about since the callee gave a sign of life."""
        return self._asked

    def begin(self, now: float) -> None:
        """Nobody speaks from now on."""
        self._since = now

    def end(self, *, forgive: bool = False) -> None:
        """Somebody speaks. `forgive`: it is the callee."""
        self._since = None
        self.settle()
        if forgive:
            self._asked = 0

    def owe(self, now: float) -> None:
        """It is the agent's turn: an answer was asked for. Who only listens owes nothing."""
        if not self.asleep:
            self._owed_until = now + OWED_S

    def settle(self) -> None:
        """The agent has answered, or nobody will."""
        self._owed_until = float("-inf")

    def sleep(self, now: float, *, on: bool) -> None:
        """Somebody is there who will not answer (music, a recording), or no more."""
        self.asleep = on
        self._since = now
        self.settle()

    def passed(self, now: float) -> Literal["ask", "give_up"] | None:
        """What is to be done, once for each silence."""
        if self.due is None or now < self.due:
            return None
        self._since = now
        if self._asked >= self._prompts:
            return "give_up"
        self._asked += 1
        return "ask"

    def company(self, now: float) -> bool:
        """Whether a callee who waits for us should hear something; it is no question about them."""
        if self.due is None or now < self.due:
            return False
        self._since = now
        return True
