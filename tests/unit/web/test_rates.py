"""Too many requests: whose are counted together, what the answer says, and a Redis that is away."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.people import Role
from app.people.door import Door
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK, session
from tests.unit.app.store_world import TENANT
from web.app import create_app
from web.rates import SWEEP_AT, RateStore, address_of

HOST = "http://127.0.0.1:8000"
TASKS = "/api/v1/tasks"


@contextmanager
def served(folder: Path, **more: Any) -> Generator[tuple[TestClient[Any], SqliteDatabase]]:
    """A console that allows three requests and two tries to get in."""
    limits = {"api_requests_per_minute": 3, "sign_ins_per_minute": 2}
    values = {"simulate": True, "data_dir": str(folder)} | limits | more
    db = SqliteDatabase(fresh_sqlite(folder / "t.db"))
    app = create_app(Settings.model_validate(values), db, MemoryBus(), SystemClock(), QUICK)
    with TestClient(app, base_url=HOST) as client:
        client.blocking_portal.call(db.open)
        try:
            yield client, db
        finally:
            client.blocking_portal.call(db.close)


def bearer(client: TestClient[Any], db: SqliteDatabase, name: str) -> dict[str, str]:
    async def make() -> str:
        return (await Door(db, SystemClock(), QUICK).token(TENANT, name, Role.MANAGER, "a test"))[1]

    return {"authorization": f"Bearer {client.blocking_portal.call(make)}"}


def test_a_key_that_asks_too_much_is_told_when_to_go_on(tmp_path: Path) -> None:
    with served(tmp_path) as (client, db):
        one, other = bearer(client, db, "one"), bearer(client, db, "other")
        answers = [client.get(TASKS, headers=one) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answers[at].headers["ratelimit-remaining"] for at in range(3)] == ["2", "1", "0"]
        refused = answers[3]
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.json()["code"], refused.json()["status"]) == ("too_many_requests", 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert client.get(TASKS, headers=other).status_code == 200, "keys are counted apart"
        assert client.get("/sign-in").status_code == 200, "pages are not counted"


def test_people_are_counted_apart_from_strangers_of_their_address(tmp_path: Path) -> None:
    with served(tmp_path) as (client, db):
        assert [client.get(TASKS).status_code for _ in range(4)] == [401, 401, 401, 429]
        client.cookies.set("opendeep", client.blocking_portal.call(session, db, Role.VIEWER))
        assert client.get(TASKS).status_code == 200


def test_whoever_tries_to_get_in_too_often_waits(tmp_path: Path) -> None:
    with served(tmp_path) as (client, _db):
        form = {"email": "a@b.example", "password": "wrong"}
        tries = [client.post("/sign-in", data=form, headers={"origin": HOST}) for _ in range(2)]
        assert [answer.status_code for answer in tries] == [401, 401]
        link = client.post("/enter", json={"secret": "x"}, headers={"origin": HOST})
        assert (link.status_code, link.headers["content-type"][:10]) == (429, "text/plain")
        assert "Wait" in link.text
        assert "retry-after" in link.headers


def test_nothing_is_counted_when_it_is_switched_off(tmp_path: Path) -> None:
    with served(tmp_path, api_requests_per_minute=0) as (client, db):
        key = bearer(client, db, "one")
        assert {client.get(TASKS, headers=key).status_code for _ in range(9)} == {200}


def test_a_redis_that_is_away_refuses_nobody_and_counts_on(tmp_path: Path) -> None:
    nobody_there = "redis://127.0.0.1:1/0"
    with served(tmp_path, redis_url=nobody_there, command_key="k" * 64) as (client, db):
        key = bearer(client, db, "one")
        assert [client.get(TASKS, headers=key).status_code for _ in range(4)] == [200, 200, 200, 429]


@pytest.mark.anyio
async def test_counts_of_minutes_that_are_over_are_removed() -> None:
    store = RateStore("")
    for number in range(SWEEP_AT):
        await store.set(str(number), b"x", timedelta(microseconds=1) if number < SWEEP_AT - 1 else 60)
    assert await store.get(str(SWEEP_AT - 1)) == b"x"
    assert len(store._memory._store) <= 2  # pyright: ignore[reportPrivateUsage]


class _From:
    def __init__(self, host: str) -> None:
        self.client = type("Client", (), {"host": host})
        self.headers: dict[str, str] = {}


@pytest.mark.parametrize(
    ("told", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("testclient", "testclient"),
    ],
)
def test_a_network_of_ipv6_is_one_address(told: str, counted: str) -> None:
    assert address_of(_From(told)) == counted  # pyright: ignore[reportArgumentType]
