"""One client's simulated session: takes its events, hears its audio, sends what the API would, in its order.

`server` makes one per WebSocket. Tests read `journal`, `heard` and `spoken`, and may `hear`, `drop`, `close`
and send an `error`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from app.sim.realtime import items, request, session_config
from app.sim.realtime.brain import Brain
from app.sim.realtime.conversation import Conversation
from app.sim.realtime.faults import FaultPlan, Stage
from app.sim.realtime.generation import Spoken
from app.sim.realtime.journal import Journal
from app.sim.realtime.options import SimOptions
from app.sim.realtime.outbox import Clock, Outbox
from app.sim.realtime.protocol_check import ClientEvent, Json, Refusal, check_client
from app.sim.realtime.responder import Kit, Responder
from app.sim.realtime.response import ResponseWriter
from app.sim.realtime.turns import HeardTurn, TurnTaking
from app.sim.voice import Voice


class SessionSetup(msgspec.Struct, frozen=True, kw_only=True):
    """What the server gives a new session."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    brain: Brain
    voice: Voice
    options: SimOptions
    faults: FaultPlan
    random: Random
    wall_time: int
    """Unix seconds now, for `expires_at`."""


class SimSession:
    """The far end of one Realtime connection."""

    def __init__(self, connection: ServerConnection, setup: SessionSetup) -> None:
        self._connection = connection
        self._setup = setup
        self._clock = Clock()
        self.journal = Journal(setup.options.journal_limit)
        self._outbox = Outbox(self.journal, self._clock, setup.random)
        self.id = self._outbox.new_id("sess")
        self.config = session_config.defaults(
            session_id=self.id,
            model=setup.query["model"],
            expires_at=setup.wall_time + int(setup.options.session_limit_s),
        )
        self.conversation = Conversation()
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        kit = self._kit()
        self._responder = Responder(kit, self._response_finished)
        self._turns = TurnTaking(kit, self._responder, self.config)
        self._kept_audio: list[bytes] = []
        self.closed = asyncio.Event()

    @property
    def model(self) -> str:
        """Of the URL."""
        return self.config["model"]

    @property
    def query(self) -> Mapping[str, str]:
        """Parameters of the URL, to tell sessions apart."""
        return self._setup.query

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the upgrade request, without the key."""
        return self._setup.headers

    @property
    def instructions(self) -> str:
        """Of the session as configured now."""
        return self.config["instructions"]

    @property
    def brain(self) -> Brain:
        """The session's own mind."""
        return self._setup.brain

    @property
    def heard(self) -> list[HeardTurn]:
        """Every turn of the callee."""
        return self._turns.heard

    @property
    def spoken(self) -> list[Spoken]:
        """Every message of the assistant."""
        return self._responder.spoken

    @property
    def appended_ms(self) -> int:
        """The input clock."""
        return self._turns.hearing.clock_ms

    @property
    def appended_audio(self) -> bytes:
        """Everything appended so far in the wire format of then, when `SimOptions.keep_audio` is set."""
        return b"".join(self._kept_audio)

    def hear(self, text: str) -> None:
        """The words of the callee's next turn, when its audio is not in the tone language."""
        self._turns.hearing.hear(text)

    def drop(self) -> None:
        """Reset the TCP connection now."""
        self._outbox.abort()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame now."""
        self._outbox.close(code, reason)

    def error(self, code: str, message: str = "Simulated.", type: str = "server_error") -> None:
        """Send an `error` event now."""
        self._outbox.refuse(Refusal(code=code, message=message, type=type))

    async def wait_for(self, condition: Callable[["SimSession"], bool], timeout_s: float = 5.0) -> None:
        """Return as soon as `condition(self)` holds; raises TimeoutError. Checked after every frame."""
        async with asyncio.timeout(timeout_s), self._outbox.changed:
            await self._outbox.changed.wait_for(lambda: condition(self))

    async def wait_event(self, type: str, count: int = 1, timeout_s: float = 5.0) -> None:
        """Until the journal has `count` events of this type."""
        await self.wait_for(lambda session: session.journal.types().count(type) >= count, timeout_s)

    async def run(self) -> None:
        """Serve the connection until it ends."""
        self._outbox.send("session.created", session=self.config)
        try:
            async with self._group:
                self._spawn(self._outbox.pump(self._connection))
                self._spawn(self._expire())
                await self._read()
                for task in self._tasks:
                    task.cancel()
        finally:
            self.closed.set()
            async with self._outbox.changed:
                self._outbox.changed.notify_all()

    def _response_finished(self, writer: ResponseWriter) -> None:
        self._turns.response_finished(writer)

    def _kit(self) -> Kit:
        return Kit(
            outbox=self._outbox,
            conversation=self.conversation,
            conversation_id=self._outbox.new_id("conv"),
            brain=self._setup.brain,
            voice=self._setup.voice,
            options=self._setup.options,
            faults=self._setup.faults,
            random=self._setup.random,
            spawn=self._spawn,
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _expire(self) -> None:
        fault = self._setup.faults.take(Stage.SESSION)
        await asyncio.sleep(fault.seconds if fault else self._setup.options.session_limit_s)
        why = "Your session hit the maximum duration of 60 minutes."
        self._outbox.refuse(Refusal(code="session_expired", message=why))
        self._outbox.close(1001, "session expired")

    async def _read(self) -> None:
        try:
            async for frame in self._connection:
                self._frame(frame)
                async with self._outbox.changed:
                    self._outbox.changed.notify_all()
        except ConnectionClosed as closed:
            self.journal.add(self._clock.ms, "note", "lost", str(closed))

    def _frame(self, frame: str | bytes) -> None:
        checked = check_client(frame)
        if isinstance(checked, Refusal):
            self.journal.add(self._clock.ms, "in", "refused", checked.message)
            self._outbox.refuse(checked)
            return
        self.journal.add(self._clock.ms, "in", checked.type, items.summary(checked.body))
        if refusal := self._accept(checked):
            event_id = checked.event_id
            self._outbox.refuse(msgspec.structs.replace(refusal, event_id=event_id))

    def _accept(self, event: ClientEvent) -> Refusal | None:
        body = event.body
        match event.type:
            case "input_audio_buffer.append":
                self._turns.append(event.audio)
                if self._setup.options.keep_audio:
                    self._kept_audio.append(event.audio)
            case "session.update":
                return self._update(body["session"])
            case "input_audio_buffer.commit":
                return self._turns.commit()
            case "input_audio_buffer.clear":
                self._turns.clear()
            case "response.create":
                return self._create_response(body.get("response") or {})
            case "response.cancel":
                return self._cancel_response(body.get("response_id"))
            case "output_audio_buffer.clear":
                why = "output_audio_buffer.clear is only for WebRTC and SIP."
                return Refusal(code="invalid_value", message=why, param="type")
            case _:
                return items.accept(self._outbox, self.conversation, body)
        return None

    def _update(self, patch: Json) -> Refusal | None:
        merged = session_config.merge(self.config, patch, audio_sent=self._responder.audio_sent)
        if isinstance(merged, Refusal):
            return merged
        self.config = merged
        self._turns.configure(merged)
        self._outbox.send("session.updated", session=merged)
        return None

    def _create_response(self, params: Json) -> Refusal | None:
        if refusal := session_config.refuse_response(self.config, params, audio_sent=self._responder.audio_sent):
            return refusal
        return self._responder.start(self.config, request.brain_event(self.conversation, params), params)

    def _cancel_response(self, response_id: str | None) -> Refusal | None:
        if self._responder.cancel("client_cancelled", response_id):
            return None
        return Refusal(code="response_cancel_not_active", message="Cancellation failed: no active response found")
