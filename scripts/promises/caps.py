"""Promise `caps`: caps, pace and budgets hold whoever races: eight processes on one database, with random delays.

Each process claims, waits a little, commits an intent, "talks" and finishes, as engines do. What they did is read
from the lines they wrote themselves, under the lock of their transaction: how many calls were alive at once (of
the trunk, each tenant, campaign and number), to one number in a day, in any second, what was set aside and spent.
The rooms that claiming keeps free for caps are taken away here, so that the commit alone has to hold them.
"""

import asyncio
import contextlib
import multiprocessing
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from app.domain.admission_facts import Cap, Caps
from app.domain.admission_site import SIMULATION_PACK, Site
from app.domain.agent import Agent
from app.domain.call import Call, CallEnd, NewCall
from app.domain.lanes import Head
from app.domain.retry import Conclusion
from app.domain.task import CallTask, NewTask, TaskEvent
from app.errors import AppError
from app.figures import Result
from app.ids import new_id
from app.store import (
    admission,
    agents,
    attempts,
    budgets,
    campaigns,
    lanes,
    leases,
    tasks,
    tenants,
    trunks,
    usage,
)
from app.store.campaigns import NewCampaign
from app.store.db import DIALING
from app.store.lanes import Room
from app.store.sqlite import SqliteDatabase
from app.store.tenants import TenantTerms
from app.store.usage import Usage
from scripts.promises.changed import changed

WORKERS = 8
SECONDS = 30.0
MUTANT_SECONDS = 10.0
LEASE_MS = 600_000
TENANTS = {"default": 5, "second": 4}
CAMPAIGNS = {"a": ("default", 2), "b": ("default", 3), "c": ("second", 3)}
BUDGETS = {"b": 500_000, "c": 600_000}
RESERVE = 100_000
SITE = Site(
    packs=(SIMULATION_PACK,),
    fictional=True,
    max_concurrent_calls=7,
    number_calls_per_day=2,
    calls_per_second=10,
    reserve_micro_usd=RESERVE,
)
NUMBERS = 400
FEW_NUMBERS = {"no_number_day": 15, "busy_phone": 40}
"""Called so often that the caps of a number matter soon; too few calls to use up a budget."""
TASKS = 4_000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What a process did, in the order of its commits; `turn` is the order over all of them."""

    turn: int
    at_ms: int
    begins: bool
    tenant: str
    campaign: str
    number: str
    cost: int = 0


def run(seed: int, mutant: str = "", seconds: float = SECONDS) -> Result:
    """All of it, then a short round with each mutant."""
    began = time.monotonic()
    lines = raced(seed, mutant, seconds, WORKERS)
    found, figures = over(lines)
    missed = [name for name in MUTANTS if not mutant and not over(_raced_mutant(seed, name))[0]]
    return Result(
        name="caps",
        n=sum(line.begins for line in lines),
        violations=len(found) + len(missed),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures={
            **figures,
            "workers": WORKERS,
            "mutants": len(MUTANTS),
            "mutants_missed": ", ".join(missed) or None,
            "first": found[0] if found else None,
        },
    )


def _raced_mutant(seed: int, name: str) -> list[Line]:
    return raced(seed, name, MUTANT_SECONDS, 4, FEW_NUMBERS.get(name, NUMBERS))


def over(lines: Sequence[Line]) -> tuple[list[str], dict[str, int]]:
    """Every time that a limit was exceeded, and the most that was seen of each."""
    alive: Counter[str] = Counter()
    most: Counter[str] = Counter()
    found: list[str] = []
    limits = {"trunk": SITE.max_concurrent_calls, **TENANTS, **{name: cap for name, (_, cap) in CAMPAIGNS.items()}}
    numbers: Counter[str] = Counter()
    begun: list[int] = []
    money: dict[str, int] = defaultdict(int)
    for line in sorted(lines, key=lambda one: one.turn):
        keys = [key for key in ("trunk", line.tenant, line.campaign, line.number) if key]
        if not line.begins:
            alive.subtract(keys)
            money[line.campaign] += line.cost - RESERVE
            continue
        alive.update(keys)
        money[line.campaign] += RESERVE
        numbers[line.number] += 1
        begun.append(line.at_ms)
        found += [f"{key}: {alive[key]} calls" for key in keys if alive[key] > limits.get(key, 1)]
        day = numbers[line.number]
        found += [f"{line.number}: {day} calls"] * (day > SITE.number_calls_per_day)
        for name, limit in BUDGETS.items():
            found += [f"budget {name}: {money[name]}"] * (line.campaign == name and money[name] > limit)
        for key in keys:
            most[key] = max(most[key], alive[key])
    begun.sort()
    rate = int(SITE.calls_per_second)
    found += [
        f"{rate + 1} calls within a second" for a, b in zip(begun, begun[rate:], strict=False) if b - a < 1_000
    ]
    figures = {f"most_{key}": most[key] for key in limits}
    figures["most_to_a_number"] = max(numbers.values(), default=0)
    figures["most_in_a_second"] = max((sum(at <= one < at + 1_000 for one in begun) for at in begun), default=0)
    return found, figures


def raced(seed: int, mutant: str, seconds: float, workers: int, numbers: int = NUMBERS) -> list[Line]:
    """Run processes on a database of their own; answers what they wrote down."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_lay_out(folder, seed, numbers))
        spawn = multiprocessing.get_context("spawn")
        until = time.time() + seconds + 3.0  # they need a moment to start
        running = [spawn.Process(target=_process, args=(folder, seed + n, mutant, until)) for n in range(workers)]
        for one in running:
            one.start()
        for one in running:
            one.join()
        if any(one.exitcode for one in running):
            raise RuntimeError("a worker of the promise caps broke off")
        return list(_read(folder))


