"""How long nobody has spoken, and how often the callee was asked whether they are still there. Pure.

Used by `app.calls.conversation`.
"""

from typing import Literal


class Silence:
    """`limit_s` of silence is asked about `prompts` times; the next one is given up. `asleep`: nobody is asked."""

    def __init__(self, limit_s: float, prompts: int) -> None:
        self.asleep = False
        self._limit_s = limit_s
        self._prompts = prompts
        self._since: float | None = None
        self._asked = 0

    @property
    def due(self) -> float | None:
        """When it has lasted long enough."""
        return None if self.asleep or self._since is None else self._since + self._limit_s

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
        if forgive:
            self._asked = 0

    def sleep(self, now: float, *, on: bool) -> None:
        """Somebody is there who will not answer (music, a recording), or no more."""
        self.asleep = on
        self._since = now

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
