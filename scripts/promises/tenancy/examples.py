"""A body that a route takes, made from the type it declares; ids in it are given by name."""

from collections.abc import Callable
from typing import Any

from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from msgspec import inspect

from scripts.promises.tenancy.rows import NUMBER
from scripts.promises.tenancy.world import PARAMETERS

Ids = Callable[[str], str]
TEXTS = {
    "email": "somebody.new@else.example",
    "number": NUMBER[:-1] + "5",
    "phone": NUMBER[:-1] + "5",
    "answer": "yes",
    "zone": "UTC",
    "language": "en",
    "url": "https://hooks.example/x",
}
"""By name, where any text will not do."""
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/calls/{call_id}/commands"): {"kind": "say", "payload": {"text": "Hello"}},
    ("POST", "/api/v1/calls/{call_id}/commands"): {"kind": "say", "payload": {"text": "Hello"}},
}
"""Of routes whose type does not say all."""
RAW = {("POST", "/api/v1/imports")}
"""Routes that take a file as their body."""
FILE = ("list.csv", f"number,name\n{NUMBER},Ann\n".encode(), "text/csv")


def request_of(handler: HTTPRouteHandler, method: str, path: str, ids: Ids) -> dict[str, Any]:
    """What `TestClient.request` is given beside method and address."""
    if (method, path) in RAW:
        return {"content": FILE[1], "headers": {"content-type": FILE[2]}}
    if (fixed := BODIES.get((method, path))) is not None:
        return {"json": _with_ids(fixed, ids)}
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is None:
        return {}
    kind = getattr(data.kwarg_definition, "media_type", RequestEncodingType.JSON)
    if kind == RequestEncodingType.MULTI_PART:
        return _multipart(data.annotation, ids)
    body = example(inspect.type_info(data.annotation), "", ids)
    if kind == RequestEncodingType.URL_ENCODED:
        return {"data": {name: value for name, value in body.items() if value is not None}}
    return {"json": body}


def _multipart(annotation: Any, ids: Ids) -> dict[str, Any]:
    if annotation is UploadFile:
        return {"files": {"data": FILE}}
    fields = getattr(annotation, "__annotations__", {})
    files = {name: FILE for name, kind in fields.items() if "UploadFile" in str(kind)}
    return {
        "files": files or {"file": FILE},
        "data": {name: _text(name, ids) for name in fields if name not in files},
    }


def example(kind: inspect.Type, name: str, ids: Ids) -> Any:
    """A value of this type. Of an object only what it needs, and what names a row."""
    match kind:
        case inspect.Metadata(type=inner):
            return example(inner, name, ids)
        case inspect.StructType(fields=fields):
            wanted = [one for one in fields if one.required or one.name in PARAMETERS or one.name in TEXTS]
            made = {one.encode_name: example(one.type, one.name, ids) for one in wanted}
            return made | ({kind.tag_field: kind.tag} if kind.tag_field else {})
        case inspect.StrType(min_length=at_least, max_length=at_most):
            return _text(name, ids)[: at_most or None].ljust(at_least or 0, "x")
        case inspect.IntType() | inspect.FloatType():
            return int(kind.ge or 0) or int(kind.gt or 0) + 1
        case inspect.BoolType():
            return True
        case inspect.EnumType(cls=cls):
            return next(iter(cls)).value
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.UnionType(types=types):
            kinds = [one for one in types if not isinstance(one, inspect.NoneType)]
            return example(kinds[0], name, ids)
        case (
            inspect.ListType(item_type=inner)
            | inspect.VarTupleType(item_type=inner)
            | inspect.SetType(item_type=inner)
        ):
            return [example(inner, name.removesuffix("s"), ids)]
        case _:
            return {}


def _text(name: str, ids: Ids) -> str:
    return ids(name) if name in PARAMETERS else TEXTS.get(name, "words")


def _with_ids(body: dict[str, Any], ids: Ids) -> dict[str, Any]:
    return {name: ids(name) if name in PARAMETERS else value for name, value in body.items()}


def ids_in(value: Any) -> set[str]:
    """Names of rows that a request's body carries."""
    if isinstance(value, dict):
        own = {name for name in value if name in PARAMETERS}
        return own.union(*(ids_in(one) for one in value.values())) if value else own
    if isinstance(value, list | tuple):
        return set().union(*(ids_in(one) for one in value))
    return set()
