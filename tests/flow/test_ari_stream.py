"""The ARI event stream drops, lies or is taken over, and Asterisk itself goes away, in every state of a call."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from app.calls.away import ASTERISK_GONE_S
from app.domain.task import CallTask, TaskState
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, Say, StaySilent, WaitForAgent
from stasis.client import AriClient
from tests.flow.rig import Rig, beside, gate_open, rig, together
from tests.flow.single import (
    COMPLETED,
    CUT_OFF,
    NOT_PLACED,
    NUMBER,
    PAUSE,
    Ended,
    one_call,
    shorten_patience,
)
from tests.flow.stages import callee_channels, hanging_up, pick_up, preparing, ringing, talking

pytestmark = pytest.mark.anyio
SLOW_ANSWER = CalleeScript((Ring(0.05), Answer(1.2), PAUSE, Say("hey"), WaitForAgent()))
ANSWERS_WHEN_TOLD = CalleeScript((Ring(0.05), Answer(10.0), PAUSE, Say("hey"), WaitForAgent()))
LONG = "this takes quite a while to say"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_patience(monkeypatch)
    monkeypatch.setattr("app.calls.away.ASTERISK_GONE_S", 1.8)


# --- what strikes ------------------------------------------------------------------------------------
async def drop(when, house: Rig, task: CallTask) -> None:
    await when(house, task)
    house.asterisk.drop_websocket()


async def drop_until_answered(house: Rig, task: CallTask) -> None:
    await ringing(house, task)
    house.asterisk.drop_websocket()
    house.asterisk.freeze_http(0.8)
    asterisk, name = house.asterisk, house.settings.ari_app
    await asterisk.wait_until(lambda: not asterisk.exchange.app_is_active(name))
    pick_up(house.callees(NUMBER)[0])


async def restart(when, house: Rig, task: CallTask) -> None:
    await when(house, task)
    await house.asterisk.restart(0.1)


def slowly(house: Rig) -> None:
    house.asterisk.delay_events(0.3)


def keeping_the_end_back(house: Rig) -> None:
    for _ in range(3):
        house.asterisk.hold_back_event("ChannelDestroyed", 5.0)


async def the_stream_drops(tmp_path: Path) -> None:
    cases = {
        "preparing": partial(one_call, tmp_path / "a", prepare=slowly, meddle=partial(drop, preparing)),
        "ringing": partial(one_call, tmp_path / "b", script=SLOW_ANSWER, meddle=partial(drop, ringing)),
        "answered in the gap": partial(
            one_call, tmp_path / "c", script=ANSWERS_WHEN_TOLD, meddle=drop_until_answered
        ),
        "talking": partial(one_call, tmp_path / "d", say=LONG, meddle=partial(drop, talking)),
        "hanging up": partial(
            one_call, tmp_path / "e", prepare=keeping_the_end_back, meddle=partial(drop, hanging_up)
        ),
    }
    done: dict[str, Ended] = await together(cases)
    assert {name: ended.story for name, ended in done.items()} == {
        "preparing": NOT_PLACED,
        "ringing": COMPLETED,
        "answered in the gap": ("pending", "lost", "network"),
        "talking": COMPLETED,
        "hanging up": COMPLETED,
    }
    assert {name: ended.invites for name, ended in done.items()} == {**dict.fromkeys(cases, 1), "preparing": 0}
    assert done["ringing"].heard == ["hi there"]
    assert done["talking"].heard == [LONG]
    assert done["answered in the gap"].task.current_attempt_count == 1


async def asterisk_restarts(tmp_path: Path) -> None:
    cases = {
        "preparing": partial(one_call, tmp_path / "a", prepare=slowly, meddle=partial(restart, preparing)),
        "ringing": partial(one_call, tmp_path / "b", script=SLOW_ANSWER, meddle=partial(restart, ringing)),
        "talking": partial(one_call, tmp_path / "c", say=LONG, meddle=partial(restart, talking)),
        "hanging up": partial(
            one_call, tmp_path / "d", prepare=keeping_the_end_back, meddle=partial(restart, hanging_up)
        ),
    }
    done: dict[str, Ended] = await together(cases)
    assert {name: ended.story for name, ended in done.items()} == {
        "preparing": NOT_PLACED,
        "ringing": ("pending", "lost", "network"),
        "talking": ("failed", "lost", "network"),
        "hanging up": COMPLETED,
    }
    assert done["talking"].call.detail == "Asterisk restarted"
    assert all(ended.call.ended_ms is not None for ended in done.values())


async def asterisk_is_away_for_a_while(tmp_path: Path) -> None:
    """The audio goes on, but nobody could end the call: after long enough it is ended, whatever is left there."""
    assert ASTERISK_GONE_S == 45
    cases = {
        "for good": partial(one_call, tmp_path / "a", say=LONG * 9, meddle=_gone),
        "often but shortly": partial(one_call, tmp_path / "b", say=LONG * 2, meddle=_often_gone),
        "while the callee leaves": partial(one_call, tmp_path / "c", say=LONG * 3, meddle=_callee_leaves_unseen),
    }
    done: dict[str, Ended] = await together(cases)
    assert {name: ended.story for name, ended in done.items()} == {
        "for good": CUT_OFF,
        "often but shortly": COMPLETED,
        "while the callee leaves": ("failed", "lost", "network"),
    }
    assert done["for good"].call.detail == "Asterisk has been away for 45 s"
    assert "read the transcript" in done["while the callee leaves"].task.overall_conclusion


async def _gone(house: Rig, task: CallTask) -> None:
    await house.talking(task)
    house.asterisk.freeze_http(3.0)
    house.asterisk.drop_websocket()


async def _callee_leaves_unseen(house: Rig, task: CallTask) -> None:
    await house.talking(task)
    (channel,) = callee_channels(house)
    house.asterisk.drop_websocket()
    house.asterisk.exchange.end(channel, cause=16)


async def _often_gone(house: Rig, task: CallTask) -> None:
    """The clock of the absence stops with each reconciliation."""
    await house.talking(task)
    for _ in range(2):
        house.asterisk.drop_websocket()
        await house.until(_closed(house))
        await house.until(gate_open(house.engine))


def _closed(house: Rig):
    async def closed() -> bool:
        return not house.engine.board.ari.gate.is_open

    return closed


async def nothing_is_claimed_while_the_stream_is_down(tmp_path: Path) -> None:
    leaves = CalleeScript((Ring(0.05), Answer(0.05), HangUp()))
    async with rig(tmp_path, callees={NUMBER: leaves}) as house:
        house.asterisk.freeze_http(2.0)
        house.asterisk.drop_websocket()
        await house.until(_closed(house))
        task = await house.add(NUMBER)
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                await house.engine.scheduler.look(group)
        assert (await house.task(task)).state is TaskState.PENDING
        assert await house.calls(task) == []
        await house.until(gate_open(house.engine))
        assert (await house.settled(task)).state is TaskState.COMPLETED
        assert house.invited(NUMBER) == 1


async def another_client_takes_our_application(tmp_path: Path) -> None:
    talks, rings, waits = "+15551000711", "+15551000712", "+15551000713"
    callees = {
        talks: CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say("hey"), StaySilent(2.0), HangUp())),
        rings: CalleeScript((Ring(0.05), Answer(5.0))),
    }
    async with rig(tmp_path, callees=callees, ring_timeout_s=20) as house:
        house.think("talk")
        talk, ring = await house.add(talks, "talk on"), await house.add(rings, "talk later")
        await talking(house, talk)
        await ringing(house, ring)
        async with _another_client(house) as other, await other.open_events(5.0) as socket:
            await house.until(_closed(house))
            wait = await house.add(waits)
            ended = await house.settled(ring)
            assert (await house.call(ring)).detail == "another client took our Stasis application"
            assert ended.state is TaskState.PENDING
            talked = await house.settled(talk)
            call = await house.call(talk)
            assert (call.outcome, call.answered_ms is not None) == ("lost", True)
            assert talked.state is TaskState.FAILED
            # It went on until the callee had enough, and was found to be over although no event said so.
            assert [what for _, what in house.asterisk.callee(talks).log][-1] == "SendBye"
            assert (await house.task(wait)).state is TaskState.PENDING
            assert house.invited(waits) == 0
            await socket.close()


def _another_client(house: Rig) -> AriClient:
    asterisk = house.asterisk
    return AriClient(asterisk.base_url, asterisk.username, asterisk.password, house.settings.ari_app)


GARBAGE = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b'{"type": 5}',
    b'{"type": "NobodyKnowsThis", "channel": {"id": "x"}}',
    b'{"type": "StasisStart"}',
    b'{"type": "StasisStart", "application": "a", "args": [], "channel": {"id": "od-main-stranger-c"}}',
    b'{"type": "ChannelDestroyed", "channel": 7, "cause": "x"}',
    b'{"type": "ChannelDtmfReceived", "digit": 5, "channel": {}}',
    b'{"type": "ApplicationReplaced", "application": "somebody-else"}',
    b"[" * 100_000,
)


async def garbage_on_the_stream(tmp_path: Path) -> None:
    async def meddle(house: Rig, task: CallTask) -> None:
        await talking(house, task)
        counters = house.engine.board.ari.router.counters
        before = counters.copy()
        for data in GARBAGE:
            house.asterisk.inject_event(data)

        async def counted() -> bool:
            return counters["unknown"] > before["unknown"] and counters["malformed"] >= before["malformed"] + 8

        await house.until(counted)
        assert house.asterisk.websockets == 1
        assert house.engine.board.ari.gate.is_open

    async def intolerable(data: bytes, house: Rig, task: CallTask) -> None:
        """The websocket itself forbids it: the connection ends, and the next one goes on."""
        await talking(house, task)
        house.asterisk.inject_event(data)
        await house.until(_closed(house))

    cases = {
        "garbage": partial(one_call, tmp_path / "a", say=LONG, meddle=meddle),
        "too big": partial(one_call, tmp_path / "b", say=LONG, meddle=partial(intolerable, b" " * (2 << 20))),
        "not text": partial(one_call, tmp_path / "c", say=LONG, meddle=partial(intolerable, b"\xff\xfe")),
    }
    for name, ended in (await together(cases)).items():
        assert ended.story == COMPLETED, name
        assert ended.heard == [LONG]


async def test_the_stream_and_asterisk_go_away(tmp_path: Path) -> None:
    """Every case in houses of its own, beside each other."""
    await beside(
        tmp_path,
        the_stream_drops,
        asterisk_restarts,
        asterisk_is_away_for_a_while,
        nothing_is_claimed_while_the_stream_is_down,
        another_client_takes_our_application,
        garbage_on_the_stream,
        at_once=4,
    )
