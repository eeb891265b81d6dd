"""What follows a call, by its outcome: for calls without a talk, and for all of them with ANALYSIS=rules.

| outcome | what follows |
|---|---|
| completed | task completed; cut off by the network or by a fault of ours: failed, somebody should read it |
| completed, a machine answered (voicemail, with or without a message) | again in 4 h |
| completed, a fax machine or an announcement of the network answered | failed |
| completed by our patience, no audio of the callee ever came | failed, somebody should look at the line |
| busy / no_answer / unreachable | again in 10 min / 1 h / 30 min |
| network, lost before an answer, failed before an answer | again in 2 min |
| lost after an answer | failed, needs review: dialing again blindly would ring a person twice for one talk |
| bad_number, rejected | failed |
| canceled | cancelled when the operator did it, otherwise again in 2 min (so too: answered during our outage) |
| completed or canceled, by an operator's wish for another time | again then, or in 1 h when no time was named |
| anything that dialed nobody | again after 2, 4, 8, ... 30 min, eight times; does not use up an attempt |

An attempt is only repeated while `current_attempt_count` < `max_attempts`, unless somebody ordered the next one:
an operator who ended an answered call for another time, or whoever answered the agent's question.
"""

from typing import assert_never

import msgspec

from app.domain.call import Call
from app.domain.task import CallTask, TaskEvent
from stasis.outcome import EndedBy, Outcome

MINUTE_MS = 60_000
BUSY_DELAY_MS = 10 * MINUTE_MS
NO_ANSWER_DELAY_MS = 60 * MINUTE_MS
UNREACHABLE_DELAY_MS = 30 * MINUTE_MS
NETWORK_DELAY_MS = 2 * MINUTE_MS
NOT_DIALED_DELAY_MS = 2 * MINUTE_MS
NOT_DIALED_DELAY_MAX_MS = 30 * MINUTE_MS
NOT_DIALED_LIMIT = 8
RESCHEDULE_DELAY_MS = 60 * MINUTE_MS
VOICEMAIL_DELAY_MS = 240 * MINUTE_MS
VOICEMAIL = frozenset({"machine", "beep"})
NO_PERSON = frozenset({"fax", "network_tone"})
"""What a number is when these answer does not change by calling again."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about an ended attempt and its task; the counts already include this attempt."""

    outcome: Outcome
    ended_by: EndedBy
    dialed: bool
    answered: bool
    attempts: int
    max_attempts: int
    not_dialed_count: int
    detail: str = ""
    answered_by: str = ""
    """Who answered, by answer supervision; empty where nobody can say."""
    received: bool = True
    """False: the media leg says that no packet of the callee's audio ever came. True where nobody counted."""
    called_back: bool = False
    """The callee called us: nobody was dialed, and no attempt is used up."""


def attempt_of(task: CallTask, call: Call, *, received: bool = True) -> Attempt:
    """The facts out of the stored rows. Raises ValueError when the call has not ended."""
    return Attempt(
        outcome=Outcome(call.outcome),
        ended_by=EndedBy(call.ended_by),
        dialed=call.dialed,
        answered=call.answered_ms is not None,
        attempts=task.current_attempt_count,
        max_attempts=task.max_attempts,
        not_dialed_count=task.not_dialed_count,
        detail=call.detail,
        answered_by=call.answered_by,
        received=received,
        called_back=call.direction == "inbound",
    )


def needs_judgement(attempt: Attempt) -> bool:
    """Whether there was a talk whose words say more than its end: answered, heard, and not taken back."""
    heard = attempt.answered and attempt.received
    nobody = attempt.answered_by in VOICEMAIL | NO_PERSON
    reached = attempt.dialed or attempt.called_back
    return heard and reached and attempt.outcome is not Outcome.CANCELED and not nobody


