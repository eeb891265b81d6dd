"""Numbers out of one call of the audio benchmark: pure arithmetic on what was recorded. Times in ms."""

import base64
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.sim.realtime import codec
from scripts.benchmarks.audio_rounds import SeenCall, Stall
from tests.real.rtp_phone import RATES_HZ, Packet

SPEECH_DBFS = -40.0
"""Comfort noise is at -65, the simulated voice at -12."""
PAUSE_S = 0.3
"""The agent is silent when this long nothing loud came; it answers an interruption after more than a second."""
SPEAKING_S = 0.1
SETTLE_S = 1.0
AFTER_STALL_S = 0.1
FRAME_MS = 20
FADE_MS = 10
"""Half of the frame that fades out after an interruption is audible; the engine does not count it as heard."""
DELTA = "response.output_audio.delta"
SPEECH_STARTED = "input_audio_buffer.speech_started"
Floats = NDArray[np.float64]


def dbfs(samples: NDArray[np.int16]) -> Floats:
    """Level of each row."""
    power = np.mean(np.square(samples.astype(np.float64)), axis=-1)
    return 10 * np.log10(np.maximum(power, 1e-3) / 32768.0**2)


@dataclass(frozen=True)
class Cut:
    """One interruption: what the simulator was told to forget against what the phone has."""

    onset_to_silence_ms: float
    speech_started_to_silence_ms: float
    position_error_ms: float | None
    """`audio_end_ms` minus what arrived; None when no truncate came."""


