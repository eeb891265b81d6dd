"""Pure rules of a call-back: what number calls, whether it calls too often, and what an ended one does to its
task.

The caller id is a claim that anybody with a trunk can make. So it opens a conversation, never knowledge: who may
hear what is said in `app.calls.instructions`. Used by `app.calls.inbound` and `app.calls.conclude`.
"""

from collections import deque

import phonenumbers

from app.domain.call import Call
from app.domain.retry import Attempt, Conclusion, conclude
from app.domain.task import CallTask, TaskEvent, TaskState

OPEN = (TaskState.PENDING, TaskState.WAITING_USER)
"""Tasks a call-back takes over, so that they are not dialed meanwhile; settled ones stay as they are."""
AT_WORK = (TaskState.CLAIMED, TaskState.IN_CALL, TaskState.ANALYZING)
"""Somebody works on the task: a second conversation about it would be one too many."""
WINDOW_S = 3600.0
KNOWN_AT_MOST = 10_000


def caller_numbers(digits: str, region: str = "") -> tuple[str, ...]:
    """E.164 forms a caller id of bare digits may stand for, likeliest first: international with 00 or without,
    then national in `region` (ISO 3166). None for a withheld or impossible one.
    """
    if not digits.isascii() or not digits.isdigit():
        return ()
    international = digits[2:] if digits.startswith("00") else digits
    typed = [(f"+{international}", None), *([(digits, region)] if region else [])]
    found: list[str] = []
    for text, where in typed:
        try:
            number = phonenumbers.parse(text, where)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number(number):
            found.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return tuple(dict.fromkeys(found))


class CallerLimits:
    """How often one number, and everybody together, may ring at us within an hour. Times are monotonic seconds."""

    def __init__(self, per_number: int, together: int) -> None:
        self._per_number = per_number
        self._together = together
        self._by_number: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()

    def admit(self, number: str, now: float) -> bool:
        """Count this call; False when it is one too many. A refused call does not count."""
        mine = self._recent(self._by_number.setdefault(number, deque()), now)
        every = self._recent(self._all, now)
        if len(mine) >= self._per_number or len(every) >= self._together:
            return False
        mine.append(now)
        every.append(now)
        if len(self._by_number) > KNOWN_AT_MOST:
            self._by_number = {key: times for key, times in self._by_number.items() if self._recent(times, now)}
        return True

    def _recent(self, times: deque[float], now: float) -> deque[float]:
        while times and times[0] <= now - WINDOW_S:
            times.popleft()
        return times


def conclude_callback(task: CallTask, call: Call, attempt: Attempt, now_ms: int) -> Conclusion:
    """A talk that no text model judges ends as one that was dialed. Without a talk the task goes on waiting for
    what it waited for.
    """
    if attempt.answered:
        return conclude(attempt, now_ms)
    return in_vain(task, call, now_ms)


def in_vain(task: CallTask, call: Call, now_ms: int) -> Conclusion:
    """What follows a call-back without a talk: nobody answered, or the callee said no word."""
    if call.task_before == TaskState.WAITING_USER:
        return Conclusion(event=TaskEvent.ASK_USER, reason=task.overall_conclusion or "They called back in vain.")
    reason = f"They called back, and nobody talked ({call.detail or call.outcome}). Called again as planned."
    return Conclusion(event=TaskEvent.RETRY, reason=reason, retry_at_ms=max(now_ms, task.next_action_time))
