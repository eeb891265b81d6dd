"""Fetches addresses that other people chose, without ever reaching into one's own network.

A name is resolved once per request, every address it gives is checked, and the connection goes to those very
addresses, so a name that changes its mind (DNS rebinding) changes nothing. Redirects are followed here, each
checked like the first. No proxy, no cookies, no credentials are taken from the environment.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from app.guarded_http.errors import FetchFailed, Unreachable, UrlRefused
from app.guarded_http.rules import HostRules, Origin, check_address, checked, literal, origin_of

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Addresses of a host name, as text."""
Enough = Callable[[bytes], bool]
"""Is given the body of the final answer piece by piece; True: the rest is not waited for."""
MAX_REDIRECTS = 4
MAX_BYTES = 2 * 1024 * 1024
TIMEOUT_S = 15.0
USER_AGENT = "OpenDeep"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT_HEADERS = frozenset({"accept", "accept-language", "user-agent"})
"""Headers that go along to another origin; keys never do."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; `url` is where it came from after redirects. Names of `headers` are lower case."""

    url: str
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = {}


class GuardedClient:
    """Async context manager. One per purpose; the rules come with each request, for they are a tenant's."""

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        max_bytes: int = MAX_BYTES,
        timeout_s: float = TIMEOUT_S,
        follow_redirects: bool = True,
    ) -> None:
        """Without `follow_redirects` a redirect is an answer like any other."""
        self._resolve = resolve or system_resolve
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._redirects = _REDIRECTS if follow_redirects else frozenset[int]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def fetch(
        self,
        url: str,
        rules: HostRules,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        enough: Enough | None = None,
        status_only: bool = False,
    ) -> Fetched:
        """Ask an address. Raises UrlRefused or FetchFailed (Unreachable before an answer began); all redirects
        together have one time limit. With `status_only` the body of the answer is not read, whatever it is.
        """
        origin = checked(url, rules)
        request = _Request(method, dict(headers or {}), body, enough, status_only=status_only)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(url, origin, rules, request)
        except TimeoutError:
            raise FetchFailed(f"{origin.host} did not answer within {self._timeout_s:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _refusal(error) or _failed(origin.host, error) from None

    async def _follow(self, url: str, origin: Origin, rules: HostRules, request: "_Request") -> Fetched:
        trusted = origin in rules.trusted
        for _ in range(MAX_REDIRECTS + 1):
            address = URL(url)
            if (address.host or "").removesuffix(".") != origin.host or address.port != origin.port:
                raise UrlRefused("The address can be read in two ways.")
            async with (
                self._session(_CheckedResolver(self._resolve, trusted=trusted)) as session,
                session.request(
                    request.method, address, headers=request.headers, data=request.body, allow_redirects=False
                ) as response,
            ):
                where = response.headers.get("Location")
                if response.status not in self._redirects or where is None:
                    return await self._read(url, response, request)
            url = urljoin(url, where)
            trusted = trusted and origin_of(url) == origin
            following = checked(url, rules, redirected=not trusted)
            request = request.after(response.status, same_origin=following == origin)
            origin = following
        raise FetchFailed(f"{origin.host} redirects more than {MAX_REDIRECTS} times.")

    @staticmethod
    def _session(resolver: "_CheckedResolver") -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=True,
            headers={"User-Agent": USER_AGENT},
            max_line_size=16_384,
            max_field_size=16_384,
        )
        # aiohttp would send PUT and DELETE again by itself when the connection breaks; there is no option for it.
        session._retry_connection = False  # pyright: ignore[reportPrivateUsage]
        return session

    async def _read(self, url: str, response: aiohttp.ClientResponse, request: "_Request") -> Fetched:
        body = b"" if request.status_only else await self._body(response, request.enough)
        return Fetched(
            url=url,
            status=response.status,
            content_type=response.headers.get("Content-Type", "")[:200],
            body=body,
            headers={name.lower(): value for name, value in response.headers.items()},
        )

    async def _body(self, response: aiohttp.ClientResponse, enough: Enough | None) -> bytes:
        """Unpacked, up to its cap: counted as it comes, so a packed bomb ends there as well."""
        found = bytearray()
        try:
            async for piece in response.content.iter_chunked(16_384):
                found += piece
                if len(found) > self._max_bytes:
                    raise FetchFailed(f"{response.url.host} sent more than {self._max_bytes} bytes.")
                if enough is not None and enough(piece):
                    break
        except aiohttp.ClientError as error:
            raise FetchFailed(f"{response.url.host} broke off its answer ({type(error).__name__}).") from None
        return bytes(found)


class _Request:
    """What is asked at each step of a redirect."""

    def __init__(
        self,
        method: str,
        headers: dict[str, str],
        body: bytes | None,
        enough: Enough | None = None,
        *,
        status_only: bool = False,
    ) -> None:
        self.method = method
        self.headers = headers
        self.body = body
        self.enough = enough
        self.status_only = status_only

    def after(self, status: int, *, same_origin: bool) -> "_Request":
        """The request that a redirect turns this one into (RFC 9110 15.4); keys and bodies stay."""
        method, body = self.method, self.body
        if status == 303 or (status in {301, 302} and method == "POST"):
            method, body = "GET", None
        if same_origin:
            return _Request(method, self.headers, body, self.enough, status_only=self.status_only)
        if body is not None:
            raise UrlRefused("The address redirects a request with content to another host.")
        kept = {name: value for name, value in self.headers.items() if name.lower() in _KEPT_HEADERS}
        return _Request(method, kept, body, self.enough, status_only=self.status_only)


class _CheckedResolver(AbstractResolver):
    """Gives aiohttp only addresses that were checked; it connects to nothing else."""

    def __init__(self, resolve: Resolve, *, trusted: bool) -> None:
        self._resolve = resolve
        self._trusted = trusted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = [literal(text) for text in await self._resolve(host, port)]
        if not addresses or None in addresses:
            raise OSError(f"{host} has no address")
        for address in addresses:
            if address is not None and not self._trusted:
                try:
                    check_address(address, host)
                except UrlRefused as refused:
                    raise _Inside(refused) from refused
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address and address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


class _Inside(OSError):
    """Carries a refusal through aiohttp, which wraps resolver errors."""

    def __init__(self, refused: UrlRefused) -> None:
        super().__init__(refused.message)
        self.refused = refused


def _refusal(error: BaseException | None) -> UrlRefused | None:
    while error is not None:
        if isinstance(error, _Inside):
            return error.refused
        error = error.__cause__ or error.__context__
    return None


def _failed(host: str, error: BaseException) -> FetchFailed:
    what = f"{host} gave no answer ({type(error).__name__})."
    tls = isinstance(error, aiohttp.ClientSSLError | ssl.SSLError)  # the next try would fail likewise
    if isinstance(error, aiohttp.ClientConnectionError | OSError) and not tls:
        return Unreachable(what)
    return FetchFailed(what)


async def system_resolve(host: str, port: int) -> list[str]:
    """The machine's resolver."""
    loop = asyncio.get_running_loop()
    found: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))
