"""Pure: the OpenAPI document as a page shows it: a chapter for each resource, a paragraph for each route."""

from typing import Any

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter, or a key of a body."""

    name: str
    place: str
    kind: str
    needed: bool
    about: str


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One route."""

    method: str
    path: str
    summary: str
    about: str
    fields: list[Field]
    answers: list[tuple[str, str, list[Field]]]
    """Status, kind of what is answered, its keys."""


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """The routes of a resource."""

    name: str
    operations: list[Operation]


def chapters(document: dict[str, Any]) -> list[Chapter]:
    """By the first part of the path behind the version, in alphabetical order."""
    found: dict[str, list[Operation]] = {}
    for path, item in sorted(document["paths"].items()):
        name = path.split("/")[3]
        for method, operation in item.items():
            found.setdefault(name, []).append(_operation(document, method.upper(), path, operation))
    return [Chapter(name=name, operations=operations) for name, operations in sorted(found.items())]


def _operation(document: dict[str, Any], method: str, path: str, told: dict[str, Any]) -> Operation:
    fields = [
        Field(
            name=one["name"],
            place=one["in"],
            kind=kind(document, one["schema"]),
            needed=one.get("required", False),
            about=one.get("description", ""),
        )
        for one in told.get("parameters", [])
    ]
    for content in told.get("requestBody", {}).get("content", {}).values():
        fields += _keys(document, content["schema"])
    answers: list[tuple[str, str, list[Field]]] = []
    for status, answer in sorted(told["responses"].items()):
        for content in answer.get("content", {}).values():
            if status != "default":
                schema = content.get("schema", {})
                answers.append((status, kind(document, schema), _keys(document, schema, "answer")))
    return Operation(
        method=method,
        path=path,
        summary=told["summary"],
        about=told["description"],
        fields=fields,
        answers=answers,
    )


def kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """The type of a value in a few words."""
    if "$ref" in schema:
        named = _resolved(document, schema)
        return kind(document, named) if "enum" in named else str(named.get("title", "object"))
    if options := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(dict.fromkeys(kind(document, one) for one in options))
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        inner: dict[str, Any] = schema.get("items", {})
        return f"list of {kind(document, inner)}" if inner else "list"
    told = schema.get("type", "anything")
    return " or ".join(told) if isinstance(told, list) else str(told)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _keys(document: dict[str, Any], schema: dict[str, Any], place: str = "body") -> list[Field]:
    """The keys of an object, and of the items of a page."""
    found = _resolved(document, schema)
    needed: list[str] = found.get("required", [])
    fields: list[Field] = []
    for name, one in found.get("properties", {}).items():
        fields.append(
            Field(
                name=name,
                place=place,
                kind=kind(document, one),
                needed=name in needed,
                about=one.get("description", ""),
            )
        )
        inner = _resolved(document, one.get("items", {}))
        if place == "answer" and name == "items":
            fields += [
                msgspec.structs.replace(each, name=f"items[].{each.name}")
                for each in _keys(document, inner, place)
            ]
    return fields


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return document["components"]["schemas"].get(name, {}) if name else schema
