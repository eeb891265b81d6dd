"""The verbs that make channels: POST /channels, /channels/externalMedia and /channels/{channelId}/snoop.

Checks, statuses and sentences follow resource_channels.c of Asterisk 22, in its order.
"""

import ipaddress
from functools import partial

from app.sim.asterisk import events
from app.sim.asterisk.channels import Channel, ChannelKind, ChannelState, Json, parse_caller_id
from app.sim.asterisk.desk import Desk
from app.sim.asterisk.params import ALLOCATION_FAILED, Params, Reply, refused
from app.sim.asterisk.rtp_leg import FORMATS, Address, RtpLeg
from app.sim.asterisk.settings import stamp

MAX_ID_LENGTH = 149
DEFAULT_TIMEOUT_S = 30
_INTERNAL_ERROR = refused(500, "An internal error prevented this request from being handled")
_DIRECTIONS = frozenset({"", "both", "in", "out"})
_SNOOP_DIRECTIONS = frozenset({"none", "both", "in", "out"})


def originate(desk: Desk, params: Params) -> Reply:
    """POST /channels: dial, and run Stasis on the callee's answer."""
    refusal = _originate_refusal(desk, params)
    if refusal is not None:
        return refusal
    variables = params.variables()
    if isinstance(variables, Reply):
        return variables
    technology, _, address = params.text("endpoint").partition("/")
    number = desk.trunk.number_in(technology, address)
    channel_id = params.text("channelId") or desk.new_id()
    if number is None:
        return ALLOCATION_FAILED
    if channel_id in desk.exchange.channels:
        return refused(409, "Channel with given unique ID already exists")
    channel = _callee_channel(desk, params, channel_id, address)
    channel.variables.update(variables[0])
    channel.reported |= variables[1]
    desk.exchange.add_channel(channel)
    if channel.app:
        desk.exchange.subscribe(channel)
    desk.trunk.dial(channel, number, _ring_timeout_s(params))
    return Reply(200, channel.to_json())


def _originate_refusal(desk: Desk, params: Params) -> Reply | None:
    if len(params.text("channelId")) > MAX_ID_LENGTH:
        return refused(400, f"Uniqueid length exceeds maximum of {MAX_ID_LENGTH}")
    endpoint = params.text("endpoint")
    if not endpoint:
        return refused(400, "Endpoint must be specified")
    if params.text("originator") and params.text("formats"):
        return refused(400, "Originator and formats can't both be specified")
    technology, _, address = endpoint.partition("/")
    if not technology or not address:
        return refused(400, "Invalid endpoint specified")
    if not params.text("app") and not params.text("extension"):
        return refused(400, "Application or extension must be specified")
    originator = params.text("originator")
    if originator and originator not in desk.exchange.channels:
        return refused(400, "Provided originator channel was not found")
    unknown = [name for name in params.names("formats") if name not in FORMATS]
    return refused(400, f"Provided format ({unknown[0]}) was not found") if unknown else None


def _ring_timeout_s(params: Params) -> float | None:
    timeout = params.integer("timeout")
    if timeout == -1:
        return None
    return timeout if timeout > 0 else DEFAULT_TIMEOUT_S


def _callee_channel(desk: Desk, params: Params, channel_id: str, address: str) -> Channel:
    caller = parse_caller_id(params.text("callerId"))
    return Channel(
        id=channel_id,
        name=f"PJSIP/{desk.exchange.settings.trunk}-{desk.exchange.serial():08x}",
        kind=ChannelKind.CALLEE,
        creationtime=stamp(),
        created_s=desk.now(),
        app=params.text("app"),
        app_args=_arguments(params.text("appArgs")),
        address=address,
        protocol_id=f"{desk.exchange.random.getrandbits(128):032x}",
        context=params.text("context") or "opendeep-inbound",
        exten=params.text("extension") or "s",
        app_name="AppDial2",
        app_data="(Outgoing Line)",
        caller=caller,
        connected=caller,
    )


