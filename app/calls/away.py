"""How long a call goes on while Asterisk is away: audio needs no event stream, but nobody could end the call.

Pure. Fed by `app.calls.run`, which ends the call when `overdue` says so.
"""

ASTERISK_GONE_S = 45.0
"""Longer than a restart of Asterisk or of the network takes; far shorter than the longest call."""


class Away:
    """Since when the event stream is lost without having been reconciled again."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def next_deadline(self) -> float | None:
        """When `overdue` becomes true; None while Asterisk is there."""
        return None if self._since is None else self._since + ASTERISK_GONE_S

    def lost(self, now: float) -> None:
        """The stream broke, or could not be had again."""
        if self._since is None:
            self._since = now

    def back(self) -> None:
        """Connected and reconciled."""
        self._since = None

    def overdue(self, now: float) -> bool:
        """True once per absence: it has lasted too long."""
        if self._since is None or now < self._since + ASTERISK_GONE_S:
            return False
        self._since = None
        return True
