"""What is loaded for one call before the ring: rules by the callee's number, documents, the recipient."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.calls.board import Switchboard
from app.calls.context import call_context, spoken_number
from app.calls.plan import open_leg
from app.domain.policy.pack import Rules
from app.domain.recipient import Recipient
from app.domain.task import CallTask
from app.store import recipients, tasks, tenants, users
from app.store.sqlite import SqliteDatabase
from app.store.tenants import TenantTerms
from tests.unit.app.call_world import order, switchboard
from tests.unit.app.store_world import AGENT, NOW, NUMBER, TENANT, add_agent, new_task

pytestmark = pytest.mark.anyio
GERMAN = "+4930123456"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    async with SqliteDatabase(tmp_path / "test.db") as opened:
        await add_agent(opened)
        yield opened


def site(db: SqliteDatabase, tmp_path: Path, **changes: Any) -> Switchboard:
    values = {
        "simulate": False,
        "data_dir": tmp_path,
        "recording": True,
        "company_name": "Acme",
        "caller_id": "Acme <+12025550100>",
    }
    return switchboard(db, **values | changes)


async def task(db: SqliteDatabase, number: str = NUMBER, **changes: Any) -> CallTask:
    return await tasks.create(db, TENANT, new_task(number, **changes), NOW)


async def test_the_pack_of_the_number_says_what_is_said_first(db: SqliteDatabase, tmp_path: Path) -> None:
    board = site(db, tmp_path)
    made = await call_context(board, await task(db), AGENT)
    assert made.disclosure.words == (
        "Hello, I am an automated assistant calling for Acme. Our number is +1 202-555-0100. Say stop at any time "
        "and we will not call you again. This call is recorded; tell me if you do not want that."
    )
    assert made.disclosure.ready
    assert made.may_record
    assert made.notes == ()
    german = msgspec.structs.replace(AGENT, language="de")
    made = await call_context(board, await task(db, GERMAN), german)
    assert made.disclosure.words.startswith("Guten Tag, ich bin ein KI-Assistent und rufe im Auftrag von Acme an.")
    assert "Berlin" in made.now


async def test_nothing_is_recorded_before_a_consent_where_one_has_to_come_first(
    db: SqliteDatabase, tmp_path: Path
) -> None:
    board = site(db, tmp_path)
    for number, records, asks in (
        (NUMBER, True, False),
        (GERMAN, False, True),
        ("+81312345678", False, False),
    ):
        made = await call_context(board, await task(db, number), AGENT)
        assert made.may_record is records
        kinds = [] if records else ["recording_asked"] if asks else ["recording_off"]
        assert [note.kind for note in made.notes] == kinds
        leg = open_leg(board.settings, order(number=number, context=made))
        assert (leg.recording_path is not None) is (records or asks)
        assert leg.record_from == ("answer" if records else "command")
        assert ("May we record this call?" in made.disclosure.words) is asks
        offered = {one.name for one in leg.realtime.tools}
        assert ("recording_consent" in offered) is (records or asks)
        assert ("recorded" in made.disclosure.words) is records


async def test_a_tenant_tightens_and_damaged_rules_forbid(db: SqliteDatabase, tmp_path: Path) -> None:
    board, one = site(db, tmp_path), await task(db)
    await tenants.set_terms(db, TENANT, TenantTerms(rules=Rules(recording="never")))
    assert not (await call_context(board, one, AGENT)).may_record
    await db.execute("UPDATE tenants SET rules = :rules WHERE id = :id", {"rules": '{"hours": 1}', "id": TENANT})
    assert not (await call_context(board, one, AGENT)).may_record


async def test_other_tenants_say_their_own_name(db: SqliteDatabase, tmp_path: Path) -> None:
    await users.add_tenant(db, "bakery", "Good Bread", NOW)
    one = msgspec.structs.replace(await task(db), tenant_id="bakery")
    made = await call_context(site(db, tmp_path), one, AGENT)
    assert "calling for Good Bread." in made.disclosure.words
    assert "Acme" not in made.disclosure.words


async def test_documents_and_the_recipient(db: SqliteDatabase, tmp_path: Path) -> None:
    folder = tmp_path / "documents" / TENANT
    folder.mkdir(parents=True)
    (folder / "prices.md").write_text("A table costs nothing.")
    agent = msgspec.structs.replace(AGENT, s3_file_paths=("prices.md", "gone.md", "s3://shop/a.txt"))
    known = Recipient(tenant_id=TENANT, number=NUMBER, name="Bob", updated_ms=NOW)
    await recipients.put(db, known)
    board, one = site(db, tmp_path), await task(db)
    made = await call_context(board, one, agent)
    assert [(doc.name, doc.text) for doc in made.documents] == [("prices.md", "A table costs nothing.")]
    assert [note.kind for note in made.notes] == ["document_missing"] * 2
    assert "gone.md" in made.notes[0].detail
    assert made.recipient == known
    back = await call_context(board, one, agent, inbound=True)
    assert back.recipient is None, "whoever calls us may be anybody"
    assert back.disclosure.words == "This call is recorded; tell me if you do not want that."


async def test_a_simulation_says_nothing_of_the_kind(db: SqliteDatabase, tmp_path: Path) -> None:
    board = site(db, tmp_path, simulate=True)
    made = await call_context(board, await task(db, "+15551000001"), AGENT)
    assert made.disclosure.words == ""
    assert made.may_record


@pytest.mark.parametrize(
    ("caller_id", "spoken"),
    [("Acme <+12025550100>", "+1 202-555-0100"), ("+442079460000", "+44 20 7946 0000"), ("", ""), ("+", "")],
)
def test_a_number_is_read_in_groups(caller_id: str, spoken: str) -> None:
    assert spoken_number(caller_id) == spoken
