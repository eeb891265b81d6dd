"""The ids we choose for everything a call owns in Asterisk: `od-<node>-<call id>-c|m|b|t`.

Chosen and stored before the first POST, so no event can arrive for an id nobody knows, and a second originate of
the same call answers 409. A media channel that replaces a dead one is `m2`, `m3`, ..., the second phone a call is
transferred to `t2`: an id is used once. Used by the machines, the router and reconcile; nothing else may build an
id.
"""

import re
from typing import Literal, NamedTuple, cast

import msgspec

Kind = Literal["c", "m", "b", "t"]
"""c = callee channel, m = media channel, b = bridge, t = the phone a call is transferred to."""

_NODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,47}")
_CALL_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_ID = re.compile(rf"od-({_NODE.pattern})-({_CALL_ID.pattern})-(?:([cb])|([mt])([2-9]|[1-9][0-9])?)")


class CallIds(msgspec.Struct, frozen=True, kw_only=True):
    """The ids of one call. `node` names this process (and its Stasis app), `call_id` is ours and unique.
    `caller_channel` is the id Asterisk gave to somebody who calls us; empty for every channel we make.

    Raises ValueError for a node or call id that could not be told apart again or does not belong into a URL.
    """

    node: str
    call_id: str
    caller_channel: str = ""

    def __post_init__(self) -> None:
        if not _NODE.fullmatch(self.node):
            raise ValueError(f"node {self.node!r}: letters, digits, '.', '_', '-', at most 48, please")
        if not _CALL_ID.fullmatch(self.call_id):
            raise ValueError(f"call id {self.call_id!r}: letters and digits, at most 64, please")

    @property
    def callee(self) -> str:
        return self.caller_channel or f"od-{self.node}-{self.call_id}-c"

    @property
    def media(self) -> str:
        """The first media channel."""
        return self.media_of(1)

    @property
    def bridge(self) -> str:
        return f"od-{self.node}-{self.call_id}-b"

    def media_of(self, generation: int) -> str:
        """The `generation`-th media channel, counted from 1, at most 99."""
        return f"od-{self.node}-{self.call_id}-m{generation if generation > 1 else ''}"

    def target_of(self, seq: int) -> str:
        """The phone of the `seq`-th transfer, counted from 1, at most 99."""
        return f"od-{self.node}-{self.call_id}-t{seq if seq > 1 else ''}"


class ParsedId(NamedTuple):
    """What an id of ours says; `generation` of a media channel or a transfer, 1 for everything else."""

    node: str
    call_id: str
    kind: Kind
    generation: int = 1


def parse(asterisk_id: str) -> ParsedId | None:
    """The parts of an id of ours; None for any other id, also for the far half (`;2`) of a Local."""
    match = _ID.fullmatch(asterisk_id)
    if match is None:
        return None
    node, call_id, other, counted, generation = match.groups()
    return ParsedId(node, call_id, cast("Kind", other or counted), int(generation or 1))
