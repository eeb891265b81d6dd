"""The send clock: 20 ms slots on absolute deadlines, spread over phases so that calls do not burst together.

The engine sleeps until `next_deadline`, asks `due(now)` and serves each returned slot's phase with one frame.
Deadlines are computed from the start, never from the last wake-up, so lateness never adds up. After a stall of
up to 40 ms the overdue frames are sent; after a longer one they are skipped: one frame goes out and the RTP
timestamp jumps by what was skipped, because a burst would be thrown away or heard as a hurry by the far end.
"""

import math

import msgspec

from media.errors import MediaUsageError

MAX_OVERDUE = 2
"""Frames of one call that may leave at once."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One frame's turn: slot `index` of `phase`. Before it, `skipped` slots of that phase were given up."""

    index: int
    phase: int
    deadline: float
    skipped: int = 0


class TickClock:
    """Deadlines of all phases. A call lives in one phase and is served once per `period_s`."""

    def __init__(self, start: float, period_s: float = 0.020, phases: int = 4) -> None:
        if period_s <= 0 or phases < 1:
            raise MediaUsageError(f"period {period_s} s with {phases} phases")
        self._start = start
        self._step_s = period_s / phases
        self._next = 0
        self.phases = phases
        self.slots_skipped = 0

    @property
    def next_deadline(self) -> float:
        """When `due` next has something to say (same clock as `now`)."""
        return self._deadline(self._next)

    def due(self, now: float) -> list[Slot]:
        """Slots to serve now, oldest first, at most two per phase; each is returned or skipped exactly once."""
        first, last = self._next, self._last_step(now)
        if last < first:
            return []
        self._next = last + 1
        slots: list[Slot] = []
        for step in range(max(first, last - MAX_OVERDUE * self.phases + 1), last + 1):
            earlier, later = (step - first) // self.phases, (last - step) // self.phases
            if earlier + 1 + later <= MAX_OVERDUE:
                slots.append(self._slot(step))
            elif later == 0:
                self.slots_skipped += earlier
                slots.append(self._slot(step, skipped=earlier))
        return slots

    def _slot(self, step: int, skipped: int = 0) -> Slot:
        index, phase = divmod(step, self.phases)
        return Slot(index=index, phase=phase, deadline=self._deadline(step), skipped=skipped)

    def _deadline(self, step: int) -> float:
        return self._start + step * self._step_s

    def _last_step(self, now: float) -> int:
        """The last step whose deadline has passed; agrees with `_deadline` to the last float bit."""
        step = math.floor((now - self._start) / self._step_s)
        while self._deadline(step + 1) <= now:
            step += 1
        while self._deadline(step) > now:
            step -= 1
        return step
