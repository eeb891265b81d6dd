"""Pure: a plan as a card, with what will happen when, what it will cost, what was checked and what changed."""

from collections import Counter

import msgspec

from app.domain.fields import FieldSpec
from app.domain.local_time import told
from app.domain.plan import Origin, Plan, PlannedCall
from app.domain.plan_diff import Change, PlanDiff
from app.domain.plan_forecast import Forecast
from app.domain.planning import PlannerTurn, PlanState
from app.domain.policy.zones import Zones, zones_of
from app.store.conversations import PlanFate
from web.chat.address import safe_href

CALLS_SHOWN = 100
LEFT_OUT_SHOWN = 100
NOW_MS = 90_000
"""What begins within this time after the plan was made begins at once."""
SOURCES = {"user": "you", "contact": "your contacts", "profile": "your profile", "lookup": "a look-up"}
PURPOSES = {"service": "service call", "marketing": "marketing", "survey": "survey"}
STATES: dict[PlanState, str] = {
    "open": "Waits for your decision",
    "superseded": "Replaced by a later plan",
    "confirmed": "Confirmed",
}
_FIELDS = {
    "callee_name": "name", "first_ms": "not before", "until_ms": "not after", "callee_kind": "kind of callee",
    "opening_line": "opening", "stop_when": "ends when", "fields": "to find out",
}  # fmt: skip


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a number or a fact comes from. `href` is empty unless that is a web address."""

    who: str
    ref: str
    href: str


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the plan."""

    name: str
    number: str
    objective: str
    when: str
    until: str
    kind: str
    source: SourceView
    consent: str


