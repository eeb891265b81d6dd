"""Turns what a model wrote into a plan, or into sentences that say what is wrong with it. Pure.

The prompt forbids bad plans; this file does not believe it. Checked as admission does right before a dial: number,
country, do-not-call list, pack, consent, zone, hours. Beyond that: who supplied each number and fact, nothing
twice, nothing empty, not more calls than allowed. A number that nobody supplied is never accepted.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from app.domain.admission_site import NOWHERE
from app.domain.fields import FieldSpec, check_specs
from app.domain.number import NumberRefused, check_country, country_of, parse_number
from app.domain.plan import (
    MAX_FACTS,
    MAX_OBJECTIVE,
    MAX_TEXT,
    AgentBrief,
    CallDraft,
    Fact,
    FactDraft,
    LeftOut,
    Origin,
    Plan,
    PlanDraft,
    PlannedCall,
    SourceKind,
    WindowDraft,
)
from app.domain.plan_disclosure import discloses
from app.domain.plan_lists import rows_of
from app.domain.plan_sources import Sources
from app.domain.plan_window import asked_for, same_clock, span_of
from app.domain.policy.merge import CONSENT
from app.domain.policy.pack import ConsentLevel, Pack, Purpose, Rules
from app.domain.policy.selection import Callee, Policy, policy_for
from app.domain.policy.windows import calling_window
from app.domain.policy.zones import Zones, zone_named, zones_of
from app.errors import ValidationFailed

MAX_PROBLEMS = 12
"""More sentences than this help no model."""
_OWN_WORDS: tuple[SourceKind, ...] = ("user", "contact")
_INVENTED = (
    "neither the user nor a contact nor a look-up supplied this number. Never invent one: look it up, or ask the "
    "user for it with its country code."
)


class PlanWorld(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is held against, at `now_ms`. `hold_s`: how long a phone rings.

    Of the numbers in the draft (see `numbers_of`): those `listed`, those that `withdrew` a consent, and the valid
    `consents` for the plan's purpose; `zones` that the directory's contacts have on record.
    `fictional`: simulated exchange, numbers that nobody can own.
    """

    now_ms: int
    hold_s: int
    packs: Sequence[Pack]
    allowed_countries: tuple[str, ...]
    max_calls: int
    overlay: Rules | None = None
    fictional: bool = False
    listed: frozenset[str] = frozenset()
    withdrew: frozenset[str] = frozenset()
    consents: Mapping[str, ConsentLevel] = {}
    zones: Mapping[str, str] = {}


def numbers_of(draft: PlanDraft, sources: Sources) -> list[str]:
    """E.164 numbers of a draft, those that can be read at all; what the store is asked about before the check."""
    typed = [call.number for call in draft.calls]
    rows = [row for one in draft.lists for row in rows_of(one, sources)[0]]
    typed += [row.number for row in rows if not isinstance(row, str)]
    found: dict[str, None] = {}
    for text in typed:
        try:
            found[parse_number(text, region=sources.region, fictional=True)] = None
        except NumberRefused:
            continue
    return list(found)


def check_plan(draft: PlanDraft, sources: Sources, world: PlanWorld) -> tuple[Plan | None, list[str]]:
    """The plan, or what is wrong in sentences for the model; exactly one of the two is empty.

    Rows of a table that cannot be called are left out of the plan with their reason, not sent back: no model can
    mend them. When no row is left, that is a problem.
    """
    desk = _Desk(draft.purpose, sources, world)
    problems = [*_whole(draft, world), *_brief(draft.agent)]
    for n, call in enumerate(draft.calls, 1):
        if refusal := desk.take(call, f"call {n}"):
            problems.append(f"Call {n} ({call.number[:40]}): {refusal}")
    left_out: list[LeftOut] = []
    for listed in draft.lists:
        rows, wrong = rows_of(listed, sources)
        refusals = [
            row if isinstance(row, str) else desk.take(row, f"{listed.table} row {n}")
            for n, row in enumerate(rows, 1)
        ]
        if rows and all(refusals):
            wrong.append(f"No row of {listed.table} can be called. The first: {refusals[0]}")
        problems += wrong
        left_out += [
            LeftOut(table=listed.table, row=n, reason=reason) for n, reason in enumerate(refusals, 1) if reason
        ]
    facts = [_fact(n, fact, sources) for n, fact in enumerate(draft.facts, 1)]
    problems += [fact for fact in facts if isinstance(fact, str)]
    if len(draft.calls) <= world.max_calls < len(desk.calls):
        many = f"The plan would make {len(desk.calls)} calls; {world.max_calls} are allowed."
        problems.append(f"{many} Ask the user for a smaller list.")
    if problems:
        return None, problems[:MAX_PROBLEMS]
    plan = Plan(
        title=draft.title.strip(),
        purpose=draft.purpose,
        agent=draft.agent,
        facts=tuple(fact for fact in facts if isinstance(fact, Fact)),
        fields=draft.fields,
        calls=tuple(desk.calls),
        left_out=tuple(left_out),
    )
    return plan, []


