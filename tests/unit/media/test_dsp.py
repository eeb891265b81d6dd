"""Lanes, law tables, taps: what legs share for their signal processing."""

import numpy as np
import pytest

from media.dsp import CODECS, FORMATS, ResampleBatch, attenuation, faded_bytes, recoding, warm_up
from media.g711 import ALAW, ULAW
from media.levels import SILENCE_DBOV
from media.taps import Tap, TapBatch


def tone(rate_hz: int, seconds: float = 1.0, frequency_hz: float = 1000.0) -> np.ndarray:
    time = np.arange(int(rate_hz * seconds)) / rate_hz
    return (8000 * np.sin(2 * np.pi * frequency_hz * time)).astype(np.int16)


def frames(audio: bytes, size: int) -> list[bytes]:
    return [audio[start : start + size] for start in range(0, len(audio), size)]


def snr_db(samples: np.ndarray, rate_hz: int, frequency_hz: float = 1000.0) -> float:
    """Power of a sine of this frequency against everything else."""
    time = np.arange(len(samples)) / rate_hz
    basis = np.stack([np.sin(2 * np.pi * frequency_hz * time), np.cos(2 * np.pi * frequency_hz * time)])
    factors = samples @ basis.T * 2 / len(samples)
    rest = samples - factors @ basis
    return float(10 * np.log10(np.mean((factors @ basis) ** 2) / np.mean(rest**2)))


def test_feeding_nothing_does_not_put_a_lane_into_the_batch_twice() -> None:
    batch = ResampleBatch()
    result: list[bytes] = []
    lane = batch.open_lane("polyphase", (8000, 24000), (ULAW, None), result.append)
    lane.feed(b"")
    lane.feed(b"\xff" * 160)
    batch.run()
    assert [len(audio) for audio in result] == [960]


@pytest.mark.parametrize("kind", ["polyphase", "soxr"])
def test_many_lanes_in_one_batch_give_what_each_would_alone(kind: str) -> None:
    batch, alone = ResampleBatch(), ResampleBatch()
    results: list[list[bytes]] = [[] for _ in range(5)]
    expected: list[bytes] = []
    source = [ULAW.encode_bytes(tone(8000, 0.2, 400.0 + 300 * n)) for n in range(5)]
    lanes = [batch.open_lane(kind, (8000, 24000), (ULAW, None), results[n].append) for n in range(5)]
    for cut in zip(*(frames(audio, 160) for audio in source), strict=True):
        for lane, frame in zip(lanes, cut, strict=True):
            lane.feed(frame)
        batch.run()
    for number, audio in enumerate(source):
        single: list[bytes] = []
        lane = alone.open_lane(kind, (8000, 24000), (ULAW, None), single.append)
        for frame in frames(audio, 160):
            lane.feed(frame)
            alone.run()
        alone.close_lane(lane)
        expected.append(b"".join(single))
        assert len(b"".join(results[number])) == len(audio) * 6
    for result, wanted in zip(results, expected, strict=True):
        difference = np.frombuffer(b"".join(result), np.int16).astype(int) - np.frombuffer(wanted, np.int16)
        assert np.abs(difference).max() <= 2  # soxr dithers, a product's order of additions may differ


