"""Functions of a spoken session: those of the chat, and its two kinds of structured replies as functions.

The model speaks instead of writing JSON, so a form and a plan are shown by `show_form` and `show_plan`. They, the
look-ups and the chat's own functions go through the same code and the same checks as in writing.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from itertools import takewhile

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from app.domain.planning import PlannerTurn, Profile, TurnContent
from app.llm import planner_answer, planner_calls, planner_lookups
from app.llm.lookups.connect import Lookups
from app.llm.model import ToolCall, ToolResult
from app.llm.planner_answer import Answered
from app.llm.planner_history import looked_up_items, tables_of
from app.llm.planner_shapes import PlannerReply, PlanShape, QuestionShape
from app.llm.planner_steps import Parts, Steps, steps_of
from app.llm.spoken.model import Used, priced
from app.llm.structured import output_schema
from app.store.conversations import Conversation
from media.realtime.settings import ToolSpec

SHOW_FORM, SHOW_PLAN = "show_form", "show_plan"
SHOWN = {
    SHOW_FORM: "The form is on the page; the user fills it in there, or answers aloud.",
    SHOW_PLAN: "The plan is on the page. Nothing is scheduled before the user presses Confirm there.",
}
NOT_MADE = "This could not be done now: {why} Say so, and try again in a moment."
PREPARED = "I prepared this call."
LAST_WORDS = 8
PROMPT = "\n\n".join(
    (
        planner_answer.PROMPT.strip(),
        planner_lookups.PROMPT.strip(),
        planner_answer.prompt_file("spoken.md").strip(),
    )
)
PROMPT_VERSION = "spoken-" + hashlib.sha256(PROMPT.encode()).hexdigest()[:12]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FormShown(_Closed):
    """What `show_form` is told."""

    text: str
    questions: list[QuestionShape]


class PlanShown(_Closed):
    """What `show_plan` is told."""

    text: str
    plan: PlanShape


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a function: the answer for the model, what becomes a turn of the chat, and what it took."""

    output: str
    turn: PlannerTurn | None = None
    used: Used = Used()


def tool_specs(lookups: Lookups) -> tuple[ToolSpec, ...]:
    """What the model may call."""
    offered = [
        ToolSpec(name=one.name, description=one.description, parameters=_json(one.parameters))
        for one in (*lookups.specs, *planner_calls.SPECS)
    ]
    shown = (
        (SHOW_FORM, FormShown, "Show the user a form with questions. Everything that is missing at once."),
        (SHOW_PLAN, PlanShown, "Show the user the whole plan, which they can confirm on the page. Calls nobody."),
    )
    for name, shape, about in shown:
        offered.append(ToolSpec(name=name, description=about, parameters=_json(output_schema(shape).schema)))
    return tuple(offered)


async def carry_out(
    parts: Parts, conversation: Conversation, profile: Profile, turns: list[PlannerTurn], call: ToolCall
) -> Made:
    """One function, resting on what was said so far. What is wrong is told to the model. Raises StoreError."""
    steps = steps_of(parts, conversation, profile, turns, await asyncio.to_thread(tables_of, turns))
    return await (_shown if call.name in SHOWN else _looked_up)(steps, call, turns)


async def _shown(steps: Steps, call: ToolCall, turns: Sequence[PlannerTurn]) -> Made:
    try:
        read = _read(call.name, call.arguments)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the arguments"
        return _refused(f"The arguments do not fit: {where}: {first['msg']}.", turns)
    outcome = await steps.answering.checked(read, steps.sources(()))
    if not isinstance(outcome, Answered):
        return _refused(" ".join((outcome.why, *outcome.missing)), turns)
    content = TurnContent(questions=outcome.questions, plan=outcome.plan, spoken=True)
    turn = PlannerTurn(seq=0, role="assistant", kind=read.kind, text=outcome.text, content=content)
    return Made(output=_json({"shown": True, "note": SHOWN[call.name]}), turn=turn)


async def _looked_up(steps: Steps, call: ToolCall, turns: Sequence[PlannerTurn]) -> Made:
    if call.name == planner_calls.SCHEDULE and _planned_since_they_spoke(turns):
        return _refused(planner_calls.ONE_CALL, turns)
    found = (await steps.looking.make([call]))[0]
    result = looked_up_items(found, call.tool_call_id)[1]
    assert isinstance(result, ToolResult)
    costs, prepared = steps.looking.lookup_costs, steps.own.prepared
    turn = PlannerTurn(
        seq=0,
        role="assistant",
        kind="message" if prepared is None else "plan",
        text="" if prepared is None else PREPARED,
        content=TurnContent(plan=prepared, spoken=True),
        lookups=(found,),
    )
    return Made(output=result.output, turn=turn, used=priced(*costs))


def _planned_since_they_spoke(turns: Sequence[PlannerTurn]) -> bool:
    """Whether a plan is before the user that they have said nothing to yet: one more call would silently take its
    place.
    """
    unanswered = takewhile(lambda turn: turn.role == "assistant", reversed(turns))
    return any(turn.content.plan is not None for turn in unanswered)


def _read(name: str, arguments: str) -> PlannerReply:
    """Raises ValidationError."""
    if name == SHOW_FORM:
        form = FormShown.model_validate_json(arguments)
        return PlannerReply(kind="questions", text=form.text, questions=form.questions, plan=None)
    shown = PlanShown.model_validate_json(arguments)
    return PlannerReply(kind="plan", text=shown.text, questions=[], plan=shown.plan)


def _refused(problem: str, turns: Sequence[PlannerTurn]) -> Made:
    """With what was written down of the user, so that it can be quoted."""
    said = [turn.text for turn in turns if turn.role == "user" and turn.text][-LAST_WORDS:]
    return Made(output=_json({"problem": problem, "written_down": said}))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
