"""Pure: the address of the list of calls as what is asked of the store, and its lines as they are shown."""

from collections.abc import Callable, Container
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

import msgspec

from app.domain.call import CallState
from app.domain.people import Permission, Person
from app.ids import is_id
from app.store.call_lists import ListedCall, Place, Wanted
from web.call_page.words import VERDICTS, cause_in_words, in_words
from web.view import ENDED_BY_WORDS, OUTCOME_WORDS, STATE_WORDS, clock_face, money

TEXT_TYPED = 100
"""Characters of a search that are looked at."""
TAIL = 4
"""Last digits of a number that everybody sees, and may search by."""
STATES: dict[str, str] = {"alive": "in progress", **{str(state): words for state, words in STATE_WORDS.items()}}
"""Choices of the filter."""
NAMES = ("state", "outcome", "ended_by", "campaign", "agent", "day", "q", "after")


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The address: what each filter was set to, as typed."""

    state: str = ""
    outcome: str = ""
    ended_by: str = ""
    campaign: str = ""
    agent: str = ""
    day: str = ""
    q: str = ""
    after: str = ""

    @property
    def filtered(self) -> bool:
        """Whether anything narrows the list."""
        return any(getattr(self, name) for name in NAMES if name != "after")

    def address(self, **changes: str) -> str:
        """The list with some filters set otherwise; a change begins at the newest again."""
        pairs = {name: getattr(self, name) for name in NAMES} | {"after": ""} | changes
        text = urlencode({name: value for name, value in pairs.items() if value})
        return f"/calls?{text}" if text else "/calls"


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """An address that was understood; `ignored` are sentences about what was not."""

    wanted: Wanted
    after: Place | None
    ignored: tuple[str, ...]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list."""

    id: str
    state: str
    state_label: str
    alive: bool
    number: str
    callee: str
    agent: str
    campaign_id: str
    campaign: str
    created_ms: int
    talked: str
    answered_by: str
    outcome: str
    detail: str
    cost: str
    recorded: bool
    inbound: bool


def read(query: Query, person: Person) -> Read:
    """What the store is asked. Whoever may not see numbers may not search by more of them than is shown."""
    ignored: list[str] = []

    def known(value: str, words: Container[str], name: str) -> str | None:
        if value and value not in words:
            ignored.append(f"There is no {name} “{value[:40]}”; it was left out.")
            return None
        return value or None

    from_ms, until_ms = 0, Wanted().until_ms
    if query.day:
        try:
            day = datetime.combine(date.fromisoformat(query.day), datetime.min.time(), UTC)
            from_ms = round(day.timestamp() * 1000)
            until_ms = round((day + timedelta(days=1)).timestamp() * 1000)
        except (ValueError, OverflowError):
            from_ms = 0
            ignored.append(f"“{query.day[:40]}” is no day (like 2027-01-31); it was left out.")
    text = query.q.strip()[:TEXT_TYPED]
    state = known(query.state, STATES, "state")
    wanted = Wanted(
        state=None if state is None else "alive" if state == "alive" else CallState(state),
        outcome=known(query.outcome, OUTCOME_WORDS, "outcome"),
        ended_by=known(query.ended_by, ENDED_BY_WORDS, "way a call ends"),
        campaign_id=_id(query.campaign, "campaign", ignored),
        agent_id=_id(query.agent, "agent", ignored),
        from_ms=max(0, from_ms),
        until_ms=max(0, until_ms),
        text=text,
        number=number_pattern(text, full=person.may(Permission.SEE_NUMBERS)),
        in_words=may_search_words(text, full=person.may(Permission.SEE_NUMBERS)),
    )
    return Read(wanted=wanted, after=place(query.after), ignored=tuple(ignored))


def may_search_words(text: str, *, full: bool) -> bool:
    """Digits that are masked in what was said must not be found by trying, either."""
    return full or sum(sign.isdigit() for sign in text) <= 2


def number_pattern(text: str, *, full: bool) -> str:
    """What a number has to be like for a search by this text; empty: it is no number."""
    digits = "".join(sign for sign in text if sign.isascii() and sign.isdigit())
    if not digits or any(sign.isalpha() for sign in text):
        return ""
    if full:
        return f"%{digits}%"
    return f"%{digits}" if len(digits) <= TAIL else ""


def place(text: str) -> Place | None:
    """A position as it stands in an address, `ms-id`; None for what is none."""
    ms, _, call_id = text.partition("-")
    if not (ms.isascii() and ms.isdigit() and len(ms) <= 14 and (call_id == "" or is_id(call_id))):
        return None
    return Place(int(ms), call_id)


def written(at: Place | None) -> str:
    """The inverse of `place`."""
    return "" if at is None else f"{at.created_ms}-{at.call_id}"


def line(call: ListedCall, mask: Callable[[str], str]) -> Line:
    """A call of the list."""
    number = call.number_requested
    if call.number_dialed != number:
        number = f"{number} → {call.number_dialed}"
    outcome = in_words(OUTCOME_WORDS, call.outcome)
    if call.outcome in {"completed", "canceled", "failed"}:
        outcome = ", ".join(part for part in (outcome, in_words(ENDED_BY_WORDS, call.ended_by)) if part)
    talked = call.answered_ms is not None and call.ended_ms is not None
    return Line(
        id=call.id,
        state=str(call.state),
        state_label=STATE_WORDS[call.state],
        alive=call.state is not CallState.ENDED,
        number=mask(number),
        callee=mask(call.callee_name),
        agent=call.agent_name,
        campaign_id=call.campaign_id or "",
        campaign=call.campaign_name or "",
        created_ms=call.created_ms,
        talked=clock_face((call.ended_ms or 0) - (call.answered_ms or 0)) if talked else "",
        answered_by=in_words(VERDICTS, call.answered_by),
        outcome=outcome,
        detail=mask(call.detail) or cause_in_words(call.hangup_cause),
        cost=money(call.cost_micro_usd),
        recorded=call.recorded,
        inbound=call.direction == "inbound",
    )


def _id(text: str, name: str, ignored: list[str]) -> str | None:
    if text and not is_id(text):
        ignored.append(f"That is no {name} of yours; it was left out.")
        return None
    return text or None
