"""What a call of the product survives on the real Asterisk, and how it ends when it cannot.

The wire to ARI is cut, Asterisk is killed and started again: nobody is rung twice, every task gets its end, and as
long as Asterisk and the media worker live, the callee hears the agent without a gap.
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.sim import espeak
from app.sim.realtime.brain import Cause, Step
from app.sim.voice import EspeakVoice
from scripts.lib.faults.tcp import TcpRelay, tcp_relay
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.listening import assert_carried, record
from tests.real.machine import watched
from tests.real.mortal import Mortal, mortal_asterisk
from tests.real.phones import Callee, Phones
from tests.real.rig import END_CALL, NUMBER, model, number, office, script, settings_for
from tests.real.test_call_audio import sent_by_model, with_pause

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]


def through(between: TcpRelay) -> dict[str, object]:
    return {"ari_url": f"http://127.0.0.1:{between.port}/ari"}


async def test_ari_is_cut_while_it_rings(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """Back before the answer: the call goes on as if nothing had been."""
    at = phones(Callee(NUMBER, ring_ms=3000, hang_up_after_ms=1000))
    async with (
        tcp_relay(asterisk.http_port) as between,
        model(script(Step(say="hello"))) as sim,
        office(settings_for(asterisk, tmp_path, sim.url, **through(between))) as here,
    ):
        [task] = await here.dial(NUMBER)
        await here.reaches(task, "ringing")
        between.cut()
        await here.banner("ari", "lost")
        await here.banner("ari", "connected", times=2)
        assert not at.seen("ANSWER"), "in time"
        done = await here.ended(task)
    assert here.banners("ari") == ["connecting", "connected", "lost", "connecting", "connected"]
    assert (done.call.outcome, done.call.ended_by) == ("completed", "callee")
    assert done.said == [("agent", "hello")]
    assert at.invites == {NUMBER: 1}


async def test_callee_answers_while_ari_is_away(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """Asterisk drops an answered call whose application is away. Nobody knows; it is not dialed again at once."""
    at = phones(Callee(NUMBER, ring_ms=500))
    async with (
        tcp_relay(asterisk.http_port) as between,
        model(script(Step(say="hello"))) as sim,
        office(settings_for(asterisk, tmp_path, sim.url, **through(between))) as here,
    ):
        [task] = await here.dial(NUMBER)
        await here.reaches(task, "ringing")
        between.down = True
        between.cut()
        await at.until("BYE-IN", NUMBER)
        between.down = False
        done = await here.ended(task)
    assert (done.call.outcome, done.call.ended_by, done.call.dialed) == ("lost", "network", True)
    assert done.task.current_attempt_count == 1
    assert done.task.next_action_time > done.call.created_ms + 60_000
    assert at.invites == {NUMBER: 1}


async def test_ari_is_cut_while_they_talk(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """The audio needs no event stream; the end of the call is seen again once it is back."""
    at = phones(Callee(NUMBER, ring_ms=1000))
    phone, voice = at[NUMBER], EspeakVoice()
    sentence = "This sentence goes on while the connection to the exchange is cut and made again."
    brain = script(Step(say=sentence), Step(say="Goodbye.", call=END_CALL, on=Cause.TURN))
    with watched() as stalls:
        async with (
            tcp_relay(asterisk.http_port) as between,
            model(brain, voice=voice) as sim,
            office(settings_for(asterisk, tmp_path, sim.url, media_mode="process", **through(between))) as here,
        ):
            [task] = await here.dial(NUMBER)
            await phone.hears(50)
            between.cut()
            await here.banner("ari", "connected", times=2)
            await here.hears("agent")
            session = await sim.session()
            session.hear("yes")
            phone.speak(with_pause(phone, espeak.speak("Yes, yes, yes.", 8000)))
            done = await here.ended(task)
    recording = record(phone)
    print(f"{stalls}; longest gap at the phone {recording.longest_gap_ms:.0f} ms")
    assert_carried(sent_by_model(session, voice, sentence, 8000), recording.samples, 8000, 0.999)
    assert recording.skipped <= stalls.slots
    assert (done.call.outcome, done.call.ended_by) == ("completed", "agent")
    assert done.said == [("agent", sentence), ("callee", "yes"), ("agent", "Goodbye.")]
    assert at.invites == {NUMBER: 1}


async def test_callee_hangs_up_while_ari_is_away(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    at = phones(Callee(NUMBER, hang_up_after_ms=1000))
    async with (
        tcp_relay(asterisk.http_port) as between,
        model(script(Step(say="hello"))) as sim,
        office(settings_for(asterisk, tmp_path, sim.url, **through(between))) as here,
    ):
        [task] = await here.dial(NUMBER)
        await here.reaches(task, "bridged")
        between.down = True
        between.cut()
        await at.until("BYE-OUT", NUMBER)
        between.down = False
        done = await here.ended(task)
    assert (done.call.outcome, done.call.ended_by) == ("lost", "network")
    assert done.call.answered_ms is not None
    assert (done.task.state, done.said) == ("failed", [("agent", "hello")])
    assert "read the transcript" in done.task.overall_conclusion
    assert at.invites == {NUMBER: 1}


@pytest.fixture
def mortal() -> Iterator[Mortal]:
    with mortal_asterisk(f"mortal-{os.getpid()}") as instance:
        yield instance


async def test_asterisk_is_killed_and_comes_back(nothing_left: None, mortal: Mortal, tmp_path: Path) -> None:
    """One talks and one rings when it dies: both are lost, one is to be read, one is for later; then a third."""
    callees = (Callee(number(0)), Callee(number(1), status=None), Callee(number(2), hang_up_after_ms=300))
    with closing(Phones(mortal.instance.trunk_port, callees, tmp_path / "phones")) as at:
        at.start()
        async with (
            model(script(Step(say="a long sentence " * 6))) as sim,
            office(settings_for(mortal.instance, tmp_path, sim.url, media_mode="process")) as here,
        ):
            talking, ringing = await here.dial(number(0), number(1))
            await here.reaches(ringing, "ringing")
            await at[number(0)].hears(50)
            mortal.kill()
            killed_at = time.monotonic()
            await here.banner("ari", "lost")
            noticed_s = time.monotonic() - killed_at
            mortal.start()
            await here.banner("ari", "connected", times=2)
            back_s = time.monotonic() - killed_at
            talked, rang = await here.ended(talking), await here.ended(ringing)
            print(f"noticed after {noticed_s:.2f} s, back after {back_s:.2f} s,", end=" ")
            print(f"both calls settled {time.monotonic() - killed_at - back_s:.2f} s later")
            assert time.monotonic() - killed_at - back_s < 3
            third = await here.ended((await here.dial(number(2)))[0])
            assert mortal.instance.leftovers() == []
    assert noticed_s < 1
    assert (talked.call.outcome, talked.call.ended_by, talked.call.detail) == (
        "lost",
        "network",
        "Asterisk restarted",
    )
    assert (talked.task.state, talked.task.current_attempt_count) == ("failed", 1)
    assert "read the transcript" in talked.task.overall_conclusion
    assert [turn.interrupted for turn in talked.turns] == [True]
    assert (rang.call.outcome, rang.task.state, rang.task.current_attempt_count) == ("lost", "pending", 1)
    assert third.call.outcome == "completed"
    assert at.invites == dict.fromkeys(here.dialed, 1)
