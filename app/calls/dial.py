"""The dial protocol of one call: the intent is committed, then one originate is sent, and never a second one.

The only road from a call to a ringing phone. This process may die at any point of it: the call machine and
`app.calls.settle` find out by Asterisk's ledger whether anybody was rung.
"""

import asyncio
from collections.abc import Callable

from app.calls.board import CallOrder, Switchboard
from app.calls.intent import commit_intent, until_again
from app.crash_points import armed, crash_here
from stasis.call_model import CallState, Completed, Failed, RestEffect
from stasis.errors import NotSent
from stasis.requests import Originate
from stasis.runner import run_effect

SENT_S = 0.02
"""A test that dies after sending must have sent; no answer is waited for."""


def crash_at_state(state: CallState) -> None:
    """The named crash points that are states of a call."""
    match state:
        case CallState.RINGING:
            crash_here("ringing")
        case CallState.ANSWERED:
            crash_here("answered")
        case CallState.BRIDGED:
            crash_here("bridged")
        case _:
            pass


class Dialing:
    """What one call asks of ARI. Answers, and an originate whose token has come, go to `put`, the call's inbox."""

    def __init__(
        self,
        board: Switchboard,
        order: CallOrder,
        put: Callable[[Completed | Failed | Originate], None],
        note: Callable[[str, str], None],
    ) -> None:
        self._board = board
        self._order = order
        self._put = put
        self._note = note
        self._dialed_ms = order.dialed_ms

    async def originate(self, effect: Originate, group: asyncio.TaskGroup, *, wanted: bool) -> None:
        """Commit the intent and send; a prepared call waits for the trunk's token as long as it may.

        `wanted`: the call is still to be dialed; it may have been ended while it waited.
        """
        ended = Failed(effect=effect, error=NotSent("The call was ended before it was dialed."))
        refused = await self.commit(effect) if wanted else ended
        match refused:
            case None:
                group.create_task(self.send(effect))
            case int(again_ms):
                group.create_task(self._again(effect, again_ms))
            case Failed():
                self._note("dial_refused", refused.error.message)
                self._put(refused)

    async def send(self, effect: RestEffect) -> None:
        """One request; its answer goes to the inbox."""
        self._put(await self.ask(effect))

    async def _again(self, effect: Originate, again_ms: int) -> None:
        await until_again(self._board, again_ms)
        self._put(effect)

    async def commit(self, effect: Originate) -> Failed | int | None:
        """Store the intent, as admission decides. A refusal comes back as an originate not sent, so that the
        machine knows that nobody was called; a number is when the trunk's token comes, UTC epoch milliseconds.
        """
        crash_here("before_intent")
        now_ms = self._board.clock.unix_ms()
        refusal = await commit_intent(self._board, self._order, effect.channel_id)
        if refusal is not None and refusal.again_ms is not None:
            return refusal.again_ms
        if refusal is not None:
            return Failed(effect=effect, error=NotSent(refusal.sentence))
        self._dialed_ms = now_ms
        crash_here("after_intent")
        return None

    async def ask(self, effect: RestEffect) -> Completed | Failed:
        """One request; every failure comes back as a value."""
        board = self._board
        asking = run_effect(board.ari.client, effect, board.ari.gate, self._dialed_ms)
        if not isinstance(effect, Originate):
            return await asking
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(asking)
            if armed("after_originate_sent"):
                while board.guard.waits(effect.channel_id) and not sending.done():
                    await asyncio.wait([sending], timeout=SENT_S)
                await asyncio.wait([sending], timeout=SENT_S)
                crash_here("after_originate_sent")
            answer = await sending
        crash_here("after_originate_reply")
        return answer
