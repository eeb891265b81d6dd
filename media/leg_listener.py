"""Somebody who listens in on a leg: both directions as they pass its tap, for as long as is asked for.

Costs nothing while nobody listens. Owned by `media.leg`.
"""

from collections.abc import Callable
from typing import Literal

from media.report_types import CallAudio
from media.taps import Tap

Hear = Callable[[CallAudio], None]
MAX_MS = 60_000
"""Longest time one request is good for: whoever asked may have died."""


class LegListener:
    """`hear` gets a `CallAudio` per slot; what it does with too many is its business."""

    def __init__(self, call_id: str, tap: Tap, hear: Hear) -> None:
        self._call_id = call_id
        self._tap = tap
        self._hear = hear
        self._until = 0.0
        self._codec: Literal["ulaw", "alaw", "pcm16"] = "pcm16"
        if tap.law is not None:
            self._codec = "alaw" if tap.law.name == "alaw" else "ulaw"

    def listen(self, for_ms: int, now: float) -> None:
        """Listen for so long from now on; 0 ends it."""
        self._until = now + min(max(0, for_ms), MAX_MS) / 1000
        self._tap.listener = self._heard if for_ms > 0 else None

    def serve(self, now: float) -> None:
        """One slot has passed."""
        if self._tap.listener is not None and now >= self._until:
            self._tap.listener = None

    def _heard(self, callee: bytes, agent: bytes) -> None:
        if callee or agent:
            self._hear(CallAudio(call_id=self._call_id, codec=self._codec, callee=callee, agent=agent))
