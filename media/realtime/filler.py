"""When a callee who waits gets a short sound, so that the line does not seem dead (pure).

Waiting is: the agent owes an answer and nothing of it is heard, whether the model is slow, stalled, over its rate
limit or unreachable. The sound needs no model: `RealtimeSettings.filler` was prepared before the call. Called by
`media.realtime.session`.
"""

from media.realtime.outbox import Outbox
from media.realtime.session_model import FinishItem, Play

FILLER_AFTER_S = 1.5
FILLER_EVERY_S = 5.0


class Filler:
    """`watch` at the end of every step; `next_deadline` while somebody waits."""

    def __init__(self, audio: bytes, outbox: Outbox) -> None:
        self._audio = audio
        self._outbox = outbox
        self._due: float | None = None
        self._number = 0

    @property
    def next_deadline(self) -> float | None:
        """When the next sound is due."""
        return self._due

    def watch(self, now: float, *, waiting: bool) -> None:
        """Whether the callee waits in silence."""
        if not waiting or not self._audio:
            self._due = None
        elif self._due is None:
            self._due = now + FILLER_AFTER_S
        elif now >= self._due:
            self._due = now + FILLER_EVERY_S
            self._number += 1
            self._outbox.counters.fillers += 1
            item_id = f"filler-{self._number}"
            self._outbox.put(Play(item_id=item_id, content_index=0, audio=self._audio))
            self._outbox.put(FinishItem(item_id=item_id))
