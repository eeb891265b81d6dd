"""Keys that are pressed: the agent's, which sound and may wait for the words before them, and the callee's. Pure.

Asterisk sends no voice while a key is down, so the playout is held meanwhile. Used by `app.calls.conversation`.
"""

from media import protocol as media

LEAD_MS = 100
"""Asterisk waits this long before the first key."""
DIGIT_MS = 240
"""One key on the wire: 160 ms tone, 80 ms pause, as `stasis.channels` asks for."""
PAUSE_MS = 500
"""`w`."""
MARGIN_MS = 100
TYPED_PAUSE_S = 1.5
"""Keys of the callee belong together until so much time passes without one."""
LONGEST_WAIT_S = 12.0
"""Speech before the keys that has not been heard by then is given up."""


def sounding_ms(digits: str) -> int:
    """From the request to Asterisk until voice passes again."""
    return LEAD_MS + sum(PAUSE_MS if digit == "w" else DIGIT_MS for digit in digits) + MARGIN_MS


class KeysToPress:
    """Function calls whose keys are still to be pressed, in order."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, media.ToolCalled]] = []
        self._due: float | None = None
        self._sounding_until = 0.0

    @property
    def due(self) -> float | None:
        """When they are pressed at the latest; None when none wait."""
        return self._due

    def add(self, digits: str, report: media.ToolCalled, now: float) -> None:
        """The model called for these keys."""
        self._waiting.append((digits, report))
        self._due = now + LONGEST_WAIT_S

    def take(self, now: float) -> list[tuple[str, media.ToolCalled, int]]:
        """What is to be pressed now: keys, their call, and how long from now on nothing may be said (ms)."""
        taken: list[tuple[str, media.ToolCalled, int]] = []
        for digits, report in self._waiting:
            taken.append((digits, report, self.sound(digits, now)))
        self._waiting.clear()
        self._due = None
        return taken

    def drop(self) -> list[media.ToolCalled]:
        """None of them is pressed any more; their calls."""
        dropped = [report for _, report in self._waiting]
        self._waiting.clear()
        self._due = None
        return dropped

    def sound(self, digits: str, now: float) -> int:
        """These keys are pressed now: how long from now on nothing may be said (ms), former keys included."""
        self._sounding_until = max(self._sounding_until, now) + sounding_ms(digits) / 1000
        return round((self._sounding_until - now) * 1000)


class KeysTyped:
    """Keys of the callee, collected until a pause."""

    def __init__(self) -> None:
        self.due: float | None = None
        self._keys = ""

    def add(self, digit: str, now: float) -> None:
        """One more."""
        self._keys += digit
        self.due = now + TYPED_PAUSE_S

    def take(self, now: float) -> str:
        """What was typed, once it is over; empty before."""
        if self.due is None or now < self.due:
            return ""
        keys, self._keys, self.due = self._keys, "", None
        return keys
