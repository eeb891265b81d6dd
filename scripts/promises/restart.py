"""Promise `restart`: a talk outlives the control process unheard, and the media worker with a short pause.

A real Asterisk; several phones that only listen; an agent that tells a story in numbered parts. One of the two
processes is killed again and again while they talk. Measured is what arrives at the phones, by kernel time stamps:
after the death of the control process no packet may be missing, after that of the worker something is heard again
within three seconds; the call goes on to the phone's own hanging up, and no part of the story is told twice.
"""

import asyncio
import os
import random
import re
import signal
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from itertools import pairwise
from pathlib import Path

import numpy as np

from app.clock import SystemClock
from app.domain.agent import Agent
from app.domain.call import Turn
from app.domain.task import NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.figures import Figure, Result
from app.ids import new_id
from app.sim.realtime.brain import Brain, BrainEvent, SessionView, Step
from app.store import agents, calls, tasks, transcripts
from app.store.sqlite import SqliteDatabase
from scripts.lib.nursery import Control, Nursery, nursery
from scripts.lib.real_line import answering, missing, real_asterisk
from tests.real.conftest import RealAsterisk
from tests.real.phones import Callee, Phones
from tests.real.rig import model, number, settings_for, worker_ends, worker_pid
from tests.real.rtp_phone import RtpPhone, ulaw_decode

MUTANTS = ("forgets_the_talk",)
KILLS = 50
"""Of each of the two processes."""
CALLS = 5
KILLS_PER_CALL = 4
"""A call whose workers die more often is given up on purpose."""
CONTROL_PAUSE_S = (1.0, 1.8)
WORKER_PAUSE_S = (3.6, 4.4)
WORKER_LIMIT_S = 3.0
GAP_MS = 60.0
"""A pause between packets that a jitter buffer cannot hide."""
LOUD_RMS = 300.0
PART = re.compile(r"part (\d+)")
STORY = " and then they went on along the river and over the hill until the evening came"


class Teller(Brain):
    """Says the next part of the story, by what the conversation shows was told."""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        del event
        told = [int(n) for line in view.transcript for n in PART.findall(line.text)]
        return Step(say=f"part {max(told, default=0) + 1}{STORY}")


def run(seed: int = 20261121, mutant: str = "", kills: int = KILLS) -> Result:
    """About five minutes with 50 kills each. Not run without root, Asterisk and SIPp."""
    reason = missing()
    if reason is not None:
        return Result(name="restart", seed=seed, not_run=reason)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name, real_asterisk("restart") as asterisk:
        proof = Proof(asterisk, Path(name), random.Random(seed), mutant)
        asyncio.run(proof.run(kills))
    figures = proof.figures() | {"first": "; ".join(proof.wrong[:4])}
    return Result(
        name="restart",
        n=len(proof.control_gaps_ms) + len(proof.worker_silences_s),
        violations=len(proof.wrong),
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        figures=figures,
    )


