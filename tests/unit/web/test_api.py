"""The API of programs as a whole: problem details for everything, pages, keys, and its own description."""

import inspect
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, get
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from app.clock import SystemClock
from app.config import Settings
from app.domain.agent import Agent, TransferTarget
from app.domain.outside_tool import HttpTool
from app.domain.people import Role
from app.ids import new_id
from app.people.door import Door
from app.store import agents, feedback
from tests.unit.app.door_world import QUICK
from tests.unit.app.store_world import AGENT, NOW, TENANT, ask_people
from tests.unit.web.test_access import OTHER, House, house
from web.api.paging import Paging, _cursor, _key
from web.problems import MEDIA_TYPE, OUR_FAULT, Problems
from web.render import Templates

__all__ = ["house"]
OWNER = (TENANT, Role.OWNER)


def ask(house: House, method: str, path: str, who: tuple[str, Role] = OWNER, **more: Any) -> Any:
    return house.ask(method, "/api/v1" + path, house.cookies[who], **more)


def do(house: House, function: Any, *arguments: Any, **more: Any) -> Any:
    async def run() -> Any:
        return await function(house.db, *arguments, **more)

    return house.client.blocking_portal.call(run)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "request"),
        ("GET", "", 404, "request"),
        ("DELETE", "/agents", 405, "request"),
        ("GET", "/agents/nothing", 404, "not_found"),
        ("GET", "/agents/" + "f" * 32, 404, "not_found"),
        ("GET", "/agents/" + AGENT.id + "/versions/7", 404, "not_found"),
        ("GET", "/agents?limit=0", 400, "request"),
        ("GET", "/agents?limit=many", 400, "request"),
        ("GET", "/agents?cursor=zz", 422, "bad_cursor"),
        ("GET", "/agents?cursor=%F0%9F%92%A9", 422, "bad_cursor"),
        ("POST", "/feedback/nothing/answer", 404, "not_found"),
    ],
)
def test_whatever_goes_wrong_is_a_problem(house: House, method: str, path: str, status: int, code: str) -> None:
    answer = ask(house, method, path, json={"answer": "x"} if method == "POST" else None)
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    told = answer.json()
    assert (told["type"], told["status"], told["code"]) == ("about:blank", status, code)
    assert told["detail"].endswith(".")
    assert "limit" not in path or "limit" in told["detail"]
    if status == 405:
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"answer": 5}', b"\xff"])
def test_a_body_that_does_not_fit_says_where(house: House, body: bytes) -> None:
    path = f"/feedback/{house.ids['question_id']}/answer"
    answer = ask(house, "POST", path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, MEDIA_TYPE)
    if body == b'{"answer": 5}':
        assert answer.json()["errors"][0]["field"] == "answer"


def test_strangers_get_a_problem_too(house: House) -> None:
    answer = house.ask("GET", "/api/v1/agents")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["code"] == "not_signed_in"


def test_a_fault_of_ours_shows_nothing_of_it() -> None:
    @get(["/api/v1/broken", "/broken"])
    async def broken() -> None:
        raise RuntimeError("secret words")

    handlers = Problems(Templates(Settings.model_validate({"ari_app": "x"}))).handlers()
    with TestClient(Litestar([broken], exception_handlers=handlers, openapi_config=None)) as client:
        answer = client.get("/api/v1/broken")
        page = client.get("/broken", headers={"accept": "text/html"})
        script = client.get("/broken")
    assert (page.status_code, script.json()) == (500, {"code": "fault", "message": OUR_FAULT})
    assert OUR_FAULT in page.text
    assert "secret" not in page.text
    assert (answer.status_code, answer.headers["content-type"]) == (500, MEDIA_TYPE)
    assert answer.json() == {"type": "about:blank", "status": 500, "code": "fault", "detail": OUR_FAULT}


