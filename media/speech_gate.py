"""Does the callee speak? A local gate on loudness, with our own sent audio as echo reference (pure).

A telephone leg has no echo canceller: what we send comes back 50 to 400 ms later, 6 to 30 dB quieter. So audio
counts as speech only above the loudest of three levels: a fixed floor, the line's noise with a margin, and the
loudest we sent in the last `ECHO_REACH_MS` times the echo gain with a margin. The gain starts at the worst case
and is learned downwards from frames that are not speech; the noise only from frames that cannot hold echo. Levels
are mean squares of 20 ms slots, as `media.taps` measures them for all legs at once. Fed by `media.leg`.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

FULL_SCALE_SQUARE: Final = 32_768.0**2


def square_of(dbov: float) -> float:
    """Mean square of a level in dBov."""
    return FULL_SCALE_SQUARE * 10 ** (dbov / 10)


FLOOR_SQUARE: Final = square_of(-42.0)
NOISE_MARGIN: Final = 10.0
"""10 dB above the noise of the line."""
ECHO_MARGIN: Final = 10**0.3
"""3 dB: G.711 noise, and a peak whose echo is a little louder than those learned from."""
WORST_ECHO_GAIN: Final = 10**-0.6
"""-6 dB of power: the loudest echo that is expected of any line."""
LEAST_ECHO_GAIN: Final = 1e-5
ECHO_REACH_MS: Final = 460
"""400 ms of way, one slot each for packing, reordering and measuring."""
LEARN_MS: Final = 1_500
"""The echo gain is the loudest seen in so much speech of ours; until then the worst case."""
LATE_MS: Final = 1_000
"""What a network held back may hold echo that is older by as much."""
AUDIBLE_SQUARE: Final = square_of(-50.0)
"""What we send below this makes no echo that matters: comfort noise."""

SLOT_MS: Final = 20.0
ONSET_MS: Final = 60
ONSET_WITHIN_MS: Final = 100
CONFIRMED_MS: Final = 250
LONG_MS: Final = 600
PAUSE_MS: Final = 160
"""So much quiet ends a burst; the gap in "mm-hm" is shorter."""
ABSENT_MS: Final = 60
"""Slots without a packet are waited for this long, then they are silence."""


class Onset(msgspec.Struct, frozen=True):
    """A burst began: 60 ms above the threshold."""


class Confirmed(msgspec.Struct, frozen=True):
    """250 ms of it were loud: no click, no cough."""


class Long(msgspec.Struct, frozen=True):
    """It has lasted 600 ms: nobody says "mm-hm" that long."""


class Ended(msgspec.Struct, frozen=True):
    """It is over after `duration_ms`, from its first to its last loud slot."""

    duration_ms: int


GateEvent = Onset | Confirmed | Long | Ended


class EchoReference:
    """What we sent, and how much of it comes back."""

    def __init__(self) -> None:
        self._sent: deque[tuple[float, float]] = deque()
        self._older: deque[tuple[float, float]] = deque()  # looked at after a stall only
        self._ratios: deque[tuple[float, float]] = deque()
        self._ms = 0.0
        self._learned_ms = 0.0
        self.late_ms = 0.0
        """How much older than usual the echo may be in what is heard now."""

    @property
    def sent_square(self) -> float:
        """The loudest slot of ours whose echo can be in what is heard now."""
        loudest = max((square for _, square in self._sent), default=0.0)
        if not self.late_ms:
            return loudest
        oldest_ms = self._ms - ECHO_REACH_MS - self.late_ms
        return max(loudest, *(square for at_ms, square in self._older if at_ms > oldest_ms), 0.0)

    @property
    def gain(self) -> float:
        """Echo power over sent power, never more than the worst case."""
        if self._learned_ms < LEARN_MS:
            return WORST_ECHO_GAIN
        seen = max((ratio for _, ratio in self._ratios), default=WORST_ECHO_GAIN)
        return min(WORST_ECHO_GAIN, max(LEAST_ECHO_GAIN, seen))

    def sent(self, square: float, slot_ms: float) -> None:
        """One slot of ours."""
        self._ms += slot_ms
        self._sent.append((self._ms, square))
        while self._sent[0][0] <= self._ms - ECHO_REACH_MS:
            self._older.append(self._sent.popleft())
        while self._older and self._older[0][0] <= self._ms - ECHO_REACH_MS - LATE_MS:
            self._older.popleft()

    def learn(self, square: float, slot_ms: float) -> None:
        """A slot of the callee's line that is not speech, while we are audible."""
        reference = self.sent_square
        if reference < AUDIBLE_SQUARE:
            return
        self._learned_ms += slot_ms
        self._ratios.append((self._learned_ms, square / reference))
        while self._ratios[0][0] <= self._learned_ms - LEARN_MS:
            self._ratios.popleft()


