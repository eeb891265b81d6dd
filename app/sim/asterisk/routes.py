"""ARI's paths: which verb answers which method and path, and the parameter names it knows.

Unknown paths are 404 and known paths with another method 405, as in res_ari.c; literal segments win over ids.
"""

from collections.abc import Callable
from urllib.parse import unquote

import msgspec

from app.sim.asterisk import bridge_verbs, channel_verbs, origination, system_verbs
from app.sim.asterisk.desk import Desk
from app.sim.asterisk.params import Params, Reply, refused

Verb = Callable[[Desk, Params], Reply]


class Route(msgspec.Struct, frozen=True):
    """One verb. `known` are its parameters besides those in the path."""

    method: str
    segments: tuple[str, ...]
    verb: Verb
    known: frozenset[str]


def _route(method: str, path: str, verb: Verb, known: str = "") -> Route:
    return Route(method, tuple(path.strip("/").split("/")), verb, frozenset(known.split()))


_ORIGINATE = (
    "endpoint extension context priority label app appArgs callerId timeout channelId otherChannelId originator "
    "formats variables"
)
_MEDIA = (
    "channelId app external_host encapsulation transport connection_type format direction data transport_data "
    "variables"
)
_SNOOP = "spy whisper app appArgs snoopId"

ROUTES: tuple[Route, ...] = (
    _route("GET", "/channels", channel_verbs.list_channels),
    _route("POST", "/channels", origination.originate, _ORIGINATE),
    _route("POST", "/channels/externalMedia", origination.external_media, _MEDIA),
    _route("GET", "/channels/{channelId}", channel_verbs.get_channel),
    _route("POST", "/channels/{channelId}", origination.originate, _ORIGINATE),
    _route("DELETE", "/channels/{channelId}", channel_verbs.hangup, "reason reason_code"),
    _route(
        "POST",
        "/channels/{channelId}/continue",
        channel_verbs.continue_in_dialplan,
        "context extension priority label",
    ),
    _route("POST", "/channels/{channelId}/dtmf", channel_verbs.send_dtmf, "dtmf before between duration after"),
    _route("POST", "/channels/{channelId}/answer", channel_verbs.answer),
    _route("POST", "/channels/{channelId}/hold", channel_verbs.acknowledge),
    _route("DELETE", "/channels/{channelId}/hold", channel_verbs.acknowledge),
    _route("POST", "/channels/{channelId}/ring", channel_verbs.ring),
    _route("DELETE", "/channels/{channelId}/ring", channel_verbs.stop_ringing),
    _route("POST", "/channels/{channelId}/moh", channel_verbs.start_music, "mohClass"),
    _route("DELETE", "/channels/{channelId}/moh", channel_verbs.stop_music),
    _route("GET", "/channels/{channelId}/variable", channel_verbs.get_variable, "variable"),
    _route("POST", "/channels/{channelId}/variable", channel_verbs.set_variable, "variable value report_events"),
    _route("GET", "/channels/{channelId}/rtp_statistics", channel_verbs.rtp_statistics),
    _route("POST", "/channels/{channelId}/snoop", origination.snoop, _SNOOP),
    _route("POST", "/channels/{channelId}/snoop/{snoopId}", origination.snoop, _SNOOP),
    _route("GET", "/bridges", bridge_verbs.list_bridges),
    _route("POST", "/bridges", bridge_verbs.create, "type bridgeId name variables"),
    _route("GET", "/bridges/{bridgeId}", bridge_verbs.get_bridge),
    _route("POST", "/bridges/{bridgeId}", bridge_verbs.create, "type name variables"),
    _route("DELETE", "/bridges/{bridgeId}", bridge_verbs.destroy),
    _route(
        "POST",
        "/bridges/{bridgeId}/addChannel",
        bridge_verbs.add_channel,
        "channel role absorbDTMF mute inhibitConnectedLineUpdates",
    ),
    _route("POST", "/bridges/{bridgeId}/removeChannel", bridge_verbs.remove_channel, "channel"),
    _route(
        "POST",
        "/bridges/{bridgeId}/record",
        bridge_verbs.record,
        "name format recorder_format maxDurationSeconds maxSilenceSeconds ifExists beep terminateOn",
    ),
    _route("GET", "/applications", system_verbs.list_applications),
    _route("GET", "/applications/{applicationName}", system_verbs.get_application),
    _route(
        "PUT",
        "/applications/{applicationName}/eventFilter",
        system_verbs.filter_events,
        "allowed disallowed filter",
    ),
    _route("POST", "/events/user/{eventName}", system_verbs.user_event, "application source variables"),
    _route("GET", "/asterisk/info", system_verbs.info, "only"),
    _route("GET", "/asterisk/ping", system_verbs.ping),
    _route("GET", "/asterisk/variable", system_verbs.get_variable, "variable"),
    _route("POST", "/asterisk/variable", system_verbs.set_variable, "variable value"),
)


def _match(segments: tuple[str, ...], pattern: tuple[str, ...]) -> dict[str, str] | None:
    if len(segments) != len(pattern):
        return None
    found: dict[str, str] = {}
    for segment, expected in zip(segments, pattern, strict=True):
        if expected.startswith("{"):
            found[expected[1:-1]] = unquote(segment)
        elif segment != expected:
            return None
    return found


def find(method: str, raw_path: str) -> tuple[Route, dict[str, str]] | Reply:
    """The route of a request below /ari and its path parameters, or the 404 or 405 that answers it."""
    segments = tuple(raw_path.strip("/").split("/"))
    matches = [(route, found) for route in ROUTES if (found := _match(segments, route.segments)) is not None]
    if not matches or not all(segments):
        return refused(404, "Resource not found")
    most_literal = min(len(found) for _, found in matches)
    for route, found in matches:
        if route.method == method and len(found) == most_literal:
            return route, found
    return refused(405, "Invalid method")
