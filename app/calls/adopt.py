"""After a restart: which calls of the former process go on under this one, and which legs are left to be closed.

A call goes on when its row says it was dialed and its media leg still lives; its channel is then looked up, never
dialed again. What has no leg is the business of `app.calls.settle`, as soon as Asterisk can be asked.
"""

import msgspec
import structlog

from app.calls.board import CallOrder, Switchboard
from app.calls.closing import CLOSING, Closed, Inherited, left_of
from app.calls.context import call_context
from app.calls.memory import earlier, remembered, said_by_callee
from app.calls.opening import SAID
from app.calls.outside import offered_before
from app.calls.recording import DECLINED, STARTED, STOPPED, recorded_before
from app.calls.second_thought import TAKEN_BACK
from app.domain.call import Call, CallState, NewCall
from app.domain.line import line_after
from app.domain.settlement import Action, Shown, action, row_says
from app.domain.task import CallTask
from app.errors import AppError, StoreError
from app.store import (
    agents,
    callbacks,
    calls,
    collected,
    commands,
    events,
    feedback,
    leases,
    transcripts,
    transfers,
)
from media import protocol as media

log = structlog.get_logger()


async def adoptable(board: Switchboard, welcome: media.Welcome) -> list[tuple[CallOrder, CallTask]]:
    """Take over the tasks of living calls of this node; closes legs of the worker that belong to no such call.

    Asterisk has not been asked yet: what it shows of the channels is the business of the calls themselves.
    """
    alive = {call.id: call for call in await calls.alive_on_node(board.db, board.settings.node_name)}
    taken: list[tuple[CallOrder, CallTask]] = []
    for leg in welcome.legs:
        call = alive.get(leg.call_id)
        goes_on = call is not None and action(row_says(call), Shown.UNCLEAR, leg_lives=True) is Action.ADOPT
        found = await _adopt(board, call, leg, welcome.last_seq) if call is not None and goes_on else None
        if found is None:
            await board.media.send(media.CloseLeg(call_id=leg.call_id))
        else:
            taken.append(found)
    return taken


async def _adopt(
    board: Switchboard, call: Call, leg: media.LegSnapshot, last_seq: int
) -> tuple[CallOrder, CallTask] | None:
    try:
        return await adopted_order(board, call, leg, last_seq)
    except StoreError:
        raise  # the talk goes on in its leg until the store can be asked
    except AppError as error:
        log.warning("call not adopted", call_id=call.id, reason=error.message)
    except Exception:  # supervision: one row that cannot be read must not end the calls of others
        log.exception("call not adopted by a fault of ours", call_id=call.id)
    return None


async def adopted_order(
    board: Switchboard, call: Call, leg: media.LegSnapshot | None, last_seq: int = 0
) -> tuple[CallOrder, CallTask]:
    """Take over the task of a call that lives on. Without its `leg` the talk gets another one; with it, reports
    up to `last_seq` were made for the former process. Raises AppError.
    """
    lease_until = board.clock.unix_ms() + board.settings.lease_s * 1000
    async with board.db.tx() as tx:
        task = await leases.adopt(tx, call.tenant_id, call.task_id, board.settings.node_name, lease_until)
    agent = await agents.get_version(board.db, call.tenant_id, call.agent_id, call.agent_version)
    turns = await transcripts.list_turns(board.db, call.tenant_id, call.id)
    inbound = bool(call.caller_channel)
    context = await call_context(board, task, agent, inbound=inbound, ask=False)
    moved = [one for one in await transfers.of_call(board.db, call.tenant_id, call.id) if one.outcome is None]
    noted = await _newest(board, call, STARTED, STOPPED, DECLINED)
    said = said_by_callee(turns)
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
        left=await _left(board, call, leg, last_seq),
        media_gone=leg is None,
        dialed_ms=call.dialing_ms,
        outside=await offered_before(board.db, call.tenant_id, call.id),
        said=said,
        collected=tuple(await collected.of_call(board.db, call.tenant_id, call.id)),
        open_question=await feedback.untold(board.db, call.tenant_id, call.id),
        transfer_row=moved[-1] if moved else None,
        disclosed=await _newest(board, call, SAID, "passed_on") == SAID,
        recorded=recorded_before(noted, said),
    )
    return order, task


async def _left(board: Switchboard, call: Call, leg: media.LegSnapshot | None, last_seq: int) -> Inherited:
    """What the former process knew of the talk, as far as its events and the leg tell."""
    closing = await events.newest(board.db, call.tenant_id, call.id, CLOSING)
    noted = None if closing is None else msgspec.json.decode(str(closing.data["detail"]), type=Closed)
    closed, taken_back = left_of(noted, undone=await _newest(board, call, CLOSING, TAKEN_BACK) == TAKEN_BACK)
    treated = await events.newest(board.db, call.tenant_id, call.id, "answer_treatment")
    awake = await _newest(board, call, "answer_treatment", "media_back") == "media_back"  # a new leg began anew
    return Inherited(
        agent_speaking=leg is not None and leg.agent_speaking,
        awaited=leg.tools_awaited if leg is not None else (),
        last_seq=last_seq,
        asleep=treated is not None and not awake and treated.data.get("action") in {"wait", "listen_only"},
        closed=closed,
        taken_back=taken_back,
        line=line_after(await commands.list_of_call(board.db, call.tenant_id, call.id)),
    )


async def _newest(board: Switchboard, call: Call, *kinds: str) -> str | None:
    """Which of these was noted last."""
    return await events.newest_kind(board.db, call.tenant_id, call.id, kinds)


async def _earlier(board: Switchboard, task: CallTask, call: Call) -> str:
    """What the call was told when it began, for a session that has to be made anew."""
    if not call.caller_channel:
        return await earlier(board.db, task, but=call.id)
    return await remembered(board.db, call.tenant_id, call.task_id, await callbacks.earlier(board.db, call))
