"""Carries out what the rules of a talk want: words to the media worker, keys, notes, errands, questions to people.

Owned by `app.calls.run`; what comes of it goes to the call's inbox.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import assert_never

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.commands import Ordered
from app.calls.conversation import Conversation
from app.calls.diary import Diary
from app.calls.errands import Errands
from app.calls.keypad import Keypad
from app.calls.media_side import MediaSide
from app.calls.people import PeopleDesk
from app.calls.talk_model import (
    AskPeople,
    Errand,
    GiveUpAsking,
    Note,
    PressKeys,
    StoreField,
    TakeTransferBack,
    TalkAnswer,
    TalkEffect,
    ToMedia,
    TransferDropped,
    TransferMoved,
    WaitLonger,
    WantHangUp,
    WithdrawQuestion,
)
from app.calls.transfer import TransferDesk
from app.domain.fields import Collected
from app.errors import StoreError, ValidationFailed
from app.store import collected
from media.commands import CloseLeg
from stasis.call_model import HangUp
from stasis.transfer_model import CONNECTING, BeginTransfer, EndTransfer, TransferChanged

log = structlog.get_logger()

STORE_AGAIN_S = 0.5


class TalkSide:
    """Of one call. `put` is its inbox, `callee_channel` where keys are pressed; `talking`: it goes on."""

    def __init__(
        self,
        board: Switchboard,
        order: CallOrder,
        *,
        put: Callable[[TalkAnswer | HangUp | BeginTransfer | EndTransfer], None],
        media: MediaSide,
        diary: Diary,
        callee_channel: str,
        talking: Callable[[], bool],
    ) -> None:
        self.people = PeopleDesk(board, order, put)
        self._board = board
        self._order = order
        self._put = put
        self._media = media
        self._diary = diary
        self._keypad = Keypad(board, callee_channel, diary)
        self.transfers = TransferDesk(board, order, put, diary, talking)
        self._errands = Errands(board, order, put, diary.note, self.transfers)

    async def carry_out(self, effects: Sequence[TalkEffect], group: asyncio.TaskGroup) -> None:
        """In order; what takes time goes on beside the call."""
        for effect in effects:
            match effect:
                case ToMedia(command):
                    await self._media.send(command)
                case PressKeys(digits):
                    group.create_task(self._keypad.press(digits))
                case WantHangUp(ended_by, reason):
                    self._put(HangUp(by=ended_by, reason=reason))
                case Note(kind, detail):
                    self._diary.note(kind, detail)
                case StoreField(value):
                    group.create_task(self._store(value))
                case Errand():
                    group.create_task(self._errands.run(effect))
                case AskPeople() | GiveUpAsking() | WaitLonger() | WithdrawQuestion():
                    self.people.carry_out(effect, group)
                case TakeTransferBack(reason):
                    self._put(EndTransfer(reason=reason))
                case TransferDropped(sentence):
                    self.transfers.dropped(sentence)
                case _:
                    assert_never(effect)

    def adopt_question(self, talk: Conversation, now: float) -> None:
        """What a former process asked people, or did not get to tell the agent, goes on."""
        asked = self._order.open_question
        if asked is not None:
            left_ms = asked.deadline_ms - self._board.clock.unix_ms()
            talk.tools.asking.adopt(now + left_ms / 1000, asked.question, now)
            self.people.adopt(asked, talk.tools.question.number)

    async def close(self) -> None:
        """The talk is over: other people's systems are not waited for any more."""
        await self._errands.outside.close()

    async def transferred(
        self, change: TransferChanged, talk: Conversation, group: asyncio.TaskGroup, *, over: bool
    ) -> None:
        """The phones have come this far. Once the agent has left, its leg and its model session are closed; a call
        that is `over` has nobody to be told.
        """
        self.transfers.moved(change)
        if not over:
            moved = talk.handle(TransferMoved(change.state, change.outcome), self._board.clock.monotonic())
            await self.carry_out(moved, group)
        if change.state in CONNECTING and self._media.is_open:
            await self._media.send(CloseLeg(call_id=self._order.call_id))

    async def press_ordered(self, ordered: Ordered, digits: str) -> None:
        """Keys an operator ordered."""
        await self._keypad.press_ordered(ordered, digits)

    async def _store(self, value: Collected) -> None:
        """Until the store takes it; the end of the call waits for it."""
        board, order = self._board, self._order
        while True:
            try:
                await collected.save(board.db, order.tenant_id, order.new, value, board.clock.unix_ms())
            except StoreError as error:
                log.warning("collected value not stored yet", call_id=order.call_id, error=error.message)
                await asyncio.sleep(STORE_AGAIN_S)
            except ValidationFailed as unfit:  # no call ends for it
                log.warning("collected value not stored", call_id=order.call_id, error=unfit.message)
                return
            else:
                return