class Conclusion(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to the task. `retry_at_ms` is set exactly when `event` is RETRY."""

    event: TaskEvent
    reason: str
    retry_at_ms: int | None = None
    needs_review: bool = False
    owed: bool = False
    """Somebody ordered this retry: it is made even when all attempts are used."""


def conclude(attempt: Attempt, now_ms: int) -> Conclusion:
    """The rule of the table above; a call-back that was answered ends as a dialed call does."""
    if not (attempt.called_back and attempt.answered):
        return _concluded(attempt, now_ms)
    talked = _concluded(msgspec.structs.replace(attempt, dialed=True), now_ms)
    return msgspec.structs.replace(talked, reason=f"They called back. {talked.reason}")


def _concluded(attempt: Attempt, now_ms: int) -> Conclusion:
    if attempt.ended_by is EndedBy.OPERATOR and attempt.outcome is Outcome.CANCELED:
        return Conclusion(event=TaskEvent.CANCEL, reason="The operator took the call back before it was answered.")
    if not attempt.dialed and attempt.outcome is not Outcome.BAD_NUMBER:
        return _not_dialed(attempt, now_ms)
    match attempt.outcome:
        case Outcome.COMPLETED:
            return _talked(attempt, now_ms)
        case Outcome.BAD_NUMBER:
            return _fail("The network says that this number does not exist.")
        case Outcome.REJECTED:
            return _fail("The callee rejected the call.")
        case Outcome.BUSY:
            return _retry(attempt, "The line was busy", BUSY_DELAY_MS, now_ms)
        case Outcome.NO_ANSWER:
            return _retry(attempt, "Nobody answered", NO_ANSWER_DELAY_MS, now_ms)
        case Outcome.UNREACHABLE:
            return _retry(attempt, "The phone could not be reached", UNREACHABLE_DELAY_MS, now_ms)
        case Outcome.CANCELED:
            taken_back = "The call was taken back before it was answered"
            what = "It was answered while we were away, and nobody talked" if attempt.answered else taken_back
            return _retry(attempt, what, NETWORK_DELAY_MS, now_ms)
        case Outcome.NETWORK | Outcome.TRUNK_FAULT | Outcome.LOST | Outcome.FAILED:
            if attempt.answered:
                return _fail(
                    "The call was answered and then lost; read the transcript before calling again.", True
                )
            return _retry(attempt, "The call failed on the way", NETWORK_DELAY_MS, now_ms)
        case _:
            assert_never(attempt.outcome)


def ordered(attempt: Attempt) -> Attempt:
    """The facts where an operator ended the call with the wish to call again: whoever had answered was promised
    another call, so one attempt is always left.
    """
    if not attempt.answered:
        return attempt
    return msgspec.structs.replace(attempt, max_attempts=max(attempt.max_attempts, attempt.attempts + 1))


def rescheduled(attempt: Attempt, otherwise: Conclusion, wished_ms: int | None, now_ms: int) -> Conclusion:
    """An operator ended the call with the wish to call again. A call that broke is concluded as ever; where the
    rule calls again anyway (a machine answered, say), the time that the operator named counts. `otherwise`: what
    follows from the `ordered` facts without the wish.
    """
    again = _rescheduled(ordered(attempt), otherwise, wished_ms, now_ms)
    return msgspec.structs.replace(again, owed=attempt.answered and again.event is TaskEvent.RETRY)


def _rescheduled(attempt: Attempt, otherwise: Conclusion, wished_ms: int | None, now_ms: int) -> Conclusion:
    if otherwise.event is TaskEvent.RETRY and attempt.dialed and wished_ms is not None:
        return _retry(attempt, "An operator asked for another time", max(0, wished_ms - now_ms), now_ms)
    if otherwise.event not in {TaskEvent.COMPLETE, TaskEvent.CANCEL}:
        return otherwise
    delay_ms = RESCHEDULE_DELAY_MS if wished_ms is None else max(0, wished_ms - now_ms)
    return _retry(attempt, "An operator asked for another time", delay_ms, now_ms)


def repeated(attempt: Attempt, what: str, at_ms: int, when: str = "") -> Conclusion:
    """Again at `at_ms`, told as `when`, if an attempt is left."""
    if attempt.attempts >= attempt.max_attempts:
        return _fail(f"{what}; all {attempt.max_attempts} attempts are used.")
    left = attempt.max_attempts - attempt.attempts
    reason = f"{what}; again {when or 'later'}, {left} of {attempt.max_attempts} attempts left."
    return Conclusion(event=TaskEvent.RETRY, reason=reason, retry_at_ms=at_ms)


def not_dialed_delay_ms(count: int) -> int:
    """Pause after the `count`-th attempt in a row that dialed nobody: doubles up to its maximum."""
    return min(NOT_DIALED_DELAY_MS << max(0, min(count, NOT_DIALED_LIMIT) - 1), NOT_DIALED_DELAY_MAX_MS)


def _talked(attempt: Attempt, now_ms: int) -> Conclusion:
    if attempt.answered_by in VOICEMAIL:
        return _retry(attempt, "An answering machine took the call", VOICEMAIL_DELAY_MS, now_ms)
    if attempt.answered_by in NO_PERSON:
        what = "A fax machine" if attempt.answered_by == "fax" else "An announcement of the network"
        return _fail(f"{what} answered.")
    if attempt.ended_by in {EndedBy.NETWORK, EndedBy.SYSTEM_FAILURE}:
        return _fail("The talk was cut off; read the transcript before calling again.", True)
    if attempt.ended_by is EndedBy.SYSTEM_TIMEOUT and not attempt.received:
        return _fail(
            "The call was answered, but no audio of the callee ever came (no media); check the line.", True
        )
    return Conclusion(event=TaskEvent.COMPLETE, reason=f"The call was answered and ended by {attempt.ended_by}.")


def _fail(reason: str, needs_review: bool = False) -> Conclusion:
    return Conclusion(event=TaskEvent.FAIL, reason=reason, needs_review=needs_review)


def _retry(attempt: Attempt, what: str, delay_ms: int, now_ms: int) -> Conclusion:
    if attempt.attempts >= attempt.max_attempts:
        return _fail(f"{what}; all {attempt.max_attempts} attempts are used.")
    left = attempt.max_attempts - attempt.attempts
    reason = f"{what}; again in {delay_ms // MINUTE_MS} minutes, {left} of {attempt.max_attempts} attempts left."
    return Conclusion(event=TaskEvent.RETRY, reason=reason, retry_at_ms=now_ms + delay_ms)


def _not_dialed(attempt: Attempt, now_ms: int) -> Conclusion:
    why = f" ({attempt.detail})" if attempt.detail else ""
    if attempt.not_dialed_count >= NOT_DIALED_LIMIT:
        return _fail(f"The call could not even be placed, {attempt.not_dialed_count} times{why}.", True)
    delay_ms = not_dialed_delay_ms(attempt.not_dialed_count)
    reason = f"The call could not be placed{why}; nobody was called. Again in {delay_ms // MINUTE_MS} minutes."
    return Conclusion(event=TaskEvent.RETRY, reason=reason, retry_at_ms=now_ms + delay_ms)
