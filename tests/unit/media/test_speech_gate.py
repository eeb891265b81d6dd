"""The local gate: echo never opens it, speech does; with generated audio at many delays, gains and laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sim import espeak, tonevoice
from media.g711 import ULAW, Int16Array
from media.levels import mean_square
from media.speech_gate import (
    CONFIRMED_MS,
    LONG_MS,
    Confirmed,
    Ended,
    GateEvent,
    Long,
    Onset,
    SpeechGate,
    square_of,
)

SLOT = 160
AGENT = "good morning this is the assistant of the dentist i am calling about your appointment on friday"


def voice(name: str, text: str) -> Int16Array:
    """Agent or callee speech at 8 kHz: tones, a real synthesizer, or noise with the rhythm of syllables."""
    if name == "tones":
        return tonevoice.speak(text, 8000)
    if name == "espeak":
        if not espeak.installed():
            pytest.skip("espeak-ng is not installed")
        return espeak.speak(text, 8000)
    random = np.random.default_rng(7)
    length = 90 * 8 * len(text)
    syllables = 0.15 + np.abs(np.sin(np.arange(length) * 2 * np.pi * 2.1 / 8000))
    return (random.standard_normal(length) * 2500 * syllables).clip(-32768, 32767).astype(np.int16)


def levels(samples: Int16Array, slots: int) -> np.ndarray:
    padded = np.zeros(slots * SLOT, np.int16)
    padded[: min(len(samples), len(padded))] = samples[: len(padded)]
    coded = ULAW.decode_bytes(ULAW.encode_bytes(padded))
    return mean_square(coded.reshape(-1, SLOT))


def run(gate: SpeechGate, sent: Int16Array, heard: Int16Array, slots: int) -> list[tuple[int, GateEvent]]:
    """Slot by slot; the time of each event in ms."""
    pairs = zip(levels(heard, slots).tolist(), levels(sent, slots).tolist(), strict=True)
    return [(at * 20, event) for at, (h, s) in enumerate(pairs) for event in gate.slot([(h, 20)], s)]


def line(sent: Int16Array, delay_ms: int, gain_db: float, noise_db: float = -62.0) -> Int16Array:
    """What a telephone line gives back of what we send, and its noise."""
    delayed = np.concatenate([np.zeros(delay_ms * 8, np.float64), sent * 10 ** (gain_db / 20)])
    hiss = np.random.default_rng(3).standard_normal(len(delayed)) * 32768 * 10 ** (noise_db / 20)
    return (delayed + hiss).clip(-32768, 32767).astype(np.int16)


@pytest.mark.parametrize("name", ["tones", "espeak", "noise"])
@pytest.mark.parametrize("delay_ms", [50, 93, 180, 275, 400])
@pytest.mark.parametrize("gain_db", [-6.0, -12.0, -20.0, -30.0])
def test_echo_never_opens_the_gate(name: str, delay_ms: int, gain_db: float) -> None:
    sent = voice(name, AGENT)
    heard = line(sent, delay_ms, gain_db)
    assert run(SpeechGate(), sent, heard, len(heard) // SLOT) == []


@given(
    sent_db=st.lists(st.floats(-70, 0), min_size=20, max_size=200),
    delay_slots=st.integers(2, 20),
    gain_db=st.floats(-30, -6),
)
@settings(max_examples=200)
def test_echo_within_its_bounds_is_never_louder_than_the_threshold_at_first(
    sent_db: list[float], delay_slots: int, gain_db: float
) -> None:
    """Until the gain was learned nothing we can send opens it."""
    gate = SpeechGate()
    squares = [square_of(level) for level in sent_db[:70]]
    gain = 10 ** (gain_db / 10)
    for at, square in enumerate(squares):
        echo = squares[at - delay_slots] * gain if at >= delay_slots else 0.0
        assert gate.slot([(echo, 20)], square) == []


@pytest.mark.parametrize(
    ("gain_db", "loudness_db"), [(-12.0, 0.0), (-20.0, 0.0), (-20.0, -6.0), (-30.0, -10.0), (-90.0, -12.0)]
)
def test_a_callee_who_speaks_over_the_agent_is_heard_through_the_echo(gain_db: float, loudness_db: float) -> None:
    """`loudness_db` of the callee against the agent. Confirmed, the agent pauses, and its echo dies away."""
    gate, found = SpeechGate(), list[tuple[int, GateEvent]]()
    sent = levels(np.concatenate([voice("noise", AGENT)] * 2), 700).tolist()
    words = levels(voice("noise", "no wait a moment please"), 103).tolist()
    start, delay, gain = 250, 6, 10 ** (gain_db / 10)
    for at in range(start + 103):
        paused = any(isinstance(event, Confirmed) for _, event in found)
        sent[at] = 0.0 if paused else sent[at]
        heard = sent[at - delay] * gain + square_of(-62.0) if at >= delay else 0.0
        heard += words[at - start] * 10 ** (loudness_db / 10) if at >= start else 0.0
        found += [(at * 20, event) for event in gate.slot([(heard, 20)], sent[at])]
    confirmed_ms = next(at_ms for at_ms, event in found if isinstance(event, Confirmed))
    assert 0 <= found[0][0] - start * 20 <= 400
    assert confirmed_ms - start * 20 <= 1200


BURSTS = [
    (40, []),  # a click
    (120, [Onset, Ended]),
    (200, [Onset, Ended]),
    (360, [Onset, Confirmed, Ended]),
    (560, [Onset, Confirmed, Ended]),
    (900, [Onset, Confirmed, Long, Ended]),
]


@pytest.mark.parametrize(("length_ms", "expected"), BURSTS)
def test_what_a_burst_of_some_length_is(length_ms: int, expected: list[type]) -> None:
    gate, events = SpeechGate(), []
    for slot in range(100):
        loud = 25 <= slot < 25 + length_ms // 20
        events += gate.slot([(square_of(-20.0 if loud else -60.0), 20)], 0.0)
    assert [type(event) for event in events] == expected
    if expected:
        assert abs(events[-1].duration_ms - length_ms) <= 20


def test_packets_that_come_late_or_in_pairs_are_the_same_burst() -> None:
    smooth, bumpy = SpeechGate(), SpeechGate()
    loud, seen = square_of(-20.0), []
    for slot in range(60):
        smooth.slot([(loud if slot < 20 else 0.0, 20)], 0.0)
        late = slot % 3 == 1
        level = loud if slot < 20 else 0.0
        seen += bumpy.slot([(level, 20)] * (0 if late else 2 if slot % 3 == 2 else 1), 0.0)
    assert [type(event) for event in seen] == [Onset, Confirmed, Ended]


def test_a_line_without_packets_ends_a_burst() -> None:
    gate, events = SpeechGate(), []
    for slot in range(60):
        events += gate.slot([(square_of(-20.0), 20)] if slot < 10 else [], 0.0)
    assert [type(event) for event in events] == [Onset, Ended]


def test_a_noisy_line_is_learned_while_we_are_silent_and_not_from_our_echo() -> None:
    gate = SpeechGate()
    for _ in range(400):
        gate.slot([(square_of(-45.0), 20)], square_of(-65.0))
    assert gate.threshold == pytest.approx(square_of(-45.0) * 10, rel=0.05)
    before = gate.threshold
    for _ in range(100):
        gate.slot([(square_of(-30.0), 20)], square_of(-15.0))
    for _ in range(30):
        gate.slot([(square_of(-45.0), 20)], square_of(-65.0))
    assert gate.threshold == pytest.approx(before, rel=0.05)


@given(st.lists(st.tuples(st.floats(-90, 0), st.sampled_from([0, 20, 40]), st.floats(-90, 0)), max_size=300))
def test_bursts_are_well_formed(slots: list[tuple[float, int, float]]) -> None:
    """Onset, then perhaps confirmed and long, then its end, and never two of a kind."""
    gate, order = SpeechGate(), []
    for heard_db, heard_ms, sent_db in slots:
        order += gate.slot([(square_of(heard_db), heard_ms)] if heard_ms else [], square_of(sent_db))
    state: type | None = None
    for event in order:
        match event:
            case Onset():
                assert state in {None, Ended}
            case Confirmed() | Long():
                assert state in {Onset, Confirmed, Long}
                assert state is not type(event)
            case Ended(duration_ms=ms):
                assert state in {Onset, Confirmed, Long}
                assert ms >= 0
        state = type(event)
    assert gate.open == (state not in {None, Ended})
    assert CONFIRMED_MS < LONG_MS


def stalled(word_at_ms: int, word_ms: int, stall_slots: int, level_db: float = -20.0) -> list[GateEvent]:
    """What the gate makes of one word in a quiet line of which `stall_slots` are held back and come at once."""
    line = [
        square_of(level_db if word_at_ms <= at * 20 < word_at_ms + word_ms else -65.0)
        for at in range(stall_slots + 100)
    ]
    gate, events = SpeechGate(), []
    for slot in range(len(line)):
        if slot < stall_slots:
            events += gate.slot([(0.0, 20)] if slot > 2 else [], 0.0)
            continue
        came = line[: slot + 1] if slot == stall_slots else line[slot : slot + 1]
        events += gate.slot([(square, 20) for square in came], 0.0)
    return events


@pytest.mark.parametrize("stall_slots", [0, 10, 30, 40])
def test_a_burst_is_heard_as_it_was_said(stall_slots: int) -> None:
    assert stalled(60, 200, stall_slots) == stalled(60, 200, 0) == [Onset(), Ended(200)]
    assert stalled(60, 40, stall_slots) == [], "a click"


def test_a_burst_holds_echo_of_what_was_sent_before_the_stall() -> None:
    gate = SpeechGate()
    for _ in range(30):
        assert gate.slot([(square_of(-40.0), 20)], square_of(-20.0)) == []
    for _ in range(40):
        gate.slot([(0.0, 20)], 0.0)
    echo = [(square_of(-28.0), 20.0)] * 25
    assert gate.slot(echo + [(0.0, 20.0)] * 15, 0.0) == []
