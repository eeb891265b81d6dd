"""Commands to living calls, carried out once whatever happens to the messages about them."""

from collections import Counter
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.bus.redis import RedisBus
from app.bus.wire import encode
from app.domain import command as cmd
from app.domain.command import Command, Verdict, wake_up
from app.domain.messages import command_topic
from app.domain.task import TaskState
from app.errors import ConflictError
from app.sim.asterisk import Answer, CalleeScript, Ring, WaitForAgent
from app.store import commands
from scripts.lib.faults.tcp import tcp_relay
from tests.flow.ordering import (
    BYE_NOW,
    HELLO,
    LISTENS,
    NOTED,
    ONE_KEY,
    came_of,
    false_wake,
    in_talk,
    key,
    new_order,
    noticed,
    obedient,
    order,
    redis_house,
    subscribed,
    told,
)
from tests.flow.rig import TENANT, beside, rig
from tests.lone_redis import lone_redis

pytestmark = pytest.mark.anyio
RINGS = CalleeScript((Ring(0.02), Answer(5.0), WaitForAgent()))
FALSE_WAKES = 1_000


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
        await house.asterisk.wait_until(lambda: bool(house.callees(ringing)), 40.0)
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
        await house.asterisk.wait_until(lambda: callee.digits_heard == "12#", 40.0)
        assert (await told(house, call, cmd.Say(text="the shop is open")))[0] == "done"
        await house.talking(task, "the shop is open")
        assert (await told(house, call, cmd.Whisper(text="be brief")))[0] == "done"
        assert (await told(house, call, cmd.Whisper(text="and kind", respond=True)))[0] == "done"
        await house.talking(task, NOTED)
        assert mind.notes == ["be brief", "and kind"]
        refused = await told(house, call, cmd.Transfer(target="+12025550123"))
        assert refused == ("refused", "Transfers are possible to: nobody. Nothing was done.")
        notes = [str(event.data["detail"]) for event in await house.events(call, "command")]
        assert notes[0] == "send_dtmf by lead: keys"
        assert not any("shop" in note for note in notes)
        assert (await told(house, call, cmd.EndCall()))[0] == "done"
        await house.settled(task)


async def a_muted_agent_is_not_heard_and_says_goodbye_all_the_same(tmp_path: Path) -> None:
    number = "+15551004020"
    async with rig(tmp_path, callees={number: LISTENS}, **ONE_KEY) as house:
        mind = obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        callee = house.asterisk.callee(number)
        for closing, opening in ((cmd.Mute(), cmd.Unmute()), (cmd.Hold(), cmd.Unhold())):
            before = len(callee.heard_texts)
            assert (await told(house, call, closing))[0] == "done"
            state, sentence = await told(house, call, cmd.Say(text="nobody hears this"))
            assert (state, sentence.startswith("The agent is not heard now")) == ("refused", True)
            await told(house, call, cmd.Whisper(text="answer this", respond=True))
            await house.until(lambda: _true(mind.notes[-1:] == ["answer this"]))  # and it did answer
            assert len(callee.heard_texts) == before
            assert (await told(house, call, opening))[0] == "done"
            await house.asterisk.wait_until(lambda: len(callee.heard_texts) > before, 40.0)  # noqa: B023
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
        await house.asterisk.wait_until(lambda: bool(house.callees(ringing)), 40.0)
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
        await told(house, call, cmd.EndCall(polite=False))
        await house.settled(task)


