"""Tone speech: what is spoken is heard, through every codec and rate on the way of a call."""

import time

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sim.tonevoice import ALPHABET, Heard, Listener, duration_ms, listen, normalize, speak
from media.g711 import ALAW, ULAW
from media.g722 import G722Decoder, G722Encoder

SENTENCE = "Hello, this is O'Brien! Mississippi 0011, tomorrow at 4?"


def g722(audio):
    even = audio[: len(audio) // 2 * 2]
    return G722Decoder().decode(G722Encoder().encode(even))


def ulaw_with_noise(audio):
    noise = np.random.default_rng(7).normal(0, 32_768 * 10 ** (-30 / 20), len(audio))
    noisy = np.clip(audio + noise, -32_768, 32_767).astype(np.int16)
    return ULAW.decode_bytes(ULAW.encode_bytes(noisy))


PATHS = {
    "plain 8": (8_000, 8_000, lambda audio: audio),
    "plain 16": (16_000, 16_000, lambda audio: audio),
    "plain 24": (24_000, 24_000, lambda audio: audio),
    "ulaw": (8_000, 8_000, lambda audio: ULAW.decode_bytes(ULAW.encode_bytes(audio))),
    "alaw": (8_000, 8_000, lambda audio: ALAW.decode_bytes(ALAW.encode_bytes(audio))),
    "g722": (16_000, 16_000, g722),
    "8 to 24": (8_000, 24_000, lambda audio: soxr.resample(audio, 8_000, 24_000)),
    "24 to 16": (24_000, 16_000, lambda audio: soxr.resample(audio, 24_000, 16_000)),
    "24 to ulaw with noise": (24_000, 8_000, lambda audio: ulaw_with_noise(soxr.resample(audio, 24_000, 8_000))),
}


def silence(ms, rate_hz):
    return np.zeros(rate_hz * ms // 1_000, np.int16)


def edit_distance(left, right):
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=12)
@given(text=st.text(ALPHABET, min_size=1, max_size=30), before_ms=st.integers(0, 700))
def test_what_is_spoken_is_heard_at_its_time(path, text, before_ms):
    rate_in, rate_out, way = PATHS[path]
    audio = np.concatenate([silence(before_ms, rate_in), speak(text, rate_in), silence(300, rate_in)])

    heard = listen(way(audio), rate_out)

    assert [(one.text, one.complete) for one in heard] == [(normalize(text), True)]
    assert abs(heard[0].start_ms - before_ms) <= 20
    assert abs(heard[0].end_ms - before_ms - duration_ms(text)) <= 20


@given(st.text(max_size=60))
def test_normalized_text_is_a_fixed_point_inside_the_alphabet(text):
    plain = normalize(text)

    assert set(plain) <= set(ALPHABET)
    assert normalize(plain) == plain


def test_case_accents_and_unknown_characters():
    assert normalize("  Zürich — it’s 5€, OK? ") == "zurich it's 5 , ok?"


@given(frame=st.integers(5, 60), gone=st.booleans())
def test_a_silent_frame_costs_nothing_and_a_lost_one_at_most_two_symbols(frame, gone):
    audio = np.concatenate([speak(SENTENCE, 8_000), silence(300, 8_000)])
    start, end = frame * 160, (frame + 1) * 160
    instead = audio[:0] if gone else np.zeros(160, np.int16)

    heard = listen(np.concatenate([audio[:start], instead, audio[end:]]), 8_000)

    assert len(heard) == 1
    assert edit_distance(heard[0].text, normalize(SENTENCE)) <= (2 if gone else 0)


def test_a_gap_inside_a_symbol_does_not_double_it():
    audio = np.concatenate([speak("hello", 8_000), silence(300, 8_000)])
    for symbol in range(5):
        gap = 8 * (60 + 40 * symbol + 10)
        audio[gap : gap + 160] = 0

    assert listen(audio, 8_000)[0].text == "hello"


def test_an_utterance_cut_in_the_middle_is_incomplete_with_the_text_so_far():
    audio = speak("hello there everyone", 8_000)

    assert listen(audio[:4_000], 8_000)[0].text == "hello there"
    assert not listen(audio[:4_000], 8_000)[0].complete
    tail = listen(audio[2_000:], 8_000)[0]
    assert tail.text.endswith("there everyone")
    assert not tail.complete


def test_a_new_utterance_right_after_a_flushed_one():
    audio = np.concatenate([speak("i was saying that", 8_000)[:3_200], speak("sorry?", 8_000)])

    first, second = listen(audio, 8_000)

    assert not first.complete
    assert (second.text, second.complete) == ("sorry?", True)


def test_noise_beeps_and_dial_tones_are_not_words():
    seconds = np.arange(16_000) / 8_000
    noise = np.random.default_rng(3).normal(0, 3_000, 16_000).astype(np.int16)

    assert listen(noise, 8_000) == []
    for frequency_hz in (425, 1_000, 1_400, 2_100):
        assert listen((9_000 * np.sin(2 * np.pi * frequency_hz * seconds)).astype(np.int16), 8_000) == []


@given(st.lists(st.integers(1, 700), min_size=1, max_size=40), st.sampled_from([8_000, 24_000]))
def test_a_listener_does_not_care_how_audio_is_chopped(sizes, rate_hz):
    audio = np.concatenate([silence(100, rate_hz), speak("yes, no", rate_hz), silence(400, rate_hz)])
    listener = Listener(rate_hz)
    found: list[Heard] = []
    offset = 0
    for size in sizes * 10:
        found += listener.feed(audio[offset : offset + size])
        offset += size
    found += listener.feed(audio[offset:])

    assert found + listener.finish() == listen(audio, rate_hz)


def test_an_open_utterance_shows_its_text_and_ends_with_silence():
    listener = Listener(8_000)

    assert listener.feed(speak("hello there", 8_000)[:2_400]) == []
    assert listener.partial.startswith("hello")
    ended = listener.feed(silence(300, 8_000))
    assert [one.complete for one in ended] == [False]
    assert listener.partial == ""


def test_times_go_on_after_finish():
    listener = Listener(8_000)
    for _ in range(20):
        listener.feed(silence(50, 8_000))
        listener.finish()
    listener.feed(speak("a", 8_000))

    assert abs(listener.finish()[0].start_ms - 1_000) <= 20


def test_twenty_listeners_cost_little():
    audio = speak(SENTENCE * 4, 24_000)
    listener = Listener(24_000)
    began = time.thread_time()
    for offset in range(0, len(audio), 480):
        listener.feed(audio[offset : offset + 480])
    spent_s = time.thread_time() - began

    assert spent_s * 20 / (len(audio) / 24_000) < 0.05 * 2  # twice the budget: the machine is shared


def test_other_rates_are_refused():
    with pytest.raises(ValueError, match="11025"):
        Listener(11_025)
