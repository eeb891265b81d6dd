"""Our own processes: killed, stopped, stalled, out of descriptors, without a name server. On SimAsterisk."""

import asyncio
import dataclasses
import os
import resource
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import pairwise

import msgspec

from app.domain.task import CallTask
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, StaySilent, WaitForAgent
from app.sim.realtime.brain import Step
from scripts.lib.faults.machine import stopped
from scripts.promises.faults.ground import (
    CUT_OFF,
    GOES_ON,
    LOST_RINGING,
    LOST_TALKING,
    NOT_PLACED,
    Ground,
    Row,
    Story,
)
from scripts.promises.faults.simulated import LONG, Blow, struck
from tests.flow.control import control_process
from tests.flow.processes import kill, worker_pid
from tests.flow.rig import BYE, STALL_S, Rig, until, world
from tests.flow.single import PAUSE

ON: frozenset[Story] = frozenset({GOES_ON})
TALKER, RINGER = "+15551000871", "+15551000872"
SPEAKS = (PAUSE, Say("hey"), WaitForAgent(), StaySilent(1.0), Say("more"), WaitForAgent())
CALLEES = {
    TALKER: CalleeScript((Ring(0.05), Answer(0.05), *SPEAKS)),
    RINGER: CalleeScript((Ring(0.05), Answer(6.0), *SPEAKS)),
}
STOPPED: frozenset[Story] = frozenset(
    {("completed", "completed", "system_complete"), ("pending", "canceled", "system_complete"), GOES_ON}
)
BURST_MS = 5.0

Process = asyncio.subprocess.Process
Strike = Callable[[Rig, Process], Awaitable[None]]


class Struck(msgspec.Struct, frozen=True, kw_only=True):
    """One case: a control process and a worker, one call that talks and one that rings, and a blow."""

    name: str
    strike: Strike
    talking: frozenset[Story]
    ringing: frozenset[Story]
    successor: bool = True
    """Another control process follows."""


async def strike_all(ground: Ground, *cases: Struck) -> None:
    async with asyncio.TaskGroup() as group:
        for at, case in enumerate(cases):
            group.create_task(_case(ground, case, at))


async def _case(ground: Ground, case: Struck, at: int) -> None:
    folder = ground.folder / f"{at}"
    async with (
        ground.few,
        world(folder, callees=CALLEES, media_mode="process", ring_timeout_s=15, lease_s=5) as house,
    ):
        for key in ("talk", "ring"):
            house.think(key, Step(say=LONG * 2), otherwise=BYE)
        async with control_process(house.settings) as first:
            talk = await house.add(TALKER, "talk on", opening="wait_for_hello")
            ring = await house.add(RINGER, "ring on", opening="wait_for_hello")
            await house.talking(talk)
            await _in_state(house, ring, "ringing")
            await case.strike(house, first)
            if not case.successor:
                await _judge(ground, case, house, talk, ring)
        if case.successor:
            async with control_process(house.settings):
                await _judge(ground, case, house, talk, ring)


async def _in_state(house: Rig, task: CallTask, state: str) -> None:
    async def there() -> bool:
        found = await house.calls(task)
        return bool(found) and found[-1].state == state

    await until(there)


async def _judge(ground: Ground, case: Struck, house: Rig, talk: CallTask, ring: CallTask) -> None:
    account = ground.account
    for task, allowed in ((talk, case.talking), (ring, case.ringing)):
        what = f"{case.name}, {'talking' if task is talk else 'ringing'}"
        try:
            await house.settled(task, 60.0)
        except TimeoutError:
            account.wrong.append(f"{what}: not settled after 60 s")
        calls = await house.calls(task)
        account.story(what, await house.task(task), calls, allowed)
        account.rung(what, house.invited(task.number), calls, 1)

    async def left() -> list[str]:
        return [one for one in await house.left_over() if not one.startswith("oddity")]

    await account.until_clean(case.name, left)
    if house.watch.longest_stall_s < STALL_S:  # otherwise the simulator itself took packets in bursts
        longest = int(account.figures.get("longest_burst_packets") or 0)
        account.figures["longest_burst_packets"] = max(longest, _burst(house))


def _burst(house: Rig) -> int:
    """Most packets of the agent that came within moments of each other."""
    longest = run = 1
    for before, after in pairwise(house.asterisk.callee(TALKER).arrivals):
        run = run + 1 if after.at_s - before.at_s < BURST_MS / 1000 else 1
        longest = max(longest, run)
    return longest


