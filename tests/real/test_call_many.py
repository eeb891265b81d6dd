"""Twenty calls of the product at once over the real Asterisk: all complete, and nobody hears another's agent."""

from difflib import SequenceMatcher
from pathlib import Path

import pytest

from app.sim import tonevoice
from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Step
from app.sim.realtime.session import SimSession
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.listening import record
from tests.real.machine import watched
from tests.real.phones import Callee
from tests.real.rig import END_CALL, model, number, office, settings_for
from tests.real.rtp_phone import RtpPhone
from tests.real.test_call_audio import with_pause

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
CALLS = 20
LATE_MS = 40.0
"""Packets that far apart may be dropped: the phone is taken for silent meanwhile (`media.jitter`)."""


class Messenger:
    """Says its call's own objective, and when the callee has said something, that and goodbye."""

    def answer(self, event: BrainEvent, view: SessionView) -> Step:
        told = view.instructions.partition("shall achieve:\n")[2]
        if event.cause is Cause.TURN:
            return Step(say=f"{event.text} to you {told}", call=END_CALL)
        return Step(say=f"message for {told}")


@pytest.mark.parametrize("media_mode", ["process"])
async def test_twenty_talks_at_once(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path, media_mode: str
) -> None:
    numbers = [number(n) for n in range(CALLS)]
    names = {one: f"customer {n}" for n, one in enumerate(numbers)}
    at = phones(*(Callee(one, ring_ms=1000) for one in numbers))
    with watched() as stalls:
        async with (
            model(Messenger) as sim,
            office(settings_for(asterisk, tmp_path, sim.url, media_mode=media_mode)) as here,
        ):
            agent = await here.agent()
            ids = [(await here.dial(one, agent=agent, objective=names[one]))[0] for one in numbers]
            await here.hears("agent", CALLS)
            # All of them before the first is heard: making one would keep this process from sending the others.
            speech = [with_pause(at[one], tonevoice.speak(f"hello {one[-2:]}", 8000)) for one in numbers]
            for one, samples in zip(numbers, speech, strict=True):
                at[one].speak(samples)
            ended = [await here.ended(task) for task in ids]
    print(stalls)
    said: list[str] = []
    assert at.invites == dict.fromkeys(numbers, 1)
    assert len({one.call.number_dialed for one in ended}) == len({one.call.sip_call_id for one in ended}) == CALLS
    for one, done in zip(numbers, ended, strict=True):
        greeting, words = f"message for {names[one]}", understood(at[one], f"hello {one[-2:]}", done.said)
        farewell = f"{words} to you {names[one]}"
        recording = record(at[one])
        heard = [turn.text for turn in tonevoice.listen(recording.samples, 8000) if turn.complete]
        assert heard == [greeting, farewell], one
        assert recording.skipped <= stalls.slots, one
        assert (done.call.outcome, done.call.ended_by, done.task.state) == ("completed", "agent", "completed")
        assert done.said == [("agent", greeting), ("callee", words), ("agent", farewell)], one
        said.append(words)
    assert sorted(heard_by(sim.sessions)) == sorted(said)


def understood(phone: RtpPhone, spoken: str, stored: list[tuple[str, str]]) -> str:
    """The callee's words as stored. Letters may lack only where this process, which speaks for all, was late."""
    words = "".join(text for speaker, text in stored if speaker == "callee")
    if phone.longest_pause_ms < LATE_MS:
        assert words == spoken
    else:
        print(f"{spoken!r} left with a pause of {phone.longest_pause_ms:.0f} ms and was understood as {words!r}")
        assert SequenceMatcher(None, words, spoken).ratio() > 0.7
    return words


def heard_by(sessions: list[SimSession]) -> list[str]:
    """What each session's callee said; nobody may be heard by two."""
    return [turn.text for session in sessions for turn in session.heard]
