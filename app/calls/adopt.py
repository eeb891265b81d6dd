"""After a restart: which calls of the former process go on under this one, and which legs are left to be closed.

A call goes on when its row says it was dialed and its media leg still lives; its channel is then looked up, never
dialed again. What has no leg is the business of `app.calls.settle`, as soon as Asterisk can be asked.
"""

from collections.abc import Collection

import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.context import call_context
from app.calls.memory import earlier, remembered, said_by_callee
from app.calls.outside import offered_before
from app.domain.call import Call, CallState, NewCall
from app.domain.feedback import FeedbackState
from app.domain.settlement import Action, Shown, action, row_says
from app.domain.task import CallTask
from app.errors import AppError
from app.store import agents, callbacks, calls, collected, feedback, leases, transcripts, transfers
from media import protocol as media

log = structlog.get_logger()


async def adoptable(board: Switchboard, legs: Collection[media.LegSnapshot]) -> list[tuple[CallOrder, CallTask]]:
    """Take over the tasks of living calls of this node; closes legs that belong to no such call.

    Asterisk has not been asked yet: what it shows of the channels is the business of the calls themselves.
    """
    alive = {call.id: call for call in await calls.alive_on_node(board.db, board.settings.node_name)}
    taken: list[tuple[CallOrder, CallTask]] = []
    for leg in legs:
        call = alive.get(leg.call_id)
        goes_on = call is not None and action(row_says(call), Shown.UNCLEAR, leg_lives=True) is Action.ADOPT
        found = await _adopt(board, call, leg) if call is not None and goes_on else None
        if found is None:
            await board.media.send(media.CloseLeg(call_id=leg.call_id))
        else:
            taken.append(found)
    return taken


async def _adopt(board: Switchboard, call: Call, leg: media.LegSnapshot) -> tuple[CallOrder, CallTask] | None:
    try:
        return await adopted_order(board, call, leg)
    except AppError as error:
        log.warning("call not adopted", call_id=call.id, reason=error.message)
        return None


async def adopted_order(
    board: Switchboard, call: Call, leg: media.LegSnapshot | None
) -> tuple[CallOrder, CallTask]:
    """Take over the task of a call that lives on. Without its `leg` the talk gets another one. Raises AppError."""
    lease_until = board.clock.unix_ms() + board.settings.lease_s * 1000
    async with board.db.tx() as tx:
        task = await leases.adopt(tx, call.tenant_id, call.task_id, board.settings.node_name, lease_until)
    agent = await agents.get_version(board.db, call.tenant_id, call.agent_id, call.agent_version)
    turns = await transcripts.list_turns(board.db, call.tenant_id, call.id)
    asked = await feedback.of_call(board.db, call.tenant_id, call.id)
    inbound = bool(call.caller_channel)
    context = await call_context(board, task, agent, inbound=inbound, ask=False)
    moved = [one for one in await transfers.of_call(board.db, call.tenant_id, call.id) if one.outcome is None]
    log.info("call adopted", call_id=call.id, state=str(call.state), leg="alive" if leg else "gone")
    new = NewCall(
        id=call.id,
        task_id=call.task_id,
        node=call.node,
        number_dialed=call.number_dialed,
        caller_channel=call.caller_channel,
        agent_version=call.agent_version,
    )
    order = CallOrder(
        new=new,
        tenant_id=call.tenant_id,
        lease_token=task.lease_token,
        objective=task.generated_agent_prompt or task.objective,
        callee_name=task.callee_name,
        agent=agent,
        context=context,
        earlier=await _earlier(board, task, call),
        adopted=True,
        conversing=call.state is CallState.BRIDGED,
        agent_speaking=leg is not None and leg.agent_speaking,
        media_gone=leg is None,
        dialed_ms=call.dialing_ms,
        outside=await offered_before(board.db, call.tenant_id, call.id),
        said=said_by_callee(turns),
        collected=tuple(await collected.of_call(board.db, call.tenant_id, call.id)),
        open_question=next((one for one in asked if one.state is FeedbackState.OPEN), None),
        transfer_row=moved[-1] if moved else None,
    )
    return order, task


async def _earlier(board: Switchboard, task: CallTask, call: Call) -> str:
    """What the call was told when it began, for a session that has to be made anew."""
    if not call.caller_channel:
        return await earlier(board.db, task, but=call.id)
    return await remembered(board.db, call.tenant_id, call.task_id, await callbacks.earlier(board.db, call))
