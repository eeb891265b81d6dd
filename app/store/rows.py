"""From rows to structs: a struct's field names are its columns, in that order."""

from functools import cache
from typing import TypeVar, get_type_hints

import msgspec

from app.store.db import Row

S = TypeVar("S", bound=msgspec.Struct)


def with_columns(sql: str, kind: type[msgspec.Struct], table: str = "") -> str:
    """`sql` with `$columns` replaced by the columns of `kind`, each preceded by `table.` when given."""
    names = kind.__struct_fields__
    return sql.replace("$columns", ", ".join(f"{table}.{name}" if table else name for name in names))


def with_values(sql: str, kind: type[msgspec.Struct]) -> str:
    """`sql` with `$columns` and `$values` (named parameters) of `kind`, for an INSERT."""
    return with_columns(sql, kind).replace("$values", ", ".join(f":{name}" for name in kind.__struct_fields__))


def to_struct(kind: type[S], row: Row) -> S:
    """One row as a struct; strings become enums, 0 and 1 booleans, JSON text nothing (see each file)."""
    flags = _flags(kind)
    fields = {
        name: bool(value) if name in flags else value
        for name, value in zip(kind.__struct_fields__, row, strict=True)
    }
    return msgspec.convert(fields, kind)


def to_params(value: msgspec.Struct) -> dict[str, str | int | float | bytes | None]:
    """A struct as parameters of `with_values`."""
    return msgspec.structs.asdict(value)


@cache
def _flags(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(name for name, hint in get_type_hints(kind).items() if hint is bool)
