"""The pure parts of SimRealtime: voice activity, hearing, the polite brain, the journal; and the program."""

import asyncio
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim import tonevoice
from app.sim.realtime import codec, speech
from app.sim.realtime.brain import BrainEvent, Cause, SessionView, Tool
from app.sim.realtime.hearing import Hearing, Turn, TurnStarted
from app.sim.realtime.journal import Journal
from app.sim.realtime.polite import FAREWELL, QUESTION, PoliteBrain, fill
from app.sim.realtime.usage import transcription_usage
from app.sim.realtime.vad import EnergyVad, Started, Stopped

END_CALL = Tool(name="end_call", parameters={"properties": {"reason": {"type": "string"}}, "required": ["reason"]})
VIEW = SessionView(model="m", instructions="Base.", tools=(END_CALL,))
SERVER_VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}


def noise(level_dbfs, ms, seed=1):
    level = 32_768 * 10 ** (level_dbfs / 20)
    return np.random.default_rng(seed).normal(0, level, ms * 8).astype(np.int16)


# --- voice activity ---------------------------------------------------------------------------------------------
def test_speech_is_confirmed_after_60_ms_and_ends_after_the_silence():
    vad = EnergyVad(8_000)

    events = vad.feed(np.concatenate([noise(-70, 1_000), noise(-20, 400), noise(-70, 1_000)]))

    assert events == [Started(at_ms=1_060, onset_ms=1_000), Stopped(at_ms=1_900, offset_ms=1_400)]


@pytest.mark.parametrize(
    ("threshold", "level_dbfs", "noticed"), [(0.5, -36, True), (0.5, -40, False), (0.9, -36, False)]
)
def test_the_threshold_shifts_the_level(threshold, level_dbfs, noticed):
    vad = EnergyVad(8_000, threshold=threshold)

    assert bool(vad.feed(noise(level_dbfs, 500))) is noticed


def test_a_noisy_line_raises_the_level():
    vad = EnergyVad(8_000)
    vad.feed(noise(-42, 3_000))

    assert vad.feed(noise(-34, 300, seed=2)) == []
    assert vad.feed(noise(-20, 300, seed=3))


def test_a_click_is_not_speech():
    assert EnergyVad(8_000).feed(np.concatenate([noise(-10, 40), noise(-70, 500)])) == []


