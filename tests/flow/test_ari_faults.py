"""Asterisk answers badly: verbs fail, hang or lose their answer; events come early, late or out of order."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from app.domain.task import CallTask, TaskState
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForDigits
from app.sim.asterisk.faults import Failure
from app.sim.realtime.brain import Cause, Step, ToolCall
from tests.flow.rig import BYE, Rig, beside, rig, together
from tests.flow.single import (
    COMPLETED,
    CUT_OFF,
    NOT_PLACED,
    NUMBER,
    PAUSE,
    SILENT,
    Ended,
    Prepare,
    one_call,
    shorten_patience,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_patience(monkeypatch)


def failing(method: str, pattern: str, failure: Failure, house: Rig) -> None:
    house.asterisk.fail_next(method, pattern, failure)


async def failing_later(method: str, pattern: str, failure: Failure, house: Rig, task: CallTask) -> None:
    """Once the phone was rung."""
    await house.asterisk.wait_until(lambda: house.invited(task.number) > 0)
    house.asterisk.fail_next(method, pattern, failure)


PREPARING = {
    "bridge": ("POST", "/bridges*"),
    "media": ("POST", "/channels/externalMedia"),
    "join": ("POST", "/bridges/*/addChannel"),
}


async def a_fault_before_dialing_rings_nobody(tmp_path: Path) -> None:
    cases = {
        f"{name} {failure}": partial(
            one_call, tmp_path / f"{name}{failure}", prepare=partial(failing, *PREPARING[name], failure)
        )
        for name in PREPARING
        for failure in (400, 404, 503, "timeout", "lost_reply")
    }
    for name, ended in (await together(cases)).items():
        assert ended.story == NOT_PLACED, name
        assert ended.invites == 0, name
        assert not ended.call.dialed, name
        assert ended.task.current_attempt_count == 0, name
        assert "nobody was called" in ended.task.overall_conclusion, name


async def a_refused_originate_rings_nobody(tmp_path: Path) -> None:
    cases = {
        str(failure): partial(
            one_call, tmp_path / str(failure), prepare=partial(failing, "POST", "/channels", failure)
        )
        for failure in (400, 404, 500)
    }
    for name, ended in (await together(cases)).items():
        outcome = "trunk_fault" if name.startswith("5") else "failed"
        assert ended.story == ("pending", outcome, "system_failure"), name
        assert (ended.invites, ended.call.dialed, ended.task.current_attempt_count) == (0, False, 0), name


async def an_originate_without_an_answer_is_never_repeated(tmp_path: Path) -> None:
    def prepare(failure: Failure) -> Prepare:
        return partial(failing, "POST", "/channels", failure)

    cases = {
        "not done": partial(one_call, tmp_path / "a", prepare=prepare("timeout")),
        "done": partial(one_call, tmp_path / "b", prepare=prepare("lost_reply")),
        "unavailable": partial(one_call, tmp_path / "d", prepare=prepare(503)),
        "conflict": partial(one_call, tmp_path / "c", prepare=prepare(409)),
    }
    done = await together(cases)
    assert done["done"].story == COMPLETED
    assert done["done"].invites == 1
    for name in ("not done", "unavailable", "conflict"):
        assert done[name].task.state is TaskState.PENDING, name
        assert done[name].call.outcome in {"lost", "failed"}, name
        assert done[name].invites == 0, name
        assert done[name].call.dialed, name  # nobody can know: it counts as an attempt
        assert done[name].task.current_attempt_count == 1, name


async def a_callee_who_cannot_join_is_let_go(tmp_path: Path) -> None:
    cases = {
        str(failure): partial(
            one_call,
            tmp_path / str(failure),
            script=SILENT,
            meddle=partial(failing_later, "POST", "/bridges/*/addChannel", failure),
        )
        for failure in (500, "timeout", "lost_reply")
    }
    for name, ended in (await together(cases)).items():
        assert ended.story == CUT_OFF, name
        assert "could not be connected" in ended.call.detail, name
        assert ended.invites == 1, name


async def faults_while_hanging_up(tmp_path: Path) -> None:
    patterns = {"callee": "/channels/*-c", "media": "/channels/*-m", "bridge": "/bridges/*-b"}
    cases = {
        f"{name} {failure}": partial(
            one_call,
            tmp_path / f"{name}{failure}",
            meddle=partial(failing_later, "DELETE", pattern, failure),
        )
        for name, pattern in patterns.items()
        for failure in (500, "timeout", "lost_reply")
    }
    for name, ended in (await together(cases, at_once=9)).items():
        assert ended.story == COMPLETED, name


async def keys_that_cannot_be_sent_do_not_end_the_call(tmp_path: Path) -> None:
    press = ToolCall(name="send_dtmf", arguments={"digits": "7"})
    script = CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("menu"), WaitForDigits("7", 3.0)))

    async def case(failure: Failure) -> None:
        async with rig(tmp_path / str(failure), callees={NUMBER: script}, ari_timeout_s=0.6) as house:
            house.asterisk.fail_next("POST", "/channels/*/dtmf", failure)
            house.think(
                "press",
                Step(call=(press,)),
                Step(call=(press,)),
                msgspec.structs.replace(BYE, on=Cause.TOOL_OUTPUT),
            )
            task = await house.settled(await house.add(NUMBER, "press it", opening="wait_for_hello"))
            call = await house.call(task)
            assert (call.outcome, call.ended_by) == ("completed", "agent")
            assert len(await house.events(call, "dtmf_failed")) == 1
            assert house.asterisk.callee(NUMBER).digits_heard == "7"

    await together({str(failure): partial(case, failure) for failure in (500, 409, "timeout")})


async def events_early_late_and_out_of_order(tmp_path: Path) -> None:
    def early(house: Rig) -> None:
        house.asterisk.stasis_start_before_reply = True

    def late(house: Rig) -> None:
        house.asterisk.delay_events(0.15)

    def held_back(kind: str, house: Rig) -> None:
        for _ in range(3):
            house.asterisk.hold_back_event(kind, 0.2)

    kinds = ("StasisStart", "ChannelStateChange", "Dial", "ChannelEnteredBridge", "ChannelDestroyed", "StasisEnd")
    cases: dict[str, Callable[[], Awaitable[Ended]]] = {
        "early": partial(one_call, tmp_path / "early", prepare=early),
        "late": partial(one_call, tmp_path / "late", prepare=late),
    }
    for kind in kinds:
        cases[kind] = partial(one_call, tmp_path / kind, prepare=partial(held_back, kind))
    for name, ended in (await together(cases, at_once=8)).items():
        assert ended.story == COMPLETED, name
        assert ended.invites == 1, name


async def test_asterisk_answers_badly(tmp_path: Path) -> None:
    """Every case in houses of its own, beside each other."""
    await beside(
        tmp_path,
        a_fault_before_dialing_rings_nobody,
        a_refused_originate_rings_nobody,
        an_originate_without_an_answer_is_never_repeated,
        a_callee_who_cannot_join_is_let_go,
        faults_while_hanging_up,
        keys_that_cannot_be_sent_do_not_end_the_call,
        events_early_late_and_out_of_order,
        at_once=4,
    )
