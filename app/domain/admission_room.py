"""Rules of admission about means: caller id, the engine's own hold, money, calls at the same time, pace."""

from app.domain.admission_checks import ASK_AGAIN_MS, HOUR_MS, LOOK_AGAIN_MS, SOON_MS, Objection, Question
from app.domain.admission_facts import Budget, Cap
from app.domain.local_time import told

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
    """The estimated cost of the call fits into every budget beside what is spent and reserved.

    What is reserved comes back when calls end, most of it, so that is looked at again soon. What is spent is gone
    until the budget begins anew or somebody raises the limit, which nobody can foresee: asked again in an hour.
    """
    budgets = question.facts.budgets or ()
    for each in budgets:
        if not has_money(each):
            return _spent(question, each)
    for each in budgets:
        if not has_room(each):
            return _set_aside(question, each)
    return None


def has_money(budget: Budget) -> bool:
    """The limit allows one more call beside what is spent, whatever calls that are going on have set aside."""
    limit = budget.limit_micro_usd
    return limit is None or budget.spent_micro_usd + budget.estimate_micro_usd <= limit


def has_room(budget: Budget) -> bool:
    """The limit allows one more call beside what is spent and what is set aside."""
    limit = budget.limit_micro_usd
    taken = budget.spent_micro_usd + budget.reserved_micro_usd
    return limit is None or taken + budget.estimate_micro_usd <= limit


def _spent(question: Question, budget: Budget) -> Objection:
    left = max((budget.limit_micro_usd or 0) - budget.spent_micro_usd, 0)
    said = f"{_left(budget, left)}, and a call may cost {_usd(budget.estimate_micro_usd)}."
    until_ms = question.facts.now_ms + HOUR_MS
    if budget.resets_ms is not None:
        said = f"{said} It begins anew on {told(budget.resets_ms)}, or somebody raises the limit before."
        until_ms = min(until_ms, budget.resets_ms)
    return Objection(sentence=said, until_ms=until_ms)


def _set_aside(question: Question, budget: Budget) -> Objection:
    left = max((budget.limit_micro_usd or 0) - budget.spent_micro_usd - budget.reserved_micro_usd, 0)
    aside = f"while {_usd(budget.reserved_micro_usd)} are set aside for calls that are going on"
    said = f"{_left(budget, left)} {aside}, and a call may cost {_usd(budget.estimate_micro_usd)}."
    return question.wait(LOOK_AGAIN_MS, said)


def _left(budget: Budget, micro_usd: int) -> str:
    return f"The budget of {budget.name} has {_usd(micro_usd)} left"


def caps(question: Question) -> Objection | None:
    """Nobody of ours is on the line with this number, it may be called once more today, and lines are free."""
    facts = question.facts.caps
    if facts is None:
        return question.wait(ASK_AGAIN_MS, "The calls at this moment are not known.")
    number = facts.number_day
    if number.used >= number.limit:
        said = f"This number was called {number.used} times today; the limit is {number.limit}."
        return Objection(sentence=said, until_ms=_frees(question, number, NUMBER_DAY_MS))
    if facts.number_alive:
        return question.wait(LOOK_AGAIN_MS, "This number is on a call of ours.")
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
