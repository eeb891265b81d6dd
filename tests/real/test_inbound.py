"""Calls to us on the real Asterisk: what it tells of a caller, and what callers get with an engine and without."""

from pathlib import Path

import numpy as np
import pytest

from app.sim import tonevoice
from app.sim.realtime.brain import Step
from app.sim.realtime.faults import Fault, FaultKind
from tests.real.calling_phone import CallingPhone
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.listening import loud
from tests.real.phones import Callee
from tests.real.rig import END_CALL, NUMBER, model, number, office, script, settings_for

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
AWAY = "12025550198"
"""A number of ours whose application nobody has."""


async def test_what_asterisk_tells_of_a_caller(nothing_left: None, asterisk: RealAsterisk) -> None:
    """Facts the machine and the simulator stand on: state Ring, arguments, CANCEL, answer, busy, the way out."""
    async with asterisk.client("opendeep-real") as ari:
        async with CallingPhone(asterisk.sip_port, "12025550100", user="%2B1,202&555/0100") as phone:
            phone.ring()
            start = await ari.wait(lambda one: one["type"] == "StasisStart", 5, "StasisStart")
            channel = start["channel"]
            assert start["args"] == ["inbound", "12025550100", "12025550199"]
            assert channel["state"] == "Ring"
            assert channel["dialplan"]["app_data"] == "opendeep-real,inbound,12025550100,12025550199"
            phone.cancel()
            await ari.event("StasisEnd", channel["id"])
            await phone.final(wanted=487)
            assert ari.about(channel["id"]) == ["StasisStart", "ChannelHangupRequest", "StasisEnd"]
            assert phone.statuses()[:2] == [100, 180]
        async with CallingPhone(asterisk.sip_port, "12025550101") as phone:
            phone.ring()
            start = await ari.wait(lambda one: one.get("args", [""])[1:2] == ["12025550101"], 5, "StasisStart")
            channel_id = start["channel"]["id"]
            assert (
                await ari.ask(
                    "POST", f"channels/{channel_id}/variable", {"variable": "TIMEOUT(absolute)", "value": "30"}
                )
            ).status == 204
            assert (await ari.ask("POST", f"channels/{channel_id}/answer")).status == 204
            await phone.answered()
            await ari.event("ChannelStateChange", channel_id)
            phone.hang_up()
            await ari.event("StasisEnd", channel_id)
            told = ["StasisStart", "ChannelStateChange", "ChannelHangupRequest", "StasisEnd"]
            assert ari.about(channel_id) == told, "and no ChannelDestroyed"
        async with CallingPhone(asterisk.sip_port, "12025550102") as phone:
            phone.ring()
            start = await ari.wait(lambda one: one.get("args", [""])[1:2] == ["12025550102"], 5, "StasisStart")
            channel_id = start["channel"]["id"]
            assert (await ari.ask("DELETE", f"channels/{channel_id}?reason=busy")).status == 204
            assert (await phone.final())[1] == 486
            await ari.event("StasisEnd", channel_id)
            assert ari.about(channel_id) == ["StasisStart", "ChannelHangupRequest", "StasisEnd"]
        async with CallingPhone(asterisk.sip_port, "12025550103") as phone:
            phone.ring()
            start = await ari.wait(lambda one: one.get("args", [""])[1:2] == ["12025550103"], 5, "StasisStart")
            channel_id = start["channel"]["id"]
            there = {"context": "opendeep-apology", "extension": "s", "priority": 1}
            assert (await ari.ask("POST", f"channels/{channel_id}/continue", there)).status == 204
            await phone.answered()
            await phone.bye()
            assert len(phone.rtp.audio()) > 100


async def test_nobody_at_home_is_said_with_tones(nothing_left: None, asterisk: RealAsterisk) -> None:
    async with CallingPhone(asterisk.sip_port, NUMBER, target=AWAY) as phone:
        phone.ring()
        answered = await phone.answered()
        ended = await phone.bye()
        heard = phone.rtp.heard()
    assert 3 < ended - answered < 6
    assert np.count_nonzero(loud(heard, 8000)) > 50, "a second of tones at least"


async def test_a_call_back_is_a_talk_about_the_task(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(NUMBER, status=486, ring_ms=0))
    brain = script(Step(say="hello you called back"), Step(say="thank you goodbye", call=END_CALL))
    async with model(brain) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task_id] = await here.dial(NUMBER, objective="Confirm the appointment.")
        busy = await here.ended(task_id)
        assert (busy.call.outcome, str(busy.task.state)) == ("busy", "pending")
        async with CallingPhone(asterisk.sip_port, NUMBER) as phone:
            phone.ring()
            await phone.answered()
            await here.hears("agent", 1)
            phone.rtp.speak(tonevoice.speak("this is me", 8000))
            await phone.bye()
            done = await here.ended(task_id)
            heard = [one.text for one in tonevoice.listen(phone.rtp.heard(), 8000)]
    assert heard == ["hello you called back", "thank you goodbye"]
    assert ("callee", "this is me") in done.said
    assert (done.call.direction, done.call.outcome, done.call.ended_by) == ("inbound", "completed", "agent")
    assert (str(done.task.state), done.task.current_attempt_count) == ("completed", 1)
    assert "Confirm the appointment." in sim.sessions[-1].instructions
    assert at.invites == {NUMBER: 1}, "the waiting retry was not dialed"


async def test_strangers_are_refused_without_a_model(
    nothing_left: None, asterisk: RealAsterisk, tmp_path: Path
) -> None:
    async with model(script()) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        async with CallingPhone(asterisk.sip_port, number(7)) as phone:
            phone.ring()
            assert (await phone.final())[1] == 486
        async with CallingPhone(asterisk.sip_port, "anonymous") as phone:
            phone.ring()
            assert (await phone.final())[1] == 486
        assert sim.sessions == []
        assert here.engine.reception.taken == 0


async def test_who_hangs_up_while_it_rings_leaves_the_retry_where_it_was(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    phones(Callee(NUMBER, status=486, ring_ms=0))
    async with model(script(Step(say="hello"))) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task_id] = await here.dial(NUMBER)
        before = await here.ended(task_id)
        sim.faults.add(Fault(kind=FaultKind.HANG))  # nothing is answered before the model is ready: it rings on
        async with CallingPhone(asterisk.sip_port, NUMBER) as phone:
            phone.ring()
            await phone.taken()
            phone.cancel()
            await phone.final()
        after = await here.ended(task_id)
    assert after.task.state == "pending"
    assert after.task.next_action_time == before.task.next_action_time
