"""Answers by pydantic schema: the schema goes out in strict form, what comes back is checked by the same class.

Servers differ in how well they keep a schema, so the check here decides. Classes must have no defaults and forbid
extra fields: strict mode takes only closed objects with every field required.
"""

from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from pydantic import BaseModel, ValidationError

from app.llm.errors import BadReply, ModelDeclined, ReplyCutOff
from app.llm.model import OutputSchema, Reply, Stop

M = TypeVar("M", bound=BaseModel)
S = TypeVar("S", bound=msgspec.Struct)


@cache
def output_schema(shape: type[BaseModel]) -> OutputSchema:
    """The schema of a class, by its name. Raises TypeError when strict mode would not take it."""
    schema = shape.model_json_schema()
    for where, part in _objects(schema, shape.__name__):
        if part.get("additionalProperties") is not False:
            raise TypeError(f"{where}: set extra='forbid'")
        if set(part.get("required", ())) != set(part.get("properties", ())):
            raise TypeError(f"{where}: no field may have a default")
    return OutputSchema(name=shape.__name__, schema=schema)


def read_reply(reply: Reply, shape: type[M]) -> M:
    """The answer as its class. Raises ReplyCutOff, ModelDeclined or BadReply with a sentence for the model."""
    if reply.stop is Stop.DECLINED:
        raise ModelDeclined("The model declined to answer.")
    if reply.stop is Stop.LENGTH:
        raise ReplyCutOff("The answer was longer than it may be and was cut off; be brief.")
    try:
        return shape.model_validate_json(_bare(reply.text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise BadReply(f"The answer does not fit the schema: {where}: {first['msg']}.") from None


def _bare(text: str) -> str:
    """Without the code fence that some servers put around JSON."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    return text


def _objects(part: Any, where: str) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(part, dict):
        inner = cast("dict[str, Any]", part)
        if inner.get("type") == "object":
            found.append((where, inner))
        for key, value in inner.items():
            found += _objects(value, f"{where}.{key}")
    elif isinstance(part, list):
        for value in cast("list[Any]", part):
            found += _objects(value, where)
    return found


def as_struct(value: BaseModel, kind: type[S]) -> S:
    """A checked answer as one of our structs with the same fields."""
    return msgspec.convert(value.model_dump(mode="json"), kind)
