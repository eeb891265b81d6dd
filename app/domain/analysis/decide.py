"""Turns a judgement into a decision. Authority is here: attempts, windows, lists and proofs are checked by code.

| judgement | decision |
|---|---|
| plain opt-out heard by rule, or claimed with words of the callee | suppressed, number listed |
| any quote that does not occur, a value not in the callee's words | sent back once, then a person |
| success or opt-out without words of the callee | sent back once, then a person |
| low confidence | a person |
| success | completed |
| retry at a time the callee named | then, if legal in the window; otherwise a person |
| retry without a time | by outcome (`DELAYS_MS`), moved into the window |
| retry with no attempts left | failed |
| failed | failed |
"""

from collections.abc import Callable

import msgspec

from app.domain.analysis.evidence import prove
from app.domain.analysis.judgement import Action, CallbackWish, Decision, Judgement, Outcome, Proof, ProvenValue
from app.domain.analysis.opt_out import opt_out
from app.domain.analysis.when import AskTime, BadTime, Reach, earliest, instant_of
from app.domain.call import Turn
from app.domain.local_time import told
from app.domain.policy.zones import Zones
from app.domain.retry import MINUTE_MS, Attempt, Conclusion, conclude
from app.domain.task import TaskEvent

HOUR_MS = 60 * MINUTE_MS
DELAYS_MS: dict[Outcome, int] = {
    "cut_off": 5 * MINUTE_MS,
    "no_conversation": HOUR_MS,
    "not_available": 2 * HOUR_MS,
    "callback_requested": 2 * HOUR_MS,
    "voicemail": 4 * HOUR_MS,
}
_ACTION_OF = {
    TaskEvent.COMPLETE: Action.SUCCESS,
    TaskEvent.RETRY: Action.RETRY,
    TaskEvent.SUPPRESS: Action.OPT_OUT,
    TaskEvent.ASK_USER: Action.ASK_USER,
}
DEFAULT_DELAY_MS = 4 * HOUR_MS
"""Pause before a retry for which the callee named no time."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the ended call beside the judgement. `ended_ms`: what "tomorrow" is counted from; the
    decision may be made much later, at `reach.now_ms`.
    """

    ended_ms: int
    attempt: Attempt
    turns: tuple[Turn, ...]
    reach: Reach
    wish: CallbackWish | None = None
    """What the agent understood of the time the callee wished."""
    in_vain: Conclusion | None = None
    """What follows a call-back in which the callee said nothing; None for a call that was dialed."""


def problems(judgement: Judgement, facts: Facts) -> list[str]:
    """Why the judgement cannot be taken as it is, in sentences for the model; empty: it can."""
    found: list[str] = []
    turns = facts.turns
    for n, item in enumerate(judgement.evidence):
        if prove(item.quote, item.turn, turns) is None:
            found.append(_invented(f"evidence[{n}]", item.quote))
    for n, value in enumerate(judgement.collected):
        if prove(value.quote, value.turn, turns, "callee") is None:
            found.append(_invented(f"collected[{n}] ({value.field})", value.quote, "by the callee"))
    if not judgement.evidence:
        found.append("evidence is empty: quote the words that show it, or say low confidence.")
    elif judgement.action in {Action.SUCCESS, Action.OPT_OUT} and not _callee_proofs(judgement, facts):
        text = "the agent's own words prove nothing; quote what the callee said."
        found.append(f"{judgement.action} needs evidence from the callee: {text}")
    if judgement.retry is not None and judgement.action is Action.RETRY:
        wish = judgement.retry
        if prove(wish.quote, wish.turn, turns, "callee") is None:
            found.append(_invented("retry", wish.quote, "by the callee"))
        elif isinstance(bad := instant_of(wish, facts.reach), BadTime):
            found.append(bad.sentence)
    return found


def decide(judgement: Judgement, facts: Facts) -> Decision:
    """The decision of the table above; whatever `problems` still finds is held against the judgement."""
    heard = opt_out(facts.turns)
    if heard is None and judgement.action is Action.OPT_OUT:
        heard = next(iter(_callee_proofs(judgement, facts)), None)
    if heard is not None:
        return _made(judgement, facts, Action.OPT_OUT, _opted_out(heard), opt_out_proof=heard)
    doubts = tuple(problems(judgement, facts))
    if doubts:
        text = f"The analysis is not proven by the transcript: {doubts[0]} {judgement.summary}".strip()
        return _made(judgement, facts, Action.ASK_USER, _ask(text), doubts=doubts)
    if judgement.confidence == "low" and judgement.action is not Action.ASK_USER:
        text = f"The model is not sure. It would say {judgement.action}: {judgement.summary}"
        return _made(judgement, facts, Action.ASK_USER, _ask(text), doubts=("low confidence",))
    return _ACTIONS[judgement.action](judgement, facts)


def unjudged(summary: str, question: str, facts: Facts) -> Decision:
    """The decision when the model gave nothing that can be used: a person, unless an opt-out was plainly heard."""
    judgement = Judgement(action=Action.ASK_USER, outcome="other", summary=summary, confidence="low")
    heard = opt_out(facts.turns)
    if heard is not None:
        return _made(judgement, facts, Action.OPT_OUT, _opted_out(heard), opt_out_proof=heard)
    return _made(judgement, facts, Action.ASK_USER, _ask(question), doubts=(question,))


def by_rule(facts: Facts) -> Decision:
    """The decision without a model: by the outcome of the line, and by a plain opt-out."""
    conclusion = conclude(facts.attempt, facts.reach.now_ms)
    action = _ACTION_OF.get(conclusion.event, Action.FAILED)
    judgement = Judgement(action=action, outcome="other", summary=conclusion.reason, confidence="high")
    heard = opt_out(facts.turns)
    if heard is not None:
        return _made(judgement, facts, Action.OPT_OUT, _opted_out(heard), opt_out_proof=heard)
    return _made(judgement, facts, action, conclusion)


