"""The sound of a spoken session: the microphone's 16 kHz to the model's 24 kHz, speech out in frames of 20 ms.

The browser plays through a buffer of its own; what is sent here counts as heard `PATH_MS` later, and is taken off
when the user breaks in. A `LegSession` of the media engine runs the model's session, here as in a telephone call.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import structlog

from media.clock import TickClock
from media.leg_session import LegSession
from media.playout import Heard, Playout
from media.protocol import NumberedReport
from media.realtime.settings import RealtimeSettings
from media.resample import PolyphaseBank

log = structlog.get_logger()
MICROPHONE_HZ, MODEL_HZ = 16_000, 24_000
FRAME_BYTES = 640
"""20 ms of the microphone, PCM16."""
SPEECH_BYTES = 960
"""20 ms of speech, PCM16."""
PATH_MS = 100
"""Buffer of the browser (60 ms) and the network."""
MOST_BEHIND = 10
"""Frames a stall may hold back; the browser's buffer takes no more."""
_ROW = np.zeros(1, np.intp)


class _Playout(Playout):
    """Tells when it falls silent, so that the browser does too."""

    def __init__(self, flushed: Callable[[], None]) -> None:
        super().__init__(frame_bytes=SPEECH_BYTES, bytes_per_ms=SPEECH_BYTES // 20, silence=b"\x00", held=False)
        self._on_flush = flushed

    def flush(self, *, fade: bool = False) -> list[Heard]:
        self._on_flush()
        return super().flush(fade=False)  # the browser fades


class SpokenLine:
    """Both directions of one session. `speech` gets 20 ms of PCM16 at 24 kHz at a time."""

    def __init__(
        self,
        session_id: str,
        settings: RealtimeSettings,
        *,
        report: Callable[[NumberedReport], None],
        speech: Callable[[bytes], None],
        silence: Callable[[], None],
    ) -> None:
        self._speech = speech
        self._playout = _Playout(silence)
        self._bank = PolyphaseBank(MICROPHONE_HZ, MODEL_HZ, rows=1)
        self._heard_bytes = 0
        self._rest = b""
        self.leg = LegSession(
            session_id, settings, self._playout, report=report, audio_ms=self._audio_ms, guard=_guarded
        )

    @property
    def quiet(self) -> bool:
        """Nobody speaks, and nothing is generated, wanted or played."""
        return self.leg.quiet and self._playout.drained

    def hear(self, pcm: bytes) -> None:
        """A piece of the microphone; anything that is no whole 20 ms waits for the next one."""
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % FRAME_BYTES
        self._rest = pcm[whole:]
        for start in range(0, whole, FRAME_BYTES):
            frame = np.frombuffer(pcm[start : start + FRAME_BYTES], "<i2")[None, :]
            self._heard_bytes += FRAME_BYTES
            self.leg.append(self._bank.process(_ROW, frame).astype("<i2").tobytes())

    async def play(self) -> None:
        """Speech out as it is spoken, until cancelled."""
        loop = asyncio.get_running_loop()
        clock = TickClock(loop.time(), phases=1)
        while True:
            await asyncio.sleep(max(0.0, clock.next_deadline - loop.time()))
            for slot in clock.due(loop.time()):
                for _ in range(min(slot.skipped, MOST_BEHIND) + 1):  # a stall holds back, not up
                    self._frame(loop.time())

    def _frame(self, now: float) -> None:
        out = self._playout.next_frame(now)
        if out.payload is not None:
            self._speech(out.payload)
        if out.item_id is not None and not out.fade:
            self.leg.playing(out.item_id)
        for item_id in out.finished_items:
            self.leg.played(item_id)

    def _audio_ms(self) -> int:
        return self._heard_bytes // (FRAME_BYTES // 20)


def _guarded(step: Callable[..., Any], *given: Any) -> None:
    """A timer's fault ends nobody's loop."""
    try:
        step(*given)
    except Exception:
        log.exception("a spoken session stumbled")
