"""The model's WebSocket over TLS: who is trusted, what a slow network and a new connection cost."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from media.realtime import connection as module
from media.realtime.client_events import append_frame
from media.realtime.connection import ConnectError, RealtimeConnection

pytestmark = pytest.mark.anyio

NAME = "localhost"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that is its own authority, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    subprocess.run(
        [openssl, *made, *subject, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    return certificate, key


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's trust store holds the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    module.tls_context.cache_clear()
    yield
    module.tls_context.cache_clear()


class Names:
    """What clients asked for in the handshake (SNI)."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def __call__(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self.asked.append(name)


@asynccontextmanager
async def serving(certificate: tuple[Path, Path], names: Names) -> AsyncIterator[int]:
    """A server on localhost that says nothing; its port."""

    async def peer(server: ServerConnection) -> None:
        await server.wait_closed()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.sni_callback = names
    async with serve(peer, NAME, 0, ssl=context, compression=None) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.usefixtures("trusted")
async def test_a_trusted_server_is_asked_for_by_name_and_proxies_are_not(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    names = Names()
    async with serving(certificate, names) as port:
        connection = RealtimeConnection(f"wss://{NAME}:{port}/v1/realtime", "sk-test", "m")
        await connection.open()
        await connection.close()
    assert names.asked == [NAME]


async def test_a_certificate_of_nobody_we_trust_is_refused(certificate: tuple[Path, Path]) -> None:
    module.tls_context.cache_clear()
    async with serving(certificate, Names()) as port:
        with pytest.raises(ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await RealtimeConnection(f"wss://{NAME}:{port}/v1/realtime", "sk-test", "m").open()


@pytest.mark.usefixtures("trusted")
async def test_a_trusted_certificate_of_another_name_is_refused(certificate: tuple[Path, Path]) -> None:
    async with serving(certificate, Names()) as port:
        with pytest.raises(ConnectError, match="not valid for"):
            await RealtimeConnection(f"wss://127.0.0.1:{port}/v1/realtime", "sk-test", "m").open()


@pytest.mark.usefixtures("trusted")
async def test_the_trust_store_is_read_once_and_not_while_others_talk(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it takes some 20 ms, in which no call of this process sends a packet."""
    module.tls_context()

    def read_again(*_: object, **__: object) -> None:
        pytest.fail("the trust store was read for one connection")

    monkeypatch.setattr(ssl, "create_default_context", read_again)
    async with serving(certificate, Names()) as port:
        connection = RealtimeConnection(f"wss://{NAME}:{port}/v1/realtime", "sk-test", "m")
        await connection.open()
        await connection.close()


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_network_that_takes_nothing_is_given_no_more_than_can_still_be_dropped(
    certificate: tuple[Path, Path], scheme: str
) -> None:
    async def peer(server: ServerConnection) -> None:
        below = getattr(server.transport, "_ssl_protocol", None)
        (server.transport if below is None else below._transport).pause_reading()
        await server.wait_closed()

    context = None
    if scheme == "wss":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    async with serve(peer, NAME, 0, ssl=context, compression=None) as server:
        url = f"{scheme}://{NAME}:{server.sockets[0].getsockname()[1]}/v1/realtime"
        connection = RealtimeConnection(url, "sk-test", "m")
        await connection.open()
        dropped = number = 0
        while dropped < 16_000 and number < 90_000:
            number += 1
            dropped += connection.append(append_frame(b"\xff" * 160, number), 160)
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert dropped == 16_000
        transport = connection._socket.transport
        below = getattr(transport, "_ssl_protocol", None)
        waiting = (transport if below is None else below._transport).get_write_buffer_size()
        frame_bytes = len(append_frame(b"\xff" * 160, number)) + 100
        assert waiting <= frame_bytes  # and not the 64 KiB a transport likes: 4 s of speech
        assert connection._unsent_bytes() <= connection._kernel_bytes + frame_bytes
        transport.abort()
        for one in server.connections:
            one.transport.abort()
