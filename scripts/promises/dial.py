"""Promise `dial`: whatever kills the control process and whenever, no task is lost and nobody is rung twice.

A real Asterisk, and SIPp's own log of INVITEs as the witness. While tasks are dialed, the control process is
killed with SIGKILL at random instants and at every named crash point of the dial protocol, and started again. In
the end every number must have been rung exactly once and every task must be settled.
"""

import asyncio
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from app.clock import SystemClock
from app.config import Settings
from app.crash_points import OF_TRANSFERS, POINTS
from app.domain.agent import Agent
from app.domain.task import SETTLED, NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.figures import Result
from app.ids import new_id
from app.sim.realtime.brain import Step
from app.store import agents, tasks
from app.store.sqlite import SqliteDatabase
from scripts.lib.nursery import Nursery, nursery
from scripts.lib.real_line import ManyPhones, answering, missing, numbers, real_asterisk
from stasis.ledger import CLOCKS_APART_MS
from tests.real.conftest import RealAsterisk
from tests.real.phones import Callee, Phones
from tests.real.rig import model, script, settings_for, worker_ends

MUTANTS = ("reset_and_retry", "missing_is_never_made")
KILLS = 200
LIFE_S = (0.05, 1.3)
"""Shortest and longest life of a control process before its random kill."""
POINT_S = 12.0
POINT_TRIES = 3
WAITING = 20
"""Tasks that are due at any time while it is being killed."""
SETTLE_S = 90.0


def run(seed: int = 20261121, mutant: str = "", kills: int = KILLS) -> Result:
    """About five minutes with 200 kills. Not run without root, Asterisk and SIPp."""
    reason = missing()
    if reason is not None:
        return Result(name="dial", seed=seed, not_run=reason)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, real_asterisk("dial") as asterisk:
        callees = tuple(
            Callee(number, ring_ms=(50, 150)[n % 2], hang_up_after_ms=(120, 300, 500)[n % 3])
            for n, number in enumerate(numbers())
        )
        with answering(ManyPhones(asterisk.trunk_port, callees, Path(name) / "phones")) as phones:
            proof = Proof(asterisk, phones, Path(name), random.Random(seed), mutant)
            asyncio.run(proof.run(kills))
    wrong, figures = proof.judge()
    figures |= {"first": "; ".join(wrong[:4])}
    return Result(
        name="dial",
        n=len(proof.dialed),
        violations=len(wrong),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures=figures,
    )


