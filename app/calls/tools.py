"""The functions a voice agent may call, and the check of what the model wrote as arguments.

Names are fixed. Authority is here, not in the model: a function that this call was not offered, an argument that
does not fit, or one call too many is answered with an error sentence and nothing happens. What the model is told
about them: `app.calls.tool_specs`. Called by `app.calls.conversation`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from app.domain.feedback import MAX_SUGGESTIONS
from app.domain.fields import FieldSpec
from app.domain.outside_tool import OutsideTool

Sentence = Annotated[str, msgspec.Meta(max_length=500, pattern=r"^[^\x00]*\Z")]
"""No NUL: PostgreSQL has no place for it."""
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\s\x00][^\x00]*\Z")]
DtmfDigits = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-D*#w]{1,32}\Z")]
"""What ARI's `POST /channels/{id}/dtmf` may be asked to send; `w` is a half second pause."""
Suggestion = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*\Z")]
LocalTime = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d\Z")]


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="tool"):
    pass


class SendDtmf(_Call, frozen=True, tag="send_dtmf"):
    """Press keys, e.g. in an automated menu."""

    digits: DtmfDigits


class EndCall(_Call, frozen=True, tag="end_call"):
    """Hang up after the farewell has been heard. `done`: everything this call was for has been settled."""

    reason: Sentence = ""
    done: bool = False


class Reschedule(_Call, frozen=True, tag="reschedule_call_trigger_analysis"):
    """The callee wants to be called at another time: say goodbye, let the analysis set the time.

    `wished_words` are the callee's own; `wished_local` the model's reading of them, the callee's wall clock.
    """

    wished_words: Words
    wished_local: LocalTime | None = None


class TransferCall(_Call, frozen=True, tag="transfer_call"):
    """Connect the callee with somebody the agent may transfer to; `target` is a name, never a number."""

    target: Words
    reason: Sentence = ""
    mode: Literal["cold", "warm"] = "cold"


class ReportVoicemail(_Call, frozen=True, tag="report_voicemail"):
    """The model takes what it hears for an answering machine."""

    heard: Sentence = ""


class RecordOptOut(_Call, frozen=True, tag="record_opt_out"):
    """The callee does not want to be called again; `words` are the callee's own."""

    words: Words


class SaveField(_Call, frozen=True, tag="save_field"):
    """A value the call was to find out, with the callee's words that prove it."""

    name: Annotated[str, msgspec.Meta(max_length=48)]
    value: msgspec.Raw
    quote: Words


class RequestUserFeedback(_Call, frozen=True, tag="request_user_feedback"):
    """Ask the operator something only a person can decide, while the callee waits."""

    question: Words
    suggestions: Annotated[tuple[Suggestion, ...], msgspec.Meta(max_length=MAX_SUGGESTIONS)] = ()


class RecordingConsent(_Call, frozen=True, tag="recording_consent"):
    """The callee agreed to be recorded, or did not; `words` are the callee's own."""

    given: bool
    words: Words


class OutsideCall(msgspec.Struct, frozen=True):
    """A function of the agent's own (HTTP, MCP). `arguments` is a JSON object, not checked yet."""

    name: str
    arguments: str


class RefusedTool(msgspec.Struct, frozen=True):
    """A call that will not be carried out; `sentence` goes back to the model."""

    name: str
    sentence: str


KnownTool = (
    SendDtmf
    | EndCall
    | Reschedule
    | TransferCall
    | ReportVoicemail
    | RecordOptOut
    | SaveField
    | RequestUserFeedback
    | RecordingConsent
)
ToolRequest = KnownTool | OutsideCall | RefusedTool

