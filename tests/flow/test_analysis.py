"""Whole calls, judged by a text model behind HTTP: the task is concluded with proof."""

from pathlib import Path

import msgspec
import pytest

from app.domain.messages import TaskChanged
from app.domain.task import CallTask, TaskState
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.realtime.brain import Step
from app.sim.text import TextFault, TextFaultKind
from app.store import analyses, dnd
from tests.flow.rig import BYE, TENANT, Rig, rig

pytestmark = pytest.mark.anyio
NUMBER = "+15551000140"
AWAY = TextFault(kind=TextFaultKind.STATUS, status=503, should_retry=False)


def answers(words: str) -> CalleeScript:
    return CalleeScript((Ring(0.05), Answer(0.05), WaitForAgent(), Say(words), WaitForAgent()))


async def ask(house: Rig, **fields: object) -> CallTask:
    house.think("ask", Step(say="are you in?"), msgspec.structs.replace(BYE, say="fine, bye"))
    return await house.add(NUMBER, "ask whether they are in", **fields)


async def decided(house: Rig, task: CallTask) -> analyses.Analysis:
    done = await house.settled(task)
    assert done.state is not TaskState.ANALYZING
    found = await analyses.get(house.db, TENANT, (await house.call(task)).id)
    assert found is not None
    return found


async def test_a_talk_is_judged_and_its_proof_stored(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: answers("yes")}, analysis="model") as house:
        task = await ask(house)
        found = await decided(house, task)
        assert (await house.task(task)).state is TaskState.COMPLETED
        (heard,) = [turn for turn in await house.turns(await house.call(task)) if turn.speaker == "callee"]
        decision = found.decided
        assert decision is not None
        (proof,) = decision.proofs
        assert (proof.speaker, proof.item_id, proof.audio_ms) == ("callee", heard.item_id, heard.start_audio_ms)
        assert found.cost_micro_usd
        assert len(house.text.journal) == 1


async def test_while_the_model_is_away_the_call_waits_and_is_judged_once(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: answers("yes")}, analysis="model") as house:
        house.text.faults.always = AWAY
        task = await ask(house)

        async def failed_once() -> bool:
            calls = await house.calls(task)
            found = await analyses.get(house.db, TENANT, calls[-1].id) if calls else None
            return found is not None and found.tries == 1

        await house.until(failed_once)
        assert (await house.task(task)).state is TaskState.ANALYZING
        assert house.invited(NUMBER) == 1
        house.text.faults.always = None
        house.clock.ahead_ms += 20_000
        await house.bus.publish("tasks", TaskChanged(tenant_id=TENANT, task_id=task.id))
        found = await decided(house, task)
        assert (await house.task(task)).state is TaskState.COMPLETED
        assert (found.tries, found.asked) == (1, 1)
        assert house.invited(NUMBER) == 1


async def test_a_spoken_opt_out_ends_what_is_queued_to_that_number(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: answers("stop calling me")}, analysis="model") as house:
        later = house.clock.unix_ms() + 3_600_000
        task = await ask(house)
        queued = await ask(house, next_action_time=later)
        await decided(house, task)
        assert (await house.task(task)).state is TaskState.SUPPRESSED
        assert (await house.task(queued)).state is TaskState.SUPPRESSED
        (entry,) = await dnd.list_entries(house.db, TENANT)
        assert (entry.number, entry.evidence_call_id) == (NUMBER, (await house.call(task)).id)
