"""Why a task is, or is not, being called now: one sentence for a person, and what stands behind it. Pure."""

from typing import Literal

import msgspec

from app.domain.admission import Decision, Defer, Suppress
from app.domain.call import Call
from app.domain.local_time import told
from app.domain.policy.pack import PackRef
from app.domain.task import SETTLED, CallTask, TaskState

Answer = Literal[
    "now", "later", "never", "in_call", "being_prepared", "being_analyzed", "waiting_for_you", "settled"
]


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. Times are UTC epoch milliseconds; `next_ms` None: no time is known or none will come.

    `rules` were asked in this order, the last one decided; `warnings` are those of packs that only advise.
    """

    task_id: str
    state: TaskState
    answer: Answer
    sentence: str
    at_ms: int
    next_ms: int | None = None
    rule: str | None = None
    rules: tuple[str, ...] = ()
    packs: tuple[PackRef, ...] = ()
    warnings: tuple[str, ...] = ()
    attempts_used: int
    max_attempts: int


def explain(task: CallTask, call: Call | None, judged: Decision | None, now_ms: int) -> Why:
    """`call`: the living one, else the last; `judged`: what admission would say now of a task that waits."""
    answer = Why(
        task_id=task.id,
        state=task.state,
        answer="settled",
        sentence="",
        at_ms=now_ms,
        attempts_used=task.current_attempt_count,
        max_attempts=task.max_attempts,
    )
    if task.state in SETTLED:
        said = task.overall_conclusion or "Nothing more is to be done."
        return _said(answer, "settled", f"The task is {task.state}: {said}")
    match task.state:
        case TaskState.IN_CALL:
            since = f" since {told(call.dialing_ms)}" if call is not None and call.dialing_ms is not None else ""
            state = f" ({call.state})" if call is not None else ""
            return _said(answer, "in_call", f"A call for this task is going on{since}{state}.")
        case TaskState.CLAIMED:
            return _said(answer, "being_prepared", "The call is being prepared; it is dialed in a moment.")
        case TaskState.ANALYZING:
            return _said(answer, "being_analyzed", "The last call is over; what follows is being decided.")
        case TaskState.WAITING_USER:
            return _said(answer, "waiting_for_you", "The task waits for an answer from you.")
        case _:
            return _judged(answer, judged)


def _judged(answer: Why, judged: Decision | None) -> Why:
    if judged is None:
        return _said(answer, "later", "It is not known why the task waits.")
    answer = msgspec.structs.replace(
        answer,
        rules=judged.evidence.rules,
        packs=judged.evidence.packs,
        warnings=judged.evidence.warnings,
        sentence=judged.sentence,
    )
    match judged:
        case Defer(until_ms=until_ms, rule=rule):
            return msgspec.structs.replace(answer, answer="later", rule=rule, next_ms=until_ms)
        case Suppress(rule=rule):
            return msgspec.structs.replace(answer, answer="never", rule=rule)
        case _:
            sentence = f"{judged.sentence} It waits for a free place in a running engine."
            return msgspec.structs.replace(answer, answer="now", sentence=sentence, next_ms=answer.at_ms)


def _said(answer: Why, which: Answer, sentence: str) -> Why:
    return msgspec.structs.replace(answer, answer=which, sentence=sentence)
