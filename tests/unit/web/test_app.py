"""The console over HTTP and websocket, on a real store: the page, its headers, live frames, hostile texts."""

import asyncio
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.call import Call, Turn
from app.domain.messages import CallChanged, CallWords, ConnectionChanged
from app.domain.people import Role
from app.store import attempts, calls, transcripts
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, NUMBER, TENANT, add_agent, begun_call, claimed_task, ended
from web.app import create_app

HOST = "http://127.0.0.1:8000"
ORIGIN = {"origin": HOST}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}</template>"


class Console:
    """The application with its store and bus, driven from a synchronous test in the application's own loop."""

    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase, bus: MemoryBus) -> None:
        self.client = client
        self.db = db
        self.bus = bus

    def do(self, function: Callable[..., Any], *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    def call(self, callee_name: str = "Luigi", number: str = NUMBER) -> Call:
        async def make() -> Call:
            return await begun_call(self.db, await claimed_task(self.db, number, callee_name=callee_name))

        return self.do(make)

    def say(self, call: Call, text: str, item_id: str = "i1") -> None:
        self.do(transcripts.add, self.db, TENANT, call.id, Turn(speaker="callee", item_id=item_id, text=text), NOW)

    def until(self, socket: Any, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for _ in range(30):
            message = msgspec.json.decode(socket.receive_text(timeout=5))
            if wanted(message):
                return message
        raise AssertionError("the frame never came")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    db, bus = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus()
    settings = Settings.model_validate({"simulate": True, "ari_app": "x"})

    async def prepare() -> str:
        await db.open()
        await add_agent(db)
        return await session(db, Role.VIEWER)

    cookie = asyncio.run(prepare())
    try:
        with TestClient(create_app(settings, db, bus, SystemClock(), QUICK), base_url=HOST) as client:
            client.cookies.set("opendeep", cookie)
            yield Console(client, db, bus)
    finally:
        asyncio.run(db.close())


def test_an_empty_page_teaches_the_next_step(console: Console) -> None:
    page = console.client.get("/")
    assert page.status_code == 200
    assert "opendeep call +1555" in page.text
    assert "Simulation" in page.text
    assert "Test mode" not in page.text


def test_every_answer_has_the_headers_and_nothing_is_inline(console: Console) -> None:
    console.call()
    for path in ("/", "/health", "/nothing", "/static/wallboard.js", "/calls/nothing"):
        headers = console.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy, path
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")
    text = console.client.get("/").text
    assert "<style" not in text
    assert "style=" not in text
    assert " onclick" not in text
    for page in (text, console.client.get("/enter").text):
        scripts = re.findall(r"<script[^>]*>[^<]*", page)
        assert scripts
        assert all(re.fullmatch(r'<script (type="module" )?src="/static/[a-z_/]+\.js">', one) for one in scripts)


def test_the_table_shows_calls_with_masked_numbers(console: Console) -> None:
    call = console.call()
    page = console.client.get("/").text
    assert "+1202•••0123" in page
    assert NUMBER not in page
    assert f'data-call="{call.id}"' in page
    assert NUMBER not in console.client.get(f"/calls/{call.id}").text


def test_hostile_texts_come_out_as_text(console: Console) -> None:
    call = console.call(callee_name=HOSTILE)
    console.say(call, HOSTILE)
    page = console.client.get("/", params={"call": call.id}).text
    assert HOSTILE not in page
    assert "<img" not in page
    assert page.count("<script") == console.client.get("/").text.count("<script")
    assert html.unescape(page).count(HOSTILE) == 4, "name on tile and panel, last words, transcript"
    assert console.client.get(f"/calls/{call.id}/lines").json()["lines"][0]["text"] == HOSTILE


def test_no_script_makes_markup_of_text() -> None:
    scripts = list((Path(__file__).parents[3] / "web" / "static").rglob("*.js"))
    assert len(scripts) > 5
    for script in scripts:
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", ".srcdoc"):
            assert sink not in script.read_text(), (script.name, sink)


@pytest.mark.parametrize("call_id", ["0" * 32, "nonsense", "../../etc/passwd", HOSTILE, "0" * 5000])
def test_unknown_calls_are_404_with_a_sentence(console: Console, call_id: str) -> None:
    page = console.client.get("/", params={"call": call_id})
    assert page.status_code == 404
    assert "There is no call with this id" in page.text
    assert console.client.get(f"/calls/{'0' * 32}/lines").json() == {
        "code": "not_found",
        "message": "There is no such call.",
    }


def test_test_mode_has_its_ribbon(tmp_path: Path) -> None:
    db = SqliteDatabase(fresh_sqlite(tmp_path / "t.db"))
    values = {"app_test_mode": True, "app_test_mode_redirect_number": "+12025550199", "simulate": True}
    app = create_app(Settings.model_validate(values), db, MemoryBus(), SystemClock(), QUICK)
    with TestClient(app, base_url=HOST) as client:  # the store belongs to the loop of the application alone
        client.blocking_portal.call(db.open)
        client.cookies.set("opendeep", client.blocking_portal.call(session, db, Role.VIEWER))
        text = client.get("/").text
        client.blocking_portal.call(db.close)
    assert "Test mode: every call goes to +12025550199" in text


def test_health_counts_and_says_when_the_store_is_gone(console: Console) -> None:
    console.call()
    good = console.client.get("/health")
    assert good.json() | {"calls_alive": 1, "ok": True, "simulate": True} == good.json()
    console.client.cookies.clear()
    assert console.client.get("/health").json() == {
        "ok": True,
        "store": "ok",
        "simulate": True,
        "test_mode": False,
    }
    console.do(console.db.close)
    bad = console.client.get("/health")
    assert (bad.status_code, bad.json()["ok"]) == (503, False)
    console.client.cookies.set("opendeep", "x")
    assert console.client.get("/").status_code == 503


def test_a_foreign_host_is_refused(console: Console) -> None:
    assert console.client.get("/", headers={"host": "evil.com"}).status_code == 400


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.com"}, {"origin": HOST, "host": "evil.com"}])
def test_a_foreign_page_gets_no_websocket(console: Console, headers: dict[str, str]) -> None:
    with pytest.raises(WebSocketDisconnect), console.client.websocket_connect("/live", headers=headers) as socket:
        socket.receive_text(timeout=5)


def test_snapshot_first_then_numbered_frames_with_what_changed(console: Console) -> None:
    first, second = console.call(), console.call(number="+12025550188")
    with console.client.websocket_connect("/live", headers=ORIGIN) as socket:
        snapshot = msgspec.json.decode(socket.receive_text(timeout=5))
        assert snapshot["type"] == "snapshot"
        assert {c["id"] for c in snapshot["calls"]} == {first.id, second.id}
        console.do(calls.set_state, console.db, TENANT, first.id, "ringing", NOW)
        console.do(console.bus.publish, "calls", CallChanged(tenant_id=TENANT, call_id=first.id))
        seen = [snapshot["seq"]]

        def ringing(message: dict[str, Any]) -> bool:
            seen.append(message["seq"])
            return [c["state"] for c in message["calls"]] == ["ringing"]

        frame = console.until(socket, ringing)
        assert [c["id"] for c in frame["calls"]] == [first.id]
        assert seen == list(range(seen[0], seen[0] + len(seen))), "numbers without gaps"


def test_words_are_coalesced_and_the_end_is_shown(console: Console) -> None:
    call = console.call()
    with console.client.websocket_connect("/live", headers=ORIGIN) as socket:
        socket.receive_text(timeout=5)
        for count in range(50):
            words = CallWords(
                tenant_id=TENANT,
                call_id=call.id,
                speaker="agent",
                item_id="i",
                text="a" * (count + 1),
                final=False,
            )
            console.do(console.bus.publish, "calls", words)
        frames = []
        console.until(socket, lambda m: bool(frames.append(m)) or [w["text"] for w in m["words"]] == ["a" * 50])
        assert len(frames) < 20, "fifty messages are far fewer frames"

        async def end() -> None:
            async with console.db.tx() as tx:
                await attempts.finish_call(tx, TENANT, ended(call, "busy", hangup_cause=17), NOW)
            await console.bus.publish("calls", CallChanged(tenant_id=TENANT, call_id=call.id))

        console.do(end)
        frame = console.until(socket, lambda m: any(not c["alive"] for c in m["calls"]))
        assert frame["calls"][0]["outcome"] == "busy (cause 17)"


def test_connections_reach_the_page_and_a_new_browser_knows_them(console: Console) -> None:
    with console.client.websocket_connect("/live", headers=ORIGIN) as socket:
        socket.receive_text(timeout=5)
        lost = ConnectionChanged(name="ari", state="lost", detail="Connection refused.")
        console.do(console.bus.publish, "system", lost)
        console.until(socket, lambda m: any(c["state"] == "lost" for c in m["connections"]))
    with console.client.websocket_connect("/live", headers=ORIGIN) as socket:
        snapshot = msgspec.json.decode(socket.receive_text(timeout=5))
        ari = next(one for one in snapshot["connections"] if one["name"] == "ari")
        assert (ari["state"], ari["mark"]) == ("lost", "bad")
        assert ari["sentence"].startswith("Asterisk is not connected. Connection refused. ")


def test_a_store_that_fails_is_a_banner_not_a_crash(console: Console) -> None:
    with console.client.websocket_connect("/live", headers=ORIGIN) as socket:
        socket.receive_text(timeout=5)
        console.do(console.db.close)
        console.do(console.bus.publish, "calls", CallChanged(tenant_id=TENANT, call_id="0" * 32))
        frame = console.until(socket, lambda m: any(c["state"] == "lost" for c in m["connections"]))
        assert [one["name"] for one in frame["connections"] if one["state"] == "lost"] == ["store"]


def test_a_browser_that_talks_too_much_is_shown_out(console: Console) -> None:
    with console.client.websocket_connect("/live", headers=ORIGIN) as socket:
        socket.receive_text(timeout=5)
        socket.send_text("x" * 2000)
        with pytest.raises(WebSocketDisconnect):
            console.until(socket, lambda _message: False)


def test_why_a_task_is_not_called_now(console: Console) -> None:
    call = console.call()
    answer = console.client.get(f"/api/v1/tasks/{call.task_id}/why").json()
    assert (answer["answer"], answer["state"]) == ("in_call", "in_call")
    assert answer["sentence"].startswith("A call for this task is going on since")
    for unknown in ("f" * 32, "nothing"):
        refused = console.client.get(f"/api/v1/tasks/{unknown}/why")
        assert (refused.status_code, refused.json()["detail"]) == (404, "There is no such task.")