def carried(decision: Decision, conclusion: Conclusion) -> Decision:
    """The decision with what was really concluded: a person's order or what is known of the task by then may have
    outweighed it.
    """
    if conclusion.event is decision.conclusion.event:
        return msgspec.structs.replace(decision, conclusion=conclusion)
    action = _ACTION_OF.get(conclusion.event, Action.FAILED)
    return msgspec.structs.replace(decision, conclusion=conclusion, action=action)


def silent(facts: Facts) -> Decision:
    """The decision about an answered call in which the callee said nothing: no model is needed to try again. After
    a call-back the task goes on waiting for what it waited for.
    """
    judgement = Judgement(
        action=Action.RETRY, outcome="no_conversation", summary="Nobody said a word.", confidence="high"
    )
    if facts.in_vain is not None:
        return _made(judgement, facts, _ACTION_OF.get(facts.in_vain.event, Action.RETRY), facts.in_vain)
    return _retry(judgement, facts)


def _success(judgement: Judgement, facts: Facts) -> Decision:
    return _made(judgement, facts, Action.SUCCESS, Conclusion(event=TaskEvent.COMPLETE, reason=judgement.summary))


def _retry(judgement: Judgement, facts: Facts) -> Decision:
    attempt, reach = facts.attempt, facts.reach
    if attempt.attempts >= attempt.max_attempts:
        reason = f"{judgement.summary} All {attempt.max_attempts} attempts are used."
        failed = Conclusion(event=TaskEvent.FAIL, reason=reason, needs_review=judgement.retry is not None)
        return _made(judgement, facts, Action.FAILED, failed)
    if judgement.retry is None:
        delay_ms = DELAYS_MS.get(judgement.outcome, DEFAULT_DELAY_MS)
        at_ms = earliest(reach.now_ms + delay_ms, reach)
    else:
        when = instant_of(judgement.retry, reach)
        if isinstance(when, BadTime | AskTime):
            return _made(judgement, facts, Action.ASK_USER, _ask(when.sentence), doubts=(when.sentence,))
        at_ms = when
    zones = reach.zones.keys if isinstance(reach.zones, Zones) else ()
    reason = f"{judgement.summary} Again on {told(at_ms, zones)}."
    return _made(
        judgement, facts, Action.RETRY, Conclusion(event=TaskEvent.RETRY, reason=reason, retry_at_ms=at_ms)
    )


def _failed(judgement: Judgement, facts: Facts) -> Decision:
    return _made(judgement, facts, Action.FAILED, Conclusion(event=TaskEvent.FAIL, reason=judgement.summary))


def _needs_person(judgement: Judgement, facts: Facts) -> Decision:
    return _made(judgement, facts, Action.ASK_USER, _ask(judgement.question or judgement.summary))


_ACTIONS: dict[Action, Callable[[Judgement, Facts], Decision]] = {
    Action.SUCCESS: _success,
    Action.RETRY: _retry,
    Action.FAILED: _failed,
    Action.ASK_USER: _needs_person,
    Action.OPT_OUT: _needs_person,
}
"""An opt-out that gets here has no proof; `problems` has caught it before."""


def _made(
    judgement: Judgement,
    facts: Facts,
    action: Action,
    conclusion: Conclusion,
    *,
    opt_out_proof: Proof | None = None,
    doubts: tuple[str, ...] = (),
) -> Decision:
    proofs = _proofs(judgement, facts)
    if opt_out_proof is not None and opt_out_proof.item_id not in {one.item_id for one in proofs}:
        proofs = (opt_out_proof, *proofs)
    return Decision(
        action=action,
        outcome="opt_out" if action is Action.OPT_OUT else judgement.outcome,
        conclusion=conclusion,
        summary=judgement.summary,
        proofs=proofs,
        collected=_values(judgement, facts),
        opt_out=opt_out_proof,
        revised_instructions=judgement.revised_instructions if action is Action.RETRY else "",
        doubts=doubts,
    )


def _proofs(judgement: Judgement, facts: Facts) -> tuple[Proof, ...]:
    found = (prove(item.quote, item.turn, facts.turns) for item in judgement.evidence)
    return tuple(proof for proof in found if proof is not None)


def _callee_proofs(judgement: Judgement, facts: Facts) -> tuple[Proof, ...]:
    found = (prove(item.quote, item.turn, facts.turns, "callee") for item in judgement.evidence)
    return tuple(proof for proof in found if proof is not None)


def _values(judgement: Judgement, facts: Facts) -> tuple[ProvenValue, ...]:
    """Values that words of the callee prove; the others are left out, whatever becomes of the judgement."""
    return tuple(
        ProvenValue(field=one.field, value=one.value, proof=proof)
        for one in judgement.collected
        if (proof := prove(one.quote, one.turn, facts.turns, "callee")) is not None
    )


def _opted_out(proof: Proof) -> Conclusion:
    reason = f"The callee asked not to be called again: {proof.quote[:200]!r}."
    return Conclusion(event=TaskEvent.SUPPRESS, reason=reason)


def _ask(sentence: str) -> Conclusion:
    return Conclusion(event=TaskEvent.ASK_USER, reason=sentence, needs_review=True)


def _invented(where: str, quote: str, who: str = "") -> str:
    said = f"{who} " if who else ""
    return f"{where}: {quote[:120]!r} was not said {said}in the transcript; quote word for word, within one turn."
