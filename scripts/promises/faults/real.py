"""Rows on the real Asterisk: the engine in this process, SIPp and RTP phones, the INVITE log as witness."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np

from app.domain.tenant import DEFAULT_TENANT_ID
from app.sim import tonevoice
from app.sim.realtime.brain import Brain, BrainEvent, Cause, SessionView, Step
from app.sim.realtime.server import SimRealtime
from app.store import calls
from scripts.lib.faults.machine import sockets_of
from scripts.lib.faults.tcp import TcpRelay
from scripts.lib.faults.udp import UdpRelay
from scripts.promises.faults.ground import Ground, Story
from scripts.promises.faults.simulated import legs
from tests.real.phones import Callee, Phones
from tests.real.rig import END_CALL, Office, model, office, settings_for

SENTENCE = "this is what the agent has to say and it takes a good while to say all of it "
REPLY = "yes"
REPEATS = 6


class Talker:
    """Says something long, and goodbye once the callee has said anything."""

    def __init__(self, sentence: str = SENTENCE) -> None:
        self._sentence = sentence

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        del view
        if event.cause is Cause.TURN:
            return Step(say="goodbye", call=END_CALL)
        return Step(say=self._sentence)


@dataclass
class Desk:
    """What a row looks at."""

    ground: Ground
    phones: Phones
    sim: SimRealtime
    here: Office
    sockets: int
    """UDP sockets Asterisk had before the first call."""
    heard_before_break: int = 0
    numbers: dict[str, str] = field(default_factory=dict[str, str])

    async def dial(self, number: str) -> str:
        """One task, due now."""
        [task] = await self.here.dial(number)
        self.numbers[task] = number
        return task

    def replies(self, number: str) -> None:
        """The callee says something, over and over: the agent's next turn is its last."""
        phone = self.phones[number]
        if phone.remote is not None:
            quiet = np.zeros(phone.rate_hz, np.int16)
            once = np.concatenate([quiet[: phone.rate_hz // 2], tonevoice.speak(REPLY, phone.rate_hz), quiet])
            phone.speak(np.tile(once, REPEATS))

    async def judge(
        self,
        what: str,
        task_id: str,
        allowed: frozenset[Story] | None,
        invites: int | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Wait for the end of one call, and enter it in the account."""
        account, number = self.ground.account, self.numbers[task_id]
        try:
            ended = await self.here.ended(task_id, timeout_s)
        except TimeoutError:
            call = await self.here.call(task_id)
            account.calls += 1
            account.wrong.append(f"{what}: not settled after {timeout_s:.0f} s, call {call and call.state}")
            return
        made = await calls.of_task(self.here.db, DEFAULT_TENANT_ID, task_id)
        account.story(what, ended.task, made, allowed)
        account.rung(what, self.phones.invites[number], made, invites)

    async def clean(self, what: str = "afterwards") -> None:
        """Nothing may be left of the calls: in Asterisk, in the worker, here, on the disk."""
        await self.ground.account.until_clean(what, self._left)

    async def _left(self) -> list[str]:
        place, engine = self.ground.asterisk, self.here.engine
        found = await asyncio.to_thread(place.leftovers)
        more = len(await asyncio.to_thread(sockets_of, self.ground.asterisk_pid)) - self.sockets
        found += [f"{more} more UDP sockets of Asterisk than before"] if more > 0 else []
        found += [f"leg {one}" for one in legs(engine)]
        found += [f"call {one} of this process" for one in engine.board.calls]
        found += [f"task {one} held" for one in engine.scheduler.running]
        found += [f"session {one.id}" for one in self.sim.sessions if not one.closed.is_set()]
        return found


@asynccontextmanager
async def desk(
    ground: Ground,
    *callees: Callee,
    through: TcpRelay | None = None,
    relays: dict[str, UdpRelay] | None = None,
    brain: type[Brain] = Talker,
    **changes: object,
) -> AsyncGenerator[Desk]:
    """A running engine on the row's Asterisk, with phones; `through` stands between it and ARI."""
    phones = Phones(ground.asterisk.trunk_port, callees, ground.folder / "phones", relays=relays or {})
    await asyncio.to_thread(phones.start)
    values: dict[str, object] = {"ring_timeout_s": 30, "lease_s": 10, **changes}
    if through is not None:
        values["ari_url"] = f"http://127.0.0.1:{through.port}/ari"
    try:
        async with (
            model(brain) as sim,
            office(settings_for(ground.asterisk, ground.folder / "data", sim.url, **values)) as here,
        ):
            before = len(await asyncio.to_thread(sockets_of, ground.asterisk_pid))
            yield Desk(ground, phones, sim, here, before)
    finally:
        phones.close()
