"""The recording of one leg: begun with the answer, ended with the leg. Owned by `media.leg`."""

import asyncio
import contextlib
from collections.abc import Callable

from media.dsp import CODECS
from media.protocol import OpenLeg
from media.recording import SLOT_MS, Recorder, RecordingResult, RecordingWriter
from media.taps import Tap

RECORDING_END_S = 5.0
"""How long the end of a leg waits for its file; a disk that takes longer is reported, not waited for."""


class LegRecording:
    """Does nothing at all on a leg that is not recorded."""

    def __init__(self, opening: OpenLeg, writer: RecordingWriter, tap: Tap) -> None:
        self._opening = opening
        self._writer = writer
        self._tap = tap
        self._recorder: Recorder | None = None
        self._answered = False
        self._off_since: float | None = None
        self._over = False

    def begin(self) -> None:
        """The callee is there."""
        self._answered, self._off_since = True, asyncio.get_running_loop().time()
        if self._opening.record_from == "answer":
            self.switch(on=True)

    def switch(self, *, on: bool) -> None:
        """Record, or do not; what passes meanwhile is silence in the file."""
        path = self._opening.recording_path
        if path is None or self._over or not self._answered or on == (self._off_since is None):
            return
        now = asyncio.get_running_loop().time()
        if not on:
            self._tap.record(None)
            self._off_since = now
            return
        if self._recorder is None:
            facts = CODECS[self._opening.codec]
            encoding = "pcm16" if facts.law is None else facts.law.name
            self._recorder = self._writer.open(path, facts.sample_rate_hz, encoding=encoding)
        self._recorder.skip(round((now - (self._off_since or now)) * 1000) // SLOT_MS)
        self._off_since = None
        self._tap.record(self._recorder)

    def stop(self) -> None:
        """The call is over: nothing more is heard."""
        self._over = True
        self._tap.record(None)

    async def end(self, fault: Callable[[str], None]) -> RecordingResult | None:
        """The file as it is on the disk; None when there is none. `fault` is told what went wrong."""
        if self._recorder is None:
            return None
        result: RecordingResult | None = None
        with contextlib.suppress(TimeoutError):
            result = await asyncio.wait_for(asyncio.wrap_future(self._recorder.close()), RECORDING_END_S)
        problem = "the disk is too slow" if result is None else result.error
        if problem is not None:
            fault(problem)
        return result
