"""What goes into and comes out of the rules of a talk: states, limits, effects, what the agent is told to say.

Used by `app.calls.conversation`.
"""

from enum import StrEnum

import msgspec

from media import protocol as media
from stasis.outcome import EndedBy

ASK_IF_PRESENT = "The callee has been silent. Ask in one short sentence whether they are still there."
SAY_GOODBYE = "Say a short, friendly goodbye in one sentence. Do not ask anything."
SAY_GOODBYE_SILENT = "Nobody is answering. Say in one sentence that you will end the call now, and goodbye."
SAY_GOODBYE_TIME = "The time for this call is over. Apologize briefly, say goodbye in one sentence."
SAY_GOODBYE_STOPPING = (
    "The line has to be closed now for technical reasons. Apologize briefly, say goodbye in one sentence."
)


class TalkState(StrEnum):
    """Where in the talk we are."""

    WAITING = "waiting"
    TALKING = "talking"
    CLOSING = "closing"
    DONE = "done"


TRANSITIONS: dict[TalkState, frozenset[TalkState]] = {
    TalkState.WAITING: frozenset({TalkState.TALKING, TalkState.DONE}),
    TalkState.TALKING: frozenset({TalkState.CLOSING, TalkState.DONE}),
    TalkState.CLOSING: frozenset({TalkState.DONE}),
    TalkState.DONE: frozenset(),
}


class TalkLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long silence and the whole talk may last."""

    no_input_s: float = 6.0
    no_input_prompts: int = 2
    max_talk_s: float = 600.0
    max_cost_micro_usd: int | None = None
    """What the models of one call may cost; None: no limit."""


class ToMedia(msgspec.Struct, frozen=True):
    """Send this to the media worker."""

    command: media.Command


class PressKeys(msgspec.Struct, frozen=True):
    """Send DTMF on the callee's channel."""

    digits: str


class WantHangUp(msgspec.Struct, frozen=True):
    """The talk is over."""

    ended_by: EndedBy
    reason: str


class Note(msgspec.Struct, frozen=True):
    """Something worth a row in the call's events."""

    kind: str
    detail: str


TalkEffect = ToMedia | PressKeys | WantHangUp | Note
