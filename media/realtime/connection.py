"""The model's WebSocket: open, send, append audio, receive, close (RFC 6455 by `websockets`).

A thin shell: what to send and when to connect again is decided by `media.realtime.session`. Sends never wait;
audio that the network does not take is dropped after a second, oldest first. Used by the engine's leg.
"""

import asyncio
import contextlib
import fcntl
import logging
import ssl
import sys
from collections import deque
from collections.abc import Callable
from functools import cache, partial
from urllib.parse import quote

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from media.errors import MediaError, MediaUsageError
from media.realtime.decoding import decode
from media.realtime.events import ErrorInfo, ServerEvent
from media.realtime.input_audio import BYTES_PER_MS
from media.realtime.session_model import Disconnected
from media.realtime.settings import AudioFormat

logger = logging.getLogger(__name__)

WAITING_MS = 1_000
"""Audio kept while the network takes nothing: a loop that stalled hands over as much at once; older is dropped."""
KERNEL_MS = 200
"""Audio the kernel may hold unsent: what it has nobody can drop any more."""
MAX_FRAME_BYTES = 16 * 1024 * 1024
PING_INTERVAL_S = 10
PING_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 2
ABNORMAL_CLOSURE = 1006
_FRAME_OVERHEAD = 80
_SIOCOUTQNSD = 0x894B  # linux/sockios.h: bytes of a TCP socket that were not sent yet
_APPEND_MS = 20


@cache
def tls_context() -> ssl.SSLContext:
    """Certificates and names are checked against the machine's trust store, read once: it takes some 20 ms."""
    return ssl.create_default_context()


class ConnectError(MediaError):
    """The WebSocket could not be opened. `status` and `code` are those of a refused upgrade, if it was one."""

    def __init__(self, message: str, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


class _ErrorBody(msgspec.Struct, frozen=True):
    error: ErrorInfo


class RealtimeConnection:
    """One WebSocket to a Realtime server; good for one `open`. Calls are for the event loop's thread.

    `url` is the endpoint without the model, e.g. `wss://api.openai.com/v1/realtime`.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        model: str,
        *,
        audio_format: AudioFormat = "audio/pcmu",
        open_timeout_s: float = 10.0,
        proxy: str | None = None,
    ) -> None:
        self.audio_dropped_bytes = 0
        """Audio thrown away because the network was too slow."""
        self._url = f"{url}{'&' if '?' in url else '?'}model={quote(model, safe='')}"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._open_timeout_s = open_timeout_s
        self._proxy = proxy
        self._buffer_bytes = WAITING_MS * BYTES_PER_MS[audio_format]
        wire_bytes_per_append = _APPEND_MS * BYTES_PER_MS[audio_format] * 4 // 3 + _FRAME_OVERHEAD
        self._kernel_bytes = KERNEL_MS // _APPEND_MS * wire_bytes_per_append
        self._socket: ClientConnection | None = None
        self._descriptor = -1
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._waiting_bytes = 0

    async def open(self) -> None:
        """Connect. Raises `ConnectError`."""
        if self._socket is not None:
            raise MediaUsageError("a RealtimeConnection is opened once")
        # Left out for ws://, so that a redirect from there to wss:// works.
        secure = self._url.lower().startswith("wss:")
        dial = partial(connect, ssl=tls_context()) if secure else connect
        try:
            self._socket = await dial(
                self._url,
                additional_headers=self._headers,
                compression=None,
                max_size=MAX_FRAME_BYTES,
                open_timeout=self._open_timeout_s,
                ping_interval=PING_INTERVAL_S,
                ping_timeout=PING_TIMEOUT_S,
                close_timeout=CLOSE_TIMEOUT_S,
                proxy=self._proxy,
            )
        except InvalidStatus as error:
            raise _refused(error) from error
        except TimeoutError as error:
            raise ConnectError(f"no answer within {self._open_timeout_s:g} s") from error
        except (OSError, ValueError, WebSocketException) as error:
            raise ConnectError(f"{type(error).__name__}: {error}") from error
        descriptor: int = self._socket.transport.get_extra_info("socket").fileno()
        self._descriptor = descriptor

    def send(self, frame: bytes) -> None:
        """Send one client event (JSON, UTF-8). Without effect once the connection is closing: `receive` tells."""
        if self._socket is not None:
            broadcast((self._socket,), frame, text=True)

    def append(self, frame: bytes, audio_bytes: int) -> int:
        """Send one `input_audio_buffer.append` holding `audio_bytes` of audio.

        Returns how many bytes of audio were dropped by this call, usually 0 (tell `RealtimeSession.audio_lost`).
        """
        if self._socket is None:
            return audio_bytes
        self._waiting.append((frame, audio_bytes))
        self._waiting_bytes += audio_bytes
        while self._waiting and self._takes_more(self._socket):
            waiting_frame, waiting_bytes = self._waiting.popleft()
            self._waiting_bytes -= waiting_bytes
            broadcast((self._socket,), waiting_frame, text=True)
        return self._drop_oldest() if self._waiting_bytes > self._buffer_bytes else 0

    async def receive(self, on_event: Callable[[ServerEvent], None]) -> Disconnected:
        """Hand every event to `on_event` until the connection ends, by whichever side; says how it ended."""
        if self._socket is None:
            raise MediaUsageError("open comes before receive")
        try:
            while True:
                on_event(decode(await self._socket.recv(decode=False)))
        except ConnectionClosed as error:
            return _ended(error)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, waiting `CLOSE_TIMEOUT_S` at most. Harmless when it is closed already."""
        if self._socket is not None:
            self._waiting.clear()
            await self._socket.close(code, reason)

    def _takes_more(self, connection: ClientConnection) -> bool:
        """Nothing waits in the transport, and in the kernel not too much: below TLS a transport does not tell."""
        return connection.transport.get_write_buffer_size() == 0 and self._unsent_bytes() < self._kernel_bytes

    def _unsent_bytes(self) -> int:
        try:
            return int.from_bytes(fcntl.ioctl(self._descriptor, _SIOCOUTQNSD, bytes(4)), sys.byteorder)
        except OSError:  # closed, or a system that does not know it
            return 0

    def _drop_oldest(self) -> int:
        dropped = 0
        while self._waiting_bytes > self._buffer_bytes:
            _, waiting_bytes = self._waiting.popleft()
            self._waiting_bytes -= waiting_bytes
            dropped += waiting_bytes
        if self.audio_dropped_bytes == 0:
            logger.warning("model connection is too slow: audio is being dropped")
        self.audio_dropped_bytes += dropped
        return dropped


class SocketLife:
    """One connection, the task that lives it, and how it is to be closed."""

    def __init__(self, connection: RealtimeConnection) -> None:
        self.connection = connection
        self.task: asyncio.Task[None] | None = None
        self.close_code = 1000
        self.close_reason = ""


def _refused(error: InvalidStatus) -> ConnectError:
    status = error.response.status_code
    info = ErrorInfo()
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        info = msgspec.json.decode(error.response.body or b"", type=_ErrorBody).error
    return ConnectError(info.message or f"the server refused with HTTP {status}", status, info.code or "")


def _ended(error: ConnectionClosed) -> Disconnected:
    frame = error.rcvd or error.sent
    if frame is None:
        return Disconnected(code=ABNORMAL_CLOSURE, reason=str(error.__cause__ or ""))
    return Disconnected(code=frame.code, reason=frame.reason)
