"""The recording of a call: which files there are, where they lie on its time line, and why there is none."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from app.domain.call import Call, CallState
from app.errors import NotFoundError
from app.store import recordings
from app.store.db import Reader
from app.store.events import CallEvent
from app.store.recording_files import Peaks, RecordingFile, find, peaks
from app.store.recordings import Recording
from web.view import clock_face

KEPT_WAVEFORMS = 64
AT_A_TIME = 2
"""Waveforms that are made at the same time; others wait."""
SHORT_MS = 200
"""A file that has so much less than was reported is called cut short."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file. `offset_ms` is where it begins on the call's time line (0 = the answer)."""

    number: int
    offset_ms: int
    duration_ms: int


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: ready (something can be played), later (the call is going on) or none; `sentence` says more."""

    state: str
    sentence: str
    parts: tuple[Part, ...] = ()


class Waveform(msgspec.Struct, frozen=True, kw_only=True):
    """What the page draws of one file."""

    part: Part
    peaks: Peaks


class Playable(msgspec.Struct, frozen=True):
    """A part and its file."""

    part: Part
    file: RecordingFile


class Recordings:
    """Of one console. Waveforms are made in threads, a few at a time, and the last ones are kept."""

    def __init__(self, db: Reader, folder: Path) -> None:
        self._db = db
        self._folder = folder
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._kept: OrderedDict[tuple[str, str], Peaks] = OrderedDict()

    async def of(self, call: Call, rows: Sequence[Recording], happened: Sequence[CallEvent]) -> Recorded:
        """What there is of a call, for its page."""
        if call.state is not CallState.ENDED:
            return Recorded(state="later", sentence=_while_it_lives(happened))
        found, faults = await asyncio.to_thread(self._found, call, rows)
        if found:
            return Recorded(
                state="ready", sentence=_shortened(found, rows), parts=tuple(one.part for one in found)
            )
        return Recorded(state="none", sentence=_why_not(call, happened, faults))

    async def waveforms(self, call: Call) -> list[Waveform]:
        """Of every part that can be played; none while the call goes on."""
        return [Waveform(part=one.part, peaks=await self._peaks(one.file)) for one in await self._playable(call)]

    async def file(self, call: Call, number: str) -> RecordingFile:
        """One part by its number. Raises NotFoundError."""
        for one in await self._playable(call):
            if str(one.part.number) == number:
                return one.file
        raise NotFoundError("There is no such recording of this call.")

    async def _playable(self, call: Call) -> list[Playable]:
        if call.state is not CallState.ENDED:
            return []
        rows = await recordings.list_recordings(self._db, call.tenant_id, call.id)
        return (await asyncio.to_thread(self._found, call, rows))[0]

    def _found(self, call: Call, rows: Sequence[Recording]) -> tuple[list[Playable], list[str]]:
        """Reads the disk. A file nobody reported, since its worker died, is found by the name it must have."""
        found: list[Playable] = []
        faults: list[str] = []
        first = f"{call.id}.wav"
        stored: list[Recording | None] = list(rows)
        if not any(Path(row.path).name == first for row in rows):
            stored.insert(0, None)
        for row in stored:
            try:
                file = find(self._folder, first if row is None else row.path)
            except NotFoundError as gone:
                if row is not None:
                    faults.append(gone.message)
                continue
            offset_ms = 0 if row is None or file.path.name == first else _offset(call, row)
            part = Part(number=len(found) + 1, offset_ms=offset_ms, duration_ms=file.duration_ms)
            found.append(Playable(part, file))
        return found, faults

    async def _peaks(self, file: RecordingFile) -> Peaks:
        key = (file.path.name, file.mark)
        known = self._kept.get(key)
        if known is None:
            async with self._room:
                known = self._kept.get(key) or await asyncio.to_thread(peaks, file)
            self._kept[key] = known
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_WAVEFORMS:
            self._kept.popitem(last=False)
        return known


def _offset(call: Call, row: Recording) -> int:
    """Where a later file begins: it was reported when it ended, and is so long."""
    return max(0, row.created_ms - row.duration_ms - (call.answered_ms or call.created_ms))


def _off(happened: Sequence[CallEvent]) -> str:
    kinds = {event.kind for event in happened}
    if "recording_asked" in kinds and "recording_started" not in kinds:
        return "This call is not recorded: nobody clearly agreed to it."
    told = next((event for event in happened if event.kind == "recording_off"), None)
    return "" if told is None else f"This call is not recorded. {told.data.get('detail', '')}".strip()


def _while_it_lives(happened: Sequence[CallEvent]) -> str:
    return (
        _off(happened) or "The call is going on. Its recording, if there is one, can be heard when it has ended."
    )


def _why_not(call: Call, happened: Sequence[CallEvent], faults: Sequence[str]) -> str:
    if faults:
        return f"{faults[0]} It was written by {call.node}; recordings stay on the machine that made the call."
    if call.answered_ms is None:
        return "Nobody answered, so there is nothing to hear."
    return _off(happened) or "This call was not recorded. Calls are recorded when RECORDING=true is set."


def _shortened(found: Sequence[Playable], rows: Sequence[Recording]) -> str:
    lengths = {Path(row.path).name: row.duration_ms for row in rows}
    for one in found:
        reported = lengths.get(one.file.path.name)
        if reported is None:
            return "The recording was not closed properly: the media worker died. What is there can be heard."
        if reported - one.file.duration_ms > SHORT_MS:
            there, whole = clock_face(one.file.duration_ms), clock_face(reported)
            return f"The recording is cut short: {there} of {whole} are there."
    if len(rows) > len(found):
        return "A part of the recording is missing: its file is not on this machine."
    return ""
