"""Who may have what: a matrix made from the application's own routes, for every role, tenant and origin."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.exceptions import WebSocketDisconnect
from litestar.routes import HTTPRoute, WebSocketRoute
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.people import GRANTS, Permission, Role
from app.errors import StoreError
from app.ids import new_id
from app.people.door import Door
from app.store import campaigns, contacts, dnd, outbox, users
from app.store.campaigns import NewCampaign
from app.store.dnd import DoNotCall
from app.store.sqlite import SqliteDatabase
from app.webhooks.desk import WebhookDesk
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import HERE, QUICK, add_user, session
from tests.unit.app.store_world import AGENT, NOW, TENANT, add_agent, ask_people, begun_call, claimed_task
from tests.unit.contacts.import_world import ImportWorld
from web.app import create_app
from web.auth import EVERYBODY, NEEDS, SAFE_METHODS

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}
OTHER = "other"
CANARY = "Canary-of-the-first-tenant"


class House:
    """The application, and a cookie for each role of two tenants. The first tenant owns everything there is."""

    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase) -> None:
        self.client, self.db = client, db
        self.cookies: dict[tuple[str, Role], str] = {}
        self.ids: dict[str, str] = {}

    def ask(self, method: str, path: str, cookie: str | None = None, **more: Any) -> Any:
        self.client.cookies.clear()
        if cookie is not None:
            self.client.cookies.set("opendeep", cookie)
        headers = {**(ORIGIN if method not in SAFE_METHODS else {}), **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, follow_redirects=False, **more)

    @property
    def routes(self) -> list[tuple[str, str, Any]]:
        """(method, path, what it needs) of everything the application answers."""
        found: list[tuple[str, str, Any]] = []
        for route in self.client.app.routes:
            if isinstance(route, HTTPRoute):
                for handler in route.route_handlers:
                    methods = sorted(handler.http_methods - {"HEAD", "OPTIONS"})
                    found += [(str(one), route.path_format, handler.opt.get(NEEDS)) for one in methods]
            elif isinstance(route, WebSocketRoute):
                found.append(("WEBSOCKET", route.path_format, route.route_handler.opt.get(NEEDS)))
        return found

    def path(self, template: str) -> str:
        """A path about the first tenant's own rows."""
        return re.sub(r"\{(\w+)(:\w+)?\}", lambda match: self.ids.get(match[1], "x"), template)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    db = SqliteDatabase(fresh_sqlite(tmp_path_factory.mktemp("access") / "test.db"))
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})
    cookies: dict[tuple[str, Role], str] = {}
    ids: dict[str, str] = {}

    async def prepare() -> None:
        await db.open()
        await users.add_tenant(db, OTHER, "Other", 0)
        await add_agent(db)
        for tenant in (TENANT, OTHER):
            for role in Role:
                cookies[tenant, role] = await session(db, role, tenant=tenant)
        campaign_id = new_id(1)
        async with db.tx() as tx:
            await campaigns.create(tx, TENANT, NewCampaign(id=campaign_id, name=CANARY), [], NOW)
        ids.update(campaign_id=campaign_id, step="stop")
        call = await begun_call(db, await claimed_task(db, callee_name=CANARY, campaign_id=campaign_id))
        target = await add_user(db, Role.VIEWER, email="canary@first.example")
        token, _ = await Door(db, SystemClock(), QUICK).token(TENANT, CANARY, Role.VIEWER, "a test")
        ids.update(call_id=call.id, task_id=call.task_id, user_id=target.id, token_id=token.id, agent_id=AGENT.id)
        ids.update(deed="link", version="1")
        await house_contacts(db, ids)
        ids["question_id"] = (await ask_people(db, call, f"Is {CANARY} right?")).id

    asyncio.run(prepare())
    try:
        with TestClient(create_app(settings, db, MemoryBus(), SystemClock(), QUICK), base_url=HOST) as client:
            made = House(client, db)
            made.cookies, made.ids = cookies, ids
            yield made
    finally:
        asyncio.run(db.close())


