"""What can go wrong at the far side of a Realtime session, and the plan that says when.

A fault is struck once at its stage: by a script (`FaultPlan.scripted`, in order), by chance with a seed, or
because a brain's `Step` carries it. `server`, `turns`, `transcriber` and `generation` act the faults out.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from random import Random

import msgspec


class FaultKind(StrEnum):
    """One way of failing; the comment names what `Fault` fields it reads."""

    REFUSE = "refuse"  # status 401, 429 or 503 instead of the upgrade
    HANG = "hang"  # the upgrade is never answered
    EXPIRE = "expire"  # session_expired after `seconds`
    LATE_SPEECH_STARTED = "late_speech_started"  # `seconds` late
    TRANSCRIPTION_FAILED = "transcription_failed"  # `code`
    LATE_TRANSCRIPT = "late_transcript"  # sent after the transcript of the next turn
    DROP = "drop"  # TCP reset after `after_deltas`
    CLOSE = "close"  # close frame with `status` after `after_deltas`
    ERROR = "error"  # error event with `code`; the session goes on
    FAIL = "fail"  # response.done failed with `code`, no audio
    INCOMPLETE = "incomplete"  # cut after `after_deltas`, reason `code`
    STALL = "stall"  # nothing for `seconds` after `after_deltas`
    DUPLICATE_DELTA = "duplicate_delta"
    UNKNOWN_EVENT = "unknown_event"
    NOT_JSON = "not_json"
    BINARY_FRAME = "binary_frame"
    HUGE_FRAME = "huge_frame"  # one frame of `size_bytes`
    DONE_WITHOUT_CREATED = "done_without_created"
    TEXT_ONLY = "text_only"  # the answer is a text part although audio was asked for
    BAD_ARGUMENTS = "bad_arguments"  # the tool call's arguments are cut JSON
    UNKNOWN_TOOL = "unknown_tool"  # the tool call names a tool nobody offered
    RATE_LIMIT = "rate_limit"  # nothing remaining, response failed rate_limit_exceeded


class Stage(StrEnum):
    """When a fault is looked for."""

    UPGRADE = "upgrade"
    SESSION = "session"
    TURN = "turn"
    RESPONSE = "response"


STAGES: dict[FaultKind, Stage] = {
    FaultKind.REFUSE: Stage.UPGRADE,
    FaultKind.HANG: Stage.UPGRADE,
    FaultKind.EXPIRE: Stage.SESSION,
    FaultKind.LATE_SPEECH_STARTED: Stage.TURN,
    FaultKind.TRANSCRIPTION_FAILED: Stage.TURN,
    FaultKind.LATE_TRANSCRIPT: Stage.TURN,
}
"""Every other kind belongs to a response."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One failure to act out."""

    kind: FaultKind
    code: str = "server_error"
    """Error code of ERROR, FAIL, TRANSCRIPTION_FAILED; reason of INCOMPLETE."""
    status: int = 1011
    """Close code of CLOSE (1001, 1011, 1013), HTTP status of REFUSE."""
    seconds: float = 1.0
    after_deltas: int = 1
    """How many audio deltas of the response are sent before it strikes."""
    size_bytes: int = 4 * 1024 * 1024

    @property
    def stage(self) -> Stage:
        """When it is looked for."""
        return STAGES.get(self.kind, Stage.RESPONSE)


class FaultPlan:
    """Hands out faults: scripted ones first and in order per stage, then by chance."""

    def __init__(
        self, scripted: Iterable[Fault] = (), chances: Mapping[Fault, float] | None = None, seed: int = 0
    ) -> None:
        self._scripted = list(scripted)
        self._chances = dict(chances or {})
        self._random = Random(seed)
        self.struck: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Strike `fault` at the next occasion of its stage, in any session."""
        self._scripted.append(fault)

    def take(self, stage: Stage) -> Fault | None:
        """The fault to act out now, if any."""
        fault = self._next_scripted(stage) or self._by_chance(stage)
        if fault is not None:
            self.struck.append(fault)
        return fault

    def _next_scripted(self, stage: Stage) -> Fault | None:
        for index, fault in enumerate(self._scripted):
            if fault.stage is stage:
                return self._scripted.pop(index)
        return None

    def _by_chance(self, stage: Stage) -> Fault | None:
        for fault, probability in self._chances.items():
            if fault.stage is stage and self._random.random() < probability:
                return fault
        return None
