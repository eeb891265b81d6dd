"""After every connect to Asterisk and with every sweep: what this node left in progress and nobody runs any more.

Applies `app.domain.settlement`: rows in the store against what Asterisk lists, and against its ledger where a
channel is missing. Runs before strays are hung up, so that a call worth going on with is somebody's by then.
"""

import asyncio
from collections.abc import Callable

import structlog

from app.calls.adopt import adopted_order
from app.calls.board import CallOrder, Switchboard
from app.calls.conclude import conclude_task
from app.calls.plan import ids_of
from app.crash_points import crash_here
from app.domain.call import Call, CallEnd
from app.domain.messages import TaskChanged
from app.domain.settlement import Action, Shown, action, row_says
from app.domain.task import CallTask, TaskState
from app.errors import AppError, NotFoundError, StoreError
from app.store import attempts, calls, leases
from stasis.deadlines import RING_GRACE_S
from stasis.errors import AriError, NeverMade, NotFound, Passed
from stasis.ledger import testimony
from stasis.outcome import EndedBy, Outcome
from stasis.reconcile import Snapshot

log = structlog.get_logger()

DETAILS = {
    Action.CLOSE: "the process that ran the call died; it was hung up",
    Action.RETRY: "the originate never reached Asterisk",
    Action.ANALYZE: "the process that ran the call died, and the call with it",
}


class Settler:
    """Callable with a snapshot of Asterisk; answers how many calls could not be decided on yet.

    `adopt` takes over a call in a task of its own. Raises AriError and StoreError: then nothing may be hung up.
    """

    def __init__(self, board: Switchboard, adopt: Callable[[CallOrder, CallTask], None]) -> None:
        self._board = board
        self._adopt = adopt
        self._born_ms = board.clock.unix_ms()

    async def __call__(self, snapshot: Snapshot) -> int:
        board, waiting = self._board, 0
        for task in await leases.left_by(board.db, board.settings.node_name):
            if task.id in board.held or (task.state is TaskState.CLAIMED and task.updated_ms >= self._born_ms):
                continue  # somebody here is at it, or is just about to be
            try:
                waiting += await self._settle(task, snapshot)
            except StoreError:
                raise  # nobody knows now which calls are ours: none may be taken for a stray
            except (AriError, AppError) as error:
                log.warning("call not settled yet", task_id=task.id, error=str(error))
                waiting += 1
            except Exception:  # supervision: one row that cannot be read must not end the calls of others
                log.exception("call not settled by a fault of ours", task_id=task.id)
        await asyncio.sleep(0)  # adopted calls open their mailboxes
        return waiting

    async def _settle(self, task: CallTask, snapshot: Snapshot) -> bool:
        """True when it has to be looked at again."""
        crash_here("while_reconciling")
        try:
            call = await calls.alive_of_task(self._board.db, task.tenant_id, task.id)
        except NotFoundError:
            return await self._without_call(task)
        shown = await self._shown(call, snapshot)
        todo = action(row_says(call), shown, leg_lives=False, outlived=self._outlived(call))
        log.info("call left behind", call_id=call.id, row=str(call.state), shown=str(shown), action=str(todo))
        match todo:
            case Action.WAIT:
                return True
            case Action.ADOPT:
                order, adopted = await adopted_order(self._board, call, None)
                self._adopt(order, adopted)
            case Action.RETRY if task.state is TaskState.CLAIMED:
                await self._release(task)
            case _:
                await self._end(task, call, todo)
        return False

    async def _shown(self, call: Call, snapshot: Snapshot) -> Shown:
        channel_id = ids_of(call).callee
        if channel_id in snapshot.channels:
            return Shown.HERE
        missing = NotFound(404, "not listed", "GET", f"/channels/{channel_id}")
        said = await testimony(self._board.ari.client, channel_id, missing, call.dialing_ms)
        if isinstance(said, Passed):
            return Shown.PASSED
        return Shown.NEVER if isinstance(said, NeverMade) and self._outlived(call) else Shown.UNCLEAR

    def _outlived(self, call: Call) -> bool:
        """Whether a call that Asterisk does not list cannot turn up there any more."""
        under_way_ms = (self._board.settings.ring_timeout_s + RING_GRACE_S) * 1000
        return self._board.clock.unix_ms() >= (call.dialing_ms or 0) + under_way_ms

    async def _without_call(self, task: CallTask) -> bool:
        """Claimed, and the attempt has no row yet: due again. In a call without a row: the scheduler ends it."""
        if task.state is TaskState.CLAIMED:
            await self._release(task)
        return False

    async def _release(self, task: CallTask) -> None:
        now_ms = self._board.clock.unix_ms()
        async with self._board.db.tx() as tx:
            due_ms, token = task.next_action_time, task.lease_token
            await leases.release(tx, task.tenant_id, task.id, token, due_ms, now_ms=now_ms)
        await self._board.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))

    async def _end(self, task: CallTask, call: Call, todo: Action) -> None:
        """Close the row and conclude its task."""
        rung = todo is not Action.RETRY
        now_ms = self._board.clock.unix_ms()
        end = CallEnd(
            call_id=call.id,
            outcome=str(Outcome.LOST if rung else Outcome.FAILED),
            ended_by=str(EndedBy.SYSTEM_FAILURE),
            dialed=rung,
            ended_ms=now_ms,
            detail=DETAILS[todo],
        )
        async with self._board.db.tx() as tx:
            task = await attempts.finish_call(tx, task.tenant_id, end, now_ms)
        self._board.metrics.ended(end)
        await conclude_task(self._board, task, task.lease_token)
        await self._board.bus.publish("tasks", TaskChanged(tenant_id=task.tenant_id, task_id=task.id))
