"""Runs labelled talks through the analyzer as the product does: store, queue, model over HTTP, decision, rows.

Used by `opendeep sim analyze`: against SimText every expectation is about what our code makes of plausible and of
wrong models; against another server it is about how often that model agrees with the labels.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from app.bus import MemoryBus
from app.clock import ManualClock
from app.config import Settings
from app.domain.admission_site import SIMULATION_PACK, Site
from app.domain.agent import Agent
from app.domain.analysis.evidence import occurs
from app.domain.analysis.judgement import Action, Decision
from app.domain.call import Call, CallEnd, NewCall, Turn
from app.domain.policy.pack import Pack
from app.domain.policy.windows import utc_ms
from app.domain.task import CallTask, NewTask, TaskState
from app.domain.tenant import DEFAULT_TENANT_ID
from app.ids import new_id
from app.llm.analyst import Analyst
from app.llm.model import TextModel
from app.sim.text.talks import Talk
from app.store import agents, analyses, attempts, dnd, leases, tasks, transcripts
from app.store.analyses import Analysis
from app.store.db import Database
from app.store.sqlite import SqliteDatabase

DAY_MS = 86_400_000
STATES = {
    Action.SUCCESS: TaskState.COMPLETED,
    Action.RETRY: TaskState.PENDING,
    Action.FAILED: TaskState.FAILED,
    Action.ASK_USER: TaskState.WAITING_USER,
    Action.OPT_OUT: TaskState.SUPPRESSED,
}


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one talk. `proofs` is how many quotes were found in the transcript, with turn and offset."""

    talk: str
    action: str
    agrees: bool
    """The action is what a right model would have brought about."""
    proofs: int
    asked: int
    cost_micro_usd: int | None
    wrong: tuple[str, ...]
    """Every expectation that does not hold."""


class Outcome(msgspec.Struct, frozen=True):
    """The rows after an examination."""

    task: CallTask
    sibling: CallTask
    call: Call
    analysis: Analysis | None
    listed: list[dnd.DoNotCall]


async def try_talk(
    talk: Talk, folder: Path, *, model: TextModel, settings: Settings, packs: Sequence[Pack]
) -> Tried:
    """One talk in a store of its own."""
    now = datetime.fromisoformat(talk.now)
    async with SqliteDatabase(folder / f"{talk.id}.db") as db:
        made = await _ended_call(db, talk, utc_ms(now))
        clock = ManualClock(now)
        await Analyst(settings, clock, db, MemoryBus(), model=model, packs=packs).look()
        found = Outcome(
            await tasks.get(db, DEFAULT_TENANT_ID, made[0].id),
            await tasks.get(db, DEFAULT_TENANT_ID, made[1].id),
            made[2],
            await analyses.get(db, DEFAULT_TENANT_ID, made[2].id),
            await dnd.list_entries(db, DEFAULT_TENANT_ID),
        )
    decision = found.analysis.decided if found.analysis is not None else None
    if decision is None or found.analysis is None:
        why = found.analysis.last_error if found.analysis is not None else "no row"
        wrong = (f"nothing was decided: {why}",)
        return Tried(talk=talk.id, action="", agrees=False, proofs=0, asked=0, cost_micro_usd=None, wrong=wrong)
    return Tried(
        talk=talk.id,
        action=decision.action,
        agrees=decision.action == (talk.expect.truth or talk.expect.action),
        proofs=len(decision.proofs),
        asked=found.analysis.asked,
        cost_micro_usd=found.analysis.cost_micro_usd,
        wrong=tuple(_unmet(talk, decision, found)),
    )


SITE = Site(packs=(SIMULATION_PACK,), fictional=True, number_calls_per_day=1_000, calls_per_second=1_000)
"""The talks are over: nothing holds back the calls they were said on."""


