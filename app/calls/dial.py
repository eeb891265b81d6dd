"""The dial protocol of one call: the intent is committed, then one originate is sent, and never a second one.

The only road from a call to a ringing phone. This process may die at any point of it: the call machine and
`app.calls.settle` find out by Asterisk's ledger whether anybody was rung.
"""

import asyncio

from app.calls.board import CallOrder, Switchboard
from app.crash_points import armed, crash_here
from app.errors import StoreError
from app.store import attempts
from app.store.attempts import DialRefusal
from stasis.call_model import CallState, Completed, Failed, RestEffect
from stasis.errors import NotSent
from stasis.requests import Originate
from stasis.runner import run_effect

SENT_S = 0.005
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
    """What one call asks of ARI; `commit` before the originate."""

    def __init__(self, board: Switchboard, order: CallOrder) -> None:
        self._board = board
        self._order = order
        self._dialed_ms = order.dialed_ms

    async def commit(self, effect: Originate) -> Failed | None:
        """Store the intent (fence, do-not-call list, deadline). A refusal comes back as an originate not sent, so
        that the machine knows that nobody was called.
        """
        crash_here("before_intent")
        order, now_ms = self._order, self._board.clock.unix_ms()
        try:
            async with self._board.db.tx() as tx:
                committed = await attempts.begin_call(tx, order.tenant_id, order.new, order.lease_token, now_ms)
        except StoreError as error:
            sentence = f"The intent could not be stored: {error.message}"
            committed = DialRefusal(code="store", sentence=sentence)
        if isinstance(committed, DialRefusal):
            return Failed(effect=effect, error=NotSent(committed.sentence))
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
                await asyncio.wait([sending], timeout=SENT_S)
                crash_here("after_originate_sent")
            answer = await sending
        crash_here("after_originate_reply")
        return answer
