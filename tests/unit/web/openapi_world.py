"""What an OpenAPI document allows: values that fit a schema, values that do not, what is wrong with an answer."""

import json
from typing import Any

import jsonschema_rs
from hypothesis import strategies as st

Schema = dict[str, Any]
HOSTILE = ("", "\x00", "💩", "' OR 1=1 --", "../../etc/passwd", "null", "9" * 40, "-1", "é" * 300, "%00", "\u202e")
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON."""


class Document:
    """The document, with what its names stand for."""

    def __init__(self, document: Schema) -> None:
        self.paths: dict[str, dict[str, Schema]] = document["paths"]
        self._components: Schema = document["components"]

    @property
    def operations(self) -> list[tuple[str, str]]:
        """(method, path) of all; what removes rows comes last."""
        found = [(method, path) for path, item in self.paths.items() for method in item]
        return sorted(found, key=lambda one: (["get", "post", "put", "patch", "delete"].index(one[0]), one[1]))

    def complaints(self, schema: Schema, value: Any) -> list[str]:
        """In what a value does not fit."""
        whole = {
            **schema,
            "components": self._components,
            "$schema": "https://json-schema.org/draft/2020-12/schema",
        }
        return [
            f"{one.instance_path}: {one.message}" for one in jsonschema_rs.validator_for(whole).iter_errors(value)
        ]

    def fitting(self, schema: Schema, depth: int = 0) -> st.SearchStrategy[Any]:
        """Values that the schema allows, as far as it says."""
        if "$ref" in schema:
            return self.fitting(self._components["schemas"][schema["$ref"].rpartition("/")[2]], depth + 1)
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if choices := schema.get("oneOf") or schema.get("anyOf"):
            return st.one_of([self.fitting(one, depth + 1) for one in choices])
        kinds = schema.get("type", "object")
        return st.one_of(
            [self._of(kind, schema, depth) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        )

    def _of(self, kind: str, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
        match kind:
            case "string":
                if "pattern" in schema:
                    return st.from_regex(schema["pattern"], fullmatch=True)
                least, most = schema.get("minLength", 0), schema.get("maxLength", 60)
                return st.text(min_size=least, max_size=max(least, min(most, 60))) | st.just("words"[:most])
            case "integer" | "number":
                least = schema.get("minimum", schema.get("exclusiveMinimum", -(2**63)))
                most = schema.get("maximum", schema.get("exclusiveMaximum", 2**63 - 1))
                return st.integers(int(least), int(most))
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
            case "array":
                items, least = schema.get("items", {}), schema.get("minItems", 0)
                most = max(least, min(schema.get("maxItems", 3), 0 if depth > 6 else 3))
                return st.lists(self.fitting(items, depth + 1), min_size=least, max_size=most)
            case _:
                return self._object(schema, depth)

    def _object(self, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
        known, needed = schema.get("properties", {}), set(schema.get("required", ()))
        if not known:
            inner = schema.get("additionalProperties")
            values = self.fitting(inner, depth + 1) if isinstance(inner, dict) and inner else ANYTHING
            return st.dictionaries(st.text(max_size=10), values, max_size=3)
        made = {name: self.fitting(one, depth + 1) for name, one in known.items()}
        return st.fixed_dictionaries(
            {name: made[name] for name in made if name in needed},
            optional={name: made[name] for name in made if name not in needed and depth < 6},
        )

    def spoiled(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Anything, or a fitting object of which one key is anything, missing or strange."""

        @st.composite
        def one(draw: st.DrawFn) -> Any:
            value = draw(self.fitting(schema))
            if not isinstance(value, dict) or not value:
                return draw(ANYTHING)
            name, how = draw(st.sampled_from(sorted(value))), draw(st.integers(0, 2))
            if how == 0:
                return {key: kept for key, kept in value.items() if key != name}
            return {**value, name if how == 1 else draw(st.text(max_size=5)): draw(ANYTHING)}

        return one() | ANYTHING


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Two of three are good."""
    return st.integers(0, 2).flatmap(lambda n: bad if n == 2 else good)


def sendable(value: Any) -> bytes:
    """A body; lone surrogates, which are no text, cannot be sent as UTF-8."""
    return json.dumps(value).encode("utf-8", "replace")
