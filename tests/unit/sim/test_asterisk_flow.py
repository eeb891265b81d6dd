"""The pure parts: a callee's flow over time, its mouth and ear, channel state, caller ids, routes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim import tonevoice
from app.sim.asterisk import (
    Answer,
    CalleeScript,
    DeadPeer,
    HangUp,
    Interrupt,
    Press,
    Ring,
    Say,
    StaySilent,
    WaitForAgent,
    WaitForDigits,
    WaitForLine,
    WaitForSilence,
)
from app.sim.asterisk.call_flow import CalleeFlow, FlowState
from app.sim.asterisk.call_signals import (
    AgentPressed,
    AgentSaid,
    AgentSpeaks,
    Gone,
    Invited,
    Joined,
    Note,
    PressKeys,
    SendAnswer,
    SendBye,
    SendRinging,
    Speak,
    Spoken,
    Tick,
)
from app.sim.asterisk.causes import SIP_CAUSES, cause_of_sip, cause_text, final_dial_status
from app.sim.asterisk.channels import Party, parse_caller_id
from app.sim.asterisk.ear import Ear
from app.sim.asterisk.mouth import Frame, Mouth
from app.sim.asterisk.params import Reply
from app.sim.asterisk.personas import NUMBER_RULE, PERSONAS, busy, by_number, look_up, polite
from app.sim.asterisk.routes import ROUTES, find
from media.rtp import RtpPacket

UP = (Ring(1.0), Answer(2.0))


def answered(*steps: object) -> CalleeFlow:
    """A flow that was invited at 0 and answered at 3."""
    flow = CalleeFlow(CalleeScript((*UP, *steps)))  # type: ignore[arg-type]
    assert flow.handle(Invited(), 0.0) == []
    assert flow.next_deadline == 1.0
    assert flow.handle(Tick(), 1.0) == [SendRinging()]
    assert flow.next_deadline == 3.0
    assert flow.handle(Tick(), 2.9) == []
    assert flow.handle(Tick(), 3.0)[0] == SendAnswer()
    return flow


def test_speaks_then_waits_for_the_agent_then_hangs_up() -> None:
    flow = answered(Say("hello"), WaitForAgent("name", 5.0), HangUp(0.5))
    assert flow.handle(Tick(), 3.1) == []
    assert flow.handle(Spoken(), 3.5) == []
    assert flow.next_deadline == 8.5
    assert flow.handle(AgentSaid("good morning"), 4.0) == []
    assert flow.handle(AgentSaid("my name is x"), 5.0) == []
    assert flow.next_deadline == 5.5
    assert flow.handle(Tick(), 5.5) == [SendBye(16)]
    assert flow.state is FlowState.OVER
    assert flow.handle(Tick(), 9.0) == []


def test_utterance_heard_before_the_wait_counts_once() -> None:
    flow = answered(StaySilent(1.0), WaitForAgent(None, 5.0), Say("a"), WaitForAgent(None, 5.0), Say("b"))
    flow.handle(AgentSaid("early"), 3.5)
    assert flow.handle(Tick(), 4.0) == [Speak("a")]
    assert flow.handle(Spoken(), 4.2) == []
    assert flow.handle(Tick(), 9.2) == [Note("WaitForAgent timed out after 5.0 s"), Speak("b")]


def test_a_wait_for_something_new_does_not_take_what_was_said_before() -> None:
    steps = Say("first"), WaitForAgent("done"), Say("second"), WaitForAgent("done", anew=True), HangUp(0.0)
    flow = answered(*steps)
    assert flow.handle(Spoken(), 4.0) == []
    assert flow.handle(AgentSaid("done"), 5.0) == [Speak("second")]
    assert flow.handle(AgentSaid("done"), 5.1) == []
    assert flow.handle(Spoken(), 6.0) == []
    assert flow.handle(AgentSaid("all done"), 7.0) == [SendBye(16)]


def test_the_first_word_waits_for_somebody_at_the_other_end() -> None:
    flow = answered(WaitForLine(0.5, 5.0), Say("hello"))
    flow.handle(Joined(there=True), 4.0)
    assert flow.next_deadline == pytest.approx(4.5)
    flow.handle(Joined(there=False), 4.3)
    assert flow.handle(Tick(), 4.6) == []
    flow.handle(Joined(there=True), 5.0)
    assert flow.handle(Tick(), 5.5) == [Speak("hello")]


def test_a_line_that_never_opens_is_given_up() -> None:
    flow = answered(WaitForLine(0.5, 5.0), Say("hello"))
    assert flow.handle(Tick(), 8.0) == [Note("WaitForLine timed out after 5.0 s"), Speak("hello")]


def test_interrupt_needs_continuous_agent_speech() -> None:
    flow = answered(Interrupt(400, "wait"))
    flow.handle(AgentSpeaks(True), 4.0)
    assert flow.next_deadline == pytest.approx(4.4)
    flow.handle(AgentSpeaks(False), 4.3)
    flow.handle(AgentSpeaks(True), 5.0)
    assert flow.handle(Tick(), 5.39) == []
    assert flow.handle(Tick(), 5.4) == [Speak("wait")]
    assert flow.handle(Tick(), 5.5) == []


def test_waits_for_silence_and_digits_and_presses_keys() -> None:
    flow = answered(WaitForSilence(0.5), WaitForDigits("12"), Press("9"), HangUp(0.0, None))
    flow.handle(AgentSpeaks(True), 3.2)
    flow.handle(AgentSpeaks(False), 4.0)
    assert flow.handle(Tick(), 4.49) == []
    flow.handle(Tick(), 4.5)
    flow.handle(AgentPressed("1"), 4.6)
    assert flow.handle(AgentPressed("2"), 4.7) == [PressKeys("9")]
    assert flow.handle(Tick(), 4.8) == []
    assert flow.handle(Tick(), 4.9) == [SendBye(None)]


def test_gone_ends_it_and_dead_peers_do_nothing() -> None:
    flow = CalleeFlow(CalleeScript((DeadPeer(),)))
    assert flow.handle(Invited(), 0.0) == []
    assert flow.next_deadline is None
    assert flow.handle(Tick(), 1_000.0) == []
    flow.handle(Gone(), 1_001.0)
    assert flow.state is FlowState.OVER


INPUTS = st.one_of(
    st.builds(AgentSaid, st.sampled_from(["yes", "goodbye"])),
    st.builds(AgentSpeaks, st.booleans()),
    st.builds(AgentPressed, st.sampled_from("0123")),
    st.just(Spoken()),
    st.just(Tick()),
    st.just(Gone()),
)


@given(st.sampled_from(sorted(PERSONAS)), st.lists(st.tuples(INPUTS, st.floats(0.0, 3.0)), max_size=40))
def test_no_input_breaks_a_persona(name: str, inputs: list[tuple[object, float]]) -> None:
    """Whatever happens: one answer at most, nothing after the end, deadlines never in the past."""
    flow = CalleeFlow(PERSONAS[name]())
    effects, now = list(flow.handle(Invited(), 0.0)), 0.0
    for event, passed in inputs:
        now += passed
        over = flow.state is FlowState.OVER
        made = flow.handle(event, now)  # type: ignore[arg-type]
        assert not (over and made)
        assert flow.next_deadline is None or flow.next_deadline > now
        effects += made
    assert sum(isinstance(effect, SendAnswer) for effect in effects) <= 1
    assert sum(isinstance(effect, SendBye) for effect in effects) <= 1


def mouth(ptime_ms: int = 20, *, comfort: bool = False) -> Mouth:
    return Mouth(ptime_ms=ptime_ms, comfort=comfort, first_sequence=65_535, first_timestamp=2**32 - 160)


def numbers(frames: list[Frame]) -> list[tuple[int, int, bool]]:
    return [(frame.sequence_number, frame.timestamp, frame.marker) for frame in frames]


def test_mouth_paces_on_absolute_deadlines_and_pads_the_last_frame() -> None:
    speech = np.arange(400, dtype=np.int16)
    lips = mouth()
    lips.say("", speech, 10.0)
    first = lips.due(10.005)
    assert [(frame.sequence_number, frame.timestamp, frame.marker) for frame in first] == [
        (65_535, 2**32 - 160, True)
    ]
    assert lips.next_due == pytest.approx(10.02)
    late = lips.due(10.045)
    assert [(frame.sequence_number, frame.timestamp, frame.marker) for frame in late] == [
        (0, 0, False),
        (1, 160, False),
    ]
    heard = np.concatenate([frame.samples_8k for frame in first + late])
    assert np.array_equal(heard, np.concatenate([speech, np.zeros(80, np.int16)]))
    assert lips.talking
    assert lips.due(10.061) == []
    assert (lips.talking, lips.next_due) == (False, None)


def test_mouth_counts_silence_in_timestamps_and_does_not_burst_after_a_stall() -> None:
    lips = mouth()
    lips.say("", np.ones(1_600, np.int16), 0.0)
    lips.due(0.0)
    assert len(lips.due(1.0)) == 1, "a second late: one frame, the schedule moved"
    lips.due(2.0)
    lips.say("", np.ones(160, np.int16), 5.0)
    before = lips.due(5.0)
    assert before[-1].timestamp == (5 * 8_000 - 160) % 2**32


def packet(timestamp: int, sequence: int = 0, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(payload_type=0, sequence_number=sequence, timestamp=timestamp, ssrc=ssrc, payload=bytes(160))


def feed(ear: Ear, samples: np.ndarray, start: int = 0, *, at_s: float = 0.0) -> list[tonevoice.Heard]:
    found: list[tonevoice.Heard] = []
    for offset in range(0, len(samples), 160):
        found += ear.take(packet(start + offset), samples[offset : offset + 160], 8_000, at_s + offset / 8_000)
    return found


def test_ear_hears_nothing_before_the_answer() -> None:
    ear = Ear()
    assert ear.take(packet(0), np.full(160, 9_000, np.int16), 8_000, 1.0) == []
    assert (ear.arrivals, len(ear.recording)) == ([], 0)


def test_ear_times_words_from_the_answer() -> None:
    ear = Ear()
    ear.open(100.0)
    feed(ear, np.zeros(1_600, np.int16), at_s=100.5)
    found = feed(ear, tonevoice.speak("yes", 8_000), 1_600, at_s=100.7)
    found += ear.check(102.0) + ear.check(102.1)
    assert [heard.text for heard in ear.heard] == ["yes"]
    assert 690 <= ear.heard[0].start_ms <= 710
    assert (ear.first_packet_ms, ear.first_audio_ms) == (500, 700)


def test_ear_resynchronizes_on_a_new_stream_and_on_a_jump() -> None:
    ear = Ear()
    ear.open(0.0)
    loud = np.full(160, 5_000, np.int16)
    ear.take(packet(1_000), loud, 8_000, 0.0)
    ear.take(packet(4_000_000_000), loud, 8_000, 0.5)
    ear.take(packet(7, ssrc=2), loud, 8_000, 1.0)
    recording = ear.recording
    assert len(recording) == 8_000 + 160
    assert [int(recording[at]) for at in (0, 200, 4_000, 8_000)] == [5_000, 0, 5_000, 5_000]


def test_late_audio_is_moved_not_lost() -> None:
    ear = Ear()
    ear.open(0.0)
    word = tonevoice.speak("ok", 8_000)
    feed(ear, word[:800])
    for step in range(1, 9):
        ear.check(0.1 * step)
    assert len(ear.recording) == 800
    feed(ear, word[800:], 800, at_s=0.85)
    assert len(ear.recording) > len(word), "silence was already played between the halves"


def test_agent_counts_as_silent_after_a_pause() -> None:
    ear = Ear()
    ear.open(0.0)
    feed(ear, np.full(160, 5_000, np.int16))
    assert ear.speaking
    ear.check(0.2)
    assert ear.speaking
    ear.check(0.4)
    assert not ear.speaking


def test_causes() -> None:
    expected = {480: 19, 404: 1, 604: 1, 410: 22, 484: 28, 486: 17, 600: 17, 403: 21, 603: 21, 408: 18, 503: 34}
    assert {status: SIP_CAUSES[status] for status in expected} == expected
    assert (cause_of_sip(599), cause_text(0), cause_text(16)) == (127, "Unknown", "Normal Clearing")
    assert [final_dial_status(cause) for cause in (17, 34, 21, 1)] == [
        "BUSY",
        "CONGESTION",
        "NOANSWER",
        "NOANSWER",
    ]


def test_caller_ids() -> None:
    assert parse_caller_id('"Open Deep" <+49>') == Party("Open Deep", "+49")
    assert parse_caller_id("Open <1>") == Party("Open", "1")
    assert parse_caller_id("+49") == Party("", "+49")


def test_directory_and_number_rule() -> None:
    assert look_up({"+1": busy()}, "+1") == busy()
    assert look_up({}, "+1555017") == busy()
    assert look_up(lambda _number: None, "+1555999") == polite()
    assert all(by_number(f"+1555{ending}") == persona() for ending, persona in NUMBER_RULE.items())


def test_routes_prefer_literal_segments() -> None:
    literal = find("POST", "/channels/externalMedia")
    assert not isinstance(literal, Reply)
    assert literal[1] == {}
    by_id = find("GET", "/channels/a%2Fb")
    assert not isinstance(by_id, Reply)
    assert by_id[1] == {"channelId": "a/b"}
    other_method = find("GET", "/channels/externalMedia")
    assert isinstance(other_method, Reply)
    assert other_method.status == 405
    assert len({(route.method, route.segments) for route in ROUTES}) == len(ROUTES)
