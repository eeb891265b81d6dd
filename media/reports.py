"""Numbered reports that wait for the control process's acknowledgement: nothing it must know is lost with it.

Law of memory: a report is kept until acknowledged, as long as all kept frames fit in `limit_bytes`; above that the
oldest go and are counted (`lost`, told in `Welcome.reports_lost`). Volatile reports (`TurnPartial`, `Levels`,
`WorkerLoad`) are neither numbered nor kept while nobody is connected. Pure; called by `media.worker`.
"""

from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from media.protocol import Levels, NumberedReport, TurnPartial, WorkerLoad
from media.wire import frame

Volatile = TurnPartial | Levels | WorkerLoad

KEPT_BYTES = 64 * 1024 * 1024
"""About 200 000 reports: a hundred calls talking for an hour without any control process."""


class KeptReport(msgspec.Struct, frozen=True, kw_only=True):
    """One report with its frame as it goes on the socket."""

    report: NumberedReport
    frame: bytes


def unnumbered(kind: Callable[..., NumberedReport], call_id: str, fields: Mapping[str, object]) -> NumberedReport:
    """A report as a leg hands it in; `ReportLog.add` gives it its number and time."""
    return kind(seq=0, call_id=call_id, at_unix_ms=0, **fields)


def first_seq(started_unix_ms: int) -> int:
    """Where a worker's numbers start: above all numbers of workers that ran before it, so that one acknowledged
    number means the same to every worker. Room for 4 reports per microsecond of life; stays below 2**53.
    """
    return started_unix_ms << 12


class ReportLog:
    """Numbers reports and keeps them until acknowledged; `take` hands them to the control link in order."""

    def __init__(self, start_seq: int, limit_bytes: int = KEPT_BYTES) -> None:
        self.last_seq = start_seq
        self.lost = 0
        self.connected = False
        """Set by the owner of the control link; `disconnected` unsets it."""
        self._limit_bytes = limit_bytes
        self._kept_bytes = 0
        self._taken: deque[KeptReport] = deque()
        self._waiting: deque[KeptReport] = deque()

    def __len__(self) -> int:
        return len(self._taken) + len(self._waiting)

    def add(self, report: NumberedReport, at_unix_ms: int) -> None:
        """Number and keep one report, unless it is volatile and nobody listens."""
        if not self.connected and isinstance(report, Volatile):
            return
        self.last_seq += 1
        numbered = msgspec.structs.replace(report, seq=self.last_seq, at_unix_ms=at_unix_ms)
        kept = KeptReport(report=numbered, frame=frame(numbered))
        self._waiting.append(kept)
        self._kept_bytes += len(kept.frame)
        while self._kept_bytes > self._limit_bytes and len(self) > 1:
            self._forget(self._taken or self._waiting)
            self.lost += 1

    def take(self, limit: int) -> list[KeptReport]:
        """Up to `limit` reports that were not taken on this connection yet; they stay kept."""
        batch = [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]
        self._taken.extend(batch)
        return batch

    def acknowledge(self, seq: int) -> None:
        """Forget all up to and including `seq`. A number this worker never gave is ignored."""
        if seq > self.last_seq:
            return
        for kept in (self._taken, self._waiting):
            while kept and kept[0].report.seq <= seq:
                self._forget(kept)

    def disconnected(self) -> None:
        """Nobody listens from now on: all is to be taken again, volatile reports are worth nothing any more."""
        self.connected = False
        kept = [*self._taken, *self._waiting]
        self._taken.clear()
        self._waiting = deque(one for one in kept if not isinstance(one.report, Volatile))
        self._kept_bytes = sum(len(one.frame) for one in self._waiting)

    def _forget(self, kept: deque[KeptReport]) -> None:
        self._kept_bytes -= len(kept.popleft().frame)
