"""Everything that goes into and comes out of the call machine: plan, states, inputs, effects.

An input is a fact (an ARI event, the answer to a REST effect, word from the media side, a wish to hang up); an
effect is something for the shell to do. REST effects name their target, so `runner` needs nothing else.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import msgspec

from stasis.errors import AriError
from stasis.events import Event
from stasis.ids import CallIds
from stasis.model import Channel
from stasis.outcome import CallResult, EndedBy
from stasis.requests import CreateExternalMedia, Originate
from stasis.transfer_model import BeginTransfer, EndTransfer, HandOver, HoldCallee, RetrieveCallee, TransferChanged

LEDGER_MARK = "GLOBAL(OD_CALL_{call_id})"
"""Set with every originate; `stasis.ledger` says what for."""
PREPARE_S = 20.0
"""Limit for bridge, media channel and model session together."""


class CallState(StrEnum):
    PREPARE = "prepare"
    """Bridge, media channel and model session are made while nothing rings."""
    DIALING = "dialing"
    RINGING = "ringing"
    ANSWERED = "answered"
    BRIDGED = "bridged"
    """The callee is in the bridge: the conversation runs."""
    REPAIRING = "repairing"
    """The media worker died in the middle of the talk: a new media channel is being put into the same bridge."""
    HANDED_OVER = "handed_over"
    """The callee talks with somebody the call was transferred to; the agent is out of it (see `transfer`)."""
    ENDING = "ending"
    """Waiting for the callee channel's end and for everything of ours to be removed."""
    ENDED = "ended"


TRANSITIONS: dict[CallState, frozenset[CallState]] = {
    CallState.PREPARE: frozenset({CallState.DIALING, CallState.ENDING}),
    CallState.DIALING: frozenset({CallState.RINGING, CallState.ANSWERED, CallState.ENDING}),
    CallState.RINGING: frozenset({CallState.ANSWERED, CallState.ENDING}),
    CallState.ANSWERED: frozenset({CallState.BRIDGED, CallState.ENDING}),
    CallState.BRIDGED: frozenset({CallState.REPAIRING, CallState.HANDED_OVER, CallState.ENDING}),
    CallState.REPAIRING: frozenset({CallState.BRIDGED, CallState.ENDING}),
    CallState.HANDED_OVER: frozenset({CallState.ENDING}),
    CallState.ENDING: frozenset({CallState.ENDED}),
    CallState.ENDED: frozenset(),
}


UNANSWERED = frozenset({CallState.DIALING, CallState.RINGING})
UNHEARD = UNANSWERED | {CallState.ANSWERED}
TALKING = frozenset({CallState.ANSWERED, CallState.BRIDGED, CallState.REPAIRING})
HEARD = frozenset({CallState.BRIDGED, CallState.REPAIRING})
OVER = frozenset({CallState.ENDING, CallState.ENDED})


class CallPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One call to make. `format` is the codec of the media channel; durations in seconds.

    Raises ValueError for a duration below 1 s (0 would mean "30 s" or "forever" to Asterisk).
    """

    ids: CallIds
    endpoint: str
    app: str
    format: str
    caller_id: str | None = None
    ring_timeout_s: int
    max_duration_s: int
    variables: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        if self.ring_timeout_s < 1 or self.max_duration_s < 1:
            raise ValueError("ring_timeout_s and max_duration_s: at least 1 s, please")

    @property
    def absolute_timeout_s(self) -> int:
        """Asterisk's dead-man switch, counted from the channel's creation: no call outlives it if we are dead."""
        return self.ring_timeout_s + self.max_duration_s + 30

    def originate(self) -> Originate:
        """The one request that rings a phone."""
        return Originate(
            endpoint=self.endpoint,
            app=self.app,
            channel_id=self.ids.callee,
            timeout_s=self.ring_timeout_s,
            app_args=f"callee,{self.ids.call_id}",
            caller_id=self.caller_id,
            variables={
                **self.variables,
                LEDGER_MARK.format(call_id=self.ids.call_id): "1",
                "TIMEOUT(absolute)": str(self.absolute_timeout_s),
            },
        )

    def external_media(self, external_host: str, generation: int = 1) -> CreateExternalMedia:
        """The media channel; it may exist up to `PREPARE_S` before the callee's, and has a dead-man switch too."""
        return CreateExternalMedia(
            channel_id=self.ids.media_of(generation),
            app=self.app,
            external_host=external_host,
            format=self.format,
            data=f"media,{self.ids.call_id}",
            variables={"TIMEOUT(absolute)": str(self.absolute_timeout_s + int(PREPARE_S))},
        )


