"""The engine's process is killed in the middle of a call, and the next one goes on with it: `opendeep up`, twice.

The media worker and Asterisk keep the talk alive meanwhile; the callee must not notice, and is not rung again.
"""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.clock import SystemClock
from app.domain.agent import Agent
from app.domain.task import NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.ids import new_id
from app.sim import espeak
from app.sim.realtime.brain import Cause, Step
from app.sim.voice import EspeakVoice
from app.store import agents, calls, tasks, transcripts
from app.store.sqlite import SqliteDatabase
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.listening import assert_carried, record
from tests.real.machine import watched
from tests.real.phones import Callee
from tests.real.rig import END_CALL, NUMBER, model, script, settings_for, worker_ends
from tests.real.test_call_audio import sent_by_model, with_pause

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]

SENTENCE = (
    "Good morning. While I speak, the program that runs this call is killed without a warning. "
    "Another one takes its place, finds the call, and goes on with it."
)
REPLY = "No, I did not notice anything."
FAREWELL = "Wonderful. Goodbye."


class Program:
    """`opendeep up` as a process of its own; its log is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def says(self, pattern: str, timeout_s: float = 20.0) -> str:
        """The first line from now on that matches."""
        assert self.process.stdout is not None
        seen: list[str] = []
        async with asyncio.timeout(timeout_s):
            while line := (await self.process.stdout.readline()).decode():
                seen.append(line)
                if re.search(pattern, line):
                    return line
        raise AssertionError(f"the program ended without saying {pattern!r}:\n{''.join(seen)}")

    async def end(self, number: signal.Signals) -> int:
        """Sends a signal and waits for the exit status."""
        self.process.send_signal(number)
        assert self.process.stdout is not None
        rest = (await self.process.stdout.read()).decode()
        status = await self.process.wait()
        print(rest)
        return status


@asynccontextmanager
async def program(folder: Path, environment: dict[str, str]) -> AsyncGenerator[Program]:
    """Starts it; killed when the block is left with it still running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        "up",
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    running = Program(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            await running.end(signal.SIGKILL)


def environment_for(asterisk: RealAsterisk, folder: Path, model_url: str) -> dict[str, str]:
    """What an operator would write into `.env`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        web_port = probe.getsockname()[1]
    return {
        "NODE_NAME": "real",
        "DATA_DIR": str(folder),
        "ARI_URL": f"{asterisk.url}/ari",
        "ARI_USERNAME": asterisk.username,
        "ARI_PASSWORD": asterisk.password,
        "REALTIME_URL": model_url,
        "OPENAI_API_KEY": "simulated",
        "ANALYSIS": "rules",
        "ALLOWED_COUNTRIES": "US",
        "POLICY_PACKS": "anytime",
        "POLICY_PACKS_DIR": str(Path(__file__).parents[1] / "packs"),
        "WEB_PORT": str(web_port),
        "SCHEDULER_POLL_S": "0.2",
        "LOG_LEVEL": "info",
        "NO_COLOR": "1",
    }


async def new_task(db: SqliteDatabase) -> str:
    now_ms = SystemClock().unix_ms()
    agent = Agent(id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, name="A", opening="greet_first")
    await agents.create(db, agent, now_ms)
    task = NewTask(
        id=new_id(now_ms),
        agent_id=agent.id,
        number=f"+{NUMBER}",
        objective="Talk.",
        next_action_time=now_ms,
    )
    return (await tasks.create(db, DEFAULT_TENANT_ID, task, now_ms)).id


async def test_the_callee_does_not_notice_that_the_engine_was_killed(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(NUMBER, ring_ms=1000))
    phone, voice = at[NUMBER], EspeakVoice()
    spoken = voice.speak(SENTENCE, 8000)
    brain = script(Step(say=SENTENCE), Step(say=FAREWELL, call=END_CALL, on=Cause.TURN))
    settings = settings_for(asterisk, tmp_path, "ws://unused", media_mode="process")
    async with SqliteDatabase(settings.database_path) as db:
        task_id = await new_task(db)
        with watched() as stalls, worker_ends(settings.runtime_dir):
            async with model(brain, voice=voice) as sim:
                environment = environment_for(asterisk, tmp_path, sim.url)
                async with program(tmp_path, environment) as first:
                    await phone.hears(100, timeout_s=20)
                    assert await first.end(signal.SIGKILL) == -signal.SIGKILL
                killed_after = len(phone.audio())
                async with program(tmp_path, environment) as second:
                    await second.says("call adopted")
                    adopted_after = len(phone.audio())
                    await phone.hears(len(spoken) // 160 + 50)
                    session = await sim.session()
                    session.hear(REPLY)
                    phone.speak(with_pause(phone, espeak.speak(REPLY, 8000)))
                    await at.until("BYE-IN", NUMBER, timeout_s=15)
                    await second.says("call ended")
                    assert await second.end(signal.SIGTERM) == 0
        [call] = await calls.of_task(db, DEFAULT_TENANT_ID, task_id)
        task = await tasks.get(db, DEFAULT_TENANT_ID, task_id)
        turns = await transcripts.list_turns(db, DEFAULT_TENANT_ID, call.id)
    recording = record(phone)
    print(f"killed at packet {killed_after}, adopted at {adopted_after}; longest gap at the phone")
    print(f"{recording.longest_gap_ms:.0f} ms, {recording.skipped} slots left out; {stalls}")
    assert killed_after < adopted_after < len(spoken) // 160, "all of it happened within the sentence"
    assert recording.longest_gap_ms < 60 + stalls.longest_ms
    assert recording.skipped <= stalls.slots
    assert_carried(sent_by_model(session, voice, SENTENCE, 8000), recording.samples, 8000, 0.999)
    assert at.invites == {NUMBER: 1}
    assert len(sim.sessions) == 1, "the model's session went on too"
    assert (call.outcome, call.ended_by, task.state) == ("completed", "agent", "completed")
    assert [(one.speaker, one.text) for one in turns] == [
        ("agent", SENTENCE),
        ("callee", REPLY),
        ("agent", FAREWELL),
    ]
