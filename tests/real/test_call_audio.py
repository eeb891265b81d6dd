"""Whole calls of the product over the real Asterisk: what was said at one end is what was heard at the other.

Speech by espeak-ng and Asterisk's own recordings in both directions, compared by content second by second; tones
that spell a text, compared as text. In every codec of a leg, with the media worker as a process and inside ours.
"""

import os
import wave
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
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.listening import assert_carried, loud, record
from tests.real.machine import watched
from tests.real.phones import Callee
from tests.real.rig import END_CALL, NUMBER, model, office, script, settings_for
from tests.real.rtp_phone import RtpPhone, Samples

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]

GREETING = "Good morning, this is an automated assistant. Does Monday suit you?"
REPLY = "Yes, Monday at four suits me very well."
FAREWELL = "I noted Monday at four. Goodbye."
QUALITY = {"ulaw": 0.999, "alaw": 0.999, "g722": 0.98}
"""G.711 passes from the model to the phone unchanged; a G.722 leg is resampled and coded on the way."""
REPLY_QUALITY = 0.95
"""The phones speak from the test's own process: one late packet costs the model 20 ms."""
CODECS = ("ulaw", "alaw", "g722")


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


def with_pause(phone: RtpPhone, speech: Samples) -> Samples:
    """Phones send silence too; a second of it ends the turn."""
    return np.concatenate([speech, np.zeros(phone.rate_hz, np.int16)])


class Sounds:
    """A voice that says recordings: the text is the name of one of Asterisk's sound files, cut to 4 s."""

    def __init__(self, asterisk: RealAsterisk) -> None:
        self._asterisk = asterisk
        self._folder = Path(asterisk.folder)
        self._inside = f"/opendeep/{asterisk.name}/spool"

    def convert(self, *names: str) -> bool:
        """Lets Asterisk decode its files; False when it has none."""
        root, helpers = self._folder.parents[1], ("format_gsm.so", "codec_gsm.so", "res_convert.so")
        found = [next(root.glob(f"usr/share/asterisk/sounds/en_*/{one}.gsm"), None) for one in names]
        if None in found:
            return False
        for one in helpers:
            self._asterisk.cli(f"module load {one}")
        for one, source in zip(names, found, strict=True):
            self._asterisk.cli(f"file convert /{source.relative_to(root)} {self._inside}/{one}.wav")
        for one in reversed(helpers):
            self._asterisk.cli(f"module unload {one}")
        return True

    def speak(self, text: str, rate_hz: int) -> Samples:
        with wave.open(str(self._folder / "spool" / f"{text}.wav")) as file:
            assert file.getframerate() == 8000
            samples = np.frombuffer(file.readframes(32_000), "<i2").astype(np.int16)
        return at_rate(samples, 8000, rate_hz)


async def converse(
    asterisk: RealAsterisk, phones: StartPhones, settings: dict[str, object], voice: Voice, words: tuple[str, ...]
) -> None:
    """Greeting, reply, farewell: each is compared with what the other end heard of it."""
    greeting, reply, farewell = words
    leg_codec = str(settings["leg_codec"])
    at = phones(Callee(NUMBER, codec=leg_codec, ring_ms=500))
    phone = at[NUMBER]
    spoken = voice.speak(reply, phone.rate_hz)
    brain = script(Step(say=greeting), Step(say=farewell, call=END_CALL, on=Cause.TURN))
    with watched() as stalls:
        async with (
            model(brain, voice=voice) as sim,
            office(settings_for(asterisk, model_url=sim.url, **settings)) as here,
        ):
            [task] = await here.dial(NUMBER)
            session = await sim.session()
            session.hear(reply)
            await here.hears("agent")
            phone.speak(with_pause(phone, spoken))
            done = await here.ended(task)
    assert (done.task.state, done.call.outcome, done.call.ended_by) == ("completed", "completed", "agent")
    assert done.said == [("agent", greeting), ("callee", reply), ("agent", farewell)]
    assert at.invites == {NUMBER: 1}
    recording, still_ms = record(phone), stalls.longest_ms
    print(
        f"at the phone {recording.skipped} slots left out, longest gap {recording.longest_gap_ms:.0f} ms; {stalls}"
    )
    assert recording.lost == 0
    assert recording.skipped <= stalls.slots
    for text in (greeting, farewell):
        source = sent_by_model(session, voice, text, phone.rate_hz)
        carried = assert_carried(source, recording.samples, phone.rate_hz, QUALITY[leg_codec])
        print(f"{leg_codec} model to phone: {carried}")
    heard = heard_by_model(session, phone.rate_hz)
    upward = assert_carried(spoken, heard, phone.rate_hz, REPLY_QUALITY, still_ms)
    print(f"{leg_codec} phone to model: {upward}")
    if leg_codec != "g722":  # not a single byte is touched; the last frame is padded
        wire = session.config["audio"]["output"]["format"]["type"]
        played = b"".join(one.payload for one in phone.audio())
        assert codec.encode(wire, voice.speak(greeting, 8000))[:-160] in played


