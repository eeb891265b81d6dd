"""What a person or program may order of a living call: the kinds, their payloads, and the signed wake-up.

Pure. The row in `commands` is the order (`app.store.commands`). The message on `call_commands:{call_id}` only
wakes whoever runs the call, who then looks into the table: a wake-up that is forged, replayed, expired or of
another tenant is counted and changes nothing. Carried out by `app.calls.commands`.
"""

import hashlib
import hmac
from enum import StrEnum
from typing import Annotated

import msgspec

from app.domain.messages import CommandQueued
from app.errors import ValidationFailed

MAX_PAYLOAD_BYTES = 8_192
DEFAULT_LIFE_MS = 30_000
"""How long a command waits to be carried out unless whoever issues it says otherwise."""
MAX_LIFE_MS = 600_000
MIN_KEY_LENGTH = 32
"""Characters of COMMAND_KEY."""
_PURPOSE = "opendeep command wake-up 1"


class CommandKind(StrEnum):
    """What can be ordered."""

    SEND_DTMF = "send_dtmf"
    END_CALL = "end_call"
    RESCHEDULE = "reschedule_call_trigger_analysis"
    TRANSFER = "transfer"
    HOLD = "hold"
    UNHOLD = "unhold"
    MUTE = "mute"
    UNMUTE = "unmute"
    SAY = "say"
    WHISPER = "whisper"
    TAKE_OVER = "take_over"
    HAND_BACK = "hand_back"


class CommandState(StrEnum):
    """Life of a command."""

    QUEUED = "queued"
    TAKEN = "taken"
    """The process that runs the call has it; nobody else ever gets it."""
    DONE = "done"
    REFUSED = "refused"
    """`result` says why, and what was done instead: nothing, unless it says so."""
    EXPIRED = "expired"
    """Nobody took it in time; nothing was done."""


TRANSITIONS: dict[CommandState, frozenset[CommandState]] = {
    CommandState.QUEUED: frozenset({CommandState.TAKEN, CommandState.EXPIRED, CommandState.REFUSED}),
    CommandState.TAKEN: frozenset({CommandState.DONE, CommandState.REFUSED}),
    CommandState.DONE: frozenset(),
    CommandState.REFUSED: frozenset(),
    CommandState.EXPIRED: frozenset(),
}
SETTLED = frozenset(state for state, following in TRANSITIONS.items() if not following)

Words = Annotated[str, msgspec.Meta(min_length=1, max_length=1_000, pattern=r"\S")]
Reason = Annotated[str, msgspec.Meta(max_length=500)]
MicId = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_-]{8,64}\Z")]
TransferName = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^[\w+. -]+\Z")]
UnixMs = Annotated[int, msgspec.Meta(ge=0, lt=1 << 48)]


class SendDtmf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Press keys towards the callee; `w` is a half second pause."""

    digits: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-D*#w]{1,32}\Z")]


class EndCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End the call: after a goodbye that is heard, or (`polite` false) at once."""

    reason: Reason = ""
    polite: bool = True


class Reschedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """End the call with a goodbye that promises another one, and let the analysis decide when that is.

    `wished_ms`: the wished time, UTC epoch milliseconds; None leaves it to the analysis.
    """

    wished_ms: UnixMs | None = None
    reason: Reason = ""


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Connect the callee with somebody else: an entry of the agent's list, by its name or its number."""

    target: TransferName
    reason: Reason = ""


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The callee and the agent do not hear each other until `unhold`."""


class Unhold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Open the line again."""


class Mute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent goes on hearing the callee, but is not heard."""


class Unmute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent is heard again."""


