"""Orders to living calls over HTTP, on a real store: one row, one audit entry, one wake-up, roles and tenants."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.agent import TransferTarget
from app.domain.call import Call
from app.domain.command import CommandState, Verdict, WakeCheck, read_kind
from app.domain.messages import CommandQueued, command_topic
from app.domain.people import Role
from app.store import agents, attempts, audit, calls, commands
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import AGENT, NOW, TENANT, add_agent, begun_call, claimed_task, ended
from web.app import create_app
from web.steer.panel import KIND_WORDS

HOST = "http://127.0.0.1:8000"
KEY = b"k" * 40


class Console:
    def __init__(self, client: TestClient[Litestar], db: SqliteDatabase, bus: MemoryBus) -> None:
        self.client, self.db, self.bus = client, db, bus
        self.call: Call = self.do(self._call)

    def do(self, function: Callable[..., Any], *arguments: object) -> Any:
        return self.client.blocking_portal.call(function, *arguments)

    async def _call(self) -> Call:
        call = await begun_call(self.db, await claimed_task(self.db))
        await calls.set_state(self.db, TENANT, call.id, "bridged", NOW)
        return call

    def order(self, kind: str, payload: object = None, key: str | None = None, path: str = "") -> Any:
        body = {"kind": kind, "payload": payload or {}} | ({} if key is None else {"id": key})
        where = f"{path}/calls/{self.call.id}/commands"
        return self.client.post(where, content=msgspec.json.encode(body), headers={"origin": HOST})

    def audited(self) -> list[audit.AuditRow]:
        rows = self.do(audit.newest, self.db, TENANT)
        return [row for row in rows if row.action == "call_command"]

    def settle(self, state: CommandState, sentence: str) -> None:
        async def run() -> None:
            task = await claimed_token(self.db, self.call)
            async with self.db.tx() as tx:
                taken = await commands.take_next(tx, TENANT, self.call.id, task, SystemClock().unix_ms())
            assert taken is not None
            await commands.finish(self.db, TENANT, taken.id, state, sentence, now_ms=NOW)

        self.do(run)


async def claimed_token(db: SqliteDatabase, call: Call) -> int:
    row = await db.one("SELECT lease_token FROM tasks WHERE id = :id", {"id": call.task_id})
    assert row is not None
    return int(row[0])


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    db, bus = SqliteDatabase(fresh_sqlite(tmp_path / "test.db")), MemoryBus()
    settings = Settings.model_validate({"simulate": True, "ari_app": "x", "command_key": KEY.decode()})

    async def prepare() -> str:
        await db.open()
        await add_agent(db)
        return await session(db, Role.OPERATOR)

    cookie = asyncio.run(prepare())
    try:
        with TestClient(create_app(settings, db, bus, SystemClock(), QUICK), base_url=HOST) as client:
            client.cookies.set("opendeep", cookie)
            yield Console(client, db, bus)
    finally:
        asyncio.run(db.close())


@pytest.mark.parametrize("path", ["", "/api/v1"])
def test_an_order_is_a_row_an_audit_entry_and_a_signed_wake_up(console: Console, path: str) -> None:
    with console.bus.subscribe(command_topic(console.call.id)) as messages:
        answer = console.order("whisper", {"text": "offer Tuesday"}, path=path)
        assert answer.status_code == 202, answer.text
        woken = console.do(anext, messages)
    order = answer.json()
    assert (order["state"], order["kind_label"], order["words"], order["mine"], order["settled"]) == (
        "queued", "Whisper", "offer Tuesday", True, False,
    )  # fmt: skip
    assert isinstance(woken, CommandQueued)
    check = WakeCheck(KEY, TENANT, console.call.id)
    assert check.judge(woken, SystemClock().unix_ms()) is Verdict.ACCEPTED
    (entry,) = console.audited()
    assert entry.object == f"call:{console.call.id}"
    assert msgspec.json.decode(entry.detail) == {
        "command": order["id"], "kind": "whisper",
    }  # fmt: skip
    (row,) = console.do(commands.list_of_call, console.db, TENANT, console.call.id)
    assert row.issued_by == entry.actor


def test_the_same_order_sent_again_is_one_order(console: Console) -> None:
    first = console.order("mute", key="browser-key-1")
    again = console.order("mute", key="browser-key-1")
    assert first.json()["id"] == again.json()["id"] == "browser-key-1"
    assert len(console.audited()) == 1
    other = console.order("hold", key="browser-key-1")
    assert other.status_code == 409
    assert len(console.do(commands.list_of_call, console.db, TENANT, console.call.id)) == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"kind":"dance"}', b'{"kind":"say"}', b'{"kind":"say","payload":{"text":"  "}}',
     b'{"kind":"mute","id":"x"}', b'{"kind":"mute","more":1}', b'{"kind":"send_dtmf","payload":{"digits":"9z"}}',
     b'{"kind":"mute","payload":' + b" " * 20_000 + b"{}}", b'{"kind":"m\xff"}'],
)  # fmt: skip
def test_what_is_no_order_is_told_so_and_changes_nothing(console: Console, body: bytes) -> None:
    path = f"/calls/{console.call.id}/commands"
    answer = console.client.post(path, content=body, headers={"origin": HOST})
    assert answer.status_code == 422, answer.text
    assert len(answer.json()["message"]) > 20
    assert console.do(commands.list_of_call, console.db, TENANT, console.call.id) == []
    assert console.audited() == []


def test_the_state_of_an_order_comes_with_its_reason(console: Console) -> None:
    order = console.order("transfer", {"target": "desk"}).json()
    console.settle(CommandState.REFUSED, "Nobody of that name.")
    path = f"/calls/{console.call.id}/commands/{order['id']}"
    now = console.client.get(path).json()
    assert (now["state"], now["state_label"], now["result"], now["settled"]) == (
        "refused", "✗ refused", "Nobody of that name.", True,
    )  # fmt: skip
    assert console.client.get(f"/calls/{'0' * 32}/commands/{order['id']}").status_code == 404
    listed = console.client.get(f"/api/v1/calls/{console.call.id}/commands").json()["items"]
    assert [one["id"] for one in listed] == [order["id"]]


def test_the_panel_tells_where_the_line_stands_and_whom_to_transfer_to(console: Console) -> None:
    target = TransferTarget(name="Front desk", number="+12025550199")
    console.do(agents.update, console.db, msgspec.structs.replace(AGENT, transfer_targets=(target,)), NOW)
    path = f"/calls/{console.call.id}/steering"
    shown = console.client.get(path).json()
    assert (shown["alive"], shown["talking"], shown["line"], shown["transfer"]) == (True, True, "open", [])
    console.order("hold")
    assert console.client.get(path).json()["line"] == "open", "waiting is not done"
    console.settle(CommandState.DONE, "")
    assert console.client.get(path).json()["line"] == "held"
    console.do(finish, console)
    over = console.client.get(path).json()
    assert (over["alive"], over["talking"]) == (False, False)
    assert console.order("say", {"text": "hello"}).status_code == 409
    assert "+1202" not in console.client.get(path).text


async def finish(console: Console) -> None:
    token = await claimed_token(console.db, console.call)
    async with console.db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(console.call), NOW, token=token)


def test_the_choices_are_those_of_the_version_that_speaks(console: Console) -> None:
    """A call keeps its agent's version: a name that was added later would be refused."""
    target = TransferTarget(name="Later", number="+12025550199")
    console.do(agents.update, console.db, msgspec.structs.replace(AGENT, transfer_targets=(target,)), NOW)
    assert console.client.get(f"/calls/{console.call.id}/steering").json()["transfer"] == []


def test_only_those_who_may_steer_see_the_panel(console: Console) -> None:
    page = console.client.get(f"/?call={console.call.id}").text
    assert f'<div id="steer" data-call="{console.call.id}" hidden>' in page
    console.client.cookies.set("opendeep", console.do(session, console.db, Role.AUDITOR))
    assert 'id="steer"' not in console.client.get(f"/?call={console.call.id}").text
    assert console.order("mute").status_code == 403
    assert console.audited() == []


def test_every_order_has_words_and_no_script_has_a_sink() -> None:
    assert all(read_kind(name) for name in KIND_WORDS)
    scripts = list((Path(__file__).parents[3] / "web" / "static").glob("*.js"))
    assert len(scripts) > 10
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", ".srcdoc"):
        assert [one.name for one in scripts if sink in one.read_text()] == [], sink
