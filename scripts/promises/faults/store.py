"""The store fails: locked, full, read-only, damaged, by chance; so do Redis and the clock. On SimAsterisk."""

import asyncio
import random
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from app.domain.task import CallTask, TaskState
from app.errors import DatabaseBusy, SchemaError, StoreError
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.store.db import Database
from app.store.sqlite import SqliteDatabase
from scripts.lib.faults.machine import filled, no_small_disk, small_disk
from scripts.lib.faults.store import FaultyDatabase, Method, StoreFault
from scripts.lib.faults.tcp import tcp_relay
from scripts.lib.redis_server import missing, redis_server
from scripts.promises.faults.ground import GOES_ON, NOT_PLACED, Ground, Row, Story
from scripts.promises.faults.simulated import NUMBER, Blow, Strike, house, left_over, struck
from tests.flow.locked import locked as held
from tests.flow.ordering import redis_house
from tests.flow.rig import BYE, Rig
from tests.flow.single import PAUSE
from tests.flow.stages import ringing, talking

CHANCES_S = 150.0
"""A claim that fails waits for its lease of 10 s, and every second one fails when `one` fails at one in ten."""
ON: frozenset[Story] = frozenset({GOES_ON})
SLOW_ANSWER = CalleeScript(
    (Ring(0.05), Answer(1.0), PAUSE, Say("hey"), WaitForAgent(), Say("more"), WaitForAgent())
)


async def locked(ground: Ground) -> None:
    """Another process holds the write lock for 5 s: no dial without a stored intent, a talk is not disturbed."""
    await struck(
        ground,
        [
            Blow(name="before dialing", allowed=ON | {NOT_PLACED}, strike=partial(_locked_for, 5.0, None)),
            Blow(name="ringing", allowed=ON, invites=1, strike=partial(_locked_for, 5.0, ringing)),
            Blow(name="talking", allowed=ON, invites=1, strike=partial(_locked_for, 5.0, talking)),
            Blow(
                name="an intent that cannot be stored",
                allowed=frozenset({NOT_PLACED}),
                invites=0,
                through=partial(_faulty, ground.seed),
                prepare=partial(_only_for_intents, StoreFault(store="calls", method="commit", times=None)),
                check=_did_strike,
            ),
        ],
    )


async def _locked_for(seconds: float, when: Strike | None, place: Rig, task: CallTask) -> None:
    if when is not None:
        await when(place, task)
    async with held(place):
        await asyncio.sleep(seconds)


def _faulty(seed: int, db: Database) -> Database:
    """Faultless until the engine runs: without a store it refuses to start, and says so."""
    return FaultyDatabase(db, seed)


def _always(fault: StoreFault, place: Rig) -> None:
    db = place.engine.db
    assert isinstance(db, FaultyDatabase)
    db.faults = (fault,)


async def _did_strike(place: Rig, _: CallTask) -> list[str]:
    db = place.engine.db
    assert isinstance(db, FaultyDatabase)
    return [] if db.struck else ["the fault never struck"]


def _only_for_intents(fault: StoreFault, place: Rig) -> None:
    """From the bridge on, until the call is being taken down, no commit that touches `calls` succeeds."""
    db = place.engine.db
    assert isinstance(db, FaultyDatabase)
    loop = asyncio.get_running_loop()

    def look() -> None:
        verbs = place.asterisk.requests
        prepared = any(path == "/channels/externalMedia" for _, path in verbs)
        over = any(verb == "DELETE" for verb, _ in verbs)
        db.faults = (fault,) if prepared and not over else ()
        if not over:
            loop.call_later(0.002, look)

    look()


async def full(ground: Ground) -> None:
    """The disk is full from the ringing on: the talk goes on and its end is stored when there is room again."""
    reason = no_small_disk()
    if reason is not None:
        ground.account.not_run = reason
        return
    account = ground.account
    for name, when in (("ringing", ringing), ("talking", talking)):
        with small_disk(ground.folder / name, 8 << 20) as folder:
            async with house(folder) as place:
                place.think("talk", otherwise=BYE)
                task = await place.add(NUMBER, "talk to them", opening="wait_for_hello")
                await when(place, task)
                with filled(place.settings.home):
                    callee = place.asterisk.callee(NUMBER)
                    await place.asterisk.wait_until(lambda: callee.over, 20.0)  # noqa: B023
                await place.settled(task, 60.0)
                calls = await place.calls(task)
                account.story(f"full while {name}", await place.task(task), calls, ON)
                account.rung(f"full while {name}", place.invited(NUMBER), calls, 1)
                await account.until_clean(f"full while {name}", partial(left_over, place))


