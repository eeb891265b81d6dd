"""A question to a person while a call lives: open until it is answered, or until nobody answered in time. Pure.

What then follows is the agent's rule: go on without, close politely, or close, park the task, and call again with
the answer. An answer is taken once; one that comes late is kept too, for it makes the call-back possible.

What only a person can judge after a call is asked in the same way, with the three answers of `Way` to pick from.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from app.domain.task import CallTask, TaskEvent, after
from app.errors import ConflictError, ValidationFailed

MAX_QUESTION = 500
MAX_ANSWER = 2_000
MAX_SUGGESTIONS = 9
"""As many as there are digit keys to choose with."""
ASKED, TOLD = "feedback_asked", "feedback_told"
"""Events of a call, each with the id of a question: it is stored; its answer was given to the agent."""
Unanswered = Literal["go_on", "close", "close_and_call_back"]
"""What the agent does when nobody answers in time."""


class Way(StrEnum):
    """How a task goes on that waits for a person since its last call. Any other words are for the agent, which
    calls again with them.
    """

    REACHED = "The goal is reached"
    AGAIN = "Call again"
    GIVE_UP = "Give up"


WAYS: tuple[str, ...] = tuple(map(str, Way))
"""The suggestions by which such a question is known."""


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


def asks_way(request: FeedbackRequest) -> bool:
    """Whether it asks how the task goes on after a call; then the answer decides it."""
    return request.suggestions == WAYS


def way_question(question_id: str, task: CallTask, call_id: str, why: str, now_ms: int) -> FeedbackRequest:
    """The question about a call of which code could not say what follows; `why`, as people read it. No callee
    waits for the answer, so its time is over from the beginning.
    """
    return FeedbackRequest(
        id=question_id,
        tenant_id=task.tenant_id,
        task_id=task.id,
        call_id=call_id,
        question=why.strip()[:MAX_QUESTION] or "Only you can say how this task goes on.",
        suggestions=WAYS,
        state=FeedbackState.TIMED_OUT,
        answer=None,
        answered_by=None,
        created_ms=now_ms,
        deadline_ms=now_ms,
        answered_ms=None,
        rule="go_on",
    )


def way_of(answer: str) -> Way | None:
    """Which way was picked or typed; None for words of one's own."""
    typed = answer.strip(" .!").casefold()
    return next((way for way in Way if way.casefold() == typed), None)


def decided(task: CallTask, answer: str, now_ms: int) -> CallTask:
    """The parked task as a person has it go on. Raises IllegalTransition when it is settled, or in a call."""
    match way_of(answer):
        case Way.REACHED:
            event, said = TaskEvent.COMPLETE, "A person decided that the goal is reached."
        case Way.GIVE_UP:
            event, said = TaskEvent.FAIL, "A person decided to give it up."
        case Way.AGAIN:
            return called_again(task, "A person decided that they are called again.", now_ms)
        case None:
            return called_again(task, f"{answer!r:.300} was answered; they are called again with it.", now_ms)
    return msgspec.structs.replace(after(task, event, now_ms), overall_conclusion=said)


def called_again(task: CallTask, said: str, now_ms: int) -> CallTask:
    """The parked task, due now; whoever ordered it by answering is owed an attempt."""
    return msgspec.structs.replace(
        after(task, TaskEvent.RETRY, now_ms),
        next_action_time=now_ms,
        max_attempts=max(task.max_attempts, task.current_attempt_count + 1),
        overall_conclusion=said,
    )
