"""Promise `confirm`: a confirmed plan becomes exactly one campaign with exactly its calls, whatever happens.

Confirmations run in processes of their own on one database. They are killed with SIGKILL at every named point of a
confirmation and at random instants, clicked twice and more at the same time, and replayed. The witness is what is
stored in the end: campaigns, tasks, agents, the audit log, and every answer that was given.
"""

import asyncio
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from app.clock import SystemClock
from app.crash_points import CONFIRM_POINTS
from app.domain.plan import AgentBrief, Origin, Plan, PlannedCall
from app.domain.plan_forecast import Terms, forecast
from app.figures import Figure, Result
from app.ids import new_id
from app.llm.orchestrator import FUNCTION
from app.sim.text import Route, SimText
from app.sim.text.orchestrator import BatchMind
from app.store import audit, campaigns, conversations, tasks
from app.store.conversations import Conversation, StoredPlan
from app.store.sqlite import SqliteDatabase
from scripts.lib import confirming
from scripts.lib.confirming import WHO, Click

MUTANTS = tuple(confirming.MUTANTS)
KILLS = 200
CALLS = 3
LIFE_S = (0.0, 0.25)
"""Shortest and longest life of a process before its random kill."""
TERMS = Terms(slots=5, calls_per_second=1, max_attempts=3, talk_micro_usd_per_min=1, most_micro_usd_per_call=1)


def run(seed: int = 20261121, mutant: str = "", kills: int = KILLS) -> Result:
    """About two minutes with 200 random kills."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="od-") as folder:
        proof = Proof(Path(folder), random.Random(seed), mutant)
        asyncio.run(proof.run(kills))
    figures: dict[str, Figure] = {**dict(sorted(proof.counts.items())), "points": len(proof.points)}
    figures["first"] = "; ".join(proof.wrong[:3])
    return Result(
        name="confirm",
        n=proof.plans,
        violations=len(proof.wrong),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures=figures,
    )


def fork_server() -> ForkServerContext:
    """The process that all others come from; it lives as long as this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripts.lib.confirming"])
    forkserver.ensure_running()
    return context