class FactView(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent is told, and who says so."""

    statement: str
    source: SourceView


class LeftOutView(msgspec.Struct, frozen=True, kw_only=True):
    """A row that becomes no call."""

    place: str
    reason: str


class ChangeView(msgspec.Struct, frozen=True, kw_only=True):
    """What a correction changed."""

    about: str
    field: str
    before: str
    after: str


class ChangesView(msgspec.Struct, frozen=True, kw_only=True):
    """Against the plan before."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangeView, ...]


class ForecastView(msgspec.Struct, frozen=True, kw_only=True):
    """What it will take, in words."""

    calls: str
    time: str
    line: str
    cost: str


class PlanCard(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a person decides by. `confirmable`: it waits for the decision."""

    id: str
    state: PlanState
    state_label: str
    confirmable: bool
    campaign_id: str
    title: str
    purpose: str
    language: str
    opening: str
    task: str
    limits: tuple[str, ...]
    stop_when: tuple[str, ...]
    calls: tuple[CallView, ...]
    calls_more: int
    fields: tuple[FieldSpec, ...]
    facts: tuple[FactView, ...]
    left_out: tuple[LeftOutView, ...]
    left_out_more: int
    checks: tuple[str, ...]
    forecast: ForecastView | None
    changes: ChangesView | None


def plan_card(turn: PlannerTurn, fate: PlanFate | None, zone: str) -> PlanCard:
    """The card of a turn that carries a plan; `zone` is the reader's."""
    content, plan = turn.content, turn.content.plan
    assert plan is not None
    state: PlanState = fate.state if fate is not None else "superseded"
    return PlanCard(
        id=content.plan_id,
        state=state,
        state_label=STATES[state],
        confirmable=state == "open",
        campaign_id=(fate.campaign_id if fate is not None else None) or "",
        title=plan.title,
        purpose=PURPOSES.get(plan.purpose, plan.purpose),
        language=plan.agent.language,
        opening=plan.agent.opening_line,
        task=plan.agent.purpose,
        limits=plan.agent.limits,
        stop_when=plan.agent.stop_when,
        calls=tuple(_call(one, turn.created_ms, zone) for one in plan.calls[:CALLS_SHOWN]),
        calls_more=max(0, len(plan.calls) - CALLS_SHOWN),
        fields=plan.fields,
        facts=tuple(FactView(statement=one.statement, source=source_view(one.origin)) for one in plan.facts),
        left_out=tuple(
            LeftOutView(place=f"{one.table}, row {one.row}", reason=one.reason)
            for one in plan.left_out[:LEFT_OUT_SHOWN]
        ),
        left_out_more=max(0, len(plan.left_out) - LEFT_OUT_SHOWN),
        checks=tuple(_checks(plan)),
        forecast=_forecast(content.forecast, zone) if content.forecast is not None else None,
        changes=_changes(content.changes, plan) if content.changes is not None else None,
    )


def source_view(origin: Origin) -> SourceView:
    """A source as people read it."""
    ref = origin.ref if origin.kind in {"lookup", "user"} else ""
    return SourceView(who=SOURCES[origin.kind], ref=ref or origin.ref, href=safe_href(ref))


def moment_in(at_ms: int, *zones: str) -> str:
    """An instant on the clocks of these zones; UTC alone is not told twice."""
    return told(at_ms, () if set(zones) <= {"UTC"} else zones)


def _call(call: PlannedCall, made_ms: int, zone: str) -> CallView:
    places = _places(call, zone)
    soon = call.first_ms <= made_ms + NOW_MS
    consent = f"{call.consent.level}: “{call.consent.quote}”" if call.consent is not None else ""
    return CallView(
        name=call.callee_name,
        number=call.number,
        objective=call.objective,
        when="as soon as you confirm" if soon else moment_in(call.first_ms, *places),
        until=moment_in(call.until_ms, *places) if call.until_ms is not None else "",
        kind="business" if call.callee_kind == "business" else "person",
        source=source_view(call.origin),
        consent=consent,
    )


def _places(call: PlannedCall, zone: str) -> tuple[str, ...]:
    """The callee's zones, or the reader's when nobody knows them."""
    if call.zone:
        return (call.zone,)
    guessed = zones_of(call.number)
    return guessed.keys if isinstance(guessed, Zones) else (zone,)


def _checks(plan: Plan) -> list[str]:
    count = len(plan.calls)
    who = Counter(SOURCES[call.origin.kind] for call in plan.calls)
    supplied = ", ".join(f"{name} ({n})" for name, n in who.items())
    noted = sum(call.consent is not None for call in plan.calls)
    said = f"noted from your words for {noted}" if noted else "nothing has to be noted"
    return [
        f"{count} {'number is' if count == 1 else 'numbers are'} valid, in a country that may be called and on no "
        "do-not-call list.",
        f"Supplied by: {supplied}. A number that nobody supplied is never called.",
        "Each call begins within the hours that the calling rules allow at the callee's place.",
        f"Consent: {said}.",
        "The opening says that no person is speaking.",
        "All of this is checked again when you confirm, and right before each call.",
    ]


def _forecast(one: Forecast, zone: str) -> ForecastView:
    retries = one.attempts_most - one.calls
    calls = f"{one.calls} {'call' if one.calls == 1 else 'calls'}"
    if retries > 0:
        calls += f", {one.attempts_most} attempts at most"
    hours = one.line_minutes / 60
    line = f"{one.line_minutes} min on the line" if hours < 2 else f"{hours:.1f} h on the line"
    ends = moment_in(one.ends_ms, zone)
    return ForecastView(
        calls=calls,
        time=f"first attempts over by {ends}",
        line=line,
        cost=f"about {_dollars(one.cost_likely_micro_usd)}, at most {_dollars(one.cost_most_micro_usd)}",
    )


def _dollars(micro_usd: int) -> str:
    """To the cent; less than that is told as such."""
    return "less than $0.01" if 0 < micro_usd < 10_000 else f"${micro_usd / 1_000_000:.2f}"


def _changes(diff: PlanDiff, plan: Plan) -> ChangesView:
    names = {call.number: call.callee_name for call in plan.calls}

    def callee(number: str) -> str:
        return f"{names[number]} {number}" if names.get(number) else number

    return ChangesView(
        added=tuple(callee(number) for number in diff.added),
        removed=diff.removed,
        changed=tuple(
            told for one in diff.changes if (told := _change(one, callee(one.about))).before != told.after
        ),
    )


def _change(one: Change, about: str) -> ChangeView:
    field = _FIELDS.get(one.field, one.field.replace("_", " "))
    return ChangeView(
        about=about, field=field, before=_moment(one.field, one.before), after=_moment(one.field, one.after)
    )


def _moment(field: str, text: str) -> str:
    if field.endswith("_ms") and text.isdigit():
        return moment_in(int(text))
    if text.startswith("["):
        try:
            return "; ".join(msgspec.json.decode(text, type=list[str]))
        except msgspec.MsgspecError:
            return text
    return text
