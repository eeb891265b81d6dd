"""The verbs on bridges (resource_bridges.c): create, get, list, addChannel, removeChannel, destroy, record.

An unknown channel is 400 here, not 404, and a channel before its StasisStart is 422.
"""

from app.sim.asterisk.channels import Bridge, Channel
from app.sim.asterisk.desk import Desk
from app.sim.asterisk.params import NO_CONTENT, Params, Reply, refused
from app.sim.asterisk.settings import stamp


def create(desk: Desk, params: Params) -> Reply:
    """POST /bridges and POST /bridges/{bridgeId}."""
    bridge_id = params.text("bridgeId") or f"bridge-{desk.exchange.serial():08x}"
    if bridge_id in desk.exchange.bridges:
        return refused(409, f"Bridge with id '{bridge_id}' already exists")
    kinds = params.names("type")
    bridge = Bridge(
        id=bridge_id,
        name=params.text("name"),
        bridge_type="holding" if "holding" in kinds else "mixing",
        creationtime=stamp(),
    )
    desk.exchange.bridges[bridge_id] = bridge
    return Reply(200, bridge.to_json())


def list_bridges(desk: Desk, params: Params) -> Reply:
    """GET /bridges."""
    del params
    return Reply(200, [bridge.to_json() for bridge in desk.exchange.bridges.values()])


def get_bridge(desk: Desk, params: Params) -> Reply:
    """GET /bridges/{bridgeId}."""
    bridge = desk.exchange.bridges.get(params.text("bridgeId"))
    return refused(404, "Bridge not found") if bridge is None else Reply(200, bridge.to_json())


def destroy(desk: Desk, params: Params) -> Reply:
    """DELETE /bridges/{bridgeId}: the channels stay in Stasis, listening to nothing."""
    bridge = desk.exchange.bridges.get(params.text("bridgeId"))
    if bridge is None:
        return refused(404, "Bridge not found")
    desk.exchange.destroy_bridge(bridge)
    return NO_CONTENT


def _bridge_and_channels(desk: Desk, params: Params) -> tuple[Bridge, list[Channel]] | Reply:
    bridge = desk.exchange.bridges.get(params.text("bridgeId"))
    if bridge is None:
        return refused(404, "Bridge not found")
    wanted = params.names("channel")
    if not wanted:
        return refused(400, "Missing parameter channel")
    found: list[Channel] = []
    for channel_id in wanted:
        channel = desk.exchange.channels.get(channel_id)
        if channel is None:
            return refused(400, "Channel not found")
        if not channel.in_stasis:
            return refused(422, "Channel not in Stasis application")
        found.append(channel)
    return bridge, found


def add_channel(desk: Desk, params: Params) -> Reply:
    """POST addChannel: done before the reply, so the event may come first."""
    given = _bridge_and_channels(desk, params)
    if isinstance(given, Reply):
        return given
    bridge, channels = given
    for channel in channels:
        if channel.hears:
            params.oddities.append(f"{channel.id} goes into a bridge while it is played {channel.hears}")
        desk.exchange.enter_bridge(bridge, channel)
    return NO_CONTENT


def remove_channel(desk: Desk, params: Params) -> Reply:
    """POST removeChannel."""
    given = _bridge_and_channels(desk, params)
    if isinstance(given, Reply):
        return given
    bridge, channels = given
    if any(channel.bridge_id != bridge.id for channel in channels):
        return refused(422, "Channel not in this bridge")
    for channel in channels:
        desk.exchange.leave_bridge(channel)
    return NO_CONTENT


def record(desk: Desk, params: Params) -> Reply:
    """POST record: the bridge turns into softmix. No file is written here."""
    bridge = desk.exchange.bridges.get(params.text("bridgeId"))
    if bridge is None:
        return refused(404, "Bridge not found")
    name, form = params.text("name"), params.text("format")
    if not name or not form:
        return refused(400, "Recording name invalid")
    if form not in {"wav", "ulaw", "alaw", "sln", "wav16", "g722"}:
        return refused(422, "specified format is unknown on this system")
    bridge.recording = True
    shown = {"name": name, "format": form, "state": "queued", "target_uri": f"bridge:{bridge.id}"}
    desk.exchange.publish(
        {"type": "RecordingStarted", "recording": {**shown, "state": "recording"}}, bridge=bridge
    )
    return Reply(201, shown)
