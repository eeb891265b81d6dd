"""Asterisk itself: killed, restarted, reloaded, frozen, out of sessions; an answer while we are dead."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from app.bus import MemoryBus
from app.clock import SystemClock
from app.domain.call import Call
from app.domain.tenant import DEFAULT_TENANT_ID
from app.engine import Engine
from app.store import tasks
from app.store.sqlite import SqliteDatabase
from scripts.lib.faults.machine import stopped
from scripts.promises.faults.ground import (
    GOES_ON,
    IN_PROGRESS,
    LOST_RINGING,
    LOST_TALKING,
    NOT_PLACED,
    Ground,
    Row,
    Story,
)
from scripts.promises.faults.real import Desk, Talker, desk
from tests.flow.control import control_process
from tests.flow.processes import kill
from tests.real.conftest import RealAsterisk
from tests.real.phones import Callee, Phones
from tests.real.rig import Office, model, number, settings_for

ON: frozenset[Story] = frozenset({GOES_ON})
FOUND_ANSWERED: Story = ("pending", "canceled", "system_failure")
HUNG_UP_TALKING: Story = ("failed", "completed", "network")
HUNG_UP_RINGING: Story = ("pending", "canceled", "network")
"""A restart in order hangs up every channel first."""
SESSIONS = 200
"""`sessionlimit` of asterisk/http.conf."""


async def killed(ground: Ground) -> None:
    """kill -9, and started again: who talked is to be read, who rang is tried later, the next is called."""
    mortal = ground.mortal
    assert mortal is not None
    await _gone(ground, mortal.kill, mortal.start)


async def restarted(ground: Ground) -> None:
    """`core restart now`, as an upgrade does."""
    await _gone(ground, lambda: ground.asterisk.cli("core restart now"), lambda: None)


async def _gone(ground: Ground, ends: Callable[[], object], begins: Callable[[], object]) -> None:
    talks, rings, later = number(0), number(1), number(2)
    async with desk(ground, Callee(talks), Callee(rings, ring_ms=60_000), Callee(later)) as at:
        talk, ring = await at.dial(talks), await at.dial(rings)
        await at.here.reaches(ring, "ringing")
        await at.phones[talks].hears(50)
        began = time.monotonic()
        await asyncio.to_thread(ends)
        await at.here.banner("ari", "lost")
        ground.account.figures["noticed_s"] = round(time.monotonic() - began, 2)
        ground.account.expect("the banner came later than 3 s", time.monotonic() - began <= 3)
        await asyncio.to_thread(begins)
        await at.here.banner("ari", "connected", times=2, timeout_s=30.0)
        await at.judge("talking", talk, frozenset({LOST_TALKING, HUNG_UP_TALKING}), 1)
        await at.judge("ringing", ring, frozenset({LOST_RINGING, HUNG_UP_RINGING}), 1)
        await _next(at, later)
        await at.clean()


async def _next(at: Desk, later: str) -> None:
    """A call afterwards, as ever."""
    task = await at.dial(later)
    await at.here.reaches(task, "bridged", timeout_s=20.0)
    at.replies(later)
    await at.judge("afterwards", task, ON, 1)


async def reloaded(ground: Ground) -> None:
    """Reloading modules and configuration touches no call."""
    talks, rings = number(0), number(1)
    async with desk(ground, Callee(talks), Callee(rings, ring_ms=4_000)) as at:
        talk, ring = await at.dial(talks), await at.dial(rings)
        await at.here.reaches(ring, "ringing")
        await at.here.reaches(talk, "bridged")
        for command in (
            "core reload",
            "module reload res_pjsip.so",
            "dialplan reload",
            "module reload res_ari.so",
        ):
            await asyncio.to_thread(ground.asterisk.cli, command)
        at.replies(talks)
        await at.judge("talking", talk, ON, 1)
        await at.here.reaches(ring, "bridged")
        at.replies(rings)
        await at.judge("ringing", ring, ON, 1)
        await at.clean()


async def frozen(ground: Ground) -> None:
    """SIGSTOP for 12 s with its TCP open: noticed by the missing pong, nothing is dialed meanwhile or twice."""
    talks, rings, waits = number(0), number(1), number(2)
    async with desk(ground, Callee(talks), Callee(rings, ring_ms=20_000), Callee(waits)) as at:
        talk, ring = await at.dial(talks), await at.dial(rings)
        await at.here.reaches(ring, "ringing")
        await at.here.reaches(talk, "bridged")
        with stopped(ground.asterisk_pid):
            began = time.monotonic()
            caught = await at.dial(waits)  # its verbs run into the freeze
            await at.here.banner("ari", "lost", timeout_s=15.0)
            ground.account.figures["noticed_s"] = round(time.monotonic() - began, 2)
            ground.account.expect("a freeze was noticed later than 10 s", time.monotonic() - began <= 10)
            await asyncio.sleep(max(0.0, 12 - (time.monotonic() - began)))
        await at.here.banner("ari", "connected", times=2, timeout_s=30.0)
        at.replies(talks)
        await at.judge("talking", talk, ON, 1)
        await at.here.reaches(ring, "bridged", "ended", timeout_s=30.0)
        at.replies(rings)
        await at.judge("ringing", ring, ON | {LOST_RINGING, FOUND_ANSWERED}, 1)
        await at.judge("dialed into the freeze", caught, ON | {NOT_PLACED, LOST_RINGING, FOUND_ANSWERED})
        await at.clean()


async def sessions_used_up(ground: Ground) -> None:
    """All HTTP sessions of Asterisk are taken by others: calls that live still end, the next one is placed once,
    through a session we still hold or when there is room again.
    """
    talks, later = number(0), number(1)
    async with desk(ground, Callee(talks), Callee(later)) as at:
        talk = await at.dial(talks)
        await at.here.reaches(talk, "bridged")
        with ExitStack() as stack:
            await asyncio.to_thread(_take_all, stack, ground.asterisk)
            full = not await asyncio.to_thread(_lets_in, ground.asterisk)
            ground.account.expect("Asterisk still lets others in: nothing was tried", full)
            held = await at.dial(later)
            at.replies(talks)
            await at.judge("talking", talk, ON, 1)
            await asyncio.sleep(2.0)
            ground.account.figures["placed_meanwhile"] = at.phones.invites[later]
        await at.here.reaches(held, "bridged", "ended", timeout_s=30.0)
        at.replies(later)
        await at.judge("dialed into it", held, ON | {NOT_PLACED, LOST_RINGING})
        await at.clean()


def _take_all(stack: ExitStack, asterisk: RealAsterisk) -> None:
    """As many sessions as there may be. Its queue of newcomers is short: who finds it full asks again in 1 s."""
    for _ in range(SESSIONS):
        stack.enter_context(socket.create_connection(("127.0.0.1", asterisk.http_port), timeout=5.0))


def _lets_in(asterisk: RealAsterisk) -> bool:
    """Whether a client that comes now is answered."""
    try:
        asterisk.ask("asterisk/ping")
    except OSError:
        return False
    return True


async def dead_when_answered(ground: Ground) -> None:
    """kill -9 of the control process while it rings; the phone is answered before the next one comes."""
    callee = number(0)
    phones = Phones(ground.asterisk.trunk_port, (Callee(callee, ring_ms=1_500),), ground.folder / "phones")
    await asyncio.to_thread(phones.start)
    try:
        async with model(Talker) as sim:
            settings = settings_for(
                ground.asterisk, ground.folder / "data", sim.url, media_mode="process", lease_s=5
            )
            settings.recordings_dir.mkdir(parents=True)
            async with SqliteDatabase(settings.database_path) as db:
                bus, clock = MemoryBus(), SystemClock()
                here = Office(settings, db, bus, Engine(settings, db, bus, clock))
                [task] = await here.dial(callee)
                async with control_process(settings) as first:
                    await phones.until("RINGING", callee, timeout_s=20)
                    await kill(first)
                answered = (await phones.until("ANSWER", callee)).time
                ground.account.figures["line_closed_s"] = round(
                    (await phones.until("BYE-IN", callee, timeout_s=30)).time - answered, 2
                )
                async with control_process(settings):
                    await _concluded(ground, here, task)
                    ground.account.rung("answered", phones.invites[callee], [await _call(here, task)], 1)
                    await ground.account.until_clean(
                        "answered", lambda: asyncio.to_thread(ground.asterisk.leftovers)
                    )
    finally:
        phones.close()


async def _call(here: Office, task_id: str) -> Call:
    call = await here.call(task_id)
    assert call is not None
    return call


async def _concluded(ground: Ground, here: Office, task_id: str) -> None:
    deadline = time.monotonic() + 40
    while True:
        task = await tasks.get(here.db, DEFAULT_TENANT_ID, task_id)
        call = await here.call(task_id)
        over = call is not None and call.ended_ms and task.state not in IN_PROGRESS
        if over or time.monotonic() >= deadline:
            break
        await asyncio.sleep(0.1)
    ground.account.story("answered", task, [await _call(here, task_id)], frozenset({LOST_RINGING, LOST_TALKING}))


ROWS = (
    Row(name="asterisk-killed", fault="Asterisk killed", during="D L", on="Asterisk of its own", run=killed),
    Row(
        name="asterisk-restart",
        fault="Asterisk restarted",
        during="D L",
        on="Asterisk of its own",
        run=restarted,
    ),
    Row(name="asterisk-frozen", fault="Asterisk frozen", during="D L", on="Asterisk of its own", run=frozen),
    Row(name="asterisk-reload", fault="Module reload", during="D L", on="Asterisk", run=reloaded),
    Row(name="http-sessions", fault="HTTP session limit hit", during="D L", on="Asterisk", run=sessions_used_up),
    Row(
        name="dead-when-answered",
        fault="App dead when callee answers",
        during="D",
        on="Asterisk",
        run=dead_when_answered,
    ),
)
