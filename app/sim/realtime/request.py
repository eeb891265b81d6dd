"""What a response is asked for: the session's configuration with the overrides of response.create, and the
question put to the brain. Pure.
"""

import json
from typing import Any, cast

import msgspec

from app.sim.realtime.brain import BrainEvent, Cause, Line, SessionView, Tool, ToolCall
from app.sim.realtime.conversation import Conversation
from app.sim.realtime.protocol_check import Json, Refusal

_OVERRIDES = (
    "instructions",
    "tools",
    "tool_choice",
    "output_modalities",
    "max_output_tokens",
    "parallel_tool_calls",
)


def effective(config: Json, params: Json) -> Json:
    """The session's configuration as one response sees it; `params` is `response` of response.create."""
    given = {name: params[name] for name in _OVERRIDES if params.get(name) is not None}
    audio: Json = params.get("audio") or {}
    output: Json = config["audio"]["output"] | (audio.get("output") or {})
    return config | given | {"audio": config["audio"] | {"output": output}}


def is_out_of_band(params: Json) -> bool:
    """Whether the response stays outside the conversation and its slot."""
    return params.get("conversation") == "none"


def brain_event(conversation: Conversation, params: Json) -> BrainEvent:
    """Why this response.create was sent: own instructions, a tool's result, an unanswered turn, or nothing new."""
    instructions: str = params.get("instructions") or ""
    metadata: dict[str, str] = params.get("metadata") or {}
    if is_out_of_band(params):
        text = _input_text(conversation, params)
        cause = Cause.RESPONSE_CREATE
    else:
        cause, text = _newest(conversation)
    return BrainEvent(
        cause=Cause.RESPONSE_CREATE if instructions else cause,
        text=text,
        instructions=instructions,
        out_of_band=is_out_of_band(params),
        metadata=metadata,
    )


def _newest(conversation: Conversation) -> tuple[Cause, str]:
    output = conversation.newest_output()
    if output is not None:
        return Cause.TOOL_OUTPUT, output
    turn = conversation.unanswered_turn()
    return (Cause.RESPONSE_CREATE, "") if turn is None else (Cause.TURN, turn)


def _input_text(conversation: Conversation, params: Json) -> str:
    """Words of the response's own input: inline items and references."""
    words: list[str] = []
    for entry in cast("list[Json]", params.get("input") or []):
        if entry["type"] == "item_reference":
            item = conversation.get(entry["id"])
            words.append(item.text if item else "")
        elif entry["type"] == "message":
            words += [part.get("text") or "" for part in entry["content"]]
    return " ".join(words).strip()


def view(config: Json, conversation: Conversation, instructions: str) -> SessionView:
    """What the brain may know; `config` is the effective one, `instructions` are the session's own."""
    tools = [tool for tool in config["tools"] if tool["type"] == "function"]
    offered = [] if config["tool_choice"] == "none" else tools
    return SessionView(
        model=config["model"],
        instructions=instructions,
        tools=tuple(msgspec.convert(tool, Tool) for tool in offered),
        transcript=tuple(Line(role=item.role, text=item.text) for item in conversation.items),
    )


def head(config: Json, params: Json, *, response_id: str, conversation_id: str) -> Json:
    """The fields of the response resource that are known from the start."""
    output: Json = {key: config["audio"]["output"][key] for key in ("format", "voice")}
    return {
        "id": response_id,
        "conversation_id": None if is_out_of_band(params) else conversation_id,
        "output_modalities": config["output_modalities"],
        "max_output_tokens": config["max_output_tokens"],
        "audio": {"output": output},
        "metadata": params.get("metadata"),
    }


def context_prefix(config: Json) -> str:
    """Instructions and tools as the model reads them, before the items."""
    return f"{config['instructions']}{json.dumps(config['tools'], sort_keys=True) if config['tools'] else ''}"


def arguments(call: ToolCall) -> str:
    """JSON text of a call's arguments; text is passed as it is."""
    given: Any = call.arguments
    return given if isinstance(given, str) else json.dumps(given)


def slot_taken(response_id: str) -> Refusal:
    """The answer to a second response in the default conversation."""
    why = f"Conversation already has an active response in progress: {response_id}."
    return Refusal(
        code="conversation_already_has_active_response",
        message=f"{why} Wait until the response is finished before creating a new one.",
    )
