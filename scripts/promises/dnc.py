"""Promise `dnc`: once an opt-out is committed, nobody is dialed at that number any more.

Many numbers, each with a few tasks that are tried again and again; four workers race for them on one database,
each with its own connections. At a random moment of a number's life somebody opts out, in any spelling, for the
tenant or for everybody, and afterwards a new task for the number turns up. Every transaction that commits an
intent or an opt-out draws a ticket of the promise's own, so that their order of commit is known: a dial after
the opt-out is a violation.
"""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

from app.domain.admission_site import SIMULATION_PACK, Site
from app.domain.agent import Agent
from app.domain.call import Call, CallEnd, NewCall
from app.domain.retry import Conclusion
from app.domain.task import CallTask, NewTask, TaskEvent
from app.errors import AppError
from app.figures import Result
from app.ids import new_id
from app.store import agents, attempts, dnd, leases, tasks
from app.store.db import Tx
from app.store.dnd import DoNotCall, Listed
from app.store.sqlite import SqliteDatabase
from scripts.promises.changed import changed

TENANT = "default"
AGENT = Agent(id="0" * 32, tenant_id=TENANT, name="Ann")
SEQUENCES = 10_000
BATCH = 250
WORKERS = 4
TRIES = 3
LEASE_MS = 3_600_000
MEMORY = Path("/dev/shm")
PREFIXES = ("+1202555", "+1212555", "+1312555", "+4420794", "+4930123", "+3906123", "+3314020")
SITE = Site(
    packs=(SIMULATION_PACK,),
    fictional=True,
    max_concurrent_calls=10_000,
    number_calls_per_day=100,
    calls_per_second=200,
)


