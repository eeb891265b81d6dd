"""The simulated exchange: applications, channels, bridges, and the order in which their events appear.

The HTTP verbs and the trunk change it. Every event goes through `publish`, which delivers to applications that are
subscribed and connected and loses it for the others, like Asterisk with a dial-in websocket.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Coroutine

from app.sim.asterisk import events
from app.sim.asterisk.applications import Deliver, StasisApp
from app.sim.asterisk.callee import Callee
from app.sim.asterisk.causes import NORMAL_CLEARING, SOFT_HANGUP_FLAG
from app.sim.asterisk.channels import Bridge, Channel, ChannelKind, ChannelState, Json
from app.sim.asterisk.global_variables import GlobalVariables
from app.sim.asterisk.rtp_leg import RtpLeg
from app.sim.asterisk.settings import ExchangeSettings, stamp
from app.sim.asterisk.timers import Changes, Timer, Timers


class Exchange:
    """State and endings; the trunk (trunk.py) adds what callees do, the verbs what the client asks."""

    def __init__(self, settings: ExchangeSettings, timers: Timers, changes: Changes, seed: int) -> None:
        self.settings = settings
        self.timers = timers
        self.changes = changes
        self.random = random.Random(seed)
        self.startup_time = stamp()
        self.globals = GlobalVariables()
        self.apps: dict[str, StasisApp] = {}
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Bridge] = {}
        self.legs: dict[str, RtpLeg] = {}
        self.live_callees: dict[str, Callee] = {}
        self.history: deque[tuple[Json, bool]] = deque(maxlen=10_000)
        """Every event with whether it reached a websocket."""
        self._dead_men: dict[str, tuple[float, Timer]] = {}
        self._timers_of: dict[str, list[Timer]] = {}
        self._serial = 0

    def serial(self) -> int:
        """Numbers for channel names."""
        self._serial += 1
        return self._serial

    # -- events

    def publish(self, event: Json, *, channel: Channel | None = None, bridge: Bridge | None = None) -> None:
        """Send an event to every connected application it concerns."""
        channel_id, bridge_id = channel and channel.id, bridge and bridge.id
        self.publish_to([app for app in self.apps.values() if app.concerns(channel_id, bridge_id)], event)

    def publish_to(self, concerned: list[StasisApp], event: Json) -> None:
        """Send an event to these applications as far as they are connected and want it."""
        stamped: Json = {**event, "timestamp": stamp(), "asterisk_id": self.settings.asterisk_id}
        delivered = False
        for app in concerned:
            if app.deliver is not None and app.wants(str(event["type"])):
                app.deliver({**stamped, "application": app.name})
                delivered = True
        self.history.append((stamped, delivered))
        self.changes.notify()

    def attach_app(self, name: str, deliver: Deliver, *, subscribe_all: bool) -> None:
        """A websocket asked for an application; an older one of the same name is told and then left silent."""
        app = self.apps.setdefault(name, StasisApp(name))
        replaced = app.attach(deliver, subscribe_all=subscribe_all)
        if replaced is not None:
            replaced(
                {
                    "type": "ApplicationReplaced",
                    "timestamp": stamp(),
                    "application": name,
                    "asterisk_id": self.settings.asterisk_id,
                }
            )
        self.changes.notify()

    def detach_app(self, name: str, deliver: Deliver) -> None:
        """A websocket closed: its application is deactivated, and forgotten once nothing of it lives."""
        app = self.apps.get(name)
        if app is not None:
            app.detach(deliver)
            self._forget_if_idle(app)
        self.changes.notify()

    def app_is_active(self, name: str) -> bool:
        """Whether Stasis would let a channel in."""
        app = self.apps.get(name)
        return app is not None and app.active

    def subscribe(self, channel: Channel) -> None:
        """Subscribe the channel's application to it, if Asterisk knows the application."""
        app = self.apps.get(channel.app)
        if app is not None:
            app.channels.add(channel.id)

    def _forget_if_idle(self, app: StasisApp) -> None:
        if not (app.active or app.channels or app.bridges):
            self.apps.pop(app.name, None)

    # -- channels

    def add_channel(self, channel: Channel) -> None:
        """A new channel; its variables may already hold a dead-man switch."""
        self.globals.take(channel.variables)
        self.channels[channel.id] = channel
        channel.reported |= set(self.settings.channelvars)
        timeout = channel.variables.get("TIMEOUT(absolute)")
        if timeout is not None:
            self.set_absolute_timeout(channel, timeout)

    def after(self, delay_s: float, channel: Channel, action: Callable[[], object]) -> Timer:
        """Something that happens later to a channel, unless the channel ends first."""
        return self._bind(channel, self.timers.after(delay_s, action))

    def spawn(self, channel: Channel, work: Coroutine[None, None, None]) -> Timer:
        """Work that ends with a channel at the latest."""
        return self._bind(channel, self.timers.spawn(work))

    def _bind(self, channel: Channel, timer: Timer) -> Timer:
        self._timers_of.setdefault(channel.id, []).append(timer)
        return timer

    def add_leg(self, channel: Channel, leg: RtpLeg) -> None:
        """The RTP socket of a media channel, which lives as long as the channel."""
        self.legs[channel.id] = leg
        leg.changed = self.changes.notify
        self.spawn(channel, leg.run())

    def set_absolute_timeout(self, channel: Channel, text: str) -> None:
        """TIMEOUT(absolute): seconds from now, "0" switches off."""
        old = self._dead_men.pop(channel.id, None)
        if old is not None:
            self.timers.cancel(old[1])
        seconds = float(text) if text.replace(".", "", 1).isdigit() else 0.0
        if seconds > 0:
            timer = self.after(seconds, channel, lambda: self._expire(channel))
            self._dead_men[channel.id] = (time.monotonic() + seconds, timer)

    def absolute_timeout_left_s(self, channel: Channel) -> float:
        """What reading TIMEOUT(absolute) shows."""
        armed = self._dead_men.get(channel.id)
        return 0.0 if armed is None else max(0.0, armed[0] - time.monotonic())

    def _expire(self, channel: Channel) -> None:
        unanswered = channel.state is not ChannelState.UP and not channel.calls_in
        self.end(channel, cause=NORMAL_CLEARING, dial_status="NOANSWER" if unanswered else None)

    def enter_stasis(self, channel: Channel) -> bool:
        """Run Stasis(app,args) on a channel; an application without a websocket refuses, and the call ends."""
        if channel.gone:
            return False
        if not self.app_is_active(channel.app):
            self.end(channel, cause=NORMAL_CLEARING)
            return False
        self.subscribe(channel)
        channel.enter_stasis()
        self.publish(events.dialplan_step(channel), channel=channel)
        self.publish(events.stasis_start(channel), channel=channel)
        return True

    def leave_stasis(self, channel: Channel) -> None:
        """Out of the bridge, then out of the application."""
        if channel.bridge_id is not None:
            self.leave_bridge(channel)
        if channel.in_stasis:
            channel.in_stasis = False
            self.publish(events.of_channel("StasisEnd", channel), channel=channel)

    def soft_hangup(self, channel: Channel, cause: int) -> None:
        """DELETE: the request is announced at once, the end follows."""
        request = events.hangup_request(channel, cause=SOFT_HANGUP_FLAG, soft=True)
        self.publish(request, channel=channel)
        ours = channel.kind is ChannelKind.CALLEE and not channel.calls_in
        dialing = ours and channel.state is not ChannelState.UP
        status = "NOANSWER" if dialing else None
        self.timers.after(self.settings.hangup_delay_s, lambda: self.end(channel, cause=cause, dial_status=status))

    def end(
        self, channel: Channel, *, cause: int, tech_cause: int | None = None, dial_status: str | None = None
    ) -> None:
        """LeftBridge, StasisEnd, the last Dial, ChannelDestroyed: what there is of it, in this order."""
        if channel.gone:
            return
        channel.gone = True
        channel.ended_by_cause = cause
        for snoop in [other for other in self.channels.values() if other.target_id == channel.id]:
            self.end(snoop, cause=NORMAL_CLEARING)
        self.leave_stasis(channel)
        if dial_status is not None:
            self.publish(events.dial(channel, dial_status), channel=channel)
        if channel.kind is not ChannelKind.SNOOP and not channel.calls_in:
            end = events.destroyed(channel, cause=cause, tech_cause=tech_cause)
            self.publish(end, channel=channel)
        self._forget_channel(channel)

    def _forget_channel(self, channel: Channel) -> None:
        self.channels.pop(channel.id, None)
        self._dead_men.pop(channel.id, None)
        for timer in self._timers_of.pop(channel.id, ()):
            self.timers.cancel(timer)
        leg = self.legs.pop(channel.id, None)
        if leg is not None:
            leg.close()
        callee = self.live_callees.pop(channel.id, None)
        if callee is not None:
            callee.release()
        for app in tuple(self.apps.values()):
            app.forget_channel(channel.id)
            self._forget_if_idle(app)
        self.changes.notify()

    # -- bridges

    def enter_bridge(self, bridge: Bridge, channel: Channel) -> None:
        """Move a channel into a bridge and its application with it."""
        if channel.bridge_id == bridge.id:
            return
        if channel.bridge_id is not None:
            self.leave_bridge(channel)
        channel.bridge_id = bridge.id
        bridge.channels.append(channel.id)
        app = self.apps.get(channel.app)
        if app is not None:
            app.bridges.add(bridge.id)
        self._connect(bridge)
        event = events.of_bridge("ChannelEnteredBridge", bridge, channel)
        self.publish(event, channel=channel, bridge=bridge)

    def leave_bridge(self, channel: Channel) -> None:
        """Take a channel out of its bridge; an application without channels in it hears no more of the bridge."""
        bridge = self.bridges[channel.bridge_id or ""]
        bridge.channels.remove(channel.id)
        channel.bridge_id = None
        self._disconnect(channel.id)
        self._connect(bridge)
        event = events.of_bridge("ChannelLeftBridge", bridge, channel)
        self.publish(event, channel=channel, bridge=bridge)
        present = {self.channels[member].app for member in bridge.channels}
        for app in tuple(self.apps.values()):
            if app.name not in present:
                app.bridges.discard(bridge.id)
                self._forget_if_idle(app)

    def destroy_bridge(self, bridge: Bridge) -> None:
        """Everybody leaves and stays in Stasis; the applications that were inside hear of the end."""
        inside = [app for app in self.apps.values() if bridge.id in app.bridges]
        for member in tuple(bridge.channels):
            self.leave_bridge(self.channels[member])
        for app in inside:
            app.bridges.add(bridge.id)
        del self.bridges[bridge.id]
        self.publish(events.of_bridge("BridgeDestroyed", bridge), bridge=bridge)
        for app in inside:
            app.bridges.discard(bridge.id)
            self._forget_if_idle(app)

    def _connect(self, bridge: Bridge) -> None:
        """Audio flows between exactly two: callee and media leg, or two callees."""
        for member in bridge.channels:
            self._disconnect(member)
        legs = [self.legs[member] for member in bridge.channels if member in self.legs]
        callees = [self.live_callees[member] for member in bridge.channels if member in self.live_callees]
        if len(bridge.channels) == 2 and len(legs) == len(callees) == 1:
            legs[0].on_voice = callees[0].hear
            callees[0].connect(legs[0].send)
        elif len(bridge.channels) == len(callees) == 2:
            callees[0].connect(callees[1].hear_frame)
            callees[1].connect(callees[0].hear_frame)

    def _disconnect(self, channel_id: str) -> None:
        if channel_id in self.legs:
            self.legs[channel_id].on_voice = None
        if channel_id in self.live_callees:
            self.live_callees[channel_id].connect(None)

    # -- restart

    def restart(self) -> None:
        """Asterisk died and came back: everything is gone without an event."""
        for callee in tuple(self.live_callees.values()):
            callee.release()
        for leg in self.legs.values():
            leg.close()
        for channel in self.channels.values():
            channel.gone = True
        for collection in (self.apps, self.channels, self.bridges, self.legs, self.live_callees):
            collection.clear()
        self._dead_men.clear()
        self._timers_of.clear()
        self.timers.cancel_all()
        self.startup_time, self.globals = stamp(), GlobalVariables()
        self.changes.notify()