async def house_contacts(db: SqliteDatabase, ids: dict[str, str]) -> None:
    """A contact, an import that waits for a person, and a number that must not be called."""
    world = ImportWorld(db)
    done = await world.brought(await world.checked(f"Name,Phone\n{CANARY},+12025550123\n"))
    contact = (await contacts.of_import(db, TENANT, done.id)).contacts[0]
    waiting = await world.checked(f"Name,Phone\n{CANARY},+12025550124\n")
    entry = DoNotCall(id=new_id(2), tenant_id=TENANT, number="+12025550199", reason=CANARY, source="operator")
    async with db.tx() as tx:
        await dnd.add(tx, entry, 2)
    async with db.tx() as tx:
        hook = await WebhookDesk(Settings.model_validate({"ari_app": "x"}), SystemClock()).add(
            tx, TENANT, f"https://{CANARY.lower()}.example.org/x", ["call.completed"], show_numbers=False
        )
        data = {"canary": CANARY}
        told = await outbox.put(tx, TENANT, "call.completed", "x", data, who=[hook.id], now_ms=2)
    ids.update(contact_id=contact.id, import_id=waiting.id, entry_id=entry.id, seq="1")
    ids.update(webhook_id=hook.id, message_id=told)


def test_every_route_says_what_it_needs(house: House) -> None:
    silent = [(method, path) for method, path, need in house.routes if need is None]
    assert not silent
    assert len(house.routes) > 10
    assert {path for _, path, need in house.routes if need == EVERYBODY} == {
        "/sign-in", "/enter", "/sign-out", "/health", "/static/{file_path}",
    }  # fmt: skip


def test_a_route_that_says_nothing_is_refused_to_everybody(house: House) -> None:
    for method, path, need in house.routes:
        if method == "WEBSOCKET" or not isinstance(need, Permission):
            continue
        handler = next(
            one
            for route in house.client.app.routes
            if isinstance(route, HTTPRoute) and route.path_format == path
            for one in route.route_handlers
            if method in one.http_methods
        )
        told = handler.opt.pop(NEEDS)
        try:
            answer = house.ask(method, house.path(path), house.cookies[TENANT, Role.OWNER])
            assert answer.status_code == 403, (method, path)
        finally:
            handler.opt[NEEDS] = told


def test_strangers_get_the_sign_in_or_nothing(house: House) -> None:
    for method, path, need in house.routes:
        if method == "WEBSOCKET" or need == EVERYBODY:
            continue
        assert house.ask(method, house.path(path)).status_code == 401, (method, path)
        assert house.ask(method, house.path(path), "guessed").status_code == 401, (method, path)
        page = house.ask(method, house.path(path), headers={"accept": "text/html"})
        assert page.status_code == (303 if method == "GET" else 401), (method, path)


@pytest.mark.parametrize("role", Role)
def test_roles_get_what_they_are_granted(house: House, role: Role) -> None:
    for method, path, need in house.routes:
        if method == "WEBSOCKET" or need == EVERYBODY:
            continue
        answer = house.ask(method, house.path(path), house.cookies[TENANT, role])
        assert (answer.status_code == 403) == (need not in GRANTS[role]), (method, path, role, answer.status_code)
        assert answer.status_code < 500, (method, path, answer.text)


@pytest.mark.parametrize("role", Role)
def test_another_tenant_sees_nothing_and_changes_nothing(house: House, role: Role) -> None:
    cookie = house.cookies[OTHER, role]
    for method, path, need in house.routes:
        if method == "WEBSOCKET" or need == EVERYBODY:
            continue
        form = {"role": "owner", "answer": "yes"}
        body = {"json": form} if path.startswith("/api/") and method != "GET" else {"data": form}
        answer = house.ask(method, house.path(path), cookie, **body)
        assert CANARY not in answer.text, (method, path)
        assert "canary@first.example" not in answer.text, (method, path)
        if "{" in path and need in GRANTS[role]:
            assert answer.status_code in {400, 404, 422}, (method, path, answer.status_code)
    assert house.ask("GET", f"/calls/{house.ids['call_id']}", cookie).status_code == 404
    assert (
        house.ask("GET", f"/calls/{new_id(1)}", cookie).text
        == house.ask("GET", f"/calls/{house.ids['call_id']}", cookie).text
    ), "unknown and foreign look alike"


def test_the_live_page_of_another_tenant_is_empty(house: House) -> None:
    for tenant, seen in ((TENANT, True), (OTHER, False)):
        house.client.cookies.set("opendeep", house.cookies[tenant, Role.VIEWER])
        with house.client.websocket_connect("/live", headers=ORIGIN) as socket:
            assert (CANARY in socket.receive_text(timeout=5)) is seen
        house.client.cookies.clear()