def test_agents_and_their_versions(house: House) -> None:
    secret = "Bearer hunter2"
    other = Agent(
        id=new_id(NOW),
        tenant_id=TENANT,
        name="Zoe",
        prompt="Book.",
        transfer_targets=(TransferTarget(name="Desk", number="+15551000177"),),
        http_tools=(HttpTool(name="lookup", description="x", url="https://a.example", headers={"x-key": secret}),),
    )
    do(house, agents.create, other, NOW)
    do(house, agents.update, Agent(**{**_fields(other), "prompt": "Ask."}), NOW)
    listed = ask(house, "GET", "/agents").json()
    assert [one["name"] for one in listed["items"]] == ["Ann", "Zoe"]
    now = ask(house, "GET", f"/agents/{other.id}")
    assert (now.json()["prompt"], now.json()["version"], now.json()["own_functions"]) == ("Ask.", 2, ["lookup"])
    assert "hunter2" not in now.text
    assert now.json()["transfer_targets"][0]["number"] == "+15551000177"
    seen = ask(house, "GET", f"/agents/{other.id}", (TENANT, Role.VIEWER)).json()
    assert seen["transfer_targets"][0]["number"] == "+1555•••0177"
    versions = ask(house, "GET", f"/agents/{other.id}/versions?limit=1").json()
    assert [one["version"] for one in versions["items"]] == [2]
    rest = ask(house, "GET", f"/agents/{other.id}/versions?limit=1&cursor={versions['next_cursor']}").json()
    assert ([one["version"] for one in rest["items"]], rest["next_cursor"]) == ([1], None)
    assert ask(house, "GET", f"/agents/{other.id}/versions/1").json()["prompt"] == "Book."
    for path in ("", "/versions", "/versions/1"):
        assert ask(house, "GET", f"/agents/{other.id}{path}", (OTHER, Role.OWNER)).status_code == 404


def _fields(agent: Agent) -> dict[str, Any]:
    return {name: getattr(agent, name) for name in Agent.__struct_fields__}


def test_pages_lose_and_repeat_nothing_while_rows_come(house: House) -> None:
    names = sorted(f"page {number:02}" for number in range(7))
    for name in names:
        do(house, agents.create, Agent(id=new_id(NOW), tenant_id=TENANT, name=name), NOW)
    seen, cursor, added = [], "", 0
    while True:
        answer = ask(house, "GET", f"/agents?limit=2{cursor}").json()
        seen += [one["name"] for one in answer["items"] if one["name"].startswith("page")]
        assert len(answer["items"]) <= 2
        if answer["next_cursor"] is None:
            break
        first = f"page 0{added}!"  # before what comes next, or behind it: neither shifts a page
        do(house, agents.create, Agent(id=new_id(NOW), tenant_id=TENANT, name=first), NOW)
        cursor, added = f"&cursor={answer['next_cursor']}", added + 1
    assert len(seen) == len(set(seen))
    assert [name for name in seen if not name.endswith("!")] == names


def test_a_cursor_belongs_to_its_tenant_and_list(house: House) -> None:
    for tenant in (TENANT, OTHER):
        for number in range(2):
            row = Agent(id=new_id(NOW), tenant_id=tenant, name=f"own {number} of {tenant}")
            do(house, agents.create, row, NOW)
    cursor = ask(house, "GET", "/agents?limit=1").json()["next_cursor"]
    foreign = ask(house, "GET", f"/agents?limit=1&cursor={cursor}", (OTHER, Role.OWNER))
    elsewhere = ask(house, "GET", f"/feedback?cursor={cursor}")
    for answer in (foreign, elsewhere):
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.text()), min_size=1, max_size=3))
def test_cursors_read_back(parts: list[int | str]) -> None:
    key = tuple(parts)
    assert _key("a", _cursor("a", key), tuple(type(part) for part in parts)) == key


@given(st.text(), st.integers(1, 5))
def test_no_text_breaks_the_reading_of_cursors(text: str, limit: int) -> None:
    from app.errors import ValidationFailed

    with pytest.raises(ValidationFailed):
        _key("a", text, (str,))
    assert Paging(scope="a", limit=limit).page([], key=lambda row: (row,), shown=str).next_cursor is None


