"""Rules of admission about when: due, zone, attempts per period, rest after a call, the calling window."""

from app.domain.admission_checks import ASK_AGAIN_MS, HOUR_MS, Objection, Question
from app.domain.local_time import told
from app.domain.policy.zones import Zones

CLOSED_FOR_GOOD_MS = 24 * HOUR_MS


def due(question: Question) -> Objection | None:
    """The time the task was set to has come."""
    facts = question.facts
    if facts.task.next_action_ms <= facts.now_ms:
        return None
    return Objection(sentence="The task is planned for later.", until_ms=facts.task.next_action_ms)


def deadline(question: Question) -> Objection | None:
    """A call that was wanted until a certain time is not made later; waiting does not mend it."""
    facts = question.facts
    until_ms = facts.task.until_ms
    if until_ms is None or facts.now_ms <= until_ms:
        return None
    keys = facts.zones.keys if isinstance(facts.zones, Zones) else ()
    return Objection(
        sentence=f"The call was wanted until {told(until_ms, keys)}; that time has passed.", until_ms=None
    )


def zone(question: Question) -> Objection | None:
    """Somebody knows what time it is there."""
    zones = question.facts.zones
    if not isinstance(zones, Zones):
        return question.wait(ASK_AGAIN_MS, zones.sentence)
    if not zones.keys:
        return question.wait(ASK_AGAIN_MS, "The callee's time zone is not known.")
    return None


def attempts(question: Question) -> Objection | None:
    """Not more calls to the number than each period allows."""
    made = sorted(attempt.at_ms for attempt in question.facts.attempts or ())
    found: list[Objection] = []
    for limit in question.rules.max_attempts:
        period_ms = limit.period_h * HOUR_MS
        recent = [at_ms for at_ms in made if at_ms > question.facts.now_ms - period_ms]
        if len(recent) >= limit.count:
            said = f"{len(recent)} calls in {limit.period_h} hours went to this number"
            sentence = f"{said}; {question.pack_names} allows {limit.count}."
            # The count falls below the limit when the call that is `count` from the end leaves the period.
            found.append(Objection(sentence=sentence, until_ms=recent[-limit.count] + period_ms))
    return max(found, key=_until, default=None)


def cool_off(question: Question) -> Objection | None:
    """The rest after a refusal, a silent call or a talk is over."""
    found: list[Objection] = []
    for what, hours in question.rules.cool_off_h.items():
        last = max((one.at_ms for one in question.facts.attempts or () if one.result == what), default=None)
        if last is not None and last + hours * HOUR_MS > question.facts.now_ms:
            told_as = {"refused": "The callee refused", "silent": "The callee heard nobody", "answered": "Talked"}
            sentence = f"{told_as[what]} on {told(last)}; {question.pack_names} asks for {hours} hours of rest."
            found.append(Objection(sentence=sentence, until_ms=last + hours * HOUR_MS))
    return max(found, key=_until, default=None)


def window(question: Question) -> Objection | None:
    """The phone rings, from the first to the last second, inside the hours of every zone the callee may be in."""
    facts, hours = question.facts, question.window
    if hours is None or not isinstance(facts.zones, Zones):
        return question.wait(ASK_AGAIN_MS, "The calling window is not known.")
    min_ring_s = question.rules.abandonment.min_ring_s
    if min_ring_s is not None and facts.ring_timeout_s < min_ring_s:
        short = f"A phone rings {facts.ring_timeout_s} s here; {question.pack_names} asks for {min_ring_s} s."
        return question.wait(ASK_AGAIN_MS, short)
    if hours.is_open(facts.now_ms, facts.ring_timeout_s):
        return None
    opening = hours.next_open(facts.now_ms, facts.ring_timeout_s)
    guess = " (zone inferred from the number)" if facts.zones.inferred else ""
    now = f"it is {told(facts.now_ms, facts.zones.keys)}{guess}"
    if opening is None:
        return question.wait(
            CLOSED_FOR_GOOD_MS, f"The calling window of {question.pack_names} never opens; {now}."
        )
    return Objection(sentence=f"Outside the calling window of {question.pack_names}: {now}.", until_ms=opening)


def _until(objection: Objection) -> int:
    return objection.until_ms or 0
