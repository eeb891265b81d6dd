"""Whole calls of the product over the real Asterisk: what was said at one end is what was heard at the other.

Speech by espeak-ng (and Asterisk's own recordings) in both directions, compared by content second by second; tones
that spell a text, compared as text. In every codec of a leg, with the media worker as a process and inside ours.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soxr

from app.config import Settings
from app.sim import espeak, tonevoice
from app.sim.realtime import codec
from app.sim.realtime.brain import Cause, Step
from app.sim.realtime.session import SimSession
from app.sim.voice import EspeakVoice, Voice
from tests.real.conftest import SCRIPT, RealAsterisk, StartPhones
from tests.real.listening import Trace, assert_carried, record
from tests.real.phones import Callee, Phones
from tests.real.rig import NUMBER, END_CALL, Ended, model, office, script, settings_for
from tests.real.rtp_phone import RtpPhone, Samples

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]

GREETING = "Good morning, this is an automated assistant. Does Monday suit you?"
REPLY = "Yes, Monday at four suits me very well."
FAREWELL = "I noted Monday at four. Goodbye."
QUALITY = {"ulaw": 0.999, "alaw": 0.999, "g722": 0.98}
"""G.711 passes from the model to the phone and back unchanged; a G.722 leg is resampled and coded on the way."""


def sent_by_model(session: SimSession, voice: Voice, text: str, rate_hz: int) -> Samples:
    """What the model's audio deltas said, at the phone's rate."""
    wire = session.config["audio"]["output"]["format"]["type"]
    spoken = codec.decode(wire, codec.encode(wire, voice.speak(text, codec.rate_hz(wire))))
    return at_rate(spoken, codec.rate_hz(wire), rate_hz)


def heard_by_model(session: SimSession, rate_hz: int) -> Samples:
    """Everything appended to the model's input, at the phone's rate."""
    wire = session.config["audio"]["input"]["format"]["type"]
    return at_rate(codec.decode(wire, session.appended_audio), codec.rate_hz(wire), rate_hz)


def at_rate(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    return samples if from_hz == to_hz else soxr.resample(samples, from_hz, to_hz)


def pause(phone: RtpPhone, seconds: float) -> Samples:
    return np.zeros(int(phone.rate_hz * seconds), np.int16)


def payloads(audio: list[bytes]) -> bytes:
    return b"".join(audio)


async def converse(
    asterisk: RealAsterisk, at: Phones, settings: Settings, voice: Voice, words: tuple[str, str, str], reply: Samples
) -> tuple[Ended, SimSession]:
    ...


@pytest.mark.parametrize(
    ("leg_codec", "media_mode"), [("ulaw", "process"), ("alaw", "in_process"), ("g722", "process")]
)
async def test_a_conversation_is_heard_at_both_ends(
    nothing_left: None,
    asterisk: RealAsterisk,
    phones: StartPhones,
    tmp_path: Path,
    leg_codec: str,
    media_mode: str,
) -> None:
    at = phones(Callee(NUMBER, codec=leg_codec, ring_ms=500))
    phone, voice = at[NUMBER], EspeakVoice()
    reply = espeak.speak(REPLY, phone.rate_hz)
    brain = script(Step(say=GREETING), Step(say=FAREWELL, call=END_CALL, on=Cause.TURN))
    async with model(brain, voice=voice) as sim:
        settings = settings_for(asterisk, tmp_path, sim.url, leg_codec=leg_codec, media_mode=media_mode)
        async with office(settings) as here:
            [task] = await here.dial(NUMBER)
            session = await sim.session()
            session.hear(REPLY)
            await here.hears("agent")
            phone.speak(np.concatenate([reply, pause(phone, 1.0)]))
            done = await here.ended(task)
    assert (done.task.state, done.call.outcome, done.call.ended_by) == ("completed", "completed", "agent")
    assert done.said == [("agent", GREETING), ("callee", REPLY), ("agent", FAREWELL)]
    assert at.invites == {NUMBER: 1}
    recording = record(phone)
    assert recording.lost == 0
    for text in (GREETING, FAREWELL):
        source = sent_by_model(session, voice, text, phone.rate_hz)
        carried = assert_carried(source, recording.samples, phone.rate_hz, QUALITY[leg_codec])
        print(f"{leg_codec} model to phone: {carried}")
    upward = assert_carried(reply, heard_by_model(session, phone.rate_hz), phone.rate_hz, 0.98)
    print(f"{leg_codec} phone to model: {upward}; longest gap at the phone {recording.longest_gap_ms:.0f} ms")
    if leg_codec != "g722":  # not a single byte is touched
        wire = session.config["audio"]["output"]["format"]["type"]
        played = b"".join(one.payload for one in phone.audio())
        assert codec.encode(wire, voice.speak(GREETING, 8000))[:-160] in played
        assert payloads([one for _, one in phone.sent])[: len(reply)] in session.appended_audio