@pytest.mark.parametrize("leg_codec", CODECS)
async def test_speech_passes_both_ways(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path, leg_codec: str
) -> None:
    settings = {"folder": tmp_path, "leg_codec": leg_codec, "media_mode": "process"}
    await converse(asterisk, phones, settings, EspeakVoice(), (GREETING, REPLY, FAREWELL))


async def test_recorded_people_pass_both_ways(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    voice, words = Sounds(asterisk), ("vm-msginstruct", "dir-intro", "vm-review")
    if not voice.convert(*words):
        pytest.skip("this Asterisk has no sound files")
    settings = {"folder": tmp_path, "leg_codec": "alaw", "media_mode": "process"}
    await converse(asterisk, phones, settings, voice, words)


@pytest.mark.parametrize(("leg_codec", "realtime_audio"), [("ulaw", "pcm"), ("alaw", "auto"), ("g722", "auto")])
async def test_the_words_arrive(
    nothing_left: None,
    asterisk: RealAsterisk,
    phones: StartPhones,
    tmp_path: Path,
    leg_codec: str,
    realtime_audio: str,
) -> None:
    """Spelt in tones, read back at the other end; one leg with a model that takes only 24 kHz PCM."""
    at = phones(Callee(NUMBER, codec=leg_codec))
    phone = at[NUMBER]
    brain = script(Step(say="hello from the agent"), Step(say="bye 42", call=END_CALL, on=Cause.TURN))
    settings = {"leg_codec": leg_codec, "realtime_audio": realtime_audio, "recording": True}
    async with model(brain) as sim, office(settings_for(asterisk, tmp_path, sim.url, **settings)) as here:
        [task] = await here.dial(NUMBER)
        await here.hears("agent")
        phone.speak(with_pause(phone, tonevoice.speak("hello from the phone", phone.rate_hz)))
        done = await here.ended(task)
    recording = record(phone)
    heard = tonevoice.listen(recording.samples, phone.rate_hz)
    assert [one.text for one in heard if one.complete] == ["hello from the agent", "bye 42"]
    assert [one.text for one in sim.sessions[0].heard] == ["hello from the phone"]
    assert done.said == [
        ("agent", "hello from the agent"),
        ("callee", "hello from the phone"),
        ("agent", "bye 42"),
    ]
    both = recorded(here.settings, done.call.id)
    assert [[one.text for one in tonevoice.listen(*side)] for side in both] == [
        ["hello from the phone"],
        ["hello from the agent", "bye 42"],
    ]


def recorded(settings: Settings, call_id: str) -> list[tuple[Samples, int]]:
    """The recording's two channels, callee and agent, with their rate."""
    with wave.open(str(settings.recordings_dir / f"{call_id}.wav")) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16).reshape(-1, 2)
        return [(np.ascontiguousarray(frames[:, side]), file.getframerate()) for side in (0, 1)]