SHAPES: tuple[type[KnownTool], ...] = (
    SendDtmf,
    EndCall,
    Reschedule,
    TransferCall,
    ReportVoicemail,
    RecordOptOut,
    SaveField,
    RequestUserFeedback,
)
"""In the order in which they are offered."""
WILL_OF_CALLEE = frozenset({"record_opt_out", "recording_consent"})
"""Names of the functions that may carry a no of the callee: none of them waits for words to be written down."""
NEVER_TWICE = (SendDtmf, TransferCall, OutsideCall)
"""Others notice each time: a menu that hears keys, somebody whose phone rings, a system of the tenant's own. What
the rest do is stored beside their answers, so it may be lost though they were answered: doing it again is right.
"""
NAMES: tuple[str, ...] = tuple(str(shape.__struct_config__.tag) for shape in SHAPES)
RESERVED: tuple[str, ...] = (*NAMES, "recording_consent")
"""All of ours. The last is no agent's choice: it is offered where a call is recorded, or asks for it."""
ALWAYS = frozenset({"end_call", "record_opt_out"})
"""Offered whatever the agent says: nobody may be kept on the line, or on the list."""
BUDGETS: Mapping[str, int] = {
    "send_dtmf": 30,
    "end_call": 5,
    "reschedule_call_trigger_analysis": 3,
    "transfer_call": 2,
    "report_voicemail": 3,
    "record_opt_out": 3,
    "save_field": 90,
    "request_user_feedback": 3,
    "recording_consent": 6,
}
"""How often each may be called in one call; a model in a loop must not be heard, and must not cost."""
BUDGET = 120
"""All of them together."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one call is offered: functions, fields to find out, names to transfer to, outside functions."""

    tools: tuple[str, ...] = ("send_dtmf", "end_call")
    fields: tuple[FieldSpec, ...] = ()
    targets: tuple[str, ...] = ()
    outside: tuple[OutsideTool, ...] = ()
    recording: bool = False
    """The call is recorded, or asks whether it may be."""

    @property
    def own(self) -> tuple[str, ...]:
        """Our functions, in catalogue order; one that would have nothing to choose from is left out."""
        wanted = {*self.tools, *ALWAYS, "save_field"}
        empty = {"save_field": not self.fields, "transfer_call": not self.targets}
        chosen = tuple(name for name in NAMES if name in wanted and not empty.get(name, False))
        return (*chosen, *RESERVED[len(NAMES) :]) if self.recording else chosen

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that may be called; an outside function never hides one of ours."""
        own = self.own
        return (*own, *(tool.name for tool in self.outside if tool.name not in RESERVED))


def at_any_time(request: ToolRequest, *, answered: bool) -> bool:
    """Needs no talk that goes on: what is refused anyway, and a callee who wants no recording, or no more calls:
    taken whoever has the call, and while it ends. Until the call is `answered` nobody can have wished the last.
    """
    if isinstance(request, RecordOptOut):
        return answered
    return isinstance(request, RefusedTool) or (isinstance(request, RecordingConsent) and not request.given)


class ToolBook:
    """Reads the calls of one conversation and counts them."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._used: Counter[str] = Counter()

    def read(self, name: str, arguments: str) -> ToolRequest:
        """Check a function call of the model. What does not fit counts as well: a loop is a loop."""
        self._used[name if name in self.offer.names else ""] += 1
        if name not in self.offer.names:
            return _unknown(name, self.offer.names)
        if name == "recording_consent" and (declined := _declined(arguments)) is not None:
            return declined
        if self._used[name] > self._most(name) or self._used.total() > BUDGET:
            return RefusedTool(name, f"{name} has been called too often in this call. Go on without it.")
        if name not in RESERVED:
            return _outside(name, arguments)
        request = read_tool_call(name, arguments)
        if isinstance(request, TransferCall) and request.target not in self.offer.targets:
            possible = ", ".join(self.offer.targets)
            return RefusedTool(name, f"Transfers are possible to: {possible}. Nothing was done.")
        return request

    def _most(self, name: str) -> int:
        found = next((tool.most_calls for tool in self.offer.outside if tool.name == name), 0)
        return BUDGETS.get(name, found)


def _declined(arguments: str) -> RecordingConsent | None:
    """A no is taken however often it comes and whatever stands beside it."""
    try:
        fields = msgspec.json.decode(arguments or "{}", type=dict[str, object])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    words = str(fields.get("words", "")).replace("\x00", "")[:500]
    return RecordingConsent(given=False, words=words) if fields.get("given") is False else None


def _outside(name: str, arguments: str) -> OutsideCall | RefusedTool:
    try:
        msgspec.json.decode(arguments or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeEncodeError) as problem:
        return RefusedTool(name, f"The arguments of {name} are no JSON object: {problem}. Nothing was done.")
    return OutsideCall(name, arguments or "{}")


def read_tool_call(name: str, arguments: str) -> ToolRequest:
    """Check a function call of the model; unknown names and unfit arguments become `RefusedTool`."""
    shape = dict(zip(RESERVED, (*SHAPES, RecordingConsent), strict=True)).get(name)
    if shape is None:
        return _unknown(name, NAMES)
    try:
        fields = msgspec.json.decode(arguments or "{}", type=dict[str, msgspec.Raw])
        fields["tool"] = msgspec.Raw(msgspec.json.encode(name))
        return msgspec.json.decode(msgspec.json.encode(fields), type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError) as problem:
        return RefusedTool(name, f"The arguments of {name} do not fit: {problem}. Nothing was done.")


def _unknown(name: str, known: tuple[str, ...]) -> RefusedTool:
    return RefusedTool(name, f"There is no function {name[:64]!r}. Available: {', '.join(known)}.")
