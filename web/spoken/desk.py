"""Spoken sessions of the console: who may open one, one per conversation, and their end when the browser goes."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress

import msgspec
import structlog
from litestar import WebSocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from app.domain.people import Person
from app.errors import AppError, NotFoundError
from app.llm.spoken import budget
from app.llm.spoken.line import FRAME_BYTES, MODEL_HZ
from app.llm.spoken.model import Ending, OverEvent
from app.llm.spoken.opening import why_not
from app.llm.spoken.session import SpokenSession
from app.llm.spoken.talk import ENDING_WORDS
from app.store import audit
from app.store.audit import Deed
from app.store.conversations import Conversation
from web.auth import caller_of, signed_in
from web.desk import Desk
from web.spoken.page_line import PageLine
from web.steer.microphone import MAX_FRAMES, TOO_LONG, Pace

log = structlog.get_logger()
Socket = WebSocket[object, object, State]
StillIn = Callable[[Socket], Awaitable[bool]]
SIGNED_OUT, NO_CHAT, BROKEN = 4401, 4404, 4500
CLOSED_FOR: dict[Ending, int] = {
    Ending.BUDGET: 4402,
    Ending.IDLE: 4408,
    Ending.LONGEST: 4408,
    Ending.ELSEWHERE: 4410,
    Ending.BUSY: 4429,
    Ending.REFUSED: 4503,
    Ending.LOST: 4504,
}
STILL_THERE_S = 15.0
FORMER_S = 15.0
"""So long a page waits until the one before has written down what was said there; then both write in turn."""
OF_A_PERSON, OF_A_TENANT, IN_ALL = 2, 5, 20
"""Sessions at once: each is a connection to the model, and money by the minute."""
TOO_MANY_OWN = (
    f"You speak in {OF_A_PERSON} conversations already. End one of them, then press the microphone again."
)
TOO_MANY = "As many people speak with the planner as may at once. Try again in a few minutes, or write."


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the page asks for. Without a conversation one begins: one for each `client_key`."""

    conversation_id: str
    display_name: str
    client_key: str
    time_zone: str
    resumed: bool


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="hello"):
    """The first message to the page. Binary messages are speech: mono PCM16, little-endian, at `rate_hz`."""

    conversation_id: str
    rate_hz: int
    simulated: bool


class _Spoken(msgspec.Struct, kw_only=True):
    session: SpokenSession
    line: PageLine
    person: Person
    over: OverEvent | None = None

    def end(self, over: OverEvent) -> None:
        self.over = self.over or over
        self.session.hang_up()


