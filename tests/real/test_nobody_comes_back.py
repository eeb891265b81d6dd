"""Everything of ours is killed in the middle of a call and nobody comes back: Asterisk ends it at its limit."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from app.calls.plan import FAREWELL_MARGIN_S
from app.domain.tenant import DEFAULT_TENANT_ID
from app.sim.realtime.brain import Step
from app.store import calls, tasks
from app.store.sqlite import SqliteDatabase
from tests.flow.rig import until
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.phones import Callee
from tests.real.rig import NUMBER, model, script, settings_for, worker_ends, worker_pid
from tests.real.test_call_adopted import environment_for, new_task, program

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk, pytest.mark.timeout(240)]
RING_S, TALK_S = 5, 10
LIMIT_S = RING_S + TALK_S + FAREWELL_MARGIN_S + 30
"""`CallPlan.absolute_timeout_s`, spelt out."""


async def test_the_call_does_not_outlive_its_limit(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(NUMBER))
    settings = settings_for(asterisk, tmp_path, "ws://unused", media_mode="process")
    limits = {"RING_TIMEOUT_S": str(RING_S), "MAX_CALL_DURATION_S": str(TALK_S)}
    async with SqliteDatabase(settings.database_path) as db:
        task_id = await new_task(db)
        with worker_ends(settings.runtime_dir):
            async with model(script(Step(say="Hello, I am not here for long."))) as sim:
                environment = {**environment_for(asterisk, tmp_path, sim.url), **limits}
                async with program(tmp_path, environment) as first:
                    await at[NUMBER].hears(10, timeout_s=20)
                    at[NUMBER].speak(np.zeros(8000 * (LIMIT_S + 10), np.int16))  # not ended because nobody speaks
                    worker = worker_pid(settings.runtime_dir)
                    assert worker is not None
                    assert await first.end(signal.SIGKILL) == -signal.SIGKILL
                    os.kill(worker, signal.SIGKILL)
                    killed = time.monotonic()
                begun = (await at.until("INVITE", NUMBER)).time
                ended = (await at.until("BYE-IN", NUMBER, timeout_s=LIMIT_S + 10)).time
                assert killed < ended, "nobody of ours lived any more"
                assert ended - begun < LIMIT_S + 5
                async with program(tmp_path, environment) as second:

                    async def settled() -> bool:
                        [call] = await calls.of_task(db, DEFAULT_TENANT_ID, task_id)
                        return call.ended_ms is not None

                    await until(settled, 40.0)
                    assert await second.end(signal.SIGTERM) == 0
        [call] = await calls.of_task(db, DEFAULT_TENANT_ID, task_id)
        task = await tasks.get(db, DEFAULT_TENANT_ID, task_id)
    assert at.invites == {NUMBER: 1}
    assert (call.outcome, call.ended_by, call.dialed) == ("lost", "system_failure", True)
    assert task.state == "failed", "somebody was talked to: not rung again"
    assert "read the transcript" in task.overall_conclusion