class Proof:
    """Batches of calls; in each one process is killed some times."""

    def __init__(self, asterisk: RealAsterisk, folder: Path, chance: random.Random, mutant: str) -> None:
        self.wrong: list[str] = []
        self.control_gaps_ms: list[float] = []
        """Longest pause between packets after each kill of the control process, worst phone."""
        self.worker_silences_s: list[float] = []
        """Until something was heard again after each kill of the worker, worst phone."""
        self.continued = self.calls = 0
        self._asterisk, self._folder, self._chance, self._mutant = asterisk, folder, chance, mutant
        self._batch = 0

    async def run(self, kills: int) -> None:
        async with model(Teller) as sim:
            settings = settings_for(
                self._asterisk,
                self._folder,
                sim.url,
                media_mode="process",
                node_name="prove",
                ring_timeout_s=5,
                no_input_s=2,
                no_input_prompts=10,
                scheduler_poll_s=0.05,
                lease_s=10,
            )
            async with SqliteDatabase(settings.database_path) as db, nursery(settings, self._mutant) as ward:
                with worker_ends(settings.runtime_dir):
                    control = await ward.start()
                    control = await self._control_dies(db, ward, control, kills)
                    await self._workers_die(db, settings.runtime_dir, kills)
                    control.signal(signal.SIGTERM)
                    if not await control.gone(20.0):
                        self.wrong.append("the last control process did not end")
                        await control.kill()
        for path in self._asterisk.leftovers_after(10.0):
            self.wrong.append(f"left in Asterisk: {path}")

    async def _control_dies(self, db: SqliteDatabase, ward: Nursery, control: Control, kills: int) -> Control:
        per_batch = 25
        for first in range(0, kills, per_batch):
            pauses = [self._chance.uniform(*CONTROL_PAUSE_S) for _ in range(min(per_batch, kills - first))]
            talk = Talk(self, db, sum(pauses) + 3.0)
            with talk.phones() as phones:
                await talk.begin(phones)
                for pause_s in pauses:
                    killed_at = time.monotonic()
                    await control.kill()
                    control = await ward.start()
                    await asyncio.sleep(pause_s)
                    self.control_gaps_ms.append(talk.longest_gap_ms(phones, killed_at))
                await talk.end(phones)
        return control

    async def _workers_die(self, db: SqliteDatabase, runtime_dir: Path, kills: int) -> None:
        for first in range(0, kills, KILLS_PER_CALL):
            pauses = [self._chance.uniform(*WORKER_PAUSE_S) for _ in range(min(KILLS_PER_CALL, kills - first))]
            talk = Talk(self, db, sum(pauses) + 3.0)
            with talk.phones() as phones:
                await talk.begin(phones)
                for pause_s in pauses:
                    pid = worker_pid(runtime_dir)
                    if pid is None:
                        self.wrong.append("no media worker to kill")
                        break
                    killed_at = time.monotonic()
                    os.kill(pid, signal.SIGKILL)
                    await asyncio.sleep(pause_s)
                    self.worker_silences_s.append(talk.longest_silence_s(phones, killed_at))
                await talk.end(phones)

    def batch(self) -> int:
        """A number for each batch."""
        self._batch += 1
        return self._batch

    @property
    def place(self) -> tuple[int, Path]:
        """Where phones listen and may write."""
        return self._asterisk.trunk_port, self._folder

    def figures(self) -> dict[str, Figure]:
        """What was measured."""
        late = [gap for gap in self.control_gaps_ms if gap > GAP_MS]
        self.wrong += [f"{gap:.0f} ms without a packet after the death of control" for gap in late]
        silent = [s for s in self.worker_silences_s if s > WORKER_LIMIT_S]
        self.wrong += [f"{s:.1f} s of silence after the death of the worker" for s in silent]
        gaps = self.control_gaps_ms or [0.0]
        silences = self.worker_silences_s or [0.0]
        return {
            "control_kills": len(self.control_gaps_ms),
            "control_gap_ms_max": round(max(gaps), 1),
            "control_unplanned_silence_s": round(sum(late) / 1000, 3),
            "worker_kills": len(self.worker_silences_s),
            "worker_silence_s_p50": round(float(np.median(silences)), 2),
            "worker_silence_s_max": round(max(silences), 2),
            "calls": self.calls,
            "calls_continued": self.continued,
        }


