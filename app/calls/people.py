"""The question of one call to its operators: stored, announced, and its answer handed to the talk.

The row in `feedback_requests` is the truth and is looked at once a second while a question is open; the bus only
makes it quicker. Fed by `app.calls.talk_side`; whoever answers uses `app.store.feedback`.
"""

import asyncio
from collections.abc import Callable

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.talk_model import AskPeople, NobodyAnswered, PeopleAnswered
from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.messages import FeedbackChanged
from app.errors import StoreError, ValidationFailed
from app.ids import new_id
from app.store import feedback

log = structlog.get_logger()

LOOK_S = 1.0
"""How often the row is looked at when nothing wakes."""
STORE_AGAIN_S = 0.5


class PeopleDesk:
    """One question at a time. `tell` is the call's inbox."""

    def __init__(
        self, board: Switchboard, order: CallOrder, tell: Callable[[PeopleAnswered | NobodyAnswered], None]
    ) -> None:
        self._board = board
        self._order = order
        self._tell = tell
        self._open: asyncio.Future[str] | None = None
        self._woken = asyncio.Event()

    def adopt(self, request: FeedbackRequest) -> None:
        """A former process asked it, and it is open."""
        self._opened().set_result(request.id)

    def ask(self, wish: AskPeople, group: asyncio.TaskGroup) -> None:
        """Store the question as soon as the store can, and tell people."""
        now_ms = self._board.clock.unix_ms()
        request = FeedbackRequest(
            id=new_id(now_ms),
            tenant_id=self._order.tenant_id,
            task_id=self._order.new.task_id,
            call_id=self._order.call_id,
            question=wish.question,
            suggestions=wish.suggestions,
            state=FeedbackState.OPEN,
            answer=None,
            answered_by=None,
            created_ms=now_ms,
            deadline_ms=now_ms + round(wish.wait_s * 1000),
            answered_ms=None,
            rule=self._order.agent.unanswered,
        )
        group.create_task(self._store(request, self._opened()))

    def give_up(self, group: asyncio.TaskGroup) -> None:
        """Patience has ended: an answer of the last moment counts."""
        if self._open is not None:
            group.create_task(self._give_up(self._open))

    async def run(self) -> None:
        """Watch the open question until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                self._woken.clear()
                if self._open is not None and self._open.done():
                    await self._look(self._open.result())
                try:
                    async with asyncio.timeout(None if self._open is None else LOOK_S):
                        await self._woken.wait()
                except TimeoutError:
                    pass

    async def _listen(self) -> None:
        with self._board.bus.subscribe("feedback") as messages:
            async for _ in messages:
                self._woken.set()

    def _opened(self) -> "asyncio.Future[str]":
        self._open = asyncio.get_running_loop().create_future()
        self._woken.set()
        return self._open

    async def _store(self, request: FeedbackRequest, opened: "asyncio.Future[str]") -> None:
        while True:
            try:
                await feedback.ask(self._board.db, request)
            except StoreError as error:
                log.warning("question not stored yet", call_id=self._order.call_id, error=error.message)
                await asyncio.sleep(STORE_AGAIN_S)
                continue
            except ValidationFailed as unfit:  # no call ends for it
                log.warning("question not stored", call_id=self._order.call_id, error=unfit.message)
                self._open = None
                self._tell(NobodyAnswered())
                return
            opened.set_result(request.id)
            await self._board.bus.publish("feedback", FeedbackChanged(request_id=request.id))
            return

    async def _look(self, request_id: str) -> None:
        try:
            found = await feedback.get(self._board.db, self._order.tenant_id, request_id)
        except StoreError as error:
            log.warning("question not read", call_id=self._order.call_id, error=error.message)
            return
        if found.state is FeedbackState.ANSWERED:
            self._open = None
            self._tell(PeopleAnswered(found.answer or ""))

    async def _give_up(self, opened: "asyncio.Future[str]") -> None:
        request_id = await opened
        try:
            given_up = await feedback.time_out(self._board.db, self._order.tenant_id, request_id)
        except StoreError as error:  # the talk stops waiting by its own clock; an answer still counts for the task
            log.warning("question not given up in the store", call_id=self._order.call_id, error=error.message)
            return
        if given_up:
            self._open = None
            self._tell(NobodyAnswered())
            await self._board.bus.publish("feedback", FeedbackChanged(request_id=request_id))
        else:
            self._woken.set()
