"""Resampling between the telephone's 8 or 16 kHz and a model's 24 kHz.

Live audio uses `PolyphaseBank`: a linear-phase FIR over all calls at once, constant 2 ms delay, exact frame
lengths. soxr works in blocks and holds back 12 to 73 ms of a live stream, so it serves files (`resample_file`)
and, as `SoxrStream`, is the reference the bank is compared with and the other value of the `resampler` setting.
"""

import math
from typing import Final, Protocol, cast

import numpy as np
import numpy.typing as npt
import soxr

from media.errors import MediaUsageError
from media.g711 import Float32Array, Int16Array

Rows = npt.NDArray[np.intp]

TAPS: Final = 96
"""Filter length in 24 kHz samples; half of it is the delay."""
_TAPS_RATE_HZ: Final = 24000
_CUTOFF_HZ_AND_BETA: Final = {8000: (3900.0, 8.0), 16000: (7400.0, 7.0)}
"""By the lower rate. 8 kHz: flat to 3.3 kHz, images of 0-3.4 kHz at -81 dB. 16 kHz: flat to 6.5 kHz, -71 dB."""
_BLOCK_MS: Final = 4
_SOXR_PREFILL_MS: Final = 80


class Resampler(Protocol):
    """What the engine needs of either resampler: rows are calls, each with a state of its own."""

    @property
    def delay_ms(self) -> float: ...

    def process(self, rows: Rows, frames: Int16Array) -> Int16Array: ...

    def reset(self, row: int) -> None: ...


def prototype(rate_in: int, rate_out: int, taps: int = TAPS) -> npt.NDArray[np.float64]:
    """The low-pass of a pair of rates at their least common multiple: Kaiser-windowed sinc, odd length, sum 1."""
    lower = min(rate_in, rate_out)
    if lower not in _CUTOFF_HZ_AND_BETA:
        raise MediaUsageError(f"no filter for {rate_in} to {rate_out} Hz; the lower rate must be 8000 or 16000")
    cutoff_hz, beta = _CUTOFF_HZ_AND_BETA[lower]
    rate = math.lcm(rate_in, rate_out)
    order = taps * rate // _TAPS_RATE_HZ
    position = np.arange(order + 1) - order / 2
    kernel = np.sinc(2 * cutoff_hz / rate * position) * np.kaiser(order + 1, beta)
    return kernel / kernel.sum()


class PolyphaseBank:
    """One resampler for many calls. `process` takes one frame of some rows and returns them resampled.

    A block of input and the history before it, times one matrix, is a block of output; all blocks of all rows are
    one matrix product. Frame lengths are free as long as they come out even (a multiple of `rate_in / gcd`).
    """

    def __init__(self, rate_in: int, rate_out: int, *, rows: int, taps: int = TAPS) -> None:
        divisor = math.gcd(rate_in, rate_out)
        self._up, self._down = rate_out // divisor, rate_in // divisor
        self._kernel = prototype(rate_in, rate_out, taps) * self._up
        self._history_samples = -(-(len(self._kernel) - 1) // self._up)
        self._history = np.zeros((rows, self._history_samples), np.float32)
        self._block = rate_in * _BLOCK_MS // 1000 // self._down * self._down
        self._matrices: dict[int, Float32Array] = {}
        self.rate_in = rate_in
        self.rate_out = rate_out

    @property
    def delay_ms(self) -> float:
        """Constant delay of every frequency."""
        return (len(self._kernel) - 1) / 2 / (self.rate_in * self._up) * 1000

    def reset(self, row: int) -> None:
        """Forget a row's past: the place goes to another call."""
        self._history[row] = 0.0

    def process(self, rows: Rows, frames: Int16Array) -> Int16Array:
        """Resample `frames` (one line per entry of `rows`, no row twice) to `len * rate_out / rate_in` samples."""
        count, length = frames.shape
        if length % self._down or count != len(rows):
            raise MediaUsageError(f"{frames.shape} frames for {len(rows)} rows of {self.rate_in} Hz")
        history = self._history_samples
        signal = np.empty((count, history + length), np.float32)
        signal[:, :history] = self._history[rows]
        signal[:, history:] = frames
        self._history[rows] = signal[:, length:]
        out = np.empty((count, length // self._down * self._up), np.float32)
        whole = length // self._block * self._block
        cut = whole // self._down * self._up
        if whole:
            out[:, :cut] = self._convolve(signal, whole, self._block)
        if whole < length:
            out[:, cut:] = self._convolve(signal[:, whole:], length - whole, length - whole)
        np.rint(out, out=out)
        np.clip(out, -32768.0, 32767.0, out=out)
        return out.astype(np.int16)

    def _convolve(self, signal: Float32Array, length: int, block: int) -> Float32Array:
        """Output of the first `length` samples behind the history, in blocks of `block` samples."""
        count, blocks, width = len(signal), length // block, self._history_samples + block
        row_step, step = signal.strides
        windows = np.lib.stride_tricks.as_strided(
            signal, (count, blocks, width), (row_step, block * step, step), writeable=False
        )
        product = windows.reshape(count * blocks, width) @ self._matrix(block)
        return product.reshape(count, length // self._down * self._up)

    def _matrix(self, block: int) -> Float32Array:
        """Column m holds the taps of output m: y[m] = sum over j of h[m * down - j * up] * x[j]."""
        matrix = self._matrices.get(block)
        if matrix is None:
            sample = np.arange(-self._history_samples, block)[:, None]
            tap = np.arange(block // self._down * self._up)[None, :] * self._down - sample * self._up
            inside = (tap >= 0) & (tap < len(self._kernel))
            matrix = np.where(inside, self._kernel[np.where(inside, tap, 0)], 0.0).astype(np.float32)
            self._matrices[block] = matrix
        return matrix


class SoxrStream:
    """One row of soxr HQ with exact frame lengths: what soxr holds back is bridged by a fixed 80 ms of silence."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        self._stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="int16", quality="HQ")
        self._prefill = rate_out * _SOXR_PREFILL_MS // 1000
        self._waiting = np.zeros(self._prefill, np.int16)
        self.rate_in = rate_in
        self.rate_out = rate_out

    def process(self, frame: Int16Array) -> Int16Array:
        """Resample one frame; the answer is as long as the frame."""
        wanted = frame.size * self.rate_out // self.rate_in
        self._waiting = np.concatenate((self._waiting, self._stream.resample_chunk(frame)))
        out, self._waiting = self._waiting[:wanted], self._waiting[wanted:]
        return out

    def reset(self) -> None:
        """Forget the past."""
        self._stream.clear()
        self._waiting = np.zeros(self._prefill, np.int16)


class SoxrBank:
    """`SoxrStream`s with the interface of `PolyphaseBank`, so that the engine can be given either."""

    delay_ms: float = float(_SOXR_PREFILL_MS)

    def __init__(self, rate_in: int, rate_out: int, *, rows: int) -> None:
        self._streams = [SoxrStream(rate_in, rate_out) for _ in range(rows)]

    def process(self, rows: Rows, frames: Int16Array) -> Int16Array:
        """Resample `frames`, one line per entry of `rows`."""
        pairs = zip(cast("list[int]", rows.tolist()), frames, strict=True)
        return np.stack([self._streams[row].process(frame) for row, frame in pairs])

    def reset(self, row: int) -> None:
        """Forget a row's past."""
        self._streams[row].reset()


def resample_file(samples: Int16Array, rate_in: int, rate_out: int) -> Int16Array:
    """A whole recording or prompt at another rate, without delay and without loss at the ends."""
    return soxr.resample(samples, rate_in, rate_out, quality="HQ")
