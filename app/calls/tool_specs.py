"""What the model is told about the functions of a call: names, descriptions, JSON schemas (`session.tools`). Pure.

The text depends on the offer only and is byte-stable: the model's prompt cache serves every call of an agent.
"""

from collections.abc import Callable, Mapping

import msgspec

from app.calls.tools import Offer
from app.domain.feedback import MAX_SUGGESTIONS
from app.domain.fields import json_schema
from media.realtime.settings import ToolSpec


def tool_specs(offer: Offer) -> tuple[ToolSpec, ...]:
    """What the model is told about the functions of this call (`session.tools`)."""
    own = [
        ToolSpec(name=name, description=_DESCRIPTIONS[name], parameters=_parameters(name, offer))
        for name in offer.own
    ]
    outside = [
        ToolSpec(name=tool.name, description=tool.description, parameters=tool.parameters)
        for tool in offer.outside
        if tool.name in offer.names
    ]
    return (*own, *outside)


_DESCRIPTIONS: Mapping[str, str] = {
    "send_dtmf": "Press keys on the phone, for automated menus. Use w for a short pause between keys.",
    "end_call": "Hang up. Say goodbye first; the call ends when the farewell has been heard.",
    "reschedule_call_trigger_analysis": (
        "The person wants to be called at another time. Confirm it in one sentence and call this; the call ends."
    ),
    "transfer_call": "Connect the person with somebody else, when the person agrees to it.",
    "report_voicemail": "Call this when an answering machine, a mailbox or a recorded message speaks.",
    "record_opt_out": (
        "Call this at once when the person asks not to be called again, in whatever words. Then apologize and say "
        "goodbye."
    ),
    "save_field": (
        "Write down an answer as soon as the person has given it, with the person's own words as the quote. "
        "Call it again when the person corrects it."
    ),
    "recording_consent": (
        "Call this when the person has said whether this call may be recorded, and at once when they object. "
        "Never assume a yes."
    ),
    "request_user_feedback": (
        "Ask your own side something that only they can decide. Tell the person that you are checking, and keep "
        "them company in short sentences; the answer comes as a note."
    ),
}


def _parameters(name: str, offer: Offer) -> str:
    required, properties = _SCHEMAS[name](offer)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return msgspec.json.encode(schema).decode()


Schema = tuple[list[str], dict[str, object]]


def _text(description: str, **more: object) -> dict[str, object]:
    return {"type": "string", "maxLength": 500, "description": description, **more}


def _save_field(offer: Offer) -> Schema:
    told = "; ".join(
        f"{one.name}{' (required)' if one.required else ''}: {one.help or one.label or one.name}, "
        f"{msgspec.json.encode(json_schema(one)).decode()}"
        for one in offer.fields
    )
    return (
        ["name", "value", "quote"],
        {
            "name": {"type": "string", "enum": [one.name for one in offer.fields]},
            "value": {"description": f"In the form of the field. {told}"},
            "quote": _text("what the person said, word for word, that proves it"),
        },
    )


def _reschedule(_offer: Offer) -> Schema:
    return (
        ["wished_words"],
        {
            "wished_words": _text("when, in the person's own words"),
            "wished_local": {
                "type": ["string", "null"],
                "description": "the same as YYYY-MM-DDTHH:MM on the person's clock, or null when it was not clear",
            },
        },
    )


def _transfer(offer: Offer) -> Schema:
    return (
        ["target", "reason"],
        {
            "target": {"type": "string", "enum": list(offer.targets)},
            "reason": _text("why, in one sentence, for whoever takes the call"),
            "mode": {
                "type": "string",
                "enum": ["cold", "warm"],
                "description": "cold: connect at once; warm: ask the other side first while the person waits",
            },
        },
    )


def _feedback(_offer: Offer) -> Schema:
    return (
        ["question", "suggestions"],
        {
            "question": _text("one clear question"),
            "suggestions": {
                "type": "array",
                "maxItems": MAX_SUGGESTIONS,
                "items": {"type": "string", "maxLength": 200},
                "description": "answers to choose from, the most likely first",
            },
        },
    )


def _end_call(offer: Offer) -> Schema:
    properties: dict[str, object] = {"reason": _text("why the call ends, for the record")}
    if not any(one.required for one in offer.fields):
        return ["reason"], properties
    told = "true only when everything was settled and every required answer is written down"
    return ["reason", "done"], {**properties, "done": {"type": "boolean", "description": told}}


def _one(name: str, description: str, **more: object) -> Schema:
    return [name], {name: _text(description, **more)}


_SCHEMAS: Mapping[str, Callable[[Offer], Schema]] = {
    "send_dtmf": lambda _offer: (
        ["digits"],
        {
            "digits": {
                "type": "string",
                "pattern": "^[0-9A-D*#w]{1,32}$",
                "description": "keys to press, for example 1 or 12w3#",
            }
        },
    ),
    "end_call": _end_call,
    "reschedule_call_trigger_analysis": _reschedule,
    "transfer_call": _transfer,
    "report_voicemail": lambda _offer: _one("heard", "the words that give the machine away"),
    "record_opt_out": lambda _offer: _one("words", "what the person said, word for word"),
    "save_field": _save_field,
    "request_user_feedback": _feedback,
    "recording_consent": lambda _offer: (
        ["given", "words"],
        {
            "given": {"type": "boolean", "description": "true only when they clearly agreed to the recording"},
            "words": _text("what the person said, word for word"),
        },
    ),
}
