"""From what came of a reply's two steps to the turn that is stored. Makes no decision any more."""

import msgspec

from app.domain.plan import Plan
from app.domain.planning import PlannerTurn, TurnContent, TurnKind
from app.llm.model import Reply, known_cost, paid
from app.llm.planner_answer import Answered, AnswerStep, NotAnswered
from app.llm.planner_lookups import LookupStep
from app.store.conversations import Conversation, StoredPlan


def with_prepared(outcome: Answered | NotAnswered, prepared: Plan | None) -> Answered | NotAnswered:
    """A message about a call that was prepared carries it as its plan; a form or a plan of its own goes before."""
    if prepared is None or not isinstance(outcome, Answered) or outcome.kind != "message":
        return outcome
    return msgspec.structs.replace(outcome, kind="plan", plan=prepared)


def reply_turn(
    seq: int, outcome: Answered | NotAnswered, looking: LookupStep, answering: AnswerStep
) -> PlannerTurn:
    """The assistant's turn with what it cost."""
    if isinstance(outcome, Answered):
        kind = msgspec.convert(outcome.kind, TurnKind)
        content = TurnContent(questions=outcome.questions, plan=outcome.plan)
        turn = PlannerTurn(seq=seq, role="assistant", kind=kind, text=outcome.text, content=content)
    else:
        content = TurnContent(missing=outcome.missing)
        turn = PlannerTurn(seq=seq, role="assistant", kind="failure", text=failure_text(outcome), content=content)
    turn = msgspec.structs.replace(turn, lookups=tuple(looking.done))
    return priced(turn, [*looking.replies, *answering.replies], looking.lookup_costs)


def charged(looking: LookupStep, answering: AnswerStep) -> int:
    """What the reply takes from the tenant's month, micro USD: all that has a known price."""
    replies = [*looking.replies, *answering.replies]
    return known_cost([*(reply.cost_micro_usd for reply in replies), *looking.lookup_costs])


def failure_text(outcome: NotAnswered) -> str:
    """The honest sentence, with what stands in the way."""
    if not outcome.missing:
        return outcome.why
    lines = "\n".join(f"- {line}" for line in outcome.missing)
    return f"{outcome.why} Nothing is scheduled. What stands in the way:\n{lines}"


def priced(turn: PlannerTurn, replies: list[Reply], others: list[int | None]) -> PlannerTurn:
    """The turn with tokens and cost of its replies and look-ups; one unknown price makes the sum unknown."""
    return msgspec.structs.replace(turn, **msgspec.structs.asdict(paid(replies, others)))


def stored_plan(conversation: Conversation, turn: PlannerTurn, plan: Plan) -> StoredPlan:
    """The row of a plan that can be confirmed."""
    told = turn.content.forecast
    assert told is not None
    return StoredPlan(
        id=turn.content.plan_id,
        tenant_id=conversation.tenant_id,
        conversation_id=conversation.id,
        turn_seq=turn.seq,
        state="open",
        plan=plan,
        forecast=told,
        campaign_id=None,
        confirmed_by="",
        created_ms=turn.created_ms,
        confirmed_ms=None,
    )
