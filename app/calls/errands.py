"""What a function of the agent needs besides the talk: the do-not-call list, other people's systems, other phones.

Every errand ends in an answer for the model; a fault of ours or of others is told, never hidden and never raised.
Fed by `app.calls.talk_side`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.outside import OutsideDesk
from app.calls.storing import until_stored
from app.calls.talk_model import Errand, ErrandDone
from app.calls.tools import OutsideCall, RecordOptOut, TransferCall
from app.calls.transfer import TransferDesk
from app.domain.analysis.judgement import Proof
from app.domain.call import Turn
from app.errors import AppError
from app.store import dnd, tasks, transcripts
from app.store.db import DIALING

log = structlog.get_logger()

OPTED_OUT_NEXT = "Apologize, say in one sentence that they will not be called again, say goodbye and end the call."
STORED_S = 1.5
"""How long a report may take to be stored: the turn that proves an errand, the call that asked for it."""


class Errands:
    """Of one call. `tell` is the call's inbox, `note` its diary."""

    def __init__(
        self,
        board: Switchboard,
        order: CallOrder,
        tell: Callable[[ErrandDone], None],
        note: Callable[[str, str], None],
        transfers: TransferDesk,
    ) -> None:
        self._board = board
        self._order = order
        self._tell = tell
        self._note = note
        self.outside = OutsideDesk(board, order, note)
        self._transfers = transfers

    async def run(self, errand: Errand) -> None:
        """Do it and tell what came of it."""
        try:
            result = await self._do(errand)
        except AppError as error:
            self._note("errand_failed", error.message)
            result = {"error": error.message}
        except Exception as fault:  # supervision: a fault in one function must not end the call
            log.exception("errand failed by a fault of ours", call_id=self._order.call_id)
            self._note("errand_failed", f"{type(fault).__name__}")
            result = {"error": "This could not be done; go on without it."}
        if result is not None:
            self._tell(ErrandDone(errand.tool_call_id, msgspec.json.encode(result).decode()))

    async def _do(self, errand: Errand) -> dict[str, object] | None:
        """None: the answer comes later, by another road."""
        match errand.request:
            case RecordOptOut(words):
                return await self._opt_out(words)
            case TransferCall():
                refused = await self._transfers.begin(errand.tool_call_id, errand.request)
                return None if refused is None else {"error": refused}
            case OutsideCall():
                await self._reported()  # a process that comes after this one does not call it again
                return await self.outside.call(errand.request)

    async def _opt_out(self, words: str) -> dict[str, object]:
        """List the number at once, whatever the transcript says: listing too many costs a call, too few a promise.

        The note is what the conclusion reads: a list that cannot be written now is written then.
        """
        order = self._order
        self._note("opt_out", words)
        await self._reported()  # the turn that proves it
        proof = await until_stored(lambda: self._list(words), order.call_id)
        self._note("opt_out_listed", proof.quote)
        return {"listed": True, "next": OPTED_OUT_NEXT}

    async def _reported(self) -> None:
        """Wait until what the worker told so far is stored, but not for ever: the callee waits as well."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STORED_S):
                await self._board.media.stored()

    async def _list(self, words: str) -> Proof:
        order, board, now_ms = self._order, self._board, self._board.clock.unix_ms()
        async with board.db.tx() as tx:
            await tx.exclusive(DIALING)
            task = await tasks.get(tx, order.tenant_id, order.new.task_id)
            proof = opt_out_proof(await transcripts.list_turns(tx, order.tenant_id, order.call_id), words)
            await dnd.add(tx, dnd.spoken(task, order.call_id, proof, now_ms), now_ms)
        return proof


def opt_out_proof(turns: Sequence[Turn], words: str) -> Proof:
    """The callee's newest turn proves it; the words as the agent understood them stay beside it."""
    for n, turn in reversed(list(enumerate(turns, 1))):
        if turn.speaker == "callee":
            return Proof(
                turn=n, item_id=turn.item_id, speaker="callee", audio_ms=turn.start_audio_ms, quote=turn.text
            )
    return Proof(turn=0, item_id="", speaker="callee", audio_ms=0, quote=words)
