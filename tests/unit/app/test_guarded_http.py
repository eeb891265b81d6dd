"""The guarded HTTP client: addresses that lead inside, names that change their mind, redirects, caps."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.guarded_http import FetchFailed, GuardedClient, HostRules, Origin, UrlRefused
from app.guarded_http.rules import checked

pytestmark = pytest.mark.anyio
INSIDE = (
    *Path(__file__).with_name("inner_urls.txt").read_text(encoding="utf-8").splitlines(),
    "https://example.com\\@127.0.0.1/",
    "https://example.com/\r\nHost: internal",
)
PUBLIC = (
    "https://example.com/a?b=c",
    "https://EXAMPLE.com./",
    "https://bücher.example.org/",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/",
    "https://example.com:443/",
)


class World:
    """A server on loopback that stands for the internal network, and what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.hits: list[str] = []
        self.names: dict[str, list[list[str]]] = {}

    async def resolve(self, host: str, port: int) -> list[str]:
        """As scripted: the next answer of a name, the last one again; everything else is loopback."""
        answers = self.names.get(host, [["127.0.0.1"]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def rules(self) -> HostRules:
        return HostRules(trusted=frozenset({Origin("http", "search.office.example", self.port)}))

    def url(self, path: str) -> str:
        return f"http://search.office.example:{self.port}{path}"


@pytest.fixture
async def world(anyio_backend: str) -> AsyncIterator[World]:
    del anyio_backend
    found = World(0)

    async def serve(request: web.Request) -> web.StreamResponse:
        found.hits.append(request.path)
        match request.path:
            case "/away":
                raise web.HTTPFound(request.query["to"])
            case "/loop":
                raise web.HTTPFound("/loop")
            case "/once":
                raise web.HTTPSeeOther("/ok")
            case "/big":
                return web.Response(body=b"x" * 50_000)
            case "/bomb":
                headers = {"Content-Encoding": "gzip"}
                return web.Response(body=gzip.compress(b"0" * 5_000_000), headers=headers)
            case "/slow":
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(200):
                    await response.write(b".")
                    await asyncio.sleep(0.05)
                return response
            case _:
                return web.json_response({name.lower(): value for name, value in request.headers.items()})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


def test_the_corpus_is_large() -> None:
    assert len(set(INSIDE)) == len(INSIDE) >= 60


@pytest.mark.parametrize("url", INSIDE)
async def test_no_address_leads_inside(world: World, url: str) -> None:
    async with GuardedClient(resolve=world.resolve, timeout_s=2) as client:
        with pytest.raises(UrlRefused):
            await client.fetch(url, HostRules())
    assert not world.hits


@pytest.mark.parametrize("url", PUBLIC)
def test_public_addresses_are_let_through(url: str) -> None:
    assert checked(url, HostRules()).scheme == "https"


@pytest.mark.parametrize(
    "inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1", "64:ff9b::7f00:1"]
)
async def test_a_public_name_with_an_inner_address_is_refused(world: World, inside: str) -> None:
    world.names["evil.example"] = [["8.8.8.8", inside]]
    async with GuardedClient(resolve=world.resolve, timeout_s=2) as client:
        with pytest.raises(UrlRefused, match="private"):
            await client.fetch("https://evil.example/", HostRules())
    assert not world.hits


async def test_a_name_that_changes_its_mind_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is checked, internal when it would be asked again."""
    asked: list[str] = []
    dialed: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["8.8.8.8"] if len(asked) % 2 else ["127.0.0.1"]

    async def start_connection(addr_infos: Any, **_: Any) -> Any:
        dialed.extend(info[4][0] for info in addr_infos)
        raise OSError("nothing leaves this machine")

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", start_connection)
    rules = HostRules(http=frozenset({"evil.example"}))
    async with GuardedClient(resolve=rebinding, timeout_s=2) as client:
        for expected in (FetchFailed, UrlRefused, FetchFailed, UrlRefused):
            with pytest.raises(expected):
                await client.fetch("http://evil.example/", rules)
    assert len(asked) == 4
    assert set(dialed) == {"8.8.8.8"}
    assert not world.hits


@pytest.mark.parametrize(
    "inside", ["http://127.0.0.1:{port}/x", "https://localhost/", "http://other.example:{port}/x"]
)
async def test_a_redirect_never_leads_inside(world: World, inside: str) -> None:
    target = inside.format(port=world.port)
    async with GuardedClient(resolve=world.resolve, timeout_s=2) as client:
        with pytest.raises(UrlRefused):
            await client.fetch(world.url(f"/away?to={target}"), world.rules())
    assert world.hits == ["/away"]


async def test_nobody_is_redirected_into_a_trusted_origin() -> None:
    trusted = HostRules(trusted=frozenset({Origin("http", "search.office.example", 80)}))
    with pytest.raises(UrlRefused):
        checked("http://search.office.example/", trusted, redirected=True)
    assert checked("http://search.office.example/", trusted).host == "search.office.example"


async def test_a_trusted_origin_answers_and_may_redirect_to_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with GuardedClient(resolve=world.resolve, timeout_s=2) as client:
        found = await client.fetch(world.url("/once"), world.rules(), headers={"X-Key": "k"})
    assert found.status == 200
    assert found.url.endswith("/ok")
    assert b'"x-key": "k"' in found.body
    assert world.hits == ["/once", "/ok"]


@pytest.mark.parametrize(
    ("path", "word"), [("/big", "more than"), ("/bomb", "more than"), ("/slow", "within"), ("/loop", "redirects")]
)
async def test_size_time_and_redirects_have_caps(world: World, path: str, word: str) -> None:
    async with GuardedClient(resolve=world.resolve, timeout_s=0.5, max_bytes=20_000) as client:
        with pytest.raises(FetchFailed, match=word):
            await client.fetch(world.url(path), world.rules())
    assert len(world.hits) <= 5


def test_a_tenant_may_name_the_only_hosts() -> None:
    rules = HostRules(only=frozenset({"api.example.com"}), http=frozenset({"api.example.com"}))
    assert checked("https://api.example.com/x", rules).host == "api.example.com"
    assert checked("http://api.example.com/x", rules).port == 80
    for url in ("https://example.com/", "https://api.example.com.evil.example/", "https://evilapi.example.com/"):
        with pytest.raises(UrlRefused, match="list"):
            checked(url, rules)


async def test_secrets_of_the_path_do_not_stand_in_errors(world: World) -> None:
    async with GuardedClient(resolve=world.resolve, timeout_s=0.5, max_bytes=10) as client:
        with pytest.raises(FetchFailed) as failed:
            await client.fetch(world.url("/big?token=canary"), world.rules())
    assert "canary" not in failed.value.message
