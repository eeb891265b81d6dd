"""What the processes of the audio benchmark tell each other: jobs in, logs out, as files.

All times are CLOCK_MONOTONIC seconds, which every process of one machine shares.
"""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class ModelJob(msgspec.Struct, frozen=True, kw_only=True):
    """How the simulated model of one round behaves."""

    log: str
    seed: int
    words: int
    """Length of every answer: each word is 5 letters, 200 ms in the tone voice."""
    voice: str = "tones"
    """`tones`, or `5khz` for a pure tone of 5000 Hz."""
    first_delta_ms: int = 80
    speed: float = 5.0
    delta_ms: tuple[int, int] = (200, 400)


class ControlJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the control process of one round is to do: call these numbers at once, then end."""

    log: str
    numbers: tuple[str, ...]
    settings: dict[str, Any]


class SessionLog(msgspec.Struct, kw_only=True):
    """One model session as its server saw it: frames in both directions with the time they passed."""

    received: list[tuple[float, str]] = []
    sent: list[tuple[float, str]] = []


class ModelLog(msgspec.Struct, kw_only=True):
    """All sessions of a round; `lag_ms` is how late the model's own loop was, sampled every 10 ms."""

    sessions: list[SessionLog]
    lag_ms: list[float]


class CallLog(msgspec.Struct, kw_only=True):
    """When the control process saw or did something about a call."""

    number: str
    outcome: str = ""
    times: dict[str, float] = {}
    """`answered` and `bridged` as told by ARI, `answered_sent`: the command that releases the greeting."""


def save(path: str, value: object) -> None:
    """Write one message."""
    Path(path).write_bytes(msgspec.msgpack.encode(value))


def load(path: str, kind: type[T]) -> T:
    """Read one message."""
    return msgspec.msgpack.decode(Path(path).read_bytes(), type=kind)
