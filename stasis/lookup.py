"""When to GET the callee channel, because an answer or an event we needed is missing. Used by `call`."""

from stasis.call_model import LookUp

LOOK_UP_S = 1.0
"""From a lost originate answer to the first look."""
LOOK_UP_AGAIN_S = 5.0


class Inquiry:
    """At most one look-up under way; `at` is when the next one is due."""

    def __init__(self, channel_id: str) -> None:
        self.at: float | None = None
        self._under_way = False
        self._look_up = LookUp(channel_id=channel_id)

    def ask(self) -> list[LookUp]:
        """Look now."""
        self.at = None
        if self._under_way:
            return []
        self._under_way = True
        return [self._look_up]

    def due(self, now: float) -> list[LookUp]:
        return self.ask() if self.at is not None and now >= self.at else []

    def answered(self) -> None:
        self._under_way = False
