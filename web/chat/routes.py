"""The page "Chat" and what it asks for: threads, the reply that is being written, a stop. Messages and confirms go
to `/api/chat_interaction` and `/api/execute_campaign` (`web.planning`), as programs' do.
"""

import asyncio
from collections.abc import AsyncGenerator

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from app.domain.people import Permission, Person
from app.errors import NotFoundError
from app.ids import is_id
from app.llm.spoken.opening import why_not
from app.store import conversations, follow_up
from app.store.conversations import Conversation, Thread
from web.auth import needs, signed_in
from web.chat.view import ThreadView, thread_view
from web.desk import Desk
from web.planning import LINES, told_line, told_lines
from web.render import Templates

Asked = Request[object, object, State]
EXAMPLES = (
    ("One call", "Call Ada on +1 555 1000 500 and ask whether Friday at four suits her."),
    ("Something to look up", "Book a table for four on Friday evening at an Italian restaurant near the station."),
    ("A list", "Remind everybody in the attached list of tomorrow's appointment."),
)


class Chat:
    """What a person sees of their own conversations; nobody else reads them."""

    def __init__(self, desk: Desk, templates: Templates) -> None:
        self._desk = desk
        self._templates = templates

    async def page(self, person: Person, conversation_id: str = "") -> tuple[int, str]:
        """The page with one thread, or a new one, and its status: 404 for a thread that is not there."""
        status = 200
        chat = None
        if conversation_id:
            try:
                chat = await self._own(person, conversation_id)
            except NotFoundError:
                status = 404
        text = self._templates.render(
            "chat.html",
            person,
            "/chat",
            threads=await self.threads(person),
            news=(await self.news(person))["threads"],
            thread=chat,
            unknown=status == 404,
            examples=EXAMPLES,
            why_not_spoken=why_not(self._desk.settings),
        )
        return status, text

    async def threads(self, person: Person) -> list[Thread]:
        """The newest, the one that moved last first."""
        return await conversations.threads(self._desk.db, person.tenant_id, person.actor)

    async def thread(self, person: Person, conversation_id: str, after: int, zone: str) -> ThreadView:
        """One with the turns after a number. Raises NotFoundError."""
        chat = await self._own(person, conversation_id)
        profile = await self._desk.profile(person, chat, zone)
        claimed = (chat.answering_until_ms or 0) > self._desk.clock.unix_ms()
        turns = await conversations.turns(self._desk.db, person.tenant_id, chat.id)
        fates = await conversations.fates(self._desk.db, person.tenant_id, chat.id)
        untold = await follow_up.untold(self._desk.db, person.tenant_id, chat.id)
        return await asyncio.to_thread(  # tables that were sent are read again
            thread_view,
            chat,
            turns,
            fates,
            zone=profile.zone,
            answering=claimed or self._desk.replies.of(chat.id) is not None,
            after=after,
            untold=len(untold),
        )

    async def news(self, person: Person) -> dict[str, list[str]]:
        """Threads in which calls have ended that their owner was not told of."""
        return {"threads": await follow_up.with_news(self._desk.db, person.tenant_id, person.actor)}

    async def reply(self, person: Person, conversation_id: str) -> AsyncGenerator[bytes]:
        """The reply that is being written, from its first word; nothing but "idle" when none is written here."""
        chat = await self._own(person, conversation_id)
        running = self._desk.replies.of(chat.id)
        if running is None:
            return _idle()
        events = running.follow()
        return told_lines(chat.id, await anext(events), events)

    async def stop(self, person: Person, conversation_id: str) -> bool:
        """End the reply early. False: none is being written here."""
        chat = await self._own(person, conversation_id)
        return await self._desk.replies.stop(chat.id)

    async def _own(self, person: Person, conversation_id: str) -> Conversation:
        if not is_id(conversation_id):
            raise NotFoundError("There is no such conversation.")
        return await conversations.get(self._desk.db, person.tenant_id, person.actor, conversation_id)


async def _idle() -> AsyncGenerator[bytes]:
    yield told_line({"event": "idle"})


def chat_routes(desk: Desk, templates: Templates) -> list[HTTPRouteHandler]:
    """`/chat`, and `/api/chat/...` for its script."""
    may, chat = needs(Permission.PLAN), Chat(desk, templates)

    @get("/chat", opt=may, media_type=MediaType.HTML)
    async def chat_page(request: Asked) -> Response[str]:
        _, text = await chat.page(signed_in(request))
        return Response(text, media_type=MediaType.HTML)

    @get("/chat/{conversation_id:str}", opt=may, media_type=MediaType.HTML)
    async def thread_page(request: Asked, conversation_id: FromPath[str]) -> Response[str]:
        status, text = await chat.page(signed_in(request), conversation_id)
        return Response(text, status_code=status, media_type=MediaType.HTML)

    @get("/api/chat/threads", opt=may)
    async def thread_list(request: Asked) -> list[Thread]:
        """Threads of the person who asks."""
        return await chat.threads(signed_in(request))

    @get("/api/chat/news", opt=may)
    async def news_json(request: Asked) -> dict[str, list[str]]:
        """Threads with something to tell; their number is the badge of the navigation."""
        return await chat.news(signed_in(request))

    @get("/api/chat/threads/{conversation_id:str}", opt=may)
    async def thread_json(
        request: Asked, conversation_id: FromPath[str], after: FromQuery[int] = 0, zone: FromQuery[str] = ""
    ) -> ThreadView:
        """One thread, with the turns after a number."""
        return await chat.thread(signed_in(request), conversation_id, after, zone)

    @get("/api/chat/threads/{conversation_id:str}/reply", opt=may)
    async def reply_lines(request: Asked, conversation_id: FromPath[str]) -> Stream:
        """The reply that is being written, as lines like those of `/api/chat_interaction`."""
        return Stream(await chat.reply(signed_in(request), conversation_id), media_type=LINES)

    @post("/api/chat/threads/{conversation_id:str}/stop", opt=may, status_code=200)
    async def stop_reply(request: Asked, conversation_id: FromPath[str]) -> dict[str, bool]:
        """End a reply early."""
        return {"stopped": await chat.stop(signed_in(request), conversation_id)}

    return [chat_page, thread_page, thread_list, news_json, thread_json, reply_lines, stop_reply]