class Talk:
    """A few calls at once that last `lasts_s` from the answer, unless somebody of ours ends them."""

    def __init__(self, proof: Proof, db: SqliteDatabase, lasts_s: float) -> None:
        self._proof, self._db = proof, db
        self._numbers = [number(n) for n in range(CALLS)]
        self._lasts_s = lasts_s
        self._tasks: list[str] = []

    def phones(self) -> AbstractContextManager[Phones]:
        port, folder = self._proof.place
        lasts_ms = round(self._lasts_s * 1000)
        callees = tuple(Callee(one, ring_ms=100, hang_up_after_ms=lasts_ms) for one in self._numbers)
        return answering(Phones(port, callees, folder / f"phones{self._proof.batch()}"))

    async def begin(self, phones: Phones) -> None:
        """Dial, and wait until everybody hears the agent."""
        now_ms = SystemClock().unix_ms()
        agent = Agent(id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, name=f"A{now_ms}", opening="greet_first")
        await agents.create(self._db, agent, now_ms)
        new = [
            NewTask(
                id=new_id(now_ms),
                agent_id=agent.id,
                number=f"+{one}",
                objective="Tell.",
                next_action_time=now_ms,
                max_attempts=1,
            )
            for one in self._numbers
        ]
        await tasks.create_many(self._db, DEFAULT_TENANT_ID, new, now_ms)
        self._tasks = [one.id for one in new]
        for one in self._numbers:
            await phones[one].hears(75, timeout_s=20)

    async def end(self, phones: Phones) -> None:
        """Wait for the phones to hang up, and judge what is stored."""
        for one in self._numbers:
            with suppress(TimeoutError):
                await phones.until("BYE-OUT", one, timeout_s=15)
        for one, task_id in zip(self._numbers, self._tasks, strict=True):
            self._proof.calls += 1
            if phones.seen("BYE-OUT", one) and not phones.seen("BYE-IN", one):
                self._proof.continued += 1
            else:
                self._proof.wrong.append(f"{one} was hung up on")
            if phones.invites[one] != 1:
                self._proof.wrong.append(f"{one} was rung {phones.invites[one]} times")
            self._judge(one, await self._turns(task_id))

    def longest_gap_ms(self, phones: Phones, since: float) -> float:
        """Between two packets, worst phone; what is missing until now counts."""
        return max(_gap_ms(phones[one], since) for one in self._numbers)

    def longest_silence_s(self, phones: Phones, since: float) -> float:
        """Until the first frame after that time in which something is heard, worst phone."""
        return max(_silence_s(phones[one], since) for one in self._numbers)

    async def _turns(self, task_id: str) -> list[Turn]:
        """Once the call is stored as ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(15.0):
                while True:
                    call = (await calls.of_task(self._db, DEFAULT_TENANT_ID, task_id))[-1]
                    if call.state == "ended":
                        return await transcripts.list_turns(self._db, DEFAULT_TENANT_ID, call.id)
                    await asyncio.sleep(0.1)
        self._proof.wrong.append("a call never ended in the store")
        return []

    def _judge(self, who: str, turns: list[Turn]) -> None:
        """Parts told twice. One that was cut off before its number was said has not been told."""
        parts = [int(found[1]) for turn in turns if (found := PART.match(_heard(turn))) is not None]
        told_again = [after for before, after in pairwise(parts) if after <= before]
        if told_again:
            self._proof.wrong.append(f"{who} was told part {told_again[0]} again: {parts}")


def _heard(turn: Turn) -> str:
    """The whole words of a turn that were said at the phone."""
    if not turn.interrupted or turn.heard_ms >= turn.generated_ms:
        return turn.text
    said = len(turn.text) * turn.heard_ms // max(1, turn.generated_ms)
    return turn.text[: said + 1].rpartition(" ")[0]


def _gap_ms(phone: RtpPhone, since: float) -> float:
    now = time.monotonic()
    with phone.bank.changed:
        arrivals = [one.arrival for one in phone.packets if one.arrival >= since - 0.1]
    return max((after - before) * 1000 for before, after in pairwise([since - 0.02, *arrivals, now]))


def _silence_s(phone: RtpPhone, since: float) -> float:
    """The bank's thread stamps packets in its own time; the last one before the kill is no answer to it."""
    now = time.monotonic()
    with phone.bank.changed:
        packets = [one for one in phone.audio() if one.arrival > since + 0.1]
    for one in packets:
        if np.sqrt(np.mean(ulaw_decode(one.payload).astype(np.float64) ** 2)) > LOUD_RMS:
            return one.arrival - since
    return now - since