class _Desk:
    """Takes calls into one plan, one to a number."""

    def __init__(self, purpose: Purpose, sources: Sources, world: PlanWorld) -> None:
        self.calls: list[PlannedCall] = []
        self._purpose: Purpose = purpose
        self._sources = sources
        self._world = world
        self._places: dict[str, str] = {}

    def take(self, call: CallDraft, place: str) -> str:
        """Why the call is not taken; empty: it is."""
        one = self._judged(call)
        if isinstance(one, str):
            return one
        if one.number in self._places:
            return f"{one.number} is there already ({self._places[one.number]}); one call to a number."
        self._places[one.number] = place
        self.calls.append(one)
        return ""

    def _judged(self, call: CallDraft) -> PlannedCall | str:
        """The call, or the first thing that is wrong with it."""
        world = self._world
        if not call.objective.strip():
            return "the objective is empty. Say what this call shall achieve."
        if len(call.objective) > MAX_OBJECTIVE:
            return f"the objective is longer than {MAX_OBJECTIVE} characters."
        try:
            number = parse_number(call.number, region=self._sources.region, fictional=world.fictional)
            origin = self._sources.of_number(number)
            if origin is None:
                return _INVENTED
            if not world.fictional:
                check_country(number, world.allowed_countries)
        except NumberRefused as refused:
            return refused.message
        if number in world.listed:
            return "the number is on a do-not-call list. Leave it out and tell the user."
        if number in world.withdrew:
            return "the callee withdrew the consent to calls. Leave the number out and tell the user."
        if call.callee_kind == "business" and not self._is_business(call, origin):
            return (
                "nothing shows that a business is called: quote words of the user or of a look-up as "
                "business_quote, or plan it as a call to a person."
            )
        return self._under_rules(call, number, origin)

    def _under_rules(self, call: CallDraft, number: str, origin: Origin) -> PlannedCall | str:
        world = self._world
        country = NOWHERE if world.fictional else country_of(number)
        callee = Callee(number=number, countries=(country,), kind=call.callee_kind)
        try:
            policy = policy_for(world.packs, callee, self._purpose, world.overlay)
            if policy is None:
                return f"no policy pack is about calls to {country or 'no known country'}; nobody is called there."
            if missing := self._consent_missing(call, number, policy):
                return missing
            said_zone = self._said_zone(number, call.window)
            zones = Zones(keys=("UTC",), inferred=False) if world.fictional else zones_of(number, said_zone)
            if not isinstance(zones, Zones):
                return f"{zones.sentence} Ask the user for it."
            hours = calling_window(policy.rules, zones)
        except ValidationFailed as refused:
            return refused.message
        span = span_of(call.window, zones, hours, now_ms=world.now_ms, hold_s=world.hold_s)
        if isinstance(span, str):
            return span
        needed = self._needed(call, policy)
        return PlannedCall(
            callee_name=call.callee_name.strip()[:200],
            number=number,
            objective=call.objective.strip(),
            first_ms=span.first_ms,
            until_ms=span.until_ms,
            zone=said_zone,
            callee_kind=call.callee_kind,
            origin=origin,
            consent=call.consent if _more(needed, world.consents.get(number, "none")) else None,
        )

    def _said_zone(self, number: str, window: WindowDraft) -> str:
        """The zone that the contact of this number has on record, else one that a person named for the callee. A
        text on record that is no zone is answered as it stands when nobody named one, so that none is guessed.
        """
        recorded = self._sources.zone_of(number) or self._world.zones.get(number, "")
        if self._world.fictional:
            return self._named_zone(number, window)
        if zone_named(recorded) is not None:
            return recorded
        return self._named_zone(number, window) or recorded

    def _named_zone(self, number: str, window: WindowDraft) -> str:
        """A zone that a person named. One whose clock is not that of the number's place, at any time at which the
        call may be made, is the user's own or a mistake, and would open the window at the wrong hours.
        """
        key = window.zone
        if not self._sources.says(key, _OWN_WORDS) or zone_named(key) is None:
            return ""
        guessed = zones_of(number)
        if not isinstance(guessed, Zones):
            return key
        return key if same_clock(key, guessed.keys, *asked_for(window, self._world.now_ms)) else ""

    def _is_business(self, call: CallDraft, origin: Origin) -> bool:
        quoted = self._sources.of_quote(call.business_quote, ("user", "contact", "lookup"))
        return quoted is not None or origin.business

    def _needed(self, call: CallDraft, policy: Policy) -> ConsentLevel:
        return policy.rules.consent.get(call.callee_kind, {}).get(self._purpose, "none")

    def _consent_missing(self, call: CallDraft, number: str, policy: Policy) -> str:
        """Empty when what is on record, or what the user says in this conversation, is enough."""
        needed, claim = self._needed(call, policy), call.consent
        if not _more(needed, self._world.consents.get(number, "none")):
            return ""
        names = " and ".join(pack.id for pack in policy.packs)
        asked = f"{names} asks for {needed} consent to a {self._purpose} call to a {call.callee_kind}"
        if claim is None:
            return f"{asked}, and none is on record. Ask the user whether there is one and what shows it."
        if _more(needed, claim.level):
            return f"{asked}; {claim.level} consent is less."
        if self._sources.of_quote(claim.quote, ("user",)) is None:
            return f"{asked}; the user did not say {claim.quote[:60]!r}. Ask the user, and quote the answer."
        return ""