def _read(folder: Path) -> Iterable[Line]:
    for file in folder.glob("*.jsonl"):
        for text in file.read_bytes().splitlines():
            yield msgspec.json.decode(text, type=Line)


async def _lay_out(folder: Path, seed: int, numbers: int) -> None:
    chance, now_ms = random.Random(seed), _now_ms()
    async with SqliteDatabase(folder / "caps.db") as db:
        await db.execute("CREATE TABLE caps_turns AS SELECT 0 AS turns")
        await db.execute("INSERT INTO tenants (id, name, created_ms) VALUES ('second', 'Second', 0)")
        for tenant, cap in TENANTS.items():
            await tenants.set_terms(db, tenant, TenantTerms(max_concurrent_calls=cap))
            await agents.create(db, Agent(id=f"agent-{tenant}", tenant_id=tenant, name="Ann"), now_ms)
        batches: dict[str, list[NewTask]] = {name: [] for name in (*CAMPAIGNS, "")}
        for n in range(TASKS):
            campaign = chance.choice(list(batches))
            tenant = CAMPAIGNS[campaign][0] if campaign else "default"
            number = f"+1202555{chance.randrange(numbers):04}"
            new = NewTask(
                id=new_id(n), agent_id=f"agent-{tenant}", number=number, objective="Talk.", next_action_time=0
            )
            batches[campaign].append(new)
        own = batches.pop("")
        await tasks.create_many(db, "default", own, now_ms)
        theirs = [replace(one, id=new_id(TASKS + n), agent_id="agent-second") for n, one in enumerate(own)]
        await tasks.create_many(db, "second", theirs, now_ms)
        for name, batch in batches.items():
            tenant, cap = CAMPAIGNS[name]
            new = NewCampaign(id=name, name=name, max_concurrent_calls=cap, budget_micro_usd=BUDGETS.get(name))
            async with db.tx() as tx:
                await campaigns.create(tx, tenant, new, batch, now_ms)


def _process(folder: Path, seed: int, mutant: str, until: float) -> None:
    with MUTANTS[mutant]() if mutant else contextlib.nullcontext():
        asyncio.run(_worker(folder, seed, until))


