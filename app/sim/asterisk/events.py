"""Event bodies in Asterisk 22's JSON, without timestamp, asterisk_id and application, which delivery adds.

Pure; the exchange decides the order, Asterisk's field names decide the shape.
"""

from app.sim.asterisk.causes import cause_text
from app.sim.asterisk.channels import Bridge, Channel, Json


def dial(channel: Channel, status: str) -> Json:
    """`Dial`; only the first one carries the dialstring."""
    dialstring = channel.address if not status else ""
    return {
        "type": "Dial",
        "dialstatus": status,
        "forward": "",
        "dialstring": dialstring,
        "peer": channel.to_json(),
    }


def of_channel(event_type: str, channel: Channel, **fields: object) -> Json:
    """An event about one channel: ChannelStateChange, StasisEnd, ChannelHold, ..."""
    return {"type": event_type, **fields, "channel": channel.to_json()}


def hangup_request(
    channel: Channel, *, cause: int | None, tech_cause: int | None = None, soft: bool = False
) -> Json:
    """`ChannelHangupRequest`; a field that Asterisk does not know is left out."""
    known: Json = {}
    if cause is not None:
        known["cause"] = cause
    if tech_cause is not None:
        known["tech_cause"] = tech_cause
    if soft:
        known["soft"] = True
    return of_channel("ChannelHangupRequest", channel, **known)


def destroyed(channel: Channel, *, cause: int, tech_cause: int | None) -> Json:
    """`ChannelDestroyed`, the only true end of a channel."""
    known: Json = {"cause": cause, "cause_txt": cause_text(cause)}
    if tech_cause is not None:
        known["tech_cause"] = tech_cause
    return of_channel("ChannelDestroyed", channel, **known)


def stasis_start(channel: Channel) -> Json:
    """`StasisStart` with the application arguments."""
    return of_channel("StasisStart", channel, args=list(channel.app_args))


def dialplan_step(channel: Channel) -> Json:
    """`ChannelDialplan`: the channel runs a dialplan application."""
    return of_channel(
        "ChannelDialplan", channel, dialplan_app=channel.app_name, dialplan_app_data=channel.app_data
    )


def of_bridge(event_type: str, bridge: Bridge, channel: Channel | None = None) -> Json:
    """ChannelEnteredBridge, ChannelLeftBridge, BridgeDestroyed."""
    shown: Json = {"type": event_type, "bridge": bridge.to_json()}
    if channel is not None:
        shown["channel"] = channel.to_json()
    return shown