@pytest.mark.parametrize(
    ("rates", "laws"),
    [((8000, 24000), (ULAW, None)), ((24000, 8000), (None, ALAW)), ((16000, 24000), (None, None))],
)
def test_a_tone_goes_through_a_lane_clean(rates: tuple[int, int], laws: tuple) -> None:
    batch, out = ResampleBatch(), []
    lane = batch.open_lane("polyphase", rates, laws, out.append)
    samples = tone(rates[0])
    audio = samples.tobytes() if laws[0] is None else laws[0].encode_bytes(samples)
    for frame in frames(audio, len(audio) // 50):
        lane.feed(frame)
        batch.run()
    result = np.frombuffer(b"".join(out), np.int16) if laws[1] is None else laws[1].decode_bytes(b"".join(out))
    assert len(result) == rates[1]
    assert snr_db(result[rates[1] // 10 :].astype(float), rates[1]) > 33


def test_frames_of_other_lengths_and_two_feeds_in_a_run_lose_nothing() -> None:
    batch, out = ResampleBatch(), []
    lane = batch.open_lane("polyphase", (8000, 24000), (ULAW, None), out.append)
    other = batch.open_lane("polyphase", (8000, 24000), (ULAW, None), lambda _: None)
    audio = ULAW.encode_bytes(tone(8000, 0.3))
    position = 0
    for size in (160, 240, 80, 7, 160, 320, 1, 160):
        lane.feed(audio[position : position + size])
        other.feed(b"\xff" * 160)
        position += size
        if size != 320:
            batch.run()
    batch.run()
    whole = np.frombuffer(b"".join(out), np.int16)
    reference: list[bytes] = []
    single = batch.open_lane("polyphase", (8000, 24000), (ULAW, None), reference.append)
    single.feed(audio[:position])
    batch.run()
    assert np.abs(whole.astype(int) - np.frombuffer(b"".join(reference), np.int16)).max() <= 1


def test_a_row_given_back_is_clean_for_the_next_leg() -> None:
    batch, out = ResampleBatch(), []
    for _ in range(300):
        lane = batch.open_lane("polyphase", (8000, 24000), (ULAW, None), out.append)
        lane.feed(b"\x00" * 160)
        batch.run()
        lane.feed(b"\x00" * 160)
        batch.close_lane(lane)
        batch.run()
    assert len(out) == 300
    assert len(set(out)) == 1


def test_more_lanes_than_one_bank_has_rows() -> None:
    batch, out = ResampleBatch(), []
    lanes = [batch.open_lane("polyphase", (8000, 24000), (ULAW, None), out.append) for _ in range(300)]
    for lane in lanes:
        lane.feed(b"\x12" * 160)
    batch.run()
    assert len(out) == 300
    assert len(set(out)) == 1


def test_tables() -> None:
    warm_up()
    assert recoding("ulaw", "ulaw") is None
    assert recoding("ulaw", "alaw") == ALAW.encode_bytes(ULAW.decode_table)
    loud = ULAW.encode_bytes(np.full(10, 8000, np.int16))
    softer = ULAW.decode_bytes(loud.translate(attenuation("ulaw", 1)))
    assert 3700 < softer[0] < 4300


@pytest.mark.parametrize("audio_format", ["audio/pcmu", "audio/pcma", "audio/pcm"])
def test_a_fade_ends_in_silence_after_10_ms(audio_format: str) -> None:
    facts = FORMATS[audio_format]
    loud = np.full(facts.sample_rate_hz // 50, 8000, np.int16)
    payload = loud.tobytes() if facts.law is None else facts.law.encode_bytes(loud)
    result = faded_bytes(payload, facts)
    samples = np.frombuffer(result, np.int16) if facts.law is None else facts.law.decode_bytes(result)
    assert len(result) == facts.frame_bytes
    assert samples[0] > 7500
    assert np.abs(samples[len(samples) // 2 :]).max() <= 8


def test_taps_measure_both_directions_of_all_legs() -> None:
    batch = TapBatch()
    law_tap, pcm_tap = Tap(CODECS["alaw"].law), Tap(CODECS["g722"].law)
    for _ in range(50):
        law_tap.callee_passed.append(ALAW.encode_bytes(np.full(160, 16384, np.int16)))
        law_tap.agent_passed.append(ALAW.silence * 160)
        pcm_tap.agent_passed.append(np.full(320, 3277, np.int16).tobytes())
        batch.add(law_tap)
        batch.add(pcm_tap)
        batch.run()
    assert law_tap.callee.take() == pytest.approx(-6.0, abs=0.3)
    assert law_tap.agent.take() < -60
    assert pcm_tap.agent.take() == pytest.approx(-20.0, abs=0.1)
    assert pcm_tap.callee.take() == SILENCE_DBOV
    assert law_tap.callee.take() == SILENCE_DBOV
