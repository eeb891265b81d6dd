"""Does this thing of ours exist in Asterisk, and how do we get rid of it?

One `Resource` each for the callee channel, the media channel and the bridge. Any event about it or any answer
proves it; only proof of the contrary removes it: ChannelDestroyed, a 404, a refused creation. Used by `call`.
"""

from enum import StrEnum

from stasis.call_model import HangUpChannel, RemovalEffect
from stasis.errors import AriError, NotFound, ServerError

RETRY_S = 1.0
MAX_FAILURES = 4
"""Failed removals in a row before it is left to the reconcile sweep and Asterisk's own timers."""
DOUBT_RETRY_S = 2.0
EVENT_WAIT_S = 5.0
"""How long a ChannelDestroyed may take after a successful hangup before we ask again."""


class Presence(StrEnum):
    ABSENT = "absent"
    """Never asked for."""
    REQUESTED = "requested"
    """The POST is under way; a removal now could overtake it."""
    DOUBTFUL = "doubtful"
    """The POST's answer was lost: a 404 proves nothing while Asterisk may still have the request in its socket."""
    PRESENT = "present"
    GONE = "gone"


class Resource:
    """`ends_by_event`: a successful removal is only a request, ChannelDestroyed is the end (callee)."""

    def __init__(self, removal: RemovalEffect, *, ends_by_event: bool = False) -> None:
        self.presence = Presence.ABSENT
        self.proven = False
        """Anything ever showed that it existed."""
        self.retry_at: float | None = None
        self.removal = removal
        self._ends_by_event = ends_by_event
        self._removing = False
        self._failures = 0
        self._doubtful_until = 0.0

    @property
    def settled(self) -> bool:
        """Nothing left to remove."""
        return self.presence in {Presence.ABSENT, Presence.GONE}

    @property
    def untouched(self) -> bool:
        """Never asked for."""
        return self.presence is Presence.ABSENT

    def request(self) -> None:
        self.presence = Presence.REQUESTED

    def prove(self) -> None:
        """An answer or an event about it. What is gone stays gone: ids are used once."""
        self.proven = True
        if self.presence is not Presence.GONE:
            self.presence = Presence.PRESENT

    def doubt(self, until: float) -> None:
        """Up to `until` it may still come to be; after that a 404 is proof."""
        self.presence = Presence.DOUBTFUL
        self._doubtful_until = until

    def creation_failed(self, error: AriError, doubtful_until: float) -> None:
        """The POST failed. After a 500 one removal makes sure; any other refusal is proof that it is not there."""
        if self.presence is not Presence.REQUESTED:
            return  # an event has told better
        if error.maybe_executed:
            self.doubt(doubtful_until)
        else:
            self.presence = Presence.PRESENT if isinstance(error, ServerError) else Presence.GONE

    def vanish(self) -> None:
        self.presence = Presence.GONE
        self.retry_at = None

    def missing(self, now: float) -> bool:
        """Asterisk says 404. True when that is proof, and then it is gone."""
        if self.presence is Presence.DOUBTFUL and now < self._doubtful_until:
            return False
        self.vanish()
        return True

    def remove(self, now: float) -> RemovalEffect | None:
        """The removal to send now, None when there is nothing to do yet."""
        waiting = self.retry_at is not None and now < self.retry_at
        if self._removing or waiting or self.presence not in {Presence.PRESENT, Presence.DOUBTFUL}:
            return None
        self._removing = True
        self.retry_at = None
        return self.removal

    def removed(self, now: float) -> None:
        self._removing = False
        self._failures = 0
        if not self._ends_by_event:
            self.vanish()
        elif not self.settled:
            self.prove()
            self.retry_at = now + EVENT_WAIT_S

    def removal_failed(self, error: AriError, now: float) -> None:
        self._removing = False
        if self.settled:
            return
        if isinstance(error, NotFound):
            if not self.missing(now):
                self.retry_at = now + DOUBT_RETRY_S
            return
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self.vanish()
        else:
            self.retry_at = now + RETRY_S * self._failures


class Belongings:
    """Everything one call has in Asterisk: what was replaced is kept until it is removed."""

    def __init__(self, *resources: Resource) -> None:
        self._held = list(resources)
        self._retired: list[Resource] = []

    @property
    def settled(self) -> bool:
        return all(one.settled for one in self._all)

    @property
    def retry_at(self) -> list[float]:
        """When a removal is to be sent again."""
        return [one.retry_at for one in self._all if one.retry_at is not None]

    def replace(self, former: Resource, by: Resource) -> None:
        """`former` is to be removed while the call goes on."""
        self._held[self._held.index(former)] = by
        if not former.untouched:
            self._retired.append(former)

    def retire(self, one: Resource) -> None:
        """To be removed while the call goes on, without anything in its place."""
        if one in self._held:
            self._held.remove(one)
            self._retired.append(one)

    def remove(self, now: float, *, everything: bool) -> list[RemovalEffect]:
        """The removals to send now."""
        doomed = self._all if everything else self._retired
        return [effect for one in doomed if (effect := one.remove(now)) is not None]

    def owner(self, removal: RemovalEffect) -> Resource:
        """Whose removal this is."""
        return next(one for one in self._all if _same_thing(one.removal, removal))

    def channel(self, channel_id: str) -> Resource:
        """The resource behind a channel id."""
        return self.owner(HangUpChannel(channel_id=channel_id))

    def give_up(self) -> None:
        """Left to the sweep and to Asterisk's own timers."""
        for one in self._all:
            one.vanish()

    def restarted(self) -> None:
        """Asterisk was: nothing is there any more, but a POST under way may reach the new one."""
        for one in self._all:
            if one.presence is not Presence.REQUESTED:
                one.vanish()

    @property
    def _all(self) -> list[Resource]:
        return [*self._held, *self._retired]


def _same_thing(one: RemovalEffect, other: RemovalEffect) -> bool:
    """A channel is hung up for different reasons, and is the same channel."""
    if isinstance(one, HangUpChannel) and isinstance(other, HangUpChannel):
        return one.channel_id == other.channel_id
    return one == other
