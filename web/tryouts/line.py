"""`/test-calls/{id}/line`: both directions of a test call, and its news, on one websocket of one browser.

The page sends PCM16 at 16 kHz in pieces of about 20 ms, or the text `end`. It is told `{"mic": ...}` first, then
each step as JSON text; the agent's sound is binary, framed as in `web.steer.listening`. An engine takes the test
call once the microphone is there; until one has, it is asked again.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator

import msgspec
from litestar.exceptions import WebSocketDisconnect

from app.bus import Bus
from app.clock import Clock
from app.config import Settings
from app.domain.messages import (
    CallAudio,
    ListChanged,
    Message,
    OperatorVoice,
    Resync,
    TryoutNews,
    audio_topic,
    voice_topic,
)
from app.domain.people import Person
from app.domain.tryout import BEGINS_WITHIN_MS, TryoutStep
from app.domain.voice import FRAME_BYTES, MAX_FRAMES, signed
from app.errors import AppError, NotFoundError, StoreError
from app.ids import is_id
from app.store import tryouts
from app.store.db import Database
from web.auth import signed_in
from web.steer.listening import packed
from web.steer.microphone import TOO_LONG, Hello, Pace
from web.steer.sockets import NO_CALL, NOT_ALIVE, SIGNED_OUT, STILL_THERE_S, Socket, StillIn

QUEUE = 25
"""Frames of sound that may wait for a browser: half a second."""
ASK_AGAIN_S = 1.0
NOBODY_CAME = (
    "No engine took the test call. Either it is not running (see Doctor), or too many test calls are under way: "
    "try again in a minute."
)
UNTAKEN = "no engine had taken it yet"
OVER, ELSEWHERE = 1000, 4410
REFUSALS = {NO_CALL: "no such test call", NOT_ALIVE: "it is over", ELSEWHERE: "another microphone has it"}


class Outlet:
    """What waits for one browser: of sound the oldest goes when it is too much, of news nothing does."""

    def __init__(self) -> None:
        self._sound: deque[bytes] = deque(maxlen=QUEUE)
        self._news: deque[TryoutStep] = deque()
        self._more = asyncio.Event()
        self._seq = 0

    def put(self, message: CallAudio | TryoutNews) -> None:
        """Never waits."""
        if isinstance(message, CallAudio):
            self._seq += 1
            self._sound.append(packed(message, self._seq))
        else:
            self._news.append(message.step)
        self._more.set()

    async def next(self) -> bytes | TryoutStep:
        """News first, then the oldest sound."""
        while not self._news and not self._sound:
            self._more.clear()
            await self._more.wait()
        return self._news.popleft() if self._news else self._sound.popleft()


class TryoutLine:
    """Serves one websocket after the other; one per console."""

    def __init__(self, settings: Settings, db: Database, bus: Bus, clock: Clock, still_in: StillIn) -> None:
        self._key = settings.command_key.get_secret_value().encode()
        self._db = db
        self._bus = bus
        self._clock = clock
        self._still_in = still_in

    async def serve(self, socket: Socket, tryout_id: str) -> None:
        """Until the browser goes, its session ends, or the test call is over."""
        await socket.accept()
        person, mic = signed_in(socket), secrets.token_urlsafe(16)
        with self._bus.subscribe(audio_topic(tryout_id)) as messages:
            if (refusal := await self._admit(person, tryout_id, mic)) is not None:
                await socket.close(code=refusal, reason=REFUSALS[refusal])
                return
            outlet, taken = Outlet(), asyncio.Event()
            try:
                async with asyncio.TaskGroup() as group:
                    children = [
                        group.create_task(_hear(messages, outlet, taken)),
                        group.create_task(_send(socket, outlet)),
                        group.create_task(self._call_for_an_engine(person, outlet, taken)),
                        group.create_task(self._watch(socket)),
                    ]
                    try:
                        await self._pass_on(socket, person, tryout_id, mic, outlet)
                    except (WebSocketDisconnect, RuntimeError):
                        pass  # gone, or closed by one of the others
                    finally:
                        for child in children:
                            child.cancel()
            finally:
                await asyncio.shield(self._leave(person, tryout_id, mic))

    async def _admit(self, person: Person, tryout_id: str, mic: str) -> int | None:
        """Note that this microphone is there; a number: why not."""
        try:
            if not is_id(tryout_id):
                return NO_CALL
            async with self._db.tx() as tx:
                now_ms = self._clock.unix_ms()
                if await tryouts.want(tx, person.tenant_id, tryout_id, mic, now_ms):
                    return None
                there = await tryouts.get(tx, person.tenant_id, tryout_id)
        except NotFoundError:
            return NO_CALL
        return NOT_ALIVE if tryouts.over(there, now_ms) else ELSEWHERE

    async def _call_for_an_engine(self, person: Person, outlet: Outlet, taken: asyncio.Event) -> None:
        until_s = self._clock.monotonic() + BEGINS_WITHIN_MS / 1000
        while not taken.is_set() and self._clock.monotonic() < until_s:
            await self._nudge(person)
            try:
                async with asyncio.timeout(ASK_AGAIN_S):
                    await taken.wait()
            except TimeoutError:
                continue
        if not taken.is_set():
            outlet.put(_over(NOBODY_CAME, who="system_failure"))

    async def _pass_on(self, socket: Socket, person: Person, tryout_id: str, mic: str, outlet: Outlet) -> None:
        pace, seq, ended = Pace(self._clock.monotonic() * 1000), 0, False
        await socket.send_text(msgspec.json.encode(Hello(mic=mic)).decode())
        while True:
            message = await socket.receive()
            if message["type"] != "websocket.receive":
                return
            audio = message.get("bytes")
            if not audio:
                if message.get("text") == "end":
                    ended = True
                    await self._leave(person, tryout_id, mic)
                    if await self._untaken(person, tryout_id):
                        outlet.put(_over(UNTAKEN, who="callee"))
                continue
            if len(audio) > MAX_FRAMES * FRAME_BYTES or len(audio) % 2:
                await socket.close(code=TOO_LONG, reason="not a piece of a voice")
                return
            if ended or not pace.allows(len(audio), self._clock.monotonic() * 1000):
                continue
            seq += 1
            voice = OperatorVoice(
                tenant_id=person.tenant_id, call_id=tryout_id, mic_id=mic, seq=seq, audio=audio, mac=""
            )
            await self._bus.publish(voice_topic(tryout_id), signed(voice, self._key))

    async def _leave(self, person: Person, tryout_id: str, mic: str) -> None:
        """Whoever runs it ends it now; without this it notices that no voice comes any more."""
        try:
            async with self._db.tx() as tx:
                await tryouts.leave(tx, person.tenant_id, tryout_id, mic)
        except StoreError:
            return
        await self._nudge(person)

    async def _untaken(self, person: Person, tryout_id: str) -> bool:
        """No engine has it, so none tells how it ended."""
        try:
            return tryouts.waits(await tryouts.get(self._db, person.tenant_id, tryout_id))
        except AppError:
            return False

    async def _nudge(self, person: Person) -> None:
        await self._bus.publish("lists", ListChanged(tenant_id=person.tenant_id, kind="tryouts"))

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


def _over(why: str, *, who: str) -> TryoutNews:
    return TryoutNews(call_id="", step=TryoutStep(kind="over", text=why, who=who))


async def _hear(messages: AsyncIterator[Message | Resync], outlet: Outlet, taken: asyncio.Event) -> None:
    async for message in messages:
        if isinstance(message, CallAudio | TryoutNews):
            taken.set()
            outlet.put(message)


async def _send(socket: Socket, outlet: Outlet) -> None:
    try:
        while True:
            given = await outlet.next()
            if isinstance(given, bytes):
                await socket.send_data(given, mode="binary")
                continue
            await socket.send_text(msgspec.json.encode(given).decode())
            if given.kind == "over":
                await socket.close(code=OVER, reason="over")
                return
    except (WebSocketDisconnect, RuntimeError, OSError):
        pass  # gone while we were sending; the reading side ends the connection
