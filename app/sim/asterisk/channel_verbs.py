"""The verbs on existing channels: get, list, hangup, continue, dtmf, hold, music, variables, RTP statistics.

409 answers most of them before StasisStart, 412 while the channel is Down or Ringing (resource_channels.c).
"""

from functools import partial

from app.sim.asterisk import events
from app.sim.asterisk.causes import HANGUP_REASONS, NORMAL_CLEARING
from app.sim.asterisk.channels import Channel, ChannelKind, ChannelState, Json
from app.sim.asterisk.desk import Desk
from app.sim.asterisk.params import NO_CONTENT, Params, Reply, refused
from app.sim.asterisk.trunk import DTMF_CHARACTERS

_DANGEROUS = ("FILE(", "SHELL(", "DB(", "CURL(")
_AMD_SECONDS = 0.05


def list_channels(desk: Desk, params: Params) -> Reply:
    """GET /channels."""
    del params
    return Reply(200, [channel.to_json() for channel in desk.exchange.channels.values()])


def get_channel(desk: Desk, params: Params) -> Reply:
    """GET /channels/{channelId}."""
    channel = desk.exchange.channels.get(params.text("channelId"))
    return refused(404, "Channel not found") if channel is None else Reply(200, channel.to_json())


def hangup(desk: Desk, params: Params) -> Reply:
    """DELETE /channels/{channelId}; `reason` and `reason_code` exclude each other."""
    channel = desk.exchange.channels.get(params.text("channelId"))
    reason, code = params.text("reason"), params.text("reason_code")
    if channel is None:
        return refused(404, "Channel not found")
    if reason and code:
        return refused(400, "The reason and reason_code can't both be specified")
    if code and not code.isdigit():
        return refused(400, "Invalid reason for hangup reason code provided")
    if reason and reason not in HANGUP_REASONS:
        return refused(400, "Invalid reason for hangup reason provided")
    cause = int(code) if code else HANGUP_REASONS.get(reason, NORMAL_CLEARING)
    desk.exchange.soft_hangup(channel, cause)
    return NO_CONTENT


def _in_stasis(desk: Desk, params: Params) -> Channel | Reply:
    channel = desk.exchange.channels.get(params.text("channelId"))
    if channel is None:
        return refused(404, "Channel not found")
    if not channel.in_stasis:
        return refused(409, "Channel not in Stasis application")
    return channel


def _controllable(desk: Desk, params: Params) -> Channel | Reply:
    channel = _in_stasis(desk, params)
    if isinstance(channel, Channel) and channel.state in {ChannelState.DOWN, ChannelState.RINGING}:
        return refused(412, "Channel in invalid state")
    return channel


def answer(desk: Desk, params: Params) -> Reply:
    """POST answer: a caller's channel goes up, and is up when the reply comes. One that is up stays so, unsaid."""
    channel = _controllable(desk, params)
    if isinstance(channel, Reply):
        return channel
    desk.callers.answer(channel)
    return NO_CONTENT


def acknowledge(desk: Desk, params: Params) -> Reply:
    """Hold and unhold: indications without an event of their own."""
    channel = _controllable(desk, params)
    return channel if isinstance(channel, Reply) else NO_CONTENT


def ring(desk: Desk, params: Params) -> Reply:
    """POST ring: a channel that is up hears a ringing tone; in a bridge it hears the bridge."""
    return _play(desk, params, "ring")


def start_music(desk: Desk, params: Params) -> Reply:
    """POST moh: as ring, with music of a class."""
    return _play(desk, params, params.text("mohClass") or "default")


def stop_ringing(desk: Desk, params: Params) -> Reply:
    """DELETE ring: music goes on."""
    return _stop(desk, params, ringing=True)


def stop_music(desk: Desk, params: Params) -> Reply:
    """DELETE moh: ringing goes on."""
    return _stop(desk, params, ringing=False)


def _stop(desk: Desk, params: Params, *, ringing: bool) -> Reply:
    channel = _controllable(desk, params)
    if isinstance(channel, Reply):
        return channel
    if (channel.hears == "ring") is ringing:
        channel.hears = ""
    return NO_CONTENT


def _play(desk: Desk, params: Params, sound: str) -> Reply:
    channel = _controllable(desk, params)
    if isinstance(channel, Reply):
        return channel
    if channel.bridge_id is None:
        channel.hears = sound
        callee = desk.exchange.live_callees.get(channel.id)
        if callee is not None:
            callee.tones.append(sound)
        desk.exchange.changes.notify()
    return NO_CONTENT


