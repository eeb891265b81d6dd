"""The whole console over two filled tenants: who asks, what is asked, what came back."""

import contextlib
import io
import re
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
from anyio.from_thread import start_blocking_portal
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute, WebSocketRoute
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.people import Permission, Role
from app.logs import set_up_logs
from app.sim.text import MinimalMind, ScriptedMind, SimText, TextAnswer
from app.sim.text import Route as Way
from app.store.sqlite import SqliteDatabase
from scripts.promises.tenancy.examples import Ids, request_of
from scripts.promises.tenancy.watched import Watched
from scripts.promises.tenancy.world import (
    OF_ENDED_CALLS,
    OF_SPARE_CONTACTS,
    PARAMETERS,
    PLAIN,
    fill,
    record,
    tenant_tables,
)
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK
from web.app import create_app
from web.auth import EVERYBODY, NEEDS, SAFE_METHODS

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}
WEBSOCKET = "WEBSOCKET"
_MINDS = [
    Way(schema="PlannerReply", mind=MinimalMind()),
    Way(contains="words", mind=ScriptedMind([TextAnswer(text="[QUESTIONS_FOR_USER]\n- Which day?")])),
]
"""What the text model answers the plain-text road; else the least that fits."""
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the application answers. `need`: a permission, "everybody", or None when it says nothing."""

    method: str
    path: str
    need: Any
    handler: Any

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """Of the path, in order, by the name of their example."""
        return [self._example(name) for name in _PARAMETER.findall(self.path)]

    def _example(self, name: str) -> str:
        if name == "contact_id" and self.path in OF_SPARE_CONTACTS:
            return "spare_contact_id"
        return f"ended_{name}" if name == "call_id" and self.path in OF_ENDED_CALLS else name

    @property
    def rows(self) -> list[str]:
        """Those that name a row of a tenant: of the path and of the query."""
        query = getattr(self.handler, "parsed_fn_signature", None)
        path = set(_PARAMETER.findall(self.path))
        asked = [name for name in (query.parameters if query else ()) if name in PARAMETERS and name not in path]
        return list(dict.fromkeys([one for one in self.parameters if one in PARAMETERS] + asked))

    @property
    def unknown(self) -> list[str]:
        """Parameters of the path that the promise has no example for."""
        return [one for one in self.parameters if one not in PARAMETERS and one not in PLAIN]

    @property
    def public(self) -> bool:
        return self.need == EVERYBODY

    def allowed(self, grants: frozenset[Permission]) -> bool:
        return self.need in grants

    def request(self, ids: Ids) -> tuple[str, dict[str, Any]]:
        """Address and body."""
        address = _PARAMETER.sub(lambda found: ids(self._example(found[1])), self.path)
        query = {name: ids(name) for name in self.rows if name not in self.parameters}
        body: dict[str, Any] = {}
        if isinstance(self.handler, HTTPRouteHandler) and self.method not in SAFE_METHODS:
            body = request_of(self.handler, self.method, self.path, ids)
        return address, body | ({"params": query} if query else {})


class House:
    """A running console."""

    def __init__(self, client: TestClient[Litestar], db: Watched, sim: SimText, log: io.StringIO) -> None:
        self.client, self.db, self.sim, self.log = client, db, sim, log
        self.secrets: dict[tuple[str, Role, str], str] = {}
        self.path = Path()
        self.bus = MemoryBus()
        self.asked = 0
        self.models_asked = 0

    @property
    def routes(self) -> list[Route]:
        """Everything the application answers."""
        found: list[Route] = []
        for route in self.client.app.routes:
            if isinstance(route, HTTPRoute):
                for one in route.route_handlers:
                    for method in sorted(map(str, one.http_methods - {"HEAD", "OPTIONS"})):
                        found.append(
                            Route(method=method, path=route.path_format, need=one.opt.get(NEEDS), handler=one)
                        )
            elif isinstance(route, WebSocketRoute):
                one = route.route_handler
                found.append(Route(method=WEBSOCKET, path=route.path_format, need=one.opt.get(NEEDS), handler=one))
        return found

    def ask(self, route: Route, who: tuple[str, Role, str] | None, ids: Ids, **more: Any) -> Any:
        """One request as somebody, with a cookie or a token."""
        self.asked += 1
        address, body = route.request(ids)
        headers = self.shown(who) | ({} if route.method in SAFE_METHODS else ORIGIN) | more.pop("headers", {})
        headers |= body.pop("headers", {})
        return self.client.request(route.method, address, headers=headers, follow_redirects=False, **(body | more))

    def shown(self, who: tuple[str, Role, str] | None) -> dict[str, str]:
        """The headers that say who asks."""
        self.client.cookies.clear()
        if who is None:
            return {}
        secret = self.secrets[who]
        return {"cookie": f"opendeep={secret}"} if who[2] == "cookie" else {"authorization": f"Bearer {secret}"}


@contextlib.contextmanager
def house() -> Generator[House]:
    """Both tenants filled, the console over them, the text model behind HTTP."""
    log = io.StringIO()
    with (
        contextlib.redirect_stderr(log),
        tempfile.TemporaryDirectory(prefix="od-tenancy-") as folder,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(SimText()) as sim,
    ):
        set_up_logs("info", as_json=True)
        sim.routes[:] = _MINDS
        plain = SqliteDatabase(fresh_sqlite(Path(folder) / "house.db"))
        portal.call(plain.open)
        try:
            secrets = portal.call(fill, plain)
            watched = Watched(plain, tenant_tables(plain.path))
            values: dict[str, Any] = {
                "simulate": True,
                "ari_app": "x",
                "text_base_url": sim.base_url,
                "data_dir": folder,
            }
            values["api_requests_per_minute"] = values["sign_ins_per_minute"] = 0  # everything is asked at once
            bus = MemoryBus()
            settings = Settings.model_validate(values)
            record(settings.recordings_dir)
            app = create_app(settings, watched, bus, SystemClock(), QUICK)
            with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
                made = House(client, watched, sim, log)
                made.secrets, made.path, made.bus = secrets, plain.path, bus
                yield made
        finally:
            portal.call(plain.close)
            set_up_logs("critical", as_json=False)
