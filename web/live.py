"""From bus and store to the browsers: one hub, one coalesced frame at most four times a second for all of them.

The bus only says what to look at; the store is read again. A message that never came is made good by a look at
the whole wall every few seconds while somebody watches. What concerns another tenant, or nobody who watches, is
dropped before any work.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import msgspec
import structlog

from app.bus import Bus
from app.clock import Clock
from app.domain.messages import (
    CallChanged,
    CallLevels,
    CallWords,
    ConnectionChanged,
    FeedbackChanged,
    ListChanged,
    Message,
    Resync,
    TaskChanged,
)
from app.errors import StoreError
from app.store import calls, holds, inbox, tenants, wallboard
from app.store.db import Database, Reader
from web.figures import Day, day
from web.view import asked as view_asked
from web.view import card
from web.wall import EVERYTHING, Wall

log = structlog.get_logger()

FRAME_PAUSE_S = 0.25
RELOAD_S = 5.0
STILL_HERE_S = 15.0
"""When nothing changes for so long an empty frame is sent: a page notices a connection that died silently."""
ENDED_SHOWN = 30
DAY_MS = 24 * 3_600_000
VIEWER_QUEUE = 8
"""Frames a slow browser may lag behind; then it gets a snapshot instead."""


async def header(sql: Reader, tenant_id: str, slots: int, now_ms: int) -> Day:
    """What the store knows for the header; `slots`: calls at the same time by the settings."""
    own = (await tenants.terms(sql, tenant_id)).max_concurrent_calls
    ended = await wallboard.ended_since(sql, tenant_id, now_ms - DAY_MS)
    return day(ended, slots if own is None else min(slots, own), await wallboard.next_due_ms(sql, tenant_id))


async def _model(sql: Reader, tenant_id: str) -> ConnectionChanged:
    """Each call opens a session of its own: what is known between calls is whether the account was refused."""
    hold = await holds.active(sql, tenant_id)
    if hold is None:
        return ConnectionChanged(name="realtime", state="connected")
    return ConnectionChanged(name="realtime", state="off", detail=f"{hold.code}: {hold.message}")


class Viewer:
    """One browser's mailbox of encoded frames. When it is full everything is dropped and a snapshot is owed."""

    def __init__(self) -> None:
        self._frames: asyncio.Queue[bytes] = asyncio.Queue(VIEWER_QUEUE)
        self._owed = asyncio.Event()
        self._owed.set()

    def put(self, frame: bytes) -> None:
        """Take a frame, or owe a snapshot."""
        if self._frames.full():
            while not self._frames.empty():
                self._frames.get_nowait()
            self._owed.set()
        self._frames.put_nowait(frame)

    async def next(self) -> bytes | None:
        """The next frame; None: send a snapshot, then go on."""
        if self._owed.is_set():
            self._owed.clear()
            while not self._frames.empty():
                self._frames.get_nowait()  # the snapshot is newer
            return None
        frame = await self._frames.get()
        return await self.next() if self._owed.is_set() else frame