class Ledger:
    """What was committed, in order. `now_ms` moves with every look, so that the trunk always has a token."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000
        self.dials: list[tuple[int, str]] = []
        self.opted_out: dict[str, int] = {}
        self.seen: dict[str, int] = {}

    def tick(self) -> int:
        self.now_ms += 10
        return self.now_ms

    def violations(self) -> list[str]:
        """Dials after the opt-out of their number."""
        return [
            number for ticket, number in self.dials if number in self.opted_out and ticket > self.opted_out[number]
        ]


def run(seed: int, mutant: str = "", sequences: int = SEQUENCES) -> Result:
    """All of it; some minutes. Each mutant is checked with a small round."""
    began = time.monotonic()
    ledger = asyncio.run(_whole(seed, mutant, sequences))
    wrong = ledger.violations()
    missed = (
        [] if mutant else [name for name in MUTANTS if not asyncio.run(_whole(seed, name, BATCH)).violations()]
    )
    after = sum(number in ledger.opted_out for _, number in ledger.dials)
    return Result(
        name="dnc",
        n=sequences,
        violations=len(wrong) + len(missed),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures={
            "workers": WORKERS,
            "dials": len(ledger.dials),
            "opt_outs": len(ledger.opted_out),
            "dials_before_their_opt_out": after - len(wrong),
            "mutants": len(MUTANTS),
            "mutants_missed": ", ".join(missed) or None,
            "first_violation": wrong[0] if wrong else None,
        },
    )


async def _whole(seed: int, mutant: str, sequences: int) -> Ledger:
    ledger, chance = Ledger(), random.Random(seed)
    with (
        MUTANTS[mutant]() if mutant else contextlib.nullcontext(),
        tempfile.TemporaryDirectory(dir=MEMORY) as name,
    ):
        async with AsyncExitStack() as stack:
            file = Path(name) / "dnc.db"
            every = [
                await stack.enter_async_context(SqliteDatabase(file, busy_timeout_ms=30_000))
                for _ in range(WORKERS + 1)
            ]
            await agents.create(every[0], AGENT, ledger.now_ms)
            await every[0].execute("CREATE TABLE tickets (n INTEGER NOT NULL)")
            await every[0].execute("INSERT INTO tickets VALUES (0)")
            for first in range(0, sequences, BATCH):
                numbers = [_number(n) for n in range(first, min(first + BATCH, sequences))]
                await _batch(every, ledger, numbers, chance)
    return ledger


def _number(n: int) -> str:
    return f"{PREFIXES[n % len(PREFIXES)]}{n // len(PREFIXES):04}"


async def _batch(
    every: Sequence[SqliteDatabase], ledger: Ledger, numbers: Sequence[str], chance: random.Random
) -> None:
    new = [_task(number, ledger) for number in numbers for _ in range(chance.randint(1, 2))]
    await tasks.create_many(every[0], TENANT, new, ledger.now_ms)
    moments = {number: chance.randint(0, 2 * TRIES) for number in numbers}
    seeds = [chance.random() for _ in range(WORKERS)]
    async with asyncio.TaskGroup() as group:
        leaving = group.create_task(_opt_outs(every[-1], ledger, moments, chance))
        for db, own in zip(every, seeds, strict=False):
            group.create_task(_worker(db, ledger, leaving, random.Random(own)))


def _task(number: str, ledger: Ledger) -> NewTask:
    at_ms = ledger.tick()
    return NewTask(
        id=new_id(at_ms),
        agent_id=AGENT.id,
        number=number,
        objective="Talk.",
        next_action_time=0,
        max_attempts=TRIES,
    )


async def _ticket(tx: Tx) -> int:
    (row,) = await tx.change("UPDATE tickets SET n = n + 1 RETURNING n")
    return row[0]


async def _worker(db: SqliteDatabase, ledger: Ledger, leaving: asyncio.Task[None], chance: random.Random) -> None:
    """Claims, dials, fails, tries again, until nothing is due and everybody who wanted has opted out."""
    while True:
        over = leaving.done()
        claimed = await leases.claim_due(db, ledger.tick(), str(id(db)), LEASE_MS, chance.randint(1, 6))
        if not claimed and over:
            return
        for task in claimed:
            with contextlib.suppress(AppError):  # taken off the queue by an opt-out meanwhile
                await _attempt(db, ledger, task, chance)
        await asyncio.sleep(0)


async def _attempt(db: SqliteDatabase, ledger: Ledger, task: CallTask, chance: random.Random) -> None:
    ledger.seen[task.number] = ledger.seen.get(task.number, 0) + 1
    new = NewCall(id=new_id(ledger.now_ms), task_id=task.id, node="n", number_dialed=task.number)
    if chance.random() < 0.5:
        await asyncio.sleep(chance.random() / 500)
    async with db.tx() as tx:
        ticket = await _ticket(tx)
        call = await attempts.begin_call(tx, TENANT, new, task.lease_token, ledger.tick(), site=SITE)
    if not isinstance(call, Call):
        return
    ledger.dials.append((ticket, task.number))
    ledger.seen[task.number] += 1
    again = Conclusion(event=TaskEvent.RETRY, reason="busy", retry_at_ms=1)
    if task.current_attempt_count + 1 >= TRIES:
        again = Conclusion(event=TaskEvent.FAIL, reason="busy")
    async with db.tx() as tx:
        end = CallEnd(call_id=call.id, outcome="busy", ended_by="callee", dialed=True)
        await attempts.finish_call(tx, TENANT, end, ledger.tick(), token=task.lease_token)
        await tasks.conclude(tx, TENANT, task.id, task.lease_token, again, now_ms=ledger.now_ms)


async def _opt_outs(db: SqliteDatabase, ledger: Ledger, moments: dict[str, int], chance: random.Random) -> None:
    """Each number opts out once so much has happened to it, or at the end; then somebody adds a task all the
    same.
    """
    idle = 0
    while moments:
        due = [number for number, moment in moments.items() if ledger.seen.get(number, 0) >= moment]
        idle = 0 if due else idle + 1
        for number in due or (list(moments) if idle > 200 else []):
            del moments[number]
            await _opt_out(db, ledger, number, chance)
            await tasks.create(db, TENANT, _task(number, ledger), ledger.now_ms)
        await asyncio.sleep(0.0005)


async def _opt_out(db: SqliteDatabase, ledger: Ledger, number: str, chance: random.Random) -> None:
    entry = DoNotCall(
        id=new_id(ledger.tick()),
        tenant_id=chance.choice((TENANT, None)),
        number=spelt(number, chance),
        reason="asked",
        source="callee",
    )
    async with db.tx() as tx:
        ticket = await _ticket(tx)
        await dnd.add(tx, entry, ledger.now_ms)
    ledger.opted_out[number] = ticket


def spelt(number: str, chance: random.Random) -> str:
    """The same number as people write it."""
    country = 2 if number.startswith("+1") else 3
    code, rest = number[:country], number[country:]
    groups = [rest[at : at + 3] for at in range(0, len(rest), 3)]
    return chance.choice(
        (
            number,
            f"{code} {' '.join(groups)}",
            f"{code}-{'-'.join(groups)}",
            f"{code} ({groups[0]}) {'.'.join(groups[1:])}",
            f"  {number} ",
        )
    )


# --- deliberately wrong products --------------------------------------------------------------------------------
_find = dnd.find


async def _nobody_listed(*_: object) -> None:
    return None


async def _own_list_only(*arguments: Any) -> Listed | None:
    found = await _find(*arguments)
    return found if found is not None and found.tenant_id is not None else None


def _as_typed(text: str) -> str:
    return text.strip()


MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "list_not_asked": lambda: changed(dnd, "find", _nobody_listed),
    "own_list_only": lambda: changed(dnd, "find", _own_list_only),
    "as_typed": lambda: changed(dnd, "canonical", _as_typed),
}
