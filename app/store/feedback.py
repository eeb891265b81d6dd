"""Rows of `feedback_requests`: questions of agents to people, and their answers."""

from collections.abc import Sequence

import msgspec

from app.domain.call import Call
from app.domain.feedback import (
    ASKED,
    TOLD,
    FeedbackRequest,
    FeedbackState,
    answered,
    asks_way,
    called_again,
    decided,
    way_question,
)
from app.domain.retry import Conclusion
from app.domain.task import CallTask, TaskEvent, TaskState, after
from app.errors import ConflictError, NotFoundError
from app.ids import new_id
from app.store import calls, campaign_figures, events, tasks
from app.store.db import Reader, Row, Tx, Writer
from app.store.inbox import OVERTAKEN, WAYS_STORED
from app.store.rows import to_params, with_columns, with_values

_INSERT = with_values("INSERT INTO feedback_requests ($columns) VALUES ($values)", FeedbackRequest)
_SELECT = with_columns("SELECT $columns FROM feedback_requests WHERE tenant_id = :tenant_id", FeedbackRequest)
_OF_CALL = f"{_SELECT} AND call_id = :call_id ORDER BY created_ms, id"
_OF_TASK = f"{_SELECT} AND task_id = :task_id ORDER BY created_ms, id"
_WAITING = f"""
    {_SELECT} AND id IN (
        SELECT f.id FROM feedback_requests f JOIN tasks t ON t.id = f.task_id WHERE f.tenant_id = :tenant_id
            AND ((f.state = 'open' AND t.state <> 'waiting_user')
                OR (f.state <> 'answered' AND t.state = 'waiting_user' AND NOT {OVERTAKEN})))
    ORDER BY deadline_ms, id LIMIT :limit
"""  # noqa: S608 - a constant
_ANSWER = """
    UPDATE feedback_requests SET state = 'answered', answer = :answer, answered_by = :answered_by,
        answered_ms = :answered_ms
    WHERE tenant_id = :tenant_id AND id = :id AND state <> 'answered'
"""
_TIME_OUT = """
    UPDATE feedback_requests SET state = 'timed_out'
    WHERE tenant_id = :tenant_id AND id = :id AND state = 'open'
"""

_WAIT_UNTIL = """
    UPDATE feedback_requests SET deadline_ms = :deadline_ms
    WHERE tenant_id = :tenant_id AND id = :id AND state = 'open'
"""
_WITHDRAW = "DELETE FROM feedback_requests WHERE tenant_id = :tenant_id AND id = :id AND state <> 'answered'"


async def ask(sql: Writer, request: FeedbackRequest) -> None:
    """Store a question."""
    suggestions = msgspec.json.encode(request.suggestions).decode()
    await sql.execute(_INSERT, to_params(request) | {"suggestions": suggestions, "state": str(request.state)})


async def ask_in_call(tx: Tx, request: FeedbackRequest, call_id: str) -> None:
    """Store a question of a call that goes on; the event says that the agent's being told will be noted too."""
    noted = {"detail": request.id}
    await events.add(tx, request.tenant_id, call_id, ASKED, noted, at_ms=request.created_ms)
    await ask(tx, request)


async def ask_way(tx: Tx, task: CallTask, call_id: str, why: str, now_ms: int) -> None:
    """Ask how a task goes on that waits for a person since this call."""
    await ask(tx, way_question(new_id(now_ms), task, call_id, why, now_ms))


_AGAIN = "close_and_call_back"
_CUT = frozenset({"callee", "network", "system_failure", "system_timeout"})
"""Ends that do not mean that the question had become pointless."""


async def get(sql: Reader, tenant_id: str, request_id: str) -> FeedbackRequest:
    """One question. Raises NotFoundError."""
    row = await sql.one(f"{_SELECT} AND id = :id", {"tenant_id": tenant_id, "id": request_id})
    if row is None:
        raise NotFoundError("There is no such question.")
    return _request(row)


