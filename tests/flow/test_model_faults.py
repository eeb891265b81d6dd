"""The speech model refuses, dies, talks nonsense or calls tools that do not exist; the call survives or ends."""

import asyncio
from functools import partial
from pathlib import Path

import msgspec
import pytest

from app.domain.task import TaskState
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, StaySilent
from app.sim.realtime.brain import Step, ToolCall
from app.sim.realtime.faults import Fault, FaultKind
from tests.flow.rig import BYE, STALL_S, Rig, beside, rig, together
from tests.flow.single import CUT_OFF, NOT_PLACED, NUMBER, PAUSE, Ended, Prepare, one_call, shorten_patience

pytestmark = pytest.mark.anyio
KEEPS_TALKING = CalleeScript(
    (Ring(0.05), Answer(0.05), PAUSE, Say("hey"), StaySilent(1.6), Say("more"), StaySilent(1.6), Say("more"))
)
LONG = "this takes quite a while to say"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_patience(monkeypatch)
    monkeypatch.setattr("stasis.deadlines.PREPARE_S", 2.0)
    monkeypatch.setattr("media.realtime.reconnect.GIVE_UP_S", 0.5)


# --- before the phone rings --------------------------------------------------------------------------
def refusing(house: Rig, *, kind: FaultKind = FaultKind.REFUSE, status: int = 401, times: int = 1) -> None:
    for _ in range(times):
        house.realtime.faults.add(Fault(kind=kind, status=status))


async def without_a_model_the_phone_never_rings(tmp_path: Path) -> None:

    def prepare(**fault: object) -> Prepare:
        return partial(refusing, **fault)  # type: ignore[arg-type]

    cases = {
        "key refused": partial(one_call, tmp_path / "a", prepare=prepare(status=401)),
        "too many requests": partial(one_call, tmp_path / "b", prepare=prepare(status=429, times=9)),
        "down": partial(one_call, tmp_path / "c", prepare=prepare(status=503, times=9)),
        "hangs": partial(one_call, tmp_path / "d", prepare=prepare(kind=FaultKind.HANG, times=9)),
    }
    done: dict[str, Ended] = await together(cases)
    for name, ended in done.items():
        assert ended.story == NOT_PLACED, name
        assert (ended.invites, ended.call.dialed, ended.task.current_attempt_count) == (0, False, 0), name
        assert ended.task.next_action_time > ended.task.updated_ms, name
        assert "nobody was called" in ended.task.overall_conclusion, name
    assert "model session" in done["hangs"].call.detail
    assert "Simulated refusal" in done["key refused"].task.overall_conclusion


async def one_refusal_is_tried_again_before_the_phone_rings(tmp_path: Path) -> None:
    ended = await one_call(tmp_path, prepare=partial(refusing, status=503))
    assert (ended.task.state, ended.invites, ended.heard) == (TaskState.COMPLETED, 1, ["hi there"])


# --- in the middle of the talk -----------------------------------------------------------------------
SURVIVED = (
    FaultKind.DROP,
    FaultKind.CLOSE,
    FaultKind.ERROR,
    FaultKind.FAIL,
    FaultKind.INCOMPLETE,
    FaultKind.STALL,
    FaultKind.DUPLICATE_DELTA,
    FaultKind.UNKNOWN_EVENT,
    FaultKind.NOT_JSON,
    FaultKind.BINARY_FRAME,
    FaultKind.HUGE_FRAME,
    FaultKind.DONE_WITHOUT_CREATED,
    FaultKind.TEXT_ONLY,
    FaultKind.RATE_LIMIT,
)


async def the_talk_goes_on_after(tmp_path: Path) -> None:
    """Each fault strikes the first answer; whatever becomes of it, the next one says goodbye."""
    numbers = {kind: f"+155510020{at:02}" for at, kind in enumerate(SURVIVED)}
    async with rig(tmp_path, callees=dict.fromkeys(numbers.values(), KEEPS_TALKING)) as house:

        async def case(kind: FaultKind) -> None:
            fault = Fault(kind=kind, seconds=0.3)
            house.think(str(kind), Step(say=LONG, faults=(fault,)), otherwise=BYE)
            task = await house.add(numbers[kind], f"{kind} talk", opening="wait_for_hello")
            ended = await house.settled(task)
            call = await house.call(task)
            assert (ended.state, call.ended_by) == (TaskState.COMPLETED, "agent"), call.detail
            assert house.asterisk.callee(task.number).heard_texts[-1] == "bye"
            assert house.invited(task.number) == 1
            words = [turn.text for turn in await house.turns(call) if turn.speaker == "callee"]
            assert house.watch.longest_stall_s >= STALL_S or set(words[0]) <= set("hey"), words
            counted = await house.statistics(call)
            assert (counted["model_reconnects"] > 0) == (kind in {FaultKind.DROP, FaultKind.CLOSE}), counted
            unknown = {FaultKind.UNKNOWN_EVENT, FaultKind.HUGE_FRAME}
            assert (counted["model_events_unknown"] > 0) == (kind in unknown), counted
            broken = {FaultKind.NOT_JSON, FaultKind.BINARY_FRAME}
            assert (counted["model_events_malformed"] > 0) == (kind in broken), counted

        await together({str(kind): partial(case, kind) for kind in SURVIVED}, at_once=7)


