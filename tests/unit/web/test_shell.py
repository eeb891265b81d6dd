"""What every page has: places a role may go to, lights with a sentence, nothing that leads nowhere."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.messages import ConnectionChanged, ConnectionName, ConnectionState
from app.domain.people import GRANTS, Role
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import add_agent
from web.app import create_app
from web.auth import NEEDS
from web.lights import LABELS, Mark, dark, light
from web.render import GROUPS, PLACES

HOST = "http://127.0.0.1:8000"
HOSTILE_TENANT = "<b>Firm</b>"


class Visit:
    """The console, and a cookie for each role."""

    def __init__(self, client: TestClient[Litestar], cookies: dict[Role, str]) -> None:
        self.client, self.cookies = client, cookies

    def page(self, path: str, role: Role) -> str:
        self.client.cookies.set("opendeep", self.cookies[role])
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    db = SqliteDatabase(fresh_sqlite(tmp_path_factory.mktemp("shell") / "test.db"))
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})

    async def prepare() -> dict[Role, str]:
        await db.open()
        await add_agent(db)
        await db.execute("UPDATE tenants SET name = :name", {"name": HOSTILE_TENANT})
        return {role: await session(db, role) for role in Role}

    cookies = asyncio.run(prepare())
    try:
        with TestClient(create_app(settings, db, MemoryBus(), SystemClock(), QUICK), base_url=HOST) as client:
            yield Visit(client, cookies)
    finally:
        asyncio.run(db.close())


def test_places_are_real_pages_that_need_what_they_say(visit: Visit) -> None:
    gets = {
        route.path_format: handler.opt.get(NEEDS)
        for route in visit.client.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if "GET" in handler.http_methods
    }
    assert len({path for path, *_ in PLACES}) == len(PLACES)
    for path, word, need, group in PLACES:
        assert gets.get(path) == need, path
        assert group in GROUPS, word


@pytest.mark.parametrize("role", Role)
def test_the_navigation_leads_where_the_role_may_go_and_nowhere_else(visit: Visit, role: Role) -> None:
    mine = [path for path, _, need, _ in PLACES if need in GRANTS[role]]
    for here in mine:
        text = visit.page(here, role)
        navigation = text[text.index("<nav") : text.index("</nav>")]
        assert sorted(re.findall(r'<a href="([^"]+)"', navigation)) == sorted(mine)
        assert re.findall(r'href="([^"]+)" aria-current="page"', navigation) == [here]


def test_a_page_names_the_tenant_as_text(visit: Visit) -> None:
    text = visit.page("/", Role.VIEWER)
    assert "&lt;b&gt;Firm&lt;/b&gt;" in text
    assert HOSTILE_TENANT not in text


def test_every_page_has_a_way_past_the_navigation_and_one_heading(visit: Visit) -> None:
    for path, *_ in PLACES:
        text = visit.page(path, Role.OWNER)
        assert text.index('class="skip" href="#main"') < text.index("<nav")
        assert text.count("<h1") == 1, path
        assert text.count('id="main"') == 1


def test_the_theme_is_known_before_anything_is_painted() -> None:
    base = (Path(__file__).parents[3] / "web" / "templates" / "base.html").read_text()
    assert base.index('<script src="/static/theme.js">') < base.index('rel="stylesheet"')


@pytest.mark.parametrize(
    ("name", "state", "detail", "mark", "sentence"),
    [
        ("ari", "connected", "", "ok", ""),
        ("ari", "connecting", "", "wait", ""),
        (
            "ari",
            "lost",
            "Connection refused",
            "bad",
            "Asterisk is not connected. Connection refused. Talks go on,",
        ),
        ("ari", "replaced", "", "bad", "Asterisk has been taken over by another process. Talks go on,"),
        (
            "media",
            "lost",
            "worker died",
            "bad",
            "Media worker is not connected. worker died. Nobody new is dialed",
        ),
        ("realtime", "off", "quota.", "bad", "The speech model refused the account. quota. When the account"),
        ("bus", "off", "", "off", ""),
        ("bus", "lost", "", "bad", "Message bus is not connected. Other processes"),
        ("store", "lost", "disk full!", "bad", "Database is not connected. disk full! What you see may be old."),
    ],
)
def test_lights_say_what_is_broken_and_what_to_do(
    name: ConnectionName, state: ConnectionState, detail: str, mark: Mark, sentence: str
) -> None:
    shown = light(ConnectionChanged(name=name, state=state, detail=detail))
    assert (shown.label, shown.mark) == (LABELS[name], mark)
    assert shown.sentence.startswith(sentence)
    assert bool(shown.sentence) == bool(sentence)
    assert shown.word


def test_before_anything_is_known_no_light_claims_to_be_on() -> None:
    assert {one.mark for one in dark()} == {"unknown"}
    assert [one.name for one in dark()] == list(LABELS)