class Say(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent says this to the callee."""

    text: Words


class Whisper(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tell the agent something the callee does not hear; with `respond` it speaks on it at once."""

    text: Words
    respond: bool = False


class TakeOver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person speaks in the agent's place, by the microphone that a page of the console has opened (`mic`)."""

    mic: MicId


class HandBack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent goes on, and is told what was said meanwhile."""


Payload = (
    SendDtmf
    | EndCall
    | Reschedule
    | Transfer
    | Hold
    | Unhold
    | Mute
    | Unmute
    | Say
    | Whisper
    | TakeOver
    | HandBack
)

PAYLOADS: dict[CommandKind, type[Payload]] = {
    CommandKind.SEND_DTMF: SendDtmf,
    CommandKind.END_CALL: EndCall,
    CommandKind.RESCHEDULE: Reschedule,
    CommandKind.TRANSFER: Transfer,
    CommandKind.HOLD: Hold,
    CommandKind.UNHOLD: Unhold,
    CommandKind.MUTE: Mute,
    CommandKind.UNMUTE: Unmute,
    CommandKind.SAY: Say,
    CommandKind.WHISPER: Whisper,
    CommandKind.TAKE_OVER: TakeOver,
    CommandKind.HAND_BACK: HandBack,
}


class NewCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A command about to be stored. Storing the same `id` again changes nothing."""

    id: str
    call_id: str
    kind: CommandKind
    payload: Payload
    issued_by: str
    expires_ms: int


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `commands`; `payload` is JSON as of `encode_payload`, `seq` counts from 1 within the call.

    `kind` and `payload` are read by `read_kind` and `read_payload`: a newer program may have written them.
    """

    id: str
    tenant_id: str
    call_id: str
    seq: int
    kind: str
    payload: str
    issued_by: str
    state: CommandState
    result: str
    created_ms: int
    expires_ms: int
    taken_ms: int | None
    done_ms: int | None


def read_kind(name: str) -> CommandKind:
    """Raises ValidationFailed with the kinds there are."""
    try:
        return CommandKind(name)
    except ValueError:
        kinds = ", ".join(CommandKind)
        raise ValidationFailed(f"There is no command {name[:64]!r}. There are: {kinds}.") from None


def read_payload(kind: CommandKind, text: str | bytes) -> Payload:
    """The checked payload of a command. Raises ValidationFailed with what does not fit."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > MAX_PAYLOAD_BYTES:
        raise ValidationFailed(f"The payload of {kind} is longer than {MAX_PAYLOAD_BYTES} bytes.")
    try:
        return msgspec.json.decode(data or b"{}", type=PAYLOADS[kind])
    except (msgspec.DecodeError, UnicodeError) as problem:
        raise ValidationFailed(f"The payload of {kind} does not fit: {problem}.") from None


def encode_payload(payload: Payload) -> str:
    """JSON text of a payload, always the same for the same payload."""
    return msgspec.json.encode(payload, order="deterministic").decode()


def check_new(new: NewCommand, now_ms: int) -> None:
    """What the types of `NewCommand` cannot say. Raises ValidationFailed."""
    if not isinstance(new.payload, PAYLOADS[new.kind]):
        raise ValidationFailed(f"The payload is none of {new.kind}.")
    if not 0 < len(new.id) <= 64 or not 0 < len(new.issued_by) <= 200:
        raise ValidationFailed("A command needs an id of at most 64 characters and says who issued it.")
    if not now_ms < new.expires_ms <= now_ms + MAX_LIFE_MS:
        raise ValidationFailed(f"A command expires between now and {MAX_LIFE_MS // 1000} s from now.")


# --- the wake-up on the bus -------------------------------------------------------------------------------------
class Verdict(StrEnum):
    """What a wake-up is worth."""

    ACCEPTED = "accepted"
    FORGED = "forged"
    FOREIGN = "foreign"
    """Signed by us, for another call or tenant."""
    EXPIRED = "expired"
    REPLAYED = "replayed"


def wake_up(command: Command, key: bytes) -> CommandQueued:
    """The signed message that says: look into the table, this command of this call is there."""
    unsigned = CommandQueued(
        tenant_id=command.tenant_id,
        call_id=command.call_id,
        command_id=command.id,
        seq=command.seq,
        expires_ms=command.expires_ms,
        mac="",
    )
    return msgspec.structs.replace(unsigned, mac=_mac(unsigned, key))


class WakeCheck:
    """Judges the wake-ups of one call. Its memory is one number: sequence numbers only grow."""

    def __init__(self, key: bytes, tenant_id: str, call_id: str) -> None:
        self._key = key
        self._tenant_id = tenant_id
        self._call_id = call_id
        self._newest = 0

    def judge(self, message: CommandQueued, now_ms: int) -> Verdict:
        """Whether to look into the table. An older one that was overtaken counts as replayed: the look that the
        newer one caused finds its command too.
        """
        if not hmac.compare_digest(_mac(message, self._key).encode(), message.mac.encode()):
            return Verdict.FORGED
        if (message.tenant_id, message.call_id) != (self._tenant_id, self._call_id):
            return Verdict.FOREIGN
        if message.expires_ms <= now_ms:
            return Verdict.EXPIRED
        if message.seq <= self._newest:
            return Verdict.REPLAYED
        self._newest = message.seq
        return Verdict.ACCEPTED


def _mac(message: CommandQueued, key: bytes) -> str:
    """HMAC-SHA256 over everything the message says, as JSON, so that no two messages run together."""
    said = (
        _PURPOSE,
        message.tenant_id,
        message.call_id,
        message.command_id,
        message.seq,
        message.expires_ms,
    )
    return hmac.new(key, msgspec.json.encode(said), hashlib.sha256).hexdigest()
