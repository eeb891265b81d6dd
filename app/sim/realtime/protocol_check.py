"""Strictness of the simulated API: every frame in and out is held against the SDK's event types.

The SDK's models accept unknown fields, so a walk over `model_extra` refuses them the way the API does
(`unknown_parameter`); that catches the flat keys of the beta protocol. Audio appends, fifty per second and call,
have a check of their own because the SDK's takes 200 microseconds.
"""

import binascii
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

import msgspec
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent, ResponseItemReference
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from app.errors import AppError

Json = dict[str, Any]

_CLIENT: TypeAdapter[BaseModel] = TypeAdapter(Annotated[RealtimeClientEvent, Field(discriminator="type")])
_SERVER: TypeAdapter[BaseModel] = TypeAdapter(Annotated[RealtimeServerEvent, Field(discriminator="type")])
_REFERENCE: TypeAdapter[BaseModel] = TypeAdapter(ResponseItemReference)
_APPEND_KEYS = {"type", "audio", "event_id"}
_UNDECLARED = {"session.id", "session.object", "session.expires_at"}
"""Fields the API sends although its published types do not have them."""
_MAX_AUDIO_BYTES = 15 * 1024 * 1024


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Content of an `error` event about a client event."""

    code: str
    message: str
    param: str | None = None
    event_id: str | None = None
    type: str = "invalid_request_error"


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A client event that the API's types accept."""

    type: str
    body: Json
    event_id: str | None = None
    audio: bytes = b""
    """Decoded audio of an append."""


class InvalidServerEvent(AppError):
    """The simulator was about to send something the API's types do not allow: a bug of the simulator."""

    code = "sim_protocol"


def check_client(frame: str | bytes) -> ClientEvent | Refusal:
    """The event in `frame`, or what the API would answer instead."""
    try:
        body = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal(code="invalid_json", message="The event is not valid JSON.")
    if not isinstance(body, dict):
        return Refusal(code="invalid_json", message="The event is not a JSON object.")
    event = cast("Json", body)
    checked = _check_append(event) if event.get("type") == "input_audio_buffer.append" else _check_typed(event)
    if isinstance(checked, Refusal):
        event_id = event.get("event_id")
        return msgspec.structs.replace(checked, event_id=event_id if isinstance(event_id, str) else None)
    return checked


def check_server(event: Json) -> str:
    """`event` as JSON text; raises `InvalidServerEvent` when the API would not send it."""
    text = msgspec.json.encode(event)
    try:
        model = _SERVER.validate_json(text, strict=True)
    except ValidationError as error:
        raise InvalidServerEvent(f"{event.get('type')}: {error}") from error
    for path in _extras(model, ""):
        if path not in _UNDECLARED:
            raise InvalidServerEvent(f"{event['type']} has an undeclared field {path}")
    return text.decode()


def _check_append(event: Json) -> ClientEvent | Refusal:
    if unknown := event.keys() - _APPEND_KEYS:
        return _unknown(min(unknown))
    audio, event_id = event.get("audio"), event.get("event_id")
    if not isinstance(audio, str):
        return Refusal(code="missing_required_parameter", message="audio must be base64 text.", param="audio")
    if event_id is not None and not isinstance(event_id, str):
        return Refusal(code="invalid_type", message="event_id must be text.", param="event_id")
    try:
        data = binascii.a2b_base64(audio, strict_mode=True)
    except (binascii.Error, ValueError):
        return Refusal(code="invalid_value", message="audio is not valid base64.", param="audio")
    if len(data) > _MAX_AUDIO_BYTES:
        return Refusal(code="invalid_value", message="audio is longer than 15 MiB.", param="audio")
    return ClientEvent(type=event["type"], body=event, event_id=event_id, audio=data)


def _check_typed(event: Json) -> ClientEvent | Refusal:
    """The SDK's types know item references only in requests, so those are checked apart."""
    references, rest = _split_references(event)
    try:
        models = [_CLIENT.validate_json(msgspec.json.encode(rest), strict=True)]
        models += [_REFERENCE.validate_python(item) for item in references]
    except ValidationError as error:
        return _refusal_of(error, event)
    for path in (path for model in models for path in _extras(model, "")):
        return _unknown(path)
    return ClientEvent(type=event["type"], body=event, event_id=event.get("event_id"))


def _split_references(event: Json) -> tuple[list[Any], Json]:
    response = event.get("response")
    items = cast("Json", response).get("input") if isinstance(response, dict) else None
    if not isinstance(items, list):
        return [], event
    kept: list[Any] = []
    references: list[Any] = []
    for item in cast("list[Any]", items):
        is_reference = isinstance(item, dict) and cast("Json", item).get("type") == "item_reference"
        (references if is_reference else kept).append(item)
    return references, event | {"response": cast("Json", response) | {"input": kept}}


def _unknown(path: str) -> Refusal:
    return Refusal(code="unknown_parameter", message=f"Unknown parameter: '{path}'.", param=path)


def _refusal_of(error: ValidationError, event: Json) -> Refusal:
    first = error.errors(include_url=False)[0]
    param = _param(first["loc"], event)
    match first["type"]:
        case "missing" | "union_tag_not_found":
            param = param if first["type"] == "missing" else "type"
            message = f"Missing required parameter: '{param}'."
            return Refusal(code="missing_required_parameter", message=message, param=param)
        case "literal_error" | "union_tag_invalid":
            param = param or "type"
            return Refusal(
                code="invalid_value", message=f"Invalid value for '{param}': {first['msg']}.", param=param
            )
        case _:
            return Refusal(
                code="invalid_type", message=f"Invalid type for '{param}': {first['msg']}.", param=param
            )


def _param(location: tuple[int | str, ...], event: Json) -> str:
    """The path in the event; pydantic also lists the union members it tried, which are not in the data."""
    path = ""
    here: Any = event
    for index, part in enumerate(location):
        missing_last = index == len(location) - 1 and isinstance(here, dict) and isinstance(part, str)
        if isinstance(here, list) and isinstance(part, int):
            here, path = cast("list[Any]", here)[part], f"{path}[{part}]"
        elif isinstance(here, dict) and (part in here or missing_last):
            here, path = cast("Json", here).get(str(part)), f"{path}.{part}" if path else str(part)
    return path


def _extras(value: object, path: str) -> Iterator[str]:
    """Paths of the fields that no SDK model declares."""
    match value:
        case BaseModel():
            prefix = f"{path}." if path else ""
            yield from (f"{prefix}{name}" for name in value.model_extra or {})
            for name in type(value).model_fields:
                yield from _extras(getattr(value, name), f"{prefix}{name}")
        case list():
            for index, entry in enumerate(cast("list[object]", value)):
                yield from _extras(entry, f"{path}[{index}]")
        case Mapping():
            for key, entry in cast("Mapping[str, object]", value).items():
                yield from _extras(entry, f"{path}.{key}")
        case _:
            return
