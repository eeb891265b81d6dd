"""Pure: one call as programs get it."""

from typing import Any, Literal

import msgspec

from app.domain.analysis.judgement import Judgement
from app.domain.call import CallState
from app.domain.fields import Value
from app.store.analyses import Analysis
from web.call_page.facts import CallFacts


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """A value the call found out, the words that prove it, and where they are in the recording."""

    name: str
    value: Value
    quote: str
    item_id: str
    start_audio_ms: int
    end_audio_ms: int


class Quoted(msgspec.Struct, frozen=True, kw_only=True):
    """Words of the transcript; `audio_ms` is where their turn began."""

    item_id: str
    speaker: str
    quote: str
    audio_ms: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the analysis says. `waiting`: nobody has judged the call yet, and only `state` means something."""

    state: Literal["waiting", "done"]
    outcome: str = ""
    action: str = ""
    summary: str = ""
    confidence: str = ""
    reason: str = ""
    evidence: tuple[Quoted, ...] = ()
    doubts: tuple[str, ...] = ()
    retry_at_ms: int | None = None
    needs_review: bool = False
    model: str = ""
    prompt_version: str = ""


class TransferEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody the callee was handed to, or was to be."""

    target: str
    number: str
    mode: str
    reason: str
    state: str
    outcome: str | None
    dialing_ms: int
    joined_ms: int | None
    ended_ms: int | None


class CallDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A call. `hangup_cause` is Q.850's; `attempts` are all calls of its task, the first one first."""

    id: str
    task_id: str
    campaign_id: str | None
    agent_id: str
    agent_version: int
    direction: Literal["outbound", "inbound"]
    attempt_number: int
    number_requested: str
    number_dialed: str
    callee_name: str
    objective: str
    state: CallState
    outcome: str | None
    ended_by: str | None
    hangup_cause: int | None
    sip_call_id: str | None
    answered_by: str
    detail: str
    created_ms: int
    dialing_ms: int | None
    ringing_ms: int | None
    answered_ms: int | None
    ended_ms: int | None
    cost_micro_usd: int
    collected: tuple[Proven, ...]
    analysis: Outcome | None
    transfers: tuple[TransferEntry, ...]
    attempts: tuple[str, ...]


def detail(facts: CallFacts) -> CallDetail:
    """With full numbers."""
    call, task = facts.call, facts.task
    row = msgspec.structs.asdict(call)
    same: dict[str, Any] = {name: row[name] for name in CallDetail.__struct_fields__ if name in row}
    own: dict[str, Any] = {
        "campaign_id": task.campaign_id,
        "callee_name": task.callee_name,
        "objective": task.objective,
        "collected": tuple(
            Proven(
                name=one.name,
                value=msgspec.json.decode(one.value, type=Value),
                quote=one.evidence.quote,
                item_id=one.evidence.item_id,
                start_audio_ms=one.evidence.start_audio_ms,
                end_audio_ms=one.evidence.end_audio_ms,
            )
            for one in facts.collected
        ),
        "analysis": None if facts.analysis is None else _outcome(facts.analysis),
        "transfers": tuple(
            TransferEntry(**{name: getattr(one, name) for name in TransferEntry.__struct_fields__})
            for one in facts.transfers
        ),
        "attempts": tuple(one.id for one in facts.attempts),
    }
    return CallDetail(**{**same, **own})


def _outcome(analysis: Analysis) -> Outcome:
    decision = analysis.decided
    if analysis.state == "waiting" or decision is None:
        return Outcome(state=analysis.state)
    claim = msgspec.json.decode(analysis.judgement, type=Judgement) if analysis.judgement != "{}" else None
    return Outcome(
        state="done",
        outcome=decision.outcome,
        action=str(decision.action),
        summary=decision.summary,
        confidence=claim.confidence if claim is not None else "",
        reason=decision.conclusion.reason,
        evidence=tuple(
            Quoted(item_id=one.item_id, speaker=one.speaker, quote=one.quote, audio_ms=one.audio_ms)
            for one in decision.proofs
        ),
        doubts=decision.doubts,
        retry_at_ms=decision.conclusion.retry_at_ms,
        needs_review=decision.conclusion.needs_review,
        model=analysis.model,
        prompt_version=analysis.prompt_version,
    )
