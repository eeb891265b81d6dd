"""Rules of admission about means: caller id, the engine's own hold, money, calls at the same time, pace."""

from app.domain.admission_checks import ASK_AGAIN_MS, HOUR_MS, SOON_MS, Objection, Question
from app.domain.admission_facts import Cap

NUMBER_DAY_MS = HOUR_MS


def caller_id(question: Question) -> Objection | None:
    """The number shown is what the packs ask for."""
    facts = question.facts.caller_id
    for demand in question.rules.caller_id or ():
        match demand:
            case "presented":
                met, said = facts is not None and facts.number != "", "no caller id is set"
            case "owned":
                met, said = facts is not None and facts.owned, "the caller id is not marked as your own"
            case "reachable":
                met, said = facts is not None and facts.reachable, "nobody answers the caller id when called back"
        if not met:
            return question.wait(ASK_AGAIN_MS, f"{question.pack_names} asks for more: {said}.")
    return None


def breaker_hold(question: Question) -> Objection | None:
    """The engine is ready to dial."""
    hold = question.facts.hold
    return None if hold is None else Objection(sentence=f"Dialing is held: {hold.reason}.", until_ms=hold.until_ms)


def budget(question: Question) -> Objection | None:
    """The estimated cost of the call fits into every budget beside what is spent and reserved."""
    for each in question.facts.budgets or ():
        if each.limit_micro_usd is None:
            continue
        needed = each.spent_micro_usd + each.reserved_micro_usd + each.estimate_micro_usd
        if needed > each.limit_micro_usd:
            left = max(each.limit_micro_usd - each.spent_micro_usd - each.reserved_micro_usd, 0)
            cost = _usd(each.estimate_micro_usd)
            said = f"The budget of {each.name} has {_usd(left)} left, and a call may cost {cost}."
            until_ms = each.resets_ms if each.resets_ms is not None else question.facts.now_ms + HOUR_MS
            return Objection(sentence=said, until_ms=until_ms)
    return None


def caps(question: Question) -> Objection | None:
    """Room for one more call everywhere, and one more to this number today."""
    facts = question.facts.caps
    if facts is None:
        return question.wait(ASK_AGAIN_MS, "The calls at this moment are not known.")
    number = facts.number_day
    if number.used >= number.limit:
        said = f"This number was called {number.used} times today; the limit is {number.limit}."
        return Objection(sentence=said, until_ms=_frees(question, number, NUMBER_DAY_MS))
    every = (("account", facts.tenant), ("campaign", facts.campaign), ("trunk", facts.trunk))
    for name, cap in every:
        if cap is not None and cap.used >= cap.limit:
            said = f"All {cap.limit} lines of the {name} are taken."
            return Objection(sentence=said, until_ms=_frees(question, cap, SOON_MS))
    return None


def pace(question: Question) -> Objection | None:
    """The trunk may begin a call this moment."""
    facts = question.facts.pace
    if facts is not None and facts.tokens >= 1:
        return None
    until_ms = facts.next_token_ms if facts is not None else question.facts.now_ms + SOON_MS
    return Objection(sentence="The trunk begins no more calls this second.", until_ms=until_ms)


def _frees(question: Question, cap: Cap, otherwise_ms: int) -> int:
    return cap.frees_ms if cap.frees_ms is not None else question.facts.now_ms + otherwise_ms


def _usd(micro: int) -> str:
    return f"{micro / 1_000_000:.2f} USD"
