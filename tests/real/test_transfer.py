"""A call handed to somebody else on the real Asterisk: two phones talk with each other, the agent left."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.clock import SystemClock
from app.domain.agent import Agent, TransferMode, TransferTarget
from app.domain.task import NewTask
from app.domain.tenant import DEFAULT_TENANT_ID
from app.ids import new_id
from app.sim import tonevoice
from app.sim.realtime.brain import Cause, ScriptedBrain, Step, ToolCall
from app.sim.realtime.server import SimRealtime
from app.store import agents, calls, tasks, transfers
from app.store.sqlite import SqliteDatabase
from stasis.outcome import EndedBy
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.phones import Callee, Phones
from tests.real.rig import END_CALL, Ended, Office, model, number, office, settings_for, worker_ends
from tests.real.rtp_phone import RtpPhone
from tests.real.test_call_adopted import environment_for, program

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
CALLER, BILLING = number(40), number(41)
MOMENT, ANNOUNCED, BACK = "one moment", "a caller wants a refund", "nobody is free"
BILLING_SAYS, CALLER_SAYS = "billing speaks", "thank you all"


def transfer(mode: str = "cold") -> Step:
    arguments = {"target": "billing", "reason": "a refund", "mode": mode}
    return Step(say=MOMENT, call=(ToolCall(name="transfer_call", arguments=arguments),))


def mind(*steps: Step) -> Any:
    return lambda: ScriptedBrain(steps)


async def speaker(here: Office, mode: TransferMode = "cold") -> Agent:
    target = TransferTarget(name="billing", number=f"+{BILLING}", mode=mode)
    return await here.agent(tools=("transfer_call", "end_call"), transfer_targets=(target,))


async def outcomes(here: Office, done: Ended) -> list[tuple[str, str | None]]:
    found = await transfers.of_call(here.db, done.call.tenant_id, done.call.id)
    return [(one.state, one.outcome) for one in found]


async def in_state(here: Office, task: str, state: str) -> None:
    """Waits until the call's transfer is stored in this state."""
    async with asyncio.timeout(20):
        while True:
            call = await here.call(task)
            found = [] if call is None else await transfers.of_call(here.db, call.tenant_id, call.id)
            if [one.state for one in found] == [state]:
                return
            await asyncio.sleep(0.05)


async def heard_by(phone: RtpPhone, text: str) -> None:
    """Waits until a phone has heard these words, letter by letter."""
    async with asyncio.timeout(15):
        while text not in await asyncio.to_thread(texts, phone):  # noqa: ASYNC110 - decoding each packet is too much
            await asyncio.sleep(0.2)


def texts(phone: RtpPhone) -> list[str]:
    return [one.text for one in tonevoice.listen(phone.heard(), phone.rate_hz) if one.complete]


