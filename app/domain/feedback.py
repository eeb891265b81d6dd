"""A question to a person while a call lives: open until it is answered, or until nobody answered in time. Pure.

What then follows is the agent's rule: go on without, close politely, or close, park the task, and call again with
the answer. An answer is taken once; one that comes late is kept too, for it makes the call-back possible.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from app.errors import ConflictError, ValidationFailed

MAX_QUESTION = 500
MAX_ANSWER = 2_000
MAX_SUGGESTIONS = 9
"""As many as there are digit keys to choose with."""
ASKED, TOLD = "feedback_asked", "feedback_told"
"""Events of a call, each with the id of a question: it is stored; its answer was given to the agent."""
Unanswered = Literal["go_on", "close", "close_and_call_back"]
"""What the agent does when nobody answers in time."""


class FeedbackState(StrEnum):
    """Life of a question."""

    OPEN = "open"
    ANSWERED = "answered"
    TIMED_OUT = "timed_out"
    """Nobody answered while the call could wait; for a parked task an answer still counts."""


STEPS: dict[FeedbackState, frozenset[FeedbackState]] = {
    FeedbackState.OPEN: frozenset({FeedbackState.ANSWERED, FeedbackState.TIMED_OUT}),
    FeedbackState.TIMED_OUT: frozenset({FeedbackState.ANSWERED}),
    FeedbackState.ANSWERED: frozenset(),
}

Question = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_QUESTION, pattern=r"\S")]


class FeedbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `feedback_requests`. Times are UTC epoch milliseconds; `suggestions` are answers to pick, `rule`
    is what the agent does when nobody answers by `deadline_ms`.
    """

    id: str
    tenant_id: str
    task_id: str
    call_id: str | None
    question: str
    suggestions: tuple[str, ...]
    state: FeedbackState
    answer: str | None
    answered_by: str | None
    created_ms: int
    deadline_ms: int
    answered_ms: int | None
    rule: Unanswered = "close_and_call_back"


def answered(request: FeedbackRequest, answer: str, by: str | None, now_ms: int) -> FeedbackRequest:
    """The request with its answer. Raises ConflictError when it has one, ValidationFailed for an empty answer."""
    text = answer.strip()
    if not text or len(text) > MAX_ANSWER:
        raise ValidationFailed(f"An answer has 1 to {MAX_ANSWER} characters.")
    if FeedbackState.ANSWERED not in STEPS[request.state]:
        raise ConflictError("This question has been answered already.")
    return msgspec.structs.replace(
        request, state=FeedbackState.ANSWERED, answer=text, answered_by=by, answered_ms=now_ms
    )


def timed_out(request: FeedbackRequest, now_ms: int) -> FeedbackRequest:
    """The request after its deadline; unchanged before it, or when it is answered."""
    if request.state is not FeedbackState.OPEN or now_ms < request.deadline_ms:
        return request
    return msgspec.structs.replace(request, state=FeedbackState.TIMED_OUT)