class SpokenDesk:
    """One per console; its sessions live in the group of the application."""

    def __init__(self, desk: Desk, still_in: StillIn) -> None:
        self._desk = desk
        self._still_in = still_in
        self._there: dict[str, _Spoken] = {}
        self._sessions: set[SpokenSession] = set()
        self._group: asyncio.TaskGroup | None = None

    @contextmanager
    def running(self, group: asyncio.TaskGroup) -> Generator[None]:
        """While the application lives."""
        self._group = group
        try:
            yield
        finally:
            self._group = None
            for session in self._sessions:
                session.hang_up(stopping=True)

    async def serve(self, socket: Socket, wanted: Wanted) -> None:
        """Until the browser goes, its sign-in ends, or the session does."""
        await socket.accept()
        person = signed_in(socket)
        try:
            refused = await self._refused(person)
            if refused is not None:
                await self._turn_away(socket, refused)
                return
            given = wanted.conversation_id, wanted.display_name, wanted.client_key or None
            chat = await self._desk.conversation(person, *given)
            spoken = await self._begin(person, chat, wanted)
            if isinstance(spoken, OverEvent):
                await self._turn_away(socket, spoken)
                return
        except NotFoundError:
            await socket.close(code=NO_CHAT, reason="no such conversation")
            return
        except AppError as error:
            log.warning("a spoken session did not begin", error=error.message)
            await socket.close(code=BROKEN, reason="try again")
            return
        began = self._desk.clock.monotonic()
        try:
            await self._connect(socket, spoken)
        finally:
            spoken.session.hang_up()
            told = {"seconds": round(self._desk.clock.monotonic() - began)}
            await asyncio.shield(self._note(socket, person, chat, told))

    # --- beginning ----------------------------------------------------------------------------------------------
    async def _refused(self, person: Person) -> OverEvent | None:
        if why := why_not(self._desk.settings):
            return OverEvent(why=Ending.REFUSED, words=why)
        if not await budget.left(self._desk.db, person.tenant_id, self._desk.clock.unix_ms()):
            return OverEvent(why=Ending.BUDGET, words=ENDING_WORDS[Ending.BUDGET])
        return None

    async def _begin(self, person: Person, chat: Conversation, wanted: Wanted) -> _Spoken | OverEvent:
        """The newest page has the conversation; the one before writes down what was said there first."""
        planner = await self._desk.planner()
        profile = await self._desk.profile(person, chat, wanted.time_zone)
        while (before := self._there.get(chat.id)) is not None:
            before.end(OverEvent(why=Ending.ELSEWHERE, words=ENDING_WORDS[Ending.ELSEWHERE]))
            with suppress(TimeoutError):
                async with asyncio.timeout(FORMER_S):
                    await before.session.ended.wait()
            if self._there.get(chat.id) is before:
                del self._there[chat.id]
        if (full := self._full(person)) is not None:
            return full
        line = PageLine()
        session = SpokenSession(planner.parts, chat, profile, tell=line.tell, speech=line.speech)
        if self._group is None:
            raise AppError("The console is being stopped.", retryable=True)
        spoken = self._there[chat.id] = _Spoken(session=session, line=line, person=person)
        simulated = self._desk.settings.simulate
        line.put(Hello(conversation_id=chat.id, rate_hz=MODEL_HZ, simulated=simulated))
        self._group.create_task(self._run(chat.id, spoken, resumed=wanted.resumed), name=f"spoken {chat.id}")
        return spoken

    def _full(self, person: Person) -> OverEvent | None:
        """Why nobody more may speak now; who hung up and is still being written down does not count."""
        speaking = [one.person for one in self._there.values() if not one.session.over]
        of_tenant = [one for one in speaking if one.tenant_id == person.tenant_id]
        if sum(one.actor == person.actor for one in of_tenant) >= OF_A_PERSON:
            return OverEvent(why=Ending.BUSY, words=TOO_MANY_OWN)
        if len(of_tenant) >= OF_A_TENANT or len(speaking) >= IN_ALL:
            return OverEvent(why=Ending.BUSY, words=TOO_MANY)
        return None

    async def _run(self, chat_id: str, spoken: _Spoken, *, resumed: bool) -> None:
        self._sessions.add(spoken.session)
        try:
            await spoken.session.run(resumed=resumed)
        except AppError as error:
            log.warning("a spoken session ended", conversation_id=chat_id, error=error.message)
        except Exception:
            log.exception("a spoken session failed", conversation_id=chat_id)
        finally:
            self._sessions.discard(spoken.session)
            if self._there.get(chat_id) is spoken:
                del self._there[chat_id]
            if spoken.over is not None:
                spoken.line.put(spoken.over)
            spoken.line.end()

    # --- the websocket ------------------------------------------------------------------------------------------
    async def _connect(self, socket: Socket, spoken: _Spoken) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._send(socket, spoken)),
                group.create_task(self._hear(socket, spoken)),
                group.create_task(self._watch(socket)),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _send(self, socket: Socket, spoken: _Spoken) -> None:
        code = BROKEN
        try:
            while (one := await spoken.line.take()) is not None:
                if isinstance(one, bytes):
                    await socket.send_bytes(one)
                else:
                    await socket.send_text(one)
                    code = _code_of(one) or code
            await socket.close(code=code, reason="over")
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone

    async def _hear(self, socket: Socket, spoken: _Spoken) -> None:
        pace = Pace(self._desk.clock.monotonic() * 1000)
        try:
            while True:
                audio = await socket.receive_data("binary")
                if len(audio) > MAX_FRAMES * FRAME_BYTES or len(audio) % 2:
                    await socket.close(code=TOO_LONG, reason="not a piece of a voice")
                    return
                if audio and pace.allows(len(audio), self._desk.clock.monotonic() * 1000):
                    spoken.session.hear(audio)
        except (WebSocketDisconnect, RuntimeError):
            pass  # gone

    async def _watch(self, socket: Socket) -> None:
        while True:
            await asyncio.sleep(STILL_THERE_S)
            try:
                there = await self._still_in(socket)
            except AppError:  # a short trouble of the store cuts nobody off
                continue
            if not there:
                await socket.close(code=SIGNED_OUT, reason="signed out")
                return

    async def _turn_away(self, socket: Socket, over: OverEvent) -> None:
        await socket.send_text(msgspec.json.encode(over).decode())
        await socket.close(code=CLOSED_FOR[over.why], reason=over.why)

    async def _note(self, socket: Socket, person: Person, chat: Conversation, told: dict[str, int]) -> None:
        deed = Deed(
            actor=person.actor,
            action="spoke_with_planner",
            object=f"conversation:{chat.id}",
            detail=told,
            address=caller_of(socket).address,
        )
        try:
            async with self._desk.db.tx() as tx:
                await audit.add(tx, person.tenant_id, deed, self._desk.clock.unix_ms())
        except AppError as error:
            log.warning("a spoken session was not noted", error=error.message)


def _code_of(message: str) -> int | None:
    """The close code of an `over` event."""
    try:
        return CLOSED_FOR[msgspec.json.decode(message, type=OverEvent).why]
    except msgspec.MsgspecError:
        return None
