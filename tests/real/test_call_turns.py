"""What happens inside a talk on the real Asterisk: keys in both directions, and a callee who interrupts."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.sim import espeak, tonevoice
from app.sim.realtime.brain import Cause, ScriptedBrain, Step, ToolCall
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.listening import loud, record
from tests.real.machine import watched
from tests.real.phones import Callee
from tests.real.rig import END_CALL, NUMBER, model, office, script, settings_for
from tests.real.rtp_phone import keys_heard
from tests.real.test_call_audio import with_pause

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]


async def test_the_agent_is_told_what_the_callee_presses(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """Three keys are three stored events and one remark to the model, which gets no sound of them."""
    at = phones(Callee(NUMBER))
    brain = script(Step(say="press a key"), Step(say="thank you", call=END_CALL))
    async with model(brain) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(NUMBER)
        await here.hears("agent")
        at[NUMBER].press("42#")
        done = await here.ended(task)
    assert done.noted("dtmf_in") == ["4", "2", "#"]
    mind = sim.sessions[0].brain
    assert isinstance(mind, ScriptedBrain)
    remarks = [event.instructions for event, _ in mind.asked if "keypad" in event.instructions]
    assert len(remarks) == 1
    assert "pressed 42# on" in remarks[0]
    assert sim.sessions[0].heard == [], "keys are no speech"
    assert done.said == [("agent", "press a key"), ("agent", "thank you")]
    assert (done.call.ended_by, at.invites[NUMBER]) == ("agent", 1)


@pytest.mark.parametrize("digits", ["12#", "1ww9"])
async def test_the_agent_presses_keys(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path, digits: str
) -> None:
    """The phone gets telephone-events, and no word is lost to them: Asterisk sends no voice while a key is down.

    What was said before the call of the function is heard before the keys.
    """
    at = phones(Callee(NUMBER, ring_ms=500))
    phone = at[NUMBER]
    press = (ToolCall(name="send_dtmf", arguments={"digits": digits}),)
    brain = script(
        Step(say="now"),
        Step(say="i press it", call=press, on=Cause.TURN),
        Step(say="pressed and done", call=END_CALL, on=Cause.TOOL_OUTPUT),
    )
    async with model(brain) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(NUMBER)
        await here.hears("agent")
        phone.speak(with_pause(phone, tonevoice.speak("press", 8000)))
        done = await here.ended(task)
    pressed = keys_heard(phone)
    print([(key, round((last - first) * 1000)) for key, first, last in pressed])
    assert [key for key, _, _ in pressed] == [one for one in digits if one != "w"]
    if "w" in digits:
        assert all(b[1] - a[2] > 0.9 for a, b in pairwise(pressed))
    recording = record(phone)
    heard = tonevoice.listen(recording.samples, 8000)
    print(heard)
    assert [(one.text, one.complete) for one in heard] == [
        ("now", True),
        ("i press it", True),
        ("pressed and done", True),
    ]
    assert done.noted("dtmf_out") == [digits]
    assert (done.call.outcome, done.call.ended_by) == ("completed", "agent")
    assert at.invites == {NUMBER: 1}


@pytest.mark.parametrize(("leg_codec", "media_mode"), [("ulaw", "process"), ("g722", "in_process")])
async def test_the_callee_interrupts(
    nothing_left: None,
    asterisk: RealAsterisk,
    phones: StartPhones,
    tmp_path: Path,
    leg_codec: str,
    media_mode: str,
) -> None:
    """The agent falls silent at once, and the model is told exactly how much of its sentence was heard."""
    at = phones(Callee(NUMBER, codec=leg_codec, ring_ms=1000))
    phone, tones = at[NUMBER], "a very long sentence that nobody ever lets an agent say to its very end " * 2
    brain = script(Step(say=tones), Step(say="sorry", call=END_CALL, on=Cause.TURN))
    settings = {"leg_codec": leg_codec, "media_mode": media_mode}
    with watched() as stalls:
        async with model(brain) as sim, office(settings_for(asterisk, tmp_path, sim.url, **settings)) as here:
            [task] = await here.dial(NUMBER)
            session = await sim.session()
            session.hear("stop stop")
            await phone.hears(75)
            before = len(phone.sent)
            # In one breath: a pause would make two turns of it, and the first answer is cancelled unheard.
            phone.speak(with_pause(phone, espeak.speak("Stop stop please stop", phone.rate_hz)))
            done = await here.ended(task)
    recording = record(phone)
    speaks = loud(recording.samples, phone.rate_hz)
    first = int(np.argmax(speaks))
    held = int(np.argmin(speaks[first:]))
    """Frames from the first word to the first silence; between the callee's bursts the agent may go on."""
    heard_ms = int(np.sum(speaks)) * 20 - tonevoice.duration_ms("sorry")
    interrupted_at = phone.sent[before][0]
    silence_ms = (recording.arrivals[first + held - 1] - interrupted_at) * 1000
    cut = session.spoken[0]
    [barge_in] = [one.data for one in done.events if one.kind == "barge_in"]
    print(f"silent {silence_ms:.0f} ms after the callee began; truncated at {cut.truncated_at_ms} ms, the phone")
    print(f"holds {heard_ms} ms; {stalls}")
    assert cut.truncated_at_ms is not None
    assert abs(cut.truncated_at_ms - heard_ms) <= 80
    assert barge_in["heard_ms"] == cut.truncated_at_ms
    assert silence_ms < 300 + stalls.longest_ms
    assert cut.truncated_at_ms < tonevoice.duration_ms(tones)
    assert done.said[1:] == [("callee", "stop stop"), ("agent", "sorry")]
    first_turn = done.turns[0]
    assert (first_turn.interrupted, first_turn.heard_ms) == (True, cut.truncated_at_ms)
    assert [one.text for one in tonevoice.listen(recording.samples, phone.rate_hz) if one.complete][-1] == "sorry"
    assert at.invites == {NUMBER: 1}
