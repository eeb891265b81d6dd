"""What is listened in on: the levels of both directions for the operator, and the two channels of a recording.

Each leg has a `Tap` that collects the audio of both directions as it passes; once per slot the taps of all legs
served are measured together, law bytes straight from a table. Recordings take the same bytes and are decoded by
the writer's thread. Pure; run by `media.engine`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from media.g711 import G711Law
from media.levels import Meter, mean_square
from media.recording import Recorder

PIECE_MS = 20


class Measured(NamedTuple):
    """What one side said in one slot, or in 20 ms of a burst: mean square and length."""

    square: float = 0.0
    ms: float = 0.0


OnLevels = Callable[[Sequence[Measured], Measured], None]
"""Callee and agent, once per slot. The callee's audio comes in bursts when the network stalls: in pieces of 20 ms,
so that what was short stays short.
"""


class Tap:
    """One leg's ear on itself. `law` None: both directions are tapped as PCM16, else as bytes of that law."""

    def __init__(self, law: G711Law | None, rate_hz: int = 8000) -> None:
        self.law = law
        self.callee = Meter()
        self.agent = Meter()
        self.on_levels: OnLevels | None = None
        self._measured: tuple[list[Measured], list[Measured]] = ([], [])
        self._bytes_per_ms = rate_hz // 1000 * (2 if law is None else 1)
        self._recorder: Recorder | None = None
        self.listener: Callable[[bytes, bytes], None] | None = None
        """Somebody who listens in."""
        self.callee_passed: list[bytes] = []
        self.agent_passed: list[bytes] = []

    def record(self, recorder: Recorder | None) -> None:
        """Hand both directions to a recording from now on, or to none."""
        self._recorder = recorder
        self.callee_passed.clear()
        self.agent_passed.clear()

    def take(self) -> tuple[bytes, bytes]:
        """What has passed since the last take, callee and agent; a recording gets it too."""
        callee, agent = b"".join(self.callee_passed), b"".join(self.agent_passed)
        self.callee_passed.clear()
        self.agent_passed.clear()
        if self._recorder is not None:
            self._recorder.write(callee, agent)
        if self.listener is not None:
            self.listener(callee, agent)
        return callee, agent

    def skip(self, slots: int) -> None:
        """The engine was late and gave up slots: the agent's channel was silent for as long."""
        if self._recorder is not None:
            for _ in range(slots):
                self._recorder.write(b"", None)

    @property
    def piece_bytes(self) -> int:
        """What is measured at once."""
        return PIECE_MS * self._bytes_per_ms

    def meter(self, side: int, square: float, size: int) -> None:
        """Count what one side (0 the callee, 1 the agent) said, piece by piece in their order."""
        (self.agent if side else self.callee).add(square, size)
        self._measured[side].append(Measured(square, size / self._bytes_per_ms))

    def tell(self) -> None:
        """Hand the levels of this slot on."""
        callee, agent = self._measured
        self._measured = ([], [])
        if self.on_levels is not None:
            self.on_levels(callee, max(agent, default=Measured()))


class TapBatch:
    """The taps that have something to measure in this slot."""

    def __init__(self) -> None:
        self._taps: list[Tap] = []
        self._groups: dict[tuple[int, int], list[tuple[Tap, int, bytes]]] = {}

    def add(self, tap: Tap) -> None:
        """Collect what has passed this tap."""
        self._taps.append(tap)
        for side, audio in enumerate(tap.take()):
            for start in range(0, len(audio), tap.piece_bytes):
                piece = audio[start : start + tap.piece_bytes]
                self._groups.setdefault((id(tap.law), len(piece)), []).append((tap, side, piece))

    def run(self) -> None:
        """Measure all of it, then tell each tap's leg."""
        groups, self._groups = self._groups, {}
        for (_, size), entries in sorted(groups.items(), key=lambda group: -group[0][1]):  # a rest comes last
            law = entries[0][0].law
            joined = b"".join(audio for _, _, audio in entries)
            if law is None:
                squares = mean_square(np.frombuffer(joined, np.int16).reshape(len(entries), -1))
            else:
                squares = law.mean_square(np.frombuffer(joined, np.uint8).reshape(len(entries), -1))
            for (tap, side, _), square in zip(entries, squares.tolist(), strict=True):
                tap.meter(side, square, size)
        taps, self._taps = self._taps, []
        for tap in taps:
            tap.tell()
