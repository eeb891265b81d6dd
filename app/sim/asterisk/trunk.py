"""The simulated SIP trunk: dials callees, turns what they do into channel events, and carries DTMF.

Used by the originate and dtmf verbs. `invites` is the witness of every call that went out.
"""

import asyncio
import re
import time
from collections import deque
from functools import partial
from typing import NamedTuple

from app.sim.asterisk import events
from app.sim.asterisk.callee import Callee
from app.sim.asterisk.causes import NO_ANSWER, NORMAL_CLEARING, cause_of_sip, final_dial_status
from app.sim.asterisk.channels import Channel, ChannelState
from app.sim.asterisk.exchange import Exchange
from app.sim.asterisk.personas import Directory, look_up

_LEAD_S = 0.1
"""Before the first key, whatever `before` says."""
_PAUSE_S = {"w": 0.5, "W": 1.0}
"""In a DTMF string; `between` follows keys only."""
DTMF_CHARACTERS = frozenset("0123456789ABCDabcd*#")


class Invite(NamedTuple):
    """One INVITE that left for a callee."""

    number: str
    channel_id: str
    at_s: float
    """Monotonic seconds."""


class Trunk:
    """One PJSIP endpoint with a contact, as `PJSIP/{number}@{trunk}`."""

    def __init__(self, exchange: Exchange, directory: Directory) -> None:
        self.directory = directory
        self.registered = True
        """False: the endpoint has no contact, and originate fails with 500."""
        self.invites: list[Invite] = []
        self.callees: deque[Callee] = deque(maxlen=exchange.settings.keep_callees)
        self._exchange = exchange
        self._address = re.compile(rf"(?P<number>\+?[0-9*#]+)@{re.escape(exchange.settings.trunk)}")

    def number_in(self, technology: str, address: str) -> str | None:
        """The number of an endpoint this trunk can dial; None for any other endpoint."""
        match = self._address.fullmatch(address)
        if technology != "PJSIP" or match is None or not self.registered:
            return None
        return match["number"]

    def dial(self, channel: Channel, number: str, timeout_s: float | None) -> Callee:
        """Send the INVITE; what follows comes as events, the first after the HTTP reply."""
        exchange = self._exchange
        randomness = exchange.random
        callee = Callee(
            number=number,
            channel_id=channel.id,
            script=look_up(self.directory, number),
            first_rtp=(randomness.getrandbits(16), randomness.getrandbits(32)),
        )
        callee.caller_id = channel.caller.number
        callee.variables = dict(channel.variables)
        callee.changed = exchange.changes.notify
        exchange.live_callees[channel.id] = callee
        self.callees.append(callee)
        self.invites.append(Invite(number, channel.id, time.monotonic()))
        exchange.timers.spawn(self._ring(channel, callee))
        if timeout_s is not None:
            exchange.after(timeout_s, channel, partial(self._ring_out, channel))
        return callee

    async def _ring(self, channel: Channel, callee: Callee) -> None:
        self._exchange.publish(events.dial(channel, ""), channel=channel)
        await callee.run(TrunkLine(self._exchange, channel))

    def _ring_out(self, channel: Channel) -> None:
        """No final Dial and no HangupRequest; Asterisk makes up the 480."""
        if channel.state is not ChannelState.UP:
            self._exchange.end(channel, cause=NO_ANSWER, tech_cause=480)

    def send_dtmf(self, channel: Channel, digits: str, timing_ms: tuple[int, int, int]) -> None:
        """Play digits to the callee after the HTTP reply; `timing_ms` is before, between and duration."""
        callee = self._exchange.live_callees.get(channel.id)
        if callee is not None:
            self._exchange.spawn(channel, _press(callee, digits, timing_ms))


async def _press(callee: Callee, digits: str, timing_ms: tuple[int, int, int]) -> None:
    before_s, between_s, duration_s = (value / 1_000 for value in timing_ms)
    await asyncio.sleep(_LEAD_S + before_s)
    for digit in digits:
        if digit in DTMF_CHARACTERS:
            callee.expect_digit(duration_s)
            await asyncio.sleep(duration_s)
            callee.hear_digit(digit)
            await asyncio.sleep(between_s)
        else:
            await asyncio.sleep(_PAUSE_S.get(digit, 0.0))


class TrunkLine:
    """What one callee's signals do to its channel, in Asterisk's order of events."""

    def __init__(self, exchange: Exchange, channel: Channel) -> None:
        self._exchange = exchange
        self._channel = channel

    def ringing(self) -> None:
        """ChannelStateChange and Dial RINGING come in either order."""
        channel = self._channel
        if channel.gone or channel.state is not ChannelState.DOWN:
            return
        channel.go(ChannelState.RINGING)
        both = [events.of_channel("ChannelStateChange", channel), events.dial(channel, "RINGING")]
        self._exchange.random.shuffle(both)
        for event in both:
            self._exchange.publish(event, channel=channel)

    def progress(self) -> None:
        """183: the state does not change."""
        if not self._channel.gone:
            self._exchange.publish(events.dial(self._channel, "PROGRESS"), channel=self._channel)

    def answered(self) -> None:
        """Up, Dial ANSWER, then into Stasis."""
        channel, exchange = self._channel, self._exchange
        if channel.gone:
            return
        channel.go(ChannelState.UP)
        exchange.publish(events.of_channel("ChannelStateChange", channel), channel=channel)
        exchange.publish(events.dial(channel, "ANSWER"), channel=channel)
        if channel.app:
            exchange.enter_stasis(channel)
        elif exchange.settings.dialplan.get(channel.context) != "hold":
            exchange.end(channel, cause=NORMAL_CLEARING)

    def refused(self, sip_status: int) -> None:
        """HangupRequest, the last Dial, ChannelDestroyed."""
        cause = cause_of_sip(sip_status)
        request = events.hangup_request(self._channel, cause=cause, tech_cause=sip_status)
        self._exchange.publish(request, channel=self._channel)
        self._exchange.end(self._channel, cause=cause, tech_cause=sip_status, dial_status=final_dial_status(cause))

    def hung_up(self, cause: int | None) -> None:
        """The callee's BYE: a HangupRequest without `soft`, without `cause` when the BYE had no reason."""
        request = events.hangup_request(self._channel, cause=cause)
        self._exchange.publish(request, channel=self._channel)
        self._exchange.end(self._channel, cause=cause or 0)

    def pressed(self, digit: str, duration_ms: int) -> None:
        """A key of the callee, on the callee's channel only."""
        event = events.of_channel("ChannelDtmfReceived", self._channel, digit=digit, duration_ms=duration_ms)
        self._exchange.publish(event, channel=self._channel)
