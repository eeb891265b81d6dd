"""Channels, bridges and the rest as ARI documents them (Asterisk's `rest-api/api-docs/*.json`).

Only the fields this project reads, all but the ids with a default: a release that adds or leaves out a field must
not break decoding. The spec test holds names and types to the installed Asterisk.
"""

from datetime import datetime

import msgspec


class CallerID(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    number: str = ""


class DialplanCEP(msgspec.Struct, frozen=True, kw_only=True):
    """Where a channel is in the dialplan. In our app: `app_name` "Stasis", `app_data` "<app>,callee,<call id>"."""

    context: str = ""
    exten: str = ""
    app_name: str = ""
    app_data: str = ""


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One leg. `state` is Asterisk's word: Down, Ring, Ringing, Up, Busy; `protocol_id` is the SIP Call-ID."""

    id: str
    name: str = ""
    state: str = ""
    protocol_id: str = ""
    caller: CallerID = CallerID()
    dialplan: DialplanCEP = DialplanCEP()
    creationtime: datetime | None = None
    channelvars: dict[str, str] = msgspec.field(default_factory=dict[str, str])

    @property
    def in_stasis(self) -> bool:
        """True while an ARI application holds the channel: for a callee, it has been answered."""
        return self.dialplan.app_name == "Stasis"


class Bridge(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    technology: str = ""
    bridge_type: str = ""
    name: str = ""
    channels: tuple[str, ...] = ()


class Application(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    channel_ids: tuple[str, ...] = ()
    bridge_ids: tuple[str, ...] = ()


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    value: str


class LiveRecording(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    format: str = ""
    state: str = ""
    target_uri: str = ""


class RTPstat(msgspec.Struct, frozen=True, kw_only=True):
    """RTP statistics of one leg, counted by Asterisk. Ask before the hangup; only SIP legs have them."""

    txcount: int = 0
    rxcount: int = 0
    txploss: int = 0
    rxploss: int = 0
    txjitter: float | None = None
    rxjitter: float | None = None
    rtt: float | None = None


class SystemInfo(msgspec.Struct, frozen=True, kw_only=True):
    version: str = ""
    entity_id: str = ""


class StatusInfo(msgspec.Struct, frozen=True, kw_only=True):
    startup_time: datetime | None = None
    last_reload_time: datetime | None = None


class AsteriskInfo(msgspec.Struct, frozen=True, kw_only=True):
    system: SystemInfo | None = None
    status: StatusInfo | None = None


class AsteriskPing(msgspec.Struct, frozen=True, kw_only=True):
    asterisk_id: str = ""
    ping: str = ""
    timestamp: str = ""