def ringing_s(phone: RtpPhone) -> float:
    """For how long the phone heard Asterisk's ringing tone: 440 and 480 Hz and nothing else, in 100 ms pieces."""
    rate = phone.rate_hz
    pieces = phone.heard().astype(np.float64)
    pieces = pieces[: len(pieces) // (rate // 10) * (rate // 10)].reshape(-1, rate // 10)
    power = np.abs(np.fft.rfft(pieces * np.hanning(rate // 10), axis=1)) ** 2
    ring = power[:, 42:51].sum(axis=1)  # 10 Hz a bin
    there = (ring > 0.9 * power.sum(axis=1)) & (np.sqrt((pieces**2).mean(axis=1)) > 300)
    return float(there.sum()) / 10


async def they_talk(at: Phones, sim: SimRealtime) -> None:
    """What each of the two says is heard by the other, letter by letter, and by no model."""
    callee, target = at[CALLER], at[BILLING]
    before = len(sim.sessions[0].heard)
    target.speak(tonevoice.speak(BILLING_SAYS, 8000))
    await heard_by(callee, BILLING_SAYS)
    callee.speak(tonevoice.speak(CALLER_SAYS, 8000))
    await heard_by(target, CALLER_SAYS)
    assert len(sim.sessions[0].heard) == before
    async with asyncio.timeout(5):
        await sim.sessions[0].closed.wait()


async def test_a_cold_transfer(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """The callee hears it ring, then the target; both hear each other; the model's session is closed."""
    at = phones(Callee(CALLER), Callee(BILLING, ring_ms=2500))
    async with model(mind(transfer())) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(CALLER, agent=await speaker(here))
        await in_state(here, task, "joined")
        await they_talk(at, sim)
        here.engine.board.calls[(await here.reaches(task, "bridged")).id].hang_up(EndedBy.OPERATOR, "enough")
        done = await here.ended(task)
        await at.until("BYE-IN", BILLING)
        assert await outcomes(here, done) == [("over", "connected")]
    assert texts(at[CALLER])[:1] == [MOMENT], "what was said before it was heard out"
    assert MOMENT not in texts(at[BILLING])
    assert 1.0 <= ringing_s(at[CALLER]) <= 4.0
    assert (at.invites[CALLER], at.invites[BILLING]) == (1, 1)
    assert (done.call.outcome, done.call.ended_by) == ("completed", "operator")


async def test_a_warm_transfer(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """The target alone hears who calls and why, presses 1, and talks with the callee; who hangs up ends it."""
    at = phones(Callee(CALLER), Callee(BILLING, ring_ms=300))
    announce = Step(say=ANNOUNCED, on=Cause.RESPONSE_CREATE)
    first = Step(say=MOMENT, call=transfer("warm").call, on=Cause.RESPONSE_CREATE)
    async with model(mind(first, announce)) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(CALLER, agent=await speaker(here))
        await in_state(here, task, "consulting")
        await heard_by(at[BILLING], ANNOUNCED)
        at[BILLING].press("1")
        await in_state(here, task, "joined")
        await they_talk(at, sim)
        assert ANNOUNCED not in texts(at[CALLER])
        here.engine.board.calls[(await here.reaches(task, "bridged")).id].hang_up(EndedBy.OPERATOR, "enough")
        done = await here.ended(task)
        assert await outcomes(here, done) == [("over", "connected")]
    assert done.said == [("agent", MOMENT), ("agent", ANNOUNCED)]
    assert (at.invites[CALLER], at.invites[BILLING]) == (1, 1)


async def test_a_target_that_hangs_up_ends_the_call(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(CALLER), Callee(BILLING, hang_up_after_ms=1500))
    async with model(mind(transfer())) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(CALLER, agent=await speaker(here))
        done = await here.ended(task)
        assert await outcomes(here, done) == [("over", "connected")]
    assert (done.call.outcome, done.call.ended_by) == ("completed", "system_complete")
    assert len(at.seen("BYE-IN", CALLER)) == 1


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        (Callee(BILLING, status=486), "busy"),
        (Callee(BILLING, status=None), "no_answer"),
        (Callee(BILLING, status=603), "rejected"),
    ],
    ids=["busy", "rings out", "refuses"],
)
async def test_a_target_that_does_not_answer(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path, target: Callee, outcome: str
) -> None:
    """The callee is back with the agent, and both hear each other again."""
    at = phones(Callee(CALLER), target)
    steps = (transfer(), Step(say=BACK, on=Cause.TOOL_OUTPUT), Step(say="bye", call=END_CALL, on=Cause.TURN))
    settings = settings_for(asterisk, tmp_path, "", transfer_ring_timeout_s=5)
    async with model(mind(*steps)) as sim:
        settings = settings.model_copy(update={"realtime_url": sim.url})
        async with office(settings) as here:
            [task] = await here.dial(CALLER, agent=await speaker(here))
            await heard_by(at[CALLER], BACK)
            at[CALLER].speak(tonevoice.speak(CALLER_SAYS, 8000))
            done = await here.ended(task)
            assert await outcomes(here, done) == [("over", outcome)]
    assert done.said == [("agent", MOMENT), ("agent", BACK), ("callee", CALLER_SAYS), ("agent", "bye")]
    assert (at.invites[CALLER], at.invites[BILLING]) == (1, 1)


async def test_a_callee_who_hangs_up_while_the_target_rings(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(CALLER, hang_up_after_ms=4000), Callee(BILLING, status=None))
    async with model(mind(transfer())) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(CALLER, agent=await speaker(here))
        done = await here.ended(task)
        assert await outcomes(here, done) == [("over", "canceled")]
        await at.until("CANCEL", BILLING)
    assert (done.call.outcome, done.call.ended_by) == ("completed", "callee")


async def test_two_who_talk_do_not_notice_that_the_engine_was_killed(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """The next engine looks after them: nobody is rung again, no agent comes back, the end is written down."""
    at = phones(Callee(CALLER), Callee(BILLING, ring_ms=300, hang_up_after_ms=25_000))
    settings = settings_for(asterisk, tmp_path, "ws://unused", media_mode="process")
    async with SqliteDatabase(settings.database_path) as db:
        task = await a_task(db)

        async def joined() -> bool:
            found = await calls.of_task(db, DEFAULT_TENANT_ID, task)
            rows = await transfers.of_call(db, DEFAULT_TENANT_ID, found[-1].id) if found else []
            return [one.state for one in rows] == ["joined"]

        with worker_ends(settings.runtime_dir):
            async with model(mind(transfer())) as sim:
                environment = environment_for(asterisk, tmp_path, sim.url)
                async with program(tmp_path, environment) as first:
                    async with asyncio.timeout(30):
                        while not await joined():  # noqa: ASYNC110 - a changed row wakes nobody
                            await asyncio.sleep(0.05)
                    await first.end(signal.SIGKILL)
                await they_talk(at, sim)
                async with program(tmp_path, environment) as second:
                    await second.says("call adopted")
                    await second.says("handed_over")
                    callee, target = at[CALLER], at[BILLING]
                    target.speak(tonevoice.speak("still here", 8000))
                    await heard_by(callee, "still here")
                    await second.says("call ended", timeout_s=40)
                    assert await second.end(signal.SIGTERM) == 0
        [call] = await calls.of_task(db, DEFAULT_TENANT_ID, task)
        [row] = await transfers.of_call(db, DEFAULT_TENANT_ID, call.id)
    assert (call.outcome, call.ended_by, row.outcome) == ("completed", "system_complete", "connected")
    assert len(sim.sessions) == 1
    assert (at.invites[CALLER], at.invites[BILLING]) == (1, 1)


async def a_task(db: SqliteDatabase) -> str:
    now_ms = SystemClock().unix_ms()
    target = TransferTarget(name="billing", number=f"+{BILLING}")
    fields = {"opening": "greet_first", "tools": ("transfer_call", "end_call"), "transfer_targets": (target,)}
    agent = Agent(id=new_id(now_ms), tenant_id=DEFAULT_TENANT_ID, name="A", **fields)  # type: ignore[arg-type]
    await agents.create(db, agent, now_ms)
    new = NewTask(
        id=new_id(now_ms), agent_id=agent.id, number=f"+{CALLER}", objective="Talk.", next_action_time=now_ms
    )
    return (await tasks.create(db, DEFAULT_TENANT_ID, new, now_ms)).id
