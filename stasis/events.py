"""The ARI events this project reads, and `decode`: bytes of the event websocket in, one struct out.

Two steps, the `type` first: decoding a tagged union and falling back on an error would call a malformed event of a
known type "unknown". Neither kind is fatal; the router counts them. Called by the stream.
"""

from datetime import datetime

import msgspec

from stasis.model import Bridge, Channel


class AriEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every event carries. `timestamp` is when it happened, by Asterisk's clock."""

    application: str = ""
    timestamp: datetime | None = None

    def channel_ids(self) -> tuple[str, ...]:
        """Ids of the channels (or the bridge) this event concerns: what the router routes by."""
        return ()


class ChannelEvent(AriEvent, frozen=True, kw_only=True):
    channel: Channel

    def channel_ids(self) -> tuple[str, ...]:
        return (self.channel.id,)


class StasisStart(ChannelEvent, frozen=True, kw_only=True):
    """The channel entered our application. For an originated one: it was answered."""

    args: tuple[str, ...] = ()
    replace_channel: Channel | None = None

    def channel_ids(self) -> tuple[str, ...]:
        return (self.channel.id,) if self.replace_channel is None else (self.channel.id, self.replace_channel.id)


class StasisEnd(ChannelEvent, frozen=True, kw_only=True):
    """The channel left our application; it may live on in the dialplan."""


class LateStasisStart(StasisStart, frozen=True, kw_only=True):
    """Never decoded: `replay.judged` makes it of a StasisStart that is told so late that whoever answered has been
    listening to silence. It is a StasisStart to everybody who does not care.
    """


class ChannelStateChange(ChannelEvent, frozen=True, kw_only=True):
    """`channel.state` is the new state."""


class ChannelHangupRequest(ChannelEvent, frozen=True, kw_only=True):
    """Somebody asked for the end. Without `soft` it was the far side and `cause` is Q.850 (absent: BYE without a
    reason); with `soft` it was asked for inside Asterisk and `cause` is an internal flag.
    """

    cause: int | None = None
    tech_cause: int | None = None
    soft: bool = False


class ChannelDestroyed(ChannelEvent, frozen=True, kw_only=True):
    """The channel is gone: the only true end. `cause` is Q.850, `tech_cause` the SIP status."""

    cause: int = 0
    cause_txt: str = ""
    tech_cause: int | None = None


class ChannelDtmfReceived(ChannelEvent, frozen=True, kw_only=True):
    digit: str
    duration_ms: int = 0


class ChannelEnteredBridge(AriEvent, frozen=True, kw_only=True):
    bridge: Bridge
    channel: Channel | None = None

    def channel_ids(self) -> tuple[str, ...]:
        return () if self.channel is None else (self.channel.id,)


class ChannelLeftBridge(ChannelEvent, frozen=True, kw_only=True):
    bridge: Bridge


class ChannelHold(ChannelEvent, frozen=True, kw_only=True):
    """The callee put us on hold."""

    musicclass: str = ""


class ChannelUnhold(ChannelEvent, frozen=True, kw_only=True):
    pass


class ChannelTalkingStarted(ChannelEvent, frozen=True, kw_only=True):
    pass


class ChannelTalkingFinished(ChannelEvent, frozen=True, kw_only=True):
    """`duration` in ms."""

    duration: int = 0


class ChannelToneDetected(ChannelEvent, frozen=True, kw_only=True):
    pass


class Dial(AriEvent, frozen=True, kw_only=True):
    """Progress of a dial attempt. `dialstatus`: "" (begun), RINGING, PROGRESS, ANSWER, BUSY, NOANSWER, CANCEL,
    CONGESTION, CHANUNAVAIL. NOANSWER is also said of a rejection and of an unknown number: never an outcome alone.
    """

    peer: Channel
    caller: Channel | None = None
    dialstatus: str = ""

    def channel_ids(self) -> tuple[str, ...]:
        return (self.peer.id,) if self.caller is None else (self.peer.id, self.caller.id)


class BridgeDestroyed(AriEvent, frozen=True, kw_only=True):
    bridge: Bridge

    def channel_ids(self) -> tuple[str, ...]:
        return (self.bridge.id,)


class ChannelUserevent(AriEvent, frozen=True, kw_only=True):
    """Made by a request of a client: an event stream hears by its own one that it is not deaf."""

    eventname: str


class ApplicationReplaced(AriEvent, frozen=True, kw_only=True):
    """Another websocket took our application name; this one stays open and silent."""


class ApplicationRegistered(AriEvent, frozen=True, kw_only=True):
    """On an outbound websocket, from its second connection on: the replay of queued events is over. The first one
    after a start of Asterisk begins with it.
    """


class UnknownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a type we do not read."""

    type: str

    def channel_ids(self) -> tuple[str, ...]:
        return ()


class MalformedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Not an event: `type` is None when not even that could be read."""

    type: str | None
    reason: str

    def channel_ids(self) -> tuple[str, ...]:
        return ()


KnownEvent = (
    StasisStart
    | StasisEnd
    | ChannelStateChange
    | ChannelHangupRequest
    | ChannelDestroyed
    | ChannelDtmfReceived
    | ChannelEnteredBridge
    | ChannelLeftBridge
    | ChannelHold
    | ChannelUnhold
    | ChannelTalkingStarted
    | ChannelTalkingFinished
    | ChannelToneDetected
    | Dial
    | BridgeDestroyed
    | ChannelUserevent
    | ApplicationReplaced
    | ApplicationRegistered
)
Event = KnownEvent | UnknownEvent | MalformedEvent

EVENT_TYPES: tuple[type[KnownEvent], ...] = KnownEvent.__args__


class _Envelope(msgspec.Struct, frozen=True):
    type: str


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_DECODERS: dict[str, msgspec.json.Decoder[KnownEvent]] = {
    kind.__name__: msgspec.json.Decoder(kind) for kind in EVENT_TYPES
}


def decode(data: bytes | str) -> Event:
    """One websocket message as an event. Never raises for what the peer sent."""
    try:
        kind = _ENVELOPE.decode(data).type
    except (msgspec.DecodeError, UnicodeError) as error:
        return MalformedEvent(type=None, reason=str(error))
    decoder = _DECODERS.get(kind)
    if decoder is None:
        return UnknownEvent(type=kind)
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError) as error:
        return MalformedEvent(type=kind, reason=str(error))