class SpeechGate:
    """One leg's gate. `slot` once per 20 ms slot; it answers what changed."""

    def __init__(self) -> None:
        self.echo = EchoReference()
        self._noise = square_of(-65.0)
        self._recent: deque[tuple[float, float]] = deque()
        self._ms = 0.0
        self._absent_ms = 0.0
        self._burst_at: float | None = None
        self._last_loud_at = 0.0
        self._loud_ms = 0.0
        self._confirmed = self._long = False

    @property
    def threshold(self) -> float:
        """Mean square above which a slot is speech now."""
        echo = self.echo.sent_square * self.echo.gain * ECHO_MARGIN
        return max(FLOOR_SQUARE, self._noise * NOISE_MARGIN, echo)

    @property
    def quiet_square(self) -> float:
        """Mean square below which nobody speaks: this line's noise, with half of the gate's margin in dB."""
        return max(AUDIBLE_SQUARE, self._noise * NOISE_MARGIN**0.5)

    @property
    def open(self) -> bool:
        """A burst is going on."""
        return self._burst_at is not None

    def slot(
        self, heard: Sequence[tuple[float, float]], sent_square: float, slot_ms: float = 20
    ) -> list[GateEvent]:
        """The callee's audio that came in this slot, and the level of what we sent in it.

        `heard`: mean square and length in ms, of 20 ms at most each: none, one, or many when a network gives out
        what it held back.
        """
        self.echo.sent(sent_square, slot_ms)
        if not heard:
            self._absent_ms += slot_ms
            return self._pass(slot_ms, loud=False) if self._absent_ms > ABSENT_MS else []
        self.echo.late_ms = min(max(0.0, sum(length for _, length in heard) - slot_ms), LATE_MS)
        self._absent_ms = 0.0
        return [event for square, length_ms in heard for event in self._hear(square, length_ms)]

    def _hear(self, square: float, length_ms: float) -> list[GateEvent]:
        loud = square > self.threshold
        if not loud:
            self._learn(square, length_ms)
        return self._pass(length_ms, loud=loud)

    def _learn(self, square: float, heard_ms: float) -> None:
        if self.echo.sent_square >= AUDIBLE_SQUARE:
            self.echo.learn(square, heard_ms)
        elif self._burst_at is None:
            self._noise += 0.02 * (square - self._noise)

    def _pass(self, heard_ms: float, *, loud: bool) -> list[GateEvent]:
        self._ms += heard_ms
        if loud:
            self._last_loud_at = self._ms
        if self._burst_at is None:
            return self._onset(heard_ms) if loud else []
        self._loud_ms += heard_ms if loud else 0.0
        events: list[GateEvent] = []
        if not self._confirmed and self._loud_ms >= CONFIRMED_MS:
            self._confirmed = True
            events.append(Confirmed())
        if not self._long and self._last_loud_at - self._burst_at >= LONG_MS:
            self._long = True
            events.append(Long())
        if self._ms - self._last_loud_at >= PAUSE_MS:
            events.append(Ended(round(self._last_loud_at - self._burst_at)))
            self._burst_at = None
            self._recent.clear()
        return events

    def _onset(self, heard_ms: float) -> list[GateEvent]:
        self._recent.append((self._ms, heard_ms))
        while self._recent[0][0] <= self._ms - ONSET_WITHIN_MS:
            self._recent.popleft()
        loud_ms = sum(length for _, length in self._recent)
        if loud_ms < ONSET_MS:
            return []
        first_at, first_ms = self._recent[0]
        self._burst_at = first_at - first_ms
        self._loud_ms = loud_ms
        self._confirmed = self._long = False
        return [Onset()]