class Hub:
    """Keeps the wall of one tenant and feeds its viewers. `run` lives as long as the application."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, tenant_id: str, slots: int) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._tenant_id = tenant_id
        self._slots = slots
        self._wall = Wall()
        self._wall.connection(ConnectionChanged(name="bus", state=bus.state))
        self._viewers: set[Viewer] = set()
        self._dirty: set[str] = set()
        self._stale = True
        self._asked = True
        self._reloaded_s = float("-inf")
        self._sent_s = self._clock.monotonic()
        self._reading = asyncio.Lock()
        self._wake = asyncio.Event()

    @contextmanager
    def watch(self) -> Generator[Viewer]:
        """Register a browser; `reload` follows, since nothing was kept while nobody watched."""
        if not self._viewers:
            self._wall.forget_words()
        viewer = Viewer()
        self._viewers.add(viewer)
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)

    def snapshot(self) -> bytes:
        """The whole wall, encoded."""
        return msgspec.json.encode(self._wall.snapshot(self._clock.unix_ms()))

    async def reload(self) -> None:
        """Read the whole wall again, so that a snapshot taken next is true."""
        self._stale = True
        await self._refresh()
        self._wake.set()

    async def run(self) -> None:
        """Follow the bus and send frames until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._beat())

    async def _follow(self) -> None:
        with self._bus.subscribe("calls", "tasks", "feedback", "lists", "system") as messages:
            async for message in messages:
                if self._concerns(message):
                    self._take(message)
                    self._wake.set()

    def _concerns(self, message: Message | Resync) -> bool:
        """Whether anybody who watches here may see anything of it. How connections stand is kept in any case: a
        browser that comes later must know.
        """
        if isinstance(message, ConnectionChanged):
            return True
        if not self._viewers:
            return False
        return isinstance(message, Resync) or getattr(message, "tenant_id", None) == self._tenant_id

    def _take(self, message: Message | Resync) -> None:
        match message:
            case CallChanged(call_id=call_id):
                self._dirty.add(call_id)
                self._wall.note("calls")
            case CallWords():
                if not self._wall.speak(message):
                    self._dirty.add(message.call_id)
            case ConnectionChanged():
                self._wall.connection(message, self._clock.unix_ms())
            case Resync():
                self._stale = True
                self._wall.note(EVERYTHING)
            case FeedbackChanged():
                self._asked = True
                self._wall.note("questions")
            case TaskChanged():
                self._wall.note("tasks", "campaigns")
            case ListChanged(kind=kind):
                self._wall.note(kind)
            case CallLevels():
                self._wall.measure(message)
            case _:
                pass

    async def _beat(self) -> None:
        while True:
            try:
                async with asyncio.timeout(RELOAD_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if not self._viewers:
                continue
            if self._clock.monotonic() >= self._reloaded_s + RELOAD_S:
                self._stale = True
            try:
                await self._refresh()
                self._send()
            except Exception:  # a frame that fails must not end the page of everybody
                log.exception("a live frame failed")
            await asyncio.sleep(FRAME_PAUSE_S)

    async def _refresh(self) -> None:
        async with self._reading:
            stale, dirty, asked = self._stale, self._dirty, self._asked
            self._stale, self._dirty, self._asked = False, set(), False
            if not (stale or dirty or asked):
                return
            try:
                if stale or dirty:
                    await self._read(None if stale else sorted(dirty))
                # A call that ends changes who waits: on the line, or parked.
                self._wall.ask(map(view_asked, await inbox.page(self._db, self._tenant_id)))
            except StoreError as error:
                self._stale = True
                self._wall.connection(ConnectionChanged(name="store", state="lost", detail=error.message))
            else:
                self._wall.connection(ConnectionChanged(name="store", state="connected"))

    async def _read(self, call_ids: list[str] | None) -> None:
        if call_ids is None:
            self._reloaded_s = self._clock.monotonic()
            rows = await calls.wall(self._db, self._tenant_id, ENDED_SHOWN)
            self._wall.replace_all([card(row) for row in rows])
            self._wall.today(await header(self._db, self._tenant_id, self._slots, self._clock.unix_ms()))
            self._wall.connection(await _model(self._db, self._tenant_id))
        else:
            for row in await calls.wall_some(self._db, self._tenant_id, call_ids):
                self._wall.put(card(row))

    def _send(self) -> None:
        now_s = self._clock.monotonic()
        frame = self._wall.frame(self._clock.unix_ms(), anyway=now_s >= self._sent_s + STILL_HERE_S)
        if frame is not None:
            self._sent_s = now_s
            encoded = msgspec.json.encode(frame)
            for viewer in self._viewers:
                viewer.put(encoded)


class Hubs:
    """One hub per tenant, begun when its first browser comes."""

    def __init__(self, db: Database, bus: Bus, clock: Clock, slots: int) -> None:
        self._db = db
        self._bus = bus
        self._clock = clock
        self._slots = slots
        self._hubs: dict[str, Hub] = {}
        self._running: list[asyncio.Task[None]] = []
        self._group: asyncio.TaskGroup | None = None

    @contextmanager
    def running(self, group: asyncio.TaskGroup) -> Generator[None]:
        """While the application lives; hubs are tasks of `group`."""
        self._group = group
        try:
            yield
        finally:
            self._group = None
            for task in self._running:
                task.cancel()

    def of(self, tenant_id: str) -> Hub:
        """The hub of a tenant."""
        hub = self._hubs.get(tenant_id)
        if hub is None:
            if self._group is None:
                raise RuntimeError("the application is not running")
            hub = self._hubs[tenant_id] = Hub(self._db, self._bus, self._clock, tenant_id, self._slots)
            self._running.append(self._group.create_task(hub.run(), name=f"hub {tenant_id}"))
        return hub
