"""The two requests with many parameters, as structs: they are effects of the call machine and arguments of
`client.channels.originate` and `.external_media` alike. Field names on the wire are Asterisk's.
"""

import msgspec


class Originate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"channel_id": "channelId", "app_args": "appArgs", "caller_id": "callerId", "timeout_s": "timeout"},
):
    """Dial `endpoint` and hand the channel to `app` when it is answered.

    `timeout_s` is how long it may ring (0 would mean Asterisk's 30 s). `variables` may be dialplan functions such
    as `TIMEOUT(absolute)`. `formats` limits the codecs offered; `originator` copies them from another channel.
    """

    endpoint: str
    app: str
    channel_id: str
    timeout_s: int
    app_args: str = ""
    caller_id: str | None = None
    originator: str | None = None
    formats: str | None = None
    variables: dict[str, str] = {}


class CreateExternalMedia(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"channel_id": "channelId"}
):
    """Make a media channel that exchanges RTP with `external_host`, a numeric `address:port` of ours.

    `format` is ulaw, alaw or g722: what chan_rtp carries in both directions. `data` becomes the arguments of the
    channel's StasisStart.
    """

    channel_id: str
    app: str
    external_host: str
    format: str
    data: str = ""
    variables: dict[str, str] = {}
