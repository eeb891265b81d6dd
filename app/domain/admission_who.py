"""Rules of admission about whom: is the question sound, may this callee be called at all, has he agreed.

Each takes the question and answers an objection or None. Order and names: `app.domain.admission.ORDER`.
"""

from collections.abc import Iterator

from app.domain.admission_checks import ASK_AGAIN_MS, HOUR_MS, LOOK_AGAIN_MS, Objection, Question, never
from app.domain.admission_facts import Consent, Facts
from app.domain.number import NumberRefused, check_country, country_of, dial_target, parse_number
from app.domain.policy.merge import CONSENT
from app.domain.policy.pack import ConsentLevel, Purpose
from app.domain.task import SETTLED, TaskState

CLOCK_TOLERANCE_MS = 5_000
"""A stored instant may lie this far ahead; beyond, the clock was set back and nothing that counts time holds."""
MAX_RING_S = 600


def facts_complete(question: Question) -> Objection | None:
    """Everything is known and nothing contradicts itself."""
    found = next(_problems(question.facts), None)
    return question.wait(ASK_AGAIN_MS, f"{found} Nobody is called on a doubt.") if found else None


def _problems(facts: Facts) -> Iterator[str]:
    unknown = {
        "the tenant's state": facts.tenant_state,
        "the purpose of the call": facts.task.purpose,
        "whether the number is on a do-not-call list": facts.do_not_call,
        "which calls were made before": facts.attempts,
        "the calls at this moment": facts.caps,
        "the pace of the trunk": facts.pace,
        "the budget": facts.budgets,
        "the caller id": facts.caller_id,
    }
    yield from (f"It is not known: {what}." for what, value in unknown.items() if value is None)
    if not 0 < facts.ring_timeout_s <= MAX_RING_S or facts.now_ms <= 0:
        yield "The ring time or the time of day makes no sense."
    if facts.task.number != facts.callee.number:
        yield "The task and the callee have different numbers."
    if not facts.test_mode.on and facts.task.number_dialed != facts.task.number:
        yield "Another number than the task's would be dialed although test mode is off."
    if facts.task.attempts_used < 0 or facts.task.max_attempts < 1:
        yield "The attempts of the task make no sense."
    yield from _time_problems(facts)
    yield from _count_problems(facts)


def _time_problems(facts: Facts) -> Iterator[str]:
    latest = facts.now_ms + CLOCK_TOLERANCE_MS
    if any(attempt.at_ms > latest for attempt in facts.attempts or ()):
        yield "A call is on record that lies in the future: the clock was set back."
    if any(registry.imported_ms > latest for registry in facts.registries.values()):
        yield "A registry was imported in the future: the clock was set back."
    consent = facts.consent
    if consent is not None and consent.given_ms > latest:
        yield "The consent was given in the future."


def _count_problems(facts: Facts) -> Iterator[str]:
    if facts.caps is not None:
        every = (facts.caps.tenant, facts.caps.trunk, facts.caps.number_day, facts.caps.campaign)
        negative = any(cap is not None and (cap.used < 0 or cap.limit < 0) for cap in every)
        if negative or facts.caps.number_alive < 0:
            yield "A count of calls is negative."
        if (facts.campaign is None) != (facts.caps.campaign is None):
            yield "The task and its counts disagree about a campaign."
    if facts.pace is not None and facts.pace.tokens < 0:
        yield "The pace of the trunk is negative."
    for budget in facts.budgets or ():
        if min(budget.spent_micro_usd, budget.reserved_micro_usd, budget.estimate_micro_usd) < 0:
            yield f"The budget of {budget.name} is negative."


