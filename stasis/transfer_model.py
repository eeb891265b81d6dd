"""What goes into and comes out of the machine of a transfer: plan, states, what it asks for. See `transfer`."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from stasis.ids import CallIds
from stasis.requests import Originate


class TransferState(StrEnum):
    """Life of the second phone leg of a call."""

    DIALING = "dialing"
    """Its originate is sent; the callee hears ringing and neither hears nor is heard by the agent."""
    RINGING = "ringing"
    ANSWERED = "answered"
    """Being put into the bridge with the agent (warm); a cold one goes on at once."""
    CONSULTING = "consulting"
    """The agent says who calls and why; the target takes the call by a key."""
    JOINING = "joining"
    """The agent leaves, callee and target come into the bridge."""
    JOINED = "joined"
    """Callee and target talk with each other."""
    RETURNING = "returning"
    """It did not work: the callee is put back to the agent."""
    OVER = "over"


TRANSITIONS: dict[TransferState, frozenset[TransferState]] = {
    TransferState.DIALING: frozenset(
        {TransferState.RINGING, TransferState.ANSWERED, TransferState.RETURNING, TransferState.OVER}
    ),
    TransferState.RINGING: frozenset({TransferState.ANSWERED, TransferState.RETURNING, TransferState.OVER}),
    TransferState.ANSWERED: frozenset(
        {TransferState.CONSULTING, TransferState.JOINING, TransferState.RETURNING, TransferState.OVER}
    ),
    TransferState.CONSULTING: frozenset({TransferState.JOINING, TransferState.RETURNING, TransferState.OVER}),
    TransferState.JOINING: frozenset({TransferState.JOINED, TransferState.OVER}),
    TransferState.JOINED: frozenset({TransferState.OVER}),
    TransferState.RETURNING: frozenset({TransferState.OVER}),
    TransferState.OVER: frozenset(),
}
UNANSWERED = frozenset({TransferState.DIALING, TransferState.RINGING})
UNFINISHED = UNANSWERED | {TransferState.ANSWERED, TransferState.CONSULTING}
"""Nobody has been handed to anybody yet: it can be taken back."""
CONNECTING = frozenset({TransferState.JOINING, TransferState.JOINED})
"""The agent is out of the call for good."""


class TransferOutcome(StrEnum):
    """What a transfer achieved."""

    CONNECTED = "connected"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    DECLINED = "declined"
    """Answered, and not taken: another key, no key in time, or hung up."""
    BAD_NUMBER = "bad_number"
    UNREACHABLE = "unreachable"
    NETWORK = "network"
    TRUNK_FAULT = "trunk_fault"
    CANCELED = "canceled"
    """The call ended, or we took it back, before anybody was connected."""
    FAILED = "failed"


class TransferPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer to make; `seq` counts those of the call from 1. Durations in seconds.

    `warm`: the target is asked before it is connected. `music` is what the callee hears meanwhile: a class of
    Asterisk's music on hold, or a ringing tone when empty.
    """

    seq: int
    endpoint: str
    app: str
    ring_timeout_s: int
    max_duration_s: int
    warm: bool = False
    caller_id: str | None = None
    music: str = ""
    variables: Mapping[str, str] = {}

    def originate(self, ids: CallIds) -> Originate:
        """The one request that rings the target; its dead-man switch is its own."""
        return Originate(
            endpoint=self.endpoint,
            app=self.app,
            channel_id=ids.target_of(self.seq),
            timeout_s=self.ring_timeout_s,
            app_args=f"target,{ids.call_id}",
            caller_id=self.caller_id,
            variables={
                **self.variables,
                "TIMEOUT(absolute)": str(self.ring_timeout_s + self.max_duration_s + 30),
            },
        )


# --- effects ----------------------------------------------------------------------------------------------------
class HoldCallee(msgspec.Struct, frozen=True, kw_only=True):
    """Take the callee out of the bridge and let it hear `music`, or ringing: both need a channel in no bridge."""

    bridge_id: str
    channel_id: str
    music: str = ""


class RetrieveCallee(msgspec.Struct, frozen=True, kw_only=True):
    """Stop whatever the callee hears and put it into the bridge."""

    bridge_id: str
    channel_id: str


class TransferChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The transfer entered this state; `outcome` and `detail` with the last one. A transfer that failed is over
    only when the callee is back with the agent.
    """

    seq: int
    state: TransferState
    outcome: TransferOutcome | None = None
    detail: str = ""


# --- inputs -----------------------------------------------------------------------------------------------------
class BeginTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Its intent is committed: dial. Only while callee and agent talk, one at a time."""

    plan: TransferPlan


class EndTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Take back whatever is not connected yet; the callee comes back to the agent."""

    reason: str


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    """For the call machine: the callee goes on with somebody else; the media channel is removed."""


class EarlierTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """The newest transfer of a call that is taken over from a dead process. `joined`: the two were talking."""

    seq: int
    joined: bool