async def _worker(folder: Path, seed: int, until: float) -> None:
    chance = random.Random(seed)
    with (folder / f"{seed}.jsonl").open("wb", buffering=0) as file, changed(lanes, "heads", _no_room_kept):
        async with SqliteDatabase(folder / "caps.db", busy_timeout_ms=30_000) as db, asyncio.TaskGroup() as group:
            while time.time() < until:
                for task in await leases.claim_due(db, _now_ms(), str(seed), LEASE_MS, chance.randint(1, 3)):
                    group.create_task(_call(db, task, chance, file.write))
                await asyncio.sleep(chance.uniform(0.01, 0.1))


async def _call(db: SqliteDatabase, task: CallTask, chance: random.Random, write: Callable[[bytes], Any]) -> None:
    await asyncio.sleep(chance.uniform(0, 0.05))
    new = NewCall(id=new_id(_now_ms()), task_id=task.id, node="n", number_dialed=task.number)
    async with db.tx() as tx:
        await tx.exclusive(DIALING)
        now_ms = _now_ms()
        call = await attempts.begin_call(tx, task.tenant_id, new, task.lease_token, now_ms, site=SITE)
        turn = await _turn(tx)
    if not isinstance(call, Call):
        if call.again_ms is not None:  # nothing was settled: as an engine that gives up waiting
            with contextlib.suppress(AppError):
                async with db.tx() as tx:
                    at_ms = _now_ms()
                    await leases.release(tx, task.tenant_id, task.id, task.lease_token, at_ms + 50, now_ms=at_ms)
        return
    line = Line(
        turn=turn,
        at_ms=now_ms,
        begins=True,
        tenant=task.tenant_id,
        campaign=task.campaign_id or "",
        number=task.number,
    )
    write(msgspec.json.encode(line) + b"\n")
    await asyncio.sleep(chance.uniform(0.3, 1.0))
    cost = chance.randint(0, RESERVE)
    async with db.tx() as tx:
        used = Usage(kind="response", ref="r", model="m", cost_micro_usd=cost)
        await usage.add(tx, task.tenant_id, call.id, used, _now_ms())
        end = CallEnd(call_id=call.id, outcome="completed", ended_by="callee", dialed=True)
        await attempts.finish_call(tx, task.tenant_id, end, _now_ms(), token=task.lease_token)
        done = Conclusion(event=TaskEvent.COMPLETE, reason="done")
        await tasks.conclude(tx, task.tenant_id, task.id, task.lease_token, done, now_ms=_now_ms())
        turn = await _turn(tx)
    write(msgspec.json.encode(replace(line, turn=turn, begins=False, cost=cost)) + b"\n")


async def _turn(tx: Any) -> int:
    """Where this transaction stands among all commits: SQLite has one writer."""
    rows = await tx.change("UPDATE caps_turns SET turns = turns + 1 RETURNING turns")
    return rows[0][0]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _no_room_kept(*arguments: Any) -> tuple[list[Head], Room]:
    return (await _heads(*arguments))[0], Room(lanes={}, tenants={}, alive=0)


# --- deliberately wrong products --------------------------------------------------------------------------------
_caps, _heads, _reserve = admission._caps, lanes.heads, budgets.reserve


def _blinded(spoilt: Callable[[Caps], Caps]) -> Callable[[], AbstractContextManager[None]]:
    async def caps_of(*arguments: Any, **named: Any) -> tuple[Caps, int]:
        caps, preparing = await _caps(*arguments, **named)
        return spoilt(caps), preparing

    return lambda: changed(admission, "_caps", caps_of)


def _free(cap: Cap | None) -> Any:
    return cap and replace(cap, used=0)


async def _keeps_the_token(*_: object) -> None:
    return None


async def _reserves_nothing(tx: Any, accounts: Any, call_id: str, _: int) -> None:
    await _reserve(tx, accounts, call_id, 0)


MUTANTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "trunk_cap_only": _blinded(lambda one: replace(one, tenant=_free(one.tenant), campaign=_free(one.campaign))),
    "no_number_day": _blinded(lambda caps: replace(caps, number_day=_free(caps.number_day))),
    "busy_phone": _blinded(lambda caps: replace(caps, number_alive=0)),
    "token_kept": lambda: changed(trunks, "put", _keeps_the_token),
    "nothing_set_aside": lambda: changed(budgets, "reserve", _reserves_nothing),
}
