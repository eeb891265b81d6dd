"""Commands to living calls, carried out once whatever happens to the messages about them."""

import asyncio
from pathlib import Path

import pytest

from app.bus.redis import RedisBus
from app.domain import command as cmd
from app.domain.command import Verdict
from app.domain.task import TaskState
from app.engine import Engine
from app.errors import ConflictError
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.store import commands
from scripts.lib.redis_server import RedisServer, relay
from tests.flow.ordering import (
    BYE_NOW,
    HELLO,
    LISTENS,
    NOTED,
    ONE_KEY,
    came_of,
    in_talk,
    obedient,
    order,
    told,
)
from tests.flow.rig import TENANT, Rig, beside, gate_open, rig, until, world
from tests.lone_redis import lone_redis

pytestmark = pytest.mark.anyio
RINGS = CalleeScript((Ring(0.02), Answer(5.0), WaitForAgent()))
LATE_LIMIT_MS = 2_000


async def an_operator_ends_calls(tmp_path: Path) -> None:
    polite, plain, ringing = "+15551004001", "+15551004002", "+15551004003"
    scripts = {polite: LISTENS, plain: LISTENS, ringing: RINGS}
    async with rig(tmp_path, callees=scripts, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, polite, "obey")
        assert await told(house, call, cmd.EndCall(reason="wrong person")) == ("done", "The agent says goodbye.")
        again = await told(house, call, cmd.EndCall())
        assert again == ("refused", "The call is ending; nothing was done.")
        ended = await house.settled(task)
        call = await house.call(task)
        assert (ended.state, call.outcome, call.ended_by) == (TaskState.COMPLETED, "completed", "operator")
        assert call.detail == "wrong person"
        assert house.asterisk.callee(polite).heard_texts == [HELLO, BYE_NOW]
        with pytest.raises(ConflictError, match="has ended"):
            await order(house, call, cmd.Hold())

        task, call = await in_talk(house, plain, "obey")
        assert (await told(house, call, cmd.EndCall(polite=False)))[0] == "done"
        await house.settled(task)
        assert (await house.call(task)).ended_by == "operator"
        assert house.asterisk.callee(plain).heard_texts == [HELLO]

        task = await house.add(ringing, "obey in time")
        await house.asterisk.wait_until(lambda: bool(house.callees(ringing)), 5.0)
        call = await house.call(task)
        assert (await told(house, call, cmd.Say(text="too early"))) == (
            "refused",
            "The callee has not answered yet; nothing was done.",
        )
        assert (await told(house, call, cmd.EndCall()))[0] == "done"
        ended = await house.settled(task)
        assert (ended.state, (await house.call(task)).outcome) == (TaskState.CANCELLED, "canceled")


async def an_operator_takes_part(tmp_path: Path) -> None:
    number = "+15551004010"
    async with rig(tmp_path, callees={number: LISTENS}, **ONE_KEY) as house:
        mind = obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        callee = house.asterisk.callee(number)
        assert await told(house, call, cmd.SendDtmf(digits="12#")) == ("done", "Pressed.")
        await house.asterisk.wait_until(lambda: callee.digits_heard == "12#", 5.0)
        assert (await told(house, call, cmd.Say(text="the shop is open")))[0] == "done"
        await house.talking(task, "the shop is open")
        assert (await told(house, call, cmd.Whisper(text="be brief")))[0] == "done"
        assert (await told(house, call, cmd.Whisper(text="and kind", respond=True)))[0] == "done"
        await house.talking(task, NOTED)
        assert mind.notes == ["be brief", "and kind"]
        for payload in (cmd.Transfer(target="+12025550123"), cmd.TakeOver(target="desk-1")):
            state, sentence = await told(house, call, payload)
            assert (state, sentence.endswith("not built yet; nothing was done.")) == ("refused", True)
        notes = [str(event.data["detail"]) for event in await house.events(call, "command")]
        assert notes[0] == "send_dtmf by lead: keys"
        assert not any("shop" in note for note in notes)
        assert (await told(house, call, cmd.EndCall()))[0] == "done"
        await house.settled(task)


