"""Campaigns made by chance with a seed, through the functions of the store; the same facts in plain lists."""

from dataclasses import dataclass, field
from random import Random

from app.domain.call import Turn
from app.domain.retry import Conclusion
from app.domain.task import SETTLED, CallTask, TaskEvent, TaskState
from app.ids import new_id
from app.store import attempts, calls, campaigns, leases, tasks, transcripts
from app.store.campaigns import NewCampaign
from app.store.db import Database
from tests.unit.app.store_world import LEASE_MS, NOW, TENANT, begun_call, ended, new_task

OUTCOMES = ("completed", "completed", "completed", "busy", "no_answer", "rejected", "unreachable")
VERDICTS = ("human", "human", "human", "machine", "uncertain", "")
ENDS = (TaskEvent.COMPLETE, TaskEvent.COMPLETE, TaskEvent.FAIL, TaskEvent.RETRY, TaskEvent.ASK_USER)
MACHINES = {"machine"}


@dataclass
class MadeCall:
    """A call as the generator decided it."""

    id: str
    task_id: str
    outcome: str
    answered: bool
    answered_by: str
    callee_words: tuple[str, ...]
    hour: int


@dataclass
class MadeCampaign:
    """What was made."""

    id: str
    task_ids: list[str]
    calls: list[MadeCall] = field(default_factory=list[MadeCall])
    ends: dict[str, TaskState] = field(default_factory=dict[str, TaskState])


async def make_campaign(
    db: Database, random: Random, size: int, name: str = "Check-ups", *, settle: bool = False, tenant: str = TENANT
) -> MadeCampaign:
    """A campaign of `size` tasks with their calls. `settle`: afterwards nothing is left open."""
    batch = [
        new_task(
            f"+1202555{random.randrange(10_000):04d}", id=new_id(NOW + n), max_attempts=3, callee_name=f"P{n}"
        )
        for n in range(size)
    ]
    made = MadeCampaign(new_id(NOW), [one.id for one in batch])
    async with db.tx() as tx:
        await campaigns.create(tx, tenant, NewCampaign(id=made.id, name=name), batch, NOW)
    now_ms = NOW
    for _ in range(random.randrange(size // 2, size * 2)):
        now_ms += random.randrange(60_000, 1_200_000)
        claimed = await leases.claim_due(db, now_ms, "me", LEASE_MS, 1)
        if not claimed:
            break
        await one_call(db, random, made, claimed[0], now_ms, last=settle)
    if settle:
        await settle_rest(db, made, now_ms)
    return made


async def one_call(
    db: Database, random: Random, made: MadeCampaign, task: CallTask, now_ms: int, *, last: bool = False
) -> MadeCall:
    """A claimed task is called, and its attempt concluded."""
    call = await begun_call(db, task, now_ms)
    outcome = random.choice(OUTCOMES)
    answered = outcome == "completed"
    verdict = random.choice(VERDICTS) if answered else ""
    words = (
        tuple(f"words {n} of {random.randrange(10**6)}" for n in range(random.randrange(3))) if answered else ()
    )
    if answered:
        await calls.set_state(db, TENANT, call.id, "bridged", now_ms + 5_000)
        await calls.set_answered_by(db, TENANT, call.id, verdict)
        await say(db, call.id, "agent", "Hello, this is an automated assistant.", 0)
    late = len(words) > 1 and random.random() < 0.5
    for n, text in enumerate(words[: 0 if late else None]):
        await say(db, call.id, "callee", text, 1 + n)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call, outcome, ended_ms=now_ms + 60_000), now_ms + 60_000)
    if late:  # a busy store takes the last words after the end
        for n, text in enumerate(words):
            await say(db, call.id, "callee", text, 1 + n)
    one = MadeCall(call.id, task.id, outcome, answered, verdict, words, call.created_ms // 3_600_000)
    made.calls.append(one)
    event = random.choice(ENDS)
    if event is TaskEvent.RETRY and (task.current_attempt_count + 1 >= task.max_attempts):
        event = TaskEvent.FAIL
    if last and event is TaskEvent.ASK_USER:
        event = TaskEvent.FAIL
    await conclude(db, task.id, event, now_ms + 61_000)
    return one


async def say(db: Database, call_id: str, speaker: str, text: str, n: int) -> None:
    turn = Turn(
        speaker=speaker, item_id=f"i{n}", text=text, start_audio_ms=n * 2_000, end_audio_ms=n * 2_000 + 1_500
    )
    assert await transcripts.add(db, TENANT, call_id, turn, NOW)


async def conclude(db: Database, task_id: str, event: TaskEvent, now_ms: int) -> None:
    (claim,) = await leases.claim_analysis(db, now_ms, "me", LEASE_MS, 1)
    assert claim.id == task_id
    async with db.tx() as tx:
        conclusion = Conclusion(event=event, reason=f"It was decided: {event}.", retry_at_ms=now_ms)
        await tasks.conclude(tx, TENANT, task_id, claim.lease_token, conclusion, now_ms=now_ms)


async def settle_rest(db: Database, made: MadeCampaign, now_ms: int) -> None:
    """Cancel what is open, so that the campaign is done."""
    await db.execute(
        "UPDATE tasks SET state = 'pending', lease_owner = NULL, lease_until = NULL WHERE state = 'claimed'"
    )
    for task_id in made.task_ids:
        async with db.tx() as tx:
            if (await tasks.get(tx, TENANT, task_id)).state not in SETTLED:
                await tasks.cancel(tx, TENANT, task_id, "not needed any more", now_ms)
