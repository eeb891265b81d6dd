"""May this task be dialed now? The one answer, with its reason in a sentence and its evidence.

The first rule of `ORDER` that objects decides: first what waiting does not mend (facts, number, lists, consent),
then what it does (zone, attempts, window), then room (budget, caps, pace). A wait that ends after the time the
call was wanted until is `deadline`, for good. A missing or contradictory fact and a fault inside a rule never
dial. Called in the transaction that commits the intent, and by `opendeep why`.
"""

from collections.abc import Callable

import msgspec

from app.domain.admission_checks import Objection, Question
from app.domain.admission_facts import Facts
from app.domain.admission_room import breaker_hold, budget, caller_id, caps, pace
from app.domain.admission_time import attempts, cool_off, deadline, due, window, zone
from app.domain.admission_who import (
    campaign,
    consent,
    do_not_call,
    facts_complete,
    number,
    pack,
    registries,
    task,
    tenant,
    test_mode,
)
from app.domain.local_time import told
from app.domain.policy.pack import PackRef, Rules
from app.domain.policy.selection import Policy
from app.domain.policy.zones import Zones
from app.errors import AppError

FAULT_DELAY_MS = 15 * 60_000
"""Pause after a fault inside a rule."""
MIN_DELAY_MS = 50
"""Shortest pause: a time that has passed already must not make the question spin."""

Rule = Callable[[Question], Objection | None]
ORDER: tuple[tuple[str, Rule], ...] = (
    ("facts", facts_complete),
    ("test_mode", test_mode),
    ("number", number),
    ("tenant", tenant),
    ("campaign", campaign),
    ("task", task),
    ("do_not_call", do_not_call),
    ("pack", pack),
    ("registry", registries),
    ("consent", consent),
    ("caller_id", caller_id),
    ("due", due),
    ("deadline", deadline),
    ("zone", zone),
    ("attempts", attempts),
    ("cool_off", cool_off),
    ("window", window),
    ("hold", breaker_hold),
    ("budget", budget),
    ("caps", caps),
    ("pace", pace),
)
"""Names are stored in evidence and shown to people; order and names are part of the record."""
OF_PACKS = frozenset({"registry", "consent", "caller_id", "attempts", "cool_off", "window"})
"""Rules that come from packs, so a pack that only warns can raise them too."""
FORESEEN = frozenset({"attempts", "cool_off", "window"})
"""Rules that know when they agree. What else is in the way may be gone at any moment before the next look."""
NOT_OF_TIME = frozenset({"facts", "due"})
"""Rules whose wait says nothing of the time a call is wanted until: facts that contradict each other, a plan."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why, for later: the rules that were asked in order (the last one decided unless all agreed), what bound the
    call, and every fact. JSON-able.
    """

    rules: tuple[str, ...]
    packs: tuple[PackRef, ...]
    warnings: tuple[str, ...]
    facts: Facts | None
    """None: they could not be collected."""


class Dial(msgspec.Struct, frozen=True, kw_only=True, tag="dial"):
    """The call may begin now."""

    sentence: str
    evidence: Evidence


class Defer(msgspec.Struct, frozen=True, kw_only=True, tag="defer"):
    """Not before `until_ms`; the question is asked again then."""

    until_ms: int
    rule: str
    sentence: str
    evidence: Evidence


class Suppress(msgspec.Struct, frozen=True, kw_only=True, tag="suppress"):
    """Never, as things stand: waiting changes nothing."""

    rule: str
    sentence: str
    evidence: Evidence


Decision = Dial | Defer | Suppress


def admit(facts: Facts, policy: Policy | None) -> Decision:
    """Judge one task. `policy` is what `policy_for` found; None means that no pack is about the callee."""
    question = Question(facts, policy, policy.rules if policy is not None else Rules())
    asked: list[str] = []
    try:
        for name, rule in ORDER:
            asked.append(name)
            objection = rule(question)
            if objection is not None:
                return _refused(question, name, objection, tuple(asked))
        sentence = f"May be called now: it is {told(facts.now_ms, _zone_keys(facts))}."
        return Dial(sentence=sentence, evidence=_evidence(question, tuple(asked)))
    except (AppError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return _fault(facts, error, tuple(asked))


def doubt(error: Exception, now_ms: int) -> Defer:
    """The facts could not even be collected."""
    sentence = (
        f"What calling rules ask could not be read ({type(error).__name__}: {error}); nobody is called on a doubt."
    )
    evidence = Evidence(rules=("facts",), packs=(), warnings=(), facts=None)
    return Defer(until_ms=now_ms + FAULT_DELAY_MS, rule="facts", sentence=sentence, evidence=evidence)


def _refused(question: Question, name: str, objection: Objection, asked: tuple[str, ...]) -> Decision:
    evidence = _evidence(question, asked)
    if objection.until_ms is None:
        return Suppress(rule=name, sentence=objection.sentence, evidence=evidence)
    facts, keys = question.facts, _zone_keys(question.facts)
    until_ms = question.next_legal_ms(max(objection.until_ms, facts.now_ms + MIN_DELAY_MS))
    last_ms = facts.task.until_ms
    if last_ms is not None and until_ms > last_ms and name not in NOT_OF_TIME:
        if name in FORESEEN or facts.now_ms >= last_ms:
            late = (
                f"The next time would be {told(until_ms, keys)}; the call was wanted until {told(last_ms, keys)}."
            )
            evidence = _evidence(question, (*asked, "deadline"))
            return Suppress(rule="deadline", sentence=f"{objection.sentence} {late}", evidence=evidence)
        until_ms = max(last_ms, facts.now_ms + MIN_DELAY_MS)
    sentence = f"{objection.sentence} Next look: {told(until_ms, keys)}."
    return Defer(until_ms=until_ms, rule=name, sentence=sentence, evidence=evidence)


def _fault(facts: Facts, error: Exception, asked: tuple[str, ...]) -> Defer:
    rule = asked[-1] if asked else ORDER[0][0]
    sentence = f"The rule {rule} could not be judged ({type(error).__name__}); nobody is called on a doubt."
    evidence = Evidence(rules=asked, packs=(), warnings=(), facts=facts)
    return Defer(until_ms=facts.now_ms + FAULT_DELAY_MS, rule=rule, sentence=sentence, evidence=evidence)


def _evidence(question: Question, asked: tuple[str, ...]) -> Evidence:
    policy = question.policy
    return Evidence(
        rules=asked,
        packs=policy.packs if policy is not None else (),
        warnings=_warnings(question.facts, policy),
        facts=question.facts,
    )


def _warnings(facts: Facts, policy: Policy | None) -> tuple[str, ...]:
    """What packs that only advise would have said."""
    if policy is None or policy.warnings == Rules():
        return ()
    question = Question(facts, policy, policy.warnings)
    found = ((name, rule(question)) for name, rule in ORDER if name in OF_PACKS)
    return tuple(f"{name}: {objection.sentence}" for name, objection in found if objection is not None)


def _zone_keys(facts: Facts) -> tuple[str, ...]:
    return facts.zones.keys if isinstance(facts.zones, Zones) else ()
