"""SimRealtime: a WebSocket server that plays the OpenAI Realtime API on loopback.

    async with SimRealtime(brain=PoliteBrain) as sim:
        ... connect to sim.url with any bearer key, then look at sim.sessions[0].journal

Used by `opendeep demo`, by rehearsals and by the tests; also a program, see `__main__`.
"""

import asyncio
import json
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from app.sim.realtime.brain import Brain
from app.sim.realtime.faults import FaultKind, FaultPlan, Stage
from app.sim.realtime.options import SimOptions
from app.sim.realtime.polite import PoliteBrain
from app.sim.realtime.protocol_check import InvalidServerEvent
from app.sim.realtime.session import SessionSetup, SimSession
from app.sim.voice import ToneVoice, Voice

PATH = "/v1/realtime"
_MAX_FRAME_BYTES = 24 * 1024 * 1024


class SimRealtime:
    """Async context manager; `sessions` are in the order of their connection."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        brain: Callable[[], Brain] = PoliteBrain,
        voice: Voice | None = None,
        faults: FaultPlan | None = None,
        seed: int = 0,
        options: SimOptions | None = None,
        journal_dir: Path | None = None,
    ) -> None:
        """`brain` makes the mind of each session; `journal_dir` gets one JSONL file per session at its end."""
        self._host = host
        self._wanted_port = port
        self._brain = brain
        self._voice = voice or ToneVoice()
        self.faults = faults or FaultPlan(seed=seed)
        self._seed = seed
        self._options = options or SimOptions()
        self._journal_dir = journal_dir
        self._server: Server | None = None
        self._closing = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._bugs: list[InvalidServerEvent] = []
        self.sessions: list[SimSession] = []

    @property
    def port(self) -> int:
        """The port listened on."""
        if self._server is None:
            raise RuntimeError("SimRealtime is not running: use it in `async with`")
        return self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """WebSocket address without the query."""
        return f"ws://{self._host}:{self.port}{PATH}"

    @property
    def base_url(self) -> str:
        """For `AsyncOpenAI(base_url=...)`."""
        return f"http://{self._host}:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve_session,
            self._host,
            self._wanted_port,
            process_request=self._admit,
            compression=None,
            max_size=_MAX_FRAME_BYTES,
            open_timeout=None,
            server_header=None,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._bugs and error is None:
            raise self._bugs[0]

    async def session(
        self, condition: Callable[[SimSession], bool] = lambda _: True, timeout_s: float = 5.0
    ) -> SimSession:
        """The first session for which `condition` holds, waiting for one to connect; raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: any(map(condition, self.sessions)))
        return next(filter(condition, self.sessions))

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """The checks of the upgrade request; an answer refuses it."""
        fault = self.faults.take(Stage.UPGRADE)
        if fault is not None and fault.kind is FaultKind.HANG:
            await self._closing.wait()
            return _refusal(connection, 503, "simulated", "The simulation is over.")
        if fault is not None:
            return _refusal(connection, fault.status, "simulated", "Simulated refusal of the upgrade.")
        url = urlsplit(request.path)
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if url.path != PATH:
            return _refusal(connection, 404, "not_found", f"There is no {url.path} here.")
        if scheme.lower() != "bearer" or not key or self._options.api_key not in {None, key}:
            return _refusal(connection, 401, "invalid_api_key", "Incorrect API key provided.")
        if not parse_qs(url.query).get("model"):
            return _refusal(connection, 400, "missing_model", "You must provide a model parameter.")
        if "OpenAI-Beta" in request.headers:
            return _refusal(connection, 400, "beta_api_shape_disabled", "The beta protocol is gone.")
        return None

    async def _serve_session(self, connection: ServerConnection) -> None:
        session = SimSession(connection, self._setup(connection))
        self.sessions.append(session)
        async with self._arrived:
            self._arrived.notify_all()
        try:
            await session.run()
        except* InvalidServerEvent as group:
            self._bugs += [error for error in group.exceptions if isinstance(error, InvalidServerEvent)]
        if self._journal_dir is not None:
            session.journal.write_jsonl(self._journal_dir / f"{session.id}.jsonl")

    def _setup(self, connection: ServerConnection) -> SessionSetup:
        request = connection.request
        if request is None:
            raise RuntimeError("a session begins after its upgrade request")
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
        headers = {name: value for name, value in request.headers.raw_items() if name.lower() != "authorization"}
        return SessionSetup(
            query=query,
            headers=headers,
            brain=self._brain(),
            voice=self._voice,
            options=self._options,
            faults=self.faults,
            random=Random(f"{self._seed}/{len(self.sessions)}"),
            wall_time=int(time.time()),
        )


def _refusal(connection: ServerConnection, status: int, code: str, message: str) -> Response:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    response = connection.respond(HTTPStatus(status), json.dumps(body))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response
