"""The page "Questions": what agents ask while a callee waits or a task is parked."""

from typing import Annotated

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from app.bus import Bus
from app.clock import Clock
from app.domain.feedback import MAX_ANSWER, FeedbackRequest, asks_way, way_of
from app.domain.messages import FeedbackChanged, TaskChanged
from app.domain.people import Permission
from app.errors import ConflictError, NotFoundError, ValidationFailed
from app.ids import is_id
from app.store import audit, feedback, inbox
from app.store.audit import Deed
from app.store.db import Database, Tx
from app.store.inbox import Inbox
from web.auth import caller_of, needs, signed_in
from web.render import Templates
from web.view import Asked, asked

Request_ = Request[object, object, State]


class AnswerForm(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: typed, or one of the suggestions."""

    answer: Annotated[str, msgspec.Meta(max_length=MAX_ANSWER)] = ""


class Questions:
    """What a person sees and does about questions."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, templates: Templates) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._templates = templates

    async def waiting(self, tenant_id: str) -> list[Asked]:
        """The most urgent first."""
        return [asked(row) for row in await inbox.page(self._db, tenant_id)]

    async def inbox(self, tenant_id: str, limit: int, after: tuple[bool, int, str] | None) -> list[Inbox]:
        """Some of them, those behind the place `after`."""
        return await inbox.page(self._db, tenant_id, limit, after=after)

    async def page(
        self, request: Request_, status: int = 200, *, typed: tuple[str, str] = ("", ""), **said: str
    ) -> Response[str]:
        """The page; `said` is what came of a form: said or refusal. `typed`: a question's id and the answer to it
        that was refused.
        """
        person = signed_in(request)
        text = self._templates.render(
            "questions.html",
            person,
            "/questions",
            questions=await self.waiting(person.tenant_id),
            now_ms=self._clock.unix_ms(),
            typed=typed,
            **{"said": "", "refusal": ""} | said,
        )
        return Response(text, status_code=status, media_type=MediaType.HTML)

    async def answer(self, request: Request_, question_id: str, text: str) -> FeedbackRequest:
        """Take an answer and wake who waits for it. Raises what `feedback.answer` does."""
        async with self._db.tx() as tx:
            done = await self.take(tx, request, question_id, text)
        await self.tell(done)
        return done

    async def take(self, tx: Tx, request: Request_, question_id: str, text: str) -> FeedbackRequest:
        """Take an answer, inside a transaction; `tell` follows its commit."""
        person, now_ms = signed_in(request), self._clock.unix_ms()
        if not is_id(question_id):
            raise NotFoundError("There is no such question.")
        by = person.user_id if person.via == "session" else None
        done = await feedback.answer(tx, person.tenant_id, question_id, text, by=by, now_ms=now_ms)
        way = way_of(done.answer or "") if asks_way(done) else None
        deed = Deed(
            actor=person.actor,
            action="question_answered",
            object=f"question:{question_id}",
            detail={"characters": len(done.answer or "")} | ({"decided": str(way)} if way else {}),
            address=caller_of(request).address,
        )
        await audit.add(tx, person.tenant_id, deed, now_ms)
        return done

    async def tell(self, done: FeedbackRequest) -> None:
        """Wake who waits for the answer."""
        whose = done.tenant_id
        await self._bus.publish("feedback", FeedbackChanged(tenant_id=whose, request_id=done.id))
        await self._bus.publish("tasks", TaskChanged(tenant_id=whose, task_id=done.task_id))


def question_routes(questions: Questions) -> list[HTTPRouteHandler]:
    """`/questions` with its form."""
    may = needs(Permission.STEER)

    @get("/questions", opt=may, media_type=MediaType.HTML)
    async def questions_page(request: Request_) -> Response[str]:
        return await questions.page(request)

    @post("/questions/{question_id:str}", opt=may, media_type=MediaType.HTML)
    async def answer_form(
        request: Request_, question_id: FromPath[str], data: URLEncodedBody[AnswerForm]
    ) -> Response[str] | Redirect:
        try:
            await questions.answer(request, question_id, data.answer)
        except (ValidationFailed, ConflictError) as refused:
            status = 409 if isinstance(refused, ConflictError) else 422
            left = (question_id, data.answer)
            return await questions.page(request, status, typed=left, refusal=refused.message)
        return Redirect("/questions", status_code=303)

    return [questions_page, answer_form]
