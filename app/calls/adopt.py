"""After a restart: which calls of the former process go on under this one, and which legs are left to be closed.

A call goes on when its row says it was dialed and its media leg still lives; its channel is then looked up, never
dialed again. Everything else of ours that Asterisk still has is removed by reconciliation, and its task is
recovered when the former claim runs out.
"""

from collections.abc import Collection

import structlog

from app.calls.board import CallOrder, Switchboard
from app.domain.call import Call, CallState, NewCall
from app.domain.task import CallTask
from app.errors import AppError
from app.store import agents, calls, leases
from media import protocol as media

log = structlog.get_logger()


async def adoptable(board: Switchboard, legs: Collection[media.LegSnapshot]) -> list[tuple[CallOrder, CallTask]]:
    """Take over the tasks of living calls of this node; closes legs that belong to no such call."""
    alive = {call.id: call for call in await calls.alive_on_node(board.db, board.settings.node_name)}
    taken: list[tuple[CallOrder, CallTask]] = []
    for leg in legs:
        call = alive.get(leg.call_id)
        found = await _adopt(board, call, leg) if call is not None and _may_live(call) else None
        if found is None:
            await board.media.send(media.CloseLeg(call_id=leg.call_id))
        else:
            taken.append(found)
    return taken


def _may_live(call: Call) -> bool:
    """Whether its channel can be one with a person on it: dialed, or answered when they called us."""
    return call.dialed or (call.direction == "inbound" and call.state is CallState.BRIDGED)


async def _adopt(board: Switchboard, call: Call, leg: media.LegSnapshot) -> tuple[CallOrder, CallTask] | None:
    lease_until = board.clock.unix_ms() + board.settings.lease_s * 1000
    try:
        async with board.db.tx() as tx:
            task = await leases.adopt(tx, call.tenant_id, call.task_id, board.settings.node_name, lease_until)
        agent = await agents.get(board.db, call.tenant_id, call.agent_id)
    except AppError as error:
        log.warning("call not adopted", call_id=call.id, reason=error.message)
        return None
    log.info("call adopted", call_id=call.id, state=str(call.state))
    new = NewCall(
        id=call.id,
        task_id=call.task_id,
        node=call.node,
        number_dialed=call.number_dialed,
        caller_channel=call.caller_channel,
    )
    order = CallOrder(
        new=new,
        tenant_id=call.tenant_id,
        lease_token=task.lease_token,
        objective=task.objective,
        callee_name=task.callee_name,
        agent=agent,
        adopted=True,
        conversing=call.state is CallState.BRIDGED,
        agent_speaking=leg.agent_speaking,
    )
    return order, task
