"""Why this engine dials nobody just now: its media worker is late, or the wall clock was set back.

Asked by the scheduler before it claims, and by admission with every question.
"""

from app.calls.media_link import MediaLink
from app.clock import Clock
from app.domain.admission_facts import Hold
from app.domain.clock_watch import ClockWatch

LOAD_VALID_MS = 15_000
"""A worker reports every few seconds while it has legs; an older report says nothing about now."""
LOOK_AGAIN_MS = 5_000


class Readiness:
    """One per control process."""

    def __init__(self, clock: Clock, media: MediaLink, late_limit_ms: float) -> None:
        self._clock = clock
        self._media = media
        self._late_limit_ms = late_limit_ms
        self._watch = ClockWatch()

    def hold(self) -> Hold | None:
        """None: ready to dial."""
        now_ms = self._clock.unix_ms()
        monotonic_s = self._clock.monotonic()
        if self._watch.look(now_ms, monotonic_s):
            left_ms = round((self._watch.held_until - monotonic_s) * 1000)
            return Hold(reason="the clock of this machine was set back", until_ms=now_ms + max(left_ms, 1_000))
        load = self._media.load
        if load is None or abs(now_ms - load.at_unix_ms) > LOAD_VALID_MS:
            return None
        if load.tick_late_p99_ms <= self._late_limit_ms:
            return None
        said = f"the media worker is {load.tick_late_p99_ms:.0f} ms late with {load.legs} calls"
        return Hold(reason=f"{said}; the limit is {self._late_limit_ms:g} ms", until_ms=now_ms + LOOK_AGAIN_MS)
