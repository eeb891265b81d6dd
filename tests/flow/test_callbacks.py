"""People who call us back: brought to their task and talked with, or refused without cost, never dialed meanwhile.

Each case stands for itself in a house of its own; the simulated Asterisk tells of a caller what the real one tells
(tests/real/test_inbound.py holds it to that).
"""

import asyncio
from pathlib import Path

import pytest

from app.domain.call import Call
from app.domain.task import CallTask, TaskState
from app.ids import new_id
from app.sim.asterisk import Answer, CalleeScript, HangUp, Say, WaitForAgent
from app.sim.asterisk.callers import PhoneIn
from app.sim.asterisk.personas import busy, by_number, calls_back
from app.sim.realtime.brain import Step, ToolCall
from app.sim.realtime.session import SimSession
from app.store import analyses, callbacks, dnd, tasks, tenants
from app.store.tenants import TenantTerms
from tests.flow.rig import BYE, TENANT, Rig, beside, rig, until, world

pytestmark = pytest.mark.anyio
NUMBER = "+15551000100"
END = (ToolCall(name="end_call", arguments={"reason": "settled"}),)
LISTENS = CalleeScript((Answer(0.0), WaitForAgent(), Say("thanks"), WaitForAgent()))


async def busy_once(house: Rig, number: str = NUMBER, objective: str = "back matter") -> CallTask:
    """A task whose first attempt met a busy line and whose retry waits."""
    task = await house.settled(await house.add(number, objective, opening="wait_for_hello"))
    assert (task.state, task.current_attempt_count) == (TaskState.PENDING, 1)
    return task


def primed(session: SimSession) -> str:
    """All text items of a model session."""
    return "\n".join(str(item.body) for item in session.conversation.items)


async def over(house: Rig, phone: PhoneIn, timeout_s: float = 10.0) -> PhoneIn:
    await house.asterisk.wait_until(lambda: phone.over, timeout_s)
    return phone


async def inbound(house: Rig, task: CallTask) -> Call:
    """The ended call-back of a task that has been concluded."""

    async def ended() -> Call | None:
        last = await house.call(task)
        state = (await house.task(task)).state
        done = (
            last.direction == "inbound" and last.ended_ms and state not in (TaskState.IN_CALL, TaskState.ANALYZING)
        )
        return last if done else None

    return await house.until(ended)


