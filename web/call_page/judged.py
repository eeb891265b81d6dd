"""Pure: what the analysis of an ended call says, each claim with the words that prove it."""

from collections.abc import Mapping

import msgspec

from app.domain.analysis.judgement import Judgement, Proof
from app.domain.task import TaskState
from app.store.analyses import Analysis
from web.call_page.facts import CallFacts
from web.call_page.words import ACTIONS, JUDGED, in_words
from web.view import clock_face, money


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A proof: words of a turn. `key` is its entry on the page, empty when the turn is not there."""

    quote: str
    speaker: str
    at: str
    at_ms: int
    key: str
    about: str = ""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: none, waiting or done. Times are UTC epoch milliseconds."""

    state: str
    sentence: str
    outcome: str = ""
    action: str = ""
    action_words: str = ""
    summary: str = ""
    confidence: str = ""
    proofs: tuple[Shown, ...] = ()
    read: tuple[Shown, ...] = ()
    doubts: tuple[str, ...] = ()
    reason: str = ""
    next_ms: int | None = None
    instructions: str = ""
    needs_review: bool = False
    model: str = ""
    prompt_version: str = ""
    price_table: str = ""
    tokens: str = ""
    cost: str = ""


def judged(facts: CallFacts, keys: Mapping[str, str]) -> Judged:
    """The analysis of the call as its page shows it; `keys` are entries by the item id of their turn."""
    analysis, task = facts.analysis, facts.task
    next_ms = task.next_action_time if task.state is TaskState.PENDING else None
    last = facts.attempts[-1].id == facts.call.id if facts.attempts else True
    if analysis is None:
        said = task.overall_conclusion if last else ""
        return Judged(state="none", sentence=said, next_ms=next_ms if last else None)
    if analysis.state == "waiting":
        sentence = "The call waits to be read by a text model."
        if analysis.last_error:
            sentence += f" It was tried {analysis.tries} times; the last one failed: {analysis.last_error}"
        return Judged(state="waiting", sentence=sentence, next_ms=analysis.next_try_ms)
    return _done(analysis, keys)


def _done(analysis: Analysis, keys: Mapping[str, str]) -> Judged:
    decision = analysis.decided
    claim = msgspec.json.decode(analysis.judgement, type=Judgement) if analysis.judgement != "{}" else None
    if decision is None:
        return Judged(state="done", sentence="The analysis left no decision.", model=analysis.model)
    conclusion = decision.conclusion
    return Judged(
        state="done",
        sentence="",
        outcome=in_words(JUDGED, decision.outcome),
        action=str(decision.action),
        action_words=in_words(ACTIONS, str(decision.action)),
        summary=decision.summary,
        confidence=claim.confidence if claim is not None else "",
        proofs=tuple(_shown(one, keys) for one in decision.proofs),
        read=tuple(
            msgspec.structs.replace(_shown(one.proof, keys), about=f"{one.field.replace('_', ' ')}: {one.value}")
            for one in decision.collected
        ),
        doubts=decision.doubts,
        reason=conclusion.reason,
        next_ms=conclusion.retry_at_ms,
        instructions=decision.revised_instructions,
        needs_review=conclusion.needs_review,
        model=analysis.model,
        prompt_version=analysis.prompt_version,
        price_table=analysis.price_table,
        tokens=f"{analysis.input_tokens} in ({analysis.cached_tokens} cached), {analysis.output_tokens} out",
        cost=money(analysis.cost_micro_usd or 0),
    )


def _shown(proof: Proof, keys: Mapping[str, str]) -> Shown:
    return Shown(
        quote=proof.quote,
        speaker=proof.speaker,
        at=clock_face(proof.audio_ms),
        at_ms=proof.audio_ms,
        key=keys.get(proof.item_id, ""),
    )
