"""What a text model says about an ended call, and what code makes of it.

Action names are fixed. A judgement is a claim; only `app.domain.analysis.decide` turns it into a decision.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from app.domain.retry import Conclusion


class Action(StrEnum):
    """What shall follow. The names are those people know."""

    SUCCESS = "MARK_JOB_COMPLETED_SUCCESS"
    RETRY = "SCHEDULE_JOB_RETRY"
    FAILED = "MARK_JOB_FAILED_MAX_RETRIES"
    """Calling again makes no sense, or all attempts are used."""
    ASK_USER = "ASK_USER"
    """Only a person can say how it goes on."""
    OPT_OUT = "MARK_NUMBER_DO_NOT_CALL"


Outcome = Literal[
    "success",
    "partial",
    "callback_requested",
    "voicemail",
    "not_available",
    "wrong_person",
    "refused",
    "opt_out",
    "cut_off",
    "language_barrier",
    "no_conversation",
    "other",
]
Confidence = Literal["low", "medium", "high"]


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Words out of the transcript; `turn` counts from 1 as the model was shown."""

    turn: int
    quote: str


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """A value the call brought, and the words that say so."""

    field: str
    value: str
    turn: int
    quote: str


class RetryWish(msgspec.Struct, frozen=True, kw_only=True):
    """When the callee wants to be called: wall clock like 2027-01-16T16:00 and IANA zone, and the words."""

    local_time: str
    zone: str
    turn: int
    quote: str


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The model's whole answer. `retry` only when a time was named; `question` only for ASK_USER."""

    action: Action
    outcome: Outcome
    summary: str
    confidence: Confidence
    evidence: tuple[Quote, ...] = ()
    collected: tuple[Collected, ...] = ()
    retry: RetryWish | None = None
    revised_instructions: str = ""
    question: str = ""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Words that really occur: in which turn, whose, and how far into the call it began."""

    turn: int
    item_id: str
    speaker: str
    audio_ms: int
    quote: str


class ProvenValue(msgspec.Struct, frozen=True, kw_only=True):
    """A collected value with its proof."""

    field: str
    value: str
    proof: Proof


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What code decided. `conclusion` is what happens to the task; `doubts`: why not what the model wanted."""

    action: Action
    outcome: Outcome
    conclusion: Conclusion
    summary: str
    proofs: tuple[Proof, ...] = ()
    collected: tuple[ProvenValue, ...] = ()
    opt_out: Proof | None = None
    revised_instructions: str = ""
    doubts: tuple[str, ...] = ()


class CallbackWish(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent took down when the callee asked for another time: the callee's words, and the agent's reading
    of them on the callee's wall clock. A hint: only the transcript proves anything.
    """

    wished_words: str
    wished_local: str | None = None