async def answer(
    tx: Tx, tenant_id: str, request_id: str, text: str, *, by: str | None, now_ms: int
) -> FeedbackRequest:
    """Take the answer, the first one that comes; a task that is parked for it becomes due, or is settled by it.

    Raises NotFoundError, ConflictError, ValidationFailed.
    """
    done = answered(await get(tx, tenant_id, request_id), text, by, now_ms)
    changed = await tx.execute(
        _ANSWER,
        {
            "tenant_id": tenant_id,
            "id": request_id,
            "answer": done.answer,
            "answered_by": by,
            "answered_ms": now_ms,
        },
    )
    if not changed:  # somebody else's answer came between reading and writing
        return answered(await get(tx, tenant_id, request_id), text, by, now_ms)
    await _go_on(tx, done, now_ms)
    return done


async def _go_on(tx: Tx, request: FeedbackRequest, now_ms: int) -> None:
    """What the answer does to a task that is parked for it. Raises ConflictError when it does nothing."""
    task = await tasks.get(tx, request.tenant_id, request.task_id)
    made = await calls.of_task(tx, request.tenant_id, request.task_id)
    talked = any(one.answered_ms is not None and one.created_ms > request.created_ms for one in made)
    await _check_waits(tx, task, request, talked=talked)
    if task.state is not TaskState.WAITING_USER:
        return
    if asks_way(request):
        await tasks.save(tx, decided(task, request.answer or "", now_ms))
        await campaign_figures.concluded(tx, task.tenant_id, task.id)
        return
    if request.call_id is None:  # a check-in question between calls: the task goes on at its own time
        if talked:
            return  # it waits for what came of that
        said = f"{request.answer!r:.300} was answered to the question about the task; it goes on."
        await tasks.save(
            tx, msgspec.structs.replace(after(task, TaskEvent.RETRY, now_ms), overall_conclusion=said)
        )
        return
    follows = await unanswered(tx, task, made[-1], now_ms)
    if follows is None or follows.event is not TaskEvent.RETRY:  # it waits for a person for another reason
        return
    said = f"{request.answer!r:.300} was answered to the agent's question; they are called again."
    await tasks.save(tx, called_again(task, said, now_ms))


async def _check_waits(tx: Tx, task: CallTask, request: FeedbackRequest, *, talked: bool) -> None:
    """Raises ConflictError for an answer that would be taken and do nothing."""
    parked = task.state is TaskState.WAITING_USER
    if asks_way(request) and (talked or not parked):
        raise ConflictError("The task does not wait for this answer any more.")
    later = [
        one
        for one in await of_task(tx, task.tenant_id, task.id)
        if asks_way(one) and one.id != request.id and one.created_ms >= request.created_ms
    ]
    if parked and later:
        raise ConflictError("The task waits for another answer by now; look at the questions again.")


async def time_out(sql: Writer, tenant_id: str, request_id: str) -> bool:
    """Nobody answered in time; False when somebody has."""
    return await sql.execute(_TIME_OUT, {"tenant_id": tenant_id, "id": request_id}) == 1


async def wait_until(sql: Writer, tenant_id: str, request_id: str, deadline_ms: int) -> None:
    """A question that is still open is waited for longer."""
    await sql.execute(_WAIT_UNTIL, {"tenant_id": tenant_id, "id": request_id, "deadline_ms": deadline_ms})


async def withdraw(sql: Writer, tenant_id: str, request_id: str) -> bool:
    """Nobody needs to answer any more. False: it was answered, and stays."""
    return await sql.execute(_WITHDRAW, {"tenant_id": tenant_id, "id": request_id}) == 1


async def unanswered(tx: Tx, task: CallTask, call: Call, now_ms: int) -> Conclusion | None:
    """What follows an ended call whose question to people decides it: parked until somebody answers, or called
    again with an answer that the talk did not hear; None: no question of it does, since the talk ended for a
    reason of its own (somebody has come, done, another time, an operator's order), or since it was judged.
    """
    if call.task_before == TaskState.WAITING_USER and call.answered_ms is None:  # called back, and hung up again
        every = await of_task(tx, task.tenant_id, task.id)
        since = max((n for n, one in enumerate(every, 1) if asks_way(one)), default=0)
        asked = [one for one in every[since:] if one.rule == _AGAIN]
        return _follows(asked, asked, now_ms)
    asked = [one for one in await unsettled(tx, task.tenant_id, call.id) if one.rule == _AGAIN]
    gave_up = await events.newest(tx, task.tenant_id, call.id, "feedback_unanswered")
    if gave_up is None:
        with_somebody = await events.newest(tx, task.tenant_id, call.id, "handed_over") is not None
        if call.ended_by not in _CUT or with_somebody:
            return None
    since_ms = gave_up.at_ms if gave_up is not None else call.ended_ms or now_ms
    noted, told = await _noted(tx, task.tenant_id, call.id)
    unheard = [one for one in asked if one.id not in told and (one.id in noted or _answered_ms(one) >= since_ms)]
    return _follows(asked, unheard, now_ms)


