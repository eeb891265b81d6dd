"""Speech of the `espeak-ng` program, for demos that people listen to.

One subprocess per sentence (22.05 kHz WAV on its standard output), resampled by soxr to the wanted rate.
Blocking: callers in an event loop run it in a thread. Tests use `app.sim.tonevoice`, which can be read back.
"""

import shutil
import subprocess

import numpy as np
import soxr
from numpy.typing import NDArray

from app.errors import AppError

PROGRAM = "espeak-ng"
_SOURCE_HZ = 22_050
_TIMEOUT_S = 20.0


class EspeakUnavailable(AppError):
    """The espeak-ng program is missing or failed; the message says which and what to do."""

    code = "espeak"


def installed() -> bool:
    """Whether the program is on the search path."""
    return shutil.which(PROGRAM) is not None


def speak(text: str, rate_hz: int, language: str = "en") -> NDArray[np.int16]:
    """`text` as int16 audio at `rate_hz`; `language` is an espeak-ng voice name such as `en` or `pt-br`.

    Raises `EspeakUnavailable` when the program is missing, refuses the language or does not finish in 20 s.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise EspeakUnavailable("espeak-ng is not installed: install the package espeak-ng, or use the tone voice")
    if not language.replace("-", "").isalnum():
        raise EspeakUnavailable(f"{language!r} is not an espeak-ng voice name")
    if not text.strip():
        return np.zeros(0, np.int16)
    source = _samples(_run([program, "-v", language, "--stdin", "--stdout"], text))
    return soxr.resample(source, _SOURCE_HZ, rate_hz)


def _run(command: list[str], text: str) -> bytes:
    try:
        # An argument list without a shell; the text itself travels on standard input.
        done = subprocess.run(  # noqa: S603
            command, input=text.encode(), capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EspeakUnavailable(f"espeak-ng did not run: {error}") from error
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise EspeakUnavailable(f"espeak-ng failed: {reason}")
    return done.stdout


def _samples(wav: bytes) -> NDArray[np.int16]:
    """The sample bytes after the `data` header; its length field is a placeholder when written to a pipe."""
    start = wav.find(b"data")
    if not wav.startswith(b"RIFF") or start < 0:
        raise EspeakUnavailable("espeak-ng answered something that is not WAV audio")
    body = wav[start + 8 :]
    return np.frombuffer(body[: len(body) // 2 * 2], "<i2").astype(np.int16)
