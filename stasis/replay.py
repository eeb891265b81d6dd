"""Pure: what an answer means that we hear of late, because our event stream was away when it happened.

An Asterisk that dials us keeps its application active over our absence: somebody who answers then is in Stasis and
hears nothing. Told of it later than `REPLAY_STALE_S` we hang up instead of beginning to talk. Every other replayed
event is a fact as good as a fresh one. `dialed_stream` calls `judged`, the call machine keeps an `Outage`.
"""

import msgspec

from stasis.events import Event, LateStasisStart, StasisStart
from stasis.model import Channel
from stasis.record import Milestone, shown

REPLAY_STALE_S = 3.0
"""Somebody who has said hello into silence for this long has lost patience, or is hanging up already."""


def judged(event: Event, wall_s: float) -> Event:
    """A replayed event as the call shall see it; `wall_s` is Unix time. Only for the replay: on a live stream the
    difference would be the two machines' clocks, and not silence.
    """
    if type(event) is not StasisStart or event.timestamp is None:
        return event
    if wall_s - event.timestamp.timestamp() <= REPLAY_STALE_S:
        return event
    return LateStasisStart(**msgspec.structs.asdict(event))


class Outage:
    """Since when a call's events may be missing. A channel seen Up says that it was answered, never when."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._talking = False

    def inherit(self, *, talking: bool) -> None:
        """The process that had this call is gone, nobody knows since when; `talking`: they had answered."""
        self._talking = talking
        self.begin(float("-inf"))

    def begin(self, now: float) -> None:
        """The stream broke."""
        if self._since is None and not self._talking:
            self._since = now

    def observe(self, event: Event) -> None:
        """An event of the callee: its StasisStart says all that a listing could leave open."""
        if isinstance(event, StasisStart):
            self._since = None

    def during(self, channel: Channel) -> Milestone | None:
        """What a look-up shows. An answer inside the outage waits for its StasisStart or for the end."""
        return None if self._since is not None and channel.in_stasis else shown(channel)

    def over(self, channel: Channel | None, now: float) -> Milestone | None:
        """What the listing after outage and replay shows: an answer still unknown then is not a new one."""
        since, self._since = self._since, None
        if channel is None:
            return None
        if since is not None and channel.in_stasis and now - since > REPLAY_STALE_S:
            return Milestone.MISSED
        return shown(channel)