async def rows_nobody_can_read_harm_no_call(tmp_path: Path) -> None:
    number = "+15551004050"
    async with rig(tmp_path, callees={number: LISTENS}, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        damages = {"fly": "{}", "say": '{"text":7}', "end_call": '{"force":true}'}
        odd: dict[str, Command] = {}
        async with house.db.tx() as tx:
            for kind, payload in damages.items():
                odd[kind] = await commands.enqueue(
                    tx, TENANT, new_order(house, call, cmd.Hold()), house.clock.unix_ms()
                )
                changes = {"id": odd[kind].id, "kind": kind, "payload": payload}
                await tx.execute("UPDATE commands SET kind = :kind, payload = :payload WHERE id = :id", changes)
        rows = {kind: await came_of(house, command) for kind, command in odd.items()}
        assert {str(row.state) for row in rows.values()} == {"refused"}
        assert "There is no command 'fly'" in rows["fly"].result
        assert (await told(house, call, cmd.EndCall()))[0] == "done"
        assert (await house.settled(task)).state is TaskState.COMPLETED


async def what_waits_when_a_call_ends_is_settled_with_it(tmp_path: Path) -> None:
    number = "+15551004060"
    async with rig(tmp_path, callees={number: LISTENS}, **ONE_KEY) as house:
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        payloads = [cmd.EndCall(polite=False), *(cmd.Whisper(text="too late") for _ in range(5))]
        async with house.db.tx() as tx:
            for payload in payloads:
                new = new_order(house, call, payload)
                await commands.enqueue(tx, TENANT, new, house.clock.unix_ms())
        await house.settled(task)
        rows = await commands.list_of_call(house.db, TENANT, call.id)
        assert [str(row.state) for row in rows] == ["done", *["refused"] * 5]
        assert all(row.result.endswith("nothing was done.") for row in rows[1:])


async def _true(value: bool) -> bool:
    return value


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


@pytest.mark.redis
async def test_when_redis_swallows_everything_commands_are_still_carried_out_once(tmp_path: Path) -> None:
    number = "+15551004070"
    async with (
        lone_redis(tmp_path) as server,
        tcp_relay(server.port) as between,
        RedisBus(server.url).running() as operator,
        redis_house(tmp_path, server.url_through(between.port), callees={number: LISTENS}) as (house, bus),
    ):
        mind = obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        between.dead = True
        placed = [await order(house, call, cmd.Whisper(text=f"note {at}"), bus=operator) for at in range(20)]
        rows = [await came_of(house, one) for one in placed]
        assert {str(row.state) for row in rows} == {"done"}
        last = await order(house, call, cmd.Whisper(text="last", respond=True), bus=operator)
        assert str((await came_of(house, last)).state) == "done"
        await house.talking(task, NOTED)
        assert mind.notes == [*(f"note {at}" for at in range(20)), "last"]
        assert (bus.counters.received, house.engine.board.wakes) == (0, Counter())
        await order(house, call, cmd.EndCall(polite=False), bus=operator)
        await house.settled(task)
    assert between.swallowed


@pytest.mark.redis
async def test_a_wake_up_is_quicker_than_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.calls.commands.LOOK_S", 3_600.0)
    number = "+15551004071"
    async with (
        lone_redis(tmp_path) as server,
        Redis.from_url(server.url) as redis,
        RedisBus(server.url).running() as operator,
        redis_house(tmp_path, server.url, callees={number: LISTENS}) as (house, _),
    ):
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        await subscribed(redis, call)
        row = await came_of(house, await order(house, call, cmd.SendDtmf(digits="1"), bus=operator))
        assert str(row.state) == "done"
        await order(house, call, cmd.EndCall(), bus=operator)
        await house.settled(task)
        assert house.engine.board.wakes == Counter({Verdict.ACCEPTED: 2})


@pytest.mark.redis
async def test_what_is_only_said_on_redis_is_never_done(tmp_path: Path) -> None:
    number = "+15551004072"
    async with (
        lone_redis(tmp_path) as server,
        Redis.from_url(server.url) as redis,
        redis_house(tmp_path, server.url, callees={number: LISTENS}) as (house, bus),
    ):
        obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        await subscribed(redis, call)
        own = await order(house, call, cmd.Whisper(text="the only one"))
        await redis.publish(command_topic(call.id), encode("operator", wake_up(own, key())))
        assert str((await came_of(house, own)).state) == "done"
        for at in range(0, FALSE_WAKES, 100):
            for number_of in range(at, at + 100):
                await redis.publish(command_topic(call.id), false_wake(own, number_of, house.clock.unix_ms()))
            await house.until(lambda: _true(noticed(house, bus) == at + 100 + 1))  # noqa: B023
        assert house.engine.board.wakes[Verdict.ACCEPTED] == 1
        assert bus.counters.malformed == FALSE_WAKES // 5
        assert [row.id for row in await commands.list_of_call(house.db, TENANT, call.id)] == [own.id]
        assert not house.asterisk.callee(task.number).over
        await order(house, call, cmd.EndCall(polite=False))
        await house.settled(task)


@pytest.mark.redis
async def test_a_redis_that_dies_and_comes_back_costs_no_call_and_no_command(tmp_path: Path) -> None:
    number = "+15551004073"
    async with (
        lone_redis(tmp_path) as server,
        RedisBus(server.url).running() as operator,
        redis_house(tmp_path, server.url, callees={number: LISTENS}) as (house, bus),
    ):
        mind = obedient(house, "obey")
        task, call = await in_talk(house, number, "obey")
        await server.kill()
        await house.until(lambda: _true(bus.state == "lost"))
        down = await came_of(house, await order(house, call, cmd.Whisper(text="down"), bus=operator))
        assert str(down.state) == "done"
        await server.start()
        await house.until(lambda: _true(bus.state == "connected"))
        up = await came_of(house, await order(house, call, cmd.Whisper(text="up"), bus=operator))
        assert str(up.state) == "done"
        await told(house, call, cmd.Whisper(text="last", respond=True))
        await house.talking(task, NOTED)
        assert mind.notes == ["down", "up", "last"]
        await order(house, call, cmd.EndCall())
        assert (await house.settled(task)).state is TaskState.COMPLETED