def test_mode(question: Question) -> Objection | None:
    """In test mode one call at a time, and to the redirect number only."""
    facts, mode = question.facts, question.facts.test_mode
    if not mode.on:
        return None
    try:
        target = dial_target(facts.task.number, test_mode=True, redirect=mode.redirect)
        parse_number(target, fictional=facts.fictional)
    except NumberRefused as refused:
        return question.wait(ASK_AGAIN_MS, f"Test mode is on. {refused.message}")
    if facts.task.number_dialed != target:
        return question.wait(ASK_AGAIN_MS, "Test mode is on and another number than its own would be dialed.")
    if mode.calls_alive != 0:
        return question.wait(LOOK_AGAIN_MS // 12, "Test mode is on: one call at a time, and one is going on.")
    return None


def number(question: Question) -> Objection | None:
    """A number that may be dialed at all, in a country that is allowed."""
    facts = question.facts
    try:
        for each in (facts.task.number, facts.task.number_dialed):
            if parse_number(each, fictional=facts.fictional) != each:
                return never("The number is not written in E.164 form, like +12025550123.")
        if not facts.fictional:
            check_country(facts.task.number, facts.allowed_countries)
    except NumberRefused as refused:
        if refused.code == "number_country":  # the site's choice, which it may change
            return question.wait(HOUR_MS, refused.message)
        return never(refused.message)
    if not facts.fictional and country_of(facts.task.number) not in facts.callee.countries:
        return question.wait(
            ASK_AGAIN_MS, "The number's country is not among the callee's; its rules are missing."
        )
    return None


def tenant(question: Question) -> Objection | None:
    """The tenant may call."""
    if question.facts.tenant_state == "active":
        return None
    return question.wait(LOOK_AGAIN_MS, "The account is suspended.")


def campaign(question: Question) -> Objection | None:
    """The campaign is running and does not abandon calls."""
    facts, rule = question.facts.campaign, question.rules.abandonment
    if facts is None:
        return None
    if facts.state in {"cancelled", "completed"}:
        return never(f"The campaign is {facts.state}.")
    if facts.state != "active":
        return question.wait(
            LOOK_AGAIN_MS, f"The campaign is paused{f': {facts.reason}' if facts.reason else ''}."
        )
    limits = [limit for limit in (rule.pause_at_percent, rule.max_percent) if limit is not None]
    if not limits:
        return None
    if facts.abandoned_percent is None:
        return question.wait(ASK_AGAIN_MS, "It is not known how many answered calls found no agent ready.")
    if not 0 <= facts.abandoned_percent < min(limits):
        said = f"{facts.abandoned_percent:.1f} % of the answered calls found no agent ready"
        return question.wait(HOUR_MS, f"The campaign is held: {said}; the limit is {min(limits):g} %.")
    return None


def task(question: Question) -> Objection | None:
    """The task waits to be dialed and has an attempt left."""
    facts = question.facts.task
    if facts.state in SETTLED:
        return never(f"The task is settled ({facts.state}).")
    if facts.state not in {TaskState.PENDING, TaskState.CLAIMED}:
        doing = {
            TaskState.IN_CALL: "A call for this task is going on.",
            TaskState.ANALYZING: "The last call of this task is being analyzed.",
            TaskState.WAITING_USER: "The task waits for an answer from you.",
        }
        return question.wait(LOOK_AGAIN_MS, doing.get(facts.state, f"The task is {facts.state}."))
    if facts.attempts_used >= facts.max_attempts:
        return never(f"All {facts.max_attempts} attempts are used.")
    return None


def do_not_call(question: Question) -> Objection | None:
    """Neither number is on a list; what is not known was refused before."""
    facts = question.facts.do_not_call
    if facts is not None and facts.listed == "no":
        return None
    whose = "everybody's" if facts is not None and facts.listed == "global" else "your"
    return never(f"The number is on {whose} do-not-call list.")


def pack(question: Question) -> Objection | None:
    """Some blocking pack is about the callee."""
    if question.policy is not None and any(ref.severity == "block" for ref in question.policy.packs):
        return None
    where = " or ".join(question.facts.callee.countries) or "no known country"
    return question.wait(HOUR_MS, f"No policy pack is about calls to {where}; without rules nobody is called.")


def registries(question: Question) -> Objection | None:
    """On no registry that the packs ask for, all of them imported lately."""
    facts = question.facts
    wanted = question.rules.list_max_age_days.get(_purpose(facts), {})
    for name, days in sorted(wanted.items()):
        found = facts.registries.get(name)
        if found is None:
            return question.wait(
                HOUR_MS, f"The registry {name} was never imported; {question.pack_names} asks it."
            )
        if facts.now_ms - found.imported_ms > days * 24 * HOUR_MS:
            age = (facts.now_ms - found.imported_ms) // (24 * HOUR_MS)
            said = f"The registry {name} was imported {age} days ago; {question.pack_names} allows {days}."
            return question.wait(HOUR_MS, said)
        if found.listed:
            return never(f"The number is on the registry {name}.")
    return None


def consent(question: Question) -> Objection | None:
    """The callee agreed to such a call, at least as firmly as the packs ask."""
    facts = question.facts
    purpose = _purpose(facts)
    given = facts.consent
    if given is not None and given.withdrawn_ms is not None:
        return never("The callee withdrew the consent.")
    wanted: ConsentLevel = question.rules.consent.get(facts.callee.kind, {}).get(purpose, "none")
    if wanted == "none" or (given is not None and _covers(given, wanted, purpose, facts.now_ms)):
        return None
    have = "there is none" if given is None else f"what is on record ({given.level}) does not cover it"
    return never(f"{question.pack_names} asks for {wanted} consent to a {purpose} call, and {have}.")


def _covers(given: Consent, wanted: ConsentLevel, purpose: Purpose, now_ms: int) -> bool:
    return (
        CONSENT.index(given.level) >= CONSENT.index(wanted)
        and purpose in given.purposes
        and given.evidence.strip() != ""
        and (given.expires_ms is None or now_ms < given.expires_ms)
    )


def _purpose(facts: Facts) -> Purpose:
    """The stated purpose; the strictest stands in where rules are asked about an incomplete question."""
    return facts.task.purpose or "marketing"
