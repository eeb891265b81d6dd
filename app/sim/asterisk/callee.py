"""A simulated person with a phone: carries a script out against the exchange and keeps what was heard.

Tests and the demo read it: `recording`, `heard`, `first_audio_ms`, `arrivals`, `digits_heard`, `said`, `log`.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol, assert_never

from app.sim.asterisk.call_flow import KEY_GAP_S, KEY_S, CalleeFlow
from app.sim.asterisk.call_signals import (
    AgentPressed,
    AgentSaid,
    AgentSpeaks,
    Effect,
    Gone,
    Input,
    Invited,
    Joined,
    Note,
    PressKeys,
    SendAnswer,
    SendBye,
    SendProgress,
    SendRefusal,
    SendRinging,
    Speak,
    Spoken,
    Tick,
)
from app.sim.asterisk.ear import RATE_HZ, Arrival, Ear
from app.sim.asterisk.mouth import Frame, Mouth
from app.sim.asterisk.script import CalleeScript, Samples
from app.sim.tonevoice import Heard
from media.g711 import ULAW
from media.rtp import PAYLOAD_TYPE_PCMU, RtpPacket

SSRC_OF_CALLEES = 0x0D0C0DE
"""Of what one callee hears of another; media legs have random ones."""


class Line(Protocol):
    """The exchange's end of the callee's phone line."""

    def ringing(self) -> None: ...
    def progress(self) -> None: ...
    def answered(self) -> None: ...
    def refused(self, sip_status: int) -> None: ...
    def hung_up(self, cause: int | None) -> None: ...
    def pressed(self, digit: str, duration_ms: int) -> None: ...


class Callee:
    """One called party during one call."""

    def __init__(self, *, number: str, channel_id: str, script: CalleeScript, first_rtp: tuple[int, int]) -> None:
        self.number = number
        self.channel_id = channel_id
        self.script = script
        self.caller_id = ""
        self.variables: Mapping[str, str] = {}
        """Variables of the originate body, PJSIP_HEADER(add,...) among them."""
        self.invited_s: float | None = None
        self.answered_s: float | None = None
        self.ended_s: float | None = None
        self.digits_heard = ""
        self.tones: list[str] = []
        """What Asterisk itself played: "ring" or a class of music, in order."""
        self.packets_spoken = 0
        """Voice packets the callee's phone sent."""
        self.voice_dropped = 0
        """Packets lost because a DTMF digit was being sent to the callee."""
        self.said: list[tuple[str, float]] = []
        """What the callee said and when it began (monotonic seconds)."""
        self.log: list[tuple[float, str]] = []
        self._send_voice: Callable[[Frame], None] | None = None
        self.changed: Callable[[], None] = lambda: None
        self._flow = CalleeFlow(script)
        self._ear = Ear()
        sequence, timestamp = first_rtp
        self._mouth = Mouth(
            ptime_ms=script.ptime_ms, comfort=script.comfort, first_sequence=sequence, first_timestamp=timestamp
        )
        self._keys: list[tuple[float, str]] = []
        self._digit_until_s = 0.0
        self._line: Line | None = None
        self._wake = asyncio.Event()
        self._now = asyncio.get_running_loop().time

    @property
    def over(self) -> bool:
        """Whether the call has ended for the callee."""
        return self.ended_s is not None

    @property
    def recording(self) -> Samples:
        """All the callee heard, int16 at 8 kHz, from the answer on."""
        return self._ear.recording

    @property
    def heard(self) -> list[Heard]:
        """Utterances of the agent, milliseconds since the answer."""
        return self._ear.heard

    @property
    def heard_texts(self) -> list[str]:
        """Complete utterances of the agent."""
        return [heard.text for heard in self._ear.heard if heard.complete]

    @property
    def arrivals(self) -> list[Arrival]:
        """Headers and arrival times of the agent's packets."""
        return self._ear.arrivals

    @property
    def first_packet_ms(self) -> int | None:
        """From the answer to the agent's first packet."""
        return self._ear.first_packet_ms

    @property
    def first_audio_ms(self) -> int | None:
        """From the answer to the agent's first audible packet."""
        return self._ear.first_audio_ms

    @property
    def talking(self) -> bool:
        """Whether the callee is speaking now."""
        return self._mouth.talking

    @property
    def agent_speaking(self) -> bool:
        """Whether the agent is audible now."""
        return self._ear.speaking

    @property
    def joined(self) -> bool:
        """Whether somebody is at the other end of the line now."""
        return self._send_voice is not None

    async def run(self, line: Line) -> None:
        """Live through the call until one side ends it."""
        self._line = line
        self.invited_s = self._now()
        self._feed(Invited())
        while not self.over:
            await self._sleep_until(self._next_wake())
            self._tick()

    def connect(self, send_voice: Callable[[Frame], None] | None) -> None:
        """The other party of the bridge, None while there is none."""
        self._send_voice = send_voice
        self._feed(Joined(send_voice is not None))

    def hear(self, packet: RtpPacket, samples: Samples, rate_hz: int) -> None:
        """A voice packet from the agent reached the phone."""
        now = self._now()
        if now < self._digit_until_s:
            self.voice_dropped += 1
            return
        before = self._ear.speaking
        self._react(self._ear.take(packet, samples, rate_hz, now), before)

    def hear_frame(self, frame: Frame) -> None:
        """A voice packet of another callee in the same bridge reached the phone."""
        wide = self._ear.rate_hz > RATE_HZ
        samples = frame.samples_16k if wide else frame.samples_8k
        packet = RtpPacket(
            payload_type=PAYLOAD_TYPE_PCMU,
            sequence_number=frame.sequence_number,
            timestamp=frame.timestamp,
            ssrc=SSRC_OF_CALLEES,
            payload=ULAW.encode_bytes(frame.samples_8k),
            marker=frame.marker,
        )
        self.hear(packet, samples, self._ear.rate_hz)

    def hear_digit(self, digit: str) -> None:
        """A DTMF digit from the agent ended."""
        self.digits_heard += digit
        self._feed(AgentPressed(digit))

    def expect_digit(self, duration_s: float) -> None:
        """A DTMF digit is being sent: voice frames are dropped until it ends."""
        self._digit_until_s = self._now() + duration_s

    def release(self) -> None:
        """CANCEL or BYE from the exchange, or the end after the callee's own."""
        if self.over:
            return
        before = self._ear.speaking
        self.ended_s = self._now()
        self._send_voice = None
        self._react(self._ear.close(), before)
        self._feed(Gone())

    def _next_wake(self) -> float | None:
        key_due = self._keys[0][0] if self._keys else None
        wanted = (self._flow.next_deadline, self._mouth.next_due, self._ear.next_check, key_due)
        return min((at for at in wanted if at is not None), default=None)

    async def _sleep_until(self, at: float | None) -> None:
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(at):
                await self._wake.wait()

    def _tick(self) -> None:
        now = self._now()
        talking = self._mouth.talking
        for frame in self._mouth.due(now):
            self.packets_spoken += 1
            if self._send_voice is not None:
                self._send_voice(frame)
        if talking and not self._mouth.talking:
            self._feed(Spoken())
        while self._keys and self._keys[0][0] <= now and self._line is not None:
            self._line.pressed(self._keys.pop(0)[1], round(KEY_S * 1_000))
        before = self._ear.speaking
        self._react(self._ear.check(now), before)
        self._feed(Tick())

    def _react(self, found: list[Heard], was_speaking: bool) -> None:
        if self._ear.speaking != was_speaking:
            self._feed(AgentSpeaks(self._ear.speaking))
        for heard in found:
            if heard.complete:
                self._feed(AgentSaid(heard.text))
        self.changed()

    def _feed(self, event: Input) -> None:
        for effect in self._flow.handle(event, self._now()):
            if not self.over:
                self._carry_out(effect)
        self._wake.set()
        self.changed()

    def _carry_out(self, effect: Effect) -> None:
        now = self._now()
        if not isinstance(effect, Speak):
            self.log.append((now, type(effect).__name__))
        match effect:
            case Speak():
                self.said.append((effect.text, now))
                self._mouth.say(effect.text, effect.samples, now)
            case PressKeys():
                step_s = KEY_S + KEY_GAP_S
                self._keys = [(now + KEY_S + at * step_s, digit) for at, digit in enumerate(effect.digits)]
            case Note():
                self.log[-1] = (now, effect.text)
            case SendRinging() | SendProgress() | SendAnswer() | SendRefusal() | SendBye():
                self._signal(effect, now)
            case _:
                assert_never(effect)

    def _signal(self, effect: SendRinging | SendProgress | SendAnswer | SendRefusal | SendBye, now: float) -> None:
        if self._line is None:
            return
        match effect:
            case SendRinging():
                self._line.ringing()
            case SendProgress():
                self._line.progress()
            case SendAnswer():
                self.answered_s = now
                self._ear.open(now)
                self._mouth.open(now)
                self._line.answered()
            case SendRefusal():
                self._line.refused(effect.sip_status)
            case SendBye():
                self._line.hung_up(effect.cause)
