"""A test call in the browser: an agent speaks with somebody at a microphone. No phone, no task, no attempt. Pure.

It has rows of its own and never one in `calls`, so that no count, report, result or retry can see it.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

LONGEST_S = 600
"""A test call that nobody ends is ended."""
MOST_COST_MICRO_USD = 1_000_000
"""What the models of one test call may cost when no limit of calls is lower."""
ALIVE_MS = (LONGEST_S + 120) * 1000
"""One that began longer ago has died with its engine."""
ASKED_PER_HOUR = 60
"""Of one tenant."""
KEPT_WISH_MS = 24 * 3_600_000
"""A wish that nothing came of is kept this long."""
ALIVE_AT_ONCE = 2
"""Of one tenant: each of them takes a place in the media engine that calls to people use."""
BEGINS_WITHIN_MS = 15_000
"""A wish that no engine has taken by then is none any more."""
STEPS_KEPT = 400
STEP_CHARACTERS = 4_000
DRAFT = 0
"""The version of words that were never saved."""
OBJECTIVE = (
    "This is a test call: somebody of our own side plays the person called. Do what you would do in a real call."
)


class TryoutState(StrEnum):
    """Where a test call is."""

    ASKED = "asked"
    """It has a page; no microphone is there yet."""
    WANTED = "wanted"
    """The microphone is there, an engine is to take it."""
    LIVE = "live"
    ENDED = "ended"


StepKind = Literal["state", "words", "function", "answer", "field", "note", "fault", "cost", "over"]


class TryoutStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened in a test call, as the page shows and the store keeps it.

    `ref` tells steps of the same thing (a turn, a function call) apart from others; a later one replaces it.
    `who` speaks (callee is the person at the microphone) or names the function or field. `at_ms` counts from the
    beginning of the talk. `delay_ms`: from the end of the callee's words to the first sound of the answer.
    """

    kind: StepKind
    text: str
    ref: str = ""
    who: str = ""
    at_ms: int = 0
    final: bool = True
    interrupted: bool = False
    delay_ms: int | None = None
    micro_usd: int = 0


class NewTryout(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for one. `body` is the whole agent as JSON text, so that words which were never saved can speak."""

    id: str
    agent_id: str
    agent_version: int
    body: str
    objective: Annotated[str, msgspec.Meta(max_length=2_000)]
    asked_by: str


class Tryout(NewTryout, frozen=True, kw_only=True):
    """A row of `tryouts`. Times are UTC epoch milliseconds; `steps` is JSON text."""

    tenant_id: str
    state: TryoutState
    mic_id: str
    node: str
    model: str
    ended_by: str
    reason: str
    cost_micro_usd: int
    unpriced: int
    steps: str
    created_ms: int
    wanted_ms: int | None
    live_ms: int | None
    ended_ms: int | None


class Story:
    """The steps so far: what has the same kind and `ref` is one step, in the place of its beginning."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], TryoutStep] = {}
        self._left_out = 0

    def add(self, step: TryoutStep) -> None:
        """Keep it, within bounds."""
        if step.kind in {"state", "cost", "over"}:
            return
        key = (step.kind, step.ref or f"#{len(self._steps)}")
        if key not in self._steps and len(self._steps) >= STEPS_KEPT:
            self._left_out += 1
            return
        began = self._steps[key].at_ms if key in self._steps else step.at_ms
        self._steps[key] = msgspec.structs.replace(step, text=step.text[:STEP_CHARACTERS], at_ms=began)

    @property
    def steps(self) -> Sequence[TryoutStep]:
        """In the order in which they began."""
        told = sorted(self._steps.values(), key=lambda step: step.at_ms)
        if self._left_out:
            told.append(TryoutStep(kind="note", text=f"{self._left_out} more were not kept."))
        return told

    def encoded(self) -> str:
        """As it is stored."""
        return msgspec.json.encode(self.steps).decode()


def read_steps(text: str) -> list[TryoutStep]:
    """What was stored."""
    return msgspec.json.decode(text, type=list[TryoutStep])
