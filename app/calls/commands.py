"""Commands to one living call: woken by the bus, read from the table, handed to the call, answered in the table.

The table is looked into once a second in any case, so a command is carried out at most two seconds late even when
every message is lost; and only what is in the table is ever carried out. Taking is atomic and comes first: a
process that dies in between leaves a command that nobody repeats. Started by `app.calls.run`, whose inbox gets
each command between two steps of the talk.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
import structlog

from app.calls.board import CallOrder, Switchboard
from app.domain.command import Command, CommandState, Payload, Verdict, WakeCheck, read_kind, read_payload
from app.domain.messages import CommandQueued, Message, Resync, command_topic
from app.errors import StoreError, ValidationFailed
from app.store import commands

log = structlog.get_logger()

LOOK_S = 1.0
"""How often the table is looked into when nothing wakes."""
STORE_AGAIN_S = 0.5
INTERRUPTED = "The process that was carrying this out stopped; it is not known whether it was done."
TOO_LATE = "The call ended first; nothing was done."


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a command."""

    state: CommandState
    sentence: str


class Ordered:
    """A command on its way through a call; `settle` says what came of it, once."""

    def __init__(self, payload: Payload, kind: str, issued_by: str) -> None:
        self.payload = payload
        self.kind = kind
        self.issued_by = issued_by
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def settle(self, sentence: str, *, refused: bool = False) -> None:
        """Later answers are ignored."""
        if not self.answer.done():
            state = CommandState.REFUSED if refused else CommandState.DONE
            self.answer.set_result(Answer(state=state, sentence=sentence))


class CommandDesk:
    """Takes the commands of one call. `hand_over` puts one into the call's inbox."""

    def __init__(self, board: Switchboard, order: CallOrder, hand_over: Callable[[Ordered], None]) -> None:
        self._board = board
        self._order = order
        self._hand_over = hand_over
        self._check = WakeCheck(board.command_key, order.tenant_id, order.call_id)
        self._in_hand: Ordered | None = None
        self._closed = False
        self._told: set[Verdict] = set()
        self._free = asyncio.Event()
        self._free.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._order.adopted:
            await self._give_up_taken()
        with self._board.bus.subscribe(command_topic(self._order.call_id)) as messages:
            while True:
                await self._work_off()
                await self._woken(messages)

    async def close(self) -> None:
        """Take nothing more; what is in the call's hands is answered and stored before this returns."""
        self._closed = True
        if self._in_hand is not None:
            self._in_hand.settle(TOO_LATE, refused=True)
        await self._free.wait()

    # --- waiting --------------------------------------------------------------------------------
    async def _woken(self, messages: AsyncIterator[Message | Resync]) -> None:
        """Until there is a reason to look: a wake-up that is worth it, missed messages, or time."""
        try:
            async with asyncio.timeout(LOOK_S):
                async for message in messages:
                    if isinstance(message, Resync) or self._counts(message):
                        return
        except TimeoutError:
            pass

    def _counts(self, message: Message) -> bool:
        if not isinstance(message, CommandQueued):
            return False
        verdict = self._check.judge(message, self._board.clock.unix_ms())
        self._board.wakes[verdict] += 1
        if verdict is not Verdict.ACCEPTED and verdict not in self._told:
            self._told.add(verdict)  # once: a flood of them must not fill the log
            log.warning("wake-up ignored", call_id=self._order.call_id, verdict=str(verdict))
        return verdict is Verdict.ACCEPTED

    # --- working --------------------------------------------------------------------------------
    async def _work_off(self) -> None:
        self._free.clear()
        try:
            while not self._closed and (command := await self._take()) is not None:
                await self._store(command, await self._carried_out(command))
                await self._board.announce(self._order)
        except StoreError as error:
            log.warning("commands not read", call_id=self._order.call_id, error=error.message)
        finally:
            self._free.set()

    async def _take(self) -> Command | None:
        """The next command, now ours alone. Looking costs a read; only something to take costs a write."""
        order, board = self._order, self._board
        if not await commands.waiting(board.db, order.tenant_id, order.call_id):
            return None
        async with board.db.tx() as tx:
            return await commands.take_next(
                tx, order.tenant_id, order.call_id, order.lease_token, board.clock.unix_ms()
            )

    async def _carried_out(self, command: Command) -> Answer:
        """Hand it to the call and wait for what comes of it. A row that cannot be read is refused."""
        if self._closed:
            return Answer(state=CommandState.REFUSED, sentence=TOO_LATE)
        try:
            payload = read_payload(read_kind(command.kind), command.payload)
        except ValidationFailed as unfit:
            return Answer(state=CommandState.REFUSED, sentence=unfit.message)
        self._in_hand = Ordered(payload, command.kind, command.issued_by)
        self._hand_over(self._in_hand)
        try:
            return await self._in_hand.answer
        finally:
            self._in_hand = None

    async def _store(self, command: Command, answer: Answer) -> None:
        """Until it is stored, or the call has ended: then the end of the call settles what it finds."""
        log.info("command", call_id=command.call_id, kind=command.kind, state=str(answer.state))
        while True:
            try:
                await commands.finish(
                    self._board.db,
                    command.tenant_id,
                    command.id,
                    answer.state,
                    answer.sentence,
                    now_ms=self._board.clock.unix_ms(),
                )
            except StoreError as error:
                log.warning("command result not stored", call_id=command.call_id, error=error.message)
                if self._closed:
                    return
                await asyncio.sleep(STORE_AGAIN_S)
            else:
                return

    async def _give_up_taken(self) -> None:
        order, board = self._order, self._board
        now_ms = board.clock.unix_ms()
        try:
            await commands.give_up_taken(board.db, order.tenant_id, order.call_id, INTERRUPTED, now_ms)
        except StoreError as error:
            log.warning("interrupted commands not settled", call_id=order.call_id, error=error.message)
