"""The question of one call to its operators: stored, announced, and its answer handed to the talk.

The row in `feedback_requests` is the truth and is looked at once a second while a question is open; the bus only
makes it quicker. Fed by `app.calls.talk_side`; whoever answers uses `app.store.feedback`.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.storing import until_stored
from app.calls.talk_model import (
    AskPeople,
    GiveUpAsking,
    NobodyAnswered,
    PeopleAnswered,
    WaitLonger,
    WithdrawQuestion,
)
from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.messages import FeedbackChanged
from app.errors import NotFoundError, StoreError, ValidationFailed
from app.ids import new_id
from app.store import feedback

log = structlog.get_logger()

LOOK_S = 1.0
"""How often the row is looked at when nothing wakes."""
STORE_AGAIN_S = 0.5
Wish = AskPeople | GiveUpAsking | WaitLonger | WithdrawQuestion


class _Asked:
    """One question: `number` in the talk, `row` its id once stored, `told` whether its answer was handed on."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.row: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.told = False


class PeopleDesk:
    """One question at a time. `tell` is the call's inbox."""

    def __init__(
        self, board: Switchboard, order: CallOrder, tell: Callable[[PeopleAnswered | NobodyAnswered], None]
    ) -> None:
        self._board = board
        self._order = order
        self._tell = tell
        self._open: _Asked | None = None
        self._woken = asyncio.Event()

    def adopt(self, request: FeedbackRequest, number: int) -> None:
        """A former process asked it; `number` is what the talk calls it. What has come of it since is told."""
        match request.state:
            case FeedbackState.OPEN:
                self._opened(number).row.set_result(request.id)
            case FeedbackState.ANSWERED:
                self._tell(PeopleAnswered(request.answer or "", number, request.id))
            case FeedbackState.TIMED_OUT:
                self._tell(NobodyAnswered(number))

    def carry_out(self, wish: Wish, group: asyncio.TaskGroup) -> None:
        """What the talk wants of the question."""
        match wish:
            case AskPeople():
                self.ask(wish, group)
            case GiveUpAsking():
                self.give_up(group)
            case WaitLonger(left_s):
                self.wait_longer(left_s, group)
            case WithdrawQuestion():
                self.withdraw(group)

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
        group.create_task(self._store(request, self._opened(wish.number)))

    def give_up(self, group: asyncio.TaskGroup) -> None:
        """Patience has ended: an answer of the last moment counts."""
        if self._open is not None:
            group.create_task(self._give_up(self._open))

    def wait_longer(self, left_s: float, group: asyncio.TaskGroup) -> None:
        """Patience ends later than was said, so that people see how long the callee waits."""
        if self._open is not None:
            group.create_task(self._wait_longer(self._open, self._board.clock.unix_ms() + round(left_s * 1000)))

    def withdraw(self, group: asyncio.TaskGroup) -> None:
        """A person has the call: nobody needs to answer."""
        if self._open is not None:
            group.create_task(self._withdraw(self._open))

    async def run(self) -> None:
        """Watch the open question until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                self._woken.clear()
                if self._open is not None and self._open.row.done():
                    await self._look(self._open)
                try:
                    async with asyncio.timeout(None if self._open is None else LOOK_S):
                        await self._woken.wait()
                except TimeoutError:
                    pass

    async def _listen(self) -> None:
        with self._board.bus.subscribe("feedback") as messages:
            async for message in messages:
                if not isinstance(message, FeedbackChanged) or message.tenant_id == self._order.tenant_id:
                    self._woken.set()

    async def _announce(self, request_id: str) -> None:
        told = FeedbackChanged(tenant_id=self._order.tenant_id, request_id=request_id)
        await self._board.bus.publish("feedback", told)

    def _opened(self, number: int) -> _Asked:
        self._open = _Asked(number)
        self._woken.set()
        return self._open

    def _over(self, asked: _Asked) -> None:
        """Nothing more comes of this question; one that was asked since stays open."""
        if self._open is asked:
            self._open = None

    async def _store(self, request: FeedbackRequest, asked: _Asked) -> None:
        while True:
            try:
                async with self._board.db.tx() as tx:
                    await feedback.ask_in_call(tx, request, self._order.call_id)
            except StoreError as error:
                log.warning("question not stored yet", call_id=self._order.call_id, error=error.message)
                await asyncio.sleep(STORE_AGAIN_S)
                continue
            except ValidationFailed as unfit:  # no call ends for it
                log.warning("question not stored", call_id=self._order.call_id, error=unfit.message)
                asked.row.cancel()
                self._over(asked)
                self._tell(NobodyAnswered(asked.number))
                return
            asked.row.set_result(request.id)
            await self._announce(request.id)
            return

    async def _look(self, asked: _Asked) -> None:
        try:
            found = await feedback.get(self._board.db, self._order.tenant_id, asked.row.result())
        except StoreError as error:
            log.warning("question not read", call_id=self._order.call_id, error=error.message)
            return
        except NotFoundError:  # withdrawn or erased between two looks
            self._over(asked)
            return
        if found.state is FeedbackState.ANSWERED and not asked.told:
            asked.told = True
            self._over(asked)
            self._tell(PeopleAnswered(found.answer or "", asked.number, found.id))

    async def _wait_longer(self, asked: _Asked, deadline_ms: int) -> None:
        request_id = await asked.row
        try:
            await feedback.wait_until(self._board.db, self._order.tenant_id, request_id, deadline_ms)
        except StoreError as error:  # patience runs by the talk's own clock
            log.warning("deadline of a question not stored", call_id=self._order.call_id, error=error.message)
            return
        await self._announce(request_id)

    async def _withdraw(self, asked: _Asked) -> None:
        self._over(asked)
        request_id = await asked.row
        board, order = self._board, self._order
        withdraw = partial(feedback.withdraw, board.db, order.tenant_id, request_id)
        if await until_stored(withdraw, order.call_id):
            await self._announce(request_id)
        else:
            await self._look(asked)

    async def _give_up(self, asked: _Asked) -> None:
        request_id = await asked.row
        try:
            given_up = await feedback.time_out(self._board.db, self._order.tenant_id, request_id)
        except StoreError as error:  # the talk stops waiting by its own clock; an answer still counts for the task
            log.warning("question not given up in the store", call_id=self._order.call_id, error=error.message)
            return
        if given_up:
            self._over(asked)
            self._tell(NobodyAnswered(asked.number))
            await self._announce(request_id)
        else:
            await self._look(asked)
