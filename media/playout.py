"""What the callee is going to hear: a byte queue of the model's audio, taken one frame per 20 ms slot.

Audio is queued with the item it belongs to, so a flush (the callee interrupts) can say to the byte what was sent
of each item; `conversation.item.truncate` needs that. Bytes are opaque: G.711 as it is, or PCM16 for legs that
are resampled and encoded after this queue. The leg calls `next_frame` once per slot, also when nothing is said.
"""

from collections import deque
from typing import Final

import msgspec

REBUFFER_MS: Final = 40
_REMEMBERED_FLUSHED: Final = 64


class OutFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One slot. `payload` None means nobody speaks: the leg sends comfort noise or silence.

    `marker` is set on the first frame of a talk spurt. `finished_items` were sent completely up to and with this
    slot. `fade` marks the one frame after `flush(fade=True)` or `pause()` that the leg fades out; it counts as
    heard nowhere. `ducked` asks for 12 dB less.
    """

    payload: bytes | None = None
    marker: bool = False
    item_id: str | None = None
    fade: bool = False
    ducked: bool = False
    finished_items: tuple[str, ...] = ()


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one content part was really sent when the queue was flushed (whole ms, rounded down).

    `finished` says that `finish_item` had been called, so `received_ms` was all there was.
    """

    item_id: str
    content_index: int
    heard_ms: int
    received_ms: int
    finished: bool


SILENT_SLOT: Final = OutFrame()


class _Segment:
    """One content part: chunks not yet sent, a read offset into the first, and byte counts over its life."""

    def __init__(self, item_id: str, content_index: int) -> None:
        self.item_id = item_id
        self.content_index = content_index
        self.chunks: deque[bytes] = deque()
        self.offset = 0
        self.received_bytes = 0
        self.sent_bytes = 0
        self.finished = False

    @property
    def waiting_bytes(self) -> int:
        return self.received_bytes - self.sent_bytes

    def append(self, audio: bytes) -> None:
        if audio:
            self.chunks.append(audio)
            self.received_bytes += len(audio)

    def take(self, size: int) -> bytes:
        """The next `size` bytes, or what is left when there are fewer. Cost does not depend on what is queued."""
        parts: list[bytes] = []
        missing = size
        while missing and self.chunks:
            chunk = self.chunks[0]
            part = chunk[self.offset : self.offset + missing]
            self.offset += len(part)
            if self.offset == len(chunk):
                self.chunks.popleft()
                self.offset = 0
            parts.append(part)
            missing -= len(part)
        self.sent_bytes += size - missing
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def peek(self, size: int) -> bytes:
        """What `take` would give, left where it is."""
        found = b""
        for number, chunk in enumerate(self.chunks):
            if len(found) >= size:
                break
            start = self.offset if number == 0 else 0
            found += chunk[start : start + size - len(found)]
        return found

    def heard(self, bytes_per_ms: int) -> Heard:
        return Heard(
            item_id=self.item_id,
            content_index=self.content_index,
            heard_ms=self.sent_bytes // bytes_per_ms,
            received_ms=self.received_bytes // bytes_per_ms,
            finished=self.finished,
        )