def send_dtmf(desk: Desk, params: Params) -> Reply:
    """POST dtmf: answers before the digits are out. On a media channel nobody hears them."""
    channel = _controllable(desk, params)
    if isinstance(channel, Reply):
        return channel
    digits = params.text("dtmf")
    if not digits:
        return refused(400, "DTMF is required")
    if not set(digits) <= DTMF_CHARACTERS | {"w", "W"}:
        params.oddities.append(f"dtmf={digits!r} holds characters that are not sent")
    timing_ms = (
        params.integer("before"),
        params.integer("between") or 100,
        params.integer("duration") or 100,
    )
    desk.trunk.send_dtmf(channel, digits, timing_ms)
    return NO_CONTENT


def continue_in_dialplan(desk: Desk, params: Params) -> Reply:
    """POST continue: out of Stasis, then whatever the context holds (ExchangeSettings.dialplan)."""
    channel = _controllable(desk, params)
    if isinstance(channel, Reply):
        return channel
    channel.context = params.text("context") or channel.context
    channel.exten = params.text("extension") or ("s" if params.text("context") else channel.exten)
    channel.priority = params.integer("priority") or 1
    desk.exchange.after(0.0, channel, partial(_run_dialplan, desk, channel))
    return NO_CONTENT


def _run_dialplan(desk: Desk, channel: Channel) -> None:
    exchange = desk.exchange
    exchange.leave_stasis(channel)
    match exchange.settings.dialplan.get(channel.context):
        case "amd":
            channel.app_name, channel.app_data = "AMD", ""
            exchange.publish(events.dialplan_step(channel), channel=channel)
            channel.app_args = ("amd", "NOTSURE", "TOOLONG-5000")
            exchange.after(_AMD_SECONDS, channel, partial(exchange.enter_stasis, channel))
        case "apology":
            desk.callers.apologize(channel)
        case "hold":
            channel.app_name, channel.app_data = "Dial", channel.exten
            exchange.publish(events.dialplan_step(channel), channel=channel)
        case _:
            exchange.end(channel, cause=NORMAL_CLEARING)


def get_variable(desk: Desk, params: Params) -> Reply:
    """GET variable: a channel variable, or one of the harmless functions."""
    name = params.text("variable")
    channel = desk.exchange.channels.get(params.text("channelId"))
    if not name:
        return refused(400, "Variable name is required")
    if channel is None:
        return refused(404, "Provided channel was not found")
    if name.endswith(")"):
        value = _read_function(desk, channel, name)
        return refused(500, "Unable to read provided function") if value is None else Reply(200, {"value": value})
    if name not in channel.variables:
        return refused(404, "Provided variable was not found")
    return Reply(200, {"value": channel.variables[name]})


def _read_function(desk: Desk, channel: Channel, name: str) -> str | None:
    known = {
        "TIMEOUT(absolute)": f"{desk.exchange.absolute_timeout_left_s(channel):.3f}",
        "CALLERID(num)": channel.caller.number,
        "CHANNEL(name)": channel.name,
        "CHANNEL(state)": str(channel.state),
    }
    return known.get(name)


def set_variable(desk: Desk, params: Params) -> Reply:
    """POST variable. Dangerous functions answer 204 and do nothing (GHSA-vrfp-mg3q-3959)."""
    name, value = params.text("variable"), params.text("value")
    if not name:
        return refused(400, "Variable name is required")
    channel = _in_stasis(desk, params)
    if isinstance(channel, Reply):
        return channel
    if name.startswith(_DANGEROUS):
        params.oddities.append(f"{name} does nothing over ARI")
        return NO_CONTENT
    if name == "TIMEOUT(absolute)":
        desk.exchange.set_absolute_timeout(channel, value)
    channel.variables[name] = value
    if params.flag("report_events"):
        channel.reported.add(name)
    event = events.of_channel("ChannelVarset", channel, variable=name, value=value)
    desk.exchange.publish(event, channel=channel)
    return NO_CONTENT


def rtp_statistics(desk: Desk, params: Params) -> Reply:
    """GET rtp_statistics: on the callee's leg only."""
    channel = desk.exchange.channels.get(params.text("channelId"))
    if channel is None:
        return refused(404, "Channel not found")
    callee = desk.exchange.live_callees.get(channel.id)
    if channel.kind is not ChannelKind.CALLEE or callee is None or callee.answered_s is None:
        return refused(404, "RTP info not found")
    octets = sum(arrival.payload_bytes for arrival in callee.arrivals)
    statistics: Json = {
        "txcount": len(callee.arrivals),
        "rxcount": callee.packets_spoken,
        "txjitter": 0.0,
        "rxjitter": 0.0,
        "txploss": 0,
        "rxploss": 0,
        "txoctetcount": octets,
        "rxoctetcount": callee.packets_spoken * callee.script.ptime_ms * 8,
        "txmes": 87,
        "rxmes": 87,
        "rtt": 0.0,
        "local_ssrc": 0,
        "remote_ssrc": 0,
        "channel_uniqueid": channel.id,
    }
    return Reply(200, statistics)
