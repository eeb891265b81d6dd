"""What one simulated session did, in memory and bounded, for assertions and for people.

Consecutive audio appends are one entry, so an hour of audio does not push the events out.
"""

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

Direction = Literal["in", "out", "note"]
APPEND = "input_audio_buffer.append"


class Entry(msgspec.Struct, kw_only=True):
    """One event; `ms` counts from the upgrade. Repeated appends raise `count` and `last_ms`."""

    ms: float
    direction: Direction
    type: str
    summary: str = ""
    count: int = 1
    last_ms: float = 0.0
    max_gap_ms: float = 0.0
    """Longest time between two appends of this entry."""


class Journal:
    """Bounded list of entries; iterate it, or ask for types."""

    def __init__(self, limit: int = 20_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self.dropped = 0

    def add(self, ms: float, direction: Direction, type: str, summary: str = "") -> None:
        """Record one event."""
        last = self._entries[-1] if self._entries else None
        if type == APPEND and last is not None and last.type == APPEND:
            last.count += 1
            last.max_gap_ms = max(last.max_gap_ms, ms - last.last_ms)
            last.last_ms = ms
            return
        self.dropped += len(self._entries) == self._entries.maxlen
        self._entries.append(Entry(ms=ms, direction=direction, type=type, summary=summary, last_ms=ms))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def types(self, direction: Direction | None = None) -> list[str]:
        """Event types in order, of one direction or of both."""
        return [entry.type for entry in self._entries if direction in {None, entry.direction}]

    def find(self, type: str) -> list[Entry]:
        """Every entry of one type."""
        return [entry for entry in self._entries if entry.type == type]

    def has_order(self, *types: str) -> bool:
        """Whether the types occur in this order, with anything between them."""
        remaining = iter(self.types())
        return all(wanted in remaining for wanted in types)

    def write_jsonl(self, path: Path) -> None:
        """One JSON object per entry; replaces the file."""
        lines = (json.dumps(msgspec.to_builtins(entry)) for entry in self._entries)
        path.write_text("".join(f"{line}\n" for line in lines))
