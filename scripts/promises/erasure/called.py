"""A call of a real engine on simulators, then the erasure of who was called, carried out by that engine."""

import asyncio
import io
import logging
import tempfile
from pathlib import Path

import msgspec

from app.domain.task import TaskState
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Step
from app.store import erasures, recordings
from app.store.audit import Deed
from scripts.promises.erasure.world import NAME, NUMBER, WORDS, found_in_files, found_in_rows
from tests.flow.rig import BYE, TENANT, rig

TALK = CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent(), Say(WORDS), WaitForAgent()))
LONG = CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent(), Say("yes"), WaitForAgent(), WaitForAgent()))


async def wrong() -> list[str]:
    """What is found after a talk, a talk that goes on meanwhile, and a task that waits."""
    found: list[str] = []
    log = io.StringIO()
    listener = logging.StreamHandler(log)
    logging.getLogger().addHandler(listener)
    with tempfile.TemporaryDirectory() as name:
        try:
            await _story(Path(name), found)
        finally:
            logging.getLogger().removeHandler(listener)
        found += await asyncio.to_thread(_left, Path(name))
    return found + [f"{NAME if NAME in log.getvalue() else WORDS} in the log"] * _said(log.getvalue())


def _left(folder: Path) -> list[str]:
    return found_in_files([file for file in folder.rglob("*") if file.is_file()], but=["number"])


def _said(text: str) -> bool:
    return any(trace in text for trace in (NAME, WORDS, NUMBER))


async def _story(folder: Path, found: list[str]) -> None:
    scripts = iter((TALK, LONG))
    async with rig(folder, callees=lambda _: next(scripts), recording=True) as house:
        house.think(
            "ask", Step(say=f"are you in {WORDS}?"), msgspec.structs.replace(BYE, say=f"fine {WORDS}, bye")
        )
        house.think("wait", Step(say="one moment"), Step(say="still there"))
        talked = await house.settled(await house.add(NUMBER, f"ask {WORDS}", callee_name=NAME))
        call = await house.call(talked)
        if not await recordings.list_recordings(house.db, TENANT, call.id):
            found.append("there was no recording to remove")
        later = house.clock.unix_ms() + 3_600_000
        waiting = await house.add(NUMBER, f"ask {WORDS} again", callee_name=NAME, next_action_time=later)
        going_on = await house.add(NUMBER, f"wait {WORDS}", callee_name=NAME)
        shell = await house.live(going_on)
        await house.talking(going_on)
        async with house.db.tx() as tx:
            deed = Deed(actor="prove", action="", object="")
            one = await erasures.request(tx, TENANT, NUMBER, b"k" * 32, deed, now_ms=house.clock.unix_ms())

        async def stands(step: int) -> bool:
            now = await erasures.get(house.db, TENANT, one.id)
            return now.waits_for == 1 if step == 1 else now.state == "done"

        await house.until(lambda: stands(1), 20.0)
        if (await house.task(going_on)).state is not TaskState.IN_CALL:
            found.append("the call that went on did not go on")
        if (await house.task(waiting)).state is not TaskState.SUPPRESSED:
            found.append("what waited in the queue was not taken off")
        shell.say_goodbye("the promise has seen enough")
        await house.settled(going_on)
        await house.until(lambda: stands(2), 30.0)
        if (await house.task(going_on)).number == NUMBER:
            found.append("the number of the last task is still there")
        found += found_in_rows(house.settings.database_path)
