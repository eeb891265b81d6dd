"""Asks an address that an operator set, through the guarded client, for JSON."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

import msgspec

from app.guarded_http import GuardedClient, HostRules
from app.guarded_http.rules import origin_of
from app.llm.lookups.found import LookupFailed


class Service:
    """One base address. It may lie in the operator's own network, for the operator wrote it into the settings;
    what it redirects to may not.
    """

    def __init__(self, client: GuardedClient, base_url: str) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._origin = origin_of(self._base_url)
        self._rules = HostRules(only=frozenset({self._origin.host}), trusted=frozenset({self._origin}))

    async def get(self, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
        """The JSON at a path. Raises LookupFailed, UrlRefused, FetchFailed."""
        return await self._ask("GET", f"{path}?{urlencode(query)}", headers, None)

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON a JSON body is answered with; a body of text goes as a form's `data`. Raises as `get`."""
        if isinstance(body, str):
            form = urlencode({"data": body}).encode()
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return await self._ask("POST", path, {**kind, **(headers or {})}, form)
        kind = {"Content-Type": "application/json"}
        return await self._ask("POST", path, {**kind, **(headers or {})}, msgspec.json.encode(body))

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] | None, body: bytes | None) -> Any:
        wanted = {"Accept": "application/json", **(headers or {})}
        fetched = await self._client.fetch(
            self._base_url + path, self._rules, method=method, headers=wanted, body=body
        )
        if fetched.status != 200:
            raise LookupFailed(f"{self._origin.host} answered HTTP {fetched.status}.")
        try:
            return msgspec.json.decode(fetched.body)
        except msgspec.DecodeError:
            raise LookupFailed(f"{self._origin.host} did not answer in JSON.") from None


def objects(value: Any, *path: str) -> list[dict[str, Any]]:
    """The objects in a list at a path; whatever does not look so is nothing."""
    for name in path:
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return [one for one in cast("list[Any]", value) if isinstance(one, dict)] if isinstance(value, list) else []


def text_of(value: Any, *path: str) -> str:
    """The text at a path, or nothing."""
    for name in path:
        value = cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