class Proof:
    """One run on one database; every plan is killed in its own way."""

    def __init__(self, folder: Path, chance: random.Random, mutant: str) -> None:
        self.plans = 0
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        self.points: set[str] = set()
        """At which somebody died."""
        self._folder, self._chance, self._mutant = folder, chance, mutant
        self._context = fork_server()
        self._answers = 0
        self._seen: set[str] = set()
        self._url = ""

    async def run(self, kills: int) -> None:
        """Every named point, random instants, and clicks at the same time."""
        deaths = [*CONFIRM_POINTS, *CONFIRM_POINTS, *[""] * kills]
        self._chance.shuffle(deaths)
        async with SimText(routes=[Route(tool=FUNCTION, mind=BatchMind())]) as sim:
            self._url = sim.base_url
            async with SqliteDatabase(self._folder / "proof.db") as db:
                for n, point in enumerate(deaths):
                    await self._one(db, point, n)
        if not self._mutant:
            self.wrong += [f"nobody died at {point}" for point in CONFIRM_POINTS if point not in self.points]

    async def _one(self, db: SqliteDatabase, point: str, n: int) -> None:
        """A plan; its first confirmation dies, alone or beside another; then two more come at once."""
        stored = await self._plan(db, n)
        asked: list[Click] = [self._click(stored, point)]
        if point in self.points or (not point and self._chance.random() < 0.5):
            asked.append(self._click(stored))
            self.counts["beside_others"] += 1
        running = [self._start(one) for one in asked]
        if point:
            await _ended(running[0])
            died = running[0].exitcode == -9
            self.counts["killed_at_points" if died else "another_was_first"] += 1
            self.points |= {point} if died else set()
        else:
            await asyncio.sleep(self._chance.uniform(*LIFE_S))
            running[0].kill()
            self.counts["killed_at_random"] += 1
        again = [self._click(stored), self._click(stored)]
        running += [self._start(one) for one in again]
        for process in running:
            await _ended(process)
        failed = [process.exitcode for process in running[1:] if process.exitcode]
        if failed:
            self.wrong.append(f"plan {n} ({point or 'random'}): a confirm ended with {failed}")
        await self._judge(db, stored, [*asked, *again], f"plan {n} ({point or 'random'})")

    async def _judge(self, db: SqliteDatabase, stored: StoredPlan, asked: list[Click], what: str) -> None:
        self.plans += 1
        every = await campaigns.list_campaigns(db, WHO.tenant_id, limit=100_000)
        mine = [one for one in every if one.id not in self._seen]  # plans come one after the other
        made = [task for one in mine for task in await tasks.list_tasks(db, WHO.tenant_id, campaign_id=one.id)]
        self._seen |= {one.id for one in mine}
        said = _answers(asked)
        after = await conversations.get_plan(db, WHO.tenant_id, stored.id)
        rows = await audit.newest(db, WHO.tenant_id, limit=10_000)
        deeds = [row for row in rows if row.object == f"plan:{stored.id}"]
        found = {
            "campaigns": (len(mine), 1),
            "tasks": (sorted(task.number for task in made), sorted(call.number for call in stored.plan.calls)),
            "answers": (said, {after.campaign_id}),
            "plan": (after.state, "confirmed"),
        }
        if not self._mutant:
            found["audit"] = (len(deeds), 1)
            found["agents"] = (len({task.agent_id for task in made}), 1)
        self.wrong += [
            f"{what}: {name} {got!r}, not {want!r}" for name, (got, want) in found.items() if got != want
        ]

    async def _plan(self, db: SqliteDatabase, n: int) -> StoredPlan:
        now_ms = SystemClock().unix_ms()
        chat = Conversation(
            id=new_id(now_ms),
            tenant_id=WHO.tenant_id,
            owner=WHO.actor,
            display_name="",
            answering_until_ms=None,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        calls = tuple(
            PlannedCall(
                callee_name="",
                number=f"+1555{n % 1_000:03}{k:04}",
                objective="Talk.",
                first_ms=now_ms,
                until_ms=None,
                zone="",
                callee_kind="person",
                origin=Origin(kind="user", ref="your message 1"),
            )
            for k in range(CALLS)
        )
        brief = AgentBrief(
            language="en", purpose="Talk.", opening_line="An automated assistant.", stop_when=("done",)
        )
        plan = Plan(title=f"Plan {n}", purpose="service", agent=brief, facts=(), fields=(), calls=calls)
        stored = StoredPlan(
            id=new_id(now_ms),
            tenant_id=WHO.tenant_id,
            conversation_id=chat.id,
            turn_seq=1,
            state="open",
            plan=plan,
            forecast=forecast(plan, TERMS),
            campaign_id=None,
            confirmed_by="",
            created_ms=now_ms,
            confirmed_ms=None,
        )
        async with db.tx() as tx:
            await conversations.create(tx, chat)
            await conversations.add_plan(tx, stored)
        return stored

    def _click(self, stored: StoredPlan, point: str = "") -> Click:
        self._answers += 1
        return Click(
            folder=str(self._folder),
            text_base_url=self._url,
            conversation_id=stored.conversation_id,
            plan_id=stored.id,
            answer=str(self._folder / f"answer{self._answers}"),
            point=point,
            mutant=self._mutant,
        )

    def _start(self, asked: Click) -> ForkServerProcess:
        process = self._context.Process(target=confirming.click, args=(asked,), daemon=True)
        process.start()
        return process


async def _ended(process: ForkServerProcess) -> None:
    await asyncio.to_thread(process.join, 60)
    if process.is_alive():
        process.kill()
        await asyncio.to_thread(process.join)


def _answers(asked: list[Click]) -> set[str]:
    return {Path(one.answer).read_text() for one in asked if Path(one.answer).exists()}