def _more(one: ConsentLevel, other: ConsentLevel) -> bool:
    return CONSENT.index(one) > CONSENT.index(other)


def _whole(draft: PlanDraft, world: PlanWorld) -> Iterator[str]:
    if not 1 <= len(draft.title.strip()) <= 150:
        yield "The plan's title is empty or longer than 150 characters."
    if not draft.calls and not draft.lists:
        yield "The plan has no call. Ask the user whom to call, or look the number up."
    if len(draft.calls) > world.max_calls:
        yield f"The plan has {len(draft.calls)} calls; {world.max_calls} are allowed. Ask the user which ones."
    if len(draft.facts) > MAX_FACTS:
        yield f"The plan has {len(draft.facts)} facts; keep the {MAX_FACTS} that matter."
    yield from _fields(draft.fields)


def _fields(fields: Sequence[FieldSpec]) -> Iterator[str]:
    try:
        check_specs(fields)
    except ValidationFailed as refused:
        yield refused.message


def _brief(agent: AgentBrief) -> Iterator[str]:
    texts = (agent.purpose, agent.opening_line, *agent.limits, *agent.stop_when)
    if not agent.purpose.strip() or not agent.opening_line.strip():
        yield "The agent needs a purpose and an opening line."
    elif not discloses(agent.opening_line, agent.language):
        yield "The opening line must say at once that an automated or AI assistant is calling."
    if not agent.stop_when:
        yield "Say when the agent ends the call (stop_when)."
    if sum(len(text) for text in texts) > MAX_TEXT:
        yield f"The agent's instructions are longer than {MAX_TEXT} characters."


def _fact(n: int, fact: FactDraft, sources: Sources) -> Fact | str:
    origin = sources.of_quote(fact.quote, (fact.source,))
    if origin is None:
        return (
            f"Fact {n} ({fact.statement[:60]!r}): the words {fact.quote[:60]!r} stand in nothing that the "
            f"{fact.source} supplied. Quote the source, ask the user, or leave the fact out."
        )
    return Fact(statement=fact.statement.strip()[:500], origin=origin)