@given(sizes=st.lists(st.integers(1, 900), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_chopping_changes_nothing_and_starts_and_stops_alternate(sizes, seed):
    random = np.random.default_rng(seed)
    audio = np.concatenate([noise(random.integers(-70, -10), 200, seed=i) for i in range(20)])
    whole, chopped = EnergyVad(8_000, stop_after_ms=200), EnergyVad(8_000, stop_after_ms=200)
    found = []
    offset = 0
    for size in sizes:
        found += chopped.feed(audio[offset : offset + size])
        offset += size
    found += chopped.feed(audio[offset:])

    assert found == whole.feed(audio)
    assert [type(event) for event in found] == [(Started, Stopped)[i % 2] for i in range(len(found))]


# --- hearing ----------------------------------------------------------------------------------------------------
def encoded(*parts):
    return codec.encode("audio/pcmu", np.concatenate(parts))


def test_a_turn_has_its_words_and_its_padding():
    hearing = Hearing("audio/pcmu", SERVER_VAD)
    quiet = np.zeros(8_000, np.int16)

    started, turn = hearing.append(encoded(quiet, tonevoice.speak("hi", 8_000), quiet))

    assert started == TurnStarted(audio_start_ms=700)
    assert turn == Turn(text="hi", start_ms=700, end_ms=turn.end_ms)
    assert hearing.clock_ms == 2_000 + tonevoice.duration_ms("hi")


def test_padding_does_not_reach_into_the_turn_before():
    hearing = Hearing("audio/pcmu", SERVER_VAD | {"silence_duration_ms": 100})
    gap = np.zeros(8 * 160, np.int16)
    word = tonevoice.speak("hi", 8_000)

    signals = hearing.append(encoded(word, gap, word, gap))

    starts = [signal.audio_start_ms for signal in signals if isinstance(signal, TurnStarted)]
    ends = [signal.end_ms for signal in signals if isinstance(signal, Turn)]
    assert starts == [0, ends[0]]


@pytest.mark.parametrize(
    ("text", "eagerness", "silence_ms", "ended"),
    [
        ("yes please.", "low", 500, True),
        ("well, i,", "high", 1_500, False),
        ("well, i,", "high", 2_100, True),
        ("well, i,", "auto", 3_500, False),
        ("well, i,", "medium", 4_100, True),
        ("well, i,", "low", 7_500, False),
    ],
)
def test_semantic_turns_end_by_meaning(text, eagerness, silence_ms, ended):
    hearing = Hearing("audio/pcmu", {"type": "semantic_vad", "eagerness": eagerness})
    signals = hearing.append(encoded(tonevoice.speak(text, 8_000), np.zeros(silence_ms * 8, np.int16)))

    assert any(isinstance(signal, Turn) for signal in signals) is ended


def test_another_format_continues_the_clock():
    hearing = Hearing("audio/pcm", None)
    hearing.append(bytes(48 * 250))
    hearing.configure("audio/pcmu", SERVER_VAD)
    hearing.append(encoded(tonevoice.speak("a", 8_000)))

    assert hearing.clock_ms == 250 + tonevoice.duration_ms("a")


# --- speech -----------------------------------------------------------------------------------------------------
@given(text=st.text(min_size=1, max_size=60), ms=st.integers(1, 3_000), seed=st.integers(0, 9))
def test_chunks_lose_neither_audio_nor_words(text, ms, seed):
    audio = bytes(range(256)) * (ms * 8 // 256 + 1)
    chunks = list(speech.chunks(text, audio, "audio/pcmu", span_ms=(200, 400), random=Random(seed)))

    assert b"".join(chunk.audio for chunk in chunks) == audio
    assert "".join(chunk.words for chunk in chunks) == text
    assert all(200 <= chunk.duration_ms <= 400 for chunk in chunks[:-1])


def test_transcription_usage_by_model():
    assert transcription_usage("gpt-transcribe", 2_340, "x") == {"type": "duration", "seconds": 2.3}
    tokens = transcription_usage("gpt-4o-mini-transcribe", 2_340, "some words")
    assert tokens["input_tokens"] == 24
    assert tokens["total_tokens"] == 24 + tokens["output_tokens"]


# --- the polite brain -------------------------------------------------------------------------------------------
def turn(text):
    return BrainEvent(cause=Cause.TURN, text=text)


@pytest.mark.parametrize(
    ("words", "expected", "ends"),
    [
        ("Yes.", "Great.", False),
        ("no", "When would it suit you?", False),
        ("Who is this?", "automated assistant", False),
        ("Are you a robot?", "not a human", False),
        ("please stop calling me", "not call you again", True),
        ("I am not interested", "not call you again", True),
        ("sorry, wrong number", "disturbed", True),
        ("please leave a message after the tone", "call again", True),
        ("he is not available", "call again", True),
        ("say that again?", "Hello.", False),
        ("tomorrow at four", "noted tomorrow at four", True),
        ("how about friday at 10 am", "noted friday at 10 am", True),
        ("goodbye", "Goodbye", True),
    ],
)
def test_intents(words, expected, ends):
    brain = PoliteBrain()
    greeting = "Base. Open it with this greeting, word for word: Hello."
    brain.answer(BrainEvent(cause=Cause.RESPONSE_CREATE, instructions=greeting), VIEW)

    step = brain.answer(turn(words), VIEW)

    assert expected in step.say
    assert [call.name for call in step.call] == (["end_call"] if ends else [])


def test_a_first_hello_is_answered_with_the_greeting_and_repeat_repeats():
    brain = PoliteBrain()
    objective = SessionView(model="m", instructions="What this call shall achieve:\nRenew the contract.\nMore.")

    greeting = brain.answer(turn("hello?"), objective).say

    assert "Renew the contract" in greeting
    assert brain.answer(turn("could you repeat that"), objective).say == greeting


def test_yes_to_the_question_books_and_ends():
    brain = PoliteBrain()
    brain.answer(turn("hello"), VIEW)

    step = brain.answer(turn("yes, that works"), VIEW)

    assert step.say.endswith(FAREWELL)
    assert step.call[0].arguments == {"reason": "appointment agreed"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Open it with this greeting, word for word: Hello, Anna.", "Hello, Anna."),
        ('Say exactly "One moment please."', "One moment please."),
        ("The callee has been silent. Ask whether they are still there.", "Are you still there?"),
        ("Say a short, friendly goodbye in one sentence.", FAREWELL),
        ("The callee pressed 12# on the keypad. React to it.", f"Thank you, you pressed 12#. {QUESTION}"),
    ],
)
def test_it_says_what_it_is_told(told, expected):
    event = BrainEvent(cause=Cause.RESPONSE_CREATE, instructions=f"Base.\n\n{told}")

    assert PoliteBrain().answer(event, VIEW).say == expected


def test_it_gives_up_on_silence_and_on_nonsense():
    silent, puzzled = PoliteBrain(), PoliteBrain()
    puzzled.answer(turn("hello"), VIEW)

    assert [bool(silent.answer(BrainEvent(cause=Cause.IDLE), VIEW).call) for _ in range(3)] == [False, False, True]
    assert [bool(puzzled.answer(turn("xyzzy"), VIEW).call) for _ in range(3)] == [False, False, True]


def test_without_the_tool_it_only_says_goodbye():
    bare = SessionView(model="m", instructions="")

    assert PoliteBrain().answer(turn("bye"), bare).call == ()


def test_arguments_fit_the_schema():
    schema = {
        "properties": {
            "reason": {"type": "string", "maxLength": 3},
            "kind": {"enum": ["a", "b"]},
            "count": {"type": "integer", "minimum": 2},
            "sure": {"type": "boolean"},
            "optional": {"type": "string"},
        },
        "required": ["reason", "kind", "count", "sure"],
    }

    assert fill(schema, "because") == {"reason": "bec", "kind": "a", "count": 2, "sure": True}


# --- journal and program ----------------------------------------------------------------------------------------
def test_appends_share_an_entry_and_the_journal_is_bounded():
    journal = Journal(limit=3)
    for ms in (0.0, 20.0, 75.0):
        journal.add(ms, "in", "input_audio_buffer.append")
    journal.add(80.0, "out", "a")
    journal.add(81.0, "out", "b")

    first = journal.find("input_audio_buffer.append")[0]
    assert (first.count, first.last_ms, first.max_gap_ms) == (3, 75.0, 55.0)
    assert journal.has_order("input_audio_buffer.append", "b")
    assert not journal.has_order("b", "a")
    journal.add(82.0, "out", "c")
    assert journal.types("out") == ["a", "b", "c"]
    assert journal.dropped == 1


@pytest.mark.anyio
async def test_the_program_prints_its_address():
    command = (sys.executable, "-m", "app.sim.realtime", "--port", "0", "--brain", "echo")
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = (await program.stdout.readline()).decode()
    finally:
        program.terminate()
        await program.communicate()

    assert line.startswith("ws://127.0.0.1:")
    assert line.rstrip().endswith("/v1/realtime?model=gpt-realtime-2.1")
