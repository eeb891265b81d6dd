"""One ARI request: from a row of the tables in `channels`, `bridges`, `applications`, `asterisk` to HTTP.

A table row says method, path, parameter names and reply in the words of Asterisk's `rest-api/*.json`; a test
compares them with the installed Asterisk, and `call` refuses a parameter the row does not name. POST parameters
ride in the JSON body, so that phone numbers and digits stay out of access logs.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from stasis.errors import AriTimeout, AriUnreachable, MalformedReply, error_for

Reply = TypeVar("Reply")
Argument = str | int | bool | Sequence[str] | Mapping[str, object] | None


class Operation(msgspec.Struct, Generic[Reply], frozen=True):
    """One row: `path` is a template, `parameters` those outside the path, `reply` the decoded 2xx body.

    `body` names the parameter whose value is the whole body (the event filter).
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    parameters: frozenset[str]
    reply: type[Reply]
    body: str | None = None


NOTHING = type(None)


def operation(
    method: Literal["GET", "POST", "PUT", "DELETE"],
    path: str,
    parameters: str,
    reply: type[Reply],
    body: str | None = None,
) -> Operation[Reply]:
    """A table row; `parameters` separated by blanks."""
    return Operation(method, path, frozenset(parameters.split()), reply, body)


class Rest:
    """Sends operations over one shared session.

    On a broken connection aiohttp itself sends GET, PUT and DELETE once more, and POST never: the first one may
    have been executed. Tests hold it to that.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")

    async def call(
        self, row: Operation[Reply], path: Mapping[str, str], arguments: Mapping[str, Argument] | None = None
    ) -> Reply:
        """Run one operation; `path` fills the template, None arguments are left out.

        Raises AriError for anything but a 2xx with the documented body, ValueError for a parameter not in the row.
        """
        given = {name: value for name, value in (arguments or {}).items() if value is not None}
        if not row.parameters.issuperset(given):
            raise ValueError(f"{row.method} {row.path} has no parameter {sorted(given.keys() - row.parameters)}")
        target = row.path.format_map({name: quote(value, safe="") for name, value in path.items()})
        status, body = await self._exchange(row, target, given)
        if not 200 <= status < 300:
            raise error_for(status, _sentence(body), row.method, target)
        if row.reply is NOTHING:
            return None  # pyright: ignore[reportReturnType]  Reply is None here, which a type variable cannot say
        try:
            return msgspec.json.decode(body, type=row.reply)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise MalformedReply(status, str(error), row.method, target) from error

    async def _exchange(
        self, row: Operation[Reply], target: str, given: Mapping[str, Argument]
    ) -> tuple[int, bytes]:
        query, body = _placed(row, given)
        # encoded=True: the path is quoted already, a second pass would turn %3B into %253B.
        url = URL(f"{self._base_url}{target}{query}", encoded=True)
        headers = {"Content-Type": "application/json"} if body is not None else None
        try:
            async with self._session.request(
                row.method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except TimeoutError as error:
            raise AriTimeout("no answer in time", row.method, target) from error
        except aiohttp.ClientConnectorError as error:
            raise AriUnreachable(f"cannot connect: {error}", row.method, target, sent=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise AriUnreachable(f"connection broke: {error}", row.method, target) from error


def _placed(row: Operation[Reply], given: Mapping[str, Argument]) -> tuple[str, bytes | None]:
    """Query string (with its question mark) and body of a request."""
    if row.body is not None:
        return "", msgspec.json.encode(given[row.body])
    if row.method == "POST":
        return "", msgspec.json.encode(given) if given else None
    pairs = [(name, _text(value)) for name, value in given.items()]
    return (f"?{urlencode(pairs)}" if pairs else ""), None


def _text(value: Argument) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class _ErrorBody(msgspec.Struct):
    """Asterisk says either `message` or `error`."""

    message: str | None = None
    error: str | None = None


def _sentence(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeError):
        return body[:200].decode("utf-8", "replace")
    return said.message or said.error or ""
