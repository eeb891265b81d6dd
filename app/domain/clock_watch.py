"""Notices a wall clock that was set back: what counts time (attempts, pace, caps of a day) would forget calls.

Compares wall and monotonic time on every look. A jump back holds dialing for as long as the clock jumped, at most
`HOLD_MAX_S`; whatever is stored and lies further in the future is refused by admission itself. Pure.
"""

JUMP_MS = 5_000
HOLD_MAX_S = 60.0


class ClockWatch:
    """`look` with both clocks; `held_until` is monotonic."""

    def __init__(self) -> None:
        self._ahead_ms: float | None = None
        """How far wall time is ahead of monotonic time."""
        self.held_until: float = 0.0

    def look(self, wall_ms: int, monotonic_s: float) -> bool:
        """Note both clocks; whether dialing is held now."""
        ahead_ms = wall_ms - monotonic_s * 1000
        before_ms = self._ahead_ms
        self._ahead_ms = ahead_ms
        if before_ms is not None and before_ms - ahead_ms > JUMP_MS:
            self.held_until = monotonic_s + min((before_ms - ahead_ms) / 1000, HOLD_MAX_S)
        return monotonic_s < self.held_until