class Playout:
    """The queue of one leg.

    There is no start-up buffer: the model delivers faster than real time. Only after an underrun inside an item
    (its frames ran out before `finish_item`) playing waits for 40 ms or the item's end, so that a slow stretch is
    heard as one pause and not as chopping. The last partial frame of an item is padded with `silence`.
    """

    def __init__(
        self, *, frame_bytes: int = 160, bytes_per_ms: int = 8, silence: bytes = b"\xff", held: bool = True
    ) -> None:
        self._frame_bytes = frame_bytes
        self._bytes_per_ms = bytes_per_ms
        self._silence = silence * frame_bytes
        self._open: dict[tuple[str, int], _Segment] = {}
        self._queue: deque[_Segment] = deque()
        self._queued_bytes = 0
        self._finished: list[str] = []
        self._flushed: dict[str, None] = {}
        self._fading: bytes | None = None
        self._speaking = False
        self._current: _Segment | None = None
        self._rebuffering = False
        self._hold_until: float | None = None
        self.held = held
        self.paused = False
        self.ducked = False
        self.underruns = 0
        self.dropped_bytes = 0

    # --- what goes in ---------------------------------------------------------------------------------------
    def enqueue(self, item_id: str, content_index: int, audio: bytes) -> None:
        """Queue the next bytes of a content part. Bytes of a flushed item are dropped and counted."""
        if item_id in self._flushed:
            self.dropped_bytes += len(audio)
            return
        key = (item_id, content_index)
        segment = self._open.get(key)
        if segment is None:
            segment = self._open[key] = _Segment(item_id, content_index)
        if not segment.waiting_bytes and audio:
            self._queue.append(segment)
        segment.append(audio)
        self._queued_bytes += len(audio)

    def finish_item(self, item_id: str) -> None:
        """No more bytes will come for this item; `OutFrame.finished_items` tells when it has been sent."""
        parts = [segment for segment in self._open.values() if segment.item_id == item_id]
        for segment in parts:
            segment.finished = True
        if parts:
            self._settle(item_id)

    def hold(self) -> None:
        """Play nothing until `release` (the call is not answered yet)."""
        self.held = True

    def release(self) -> None:
        """Start or go on playing with the next slot."""
        self.held = False

    def pause(self) -> None:
        """Fall silent now, fading, and forget nothing: `resume` begins again with the frame that was faded."""
        if self.paused:
            return
        self.paused = True
        if self._speaking and self._queue:
            self._fading = self._queue[0].peek(self._frame_bytes).ljust(self._frame_bytes, self._silence[:1])

    def resume(self) -> None:
        """Go on where `pause` fell silent."""
        self.paused = False

    def hold_until(self, until: float) -> None:
        """Play nothing before `until`, e.g. while Asterisk sends DTMF and drops voice. A later hold extends it."""
        self._hold_until = until if self._hold_until is None else max(until, self._hold_until)

    def flush(self, *, fade: bool = False) -> list[Heard]:
        """Forget everything queued, oldest item first, and say what was heard of each.

        Items already sent completely and finished are not listed. With `fade`, and if speech was being sent, the
        very next slot still carries the frame that was cut off, marked `fade`.
        """
        heard = [segment.heard(self._bytes_per_ms) for segment in self._open.values()]
        fade = fade and not self.paused
        self.paused = self.ducked = False
        self._fading = self._padded(self._queue[0]) if fade and self._speaking and self._queue else None
        for segment in self._open.values():
            self._flushed[segment.item_id] = None
        while len(self._flushed) > _REMEMBERED_FLUSHED:
            del self._flushed[next(iter(self._flushed))]
        self._open.clear()
        self._queue.clear()
        self._queued_bytes = 0
        self._current = None
        self._rebuffering = False
        return heard

    # --- what comes out -------------------------------------------------------------------------------------
    def next_frame(self, now: float) -> OutFrame:
        """The frame of this slot. Call it exactly once per slot that is really sent."""
        if self._fading is not None:
            return self._fade_frame()
        segment = self._playable(now)
        if segment is None:
            self._speaking = False
            return OutFrame(finished_items=self._take_finished()) if self._finished else SILENT_SLOT
        marker, self._speaking = not self._speaking, True
        payload = self._padded(segment)
        if not segment.waiting_bytes:
            self._queue.popleft()
            self._settle(segment.item_id)
        return OutFrame(
            payload=payload,
            marker=marker,
            item_id=segment.item_id,
            ducked=self.ducked,
            finished_items=self._take_finished() if self._finished else (),
        )

    @property
    def queued_ms(self) -> int:
        """Audio waiting to be sent, whole ms."""
        return self._queued_bytes // self._bytes_per_ms

    @property
    def drained(self) -> bool:
        """Nothing is queued and no item is waiting for more audio."""
        return not self._open and self._fading is None

    def _playable(self, now: float) -> _Segment | None:
        """The segment to take a frame from, or None when this slot is silent."""
        if self.held or self.paused or self._waits(now):
            return None
        if self._queue:
            segment = self._queue[0]
            complete = segment.finished or len(self._queue) > 1
            if complete or segment.waiting_bytes >= self._needed_bytes(segment):
                self._current = segment
                self._rebuffering = False
                return segment
        self._note_underrun()
        return None

    def _waits(self, now: float) -> bool:
        if self._hold_until is not None and now >= self._hold_until:
            self._hold_until = None
        return self._hold_until is not None

    def _needed_bytes(self, segment: _Segment) -> int:
        """What an unfinished segment must have waiting: a whole frame, more after it underran."""
        if self._rebuffering and segment is self._current:
            return max(self._frame_bytes, REBUFFER_MS * self._bytes_per_ms)
        return self._frame_bytes

    def _note_underrun(self) -> None:
        """A slot goes by in silence inside an item: the model is slower than real time."""
        if self._speaking and self._current is not None and not self._current.finished:
            self._rebuffering = True
            self.underruns += 1

    def _padded(self, segment: _Segment) -> bytes:
        payload = segment.take(self._frame_bytes)
        self._queued_bytes -= len(payload)
        return payload if len(payload) == self._frame_bytes else payload + self._silence[len(payload) :]

    def _fade_frame(self) -> OutFrame:
        payload, self._fading, self._speaking = self._fading, None, False
        return OutFrame(payload=payload, fade=True, finished_items=self._take_finished())

    def _settle(self, item_id: str) -> None:
        """Close an item whose parts are all finished and sent."""
        parts = [segment for segment in self._open.values() if segment.item_id == item_id]
        if all(segment.finished and not segment.waiting_bytes for segment in parts):
            for segment in parts:
                del self._open[segment.item_id, segment.content_index]
            self._finished.append(item_id)

    def _take_finished(self) -> tuple[str, ...]:
        finished, self._finished = tuple(self._finished), []
        return finished
