"""Reads request bodies as the real API does: known fields only, the SDK's own parameter types, its error bodies.

Refused are unknown parameters, missing ones, wrong types, and in strict mode schemas that are not closed.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast, get_type_hints

import msgspec
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import response_create_params as responses_params
from pydantic import TypeAdapter, ValidationError

from app.sim.text.mind import TextQuestion

_RESPONSES: TypeAdapter[Any] = TypeAdapter(responses_params.ResponseCreateParamsNonStreaming)
_CHAT: TypeAdapter[Any] = TypeAdapter(chat_params.CompletionCreateParamsNonStreaming)
RESPONSES_FIELDS = frozenset(get_type_hints(responses_params.ResponseCreateParamsNonStreaming))
CHAT_FIELDS = frozenset(get_type_hints(chat_params.CompletionCreateParamsNonStreaming))
_ITEM_TYPES = frozenset({"message", "function_call", "function_call_output"})
Body = Mapping[str, Any]


class Refused(Exception):
    """The API's answer to a bad request."""

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def read_responses(body: Body) -> TextQuestion:
    """A body of POST /v1/responses. Raises Refused."""
    _check(body, RESPONSES_FIELDS, _RESPONSES, {"model", "input"})
    shape = part(body, "text", "format")
    tools = [cast("Body", tool) for tool in body.get("tools") or ()]
    for n, tool in enumerate(tools):
        _check_strict(tool, "parameters", f"tools[{n}].parameters")
    if shape.get("type") == "json_schema":
        _check_strict(shape, "schema", "text.format.schema")
    source = body["input"]
    items: list[Body] = [{"role": "user", "content": source}] if isinstance(source, str) else list(source)
    return TextQuestion(
        model=body["model"],
        instructions=body.get("instructions") or "",
        history=tuple(_responses_items(items)),
        tools=tuple(str(tool["name"]) for tool in tools if tool.get("type") == "function"),
        tool_parameters={
            str(tool["name"]): tool["parameters"] for tool in tools if tool.get("type") == "function"
        },
        schema_name=str(shape.get("name", "")),
        schema=shape.get("schema"),
    )


def read_chat(body: Body) -> TextQuestion:
    """A body of POST /v1/chat/completions. Raises Refused."""
    _check(body, CHAT_FIELDS | {"stream", "stream_options"}, _CHAT, {"model", "messages"})
    shape = part(body, "response_format", "json_schema")
    tools = [cast("Body", tool["function"]) for tool in body.get("tools") or () if tool.get("type") == "function"]
    for n, tool in enumerate(tools):
        _check_strict(tool, "parameters", f"tools[{n}].function.parameters")
    if shape:
        _check_strict(shape, "schema", "response_format.json_schema.schema")
    messages = cast("list[Body]", body["messages"])
    if not messages:
        raise Refused("Invalid 'messages': empty array.", param="messages", code="empty_array")
    said = [m for m in messages if m["role"] not in {"system", "developer"}]
    return TextQuestion(
        model=body["model"],
        instructions="\n".join(_text(m.get("content")) for m in messages if m["role"] in {"system", "developer"}),
        history=tuple(_chat_messages(said)),
        tools=tuple(str(tool["name"]) for tool in tools),
        tool_parameters={str(tool["name"]): tool["parameters"] for tool in tools},
        schema_name=str(shape.get("name", "")),
        schema=shape.get("schema"),
    )


def part(body: Body, *path: str) -> Body:
    """The object at a path, empty when it is not there."""
    found: Any = body
    for name in path:
        found = cast("Body", found).get(name) or {}
    return cast("Body", found)


def decode(raw: bytes) -> Body:
    """The body as JSON object. Raises Refused."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.DecodeError:
        text = "We could not parse the JSON body of your request."
        raise Refused(text, code="invalid_json") from None


def _check(body: Body, known: Iterable[str], adapter: TypeAdapter[Any], needed: set[str]) -> None:
    for name in body:
        if name not in known:
            raise Refused(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    for name in sorted(needed):
        if name not in body:
            raise Refused(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    try:
        _consume(adapter.validate_python({k: v for k, v in body.items() if k not in {"stream", "stream_options"}}))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][:3])
        raise Refused(f"Invalid type for '{where}'.", param=where, code="invalid_type") from None


def _consume(value: Any) -> None:
    """Iterables are checked by pydantic only as they are read."""
    if isinstance(value, Mapping):
        for inner in cast("Mapping[str, Any]", value).values():
            _consume(inner)
    elif hasattr(value, "__next__") or isinstance(value, list):
        for inner in cast("Iterable[Any]", value):
            _consume(inner)


def _check_strict(holder: Body, key: str, where: str) -> None:
    if not holder.get("strict"):
        return
    for path, part in _objects(holder.get(key), where):
        if part.get("additionalProperties") is not False:
            text = (
                f"Invalid schema: In context={path}, 'additionalProperties' is required to be supplied and false."
            )
            raise Refused(text, param=where, code="invalid_json_schema")
        if set(part.get("required", ())) != set(part.get("properties", {})):
            text = f"Invalid schema: In context={path}, 'required' must include every key in properties."
            raise Refused(text, param=where, code="invalid_json_schema")


def _objects(part: Any, path: str) -> Iterable[tuple[str, Body]]:
    if isinstance(part, Mapping):
        inner = cast("Body", part)
        if inner.get("type") == "object":
            yield path, inner
        for key, value in inner.items():
            yield from _objects(value, f"{path}.{key}")
    elif isinstance(part, list):
        for value in cast("list[Any]", part):
            yield from _objects(value, path)


def _responses_items(items: list[Body]) -> Iterable[tuple[str, str]]:
    open_calls: set[str] = set()
    for n, item in enumerate(items):
        kind = item.get("type", "message")
        if kind not in _ITEM_TYPES:
            raise Refused(f"Invalid value: '{kind}'.", param=f"input[{n}]", code="invalid_value")
        if kind == "function_call":
            open_calls.add(item["call_id"])
            yield "assistant", f"{item['name']}({item['arguments']})"
        elif kind == "function_call_output":
            if item["call_id"] not in open_calls:
                text = f"No tool call found for function call output with call_id {item['call_id']}."
                raise Refused(text, param="input")
            yield "tool", _text(item["output"])
        else:
            yield str(item["role"]), _text(item["content"])


def _chat_messages(messages: list[Body]) -> Iterable[tuple[str, str]]:
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                text = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
                raise Refused(text, param="messages")
            yield "tool", _text(message["content"])
            continue
        open_calls |= {call["id"] for call in message.get("tool_calls") or ()}
        yield str(message["role"]), _text(message.get("content"))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in cast("list[Body]", content or []))
