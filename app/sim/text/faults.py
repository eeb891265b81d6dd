"""What can go wrong at the far side of a text model: struck in order, or always, or by chance with a seed."""

from collections.abc import Iterable
from enum import StrEnum
from random import Random

import msgspec


class TextFaultKind(StrEnum):
    """One way of failing; the comment names what `TextFault` fields it reads."""

    STATUS = "status"  # HTTP `status` with `code`, `param`, `retry_after_ms`, `should_retry`
    HANG = "hang"  # nothing for `seconds`
    DROP = "drop"  # the connection is closed without an answer
    NOT_JSON = "not_json"  # 200 with text that is no JSON
    CUT_STREAM = "cut_stream"  # a stream ends after `after_deltas` without its last event
    ENDLESS = "endless"  # a stream stays open for `seconds` after its last event
    REFUSAL = "refusal"  # the model declines
    FILTERED = "filtered"  # a content filter stops the answer
    TRUNCATED = "truncated"  # cut at the token limit in the middle of the JSON
    WRONG_SCHEMA = "wrong_schema"  # valid JSON of another shape
    WRONG_ARGUMENTS = "wrong_arguments"  # the tool call's arguments are cut JSON
    FAILED = "failed"  # a response with status failed (Responses only), 500 at Chat Completions


class TextFault(msgspec.Struct, frozen=True, kw_only=True):
    """One failure to act out."""

    kind: TextFaultKind
    status: int = 500
    code: str = "server_error"
    param: str | None = None
    retry_after_ms: int | None = None
    should_retry: bool | None = None
    seconds: float = 1.0
    after_deltas: int = 1


class TextFaults:
    """Hands out faults, one per question."""

    def __init__(
        self,
        scripted: Iterable[TextFault] = (),
        *,
        chance: float = 0.0,
        by_chance: TextFault | None = None,
        seed: int = 0,
    ) -> None:
        self._scripted = list(scripted)
        self._chance = chance
        self._by_chance = by_chance
        self._random = Random(seed)
        self.always: TextFault | None = None
        """Struck at every question until it is taken away: the provider is down."""
        self.struck: list[TextFault] = []

    def add(self, *faults: TextFault) -> None:
        """Strike these at the next questions, one each."""
        self._scripted += faults

    def take(self) -> TextFault | None:
        """The fault to act out now, if any."""
        fault = self.always
        if fault is None and self._scripted:
            fault = self._scripted.pop(0)
        if fault is None and self._by_chance is not None and self._random.random() < self._chance:
            fault = self._by_chance
        if fault is not None:
            self.struck.append(fault)
        return fault
