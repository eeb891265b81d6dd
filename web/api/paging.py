"""Lists in pages. A cursor is the key of the last row shown, so rows that come meanwhile shift nothing.

It is opaque, and bound to its tenant and list by a check sum. That keeps programs from guessing at it; it is no
lock, since every query carries the tenant's id anyway.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from app.errors import ValidationFailed
from web.auth import Connection, signed_in

T = TypeVar("T")
R = TypeVar("R")
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
CHECK_BYTES = 6
Key = tuple[str | int, ...]
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many items a page has at most.")]
Cursor = Annotated[
    str | None, QueryParameter(description="`next_cursor` of the page before; without it the first page.")
]


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some items. `next_cursor` is given with the next request; null: that was all."""

    items: list[T]
    next_cursor: str | None = None


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page begins: behind the key `after` (None: at the start). Fetch `limit` + 1 rows."""

    scope: str
    limit: int
    after: Key | None = None

    def cursor(self, key: Key) -> str:
        """What a list that finds its own places answers as `next_cursor`."""
        return _cursor(self.scope, key)

    def page(self, rows: Sequence[R], *, key: Callable[[R], Key], shown: Callable[[R], T]) -> Page[T]:
        """The page of what was fetched; the row too many only says that there is more."""
        kept = rows[: self.limit]
        more = len(rows) > self.limit
        return Page(
            items=[shown(row) for row in kept], next_cursor=_cursor(self.scope, key(kept[-1])) if more else None
        )


def paging(request: Connection, name: str, cursor: str | None, limit: int, *kinds: type) -> Paging:
    """Read what a program gave. `kinds` are the types of the key's parts. Raises ValidationFailed."""
    scope = f"{signed_in(request).tenant_id} {name}"
    return Paging(scope=scope, limit=limit, after=None if cursor is None else _key(scope, cursor, kinds))


def _cursor(scope: str, key: Key) -> str:
    body = msgspec.json.encode(key)
    return base64.urlsafe_b64encode(_check(scope, body) + body).rstrip(b"=").decode()


def _key(scope: str, cursor: str, kinds: tuple[type, ...]) -> Key:
    refused = ValidationFailed("This cursor is not one of this list; begin without one.", code="bad_cursor")
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        key: Any = msgspec.json.decode(raw[CHECK_BYTES:], type=tuple[kinds])
    except (ValueError, msgspec.MsgspecError) as fault:
        raise refused from fault
    if raw[:CHECK_BYTES] != _check(scope, raw[CHECK_BYTES:]):
        raise refused
    return key


def _check(scope: str, body: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + body).digest()[:CHECK_BYTES]
