"""Every page and every resource still opens when what it showed was erased."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from app.bus import MemoryBus
from app.clock import SystemClock
from app.config import Settings
from app.domain.people import Role
from app.erasure.runner import Eraser
from app.store import erasures, free_text, retention
from app.store.audit import Deed
from app.store.sqlite import SqliteDatabase
from scripts.promises.erasure.world import settle
from scripts.promises.tenancy.rows import NOW, NUMBER, mark, row_id
from scripts.promises.tenancy.world import OF_ENDED_CALLS, PARAMETERS, PLAIN, fill
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.door_world import QUICK
from tests.unit.app.store_world import TENANT
from web.app import create_app

HOST = "http://127.0.0.1:8000"
LATER = NOW * 2


class House:
    def __init__(self, app: Litestar, client: TestClient[Litestar], db: SqliteDatabase, cookie: str) -> None:
        self.app, self.client, self.db = app, client, db
        client.cookies.set("opendeep", cookie)

    def paths(self) -> list[str]:
        """Each address that is read, with the tenant's own rows in it."""
        found = {f"/calls/{row_id(TENANT, 'ended')}", f"/tasks/{row_id(TENANT, 'done')}"}
        found |= {f"/api/v1{path}" for path in found}
        for route in self.app.routes:
            path: str = getattr(route, "path_format", route.path)
            if "GET" in getattr(route, "methods", ()) and not path.startswith("/static"):
                found.add(re.sub(r"\{(\w+)\}", lambda name, path=path: _value(path, name[1]), path))
        return sorted(found)

    def faults(self) -> list[str]:
        """Addresses that answer a fault of ours."""
        answers = {path: self.client.get(path, follow_redirects=False) for path in self.paths()}
        assert sum(answer.status_code == 200 for answer in answers.values()) > 60
        return [path for path, answer in answers.items() if answer.status_code >= 500]


def _value(path: str, name: str) -> str:
    if path in OF_ENDED_CALLS and name == "call_id":
        return row_id(TENANT, "ended")
    return row_id(TENANT, PARAMETERS[name]) if name in PARAMETERS else PLAIN.get(name, "1")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("erased")
    db = SqliteDatabase(fresh_sqlite(folder / "test.db"))
    settings = Settings(_env_file=None).model_copy(update={"data_dir": folder})  # type: ignore[call-arg]
    app = create_app(settings, db, MemoryBus(), SystemClock(), QUICK)

    async def erase() -> None:
        await settle(db)
        await db.execute("UPDATE legal_holds SET lifted_by = 'x', lifted_ms = 1")
        async with db.tx() as tx:
            deed = Deed(actor="x", action="", object="")
            one = await erasures.request(tx, TENANT, NUMBER, b"k", deed, now_ms=NOW // 2)
        assert (await Eraser(settings, db, SystemClock()).finish(TENANT, one.id)).state == "done"
        async with db.tx() as tx:
            await free_text.empty_chat(tx, TENANT, row_id(TENANT, "conversation"), now_ms=NOW)
            await retention.sweep_reports(tx, TENANT, LATER, LATER)

    with TestClient(app, base_url=HOST, raise_server_exceptions=False) as client:
        do: Any = client.blocking_portal.call
        do(db.open)
        secrets = do(fill, db)
        do(erase)
        yield House(app, client, db, secrets[TENANT, Role.OWNER, "cookie"])
        do(db.close)


def test_no_page_meets_a_fault_where_something_was_erased(house: House) -> None:
    assert house.faults() == []


def test_what_was_erased_is_shown_nowhere(house: House) -> None:
    for path in (f"/calls/{row_id(TENANT, 'ended')}", f"/tasks/{row_id(TENANT, 'done')}"):
        page = house.client.get(path)
        assert (page.status_code, NUMBER in page.text, f"Ann {mark(TENANT)}" in page.text) == (200, False, False)
