"""Replies that are being written. They belong to the console, not to a browser: whoever reloads the page or comes
back later sees the same reply from its first word, and only a click on "Stop" ends one early.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager

import structlog

from app.domain.planning import Profile
from app.errors import AppError, ConflictError
from app.llm.planner import NOT_TAKEN, Event, Planner, Replied
from app.llm.planner_message import Said
from app.store.conversations import Conversation

log = structlog.get_logger()


class Broken(AppError):
    """The reply ended by a fault of ours (HTTP 500); the message is kept."""

    code = "reply_broken"
    retryable = True


class Running:
    """One reply; any number of readers, each from the beginning."""

    def __init__(self, said: Said) -> None:
        self.said = said
        self.over = False
        self.stopped = False
        self.task: asyncio.Task[None] | None = None
        self._events: list[Event] = []
        self._failed: AppError | None = None
        self._more = asyncio.Event()

    def put(self, event: Event) -> None:
        """The next event."""
        self._events.append(event)
        self._wake()

    def end(self, failed: AppError | None = None) -> None:
        """Nothing more comes; readers get `failed` raised."""
        self._failed = self._failed or failed
        self.over = True
        self._wake()

    async def follow(self) -> AsyncGenerator[Event]:
        """Every event so far, then those that come. Raises what the planner raised."""
        at = 0
        while True:
            more = self._more
            while at < len(self._events):
                at += 1
                yield self._events[at - 1]
            if self.over:
                break
            await more.wait()
        if self._failed is not None:
            raise self._failed

    def _wake(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()


class Replies:
    """One per console; its tasks live in the group of the application."""

    def __init__(self) -> None:
        self._running: dict[str, Running] = {}
        self._group: asyncio.TaskGroup | None = None

    @contextmanager
    def running(self, group: asyncio.TaskGroup) -> Generator[None]:
        """While the application lives."""
        self._group = group
        try:
            yield
        finally:
            self._group = None
            for one in self._running.values():
                if one.task is not None:
                    one.task.cancel()

    def of(self, conversation_id: str) -> Running | None:
        """The reply of a conversation that is being written here."""
        return self._running.get(conversation_id)

    def begin(self, planner: Planner, conversation: Conversation, profile: Profile, said: Said) -> Running:
        """Begin a reply, or join the one to this very message. Raises ConflictError while another is written."""
        there = self._running.get(conversation.id)
        if there is not None:
            if _same(there.said, said):
                return there
            raise ConflictError("The last message is still being answered; wait for the reply.", retryable=True)
        if self._group is None:
            raise RuntimeError("the application is not running")
        running = self._running[conversation.id] = Running(said)
        writing = self._write(running, planner, conversation, profile)
        running.task = self._group.create_task(writing, name=f"reply {conversation.id}")
        running.task.add_done_callback(lambda _: self._forget(conversation.id, running))
        return running

    async def stop(self, conversation_id: str) -> bool:
        """End a reply early and wait until that is written down. False: none is being written here."""
        running = self._running.get(conversation_id)
        if running is None or running.task is None:
            return False
        if not running.stopped:
            running.stopped = True
            running.task.cancel()
        await asyncio.wait([running.task])
        return True

    async def _write(
        self, running: Running, planner: Planner, conversation: Conversation, profile: Profile
    ) -> None:
        try:
            async with aclosing(planner.reply(conversation, profile, running.said)) as events:
                async for event in events:
                    running.put(event)
            running.end()
        except AppError as failed:
            running.end(failed)
        except asyncio.CancelledError:
            if not running.stopped:
                running.end(Broken("The console is being stopped. Your message is kept; try again."))
                raise
            await self._put_down(running, planner, conversation)
        except Exception:
            log.exception("a reply failed", conversation_id=conversation.id)
            running.end(Broken("The reply broke off. Your message is kept; try again."))

    async def _put_down(self, running: Running, planner: Planner, conversation: Conversation) -> None:
        try:
            running.put(Replied(await planner.put_down(conversation, running.said)))
            running.end()
        except AppError as failed:
            running.end(failed)

    def _forget(self, conversation_id: str, running: Running) -> None:
        if not running.over:  # cancelled before its first step
            running.end(ConflictError(NOT_TAKEN))
        if self._running.get(conversation_id) is running:
            del self._running[conversation_id]


def _same(one: Said, other: Said) -> bool:
    """Whether two messages are one that was sent twice."""
    if one.again is not None or other.again is not None:
        return one.again == other.again
    return bool(one.client_key) and one.client_key == other.client_key