def test_a_key_makes_a_post_happen_once(house: House) -> None:
    one = house.client.blocking_portal.call(_question, house)
    path, key = f"/feedback/{one}/answer", {"idempotency-key": "k-1"}
    first = ask(house, "POST", path, json={"answer": "Yes"}, headers=key)
    again = ask(house, "POST", path, json={"answer": "Yes"}, headers=key)
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    other = ask(house, "POST", path, json={"answer": "No"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert ask(house, "POST", path, json={"answer": "Yes"}).status_code == 409
    somebody = ask(house, "POST", path, (TENANT, Role.MANAGER), json={"answer": "Yes"}, headers=key)
    assert somebody.status_code == 409, "a key is one person's"
    refused = ask(house, "POST", path, json={"answer": "Yes"}, headers={"idempotency-key": "k-2"})
    retried = ask(house, "POST", path, json={"answer": "Yes!"}, headers={"idempotency-key": "k-2"})
    assert (refused.status_code, retried.status_code) == (409, 409), "a refusal keeps no key"
    assert do(house, feedback.get, TENANT, one).answer == "Yes"


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "ä"])
def test_keys_that_are_none(house: House, key: str) -> None:
    path = f"/feedback/{house.ids['question_id']}/answer"
    answer = ask(house, "POST", path, json={"answer": "x"}, headers={"idempotency-key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")


async def _question(house: House) -> str:
    from app.store import calls

    call = await calls.get(house.db, TENANT, house.ids["call_id"])
    return (await ask_people(house.db, call, "Another?")).id


def test_every_post_goes_through_once(house: House) -> None:
    posts = [one for method, path, one in _handlers(house) if method == "POST" and path.startswith("/api/v1/")]
    assert posts
    assert [one.handler_name for one in posts if "once.do(" not in inspect.getsource(one.fn)] == []


def _handlers(house: House) -> list[tuple[str, str, Any]]:
    return [
        (str(method), route.path_format, handler)
        for route in house.client.app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods - {"HEAD", "OPTIONS"}
    ]


def test_the_description_is_the_routes(house: House) -> None:
    answer = ask(house, "GET", "/openapi.json", (TENANT, Role.VIEWER))
    assert answer.headers["content-type"] == "application/vnd.oai.openapi+json"
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    told = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    hidden = {"/api/v1/openapi.json", "/api/v1/docs"}
    there = {(method, path) for method, path, _ in _handlers(house) if path.startswith("/api/v1/")}
    assert told == {(method, path) for method, path in there if path not in hidden}
    known = document["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in known
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], path
            assert "Needs the permission" in operation["description"], path
            assert MEDIA_TYPE in operation["responses"]["default"]["content"]
            names = [one["name"] for one in operation.get("parameters", [])]
            assert ("Idempotency-Key" in names) == (method == "post")
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
    assert "tenant_id" not in json.dumps(document), "whose rows they are is nothing to choose or to see"


def test_the_reference_shows_every_route(house: House) -> None:
    page = ask(house, "GET", "/docs", headers={"accept": "text/html"})
    assert page.status_code == 200
    for path in ask(house, "GET", "/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in page.text
    assert "http://" not in page.text.replace("http://127.0.0.1", "")
    assert "style=" not in page.text


def test_a_token_is_all_a_program_needs(house: House) -> None:
    async def make() -> str:
        return (await Door(house.db, SystemClock(), QUICK).token(TENANT, "crm", Role.OPERATOR, "a test"))[1]

    bearer = {"authorization": f"Bearer {house.client.blocking_portal.call(make)}"}
    one = house.client.blocking_portal.call(_question, house)
    house.client.cookies.clear()
    done = house.client.post(f"/api/v1/feedback/{one}/answer", json={"answer": "Yes"}, headers=bearer)
    assert done.status_code == 200
