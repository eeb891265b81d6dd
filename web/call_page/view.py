"""Pure: a call's facts as its page shows them. Numbers are masked in one place, at the end of `call_view`."""

from collections.abc import Mapping

import msgspec

from app.domain.call import Call, CallState
from app.domain.fields import Collected
from app.store.events import CallEvent
from web.call_page.costs import Costs, costs
from web.call_page.facts import MOST_EVENTS, MOST_TURNS, CallFacts
from web.call_page.judged import Judged, judged
from web.call_page.line import LineEvent, line_events
from web.call_page.timeline import Entry, entries
from web.call_page.words import VERDICTS, cause_in_words, in_words
from web.view import ENDED_BY_WORDS, OUTCOME_WORDS, STATE_WORDS, clock_face, money


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """Something the call was to find out. `value` empty: it was not said. `key` is the entry that proves it."""

    name: str
    label: str
    required: bool
    value: str
    quote: str = ""
    at: str = ""
    at_ms: int = 0
    key: str = ""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Another call of the same task, or this one (`here`)."""

    id: str
    number: int
    created_ms: int
    state: str
    outcome: str
    direction: str
    here: bool


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. `settled`: nothing of it will change any more."""

    id: str
    alive: bool
    settled: bool
    state: str
    state_label: str
    outcome: str
    ended_by: str
    cause: str
    tech_cause: str
    sip_call_id: str
    detail: str
    number: str
    dialed_instead: str
    callee: str
    inbound: bool
    objective: str
    task_id: str
    task_state: str
    campaign_id: str
    campaign: str
    agent_id: str
    agent: str
    agent_version: int
    agent_newest: int
    attempt: str
    node: str
    created_ms: int
    timer_from_ms: int
    timer_to_ms: int | None
    talked: str
    cost: str
    verdict: str
    verdict_note: str
    allowed: str
    entries: list[Entry]
    more_turns: bool
    line: list[LineEvent]
    more_events: bool
    fields: list[Field]
    judged: Judged
    costs: Costs
    attempts: list[Attempt]
    silence: str
    """Why nothing was said, when nothing was."""


def call_view(facts: CallFacts) -> CallView:
    """Everything, with full numbers."""
    call, task = facts.call, facts.task
    alive = call.state is not CallState.ENDED
    shown = entries(facts)
    keys = {entry.item_id: entry.key for entry in shown if entry.kind == "turn"}
    return CallView(
        id=call.id,
        alive=alive,
        settled=not alive and (facts.analysis is None or facts.analysis.state == "done"),
        state=str(call.state),
        state_label=STATE_WORDS[call.state],
        outcome=in_words(OUTCOME_WORDS, call.outcome),
        ended_by=in_words(ENDED_BY_WORDS, call.ended_by),
        cause=cause_in_words(call.hangup_cause),
        tech_cause=f"SIP {call.tech_cause}" if call.tech_cause else "",
        sip_call_id=call.sip_call_id or "",
        detail=call.detail,
        number=call.number_requested,
        dialed_instead=call.number_dialed if call.number_dialed != call.number_requested else "",
        callee=task.callee_name,
        inbound=call.direction == "inbound",
        objective=task.objective,
        task_id=task.id,
        task_state=task.state.replace("_", " "),
        campaign_id=facts.campaign.id if facts.campaign else "",
        campaign=facts.campaign.name if facts.campaign else "",
        agent_id=facts.agent.id,
        agent=facts.agent.name,
        agent_version=call.agent_version,
        agent_newest=facts.agent_version,
        attempt=f"{call.attempt_number} of at most {task.max_attempts}",
        node=call.node,
        created_ms=call.created_ms,
        timer_from_ms=call.answered_ms or call.created_ms,
        timer_to_ms=call.ended_ms,
        talked=_talked(call),
        cost=money(call.cost_micro_usd),
        verdict=in_words(VERDICTS, call.answered_by),
        verdict_note=_verdict_note(facts.events),
        allowed=facts.allowed.sentence if facts.allowed else "",
        entries=shown,
        more_turns=len(facts.turns) >= MOST_TURNS,
        line=line_events(facts),
        more_events=len(facts.events) >= MOST_EVENTS,
        fields=fields_of(facts, keys),
        judged=judged(facts, keys),
        costs=costs(facts.spent),
        attempts=[_attempt(one, here=one.id == call.id) for one in facts.attempts],
        silence=_silence(call) if not facts.turns else "",
    )


def fields_of(facts: CallFacts, keys: Mapping[str, str]) -> list[Field]:
    """What was to be found out, in the agent's order, then what else was taken down."""
    found = {one.name: one for one in facts.collected}
    wanted = [
        _field(spec.name, spec.label, spec.required, found.get(spec.name), keys)
        for spec in facts.agent.data_to_fill
    ]
    names = {spec.name for spec in facts.agent.data_to_fill}
    return [*wanted, *(_field(one.name, "", False, one, keys) for one in facts.collected if one.name not in names)]


def plain_value(text: str) -> str:
    """A stored JSON value as people read it: yes or no, numbers, lists with commas."""
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return ", ".join(str(one) for one in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any JSON
        case _:
            return str(value)


def _field(name: str, label: str, required: bool, found: Collected | None, keys: Mapping[str, str]) -> Field:
    field = Field(name=name, label=label or name.replace("_", " "), required=required, value="")
    if found is None:
        return field
    proof = found.evidence
    return msgspec.structs.replace(
        field,
        value=plain_value(found.value),
        quote=proof.quote,
        at=clock_face(proof.start_audio_ms),
        at_ms=proof.start_audio_ms,
        key=keys.get(proof.item_id, ""),
    )


def _talked(call: Call) -> str:
    if call.answered_ms is None or call.ended_ms is None:
        return ""
    return clock_face(call.ended_ms - call.answered_ms)


def _verdict_note(events: list[CallEvent]) -> str:
    last = next((event for event in reversed(events) if event.kind == "answer_verdict"), None)
    if last is None:
        return ""
    data = last.data
    after = data.get("decision_ms")
    seconds = f" after {after / 1000:.1f} s" if isinstance(after, int | float) else ""
    sure = "decided" if data.get("final") else "assumed"
    return f"{sure}{seconds}: {data.get('evidence', '')}"


def _attempt(call: Call, *, here: bool) -> Attempt:
    return Attempt(
        id=call.id,
        number=call.attempt_number,
        created_ms=call.created_ms,
        state=STATE_WORDS[call.state],
        outcome=in_words(OUTCOME_WORDS, call.outcome),
        direction="they called back" if call.direction == "inbound" else "we called",
        here=here,
    )


def _silence(call: Call) -> str:
    if call.state is not CallState.ENDED:
        return "Nothing has been said yet. Words appear here while they are spoken."
    if call.answered_ms is None:
        return (
            "Nobody answered, so nothing was said. Why the call ended stands above and in the events of the line."
        )
    return "The call was answered and no words were heard on either side."