class Proof:
    """One run against one Asterisk."""

    def __init__(
        self, asterisk: RealAsterisk, phones: Phones, folder: Path, chance: random.Random, mutant: str
    ) -> None:
        self.dialed: list[str] = []
        """Numbers of all tasks."""
        self.states: Counter[str] = Counter()
        self._asterisk, self._phones, self._folder = asterisk, phones, folder
        self._chance, self._mutant = chance, mutant
        self._numbers: Iterator[str] = numbers()
        self._kills = 0
        self._points: Counter[str] = Counter()
        self._wrong: list[str] = []
        self._feeding = True
        self._dialing_s = 0.0
        self._outcomes: Counter[str] = Counter()

    async def run(self, kills: int) -> None:
        """Kill, kill, kill; then let it come to rest, and read what is stored."""
        async with model(script(Step(say="hello"))) as sim:
            settings = settings_for(
                self._asterisk,
                self._folder,
                sim.url,
                media_mode="process",
                node_name="prove",
                max_concurrent_calls=8,
                ring_timeout_s=5,
                scheduler_poll_s=0.05,
                lease_s=5,
            )
            async with SqliteDatabase(settings.database_path) as db, nursery(settings, self._mutant) as ward:
                with worker_ends(settings.runtime_dir):
                    # Of a dial in the first seconds of an Asterisk its ledger proves nothing: clocks may differ.
                    await asyncio.sleep(CLOCKS_APART_MS / 1000)
                    began = time.monotonic()
                    async with asyncio.TaskGroup() as group:
                        feeding = group.create_task(self._feed(db))
                        await self._kill(ward, kills)
                        self._feeding = False
                        await feeding
                    self._dialing_s = time.monotonic() - began
                    await self._come_to_rest(db, ward)
                await self._read(db, settings)

    async def _feed(self, db: SqliteDatabase) -> None:
        """Keep some tasks due."""
        now_ms = SystemClock().unix_ms()
        agent = Agent(id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, name="A", opening="wait_for_hello")
        await agents.create(db, agent, now_ms)
        while self._feeding:
            row = await db.one("SELECT count(*) FROM tasks WHERE state = 'pending'")
            fresh = list(islice(self._numbers, max(0, WAITING - (row[0] if row else 0))))
            now_ms = SystemClock().unix_ms()
            new = [
                NewTask(
                    id=new_id(now_ms),
                    agent_id=agent.id,
                    number=f"+{number}",
                    objective="Talk.",
                    next_action_time=now_ms,
                    max_attempts=1,
                )
                for number in fresh
            ]
            if new:
                await tasks.create_many(db, DEFAULT_TENANT_ID, new, now_ms)
            self.dialed += fresh
            await asyncio.sleep(0.1)

    async def _kill(self, ward: Nursery, kills: int) -> None:
        """Random instants, with the named points strewn in."""
        deaths = ["", *[""] * (kills - 1), *(point for point in POINTS if point not in OF_TRANSFERS)]
        self._chance.shuffle(deaths)
        for point in deaths:
            if point:
                await self._die_at(ward, point)
            else:
                await self._die_some_time(ward)

    async def _die_some_time(self, ward: Nursery) -> None:
        control = await ward.start()
        await asyncio.sleep(self._chance.uniform(*LIFE_S))
        await control.kill()
        self._kills += 1

    async def _die_at(self, ward: Nursery, point: str) -> None:
        if point == "while_reconciling":  # what has a leg is adopted before: somebody must die earlier than that
            await self._die_at(ward, "after_open")
        for _ in range(POINT_TRIES):
            times = 1 if point == "while_reconciling" else self._chance.randint(1, 3)
            control = await ward.start(f"{point}:{times}")
            if await control.gone(POINT_S):
                self._points[point] += 1
                return
            await control.kill()  # nothing came by there: again, from another beginning
            self._kills += 1
        self._wrong.append(f"crash point {point} was never reached")

    async def _come_to_rest(self, db: SqliteDatabase, ward: Nursery) -> None:
        control = await ward.start()
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while await self._unsettled(db):  # noqa: ASYNC110 - a changed row wakes nobody
                    await asyncio.sleep(0.2)
        control.signal(signal.SIGTERM)
        if not await control.gone(30.0):
            self._wrong.append("the last control process did not end")
            await control.kill()

    async def _unsettled(self, db: SqliteDatabase) -> int:
        over = ", ".join(f"'{state}'" for state in SETTLED)
        row = await db.one(f"SELECT count(*) FROM tasks WHERE state NOT IN ({over})")
        return row[0] if row else 0

    async def _read(self, db: SqliteDatabase, settings: Settings) -> None:
        del settings
        for number, state in await db.fetch("SELECT number, state FROM tasks"):
            self.states[state] += 1
            if state not in SETTLED:
                self._wrong.append(f"{number} is {state}")
        rows = await db.fetch("SELECT outcome, dialed, count(*) FROM calls GROUP BY outcome, dialed")
        for outcome, dialed, count in rows:
            self._outcomes[f"{outcome}{'' if dialed else ' (nobody rung)'}"] += count
        for path in self._asterisk.leftovers_after(10.0):
            self._wrong.append(f"left in Asterisk: {path}")

    def judge(self) -> tuple[list[str], dict[str, int | float | str | bool | None]]:
        """What is wrong, and the figures."""
        invites = self._phones.invites
        never = [number for number in self.dialed if not invites[number]]
        twice = [number for number in self.dialed if invites[number] > 1]
        wrong = self._wrong + [f"{number} was never rung" for number in never]
        wrong += [f"{number} was rung {invites[number]} times" for number in twice]
        figures: dict[str, int | float | str | bool | None] = {
            "kills_random": self._kills,
            "kills_named": sum(self._points.values()),
            "points": len(self._points),
            "points_of": len(POINTS) - len(OF_TRANSFERS),
            "tasks": len(self.dialed),
            "lost": len(never),
            "rung_twice": len(twice),
            "tasks_per_s_while_killed": round(len(self.dialed) / max(self._dialing_s, 0.1), 1),
            "calls": ", ".join(f"{count} {what}" for what, count in sorted(self._outcomes.items())),
        }
        return wrong, figures
