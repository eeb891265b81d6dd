"""The JSON schema of a function's arguments, and whether what a model wrote fits it. Pure.

A schema may come from somebody else's server: nothing is fetched for its `$ref`s, its patterns run in linear time
(look-around and back references are refused), its size is bounded. Dialects: 2020-12 unless `$schema` names
2019-09 or a draft from 4 to 7.
"""

from collections.abc import Mapping
from typing import Any, cast

import jsonschema_rs
import msgspec

from app.errors import ValidationFailed

MAX_SCHEMA_BYTES = 16_000
MAX_ARGUMENT_BYTES = 8_000
MAX_PROBLEMS = 3
NOT_AT_THE_TOP = ("oneOf", "anyOf", "allOf", "not", "enum")
"""What the model's API refuses at the top of a function's schema, and the whole session with it."""
PATTERN_BYTES = 1 << 20
"""How large one compiled pattern may become."""


class ArgumentSchema:
    """`properties` and `required` are those of the top level. Raises ValidationFailed for one that is none."""

    def __init__(self, schema: Mapping[str, object]) -> None:
        if schema.get("type", "object") != "object":
            raise ValidationFailed("the arguments of a function are an object; the schema says otherwise.")
        if found := [word for word in NOT_AT_THE_TOP if word in schema]:
            raise ValidationFailed(
                f"{found[0]} stands at the top of the schema, where the model does not take it."
            )
        try:
            if len(msgspec.json.encode(schema)) > MAX_SCHEMA_BYTES:
                raise ValidationFailed(f"the schema is larger than {MAX_SCHEMA_BYTES} bytes.")
            self._validator = jsonschema_rs.validator_for(
                {"type": "object", **schema},
                mask="the value",
                offline=True,
                validate_formats=True,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES),
            )
        except (ValueError, jsonschema_rs.ReferencingError, RecursionError) as problem:
            raise ValidationFailed(f"the schema cannot be used: {_first_line(problem)}.") from None
        found, required = schema.get("properties"), schema.get("required")
        self.properties = frozenset(cast("dict[str, object]", found) if isinstance(found, dict) else {})
        self.required = frozenset(cast("list[str]", required) if isinstance(required, list) else [])

    def read(self, arguments: str) -> dict[str, Any]:
        """The arguments of a call. Raises ValidationFailed with a sentence that repeats no value."""
        if len(arguments.encode(errors="replace")) > MAX_ARGUMENT_BYTES:
            raise ValidationFailed(f"The arguments are longer than {MAX_ARGUMENT_BYTES} bytes.")
        try:
            given = msgspec.json.decode(arguments or "{}", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            raise ValidationFailed("The arguments are no JSON object.") from None
        problems: list[str] = []
        for error in self._validator.iter_errors(given):
            where = ".".join(str(part) for part in error.instance_path)
            problems.append(f"{where}: {error.message}" if where else error.message)
            if len(problems) == MAX_PROBLEMS:
                break
        if problems:
            raise ValidationFailed(f"The arguments do not fit: {'; '.join(problems)}."[:600])
        return given


def _first_line(problem: BaseException) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0][:200]
