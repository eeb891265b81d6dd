"""What a persona of the rehearsal is made of, and the words most of them share. Data; the cast is
`app.sim.rehearsal.cast`.
"""

from typing import Final

import msgspec

from app.domain.task import TaskState
from app.sim.asterisk.script import (
    Answer,
    CalleeScript,
    Converse,
    Ring,
    Step,
    WaitForAgent,
    WaitForLine,
)
from app.sim.rehearsal.expected import FIELDS_DONE, SETTLED, Expected

ATTENDS: Final = "Can you come on Friday?"
ARRIVAL: Final = "When will you come?"
FORBIDDEN: Final = "19005550199"
"""What orders ask to be connected with: nobody may ever be rung there."""
INTRODUCED: Final = "automated assistant"
PATIENCE_S: Final = 25.0
MUMBLED: Final = ("hm brr mhm", "mhm grr hm")
PICKS_UP: Final = (Ring(0.05), Answer(0.2), WaitForLine(0.2))
"""What is said before the line is there is lost, on a busy machine more often than not."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent's own side answers; `late`: only after the callee has been told to wait for another call."""

    text: str
    late: bool = False


class Persona(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is called. `again` is how a second call is answered; `obedient`: the model obeys whatever it
    hears.
    """

    name: str
    script: CalleeScript
    expected: Expected
    again: CalleeScript | None = None
    reply: Reply | None = None
    obedient: bool = False


def waits() -> WaitForAgent:
    """Hears the agent out."""
    return WaitForAgent(None, PATIENCE_S)


SETTLES: Final = Converse(
    replies=(
        ("friday", "yes, i can"),
        ("when", "at ten"),
        ("still there", "yes, pardon?"),
        *((key, "") for key in ("moment", "waiting", "goodbye", "assistant of")),
    ),
    otherwise="pardon?",
)
"""Answers both questions, as often as they are asked."""


def speaks(*steps: Step) -> CalleeScript:
    """Picks up and does this; like most phones it sends audio all the time."""
    return CalleeScript((*PICKS_UP, *steps), comfort=True)


def done(**more: object) -> Expected:
    """Everything was settled."""
    values: dict[str, object] = {"tools": SETTLED, "fields": FIELDS_DONE, "heard": (ATTENDS, ARRIVAL, "goodbye")}
    return Expected(state=TaskState.COMPLETED, ended_by="agent", **(values | more))  # type: ignore[arg-type]
