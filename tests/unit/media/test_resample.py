"""The live resampler: flat speech band, clean images, exact lengths, constant delay, rows that do not mix."""

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from media.errors import MediaUsageError
from media.resample import PolyphaseBank, SoxrBank, SoxrStream, prototype, resample_file

PAIRS = [(8000, 24000), (24000, 8000), (16000, 24000), (24000, 16000)]
TOP_HZ = {8000: 3400, 16000: 6500}


def sine(frequency_hz: float, rate_hz: int, seconds: float = 0.5, amplitude: float = 10000.0) -> np.ndarray:
    time = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.rint(amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.int16)


def run(bank: PolyphaseBank | SoxrBank, signal: np.ndarray, frame: int) -> np.ndarray:
    """One row through the bank in frames."""
    row = np.array([0])
    pieces = [bank.process(row, signal[None, n : n + frame]) for n in range(0, len(signal) - frame + 1, frame)]
    return np.concatenate(pieces, axis=1)[0]


def resampled(signal: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    return run(PolyphaseBank(rate_in, rate_out, rows=1), signal, rate_in // 50)


def level_db(signal: np.ndarray, frequency_hz: float, rate_hz: int) -> float:
    """Level of exactly one frequency against amplitude 10000, from the settled part."""
    settled = signal[rate_hz // 10 :].astype(np.float64)
    turns = np.exp(-2j * np.pi * frequency_hz * np.arange(len(settled)) / rate_hz)
    window = np.blackman(len(settled))
    return float(20 * np.log10(2 * abs(np.sum(settled * turns * window)) / window.sum() / 10000))


def spectrum_db(signal: np.ndarray, rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and levels against a full sine of amplitude 10000, from the settled part."""
    settled = signal[rate_hz // 10 :].astype(np.float64)
    window = np.blackman(len(settled))
    bins = 2 * np.abs(np.fft.rfft(settled * window)) / window.sum()
    return np.fft.rfftfreq(len(settled), 1 / rate_hz), 20 * np.log10(np.maximum(bins, 1e-6) / 10000)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_the_speech_band_is_flat_to_a_tenth_of_a_db(rate_in: int, rate_out: int) -> None:
    for frequency in np.linspace(300, TOP_HZ[min(rate_in, rate_out)], 9).round():
        out = resampled(sine(frequency, rate_in), rate_in, rate_out)
        assert abs(level_db(out, frequency, rate_out)) < 0.1, frequency


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_images_and_aliases_are_60_db_down(rate_in: int, rate_out: int) -> None:
    """Upwards every mirror of a tone, downwards every tone that would fold into the band."""
    lower = min(rate_in, rate_out)
    edge = {8000: 3400, 16000: 7900}[lower]
    up = rate_out > rate_in
    for frequency in np.linspace(300, edge, 8) if up else np.linspace(lower - edge, 11900, 12):
        frequencies, levels = spectrum_db(resampled(sine(frequency, rate_in), rate_in, rate_out), rate_out)
        unwanted = np.abs(frequencies - frequency) > 60 if up else frequencies > 0
        assert levels[unwanted].max() < -60, frequency


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_the_delay_is_two_ms_for_every_frequency(rate_in: int, rate_out: int) -> None:
    bank = PolyphaseBank(rate_in, rate_out, rows=1)
    assert bank.delay_ms == 2.0
    kernel = prototype(rate_in, rate_out)
    assert np.allclose(kernel, kernel[::-1])  # linear phase
    impulse = np.zeros(rate_in // 50, np.int16)
    impulse[0] = 20000
    assert int(np.argmax(run(bank, impulse, len(impulse)))) == rate_out * 2 // 1000


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 60, 1])
def test_lengths_are_exact_and_frames_do_not_matter(rate_in: int, rate_out: int, ptime_ms: int) -> None:
    signal = np.random.default_rng(2).integers(-9000, 9000, rate_in * 240 // 1000).astype(np.int16)
    whole = run(PolyphaseBank(rate_in, rate_out, rows=1), signal, len(signal))
    frames = run(PolyphaseBank(rate_in, rate_out, rows=1), signal, rate_in * ptime_ms // 1000)
    assert len(frames) == rate_out * 240 // 1000
    assert np.abs(frames.astype(np.int32) - whole).max() <= 1  # float32 sums in another order


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_it_equals_soxr_within_60_db_in_the_speech_band(rate_in: int, rate_out: int) -> None:
    generator, samples = np.random.default_rng(3), rate_in * 2
    spectrum = np.fft.rfft(generator.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / rate_in)
    spectrum[(frequency < 300) | (frequency > TOP_HZ[min(rate_in, rate_out)])] = 0
    wave = np.fft.irfft(spectrum, samples)
    signal = np.rint(wave * 6000 / np.abs(wave).max()).astype(np.int16)
    reference = soxr.resample(signal, rate_in, rate_out, quality="HQ").astype(np.float64)
    delay = rate_out * 2 // 1000
    ours = resampled(signal, rate_in, rate_out)[delay:]
    middle = slice(rate_out // 10, -rate_out // 10)
    error = ours[middle] - reference[: len(ours)][middle]
    assert 10 * np.log10(np.mean(error**2) / np.mean(reference[middle] ** 2)) < -60


def test_loud_input_clips_and_does_not_wrap() -> None:
    square = np.repeat(np.array([32767, -32768] * 40, np.int16), 40)
    out = resampled(square, 8000, 24000)
    assert (out.max(), out.min()) == (32767, -32768)
    assert np.abs(np.diff(out.astype(np.int32))).max() < 45000  # a wrap would jump by 65535


def test_rows_have_their_own_past() -> None:
    bank, alone = PolyphaseBank(8000, 24000, rows=4), PolyphaseBank(8000, 24000, rows=1)
    signals = np.random.default_rng(4).integers(-9000, 9000, (4, 6, 160)).astype(np.int16)
    heard: dict[int, list[np.ndarray]] = {2: [], 0: []}
    bank.process(np.array([1, 2]), signals[[1, 3], 0])
    bank.reset(2)
    for n in range(6):
        rows = np.array([3, 2, 0] if n % 2 else [2, 0])
        out = bank.process(rows, signals[rows, n])
        heard[2].append(out[list(rows).index(2)])
        heard[0].append(out[list(rows).index(0)])
    expected = run(alone, signals[2].ravel(), 160)
    assert np.abs(np.concatenate(heard[2]).astype(np.int32) - expected).max() <= 1
    alone.reset(0)
    expected = run(alone, signals[0].ravel(), 160)
    assert np.abs(np.concatenate(heard[0]).astype(np.int32) - expected).max() <= 1


def test_no_rows_are_no_work() -> None:
    out = PolyphaseBank(8000, 24000, rows=2).process(np.zeros(0, np.intp), np.zeros((0, 160), np.int16))
    assert out.shape == (0, 480)


@given(st.lists(st.integers(0, 400), max_size=12), st.integers(0, 2**32 - 1))
def test_any_cut_of_a_stream_gives_the_same_stream(cuts: list[int], seed: int) -> None:
    total = sum(cuts) * 3
    signal = np.random.default_rng(seed).integers(-32768, 32768, total).astype(np.int16)
    whole = PolyphaseBank(24000, 16000, rows=1).process(np.array([0]), signal[None, :])[0]
    bank, position, pieces = PolyphaseBank(24000, 16000, rows=1), 0, [np.zeros(0, np.int16)]
    for cut in cuts:
        pieces.append(bank.process(np.array([0]), signal[None, position : position + 3 * cut])[0])
        position += 3 * cut
    joined = np.concatenate(pieces)
    assert len(joined) == total * 2 // 3
    assert np.abs(joined.astype(np.int32) - whole).max(initial=0) <= 1


def test_wrong_calls_of_ours_raise() -> None:
    with pytest.raises(MediaUsageError, match="no filter"):
        PolyphaseBank(22050, 24000, rows=1)
    with pytest.raises(MediaUsageError):
        PolyphaseBank(24000, 8000, rows=1).process(np.array([0]), np.zeros((1, 100), np.int16))
    with pytest.raises(MediaUsageError):
        PolyphaseBank(8000, 24000, rows=2).process(np.array([0]), np.zeros((2, 160), np.int16))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_the_soxr_reference_keeps_lengths_and_a_fixed_delay(rate_in: int, rate_out: int) -> None:
    bank = SoxrBank(rate_in, rate_out, rows=1)
    signal = sine(1000, rate_in, seconds=2.0)
    out = run(bank, signal, rate_in // 50)
    delay = int(rate_out * bank.delay_ms / 1000)
    reference = soxr.resample(signal, rate_in, rate_out, quality="HQ")
    assert len(out) == rate_out * 2
    assert not out[: delay - 100].any()
    assert np.abs(out[delay:].astype(np.int32) - reference[: len(out) - delay]).max() <= 2
    bank.reset(0)
    assert not run(bank, signal[: rate_in // 50], rate_in // 50).any()


def test_a_soxr_stream_can_start_again() -> None:
    stream, signal = SoxrStream(8000, 24000), sine(500, 8000)
    first = [stream.process(signal[n : n + 160]) for n in range(0, 4000, 160)]
    stream.reset()
    second = [stream.process(signal[n : n + 160]) for n in range(0, 4000, 160)]
    difference = np.concatenate(first).astype(np.int32) - np.concatenate(second)
    assert np.abs(difference).max() <= 3  # soxr dithers


def test_files_are_resampled_whole() -> None:
    signal = sine(440, 44100, seconds=1.0)
    out = resample_file(signal, 44100, 8000)
    assert (len(out), out.dtype) == (8000, np.int16)
    assert np.abs(out[100:-100] - sine(440, 8000, seconds=1.0)[100:-100]).max() < 20
