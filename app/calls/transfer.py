"""Transfers of one call as the store and the wall see them: the committed intent, and how far each one has come.

The only road from a call to a second ringing phone, for the agent and for operators. The row is committed and
shown to the wall before the call machine is told to dial; a process that dies in between rings nobody, and the
next one takes the transfer back instead of dialing again.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.commands import Ordered
from app.calls.diary import Diary
from app.calls.hand_over import ORDERED
from app.calls.plan import transfer_plan
from app.calls.storing import until_stored
from app.calls.tools import TransferCall
from app.crash_points import crash_here
from app.domain.agent import TransferTarget
from app.domain.transfer import CallTransfer, NewTransfer
from app.errors import AppError, StoreError
from app.store import transfers
from app.store.transfers import TransferRefusal
from stasis.errors import NotSent
from stasis.ids import CallIds
from stasis.transfer_model import BeginTransfer, TransferChanged

log = structlog.get_logger()

PACE_LIMIT_MS = 4_000
"""A transfer waits at most this long for the trunk's token."""
NOT_STORED = "The transfer could not be stored, so nobody was called. Go on without it."


class TransferDesk:
    """Of one call. `put` is its inbox; `talking`: the talk goes on, nobody says goodbye."""

    def __init__(
        self,
        board: Switchboard,
        order: CallOrder,
        put: Callable[[BeginTransfer], None],
        diary: Diary,
        talking: Callable[[], bool],
    ) -> None:
        self.ordered: Ordered | None = None
        """The operator's command that waits to hear whether anybody is called."""
        self._board = board
        self._order = order
        self._put = put
        self._diary = diary
        self._talking = talking
        self._rows: dict[int, CallTransfer] = (
            {} if order.transfer_row is None else {order.transfer_row.seq: order.transfer_row}
        )

    async def begin(self, tool_call_id: str, request: TransferCall) -> str | None:
        """Commit the intent and have the target dialed; the sentence of a refusal, None when it is dialed."""
        target = chosen(request.target, self._order.agent.transfer_targets)
        if target is None:
            names = ", ".join(one.name for one in self._order.agent.transfer_targets) or "nobody"
            return self._answered(tool_call_id, f"Transfers are possible to: {names}. Nothing was done.")
        by_operator = tool_call_id == ORDERED
        wish = NewTransfer(
            target=target.name,
            number=target.number,
            mode="warm" if "warm" in (target.mode, request.mode) else "cold",
            reason=request.reason,
            wanted_by="operator" if by_operator else "agent",
        )
        try:
            row = await self._commit(wish)
        except AppError as error:
            log.warning("transfer not stored", call_id=self._order.call_id, error=error.message)
            return self._answered(tool_call_id, NOT_STORED)
        if isinstance(row, TransferRefusal):
            return self._answered(tool_call_id, row.sentence)
        return self._dial(tool_call_id, row)

    def dropped(self, sentence: str) -> None:
        """What an operator ordered will not begin: the command is answered now, the next one may come."""
        self._answered(ORDERED, sentence)

    def moved(self, change: TransferChanged) -> None:
        """Write down how far it has come, beside the call."""
        row = self._rows.get(change.seq)
        outcome = None if change.outcome is None else str(change.outcome)
        said = " ".join(part for part in (row.target if row is not None else "", outcome or "") if part)
        self._diary.note(f"transfer_{change.state}", f"{said}: {change.detail}" if change.detail else said)
        if row is not None:
            now_ms = self._board.clock.unix_ms()
            self._diary.write(lambda: self._store(row, str(change.state), outcome, change.detail, now_ms))

    async def _commit(self, wish: NewTransfer) -> CallTransfer | TransferRefusal:
        """Waits for the trunk's pace as long as a person may be kept waiting."""
        board, order = self._board, self._order
        patience_ms = board.clock.unix_ms() + PACE_LIMIT_MS
        while True:
            async with board.db.tx() as tx:
                token = order.lease_token if order.leased else None
                row = await transfers.begin(
                    tx,
                    order.tenant_id,
                    order.call_id,
                    wish,
                    board.clock.unix_ms(),
                    site=board.site,
                    token=token,
                )
            again_ms = row.again_ms if isinstance(row, TransferRefusal) else None
            if again_ms is None or again_ms > patience_ms:
                return row
            await asyncio.sleep(max(0, again_ms - board.clock.unix_ms()) / 1000)

    def _dial(self, tool_call_id: str, row: CallTransfer) -> str | None:
        crash_here("after_transfer_intent")
        board, order = self._board, self._order
        self._rows[row.seq] = row
        if not self._talking():  # it was closed while the intent waited for the store or for the trunk
            now_ms = board.clock.unix_ms()
            self._diary.write(lambda: self._store(row, "over", "canceled", "the talk was ending", now_ms))
            return self._answered(tool_call_id, "The call is ending; nobody was called.")
        ids = CallIds(node=order.new.node, call_id=order.call_id, caller_channel=order.new.caller_channel)
        try:
            board.guard.permit_transfer(ids.target_of(row.seq), row)
        except NotSent as refused:
            log.error("the wall refused a committed transfer", call_id=order.call_id, reason=str(refused))
            now_ms, why = board.clock.unix_ms(), str(refused)
            self._diary.write(lambda: self._store(row, "over", "failed", why, now_ms))
            return self._answered(tool_call_id, f"Not called: {why}.")
        self._put(BeginTransfer(plan=transfer_plan(board.settings, row, board.clock.unix_ms())))
        self._settle(tool_call_id, f"{row.target} is being called.", refused=False)
        return None

    def _answered(self, tool_call_id: str, sentence: str) -> str:
        self._diary.note("transfer_refused", sentence)
        self._settle(tool_call_id, sentence, refused=True)
        return sentence

    def _settle(self, tool_call_id: str, sentence: str, *, refused: bool) -> None:
        if tool_call_id == ORDERED and self.ordered is not None:
            self.ordered.settle(sentence, refused=refused)
            self.ordered = None

    async def _store(self, row: CallTransfer, state: str, outcome: str | None, detail: str, now_ms: int) -> None:
        """Whether two people are connected, or nobody is, must be known to whoever comes after this process."""
        move = partial(transfers.move, self._board.db, row, state, outcome, detail[:500], now_ms=now_ms)
        if state in {"joined", "over"}:
            await until_stored(move, row.call_id)
            return
        try:
            await move()
        except StoreError as error:
            log.warning("transfer state not stored", call_id=row.call_id, error=error.message)


def chosen(wanted: str, targets: tuple[TransferTarget, ...]) -> TransferTarget | None:
    """The entry of the agent's list by its name, or by its number for people who type that."""
    same = (one for one in targets if wanted in (one.name, one.number) or one.name.casefold() == wanted.casefold())
    return next(same, None)
