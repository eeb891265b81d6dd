"""People who call us: the twin of the bundled `opendeep-inbound` and of what Asterisk tells of a caller's channel.

A caller's script begins with `Answer`: from there on it is a callee like any other. Before that it hears ringing,
is refused, or gives up. Events and their order are those of Asterisk 22.10.1 (tests/real/test_inbound.py).
"""

import time
from functools import partial

from app.sim.asterisk import events
from app.sim.asterisk.callee import Callee
from app.sim.asterisk.causes import NORMAL_CLEARING
from app.sim.asterisk.channels import Channel, ChannelKind, ChannelState, Party
from app.sim.asterisk.exchange import Exchange
from app.sim.asterisk.script import Answer, CalleeScript
from app.sim.asterisk.settings import stamp
from app.sim.asterisk.trunk import TrunkLine

REJECTED = 21
INTERWORKING = 127
APOLOGY_S = 0.05
RING_LIMIT_S = 60.0
"""TIMEOUT(absolute) of `opendeep-callback` before it hands the caller over."""


class PhoneIn:
    """One call to us, as its caller lives it. `callee` is the phone: what it hears, says and when."""

    def __init__(self, channel: Channel, callee: Callee) -> None:
        self.channel = channel
        self.callee = callee
        self.apologized = False
        """It was answered by the dialplan, to be told that nobody can talk."""

    @property
    def answered(self) -> bool:
        """By the application, or by the apology."""
        return self.channel.state is ChannelState.UP

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self.channel.gone

    @property
    def cause(self) -> int | None:
        """Q.850 cause of the end, None while it lives."""
        return self.channel.ended_by_cause


class Callers:
    """Everybody who has called so far, oldest first: `calls`."""

    def __init__(self, exchange: Exchange) -> None:
        self.calls: list[PhoneIn] = []
        self._exchange = exchange

    def call_in(
        self,
        number: str,
        script: CalleeScript,
        *,
        called: str = "12025550199",
        give_up_after_s: float | None = None,
    ) -> PhoneIn:
        """An INVITE from the carrier. Only the digits of `number` reach the application; empty: withheld.

        `give_up_after_s`: CANCEL when nobody has answered by then. Raises ValueError for another first step.
        """
        if not script.steps or not isinstance(script.steps[0], Answer):
            raise ValueError("a caller's script begins with Answer: what comes before is ours to decide")
        exchange = self._exchange
        channel = self._channel(number, called)
        randomness = exchange.random
        callee = Callee(
            number=number,
            channel_id=channel.id,
            script=script,
            first_rtp=(randomness.getrandbits(16), randomness.getrandbits(32)),
        )
        callee.changed = exchange.changes.notify
        phone = PhoneIn(channel, callee)
        self.calls.append(phone)
        exchange.add_channel(channel)
        if not channel.app:
            exchange.end(channel, cause=REJECTED)
            return phone
        exchange.live_callees[channel.id] = callee
        exchange.set_absolute_timeout(channel, str(RING_LIMIT_S))
        if give_up_after_s is not None:
            exchange.after(give_up_after_s, channel, partial(self._give_up, channel))
        if exchange.app_is_active(channel.app):
            exchange.enter_stasis(channel)
        else:  # STASISSTATUS FAILED
            self.apologize(channel)
        return phone

    def answer(self, channel: Channel) -> None:
        """200 OK to the caller; it begins to talk."""
        phone = self._phone(channel)
        if phone is None or channel.state is not ChannelState.RING:
            return
        channel.go(ChannelState.UP)
        self._exchange.publish(events.of_channel("ChannelStateChange", channel), channel=channel)
        self._exchange.spawn(channel, phone.callee.run(CallerLine(self._exchange, channel)))

    def apologize(self, channel: Channel) -> None:
        """`opendeep-apology`: answered, tones, a clean hangup."""
        phone = self._phone(channel)
        if phone is None:
            self._exchange.end(channel, cause=NORMAL_CLEARING)
            return
        phone.apologized = True
        channel.context = "opendeep-apology"
        if channel.state is ChannelState.RING:
            channel.go(ChannelState.UP)
            self._exchange.publish(events.of_channel("ChannelStateChange", channel), channel=channel)
        self._exchange.after(APOLOGY_S, channel, partial(self._exchange.end, channel, cause=NORMAL_CLEARING))

    def _give_up(self, channel: Channel) -> None:
        """CANCEL: a HangupRequest with SIP's 487, then StasisEnd."""
        if channel.state is ChannelState.RING:
            request = events.hangup_request(channel, cause=INTERWORKING, tech_cause=487)
            self._exchange.publish(request, channel=channel)
            self._exchange.end(channel, cause=INTERWORKING)

    def _phone(self, channel: Channel) -> PhoneIn | None:
        return next((phone for phone in self.calls if phone.channel is channel), None)

    def _channel(self, number: str, called: str) -> Channel:
        exchange = self._exchange
        app = exchange.settings.callback_app
        digits = "".join(one for one in number if one in "0123456789")[:15]
        serial = exchange.serial()
        return Channel(
            id=f"{time.time():.0f}.{serial}",
            name=f"PJSIP/{exchange.settings.trunk}-{serial:08x}",
            kind=ChannelKind.CALLEE,
            creationtime=stamp(),
            created_s=time.monotonic(),
            app=app,
            app_args=("inbound", digits, called) if app else (),
            state=ChannelState.RING,
            protocol_id=f"{exchange.random.getrandbits(128):032x}",
            context="opendeep-callback" if app else "opendeep-inbound",
            exten="s" if app else called,
            caller=Party(number=number),
            calls_in=True,
        )


class CallerLine(TrunkLine):
    """A caller's own signals once it is answered: its `Answer` step is our 200, which it only takes note of."""

    def answered(self) -> None:
        """Nothing to tell: the channel is up already."""
