"""The ARI client, in the vocabulary of ari-py: `client.channels.originate(...)`, `client.bridges.create(...)`.

One HTTP session for REST and the event websocket. Called by the runner, reconcile, the stream and `app`.
"""

from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from stasis.applications import Applications
from stasis.asterisk import Asterisk
from stasis.bridges import Bridges
from stasis.channels import Channels
from stasis.rest import Rest, operation

EVENTS = operation("GET", "/events", "app subscribeAll", bytes)
"""The websocket; its frames are decoded by `stasis.events`."""

CONNECTIONS = 16
"""At most this many at once; Asterisk's own limit is `sessionlimit` of http.conf."""
KEEPALIVE_S = 10.0
"""Below Asterisk's `session_keep_alive` of 15 s, or a POST dies on a connection Asterisk has just closed."""
MAX_EVENT_BYTES = 1 << 20


class AriClient:
    """`async with AriClient(...) as client:`. `base_url` ends in `/ari`; `timeout_s` bounds each request.

    The password goes into the Authorization header only, never into a URL, a log line or an error.
    """

    def __init__(self, base_url: str, username: str, password: str, app: str, timeout_s: float = 5.0) -> None:
        self.app = app
        self._base_url = base_url.rstrip("/")
        self._authorization = aiohttp.encode_basic_auth(username, password)
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE_S),
            headers={"Authorization": self._authorization},
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
        )
        rest = Rest(self._session, self._base_url)
        self.channels = Channels(rest)
        self.bridges = Bridges(rest)
        self.applications = Applications(rest)
        self.asterisk = Asterisk(rest)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def open_events(self, heartbeat_s: float) -> aiohttp.ClientWebSocketResponse:
        """Open the event websocket of our application; the newest one of a name gets the events.

        Raises aiohttp.ClientError or TimeoutError. A pong later than half the heartbeat closes it.
        """
        url = URL(f"{self._base_url}{EVENTS.path}").with_query(app=self.app)
        return await self._session.ws_connect(url, heartbeat=heartbeat_s, max_msg_size=MAX_EVENT_BYTES)
