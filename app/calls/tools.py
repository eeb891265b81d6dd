"""The functions a voice agent may call, and the check of what the model wrote as arguments.

Names are fixed (`send_dtmf`, `end_call`). Authority is here, not in the model: an argument that does not fit is
answered with an error result and nothing happens. Called by `app.calls.conversation`.
"""

from typing import Annotated

import msgspec

from media.realtime.settings import ToolSpec

DtmfDigits = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-D*#w]{1,32}\Z")]
"""What ARI's `POST /channels/{id}/dtmf` may be asked to send; `w` is a half second pause."""


class SendDtmf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="send_dtmf"):
    """Press keys, e.g. in an automated menu."""

    digits: DtmfDigits


class EndCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="end_call"):
    """Hang up after the farewell has been heard."""

    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


class RefusedTool(msgspec.Struct, frozen=True):
    """A call that will not be carried out; `sentence` goes back to the model."""

    name: str
    sentence: str


ToolRequest = SendDtmf | EndCall | RefusedTool

_ARGUMENTS: dict[str, type[SendDtmf] | type[EndCall]] = {"send_dtmf": SendDtmf, "end_call": EndCall}

TOOL_SPECS: tuple[ToolSpec, ...] = (
    ToolSpec(
        name="send_dtmf",
        description="Press keys on the phone, for automated menus. Use w for a short pause between keys.",
        parameters=(
            '{"type":"object","properties":{"digits":{"type":"string","pattern":"^[0-9A-D*#w]{1,32}$",'
            '"description":"keys to press, for example 1 or 12w3#"}},"required":["digits"],'
            '"additionalProperties":false}'
        ),
    ),
    ToolSpec(
        name="end_call",
        description="Hang up. Say goodbye first; the call ends when the farewell has been heard.",
        parameters=(
            '{"type":"object","properties":{"reason":{"type":"string","maxLength":500,'
            '"description":"why the call ends, for the record"}},"required":["reason"],'
            '"additionalProperties":false}'
        ),
    ),
)


def read_tool_call(name: str, arguments: str) -> ToolRequest:
    """Check a function call of the model; unknown names and unfit arguments become `RefusedTool`."""
    shape = _ARGUMENTS.get(name)
    if shape is None:
        return RefusedTool(name, f"There is no function {name[:64]!r}. Available: {', '.join(_ARGUMENTS)}.")
    try:
        fields = msgspec.json.decode(arguments or "{}", type=dict[str, msgspec.Raw])
        fields["type"] = msgspec.Raw(msgspec.json.encode(name))
        return msgspec.json.decode(msgspec.json.encode(fields), type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError) as problem:
        return RefusedTool(name, f"The arguments of {name} do not fit: {problem}. Nothing was done.")