async def a_call_back_finds_its_task_and_ends_it(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("back", Step(say="good that you call"), Step(say="goodbye", call=END))
        task = await busy_once(house)
        phone = house.asterisk.call_in(NUMBER, LISTENS)
        await over(house, phone)
        call = await inbound(house, task)
        done = await house.task(task)
        assert phone.callee.heard_texts == ["good that you call", "goodbye"]
        assert (call.outcome, call.ended_by, call.dialed, call.attempt_number) == ("completed", "agent", False, 2)
        assert (done.state, done.current_attempt_count, done.not_dialed_count) == (TaskState.COMPLETED, 1, 0)
        assert done.overall_conclusion.startswith("They called back.")
        await house.expect_turns(call, ("agent", "good that you call"), ("callee", "thanks"), ("agent", "goodbye"))
        session = await house.session("back", 2)
        assert "forged" in session.instructions
        assert "we called, busy." in primed(session)
        assert house.invited(NUMBER) == 1


async def a_text_model_judges_what_was_said(tmp_path: Path) -> None:
    agrees = CalleeScript((Answer(0.0), WaitForAgent(), Say("that is fine"), WaitForAgent()))
    async with rig(tmp_path, callees={NUMBER: busy()}, analysis="model") as house:
        house.think("back", Step(say="hello"), BYE)
        task = await busy_once(house)
        await over(house, house.asterisk.call_in(NUMBER, agrees))
        call = await inbound(house, task)
        done = await house.task(task)
        assert (done.state, done.overall_conclusion) == (TaskState.COMPLETED, "The callee agreed.")
        row = await analyses.get(house.db, TENANT, call.id)
        assert row is not None
        assert row.decided is not None
        assert [proof.speaker for proof in row.decided.proofs] == ["callee"]


async def what_was_said_before_is_known(tmp_path: Path) -> None:
    first = CalleeScript((*by_number(NUMBER).steps[:2], WaitForAgent(), Say("call me at noon"), HangUp(0.3)))
    async with rig(tmp_path, callees={NUMBER: first}) as house:
        house.think("twice", Step(say="may i ask"), otherwise=Step(say="welcome back"))
        done = await house.settled(await house.add(NUMBER, "twice asked"))
        assert done.state is TaskState.COMPLETED
        phone = house.asterisk.call_in(NUMBER, CalleeScript((Answer(0.0), WaitForAgent(), HangUp(0.1))))
        await over(house, phone)
        call = await inbound(house, done)
        session = await house.session("twice", 2)
        assert 'You: "may i ask' in primed(session)
        assert 'They: "call me at noon' in primed(session)
        assert call.ended_by == "callee"
        after = await house.task(done)
        assert (after.state, after.overall_conclusion) == (done.state, done.overall_conclusion), "settled stays so"


async def the_waiting_retry_is_not_dialed_meanwhile(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("back", Step(say="hello"), otherwise=Step())
        task = await busy_once(house)
        phone = house.asterisk.call_in(NUMBER, CalleeScript((Answer(0.0), WaitForAgent())))
        await house.asterisk.wait_until(lambda: phone.callee.heard_texts == ["hello"], 10)
        now = await house.task(task)
        assert now.state is TaskState.IN_CALL
        house.clock.ahead_ms += 20 * 60_000  # the retry would be due by now
        for _ in range(3):
            async with asyncio.TaskGroup() as group:
                await house.engine.scheduler.look(group)
        assert house.invited(NUMBER) == 1
        (await house.live(task)).hang_up("operator", "enough")  # type: ignore[arg-type]
        await inbound(house, task)
        assert house.invited(NUMBER) == 1


async def two_at_once_are_one_talk(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("back", Step(say="hello"), BYE)
        task = await busy_once(house)
        phones = [house.asterisk.call_in(NUMBER, LISTENS) for _ in range(3)]
        for phone in phones:
            await over(house, phone)
        assert sorted(phone.cause or 0 for phone in phones) == [16, 17, 17]
        await inbound(house, task)
        assert len(await house.calls(task)) == 2


async def strangers_hear_busy_and_cost_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        for number in ("+15551009000", "", "+15551009000,x", "12"):
            phone = await over(house, house.asterisk.call_in(number, LISTENS))
            assert (phone.answered, phone.cause) == (False, 17)
        assert house.realtime.sessions == []
        assert house.engine.reception.taken == 0
    async with rig(tmp_path / "apology", callback_unknown="apology") as house:
        phone = await over(house, house.asterisk.call_in("+15551009000", LISTENS))
        assert (phone.apologized, phone.cause) == (True, 16)
        assert house.realtime.sessions == []


async def too_many_calls_of_one_number_are_busy(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}, callbacks_per_hour=1) as house:
        house.think("back", Step(say="hello"), BYE)
        task = await busy_once(house)
        assert (await over(house, house.asterisk.call_in(NUMBER, LISTENS))).cause == 16
        await inbound(house, task)
        assert (await over(house, house.asterisk.call_in(NUMBER, LISTENS))).cause == 17
        assert len(await house.calls(task)) == 2


async def old_calls_and_a_closed_door_are_strangers(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}, callback_days=2) as house:
        await busy_once(house)
        house.clock.ahead_ms += 3 * 86_400_000
        await house.engine.scheduler.idle.wait()
        listed = dnd.DoNotCall(id=new_id(0), tenant_id=TENANT, number=NUMBER, reason="x", source="operator")
        async with house.db.tx() as tx:  # or the retry, due by now, is dialed
            await dnd.add(tx, listed, house.clock.unix_ms())
        if house.invited(NUMBER) == 1:
            assert (await over(house, house.asterisk.call_in(NUMBER, LISTENS))).cause == 17
    async with rig(tmp_path / "closed", callees={NUMBER: busy()}, callback_days=0) as house:
        await busy_once(house)
        assert (await over(house, house.asterisk.call_in(NUMBER, LISTENS))).cause == 17


async def the_cap_counts_callers(tmp_path: Path) -> None:
    other = "+15551000101"
    callees = {NUMBER: busy(), other: CalleeScript((*by_number(other).steps[:2], WaitForAgent()))}
    async with rig(tmp_path, callees=callees, max_concurrent_calls=1) as house:
        house.think("long", Step(say="a b c d e f g h i j k l m n o p q r s t u v w x y z " * 2))
        await busy_once(house)
        talking = await house.add(other, "long talk")
        await house.talking(talking)
        assert (await over(house, house.asterisk.call_in(NUMBER, LISTENS))).cause == 17
        (await house.live(talking)).hang_up("operator", "enough")  # type: ignore[arg-type]
        await house.settled(talking)


async def who_hangs_up_while_it_rings_changes_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        before = await busy_once(house)
        house.asterisk.delay_events(0.05)
        phone = await over(house, house.asterisk.call_in(NUMBER, LISTENS, give_up_after_s=0.02))
        call = await inbound(house, before)
        after = await house.task(before)
        assert (phone.answered, call.answered_ms) == (False, None)
        assert (call.outcome, call.ended_by) == ("canceled", "callee")
        assert (after.state, after.next_action_time) == (TaskState.PENDING, before.next_action_time)
        assert (after.current_attempt_count, after.not_dialed_count) == (1, 0)


async def without_a_media_worker_they_hear_the_apology(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        task = await busy_once(house)
        link = house.engine.board.media
        client, link._client = link._client, None
        phone = await over(house, house.asterisk.call_in(NUMBER, LISTENS))
        link._client = client
        assert (phone.apologized, phone.cause) == (True, 16)
        assert len(await house.calls(task)) == 1


async def without_money_they_hear_the_apology(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        task = await busy_once(house)
        await tenants.set_terms(house.db, TENANT, TenantTerms(budget_micro_usd=0))
        phone = await over(house, house.asterisk.call_in(NUMBER, LISTENS))
        assert (phone.apologized, phone.cause) == (True, 16)
        assert len(await house.calls(task)) == 1
        await tenants.set_terms(house.db, TENANT, TenantTerms(budget_micro_usd=10**9))
        house.think("back", Step(say="hello"), BYE)
        assert (await over(house, house.asterisk.call_in(NUMBER, LISTENS))).answered
        await inbound(house, task)


async def a_model_that_fails_is_a_congested_line(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        before = await busy_once(house)
        house.asterisk.fail_next("POST", "/channels/externalMedia", 500)
        phone = await over(house, house.asterisk.call_in(NUMBER, LISTENS))
        call = await inbound(house, before)
        assert (phone.answered, phone.cause) == (False, 34)
        assert (call.outcome, call.ended_by) == ("failed", "system_failure")
        assert (await house.task(before)).state is TaskState.PENDING


async def nobody_at_home_is_an_apology_and_the_door_is_shut_by_default(tmp_path: Path) -> None:
    async with world(tmp_path) as house:  # the engine does not run
        phone = await over(house, house.asterisk.call_in(NUMBER, LISTENS))
        assert (phone.apologized, phone.cause) == (True, 16)


async def who_opted_out_may_call_and_is_not_persuaded(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        task = await busy_once(house, objective="sell the thing")
        listed = dnd.DoNotCall(id=new_id(0), tenant_id=TENANT, number=NUMBER, reason="asked", source="callee")
        async with house.db.tx() as tx:
            await dnd.add(tx, listed, house.clock.unix_ms())
        assert (await house.task(task)).state is TaskState.SUPPRESSED
        phone = house.asterisk.call_in(NUMBER, CalleeScript((Answer(0.0), WaitForAgent(), HangUp(0.1))))
        await over(house, phone)
        call = await inbound(house, task)
        assert call.outcome == "completed"
        session = house.realtime.sessions[-1]
        assert "we have noted that they want no calls from us" in session.instructions
        assert "sell the thing" not in session.instructions
        assert (await house.task(task)).state is TaskState.SUPPRESSED
        assert house.invited(NUMBER) == 1


async def whom_we_gave_up_on_may_still_settle_it(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("once", Step(say="hello"), BYE)
        given_up = await house.settled(
            await house.add(NUMBER, "once only", opening="wait_for_hello", max_attempts=1)
        )
        assert given_up.state is TaskState.FAILED
        await over(house, house.asterisk.call_in(NUMBER, LISTENS))

        async def completed() -> bool:
            return (await house.task(given_up)).state is TaskState.COMPLETED

        await house.until(completed)


async def who_asks_for_no_more_calls_has_settled_nothing(tmp_path: Path) -> None:
    stop = CalleeScript((Answer(0.0), WaitForAgent(), Say("stop calling me please"), WaitForAgent()))
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("once", Step(say="hello"), BYE)
        given_up = await house.settled(
            await house.add(NUMBER, "once only", opening="wait_for_hello", max_attempts=1)
        )
        await over(house, house.asterisk.call_in(NUMBER, stop))

        async def said_so() -> CallTask | None:
            now = await house.task(given_up)
            return now if now.overall_conclusion != given_up.overall_conclusion else None

        after = await house.until(said_so)
        assert await dnd.is_listed(house.db, TENANT, [NUMBER])
        assert (after.state, after.overall_conclusion) == (TaskState.FAILED, callbacks.REFUSED)


async def open_tasks_come_before_settled_ones(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("open", Step(say="hello"), BYE)
        waiting = await busy_once(house, objective="open matter")
        settled = await house.settled(
            await house.add(NUMBER, "newer matter", opening="wait_for_hello", max_attempts=1)
        )
        assert settled.state is TaskState.FAILED
        await over(house, house.asterisk.call_in(NUMBER, LISTENS))
        assert (await inbound(house, waiting)).direction == "inbound"
        assert len(await house.calls(settled)) == 1


async def who_waits_for_the_user_waits_on(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        task = await busy_once(house)
        async with house.db.tx() as tx:
            await tx.execute("UPDATE tasks SET state = 'waiting_user' WHERE id = :id", {"id": task.id})
        house.asterisk.fail_next("POST", "/bridges", 500)
        await over(house, house.asterisk.call_in(NUMBER, LISTENS))
        await inbound(house, task)
        assert (await tasks.get(house.db, TENANT, task.id)).state is TaskState.WAITING_USER


async def mode_talks_only_with_the_phone_it_dialed(tmp_path: Path) -> None:
    redirect = "+15551009999"
    mode = {"app_test_mode": True, "app_test_mode_redirect_number": redirect}
    async with rig(tmp_path, callees={redirect: busy()}, **mode) as house:
        house.think("back", Step(say="hello"), BYE)
        task = await house.settled(await house.add(NUMBER, "back matter", opening="wait_for_hello"))
        assert (await over(house, house.asterisk.call_in(NUMBER, LISTENS))).cause == 17
        assert (await over(house, house.asterisk.call_in(redirect, LISTENS))).cause == 16
        await inbound(house, task)


async def callers_found_after_an_outage_are_served_or_let_go(tmp_path: Path) -> None:
    """The StasisStart is lost with the websocket; the listing after the reconnect shows who rings."""
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("back", Step(say="hello"), BYE)
        task = await busy_once(house)
        house.asterisk.delay_events(30)
        phone = house.asterisk.call_in(NUMBER, LISTENS)
        channels = house.asterisk.exchange.channels
        await house.asterisk.wait_until(lambda: any(one.in_stasis for one in channels.values()))
        house.asterisk.delay_events(0)
        house.asterisk.drop_websocket()
        await over(house, phone)
        assert (phone.answered, phone.cause) == (True, 16)
        await inbound(house, task)


async def stopping_the_engine_ends_a_call_back(tmp_path: Path) -> None:
    async with world(tmp_path, callees={NUMBER: busy()}) as house:
        house.think("back", Step(say="hello"), otherwise=Step())
        async with house.engine.running():
            await until(lambda: _open(house))
            task = await busy_once(house)
            phone = house.asterisk.call_in(NUMBER, CalleeScript((Answer(0.0), WaitForAgent())))
            await house.asterisk.wait_until(lambda: phone.callee.heard_texts == ["hello"], 10)
        call = await house.call(task)
        assert (call.outcome, call.ended_by) == ("completed", "system_complete")


async def _open(house: Rig) -> bool:
    return house.engine.board.ari.gate.is_open


async def personas_call_back(tmp_path: Path) -> None:
    async with rig(tmp_path, callees={NUMBER: busy()}) as house:
        task = await busy_once(house, objective="polite talk")
        phone = await over(house, house.asterisk.call_in(NUMBER, calls_back()), 20)
        assert phone.callee.heard_texts
        await inbound(house, task)


async def test_call_backs_are_talks(tmp_path: Path) -> None:
    await beside(
        tmp_path,
        a_call_back_finds_its_task_and_ends_it,
        a_text_model_judges_what_was_said,
        what_was_said_before_is_known,
        whom_we_gave_up_on_may_still_settle_it,
        open_tasks_come_before_settled_ones,
        who_opted_out_may_call_and_is_not_persuaded,
        who_asks_for_no_more_calls_has_settled_nothing,
        personas_call_back,
        at_once=3,
    )


async def test_nobody_is_contacted_twice(tmp_path: Path) -> None:
    await beside(
        tmp_path,
        the_waiting_retry_is_not_dialed_meanwhile,
        two_at_once_are_one_talk,
        the_cap_counts_callers,
        who_hangs_up_while_it_rings_changes_nothing,
        who_waits_for_the_user_waits_on,
        mode_talks_only_with_the_phone_it_dialed,
        at_once=3,
    )


async def test_who_is_not_answered_hears_why(tmp_path: Path) -> None:
    await beside(
        tmp_path,
        strangers_hear_busy_and_cost_nothing,
        too_many_calls_of_one_number_are_busy,
        old_calls_and_a_closed_door_are_strangers,
        without_a_media_worker_they_hear_the_apology,
        without_money_they_hear_the_apology,
        a_model_that_fails_is_a_congested_line,
        nobody_at_home_is_an_apology_and_the_door_is_shut_by_default,
        at_once=3,
    )


async def test_outage_and_stop(tmp_path: Path) -> None:
    await beside(
        tmp_path, callers_found_after_an_outage_are_served_or_let_go, stopping_the_engine_ends_a_call_back
    )
