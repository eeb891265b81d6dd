"""Pure: the callee's channel out of the bridge and back, during a transfer. Used by `transfer`."""

from stasis.call_model import Effect
from stasis.errors import AriError, BadRequest, Conflict, NotFound, Unprocessable
from stasis.ids import CallIds
from stasis.teardown import RETRY_S
from stasis.transfer_model import HoldCallee, RetrieveCallee

MOVES_LIMIT = 4
"""Tries to put the callee back into the bridge."""


class CalleeMoves:
    """Out of the bridge and back: one request at a time, for they act on the same channel."""

    def __init__(self, ids: CallIds, music: str) -> None:
        self.held = False
        """The request that took it out has been answered."""
        self.back = False
        self.again_at: float | None = None
        self._hold = HoldCallee(bridge_id=ids.bridge, channel_id=ids.callee, music=music)
        self._retrieve = RetrieveCallee(bridge_id=ids.bridge, channel_id=ids.callee)
        self._moving = False
        self._tries = 0

    def hold(self) -> HoldCallee:
        return self._hold

    def retrieve(self, now: float) -> list[Effect]:
        """Put it into the bridge, as soon as it is known to be out of it."""
        waits = self.again_at is not None and now < self.again_at
        if not self.held or self.back or self._moving or waits or self._tries >= MOVES_LIMIT:
            return []
        self._moving, self.again_at = True, None
        self._tries += 1
        return [self._retrieve]

    def retrieved(self) -> None:
        self._moving, self.back = False, True

    def retrieval_failed(self, error: AriError, now: float) -> bool:
        """False when it is not tried again."""
        self._moving = False
        if left(error):
            self.back = True  # it hangs up; `call` hears of it
            return True
        if self._tries >= MOVES_LIMIT:
            return False
        self.again_at = now + RETRY_S
        return True


def left(error: AriError) -> bool:
    """Whether a refused move means that the channel is on its way out."""
    return isinstance(error, NotFound | Conflict | Unprocessable | BadRequest)