async def test_nothing_of_early_media_reaches_the_model(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """The network speaks before the answer (183 with SDP); the model hears the person only."""
    at = phones(Callee(NUMBER, early_media=True, ring_ms=1500))
    phone = at[NUMBER]
    phone.speak(tonevoice.speak("the number you have dialed", 8000))  # leaves with the INVITE's SDP, 1.2 s
    brain = script(Step(say="hello"), Step(say="bye", call=END_CALL, on=Cause.TURN))
    async with model(brain) as sim, office(settings_for(asterisk, tmp_path, sim.url)) as here:
        [task] = await here.dial(NUMBER)
        await phone.spoken()
        assert not at.seen("ANSWER")
        session = await sim.session()
        assert session.appended_audio == b""
        await here.hears("agent")
        phone.speak(with_pause(phone, tonevoice.speak("a person", 8000)))
        done = await here.ended(task)
    assert [one.text for one in session.heard] == ["a person"]
    everything = tonevoice.listen(heard_by_model(session, 8000), 8000)
    assert [one.text for one in everything] == ["a person"]
    assert done.said == [("agent", "hello"), ("callee", "a person"), ("agent", "bye")]
    assert record(phone).arrivals[0] >= at.seen("ANSWER")[0].time - 0.05, "the agent spoke to nobody"
    assert (done.call.outcome, at.invites[NUMBER]) == ("completed", 1)


async def test_how_soon_the_agent_is_heard(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """An agent that greets first has its greeting ready when the phone is picked up."""
    numbers = [str(int(NUMBER) + n) for n in range(5)]
    at = phones(*(Callee(one, ring_ms=1000, hang_up_after_ms=1000) for one in numbers))
    brain = script(Step(say="hello"))
    watching = "watch&subscribeAll=true"  # goes into the query of a second event websocket
    async with model(brain) as sim, asterisk.client(watching) as watch:
        async with office(settings_for(asterisk, tmp_path, sim.url, media_mode="process")) as here:
            for task in await here.dial(*numbers):
                await here.ended(task)
        times = {(one["type"], one["channel"]["id"]): at_s for at_s, one in watch.events if "channel" in one}
    up = {one: at_s for at_s, event in watch.events if (one := answered(event))}
    bridged = [times["ChannelEnteredBridge", one] - at_s for one, at_s in up.items()]
    assert len(bridged) == len(numbers)
    first_words: list[float] = []
    for one in numbers:
        recording = record(at[one])
        slot = int(np.argmax(loud(recording.samples, 8000)))
        first_words.append(recording.arrivals[slot] - at.seen("ANSWER", one)[0].time)
    print(f"answer to bridged, ms: {[round(one * 1000, 1) for one in bridged]}")
    print(f"answer to first words at the phone, ms: {[round(one * 1000) for one in first_words]}")
    assert max(bridged) < 0.25
    assert max(first_words) < 0.5


def answered(event: dict[str, object]) -> str | None:
    """The callee channel that this event shows as answered."""
    channel = event.get("channel")
    if event["type"] != "ChannelStateChange" or not isinstance(channel, dict):
        return None
    return channel["id"] if channel["state"] == "Up" and channel["id"].endswith("-c") else None


@pytest.mark.skipif(not os.environ.get("OPENAI_API_KEY"), reason="OPENAI_API_KEY is not set")
async def test_conversation_with_the_real_model(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, tmp_path: Path
) -> None:
    """The only test that leaves this machine and costs money, and only with a key: one short real conversation.

    The words of a real model are its own, so this asks for less: it greets, understands the reply, says goodbye
    and hangs up; both sides are in the transcript, and what was spent is known.
    """
    at = phones(Callee(NUMBER, ring_ms=1000))
    phone = at[NUMBER]
    address = str(Settings.model_fields["realtime_url"].default)
    key = {"openai_api_key": os.environ["OPENAI_API_KEY"], "media_mode": "process"}
    objective = "Ask whether Monday at four suits them. Once they have answered, thank them and end the call."
    async with office(settings_for(asterisk, tmp_path, address, **key)) as here:
        agent = await here.agent(greeting="Hello, does Monday at four suit you?")
        [task] = await here.dial(NUMBER, agent=agent, objective=objective)
        await here.hears("agent", timeout_s=40)
        phone.speak(with_pause(phone, espeak.speak(REPLY, 8000)))
        done = await here.ended(task, timeout_s=60)
    speakers = [speaker for speaker, _ in done.said]
    assert speakers[:2] == ["agent", "callee"]
    assert "monday" in done.said[1][1].lower()
    assert (done.call.outcome, done.call.cost_micro_usd > 0) == ("completed", True)
    assert np.count_nonzero(loud(record(phone).samples, 8000)) > 50, "at least a second of speech"
