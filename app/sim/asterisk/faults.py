"""Faults on demand: verbs that fail, hang or lose their answer, frozen HTTP, late and reordered events.

Set through SimAsterisk, asked by the HTTP and websocket shells. Pure but for the clock given to it.
"""

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

Failure = int | Literal["timeout", "lost_reply", "twice"]
"""A status, or: not done and never answered; done, the answer lost; done twice, repeated by something between."""


class Fault(msgspec.Struct):
    """One order of `fail_next`; `hits` counts how often it struck."""

    method: str
    pattern: str
    failure: Failure
    times: int = 1
    hits: int = 0


class Faults:
    """What is wrong at the moment."""

    def __init__(self) -> None:
        self.orders: list[Fault] = []
        self.frozen_until_s = 0.0
        self.event_delay_s = 0.0
        self._held_back: list[tuple[str, float]] = []

    def fail_next(self, method: str, pattern: str, failure: Failure, *, times: int = 1) -> Fault:
        """The next `times` requests of `method` whose path (below /ari) matches the shell `pattern` fail."""
        fault = Fault(method, pattern, failure, times)
        self.orders.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Failure | None:
        """Whether this request fails, and how; uses the order up."""
        for fault in self.orders:
            if fault.hits < fault.times and fault.method == method and fnmatchcase(path, fault.pattern):
                fault.hits += 1
                return fault.failure
        return None

    def hold_back(self, event_type: str, delay_s: float) -> None:
        """The next event of this type comes `delay_s` later, and so after events that followed it."""
        self._held_back.append((event_type, delay_s))

    def delay_of(self, event_type: str) -> float | None:
        """How long this one event is held back behind its followers; None for an event in its turn."""
        for order in self._held_back:
            if order[0] == event_type:
                self._held_back.remove(order)
                return order[1]
        return None