def test_a_store_in_trouble_ends_no_live_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.calls.STILL_THERE_S", 0.02)
    asked: list[object] = []

    async def still_in(_: Door, person: object) -> bool:
        asked.append(person)
        if len(asked) < 4:
            raise StoreError("The database cannot be reached.")
        return False

    monkeypatch.setattr(Door, "still_in", still_in)
    house.client.cookies.set("opendeep", house.cookies[TENANT, Role.VIEWER])
    code = None
    try:
        with house.client.websocket_connect("/live", headers=ORIGIN) as socket:
            while True:
                socket.receive_text(timeout=5)
    except WebSocketDisconnect as closed:
        code = closed.code
    house.client.cookies.clear()
    assert code == 4401
    assert len(asked) == 4


@pytest.mark.parametrize("cookie", [None, "guessed"])
def test_strangers_get_no_websocket(house: House, cookie: str | None) -> None:
    house.client.cookies.clear()
    if cookie is not None:
        house.client.cookies.set("opendeep", cookie)
    with pytest.raises(WebSocketDisconnect), house.client.websocket_connect("/live", headers=ORIGIN) as socket:
        socket.receive_text(timeout=5)


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "https://127.0.0.1:8001"])
def test_no_foreign_page_changes_anything(house: House, origin: str | None) -> None:
    for method, path, need in house.routes:
        if method in SAFE_METHODS or method == "WEBSOCKET":
            continue
        house.client.cookies.set("opendeep", house.cookies[TENANT, Role.OWNER])
        headers = {} if origin is None else {"origin": origin}
        answer = house.client.request(method, house.path(path), headers=headers, data={"role": "viewer"})
        assert answer.status_code == 403, (method, path, need)
    house.client.cookies.clear()


def test_tokens_are_judged_by_their_role_and_need_no_origin(house: House) -> None:
    async def make() -> str:
        return (await Door(house.db, SystemClock(), QUICK).token(TENANT, "crm", Role.VIEWER, "a test"))[1]

    secret = house.client.blocking_portal.call(make)
    bearer = {"authorization": f"Bearer {secret}"}
    house.client.cookies.clear()
    assert house.client.get(f"/calls/{house.ids['call_id']}", headers=bearer).status_code == 200
    assert house.client.post("/people/tokens", headers=bearer, data={}).status_code == 403
    house.client.cookies.set("opendeep", house.cookies[TENANT, Role.OWNER])
    wrong = {"authorization": "Bearer odt_wrong"}
    assert house.client.get("/", headers=wrong).status_code == 401, "a wrong token is not made good by a cookie"
    house.client.cookies.clear()


def with_password(house: House, email: str) -> dict[str, str]:
    """What a new operator types into the sign-in form."""
    password = "correct horse battery"

    async def add() -> None:
        user = await add_user(house.db, Role.OPERATOR, email=email)
        await Door(house.db, SystemClock(), QUICK).set_password(user, password, HERE.address)

    house.client.blocking_portal.call(add)
    return {"email": email, "password": password}


def test_a_cookie_planted_before_the_sign_in_is_worth_nothing(house: House) -> None:
    form = {**with_password(house, "fix@first.example"), "following": "/audit"}
    answer = house.ask("POST", "/sign-in", "planted", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/audit"
    given = answer.cookies["opendeep"]
    assert given != "planted"
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    assert house.ask("GET", "/", "planted").status_code == 401
    assert house.ask("GET", "/", given).status_code == 200
    out = house.ask("POST", "/sign-out", given)
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in")
    assert house.ask("GET", "/", given).status_code == 401, "no use after signing out"


def test_behind_https_the_cookie_is_bound_to_host_and_https(house: House) -> None:
    form = with_password(house, "bound@first.example")
    secure = "https://127.0.0.1:8000"
    answer = house.client.post(f"{secure}/sign-in", data=form, headers={"origin": secure}, follow_redirects=False)
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-opendeep=")
    assert "secure" in said.lower()
    house.client.cookies.clear()


@pytest.mark.parametrize(
    "following", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "evil"]
)
def test_nobody_is_sent_elsewhere_after_the_sign_in(house: House, following: str) -> None:
    page = house.ask("GET", f"/sign-in?following={following}")
    assert page.status_code == 200
    assert 'name="following" value="/"' in page.text


def test_a_wrong_password_keeps_the_address_and_says_so(house: House) -> None:
    hostile = '"><script>alert(1)</script>@x'
    answer = house.ask("POST", "/sign-in", data={"email": hostile, "password": "x"})
    assert answer.status_code == 401
    assert "The address or the password is wrong." in answer.text
    assert "<script>" not in answer.text