def _arguments(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def external_media(desk: Desk, params: Params) -> Reply:
    """POST /channels/externalMedia with RTP over UDP. The reply carries the socket's address in `channelvars`."""
    refusal = _media_refusal(params)
    if refusal is not None:
        return refusal
    variables = params.variables()
    if isinstance(variables, Reply):
        return variables
    external_host = _numeric_address(params.text("external_host"))
    channel_id = params.text("channelId") or desk.new_id()
    if external_host is None:
        params.oddities.append("external_host must be a numeric IPv4 address; names bind to ::1 or block on DNS")
        return _INTERNAL_ERROR
    if channel_id in desk.exchange.channels:
        return _INTERNAL_ERROR
    ssrc = desk.exchange.random.getrandbits(32)
    leg = RtpLeg(external_host=external_host, format_name=params.text("format"), ssrc=ssrc)
    channel = _media_channel(desk, params, channel_id, leg)
    own = dict(channel.variables)
    channel.variables.update(variables[0])
    channel.reported |= variables[1]
    _start_media(desk, channel, leg)
    shown: Json = channel.to_json()
    plain = {name: value for name, value in variables[0].items() if "(" not in name}
    shown["channelvars"] = {**plain, **own}  # only this reply has them, functions such as TIMEOUT() not even here
    return Reply(200, shown)


def _media_refusal(params: Params) -> Reply | None:
    encapsulation = params.text("encapsulation") or "rtp"
    transport = params.text("transport") or "udp"
    if not params.text("app"):
        return refused(400, "app cannot be empty")
    if encapsulation == "rtp" and transport != "udp":
        return refused(400, "transport must be 'udp' for rtp encapsulation")
    if params.text("connection_type") == "server":
        return refused(400, "'server' connection_type can only be used with the websocket transport")
    if not params.text("external_host"):
        return refused(400, "external_host is required for all but websocket server connections")
    if not params.text("external_host").rpartition(":")[2].isdigit():
        return refused(400, "external_host must be <host>:<port> for all transports other than websocket")
    if not params.text("format"):
        return refused(400, "format cannot be empty")
    if params.text("direction") not in _DIRECTIONS:
        return refused(400, "Invalid direction specified")
    if encapsulation != "rtp":
        return refused(501, "The encapsulation and/or transport is not supported")
    if params.text("format") not in FORMATS:
        return refused(400, f"Provided format ({params.text('format')}) was not found")
    return None


def _numeric_address(external_host: str) -> Address | None:
    host, _, port = external_host.rpartition(":")
    try:
        return str(ipaddress.IPv4Address(host)), int(port)
    except ValueError:
        return None


def _media_channel(desk: Desk, params: Params, channel_id: str, leg: RtpLeg) -> Channel:
    host, port = leg.local_address
    destination = params.text("external_host")
    return Channel(
        id=channel_id,
        name=f"UnicastRTP/{destination}-0x{desk.exchange.random.getrandbits(48):012x}",
        kind=ChannelKind.MEDIA,
        creationtime=stamp(),
        created_s=desk.now(),
        app=params.text("app"),
        app_args=_arguments(params.text("data")),
        address=f"{destination}/c({params.text('format')})",
        app_name="AppDial2",
        app_data="(Outgoing Line)",
        variables={"UNICASTRTP_LOCAL_ADDRESS": host, "UNICASTRTP_LOCAL_PORT": str(port)},
    )


def _start_media(desk: Desk, channel: Channel, leg: RtpLeg) -> None:
    exchange = desk.exchange
    exchange.add_leg(channel, leg)
    exchange.add_channel(channel)
    exchange.subscribe(channel)
    exchange.after(exchange.settings.media_start_delay_s, channel, partial(_media_up, desk, channel))


def _media_up(desk: Desk, channel: Channel) -> None:
    """A media channel answers itself: Dial, Up, Dial ANSWER, StasisStart."""
    exchange = desk.exchange
    exchange.publish(events.dial(channel, ""), channel=channel)
    channel.go(ChannelState.UP)
    exchange.publish(events.of_channel("ChannelStateChange", channel), channel=channel)
    exchange.publish(events.dial(channel, "ANSWER"), channel=channel)
    exchange.enter_stasis(channel)


def snoop(desk: Desk, params: Params) -> Reply:
    """POST snoop. Without audio here; its end is a StasisEnd and never a ChannelDestroyed."""
    spy, whisper = params.text("spy") or "none", params.text("whisper") or "none"
    for name, direction in (("spy", spy), ("whisper", whisper)):
        if direction not in _SNOOP_DIRECTIONS:
            return refused(400, f"Invalid direction specified for {name}")
    if spy == whisper == "none":
        return refused(400, "Direction must be specified for at least spy or whisper")
    if not params.text("app"):
        return refused(400, "Application name is required")
    target = desk.exchange.channels.get(params.text("channelId"))
    if target is None:
        return refused(404, "Provided channel was not found")
    channel = Channel(
        id=params.text("snoopId") or desk.new_id(),
        name=f"Snoop/{target.id}-{desk.exchange.serial():08x}",
        kind=ChannelKind.SNOOP,
        creationtime=stamp(),
        created_s=desk.now(),
        app=params.text("app"),
        app_args=_arguments(params.text("appArgs")),
        state=ChannelState.UP,
        target_id=target.id,
    )
    if channel.id in desk.exchange.channels:
        return refused(500, "Snoop channel could not be created")
    desk.exchange.add_channel(channel)
    desk.exchange.after(0.001, channel, partial(desk.exchange.enter_stasis, channel))
    return Reply(200, channel.to_json())