# --- effects ----------------------------------------------------------------------------------------------------
class CreateBridge(msgspec.Struct, frozen=True, kw_only=True):
    bridge_id: str


class AddToBridge(msgspec.Struct, frozen=True, kw_only=True):
    bridge_id: str
    channel_id: str


class HangUpChannel(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is what an unanswered caller is told: congestion is 503, busy 486."""

    channel_id: str
    reason: Literal["normal", "busy", "congestion"] = "normal"


class AnswerCaller(msgspec.Struct, frozen=True, kw_only=True):
    """Give a caller's channel its dead-man switch of `limit_s`, then answer it; neither without the other."""

    channel_id: str
    limit_s: int


class DestroyBridge(msgspec.Struct, frozen=True, kw_only=True):
    bridge_id: str


class LookUp(msgspec.Struct, frozen=True, kw_only=True):
    """GET the channel: an answer or an event we needed is missing."""

    channel_id: str


class ConnectMediaPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Where Asterisk sends RTP from and expects it: the only address to exchange packets with."""

    host: str
    port: int


class StartConversation(msgspec.Struct, frozen=True, kw_only=True):
    """Once per call: the callee has answered and is in the bridge."""


class ReopenMedia(msgspec.Struct, frozen=True, kw_only=True):
    """Open a media leg again that goes on with the conversation; `MediaOpened` answers."""


class MediaRestored(msgspec.Struct, frozen=True, kw_only=True):
    """The new media channel is in the bridge: the callee hears us again."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The call entered this state."""

    state: CallState


class DtmfReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The callee pressed a key during the conversation."""

    digit: str


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Once per call and always the last, except for a late HangUpChannel of a channel that turns up after all."""

    result: CallResult


RemovalEffect = HangUpChannel | DestroyBridge
MoveEffect = HoldCallee | RetrieveCallee
RestEffect = (
    CreateBridge
    | CreateExternalMedia
    | AddToBridge
    | Originate
    | AnswerCaller
    | LookUp
    | MoveEffect
    | RemovalEffect
)
Effect = (
    RestEffect
    | ConnectMediaPeer
    | StartConversation
    | ReopenMedia
    | MediaRestored
    | TransferChanged
    | Progress
    | DtmfReceived
    | Ended
)


# --- inputs -----------------------------------------------------------------------------------------------------
class Completed(msgspec.Struct, frozen=True, kw_only=True):
    """A REST effect succeeded; `channel` is the reply of CreateExternalMedia, Originate and LookUp."""

    effect: RestEffect
    channel: Channel | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    effect: RestEffect
    error: AriError


class MediaOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The media side has a UDP socket: numeric address and port Asterisk shall send to."""

    rtp_host: str
    rtp_port: int


class MediaReady(msgspec.Struct, frozen=True, kw_only=True):
    """The model session is configured: an answered call would not be silent."""


class MediaLost(msgspec.Struct, frozen=True, kw_only=True):
    """No conversation is possible (any more). `listed`: a listing shows no media channel; it may be old."""

    reason: str
    listed: bool = False
    bridge: bool = False
    """The bridge is gone: then whoever is on the line listens to nothing."""


class WorkerGone(msgspec.Struct, frozen=True, kw_only=True):
    """The process behind the media channel died. Another may take over a talk that has begun."""

    reason: str


class HangUp(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on our side wants the end."""

    by: EndedBy
    reason: str


class StreamLost(msgspec.Struct, frozen=True, kw_only=True):
    """The event stream broke: events may be missing until `Reconciled`."""


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """The stream is back; `channel` is the callee channel as listed just now, None when it was not there."""

    channel: Channel | None
    asterisk_restarted: bool = False
    generation: int = 1
    """Of the newest media channel listed; a call taken over does not know how often its media was replaced."""
    targets: tuple[str, ...] = ()
    """Ids of the channels of its transfers, as listed."""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """`next_deadline` has come. Too early or too many of them do no harm."""


MediaInput = MediaOpened | MediaReady | MediaLost | WorkerGone
CallInput = (
    Event | Completed | Failed | MediaInput | HangUp | BeginTransfer | HandOver | StreamLost | Reconciled | Tick
)
"""What concerns the call alone."""
Input = CallInput | EndTransfer