async def _ended_call(db: Database, talk: Talk, now_ms: int) -> tuple[CallTask, CallTask, Call]:
    """An ended call that waits for its examination, and another task to the same number in the queue."""
    agent = Agent(id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, name="Assistant")
    await agents.create(db, agent, now_ms)

    def new(due_ms: int) -> NewTask:
        return NewTask(
            id=new_id(now_ms),
            agent_id=agent.id,
            number=talk.number,
            objective=talk.objective,
            next_action_time=due_ms,
            max_attempts=talk.max_attempts,
        )

    task = await tasks.create(db, DEFAULT_TENANT_ID, new(now_ms), now_ms)
    sibling = await tasks.create(db, DEFAULT_TENANT_ID, new(now_ms + 10 * DAY_MS), now_ms)
    async with db.tx() as tx:
        await tasks.save(tx, msgspec.structs.replace(task, current_attempt_count=talk.attempts - 1))
    (task,) = await leases.claim_due(db, now_ms, "trial", 60_000, 1)
    attempt = NewCall(id=new_id(now_ms), task_id=task.id, node="trial", number_dialed=talk.number)
    async with db.tx() as tx:
        call = await attempts.begin_call(tx, DEFAULT_TENANT_ID, attempt, task.lease_token, now_ms, site=SITE)
    assert isinstance(call, Call)
    for turn in talk.transcript():
        await transcripts.add(db, DEFAULT_TENANT_ID, call.id, turn, now_ms)
    end = CallEnd(
        call_id=call.id,
        outcome=talk.outcome,
        ended_by=talk.ended_by,
        dialed=True,
        answered_ms=now_ms,
        ended_ms=now_ms,
    )
    async with db.tx() as tx:
        task = await attempts.finish_call(tx, DEFAULT_TENANT_ID, end, now_ms, token=task.lease_token)
        await analyses.queue(tx, task, call.id, now_ms)
    return task, sibling, call


def _unmet(talk: Talk, decision: Decision, found: Outcome) -> list[str]:
    expect, turns = talk.expect, talk.transcript()
    wrong: list[str] = []

    def want(what: str, wanted: object, got: object) -> None:
        if wanted != got:
            wrong.append(f"{what}: expected {wanted!r}, got {got!r}")

    want("action", expect.action, str(decision.action))
    if expect.action in set(Action):
        want("task", STATES[Action(expect.action)], found.task.state)
    if expect.at:
        want("time", utc_ms(datetime.fromisoformat(expect.at)), found.task.next_action_time)
    want("fields", expect.fields, {one.field: one.value for one in decision.collected})
    want("asked", expect.asked, found.analysis.asked if found.analysis else 0)
    want("evidence", expect.proven, bool(decision.proofs))
    if expect.turns is not None:
        want("turns", expect.turns, tuple(proof.turn for proof in decision.proofs))
    if expect.notes not in found.task.generated_agent_prompt:
        wrong.append(f"notes {expect.notes!r} are not in the next call's instructions")
    wrong += _unproven(decision, turns)
    if expect.action == Action.OPT_OUT:
        want("sibling", TaskState.SUPPRESSED, found.sibling.state)
        want("list", [(talk.number, found.call.id)], [(one.number, one.evidence_call_id) for one in found.listed])
        said = {turn.item_id for turn in turns if turn.speaker == "callee"}
        want("list evidence", True, all(one.evidence_item_id in said for one in found.listed))
    else:
        want("sibling", TaskState.PENDING, found.sibling.state)
        want("list", 0, len(found.listed))
    return wrong


def _unproven(decision: Decision, turns: Sequence[Turn]) -> list[str]:
    """Proofs that do not stand where they say; an independent look at the transcript."""
    wrong: list[str] = []
    for proof in (*decision.proofs, *(one.proof for one in decision.collected)):
        turn = turns[proof.turn - 1]
        there = occurs(proof.quote, turn.text) and (turn.item_id, turn.start_audio_ms, turn.speaker) == (
            proof.item_id,
            proof.audio_ms,
            proof.speaker,
        )
        if not there:
            wrong.append(f"proof {proof.quote!r} is not in turn {proof.turn}")
    if decision.action in {Action.SUCCESS, Action.OPT_OUT} and not any(
        proof.speaker == "callee" for proof in decision.proofs
    ):
        wrong.append(f"{decision.action} without words of the callee")
    return wrong
