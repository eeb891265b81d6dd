"""`/api/v1/feedback`: questions of agents that wait for a person."""

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.people import Permission
from app.store.db import Tx
from app.store.inbox import Inbox
from web.api.once import Once
from web.api.paging import DEFAULT_LIMIT, Cursor, Limit, Page, paging
from web.auth import needs, signed_in
from web.questions import AnswerForm, Questions
from web.view import Asked, asked

Request_ = Request[object, object, State]


class AnswerTaken(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its answer; `answered_ms` is UTC epoch milliseconds."""

    id: str
    task_id: str
    call_id: str | None
    question: str
    state: FeedbackState
    answer: str | None
    answered_ms: int | None


def feedback_api(questions: Questions, once: Once) -> list[HTTPRouteHandler]:
    """`/feedback`, `/feedback/{question_id}/answer`."""
    may = needs(Permission.STEER)

    @get("/feedback", opt=may)
    async def list_feedback(request: Request_, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[Asked]:
        """Questions that wait for a person, the most urgent first."""
        at = paging(request, "feedback", cursor, limit, bool, int, str)
        after = None if at.after is None else (bool(at.after[0]), int(at.after[1]), str(at.after[2]))
        rows = await questions.inbox(signed_in(request).tenant_id, at.limit + 1, after)
        return at.page(rows, key=_key, shown=asked)

    @post("/feedback/{question_id:str}/answer", opt=may, status_code=200)
    async def answer_feedback(
        request: Request_, question_id: FromPath[str], data: JSONBody[AnswerForm]
    ) -> Response[AnswerTaken]:
        """Answer a question; 409 when somebody else was quicker."""
        news: list[FeedbackRequest] = []

        async def deed(tx: Tx) -> AnswerTaken:
            done = await questions.take(tx, request, question_id, data.answer)
            news[:] = [done]
            return AnswerTaken(**{name: getattr(done, name) for name in AnswerTaken.__struct_fields__})

        taken = await once.do(request, deed, status=200)
        for done in news:
            await questions.tell(done)
        return taken

    return [list_feedback, answer_feedback]


def _key(row: Inbox) -> tuple[bool, int, str]:
    return row.parked, row.deadline_ms, row.id