async def unsettled(sql: Reader, tenant_id: str, call_id: str) -> list[FeedbackRequest]:
    """The questions of one call, oldest first, without those that a person took in hand together with the call."""
    joined = await events.newest(sql, tenant_id, call_id, "operator_joined")
    asked = await of_call(sql, tenant_id, call_id)
    return [one for one in asked if joined is None or one.created_ms > joined.at_ms]


async def untold(sql: Reader, tenant_id: str, call_id: str) -> FeedbackRequest | None:
    """The question whose end the agent of a living call still waits for: open, or over without its being told.

    What became of an answer in a version that did not note it is not known: it counts as told.
    """
    asked = await unsettled(sql, tenant_id, call_id)
    if not asked or asked[-1].state is FeedbackState.OPEN:
        return asked[-1] if asked else None
    newest = asked[-1]
    if newest.state is FeedbackState.ANSWERED:
        noted, told = await _noted(sql, tenant_id, call_id)
        return newest if newest.id in noted - told else None
    gave_up = await events.newest(sql, tenant_id, call_id, "feedback_unanswered")
    return newest if gave_up is None or gave_up.at_ms < newest.created_ms else None


async def _noted(sql: Reader, tenant_id: str, call_id: str) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of the questions of a call of which the telling is noted at all, and of those of which it was."""
    found = await events.of_kinds(sql, tenant_id, call_id, (ASKED, TOLD))
    asked = frozenset(str(one.data.get("detail")) for one in found if one.kind == ASKED)
    return asked, frozenset(str(one.data.get("detail")) for one in found if one.kind == TOLD)


def _answered_ms(one: FeedbackRequest) -> int:
    return one.answered_ms or 0


def _follows(
    asked: Sequence[FeedbackRequest], unheard: Sequence[FeedbackRequest], now_ms: int
) -> Conclusion | None:
    """`unheard`: of which the talk did not hear the answer, if there is one."""
    waits = next((one for one in asked if one.state is not FeedbackState.ANSWERED), None)
    if waits is not None:
        reason = f"The agent asked: {waits.question} They are called again as soon as somebody answers."
        return Conclusion(event=TaskEvent.ASK_USER, reason=reason)
    if unheard:
        reason = "The answer to the agent's question came too late for the call; they are called again with it."
        return Conclusion(event=TaskEvent.RETRY, reason=reason, retry_at_ms=now_ms, owed=True)
    return None


async def of_call(sql: Reader, tenant_id: str, call_id: str) -> list[FeedbackRequest]:
    """The questions of one call, oldest first."""
    return _requests(await sql.fetch(_OF_CALL, {"tenant_id": tenant_id, "call_id": call_id}))


async def of_task(sql: Reader, tenant_id: str, task_id: str) -> list[FeedbackRequest]:
    """The questions of all calls of a task, oldest first."""
    return _requests(await sql.fetch(_OF_TASK, {"tenant_id": tenant_id, "task_id": task_id}))


async def waiting(sql: Reader, tenant_id: str, limit: int = 200) -> list[FeedbackRequest]:
    """What waits for a person: open questions, and unanswered ones of parked tasks; the most urgent first."""
    return _requests(await sql.fetch(_WAITING, {"tenant_id": tenant_id, "ways": WAYS_STORED, "limit": limit}))


def open_until(requests: Sequence[FeedbackRequest]) -> int | None:
    """Deadline of the question that is open, UTC epoch milliseconds; None when none is."""
    return next((one.deadline_ms for one in requests if one.state is FeedbackState.OPEN), None)


def _requests(rows: Sequence[Row]) -> list[FeedbackRequest]:
    return [_request(row) for row in rows]


def _request(row: Row) -> FeedbackRequest:
    fields = dict(zip(FeedbackRequest.__struct_fields__, row, strict=True))
    return msgspec.convert(fields | {"suggestions": msgspec.json.decode(fields["suggestions"])}, FeedbackRequest)