async def damaged(ground: Ground) -> None:
    """A row nobody can read stops only its own task; a newer schema or a foreign file stops the start."""
    account = ground.account
    async with house(ground.folder / "row") as place:
        place.think("talk", otherwise=BYE)
        await place.db.execute("""UPDATE agents SET tools = '{"no": "list"}' WHERE name = 'greet_first'""")
        async with place.db.tx() as tx:
            broken = await place.add("+15551000899", "talk", into=tx)
            whole = await place.add(NUMBER, "talk", opening="wait_for_hello", into=tx)
        refused, done = await place.settled(broken), await place.settled(whole, 30.0)
        account.calls += 1
        account.expect("a damaged agent's task did not fail", refused.state is TaskState.FAILED)
        account.story("beside a damaged row", done, await place.calls(whole), ON)
        account.rung("a damaged row", place.invited("+15551000899"), [], 0)
        await account.until_clean("a damaged row", partial(left_over, place))
        path = place.settings.database_path
    with closing(sqlite3.connect(path)) as plain:
        newest = plain.execute("SELECT * FROM schema_migrations").fetchone()
        plain.execute("INSERT INTO schema_migrations VALUES (?, ?, ?, ?)", (9_999, *newest[1:]))
        plain.commit()
    account.expect("a newer schema was opened", await _refused(path, SchemaError))
    path.write_bytes(b"this is no database" * 1_000)
    account.expect("a foreign file was opened", await _refused(path, StoreError))


async def _refused(path: Path, kind: type[StoreError]) -> bool:
    try:
        async with SqliteDatabase(path):
            return False
    except kind:
        return True


async def by_chance(ground: Ground) -> None:
    """Every kind of operation fails by seed in every tenth case, before and after its effect, and late."""
    chance = random.Random(ground.seed)
    methods: tuple[Method, ...] = ("fetch", "one", "execute", "change", "commit")
    faults = [
        StoreFault(method=method, when=when, rate=0.1, error=error, delay_ms=chance.choice((0, 0, 30)))
        for method in methods
        for when in ("before", "after")
        for error in (DatabaseBusy, StoreError)
    ]
    blows = [
        Blow(
            name=f"{fault.when} {fault.method} {fault.error.__name__ if fault.error else ''}",
            allowed=ON | {NOT_PLACED, ("pending", "lost", "system_failure"), ("failed", "lost", "system_failure")},
            through=partial(_faulty, ground.seed + at),
            prepare=partial(_always, fault),
            settle_s=CHANCES_S,
        )
        for at, fault in enumerate(faults)
    ]
    await struck(ground, blows)


async def an_intent_whose_commit_is_unknown(ground: Ground) -> None:
    """Committed, and the caller is told that it failed: nobody is dialed for it, and the task is not lost."""
    fault = StoreFault(store="calls", method="commit", when="after", rate=1.0)
    allowed = frozenset({NOT_PLACED})
    blow = Blow(
        name="commit unknown",
        allowed=allowed,
        invites=0,
        through=partial(_faulty, ground.seed),
        prepare=partial(_only_for_intents, fault),
        check=_did_strike,
    )
    await struck(ground, [blow])


async def redis_fails(ground: Ground) -> None:
    """Killed, silent, slow: no call notices."""
    reason = missing()
    if reason is not None:
        ground.account.not_run = reason
        return
    account = ground.account
    numbers = {f"+1555100085{at}": SLOW_ANSWER for at in range(3)}
    async with redis_server(ground.folder) as server, tcp_relay(server.port) as between:
        url = server.url_through(between.port)
        async with redis_house(ground.folder / "house", url, callees=numbers) as (place, _):
            for number, fault in zip(numbers, ("silent", "slow", "killed"), strict=True):
                place.think(fault, otherwise=BYE)
                task = await place.add(number, f"{fault} redis", opening="wait_for_hello")
                await ringing(place, task)
                if fault == "killed":
                    await server.kill()
                else:
                    between.dead, between.bytes_per_s = fault == "silent", 200 if fault == "slow" else None
                done = await place.settled(task, 30.0)
                between.dead, between.bytes_per_s = False, None
                between.cut()
                account.story(f"redis {fault}", done, await place.calls(task), ON)
                account.rung(f"redis {fault}", place.invited(number), await place.calls(task), 1)
            await account.until_clean("redis", partial(left_over, place))


async def clock_jumps(ground: Ground) -> None:
    """The wall clock is set while it rings and while they talk: calls are timed by the monotonic one."""
    jumps_s = (-172_800, -3_600, -1, 1, 60, 3_600, 172_800)

    async def jump(seconds: int, when: Strike, place: Rig, task: CallTask) -> None:
        await when(place, task)
        place.clock.ahead_ms += seconds * 1000

    await struck(
        ground,
        [
            Blow(name=f"{seconds:+} s while {name}", allowed=ON, invites=1, strike=partial(jump, seconds, when))
            for seconds in jumps_s
            for name, when in (("ringing", ringing), ("talking", talking))
        ],
    )


ROWS = (
    Row(name="store-locked", fault="SQLite locked 5 s", during="D L", run=locked),
    Row(name="store-full", fault="SQLite full", during="D L", run=full),
    Row(name="store-damaged", fault="Corrupt row, newer schema, foreign file", during="D", run=damaged),
    Row(
        name="store-by-chance", fault="Each operation fails in 10 %, before or after", during="D L", run=by_chance
    ),
    Row(
        name="store-unknown-commit",
        fault="Commit done, answer lost",
        during="D",
        run=an_intent_whose_commit_is_unknown,
    ),
    Row(name="redis", fault="Redis killed, silent, slow", during="D L", run=redis_fails),
    Row(name="clock", fault="Clock jumps of 1 s to 2 d, both ways", during="D L", run=clock_jumps),
)
