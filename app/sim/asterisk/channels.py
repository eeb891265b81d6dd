"""Channels and bridges of the simulated exchange: pure state and the JSON Asterisk 22 shows of it.

The exchange changes them; the verbs and the events print them (ast_channel_snapshot_to_json and
ast_bridge_snapshot_to_json are the models).
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum

Json = dict[str, object]

_CALLER_ID = re.compile(r'^\s*(?:"?(?P<name>[^"<]*?)"?\s*<(?P<number>[^>]*)>|(?P<bare>[^<>"]*))\s*$')


class ChannelKind(StrEnum):
    """Which driver a channel belongs to."""

    CALLEE = "PJSIP"
    MEDIA = "UnicastRTP"
    SNOOP = "Snoop"


class ChannelState(StrEnum):
    """`state` of the channel JSON: an outgoing call is Down, Ringing, Up; a caller's channel Ring, Up."""

    DOWN = "Down"
    RING = "Ring"
    RINGING = "Ringing"
    UP = "Up"


TRANSITIONS: dict[ChannelState, frozenset[ChannelState]] = {
    ChannelState.DOWN: frozenset({ChannelState.RINGING, ChannelState.UP}),
    ChannelState.RING: frozenset({ChannelState.UP}),
    ChannelState.RINGING: frozenset({ChannelState.UP}),
    ChannelState.UP: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Party:
    """A caller or connected line identity."""

    name: str = ""
    number: str = ""

    def to_json(self) -> Json:
        return {"name": self.name, "number": self.number}


def parse_caller_id(text: str) -> Party:
    """`"Name" <number>` or a bare number, as the `callerId` parameter carries it."""
    match = _CALLER_ID.match(text)
    if match is None:
        return Party(name=text)
    return Party(name=match["name"] or "", number=(match["number"] or match["bare"] or "").strip())


@dataclass(slots=True, kw_only=True)
class Channel:
    """One channel. `created_s` is monotonic, `creationtime` is the printed wall clock."""

    id: str
    name: str
    kind: ChannelKind
    creationtime: str
    created_s: float
    app: str = ""
    app_args: tuple[str, ...] = ()
    address: str = ""
    """What follows the technology in the endpoint; the dialstring of `Dial`."""
    state: ChannelState = ChannelState.DOWN
    in_stasis: bool = False
    gone: bool = False
    bridge_id: str | None = None
    protocol_id: str = ""
    context: str = "default"
    exten: str = "s"
    priority: int = 1
    app_name: str = ""
    app_data: str = ""
    caller: Party = field(default_factory=Party)
    connected: Party = field(default_factory=Party)
    variables: dict[str, str] = field(default_factory=dict[str, str])
    reported: set[str] = field(default_factory=set[str])
    """Variables printed as `channelvars` in every event of the channel."""
    ended_by_cause: int | None = None
    """Q.850 cause of its end."""
    calls_in: bool = False
    """Somebody's call to us, not one of ours."""
    hears: str = ""
    """What Asterisk plays to it: "ring", a class of music, or nothing. Only outside bridges."""
    target_id: str | None = None
    """The channel a snoop channel listens to."""

    def go(self, state: ChannelState) -> None:
        """Change the state along TRANSITIONS."""
        if state not in TRANSITIONS[self.state]:
            raise ValueError(f"a channel cannot go from {self.state} to {state}")
        self.state = state

    def enter_stasis(self) -> None:
        """What the dialplan fields show while the channel is in the application."""
        self.in_stasis = True
        self.app_name, self.app_data = "Stasis", ",".join((self.app, *self.app_args))

    def dialplan(self) -> Json:
        """`dialplan` of the channel JSON."""
        return {
            "context": self.context,
            "exten": self.exten,
            "priority": self.priority,
            "app_name": self.app_name,
            "app_data": self.app_data,
        }

    def to_json(self) -> Json:
        """The channel as events and GET show it."""
        shown: Json = {
            "id": self.id,
            "name": self.name,
            "state": str(self.state),
            "protocol_id": self.protocol_id,
            "caller": self.caller.to_json(),
            "connected": self.connected.to_json(),
            "accountcode": "",
            "dialplan": self.dialplan(),
            "creationtime": self.creationtime,
            "language": "en",
        }
        reported = {name: value for name, value in self.variables.items() if name in self.reported}
        if reported:
            shown["channelvars"] = reported
        return shown


@dataclass(slots=True, kw_only=True)
class Bridge:
    """A mixing bridge made over ARI; `channels` holds channel ids in order of entry."""

    id: str
    name: str
    bridge_type: str
    creationtime: str
    channels: list[str] = field(default_factory=list[str])
    recording: bool = False

    @property
    def technology(self) -> str:
        """Two parties and no recorder: simple_bridge, which has no clock of its own."""
        if self.bridge_type == "holding":
            return "holding_bridge"
        return "softmix" if self.recording or len(self.channels) > 2 else "simple_bridge"

    def to_json(self) -> Json:
        """The bridge as events and GET show it."""
        return {
            "id": self.id,
            "technology": self.technology,
            "bridge_type": self.bridge_type,
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": self.name,
            "channels": list(self.channels),
            "creationtime": self.creationtime,
            "video_mode": "none",
        }
