"""Registries in the store and at the command line: the last list holds until the next one is whole."""

import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from app.cli.registry import read_day
from app.domain.admission_facts import Registry
from app.domain.policy.registries import AskedRegistry, asked_registries
from app.errors import ConflictError, ConstraintFailed, ValidationFailed
from app.policy_packs import DEFAULT_PACKS, enabled_packs, load_packs
from app.store import registries
from app.store.registries import Filled, Imported
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import NOW
from tests.unit.app.test_cli import Done, run

pytestmark = pytest.mark.anyio
DNC, TPS = "us-national-dnc", "uk-tps"
LISTED, OTHER = "+12025550123", "+12025550124"


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        yield opened


async def put(db: AnyDatabase, filled: Filled, as_of_ms: int) -> None:
    async with db.tx() as tx:
        await registries.put_in_force(tx, filled, as_of_ms)


async def says(db: AnyDatabase, number: str) -> Registry | None:
    return (await registries.asked(db, [DNC], number)).get(DNC)


async def test_a_list_takes_the_place_of_the_last_one_at_once(
    db: AnyDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "BATCH", 3)
    old = [f"+1202555{n:04}" for n in range(7)]
    first = await registries.fill(db, DNC, old, NOW)
    assert await says(db, old[0]) is None, "not in force yet"
    await put(db, first, NOW)
    second = await registries.fill(db, DNC, [LISTED], NOW + 1)
    other = await registries.fill(db, TPS, ["+442079460123"], NOW + 1)
    assert await says(db, old[6]) == Registry(imported_ms=NOW, listed=True)
    assert await says(db, LISTED) == Registry(imported_ms=NOW, listed=False)
    await put(db, second, NOW + 1)
    await put(db, other, NOW + 1)
    assert await says(db, old[6]) == Registry(imported_ms=NOW + 1, listed=False)
    assert await says(db, LISTED) == Registry(imported_ms=NOW + 1, listed=True)
    await registries.clear(db, DNC, NOW + 2)
    assert await db.one("SELECT count(*) FROM registry_numbers") == (2,)
    assert await registries.list_imported(db) == [
        Imported(name=TPS, imported_ms=NOW + 1, numbers=1),
        Imported(name=DNC, imported_ms=NOW + 1, numbers=1),
    ]


async def test_a_list_that_stopped_half_way_is_never_asked_and_goes_after_a_day(db: AnyDatabase) -> None:
    await put(db, await registries.fill(db, DNC, [OTHER], NOW), NOW)
    with pytest.raises(ValidationFailed):
        await registries.fill(db, DNC, [LISTED, "12"], NOW + 1)
    with pytest.raises(ConstraintFailed):
        await registries.fill(db, DNC, [LISTED, LISTED], NOW + 2)
    waiting = await registries.fill(db, DNC, [LISTED], NOW + 3)
    assert await says(db, LISTED) == Registry(imported_ms=NOW, listed=False)
    await registries.clear(db, DNC, NOW + 4)
    assert await db.one("SELECT count(*) FROM registries") == (4,), "somebody may be filling them"
    await registries.clear(db, DNC, NOW + 3 + registries.ABANDONED_MS)
    assert await db.one("SELECT count(*) FROM registries") == (1,)
    with pytest.raises(ConflictError):
        await put(db, waiting, NOW + 5)
    assert await says(db, OTHER) == Registry(imported_ms=NOW, listed=True)


def test_the_packs_say_which_registries_are_asked_and_how_old_they_may_be() -> None:
    packs = enabled_packs(load_packs(), DEFAULT_PACKS)
    assert asked_registries(packs) == {
        "uk-ctps": AskedRegistry(name="uk-ctps", max_age_days=28, country="GB"),
        TPS: AskedRegistry(name=TPS, max_age_days=28, country="GB"),
        DNC: AskedRegistry(name=DNC, max_age_days=31, country="US"),
    }


def test_a_list_is_of_a_day_that_was() -> None:
    today = date(2026, 11, 28)
    assert read_day("", today) == read_day("2026-11-28", today) == 1_795_824_000_000
    for text in ("2026-11-29", "1999-12-31", "yesterday", "2026-13-01"):
        with pytest.raises(ValidationFailed):
            read_day(text, today)


def command(folder: Path, url: str, *arguments: str) -> Done:
    return run(folder, "registry", *arguments, SIMULATE="True", **({"DATABASE_URL": url} if url else {}))


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_the_command_imports_lists_and_refuses(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("fresh_database") if kind == "postgres" else ""
    file = tmp_path / "list.csv"
    assert [line.split()[0] for line in command(tmp_path, url, "list").stdout.splitlines()] == [
        "uk-ctps",
        TPS,
        DNC,
    ]
    file.write_text("".join(f"202,555{n:04}\n" for n in range(99)) + "n/a\n")
    done = command(tmp_path, url, "import", DNC, str(file), "--as-of", "2026-01-02", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["ok"], answer["numbers"], answer["unreadable"]) == (1, False, 99, 1)
    assert (answer["as_of"], answer["stale_on"]) == ("2026-01-02", "2026-02-02")
    assert "line 100:" in done.stderr
    assert "99 numbers as of 2026-01-02, stale since 2026-02-02" in command(tmp_path, url, "list").stdout
    for arguments, said in (
        ((TPS, str(file)), "100 of 100 rows"),
        (("at-ecg", str(file)), "No pack in force asks a registry 'at-ecg'; they ask: uk-ctps, uk-tps, us-nat"),
        ((DNC, str(file), "--as-of", "2999-01-01"), "no day of a list"),
    ):
        refused = command(tmp_path, url, "import", *arguments)
        assert refused.returncode == 2
        assert said in refused.stderr
    file.write_text("2025550123\n")
    assert command(tmp_path, url, "import", DNC, str(file)).returncode == 0
    listed = json.loads(command(tmp_path, url, "list", "--json").stdout)["registries"]
    assert [(one["name"], one["numbers"], one["stale"]) for one in listed] == [
        ("uk-ctps", 0, False),
        (TPS, 0, False),
        (DNC, 1, False),
    ]
    audited = run(tmp_path, "audit", "verify", SIMULATE="True", **({"DATABASE_URL": url} if url else {}))
    assert "default: 2 entries, whole" in audited.stdout