async def killed(ground: Ground) -> None:
    """kill -9 of the control process, of the worker, of both at once; SIGHUP, which nobody handles, is as hard."""

    async def control(house: Rig, first: Process) -> None:
        del house
        await kill(first)

    async def worker(house: Rig, first: Process) -> None:
        del first
        os.kill(worker_pid(house), signal.SIGKILL)

    async def both(house: Rig, first: Process) -> None:
        os.kill(worker_pid(house), signal.SIGKILL)
        await kill(first)

    async def hang_up(house: Rig, first: Process) -> None:
        del house
        first.send_signal(signal.SIGHUP)
        await first.wait()

    cut = frozenset({CUT_OFF, GOES_ON})  # a new leg may take over
    lost = frozenset({LOST_TALKING, ("failed", "lost", "system_failure"), *cut})
    rang = frozenset({LOST_RINGING, NOT_PLACED, ("pending", "canceled", "system_failure"), *ON})
    rang_lost = rang | {("pending", "lost", "system_failure")}
    await strike_all(
        ground,
        Struck(name="control", strike=control, talking=ON, ringing=ON | {LOST_RINGING}),
        Struck(name="SIGHUP", strike=hang_up, talking=ON, ringing=ON | {LOST_RINGING}),
        Struck(name="worker", strike=worker, talking=cut, ringing=rang, successor=False),
        Struck(name="both", strike=both, talking=lost, ringing=rang_lost),
    )


async def left_in_order(ground: Ground) -> None:
    """Told to stop: no task is left in progress, no callee on the line."""

    async def stop(house: Rig, first: Process) -> None:
        del house
        assert first.stdin is not None
        first.stdin.close()
        async with asyncio.timeout(25.0):
            await first.wait()

    await strike_all(ground, Struck(name="stopped", strike=stop, talking=STOPPED, ringing=STOPPED))


async def stalled(ground: Ground) -> None:
    """A process that does not run for a while: the control process costs nothing, the worker only its silence."""

    async def control(seconds: float, house: Rig, first: Process) -> None:
        del house
        with stopped(first.pid):
            await asyncio.sleep(seconds)

    async def worker(seconds: float, house: Rig, first: Process) -> None:
        del first
        with stopped(worker_pid(house)):
            await asyncio.sleep(seconds)

    rang = ON | {("pending", "canceled", "system_failure"), LOST_RINGING}
    cases = [
        Struck(
            name=f"{name} {seconds} s",
            strike=partial(strike, seconds),
            talking=ON,
            ringing=rang if seconds > 2 else ON,
            successor=False,
        )
        for name, strike in (("control", control), ("worker", worker))
        for seconds in (0.2, 2.0, 10.0)
    ]
    await strike_all(ground, *cases)
    longest = int(ground.account.figures.get("longest_burst_packets") or 0)
    ground.account.expect(f"{longest} packets in one burst after a stall", longest <= MAX_BURST)


MAX_BURST = 4
"""Two frames of a late tick and two of the next, when the simulator's own loop was late as well."""


async def out_of_descriptors(ground: Ground) -> None:
    """No further file can be opened: calls that live end well, new ones are refused before anybody is rung."""

    async def starve(house: Rig, first: Process) -> None:
        used = len(os.listdir(f"/proc/{first.pid}/fd"))
        soft, hard = resource.prlimit(first.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(first.pid, resource.RLIMIT_NOFILE, (used, hard))
        extra = await house.add("+15551000873", "talk late", opening="wait_for_hello")
        await asyncio.sleep(3.0)
        resource.prlimit(first.pid, resource.RLIMIT_NOFILE, (soft, hard))
        await house.settled(extra, 60.0)
        calls = await house.calls(extra)
        ground.account.story("dialed meanwhile", await house.task(extra), calls, None)
        ground.account.rung("dialed meanwhile", house.invited(extra.number), calls)

    await strike_all(ground, Struck(name="descriptors", strike=starve, talking=ON, ringing=ON, successor=False))


async def no_name_server(ground: Ground) -> None:
    """The model's name cannot be resolved: nobody is rung."""

    def nowhere(house: Rig) -> None:
        board = house.engine.board
        elsewhere = board.settings.model_copy(update={"realtime_url": "ws://speech.invalid/v1/realtime"})
        house.engine.board = house.engine.scheduler.board = dataclasses.replace(board, settings=elsewhere)

    await struck(
        ground,
        [Blow(name="no such name", allowed=frozenset({NOT_PLACED}), invites=0, prepare=nowhere)],
    )


ROWS = (
    Row(name="processes-killed", fault="kill -9, SIGHUP", during="D L", run=killed),
    Row(name="process-stopped", fault="SIGTERM", during="D L", run=left_in_order),
    Row(name="process-stalled", fault="Event-loop stall 0.2, 2, 10 s", during="D L", run=stalled),
    Row(name="descriptors", fault="fd exhaustion", during="D L", run=out_of_descriptors),
    Row(name="no-name-server", fault="DNS fails", during="D", run=no_name_server),
)
