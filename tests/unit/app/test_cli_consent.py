"""`opendeep consent withdraw`: every consent of a number, of one tenant, with an entry in the audit log."""

import asyncio
import json
from pathlib import Path

import pytest

from app.domain.admission_facts import Consent
from app.domain.policy.pack import Purpose
from app.store import audit, consents, users
from app.store.consents import NewConsent
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import NOW, NUMBER, TENANT
from tests.unit.app.test_cli import Done, run, simulated

PURPOSES: tuple[Purpose, ...] = ("marketing", "service")


async def give(db: AnyDatabase) -> None:
    for purpose in PURPOSES:
        new = NewConsent(number=NUMBER, purpose=purpose, level="express", evidence="mail", given_ms=NOW - 1)
        await consents.give(db, TENANT, new)


async def kept(db: AnyDatabase, tenant_id: str) -> list[Consent | None]:
    return [await consents.of_callee(db, tenant_id, NUMBER, purpose) for purpose in PURPOSES]


@pytest.mark.anyio
async def test_every_purpose_is_withdrawn_and_only_of_that_tenant(opener: Opener) -> None:
    async with opener() as db:
        await users.add_tenant(db, "branch", "Branch", NOW)
        await give(db)
        async with db.tx() as tx:
            assert await consents.withdraw(tx, "branch", NUMBER, NOW) == 0
            assert await consents.withdraw(tx, TENANT, NUMBER, NOW) == 2
            assert await consents.withdraw(tx, TENANT, NUMBER, NOW + 1) == 0
        assert [one and one.withdrawn_ms for one in await kept(db, TENANT)] == [NOW, NOW]


def command(folder: Path, *arguments: str) -> Done:
    return run(folder, "consent", "withdraw", *arguments, SIMULATE="True", DATA_DIR=str(folder / "data"))


def test_the_command_says_what_it_did_and_writes_it_down(tmp_path: Path) -> None:
    file = simulated(tmp_path).database_path

    async def given() -> None:
        async with SqliteDatabase(fresh_sqlite(file)) as db:
            await give(db)

    async def noted() -> list[tuple[str, str, str]]:
        async with SqliteDatabase(file) as db:
            return [(row.action, row.object, row.detail) for row in await audit.newest(db, TENANT)]

    none = command(tmp_path, NUMBER)
    assert (none.returncode, "nothing to withdraw" in none.stdout) == (1, True)
    file.unlink()
    asyncio.run(given())
    done = command(tmp_path, "+1 202 555 0123", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], answer["withdrawn"], NUMBER in done.stdout) == (0, True, 2, False)
    assert "2 consents withdrawn" in done.stderr
    assert command(tmp_path, NUMBER).returncode == 1
    assert asyncio.run(noted()) == [("consent_withdrawn", f"consent:{answer['number']}", '{"consents":2}')]
    unknown = command(tmp_path, NUMBER, "--tenant", "nobody")
    assert (unknown.returncode, "no such tenant" in unknown.stderr) == (2, True)
    assert command(tmp_path, "12").returncode == 2
