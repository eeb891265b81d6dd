"""Test calls in the console: who may begin one, what its page and its line do, what it never shows up in."""

import asyncio
import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.agent import Agent
from app.domain.messages import CallAudio, ListChanged, OperatorVoice, TryoutNews, audio_topic, voice_topic
from app.domain.people import Role
from app.domain.tryout import (
    ALIVE_AT_ONCE,
    ALIVE_MS,
    ASKED_PER_HOUR,
    BEGINS_WITHIN_MS,
    KEPT_WISH_MS,
    NewTryout,
    Story,
    Tryout,
    TryoutState,
    TryoutStep,
)
from app.domain.voice import FRAME_BYTES, VoiceCheck
from app.errors import StoreError
from app.ids import new_id
from app.people.door import Door
from app.store import agents, audit, tenants, tryouts, users
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import NOW, TENANT
from web.app import create_app
from web.guard import SPOKEN_AT
from web.steer.microphone import TOO_LONG
from web.steer.sockets import NO_CALL, NOT_ALIVE, SIGNED_OUT
from web.tryouts.line import ELSEWHERE, UNTAKEN
from web.tryouts.view import delay_words, shown, value_words

HOST = "http://127.0.0.1:8000"
KEY = b"k" * 40
OTHER = "other"
PIECE = b"\x01\x02" * (FRAME_BYTES // 2)
HOSTILE = "<script>alert(1)</script>"


class Console:
    def __init__(self, client: Any, db: SqliteDatabase, bus: MemoryBus) -> None:
        self.client, self.db, self.bus = client, db, bus
        self.agent: Agent = self.do(self._agent)

    async def _agent(self) -> Agent:
        agent = Agent(id=new_id(NOW), tenant_id=TENANT, name=f"Tried {HOSTILE}", prompt="first words")
        await agents.create(self.db, agent, NOW)
        return await agents.update(self.db, msgspec.structs.replace(agent, prompt="second words"), NOW)

    def do(self, function: Any, *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    def sign_in(self, role: Role, tenant: str = TENANT) -> None:
        async def secret() -> str:
            return await session(self.db, role, tenant=tenant)

        self.client.cookies.set("opendeep", self.do(secret))

    def post(self, path: str, **form: str) -> Any:
        return self.client.post(path, data=form, headers={"origin": HOST}, follow_redirects=False)

    def begun(self, **form: str) -> str:
        answer = self.post(f"/agents/{self.agent.id}/test-calls", **({"version": "0"} | form))
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].rpartition("/")[2]

    def row(self, tryout_id: str) -> Tryout:
        return self.do(tryouts.get, self.db, TENANT, tryout_id)

    def line(self, tryout_id: str) -> Any:
        return self.client.websocket_connect(f"/test-calls/{tryout_id}/line", headers={"origin": HOST})

    def end(self, tryout_id: str, *steps: TryoutStep) -> None:
        async def write() -> None:
            story = Story()
            for step in steps:
                story.add(step)
            async with self.db.tx() as tx:
                await tryouts.want(tx, TENANT, tryout_id, "mic", NOW)
                one = await tryouts.get(tx, TENANT, tryout_id)
                assert await tryouts.take(tx, one, "node", "gpt-realtime-2.1", NOW)
                await tryouts.end(
                    tx, one, ended_by="agent", reason="done", steps=story.encoded(), now_ms=NOW + 61_000
                )

        self.do(write)


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    db, bus = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus()

    async def prepare() -> None:
        await db.open()
        await users.add_tenant(db, OTHER, "Other", 0)

    asyncio.run(prepare())
    settings = Settings.model_validate({"simulate": True, "ari_app": "x", "command_key": KEY.decode()})
    try:
        with TestClient(create_app(settings, db, bus, SystemClock(), QUICK), base_url=HOST) as client:
            made = Console(client, db, bus)
            made.sign_in(Role.MANAGER)
            yield made
    finally:
        asyncio.run(db.close())


def test_a_version_is_begun_from_its_page(console: Console) -> None:
    page = console.client.get(f"/agents/{console.agent.id}").text
    assert "Talk to this agent" in page
    assert 'name="version" value="2"' in page
    old = console.client.get(f"/agents/{console.agent.id}/versions/1").text
    assert f'action="/agents/{console.agent.id}/test-calls"' in old
    one = console.row(console.begun(version="1", objective="  Ask whether\nFriday suits. "))
    assert (one.agent_version, one.state, one.objective) == (1, TryoutState.ASKED, "Ask whether Friday suits.")
    assert msgspec.json.decode(one.body, type=Agent).prompt == "first words"
    assert console.do(audit.newest, console.db, TENANT)[0].action == "test_call_asked"
    shown_page = console.client.get(f"/test-calls/{one.id}")
    assert "version 1" in shown_page.text
    assert "Begin: open the microphone" in shown_page.text
    assert HOSTILE not in shown_page.text
    assert "microphone=(self)" in shown_page.headers["permissions-policy"]


def test_a_draft_speaks_without_being_saved(console: Console) -> None:
    path = f"/agents/{console.agent.id}/test-calls/draft"
    answer = console.post(path, version="2", text='name = "Tried"\nprompt = "never saved"\n')
    one = console.row(answer.headers["location"].rpartition("/")[2])
    assert one.agent_version == 0
    assert msgspec.json.decode(one.body, type=Agent).prompt == "never saved"
    assert console.do(agents.get, console.db, TENANT, console.agent.id).prompt == "second words"
    refused = console.post(path, version="2", text="name = ")
    assert refused.status_code == 422
    assert "This is no TOML" in refused.text
    console.sign_in(Role.OPERATOR)
    assert console.post(path, text='name = "X"\n').status_code == 403


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_who_plans_nothing_tries_nothing(console: Console, role: Role) -> None:
    tryout_id = console.begun()
    console.sign_in(role)
    assert console.post(f"/agents/{console.agent.id}/test-calls", version="0").status_code == 403
    assert console.client.get(f"/test-calls/{tryout_id}").status_code == 403
    with pytest.raises(WebSocketDisconnect), console.line(tryout_id) as socket:
        socket.receive_text(timeout=5)
    assert "Talk to this agent" not in console.client.get(f"/agents/{console.agent.id}").text


def test_another_tenant_has_no_such_test_call(console: Console) -> None:
    tryout_id = console.begun()
    console.sign_in(Role.OWNER, tenant=OTHER)
    assert console.client.get(f"/test-calls/{tryout_id}").status_code == 404
    assert console.post(f"/agents/{console.agent.id}/test-calls", version="0").status_code == 404
    with console.line(tryout_id) as socket, pytest.raises(WebSocketDisconnect) as over:
        socket.receive_text(timeout=5)
    assert over.value.code == NO_CALL
    assert console.row(tryout_id).state is TryoutState.ASKED


def test_the_line_passes_a_signed_voice_on_and_brings_sound_and_news(console: Console) -> None:
    tryout_id = console.begun()

    async def take(messages: Any, kind: type) -> Any:
        async with asyncio.timeout(5):
            async for message in messages:
                if isinstance(message, kind):
                    return message

    with (
        console.bus.subscribe("lists") as nudges,
        console.bus.subscribe(voice_topic(tryout_id)) as voices,
        console.line(tryout_id) as socket,
    ):
        mic = json.loads(socket.receive_text(timeout=5))["mic"]
        assert console.do(take, nudges, ListChanged).kind == "tryouts"
        row = console.row(tryout_id)
        assert (row.state, row.mic_id) == (TryoutState.WANTED, mic)
        socket.send_bytes(PIECE)
        voice = console.do(take, voices, OperatorVoice)
        assert VoiceCheck(KEY, TENANT, tryout_id).accepts(voice, SystemClock().unix_ms(), mic)
        sound = CallAudio(call_id=tryout_id, codec="ulaw", callee=b"", agent=b"\x01\x02")
        console.do(console.bus.publish, audio_topic(tryout_id), sound)
        assert socket.receive_bytes(timeout=5)[-2:] == b"\x01\x02"
        news = TryoutNews(call_id=tryout_id, step=TryoutStep(kind="words", text="hi", who="agent"))
        console.do(console.bus.publish, audio_topic(tryout_id), news)
        assert json.loads(socket.receive_text(timeout=5)) == {"kind": "words", "text": "hi", "who": "agent"}
        socket.send_text("end")
        assert json.loads(socket.receive_text(timeout=5)) == {"kind": "over", "text": UNTAKEN, "who": "callee"}
        assert console.row(tryout_id).mic_id == ""
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text(timeout=5)
    with console.line(tryout_id) as again:
        assert json.loads(again.receive_text(timeout=5))["mic"] != mic, (
            "no engine had taken it: they may come again"
        )
        with console.line(tryout_id) as second, pytest.raises(WebSocketDisconnect) as closed:
            second.receive_text(timeout=5)
    assert closed.value.code == ELSEWHERE, "one microphone at a time"
    voice = (files("web") / "static" / "voice.js").read_text()
    assert f'{ELSEWHERE}: "It is spoken on another page."' in voice
    console.end(tryout_id)
    with console.line(tryout_id) as late, pytest.raises(WebSocketDisconnect) as closed:
        late.receive_text(timeout=5)
    assert closed.value.code == NOT_ALIVE


def test_who_ends_it_is_not_heard_any_more(console: Console) -> None:
    tryout_id = console.begun()

    async def take() -> bool:
        async with console.db.tx() as tx:
            return await tryouts.take(tx, await tryouts.get(tx, TENANT, tryout_id), "node", "m", NOW)

    async def first(messages: Any) -> Any:
        await console.bus.publish(voice_topic(tryout_id), ListChanged(tenant_id=TENANT, kind="tryouts"))
        return await anext(messages)

    with console.bus.subscribe(voice_topic(tryout_id)) as voices, console.line(tryout_id) as socket:
        socket.receive_text(timeout=5)
        assert console.do(take)
        socket.send_text("end")
        socket.send_bytes(PIECE)
        socket.send_bytes(b"\x00" * 641)
        with pytest.raises(WebSocketDisconnect) as closed:  # nothing was told: the engine says how it ended
            socket.receive_text(timeout=5)
        assert closed.value.code == TOO_LONG
        assert isinstance(console.do(first, voices), ListChanged), "no voice was passed on"
    assert console.row(tryout_id).mic_id == ""


def test_without_an_engine_the_page_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.tryouts.line.BEGINS_WITHIN_MS", 100)
    with console.line(console.begun()) as socket:
        socket.receive_text(timeout=5)
        told = json.loads(socket.receive_text(timeout=5))
    assert told["kind"] == "over"
    assert "No engine took the test call" in told["text"]


def test_what_is_no_piece_of_a_voice_ends_it(console: Console) -> None:
    with console.line(console.begun()) as socket:
        socket.receive_text(timeout=5)
        socket.send_bytes(b"\x00" * 641)
        with pytest.raises(WebSocketDisconnect) as over:
            socket.receive_text(timeout=5)
    assert over.value.code == TOO_LONG


def test_an_ended_one_is_kept_and_shown_as_text(console: Console) -> None:
    tryout_id = console.begun()
    console.end(
        tryout_id,
        TryoutStep(kind="words", text=HOSTILE, who="callee", ref="a", at_ms=1_000),
        TryoutStep(kind="words", text="good day", who="agent", ref="b", at_ms=2_000, delay_ms=640),
        TryoutStep(kind="function", text='{"x":1}', who="transfer_call", ref="t"),
        TryoutStep(kind="answer", text='{"error":"nobody"}', ref="t"),
        TryoutStep(kind="field", text='"yes"', who="attends", ref="attends"),
    )
    page = console.client.get(f"/test-calls/{tryout_id}").text
    for text in (
        "the agent ended it: done",
        "1:01",
        "640 ms in the middle",
        "transfer_call",
        "attends",
        "Talk again",
    ):
        assert text in page, text
    assert HOSTILE not in page
    assert f"/test-calls/{tryout_id}" in console.client.get(f"/agents/{console.agent.id}").text


def test_no_page_that_counts_knows_of_it(console: Console) -> None:
    before = {path: console.client.get(path).text for path in ("/calls", "/results", "/tasks", "/campaigns")}
    tryout_id = console.begun()
    console.end(tryout_id, TryoutStep(kind="words", text="good day", who="agent"))
    for path, text in before.items():
        assert console.client.get(path).text == text
    assert console.client.get(f"/calls/{tryout_id}").status_code == 404
    assert console.client.get(f"/calls/{tryout_id}/lines").status_code == 404


def test_a_month_without_money_and_a_full_house_say_so(console: Console) -> None:
    console.do(tenants.set_terms, console.db, TENANT, tenants.TenantTerms(budget_micro_usd=0))
    refused = console.post(f"/agents/{console.agent.id}/test-calls", version="0")
    assert refused.status_code == 409
    assert "budget is spent" in refused.text
    console.do(tenants.set_terms, console.db, TENANT, tenants.TenantTerms(state="suspended"))
    assert "suspended" in console.post(f"/agents/{console.agent.id}/test-calls", version="0").text
    console.do(tenants.set_terms, console.db, TENANT, tenants.TenantTerms())

    now_ms = SystemClock().unix_ms()

    async def live(tryout_id: str) -> bool:
        async with console.db.tx() as tx:
            await tryouts.want(tx, TENANT, tryout_id, "mic", now_ms)
            one = await tryouts.get(tx, TENANT, tryout_id)
            return await tryouts.take(tx, one, "node", "m", now_ms)

    ids = [console.begun() for _ in range(3)]
    assert [console.do(live, one) for one in ids] == [True, True, False], "one test call of three waits"
    refused = console.post(f"/agents/{console.agent.id}/test-calls", version="0")
    assert "2 test calls are under way" in refused.text


def test_a_dead_engine_blocks_nobody_for_ever(console: Console) -> None:
    began = SystemClock().unix_ms() - ALIVE_MS

    async def live(tryout_id: str, now_ms: int) -> None:
        async with console.db.tx() as tx:
            await tryouts.want(tx, TENANT, tryout_id, "mic", now_ms)
            one = await tryouts.get(tx, TENANT, tryout_id)
            assert await tryouts.take(tx, one, "an engine that never comes back", "m", now_ms)

    async def closed(now_ms: int) -> int:
        async with console.db.tx() as tx:
            return await tryouts.lost(tx, "", now_ms)

    ids = [console.begun() for _ in range(ALIVE_AT_ONCE)]
    for tryout_id in ids:
        console.do(live, tryout_id, began)
    console.begun()
    assert console.do(closed, began + ALIVE_MS - 1) == 0
    assert console.do(closed, began + ALIVE_MS) == ALIVE_AT_ONCE
    assert console.row(ids[0]).state is TryoutState.ENDED


def test_a_tenant_with_enough_alive_stands_in_nobodys_way(console: Console) -> None:
    now_ms = SystemClock().unix_ms()

    async def wants(tenant_id: str, tryout_id: str) -> Tryout:
        new = NewTryout(
            id=tryout_id, agent_id=console.agent.id, agent_version=1, body="{}", objective="", asked_by="user:1"
        )
        async with console.db.tx() as tx:
            await tryouts.ask(tx, tenant_id, new, now_ms)
            await tryouts.want(tx, tenant_id, tryout_id, "mic", now_ms)
        return await tryouts.get(console.db, tenant_id, tryout_id)

    async def take(one: Tryout) -> bool:
        async with console.db.tx() as tx:
            return await tryouts.take(tx, one, "node", "m", now_ms)

    async def wanted() -> list[str]:
        return [one.id for one in await tryouts.wanted(console.db, now_ms)]

    many = [console.do(wants, TENANT, new_id(now_ms)) for _ in range(12)]
    other = console.do(wants, OTHER, new_id(now_ms))
    assert [console.do(take, one) for one in many[:3]] == [True, True, False]
    assert console.do(wanted) == [other.id]


def test_wishes_have_a_bound_and_do_not_stay(console: Console) -> None:
    for _ in range(ASKED_PER_HOUR):
        console.begun()
    refused = console.post(f"/agents/{console.agent.id}/test-calls", version="0")
    assert refused.status_code == 409
    assert f"at most {ASKED_PER_HOUR} may be" in refused.text
    now_ms = SystemClock().unix_ms()

    async def swept(before_ms: int, at_ms: int) -> dict[str, int]:
        async with console.db.tx() as tx:
            return await tryouts.sweep(tx, TENANT, before_ms, at_ms)

    assert console.do(swept, 0, now_ms) == {}
    assert console.do(swept, 0, now_ms + KEPT_WISH_MS + 1) == {"tryouts": ASKED_PER_HOUR}
    assert console.do(swept, 0, now_ms + KEPT_WISH_MS + 1) == {}


def test_an_ended_one_is_kept_for_its_days(console: Console) -> None:
    async def swept(before_ms: int) -> dict[str, int]:
        async with console.db.tx() as tx:
            return await tryouts.sweep(tx, TENANT, before_ms, before_ms)

    tryout_id = console.begun()
    console.end(tryout_id)
    created_ms = console.row(tryout_id).created_ms
    assert console.do(swept, created_ms) == {}
    assert console.do(swept, created_ms + 1) == {"tryouts": 1}


def test_a_store_in_trouble_cuts_nobody_off(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.tryouts.line.STILL_THERE_S", 0.02)
    asked: list[object] = []

    async def still_in(_: Door, person: object) -> bool:
        asked.append(person)
        if len(asked) < 4:
            raise StoreError("The database cannot be reached.")
        return len(asked) < 8

    monkeypatch.setattr(Door, "still_in", still_in)
    with console.line(console.begun()) as line:
        assert "mic" in line.receive_json(timeout=5)
        assert _closed(line) == SIGNED_OUT
    assert len(asked) == 8


def _closed(line: Any) -> int:
    try:
        while True:
            line.receive(timeout=5)
    except WebSocketDisconnect as over:
        return over.code


def test_a_wish_that_nobody_took_in_time_is_over(console: Console) -> None:
    tryout_id = console.begun()

    async def wanted(now_ms: int) -> list[Tryout]:
        return [*await tryouts.wanted(console.db, now_ms)]

    then = SystemClock().unix_ms() - BEGINS_WITHIN_MS - 1

    async def want() -> None:
        async with console.db.tx() as tx:
            await tryouts.want(tx, TENANT, tryout_id, "mic", then)

    console.do(want)
    assert [one.id for one in console.do(wanted, then + BEGINS_WITHIN_MS - 1)] == [tryout_id]
    assert console.do(wanted, then + BEGINS_WITHIN_MS) == []
    assert "never taken by an engine" in console.client.get(f"/test-calls/{tryout_id}").text


def test_the_microphone_is_allowed_on_its_page_only() -> None:
    assert SPOKEN_AT.fullmatch("/test-calls/x")
    assert not SPOKEN_AT.fullmatch("/test-callsx")


@pytest.mark.parametrize(
    ("delays", "words"),
    [
        ([], "no answer was measured"),
        ([500], "500 ms in the middle, 500 ms at worst, of 1 answers"),
        ([900, 400, 600], "600 ms in the middle, 900 ms at worst, of 3 answers"),
    ],
)
def test_delays_in_words(delays: list[int], words: str) -> None:
    assert delay_words(delays) == words


@pytest.mark.parametrize(("text", "words"), [('"yes"', "yes"), ("true", "true"), ("[1]", "[1]"), ("{", "{")])
def test_values_in_words(text: str, words: str) -> None:
    assert value_words(text) == words


def test_what_had_no_price_is_said(console: Console) -> None:
    tryout_id = console.begun()

    async def spend() -> None:
        async with console.db.tx() as tx:
            await tryouts.spend(tx, TENANT, tryout_id, None, NOW)
            await tryouts.spend(tx, TENANT, tryout_id, 1_200, NOW)

    console.do(spend)
    assert shown(console.row(tryout_id)).cost == "$0.0012 and 1 answers without a known price"
