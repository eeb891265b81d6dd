"""G.722 legs: wideband survives, state goes on from frame to frame, lengths are exact."""

import numpy as np
import pytest

from media.errors import MediaUsageError
from media.g722 import G722Decoder, G722Encoder


def tone(frequency_hz: float, seconds: float, amplitude: float = 8000.0) -> np.ndarray:
    time = np.arange(int(16000 * seconds)) / 16000
    return np.rint(amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.int16)


def level_at(samples: np.ndarray, frequency_hz: float) -> float:
    """Amplitude of one frequency."""
    time = np.arange(len(samples)) / 16000
    return float(2 * abs(np.mean(samples * np.exp(-2j * np.pi * frequency_hz * time))))


@pytest.mark.parametrize("frequency_hz", [400, 1000, 3000, 5000, 6500])
def test_a_tone_survives_the_round_trip(frequency_hz: int) -> None:
    encoder, decoder = G722Encoder(), G722Decoder()
    frames = tone(frequency_hz, 0.5).reshape(-1, 320)
    heard = np.concatenate([decoder.decode(encoder.encode(frame)) for frame in frames])
    assert level_at(heard[1600:], frequency_hz) == pytest.approx(8000, rel=0.1)


def test_twenty_ms_are_160_bytes_and_320_samples() -> None:
    encoded = G722Encoder().encode(tone(1000, 0.02))
    decoded = G722Decoder().decode(encoded)
    assert len(encoded) == 160
    assert (decoded.shape, decoded.dtype) == ((320,), np.int16)


def test_frames_continue_each_other() -> None:
    signal = tone(700, 0.2) + tone(5200, 0.2, 3000)
    whole = G722Encoder().encode(signal)
    encoder, decoder = G722Encoder(), G722Decoder()
    pieces = [encoder.encode(frame) for frame in signal.reshape(-1, 320)]
    assert b"".join(pieces) == whole
    decoded = np.concatenate([decoder.decode(piece) for piece in pieces])
    assert np.array_equal(decoded, G722Decoder().decode(whole))


def test_legs_do_not_share_state() -> None:
    loud, quiet, alone = G722Encoder(), G722Encoder(), G722Encoder()
    loud.encode(tone(1000, 0.1, 20000))
    assert quiet.encode(tone(300, 0.02)) == alone.encode(tone(300, 0.02))


@pytest.mark.parametrize("shape", [(319,), (2, 160)])
def test_odd_or_batched_samples_are_our_mistake(shape: tuple[int, ...]) -> None:
    with pytest.raises(MediaUsageError):
        G722Encoder().encode(np.zeros(shape, np.int16))
