"""Pure: another media channel for a talk whose media worker died, and what became of the former one.

Used by `call`.
"""

from stasis.call_model import AddToBridge, CreateBridge, RemovalEffect
from stasis.errors import AriError
from stasis.model import Channel
from stasis.prepare import Preparation, PrepareEffect
from stasis.teardown import Belongings

REPAIRS_LIMIT = 4
"""A call whose workers keep dying is not worth a fifth."""
LISTING_AGE_S = 10.0
"""A listing of Asterisk's channels that is judged this long after a repair may be older than the repair."""


class Repairs:
    """Begun when a worker died, done when a new media channel is in the bridge."""

    def __init__(self, prepared: Preparation, owned: Belongings) -> None:
        self._prepared = prepared
        self._owned = owned
        self._count = 0
        self._done_at = float("-inf")
        self._under_way = False

    @property
    def possible(self) -> bool:
        return self._count < REPAIRS_LIMIT

    def begin(self) -> None:
        """The former media channel is to be removed, the next one to be made."""
        self._count += 1
        self._under_way = True
        self._owned.replace(self._prepared.renew(), self._prepared.media.resource)

    def done(self, now: float) -> None:
        self._under_way = False
        self._done_at = now

    def explains(self, now: float) -> bool:
        """Whether a listing without media channel is only older than the new one."""
        return self._under_way or now < self._done_at + LISTING_AGE_S

    def adopt(self, generation: int) -> None:
        """A former process made the media channel of this generation."""
        self._owned.replace(self._prepared.adopt(generation), self._prepared.media.resource)

    def listed(self, generation: int) -> None:
        """The newest media channel in a listing: a call taken over learns how often its media was replaced."""
        if self._count == 0 and generation > self._prepared.generation:
            self.adopt(generation)

    def release(self, now: float) -> list[RemovalEffect]:
        """The agent is out of the call: no media channel is wanted any more."""
        self._owned.retire(self._prepared.media.resource)
        return self._owned.remove(now, everything=False)

    def completed(self, effect: PrepareEffect, channel: Channel | None) -> None:
        """Something of the preparation, or of a repair, was made."""
        if not self.outdated(effect):
            self._prepared.completed(effect, channel)

    def failed(self, effect: PrepareEffect, error: AriError, now: float) -> None:
        """It was not."""
        if not self.outdated(effect, error, now):
            self._prepared.failed(effect, error, now)

    def outdated(self, effect: PrepareEffect, error: AriError | None = None, now: float = 0.0) -> bool:
        """True for the answer about a channel that was replaced while it was being made: it has to be removed."""
        if isinstance(effect, CreateBridge) or effect.channel_id == self._prepared.media.channel_id:
            return False
        if isinstance(effect, AddToBridge):
            return True
        former = self._owned.channel(effect.channel_id)
        if error is None:
            former.prove()
        else:
            former.creation_failed(error, now)
        return True