class View:
    """One call, looked at."""

    def __init__(self, call: SeenCall) -> None:
        self.call = call
        self.packets: list[Packet] = call.phone.audio()
        self.arrivals: Floats = np.array([one.arrival for one in self.packets])
        self.released = call.control.times["answered_sent"]

    @cached_property
    def heard(self) -> NDArray[np.int16]:
        """One row of samples per packet."""
        return self.call.phone.heard().reshape(len(self.packets), RATES_HZ[self.call.codec] // 50)

    @cached_property
    def loud(self) -> NDArray[np.bool_]:
        """Which packets carry speech of the agent."""
        return dbfs(self.heard) > SPEECH_DBFS

    @cached_property
    def events(self) -> dict[str, list[tuple[float, dict[str, Any]]]]:
        """Frames of the model session by type, both directions."""
        found: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
        for at, frame in self.call.model.received + self.call.model.sent:
            event = json.loads(frame)
            found[event["type"]].append((at, event))
        return found

    @cached_property
    def items(self) -> dict[str, tuple[float, bytes]]:
        """Audio of each answer, with the time its first delta was sent."""
        found: dict[str, tuple[float, bytes]] = {}
        for at, event in self.events[DELTA]:
            first, audio = found.get(event["item_id"], (at, b""))
            found[event["item_id"]] = first, audio + base64.b64decode(event["delta"])
        return found

    # --- first word -------------------------------------------------------------------------------
    def first_word(self) -> dict[str, float]:
        """From the 200 OK to the first speech at the phone, and the steps between."""
        spoken = self.arrivals[self.loud]
        if not spoken.size:
            return {}
        times, word = self.call.control.times, float(spoken[0])
        return {
            "first_word": (word - self.call.answered_at) * 1e3,
            "ok_to_answered": (times["answered"] - self.call.answered_at) * 1e3,
            "answered_to_bridged": (times["bridged"] - times["answered"]) * 1e3,
            "bridged_to_release": (self.released - times["bridged"]) * 1e3,
            "release_to_word": (word - self.released) * 1e3,
        }

    # --- barge-in ---------------------------------------------------------------------------------
    def cuts(self) -> list[Cut | None]:
        """Every interruption of the script; None where the agent was not interrupted (or not speaking)."""
        return [self._cut(self.call.phone.sent[slot][0]) for slot in self.call.script.onsets]

    def _cut(self, onset: float) -> Cut | None:
        started = next((at for at, _ in self.events[SPEECH_STARTED] if onset < at < onset + 1.0), None)
        if started is None:
            return None
        spoken = self.arrivals[self.loud & (self.arrivals > onset - SPEAKING_S)]
        if not spoken.size or spoken[0] > onset:
            return None
        pauses = np.flatnonzero(np.diff(spoken) > PAUSE_S)
        last = float(spoken[pauses[0]] if pauses.size else spoken[-1])
        return Cut((last - onset) * 1e3, (last - started) * 1e3, self._position_error(started, last))

    def _position_error(self, started: float, last: float) -> float | None:
        for at, event in self.events["conversation.item.truncate"]:
            if started < at < started + 1.0:
                first, audio = self.items[event["item_id"]]
                return float(event["audio_end_ms"]) - self._arrived_ms(first, last, audio)
        return None

    def _arrived_ms(self, since: float, until: float, audio: bytes) -> float:
        """How much of an answer is at the phone: byte for byte where G.711 passes through, else by loudness."""
        places = np.flatnonzero((self.arrivals > since) & (self.arrivals <= until))
        if self.call.codec == "g722":
            loud = places[self.loud[places]]
            return float(loud.size * FRAME_MS - FADE_MS)
        frames = [audio[at : at + 160] for at in range(0, len(audio), 160)]
        begin = next((n for n in places if self.packets[n].payload == frames[0]), None)
        if begin is None:
            return 0.0
        same = 0
        for packet, frame in zip(self.packets[begin:], frames, strict=False):
            if packet.payload != frame:
                break
            same += 1
        return float(same * FRAME_MS)

    # --- one-way delay ----------------------------------------------------------------------------
    def uplink_ms(self) -> list[float]:
        """Phone sends a known packet -> the model receives the append that carries it."""
        onsets = self._append_onsets()
        sent = [self.call.phone.sent[slot][0] for slot in self.call.script.onsets]
        return after(sent, onsets, self.released + SETTLE_S)

    def _append_onsets(self) -> list[float]:
        loud = [
            (at, float(dbfs(codec.decode(self.audio_format, base64.b64decode(event["audio"])))) > SPEECH_DBFS)
            for at, event in self.events["input_audio_buffer.append"]
        ]
        return [at for (_, before), (at, now) in pairwise(loud) if now and not before]

    @property
    def audio_format(self) -> str:
        """Of the model session."""
        return "audio/pcm" if self.call.codec == "g722" else "audio/pcmu"

    def downlink_ms(self) -> list[float]:
        """The model sends a delta while nothing is queued -> its first packet is at the phone."""
        begins = np.flatnonzero(self.loud[1:] & ~self.loud[:-1]) + 1
        sent = [at for at, _ in self.events[DELTA]]
        return after(sent, [float(at) for at in self.arrivals[begins]], self.released + SETTLE_S)

    # --- the wire ---------------------------------------------------------------------------------
    def gaps_ms(self) -> Floats:
        """Time between two packets at the phone, without the first second and the end of the call."""
        times = self._steady()
        return np.diff(times) * 1e3

    def missing_slots(self, stalls: Sequence[Stall] = ()) -> int:
        """20 ms slots of the same time without a packet of their own (one that came late is not missing).

        Time in which the machine stood still, and in which the late packets after it came, is left out.
        """
        times = self._steady()
        pieces, since = list[Floats](), -np.inf
        for stall in stalls:
            pieces.append(times[(times >= since) & (times < stall.since)])
            since = stall.until + AFTER_STALL_S
        pieces.append(times[times >= since])
        return sum(round((piece[-1] - piece[0]) / 0.020) - (piece.size - 1) for piece in pieces if piece.size)

    def _steady(self) -> Floats:
        inside = (self.arrivals > self.released + SETTLE_S) & (self.arrivals < self.arrivals[-1] - 0.2)
        return self.arrivals[inside]


def after(causes: list[float], effects: list[float], since: float, within_s: float = 0.23) -> list[float]:
    """For each cause the time to the first effect after it, in ms; causes without one are left out."""
    found: list[float] = []
    for cause in causes:
        effect = next((at for at in effects if cause <= at < cause + within_s), None)
        if effect is not None and cause > since:
            found.append((effect - cause) * 1e3)
    return found
