"""Who answers at SimText: minds, and routes that choose by model, tools, schema name, last user text. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import msgspec


class TextQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """One request, whichever of the two APIs it came by. `history` is (role, text) of every item, oldest first."""

    model: str
    instructions: str
    history: tuple[tuple[str, str], ...]
    tools: tuple[str, ...] = ()
    tool_parameters: Mapping[str, Mapping[str, Any]] = {}
    schema_name: str = ""
    schema: Mapping[str, Any] | None = None

    @property
    def last_user_text(self) -> str:
        """What was said to the model last."""
        return next((text for role, text in reversed(self.history) if role == "user"), "")


class TextAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the model says: text (JSON text for a schema), calls as (name, JSON arguments), or a refusal."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    refusal: str = ""


class Mind(Protocol):
    """Answers questions."""

    def answer(self, question: TextQuestion) -> TextAnswer: ...


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions that all must hold, and the mind for them; None and empty conditions always hold."""

    mind: Mind
    model: str | None = None
    tool: str | None = None
    schema: str | None = None
    contains: str = ""

    def fits(self, question: TextQuestion) -> bool:
        """Whether this mind answers the question."""
        return (
            self.model in (None, question.model)
            and (self.tool is None or self.tool in question.tools)
            and self.schema in (None, question.schema_name)
            and self.contains in question.last_user_text
        )


class ScriptedMind:
    """Gives its answers in order; the last one again when they are used up."""

    def __init__(self, answers: Iterable[TextAnswer]) -> None:
        self._answers = list(answers)
        self.asked: list[TextQuestion] = []

    def answer(self, question: TextQuestion) -> TextAnswer:
        self.asked.append(question)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


class MinimalMind:
    """The default: a minimal valid object for the schema, a call of the first tool, or "ok"."""

    def answer(self, question: TextQuestion) -> TextAnswer:
        if question.schema is not None:
            return TextAnswer(text=encoded(minimal(question.schema, question.schema)))
        if question.tools and not any(role == "tool" for role, _ in question.history):
            name = question.tools[0]
            parameters = question.tool_parameters[name]
            return TextAnswer(calls=((name, encoded(minimal(parameters, parameters))),))
        return TextAnswer(text="ok")


def encoded(value: object) -> str:
    """JSON text."""
    return msgspec.json.encode(value).decode()


def minimal(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The smallest value that fits a JSON schema of the strict kind (closed objects, $defs, anyOf, enum)."""
    if "$ref" in schema:
        return minimal(root["$defs"][str(schema["$ref"]).rpartition("/")[2]], root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for union in ("anyOf", "oneOf"):
        if union in schema:
            options = cast("list[Mapping[str, Any]]", schema[union])
            nothing = next((one for one in options if one.get("type") == "null"), None)
            return None if nothing is not None else minimal(options[0], root)
    return _plain(schema, root)


def _plain(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = cast("list[str]", kind)
        kind = "null" if "null" in kinds else kinds[0]
    if kind == "object":
        properties = cast("Mapping[str, Mapping[str, Any]]", schema.get("properties", {}))
        return {name: minimal(properties[name], root) for name in schema.get("required", properties)}
    if kind == "array":
        return [minimal(schema["items"], root)] * int(schema.get("minItems", 0))
    if kind == "string":
        return "x" * max(int(schema.get("minLength", 0)), 0)
    if kind in {"integer", "number"}:
        return schema.get("minimum", 0)
    return False if kind == "boolean" else None
