"""The planner's routes for pages and programs: chat, confirm, and the plain-text road to a single task."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from litestar.response import Stream

from app.domain.people import Permission
from app.domain.planning import PlannerTurn
from app.errors import AppError, NotFoundError, ValidationFailed
from app.ids import is_id
from app.llm.agent_prompt import AgentPrompt, agent_prompt
from app.llm.model import known_cost
from app.llm.orchestrator import Confirmer
from app.llm.planner import Event, LookingUp, Replied, Taken
from app.llm.planner_answer import TextPiece, TextWithdrawn
from app.llm.planner_message import Said
from app.llm.single_task import SingleTask, schedule
from app.store import budgets
from web.auth import caller_of, needs, signed_in
from web.desk import Desk
from web.problems import problem_of

Asked = Request[object, object, State]
LINES = "application/x-ndjson"


class ChatBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message. Without `conversation_id` a conversation begins; `client_key` makes a repeated message one.

    `again`: nothing new, but another reply to what was said before the turn of this number, which is a failure, or
    to that turn itself. `time_zone`: of the clock in front of the person.
    """

    conversation_id: str = ""
    display_name: str = ""
    time_zone: str = ""
    message: str = ""
    answers: dict[str, object] | None = None
    tables: tuple[str, ...] = ()
    client_key: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    again: int | None = None


class ChatReply(msgspec.Struct, frozen=True, kw_only=True):
    """The assistant's turn; a plan stands in `turn.content` with its forecast."""

    conversation_id: str
    turn: PlannerTurn


class ConfirmBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which plan."""

    conversation_id: str
    plan_id: str


class DetailsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call is about, and answers to questions that came back."""

    details: str
    answers: str = ""


def planning_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """`/api/chat_interaction`, `/api/execute_campaign`, `/api/generate_agent_prompt`, `/api/schedule_task`."""
    return [*_chat_routes(desk), *_single_routes(desk)]


def _chat_routes(desk: Desk) -> list[HTTPRouteHandler]:
    may = needs(Permission.PLAN)

    @post("/api/chat_interaction", opt=may, status_code=200)
    async def chat_interaction(request: Asked, data: JSONBody[ChatBody]) -> Response[Any] | Stream:
        """One message, one reply; with `Accept: application/x-ndjson` as a stream of events, a line each."""
        person = signed_in(request)
        planner = await desk.planner()
        key = data.client_key or None
        chat = await desk.conversation(person, data.conversation_id, data.display_name, key)
        profile = await desk.profile(person, chat, data.time_zone)
        said = Said(text=data.message, answers=data.answers, tables=data.tables, client_key=key, again=data.again)
        events = desk.replies.begin(planner, chat, profile, said).follow()
        if LINES in request.headers.get("accept", ""):
            first = await anext(events)  # what cannot be taken is refused with a status
            return Stream(told_lines(chat.id, first, events), media_type=LINES)
        turn = await _last(events)
        return Response(ChatReply(conversation_id=chat.id, turn=turn))

    @post("/api/execute_campaign", opt=may)
    async def execute_campaign(request: Asked, data: JSONBody[ConfirmBody]) -> Response[dict[str, object]]:
        """Confirm a plan. 201 the first time, 200 with the same campaign every other time."""
        person = signed_in(request)
        if not is_id(data.plan_id) or not is_id(data.conversation_id):
            raise NotFoundError("There is no such plan.")
        who = Confirmer(tenant_id=person.tenant_id, actor=person.actor, address=caller_of(request).address)
        done = await (await desk.orchestrator()).confirm(who, data.conversation_id, data.plan_id)
        told: dict[str, object] = {
            "campaign_id": done.campaign.id,
            "name": done.campaign.name,
            "calls": done.calls,
        }
        return Response(told, status_code=201 if done.first else 200)

    return [chat_interaction, execute_campaign]


def _single_routes(desk: Desk) -> list[HTTPRouteHandler]:
    may = needs(Permission.PLAN)

    @post("/api/generate_agent_prompt", opt=may, status_code=200)
    async def generate_agent_prompt(request: Asked, data: JSONBody[DetailsBody]) -> AgentPrompt:
        """Questions or instructions, marked as in the earlier system."""
        tenant_id, model, name = signed_in(request).tenant_id, await desk.model(), desk.settings.text_model
        costs: list[int | None] = []
        try:
            return await agent_prompt(model, name, data.details, data.answers, costs=costs)
        finally:
            await budgets.charge_month(desk.db, tenant_id, known_cost(costs), desk.clock.unix_ms())

    @post("/api/schedule_task", opt=may)
    async def schedule_task(request: Asked, data: JSONBody[SingleTask]) -> Response[dict[str, object]]:
        """One task. With an `Idempotency-Key` 201 the first time and 200 with the same task afterwards."""
        person = signed_in(request)
        key = request.headers.get("idempotency-key", data.idempotency_key)
        if len(key) > 200 or not data.objective.strip():
            raise ValidationFailed("Say what the call shall achieve, and use a key of 200 characters at most.")
        who = Confirmer(tenant_id=person.tenant_id, actor=person.actor, address=caller_of(request).address)
        task, fresh = await schedule(
            desk.db,
            who,
            msgspec.structs.replace(data, idempotency_key=key),
            settings=desk.settings,
            site=desk.site,
            now_ms=desk.clock.unix_ms(),
        )
        told: dict[str, object] = {
            "task_id": task.id,
            "state": str(task.state),
            "next_action_ms": task.next_action_time,
        }
        return Response(told, status_code=201 if fresh else 200)

    return [generate_agent_prompt, schedule_task]


async def _last(events: AsyncIterator[Event]) -> PlannerTurn:
    turn = None
    async for event in events:
        if isinstance(event, Replied):
            turn = event.turn
    assert turn is not None  # the last event is the reply, or it raises
    return turn


async def told_lines(conversation_id: str, first: Event, events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    """Each event as a line of JSON; what goes wrong after the first one is the last line. The reply goes on when
    whoever reads leaves.
    """
    yield told_line({"event": "conversation", "conversation_id": conversation_id})
    yield told_line(_told(first))
    try:
        async with aclosing(events):
            async for event in events:
                yield told_line(_told(event))
    except AppError as error:
        yield told_line({"event": "problem", **problem_of(error)})


def _told(event: Event) -> dict[str, object]:
    match event:
        case Taken(seq=seq):
            return {"event": "taken", "seq": seq}
        case TextPiece(text=text):
            return {"event": "text", "text": text}
        case TextWithdrawn():
            return {"event": "withdrawn"}
        case LookingUp(name=name, arguments=arguments):
            return {"event": "looking_up", "name": name, "arguments": arguments}
        case Replied(turn=turn):
            return {"event": "reply", "turn": turn}


def told_line(value: dict[str, object]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
