"""A store with an agent in it, and short ways to make tasks and calls, for the store and web tests."""

from app.domain.admission_site import SIMULATION_PACK, Site
from app.domain.agent import Agent
from app.domain.call import Call, CallEnd, NewCall
from app.domain.feedback import FeedbackRequest, FeedbackState
from app.domain.task import CallTask, NewTask
from app.ids import new_id
from app.store import agents, attempts, feedback, leases, tasks
from app.store.db import Database, Writer

TENANT = "default"
NUMBER = "+12025550123"
AGENT = Agent(id="0" * 31 + "a", tenant_id=TENANT, name="Ann", prompt="You are Ann.")
NOW = 1_800_000_000_000
LEASE_MS = 30_000
SITE = Site(
    packs=(SIMULATION_PACK,),
    fictional=True,
    max_concurrent_calls=100,
    number_calls_per_day=100,
    calls_per_second=1_000,
)
"""A site whose calling rules forbid nothing."""


async def add_agent(db: Database) -> None:
    await agents.create(db, AGENT, NOW)


def new_task(number: str = NUMBER, **changes: object) -> NewTask:
    fields = {"id": new_id(NOW), "agent_id": AGENT.id, "objective": "Ask for a table.", "next_action_time": NOW}
    return NewTask(**{**fields, "number": number, **changes})


async def claimed_task(db: Database, number: str = NUMBER, **changes: object) -> CallTask:
    task = await tasks.create(db, TENANT, new_task(number, **changes), NOW)
    (claim,) = await leases.claim_due(db, NOW, "me", LEASE_MS, 1)
    assert claim.id == task.id
    return claim


def new_call(task: CallTask, **changes: object) -> NewCall:
    return NewCall(
        **{"id": new_id(NOW), "task_id": task.id, "node": "main", "number_dialed": task.number, **changes}
    )


async def begun_call(db: Database, task: CallTask, now_ms: int = NOW) -> Call:
    async with db.tx() as tx:
        await tx.execute("DELETE FROM trunk_buckets")  # tests begin many calls in the same millisecond
        call = await attempts.begin_call(tx, TENANT, new_call(task), task.lease_token, now_ms, site=SITE)
    assert isinstance(call, Call), call
    return call


def ended(call: Call, outcome: str = "busy", *, dialed: bool = True, **changes: object) -> CallEnd:
    return CallEnd(call_id=call.id, outcome=outcome, ended_by="callee", dialed=dialed, **changes)


async def ask_people(db: Writer, call: Call, question: str = "Tuesday?", *suggestions: str) -> FeedbackRequest:
    """An open question of a call, half a minute long."""
    request = FeedbackRequest(
        id=new_id(NOW),
        tenant_id=call.tenant_id,
        task_id=call.task_id,
        call_id=call.id,
        question=question,
        suggestions=suggestions,
        state=FeedbackState.OPEN,
        answer=None,
        answered_by=None,
        created_ms=NOW,
        deadline_ms=NOW + 30_000,
        answered_ms=None,
    )
    await feedback.ask(db, request)
    return request
