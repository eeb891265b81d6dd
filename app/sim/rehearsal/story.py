"""The whole story of one campaign, as data: what a person types, who is called, and what must come of everybody.

Five people: one is busy, one has a machine, one asks to be called tomorrow at four, one agrees, one wants no more
calls. Carried out by `opendeep sim story`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from app.domain.retry import BUSY_DELAY_MS, MINUTE_MS, VOICEMAIL_DELAY_MS
from app.domain.task import TaskState
from app.sim.asterisk.script import Busy, CalleeScript, Ring
from app.sim.rehearsal.cast import ARRIVAL, ATTENDS, CAST
from app.sim.text.briefs import ScriptedReply, Turn

START: Final = "2027-01-15T15:00:00+00:00"
"""A Friday, ten in the morning in Washington, where the numbers are."""
TOMORROW_AT_FOUR: Final = "2027-01-16T21:00:00+00:00"
TOLERANCE_MS: Final = 2 * MINUTE_MS
"""A retry is counted from the moment at which the call was judged, which a slow machine puts off."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on the list. `calls`: how the telephone behaves, call by call. `again_ms`: how long after the end
    of the first call the second is due; `again_at`: or at which instant. Neither: nobody calls again.
    """

    name: str
    number: str
    calls: tuple[CalleeScript, ...]
    state: TaskState = TaskState.COMPLETED
    again_ms: int | None = None
    again_at: str = ""
    listed: bool = False


_AGREES = CAST["polite"].script
ACTORS: Final = (
    Actor(
        name="Ann",
        number="+12025550131",
        calls=(CalleeScript((Ring(0.05), Busy(0.05))), _AGREES),
        again_ms=BUSY_DELAY_MS,
    ),
    Actor(
        name="Bob", number="+12025550132", calls=(CAST["voicemail"].script, _AGREES), again_ms=VOICEMAIL_DELAY_MS
    ),
    Actor(
        name="Cleo",
        number="+12025550133",
        calls=(CAST["tomorrow_at_four"].script, _AGREES),
        again_at=TOMORROW_AT_FOUR,
    ),
    Actor(name="Dora", number="+12025550134", calls=(_AGREES,)),
    Actor(
        name="Emil",
        number="+12025550135",
        calls=(CAST["opt_out"].script,),
        state=TaskState.SUPPRESSED,
        listed=True,
    ),
)
TABLE: Final = "name,phone\n" + "".join(f"{one.name},{one.number}\n" for one in ACTORS)
_FIELDS: tuple[Mapping[str, Any], ...] = (
    {"name": "attends", "type": "yes_no", "label": "Attends", "help": ATTENDS},
    {"name": "arrival", "type": "text", "label": "Arrival", "help": ARRIVAL},
)
CHAT: Final = (
    Turn(
        text="Ask the people of my list whether they can come on Friday, and when.",
        replies=(
            ScriptedReply(
                kind="questions",
                text="Who is it for, and is the list complete?",
                questions=(
                    {"name": "company", "type": "text", "label": "Who is calling?"},
                    {"name": "complete", "type": "yes_no", "label": "Is that everybody?"},
                ),
            ),
        ),
    ),
    Turn(
        answers={"company": "Ann's Bistro", "complete": True},
        tables=(TABLE,),
        replies=(
            ScriptedReply(
                title="Who comes on Friday",
                fields=tuple(dict(one) for one in _FIELDS),
                lists=({"objective": "Ask whether they can come on Friday, and when."},),
            ),
        ),
    ),
)
"""What the person sends, and what a model answers: a form, then the plan."""


class Telephones:
    """Number -> script, call by call; counts how often each was rung."""

    def __init__(self) -> None:
        self.rung: dict[str, int] = {}
        self._actors = {one.number: one for one in ACTORS}

    def __call__(self, number: str) -> CalleeScript | None:
        actor = self._actors.get(number)
        nth = self.rung[number] = self.rung.get(number, 0) + 1
        if actor is None:
            return None
        return actor.calls[min(nth, len(actor.calls)) - 1]