async def a_session_that_expires_is_replaced(tmp_path: Path) -> None:
    def prepare(house: Rig) -> None:
        house.realtime.faults.add(Fault(kind=FaultKind.EXPIRE, seconds=0.4))

    ended = await one_call(tmp_path, prepare=prepare, script=KEEPS_TALKING)
    assert ended.story == ("completed", "completed", "agent")
    assert ended.heard == ["hi there"]


async def a_model_that_is_gone_for_good_ends_the_call(tmp_path: Path) -> None:
    async def meddle(house: Rig, task: object) -> None:
        del task
        session = await house.session("talk to them")
        await house.asterisk.wait_until(lambda: any(one.agent_speaking for one in house.asterisk.callees))
        refusing(house, status=401)
        session.drop()

    ended = await one_call(tmp_path, say=LONG, meddle=meddle)
    assert ended.story == CUT_OFF
    assert "read the transcript" in ended.task.overall_conclusion
    assert ended.turns[0].speaker == "callee"
    assert ended.turns[0].text == "hey" or ended.stalled


# --- tools -------------------------------------------------------------------------------------------
TOOLS: dict[str, ToolCall] = {
    "cut": ToolCall(name="end_call", arguments='{"reason": "cut off in the mid'),
    "list": ToolCall(name="end_call", arguments="[1, 2]"),
    "number": ToolCall(name="end_call", arguments='{"reason": 5}'),
    "extra": ToolCall(name="end_call", arguments='{"reason": "x", "also": 1}'),
    "unknown": ToolCall(name="transfer_money", arguments='{"amount": 5}'),
    "letters": ToolCall(name="send_dtmf", arguments='{"digits": "12; rm -rf"}'),
    "flood": ToolCall(name="send_dtmf", arguments='{"digits": "' + "1" * 5000 + '"}'),
    "empty": ToolCall(name="send_dtmf", arguments=""),
    "surrogate": ToolCall(name="end_call", arguments='{"reason": "\\ud800"}'),
}


async def tool_calls_that_do_not_fit_do_nothing(tmp_path: Path) -> None:
    numbers = {name: f"+155510021{at:02}" for at, name in enumerate(TOOLS)}
    async with rig(tmp_path, callees=dict.fromkeys(numbers.values(), KEEPS_TALKING)) as house:

        async def case(name: str) -> None:
            brain = house.think(name, Step(call=(TOOLS[name],)), otherwise=BYE)
            task = await house.add(numbers[name], f"{name} tools", opening="wait_for_hello")
            ended = await house.settled(task)
            call = await house.call(task)
            assert (ended.state, call.ended_by, call.detail) == (TaskState.COMPLETED, "agent", "done")
            refused = await house.events(call, "tool_refused")
            assert len(refused) == 1, [event.data for event in refused]
            assert await house.events(call, "dtmf_out") == []
            assert house.asterisk.callee(task.number).digits_heard == ""
            assert '"error":' in brain.asked[1][0].text

        await together({name: partial(case, name) for name in TOOLS}, at_once=5)


async def fifty_tool_calls_in_a_row(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: KEEPS_TALKING}) as house:
        wild = Step(call=(ToolCall(name="nothing", arguments="{}"),) * 50)
        house.think("wild", wild, otherwise=msgspec.structs.replace(BYE, say="enough"))
        task = await house.settled(await house.add(NUMBER, "wild tools", opening="wait_for_hello"))
        assert task.state is TaskState.COMPLETED
        call = await house.call(task)
        assert len(await house.events(call, "tool_refused")) == 50


async def events_of_the_model_never_stop_the_others(tmp_path: Path) -> None:
    """A session that floods and breaks beside one that talks: the talk is heard unharmed."""
    calm, wild = "+15551002201", "+15551002202"
    async with rig(tmp_path, callees=dict.fromkeys((calm, wild), KEEPS_TALKING)) as house:
        house.think("calm", Step(say="all is calm"), otherwise=BYE)
        kinds = (FaultKind.HUGE_FRAME, FaultKind.NOT_JSON, FaultKind.UNKNOWN_EVENT)
        faults = tuple(Fault(kind=kind, size_bytes=8 << 20) for kind in kinds)
        house.think("wild", Step(say=LONG, faults=faults), otherwise=BYE)
        tasks = [
            await house.add(calm, "calm talk", opening="wait_for_hello"),
            await house.add(wild, "wild talk", opening="wait_for_hello"),
        ]
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(house.settled(task))
        assert house.asterisk.callee(calm).heard_texts == ["all is calm", "bye"]


async def test_the_model_fails(tmp_path: Path) -> None:
    """Every case in a house of its own, beside each other."""
    await beside(
        tmp_path,
        without_a_model_the_phone_never_rings,
        one_refusal_is_tried_again_before_the_phone_rings,
        the_talk_goes_on_after,
        a_session_that_expires_is_replaced,
        a_model_that_is_gone_for_good_ends_the_call,
        tool_calls_that_do_not_fit_do_nothing,
        fifty_tool_calls_in_a_row,
        events_of_the_model_never_stop_the_others,
        at_once=3,
    )