async def a_muted_agent_is_not_heard_and_says_goodbye_all_the_same(tmp_path: Path) -> None:
    number = "+15551004020"
    async with rig(tmp_path, callees={number: LISTENS}, no_input_s=0.3, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        callee = house.asterisk.callee(number)
        for closing, opening in ((cmd.Mute(), cmd.Unmute()), (cmd.Hold(), cmd.Unhold())):
            before = len(callee.heard_texts)
            assert (await told(house, call, closing))[0] == "done"
            state, sentence = await told(house, call, cmd.Say(text="nobody hears this"))
            assert (state, sentence.startswith("The agent is not heard now")) == ("refused", True)
            await told(house, call, cmd.Whisper(text="answer this", respond=True))
            session = await house.session("obey")
            assert not session.closed.is_set()
            await asyncio.sleep(0.5)  # longer than the silence after which the agent would ask
            assert len(callee.heard_texts) == before
            assert (await told(house, call, opening))[0] == "done"
            await house.asterisk.wait_until(lambda: len(callee.heard_texts) > before, 5.0)  # noqa: B023
        assert (await told(house, call, cmd.Unmute())) == ("done", "The line was open already.")
        assert "nobody hears this" not in callee.heard_texts
        await told(house, call, cmd.Hold())
        await told(house, call, cmd.EndCall())
        await house.settled(task)
        assert callee.heard_texts[-1] == BYE_NOW
        assert (await house.call(task)).ended_by == "operator"


async def a_call_is_put_off_to_a_wished_time(tmp_path: Path) -> None:
    wished, unwished, ringing = "+15551004030", "+15551004031", "+15551004032"
    scripts = {wished: LISTENS, unwished: LISTENS, ringing: RINGS}
    async with rig(tmp_path, callees=scripts, **ONE_KEY) as house:
        obedient(house, "obey")
        at_ms = house.clock.unix_ms() + 5 * 3_600_000
        for number, wish in ((wished, at_ms), (unwished, None)):
            task, call = await in_talk(house, number, "obey")
            assert (await told(house, call, cmd.Reschedule(wished_ms=wish)))[0] == "done"
            again = await house.settled(task)
            assert again.state is TaskState.PENDING
            assert again.overall_conclusion.startswith("An operator asked for another time")
            assert house.asterisk.callee(number).heard_texts == [HELLO, BYE_NOW]
            if wish is not None:
                assert abs(again.next_action_time - wish) < 60_000
        task = await house.add(ringing, "obey in time")
        await house.asterisk.wait_until(lambda: bool(house.callees(ringing)), 5.0)
        assert (await told(house, await house.call(task), cmd.Reschedule(wished_ms=at_ms)))[0] == "done"
        assert (await house.settled(task)).state is TaskState.PENDING  # and not cancelled


async def without_any_message_each_command_is_carried_out_once_and_in_order(tmp_path: Path) -> None:
    number = "+15551004040"
    async with rig(tmp_path, callees={number: LISTENS}, **ONE_KEY) as house:
        mind = obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        placed = [await order(house, call, cmd.Whisper(text=f"note {at}")) for at in range(12)]
        rows = [await came_of(house, one) for one in placed]
        await told(house, call, cmd.Whisper(text="last", respond=True))
        await house.talking(task, NOTED)
        assert mind.notes == [*(f"note {at}" for at in range(12)), "last"]
        assert {str(row.state) for row in rows} == {"done"}
        assert max((row.done_ms or 0) - row.created_ms for row in rows) <= LATE_LIMIT_MS
        await told(house, call, cmd.EndCall(polite=False))
        await house.settled(task)


async def rows_nobody_can_read_harm_no_call(tmp_path: Path) -> None:
    number = "+15551004050"
    async with rig(tmp_path, callees={number: LISTENS}, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        odd = {}
        for kind, payload in {"fly": {}, "say": {"text": 7}, "end_call": {"reason": "x", "force": True}}.items():
            command = await order(house, call, cmd.Hold())
            odd[kind] = command
            changes = {"id": command.id, "kind": kind, "payload": str(payload).replace("'", '"').replace("T", "t")}
            await house.db.execute("UPDATE commands SET kind = :kind, payload = :payload WHERE id = :id", changes)
        rows = {kind: await came_of(house, command) for kind, command in odd.items()}
        assert {str(row.state) for row in rows.values()} <= {"refused", "done"}
        assert str(rows["fly"].state) == "refused"
        assert "There is no command 'fly'" in rows["fly"].result
        assert (await told(house, call, cmd.EndCall()))[0] == "done"
        assert (await house.settled(task)).state is TaskState.COMPLETED


async def what_waits_when_a_call_ends_is_settled_with_it(tmp_path: Path) -> None:
    number = "+15551004060"
    script = CalleeScript((Ring(0.02), Answer(0.02), WaitForAgent(), Say("yes"), WaitForAgent()))
    async with rig(tmp_path, callees={number: script}, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        async with house.db.tx():  # nobody can take anything
            (await house.live(task)).hang_up_soon = True  # type: ignore[attr-defined]
        placed = [await order(house, call, cmd.EndCall(polite=False), bus=house.bus)]
        placed += [await order(house, call, cmd.Whisper(text="too late")) for _ in range(3)]
        await house.settled(task)
        rows = await commands.list_of_call(house.db, TENANT, call.id)
        assert {str(row.state) for row in rows} <= {"done", "refused"}
        assert len(rows) == len(placed)
        assert all(row.done_ms is not None for row in rows)


async def test_commands(tmp_path: Path) -> None:
    await beside(
        tmp_path,
        an_operator_ends_calls,
        an_operator_takes_part,
        a_muted_agent_is_not_heard_and_says_goodbye_all_the_same,
        a_call_is_put_off_to_a_wished_time,
        without_any_message_each_command_is_carried_out_once_and_in_order,
        rows_nobody_can_read_harm_no_call,
        what_waits_when_a_call_ends_is_settled_with_it,
    )
