"""What goes into and comes out of the rules of a talk: states, limits, effects, what the agent is told to say.

Used by `app.calls.conversation`.
"""

from enum import StrEnum

import msgspec

from app.calls.tools import OutsideCall, RecordOptOut, TransferCall
from app.domain.feedback import Unanswered
from app.domain.fields import Collected
from media import protocol as media
from stasis.outcome import EndedBy
from stasis.transfer_model import TransferOutcome, TransferState

FAREWELL_LIMIT_S = 12.0
"""A farewell that has not been heard by then is given up: the line must not stay open for it."""
HEARD_OUT_S = 0.3
"""From the last packet of a farewell to the hang-up. Networks and the telephone's own jitter buffer still hold the
last words then, and a BYE empties that buffer.
"""
APOLOGY_S = 2.5
"""A model that is gone for good leaves a last sound, heard before the line goes dead: at least so long."""

ASK_IF_PRESENT = "The callee has been silent. Ask in one short sentence whether they are still there."
SAY_GOODBYE = "Say a short, friendly goodbye in one sentence. Do not ask anything."
SAY_GOODBYE_SILENT = "Nobody is answering. Say in one sentence that you will end the call now, and goodbye."
SAY_GOODBYE_TIME = "The time for this call is over. Apologize briefly, say goodbye in one sentence."
SAY_AGAIN_LATER = "Say in one or two short sentences that you will call again at another time, and goodbye."
KEEP_COMPANY = (
    "You still wait for an answer of your own side, a person or a system you asked. Tell the callee so in one "
    "short, friendly sentence. Do not guess the answer."
)
SAY_CALL_BACK_LATER = (
    "Nobody on your own side can answer now. Say in one or two short sentences that you will clear it up and call "
    "again, thank them and say goodbye."
)
SAY_NOT_NOW = (
    "Nobody on your own side can answer now. Apologize briefly, say goodbye in one or two short sentences."
)
GO_ON_WITHOUT = (
    "Nobody on your own side answered your question. Go on without an answer: promise nothing, and settle what "
    "can be settled."
)
SAY_IDENTITY = (
    "A call screening service asks who calls and why. Answer in one sentence: whose automated assistant you are, "
    "and the matter in general words. Then wait."
)
SAY_VOICEMAIL = (
    "An answering machine records now. Leave one short message of at most three sentences: whose automated "
    "assistant you are, that you will call again, and goodbye. Tell nothing private: anybody may hear it."
)
SAY_VOICEMAIL_WORDS = "An answering machine records now. Say this message, word for word:"
SAY_GOODBYE_STOPPING = (
    "The line has to be closed now for technical reasons. Apologize briefly, say goodbye in one sentence."
)


class TalkState(StrEnum):
    """Where in the talk we are."""

    WAITING = "waiting"
    TALKING = "talking"
    ASIDE = "aside"
    """Somebody else is being called for the callee: the agent neither hears nor is heard by them."""
    TAKEN = "taken"
    """A person speaks with the callee in the agent's place; the agent only listens."""
    CLOSING = "closing"
    DONE = "done"


TRANSITIONS: dict[TalkState, frozenset[TalkState]] = {
    TalkState.WAITING: frozenset({TalkState.TALKING, TalkState.DONE}),
    TalkState.TALKING: frozenset({TalkState.ASIDE, TalkState.TAKEN, TalkState.CLOSING, TalkState.DONE}),
    TalkState.ASIDE: frozenset({TalkState.TALKING, TalkState.DONE}),
    TalkState.TAKEN: frozenset({TalkState.TALKING, TalkState.DONE}),
    TalkState.CLOSING: frozenset({TalkState.TALKING, TalkState.DONE}),
    TalkState.DONE: frozenset(),
}


class TalkLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long silence and the whole talk may last."""

    no_input_s: float = 6.0
    no_input_prompts: int = 2
    max_talk_s: float = 600.0
    max_cost_micro_usd: int | None = None
    """What the models of one call may cost; None: no limit."""
    feedback_wait_s: float = 45.0
    """How long a question to a person may stay open before `unanswered` applies."""
    unanswered: Unanswered = "close_and_call_back"
    voicemail_message: str = ""
    """Spoken after a machine's beep; empty: the agent's own words."""


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


class StoreField(msgspec.Struct, frozen=True):
    """A value was proven."""

    collected: Collected


class Errand(msgspec.Struct, frozen=True):
    """Something to be done outside the talk for a function call; answered by `ErrandDone`."""

    tool_call_id: str
    request: RecordOptOut | TransferCall | OutsideCall


class AskPeople(msgspec.Struct, frozen=True):
    """Put a question to the operators; answered by `PeopleAnswered`, or ended by `GiveUpAsking`."""

    question: str
    suggestions: tuple[str, ...]
    wait_s: float
    number: int = 1
    """Of the talk's questions, from 1: a late answer to an earlier one must not close this one."""


class GiveUpAsking(msgspec.Struct, frozen=True):
    """The question has been open long enough; answered by `PeopleAnswered` (just in time) or `NobodyAnswered`."""

    number: int = 1


class WaitLonger(msgspec.Struct, frozen=True):
    """Patience with the open question did not run for a while; this much of it is left from now on."""

    left_s: float


class WithdrawQuestion(msgspec.Struct, frozen=True):
    """Nobody needs to answer the open question; an answer that was quicker still comes as `PeopleAnswered`."""


class TakeTransferBack(msgspec.Struct, frozen=True):
    """The phone that rings for the callee is let go, unless somebody has just taken the call."""

    reason: str


class TransferDropped(msgspec.Struct, frozen=True):
    """A transfer that an operator ordered will not begin: whoever ordered it is told so now."""

    sentence: str


TalkEffect = (
    ToMedia
    | PressKeys
    | WantHangUp
    | Note
    | StoreField
    | Errand
    | AskPeople
    | GiveUpAsking
    | WaitLonger
    | WithdrawQuestion
    | TakeTransferBack
    | TransferDropped
)


# --- what the shell answers ------------------------------------------------------------------------------------
class ErrandDone(msgspec.Struct, frozen=True):
    """What came of an errand: `output` is JSON text for the model. `respond` False: it need not speak on it."""

    tool_call_id: str
    output: str
    respond: bool = True


class PeopleAnswered(msgspec.Struct, frozen=True):
    """A person answered a question. `request_id`: of its row, for the note that the talk has heard of it."""

    answer: str
    number: int = 1
    request_id: str = ""


class NobodyAnswered(msgspec.Struct, frozen=True):
    """A question was given up; nobody had answered."""

    number: int = 1


class TransferMoved(msgspec.Struct, frozen=True):
    """How far the transfer has come; `outcome` when it is over: then the callee is back, or with somebody else."""

    state: TransferState
    outcome: TransferOutcome | None = None


TalkAnswer = ErrandDone | PeopleAnswered | NobodyAnswered
Told = TalkAnswer | TransferMoved
"""What a talk is told by the shell."""
