"""A list from the file to contacts: checks, edits, what is kept and what is told, on both databases."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from typing import cast

import msgspec
import pytest

from app.contacts.desk import ImportDesk
from app.contacts.runner import Importer
from app.domain.contacts.contact import Options
from app.domain.contacts.csv_text import unescaped
from app.errors import ConflictError, DatabaseBusy, NotFoundError, ValidationFailed
from app.store import (
    consents,
    contact_imports,
    contact_rows,
    contacts,
    dnd,
    leases,
    legal_holds,
    recipients,
    tasks,
    users,
)
from app.store.consents import NewConsent
from app.store.db import Database, Params, Row
from app.store.dnd import DoNotCall
from app.store.legal_holds import LegalHold
from tests.unit.app.store_world import NOW, TENANT, add_agent, new_task
from tests.unit.contacts.import_world import SITE, ImportWorld

pytestmark = pytest.mark.anyio

LIST = """Name;Phone;Zone;Language;Notes;Color
Ann Lee;+1 202 555 0123;America/New_York;en;likes mornings;blue
Bob;+1 202 555 0124;;;;red
Again;+12025550123;;;;
Bad;12;;;;
=cmd|'/C calc'!A0;+33 1 40 20 50 50;;;;green
Dora;+12025550126;Mars/Olympus;;;
"""


async def listed(world: ImportWorld, number: str) -> None:
    async with world.db.tx() as tx:
        entry = DoNotCall(id="d" * 32, tenant_id=TENANT, number=number, reason="asked", source="operator")
        await dnd.add(tx, entry, NOW)


async def issues(world: ImportWorld, one: contact_imports.ContactImport) -> list[tuple[str, str]]:
    rows = await contact_rows.page(world.db, world.tenant_id, one.id)
    return [(row.state, row.issue) for row in rows]


async def test_every_row_is_taken_or_told(world: ImportWorld) -> None:
    await listed(world, "+12025550124")
    one = await world.checked(LIST)
    assert (one.state, one.rows_total, one.told) == (
        "review",
        6,
        ("Read as UTF-8, cells separated by semicolon.",),
    )
    assert await issues(world, one) == [
        ("ready", ""),
        ("rejected", "do_not_call"),
        ("rejected", "duplicate"),
        ("rejected", "bad_number"),
        ("rejected", "wrong_country"),
        ("ready", "no_zone"),
    ]
    assert one.tally["ready"] + one.tally["rejected"] == 6
    done = await world.brought(one)
    assert (done.state, done.tally["imported"], done.tally["rejected"]) == ("done", 2, 4)
    found = await contacts.search(world.db, TENANT)
    ann = next(contact for contact in found.contacts if contact.name == "Ann Lee")
    assert (ann.zone, ann.language, ann.import_id) == ("America/New_York", "en", one.id)
    assert msgspec.json.decode(ann.variables) == {"Color": "blue"}
    remembered = await recipients.get(world.db, TENANT, "+12025550123")
    assert remembered is not None
    assert remembered.preferences == "likes mornings"
    assert [one.name for one in await contacts.find_by_name(world.db, TENANT, "lee")] == ["Ann Lee"]
    assert await contact_imports.piece(world.db, one.id, 0) is None, "the file is not kept"


async def test_rejected_rows_come_back_with_reasons_and_without_formulas(world: ImportWorld) -> None:
    one = await world.brought(await world.checked(LIST))
    text = await world.rejected(one)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0][:5] == ["Row in the file", "What is wrong", "In words", "Name", "Phone"]
    assert [row[:2] for row in rows[1:]] == [["4", "duplicate"], ["5", "bad_number"], ["6", "wrong_country"]]
    assert rows[3][3] == "'=cmd|'/C calc'!A0" or unescaped(rows[3][3]).startswith("=cmd")
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    mended = text.replace("12;", "+12025550127;").replace(",12,", ",+12025550127,")
    again = await world.checked(mended)
    assert again.tally["ready"] == 2, "the mended row is new, the duplicate is known by now"
    assert [column.meaning for column in again.mapping][:5] == [
        "leave_out",
        "leave_out",
        "leave_out",
        "name",
        "number",
    ]


async def test_twice_is_once(world: ImportWorld) -> None:
    first = await world.brought(await world.checked(LIST))
    ids = {one.number: one.id for one in (await contacts.search(world.db, TENANT)).contacts}
    second = await world.checked(LIST.replace("blue", "black").replace("Ann Lee", ""))
    assert second.id != first.id
    assert ("ready", "known") in await issues(world, second)
    await world.brought(second)
    after = {one.number: one for one in (await contacts.search(world.db, TENANT)).contacts}
    assert {number: one.id for number, one in after.items()} == ids
    ann = after["+12025550123"]
    assert (ann.name, msgspec.json.decode(ann.variables)) == ("Ann Lee", {"Color": "black"}), (
        "blank cells erase nothing"
    )


async def test_known_contacts_can_be_left_alone(world: ImportWorld) -> None:
    await world.brought(await world.checked(LIST))
    done = await world.brought(await world.checked(LIST.replace("blue", "black"), skip_known=True))
    assert done.tally.get("imported", 0) == 0
    assert done.tally["skipped"] >= 2
    ann = (await contacts.by_numbers(world.db, TENANT, ["+12025550123"]))["+12025550123"]
    assert msgspec.json.decode(ann.variables) == {"Color": "blue"}


async def test_the_same_file_that_waits_already_is_gone_on_with(world: ImportWorld) -> None:
    one = await world.checked(LIST)
    assert (await world.send(LIST)).id == one.id
    assert (await world.send(LIST, target="do_not_call")).id != one.id
    assert (await world.send(LIST, region="GB")).id != one.id, "numbers in it may be other people's"


async def test_other_columns_are_checked_anew(world: ImportWorld) -> None:
    one = await world.checked("a,b\n+12025550123,+12025550124\n+12025550123,+12025550125\n")
    assert one.tally == {"ready": 1, "rejected": 1, "issue:duplicate": 1}
    await world.desk.remap(TENANT, one.id, [("b", "number"), ("a", "leave_out")], one.chosen)
    again = await world.go_on(one)
    assert (again.state, again.tally) == ("review", {"ready": 2})
    with pytest.raises(ValidationFailed):
        await world.desk.remap(TENANT, one.id, [("b", "name"), ("a", "name")], one.chosen)


async def test_a_list_without_a_number_waits_for_a_person(world: ImportWorld) -> None:
    one = await world.checked("who;what\nAnn;x\n")
    assert (one.state, "telephone number" in one.problem) == ("review", True)
    with pytest.raises(ValidationFailed):
        await world.ordered(one)


async def test_consent_is_asked_for_kept_and_never_revived(world: ImportWorld) -> None:
    await consents.give(
        world.db,
        TENANT,
        NewConsent(number="+12025550124", purpose="marketing", level="written", evidence="form", given_ms=NOW - 9),
    )
    async with world.db.tx() as tx:
        await consents.withdraw(tx, TENANT, "+12025550124", NOW - 5)
    body = "Phone,Consent\n+12025550123,form 7\n+12025550124,form 8\n+12025550125,\n"
    one = await world.checked(body, purpose="marketing", consent_level="written")
    assert await issues(world, one) == [("ready", ""), ("rejected", "withdrawn"), ("ready", "no_consent")]
    await world.brought(one)
    given = await consents.of_callee(world.db, TENANT, "+12025550123", "marketing")
    assert given is not None
    assert (given.level, given.evidence) == ("written", "form 7 (list list.csv, row 2)")
    withdrawn = await consents.of_callee(world.db, TENANT, "+12025550124", "marketing")
    assert withdrawn is not None
    assert withdrawn.withdrawn_ms == NOW - 5
    assert await consents.of_callee(world.db, TENANT, "+12025550125", "marketing") is None


async def test_who_opts_out_between_check_and_import_stays_out(world: ImportWorld) -> None:
    one = await world.checked("Phone\n+12025550123\n+12025550124\n")
    await listed(world, "+12025550124")
    done = await world.brought(one)
    assert (done.tally["imported"], done.tally["issue:do_not_call"]) == (1, 1)


async def test_a_do_not_call_list_works_at_once(world: ImportWorld) -> None:
    await add_agent(world.db)
    waiting = await tasks.create(world.db, TENANT, new_task("+12025550123"), NOW)
    other = await tasks.create(world.db, TENANT, new_task("+12025550177"), NOW)
    one = await world.checked("tel\n+1 202 555 0123\n+19005550123\nx\n", target="do_not_call", reason="regulator")
    done = await world.brought(one)
    assert (done.tally["imported"], done.tally["rejected"]) == (2, 1)
    assert (await tasks.get(world.db, TENANT, waiting.id)).state == "suppressed"
    assert [claim.id for claim in await leases.claim_due(world.db, NOW, "me", 1_000, 5)] == [other.id]
    entries = await dnd.page(world.db, TENANT)
    assert {(entry.number, entry.reason, entry.source) for entry in entries} == {
        ("+12025550123", "regulator", "import"),
        ("+19005550123", "regulator", "import"),
    }
    assert [entry.number for entry in await dnd.page(world.db, TENANT, "+1202")] == ["+12025550123"]


async def test_other_tenants_see_nothing(world: ImportWorld) -> None:
    await users.add_tenant(world.db, "other", "Other", 0)
    one = await world.brought(await world.checked(LIST))
    contact = (await contacts.search(world.db, TENANT)).contacts[0]
    assert (await contacts.search(world.db, "other")).contacts == ()
    assert await contacts.find_by_name(world.db, "other", "lee") == ()
    assert (await contacts.of_import(world.db, "other", one.id)).contacts == ()
    assert await contact_rows.page(world.db, "other", one.id) == []
    for asked in (
        contacts.get(world.db, "other", contact.id),
        contact_imports.get(world.db, "other", one.id),
        world.desk.edit("other", one.id, 1, {1: "x"}),
    ):
        with pytest.raises(NotFoundError):
            await asked


async def test_a_process_that_was_away_too_long_writes_nothing_more(world: ImportWorld) -> None:
    one = await world.send(LIST)
    held = await contact_imports.hold(world.db, NOW, one.id)
    assert held is not None
    assert await contact_imports.hold(world.db, NOW + 1, one.id) is None, "held by somebody"
    assert await contact_imports.hold(world.db, NOW + 60_000, one.id) is not None
    with pytest.raises(ConflictError):
        await contact_imports.step(world.db, held, NOW + 60_000)


async def test_two_processes_do_the_work_once(world: ImportWorld) -> None:
    other = ImportWorld(world.db)
    one = await world.send("Phone\n" + "".join(f"+1202555{n:04d}\n" for n in range(100, 200)))
    async with asyncio.TaskGroup() as group:
        both = [group.create_task(each.go_on(one)) for each in (world, other)]
    assert {task.result().tally["ready"] for task in both} == {100}


async def test_a_file_that_is_no_list_ends_its_import(world: ImportWorld) -> None:
    one = await world.checked(b"PK\x03\x04 broken", "x.xlsx")
    assert (one.state, "damaged" in one.problem) == ("failed", True)
    with pytest.raises(ValidationFailed):
        await world.send(b"")
    with pytest.raises(ValidationFailed):
        await world.send(b"%PDF-1.7")


async def test_names_are_found_by_words_and_pages_follow(world: ImportWorld) -> None:
    rows = "".join(f"Person {n} Weiß;+1202555{n:04d}\n" for n in range(100, 180))
    await world.brought(await world.checked("Name;Phone\n" + rows))
    found = await contacts.find_by_name(world.db, TENANT, "WEISS person 107")
    assert [one.name for one in found] == ["Person 107 Weiß"]
    assert len(await contacts.find_by_name(world.db, TENANT, "weiß 10")) == 10
    assert (await contacts.find_by_name(world.db, TENANT, "person 101"))[0].name == "Person 101 Weiß"
    seen: list[str] = []
    before = ""
    while True:
        page = await contacts.search(world.db, TENANT, "weiß", before=before, limit=30)
        seen += [one.id for one in page.contacts]
        if page.next is None:
            break
        before = page.next
    assert len(seen) == len(set(seen)) == 80
    assert len((await contacts.search(world.db, TENANT, "+1202555010")).contacts) == 10
    assert (await contacts.search(world.db, TENANT, "%_")).contacts == ()


@pytest.mark.parametrize(
    ("cell", "issue", "evidence"),
    [(cell, "no_consent", None) for cell in ("No", "N", "no.", "false", "FALSE", "0", "nein", "Non")]
    + [("", "", "the fair"), ("Yes", "", "Yes"), ("form 0", "", "form 0"), ("Nora's form", "", "Nora's form")],
)
async def test_a_row_that_says_no_gives_no_consent(
    world: ImportWorld, cell: str, issue: str, evidence: str | None
) -> None:
    one = await world.checked(
        f"Phone;Agreed\n+12025550123;{cell}\n",
        purpose="marketing",
        consent_level="written",
        consent_evidence="the fair",
        mapping=(("Agreed", "consent"),),
    )
    assert await issues(world, one) == [("ready", issue)]
    await world.brought(one)
    given = await consents.of_callee(world.db, TENANT, "+12025550123", "marketing")
    assert (given and given.evidence.partition(" (list")[0]) == evidence


async def test_whoever_reads_for_long_goes_on_holding(world: ImportWorld) -> None:
    one = await world.send("Name;Phone\nAnn;+12025550123\n")
    held = await contact_imports.hold(world.db, NOW, one.id)
    assert held is not None
    later = NOW + contact_imports.HOLD_MS
    assert await contact_imports.renew(world.db, held, later)
    assert await contact_imports.hold(world.db, later + 1, one.id) is None, "it is still held"
    taken = await contact_imports.hold(world.db, later + contact_imports.HOLD_MS + 1, one.id)
    assert taken is not None
    assert not await contact_imports.renew(world.db, held, later), "somebody else holds it"


async def test_a_file_that_stopped_coming_is_thrown_away(world: ImportWorld) -> None:
    one = await world.send("Name;Phone\nAnn;+12025550123\n")
    await world.db.execute("UPDATE contact_imports SET state = 'receiving' WHERE id = :id", {"id": one.id})
    await contact_imports.add_piece(world.db, one, 7, b"half")
    now_ms = one.updated_ms + contact_imports.RECEIVING_MS
    assert await contact_imports.left_behind(world.db, now_ms) == []
    assert [left.id for left in await contact_imports.left_behind(world.db, now_ms + 1)] == [one.id]
    world.clock.advance(contact_imports.RECEIVING_MS / 1000 + 1)
    await world.importer._throw_away()
    assert (await contact_imports.get(world.db, TENANT, one.id)).state == "failed"
    assert await contact_imports.piece(world.db, one.id, 7) is None
    async with world.db.tx() as tx:
        with pytest.raises(ConflictError):
            await world.desk.accept(tx, one)


class Busy:
    """A store that is busy when a part of a list is written into it, or when the list is accepted."""

    def __init__(self, db: Database, when: str) -> None:
        self._db, self._when = db, when

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def tx(self) -> object:
        if self._when != "accepting":
            return self._db.tx()
        self._when = ""
        raise DatabaseBusy("The database is locked.")

    async def execute(self, sql: str, params: Params | None = None) -> int:
        if self._when == "storing" and "INTO contact_import_pieces" in sql:
            raise DatabaseBusy("The database is locked.")
        return await self._db.execute(sql, params)


async def _broken(how: str) -> AsyncIterator[bytes]:
    """Whoever sends goes after two pieces: the body fails, or the server gives the request up."""
    for _ in range(2):
        yield b"Name;Phone\n" + b"x" * contact_imports.PIECE_BYTES
    if how == "gone":
        raise ConnectionResetError("the client has gone")
    if how == "cancelled" and (task := asyncio.current_task()):
        task.cancel()
        await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["gone", "cancelled", "storing", "accepting"])
async def test_a_list_that_breaks_off_is_given_up_at_once(world: ImportWorld, how: str) -> None:
    desk = ImportDesk(cast("Database", Busy(world.db, how)), world.clock, SITE)

    async def send() -> None:
        await desk.receive(TENANT, "a.csv", _broken(how), target="contacts", options=Options(), by="user:test")

    with pytest.raises((ConnectionResetError, asyncio.CancelledError, DatabaseBusy)):
        await asyncio.get_running_loop().create_task(send())
    (one,) = await contact_imports.newest(world.db, TENANT)
    assert (one.state, one.problem) == ("failed", "The list did not come whole; send it again.")
    assert await contact_imports.piece(world.db, one.id, 0) is None
    assert await contact_imports.under_way(world.db, TENANT) == 0


class Meddling:
    """The store of an importer; a person changes the import right after the importer has read its row."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    async def one(self, sql: str, params: Params | None = None) -> Row | None:
        row = await self._db.one(sql, params)
        if "FROM contact_imports" in sql:
            async with self._db.tx() as tx:
                (held,) = await contact_imports.newest(tx, TENANT)
                await contact_imports.change(tx, TENANT, held.id, ("reading",))
        return row


async def test_a_person_who_is_faster_while_an_import_is_given_up_ends_nothing_else(world: ImportWorld) -> None:
    one = await world.send(b"PK\x03\x04 broken", "x.xlsx")
    held = await contact_imports.hold(world.db, NOW)
    assert held is not None
    await Importer(cast("Database", Meddling(world.db)), world.clock, SITE)._held(held)
    assert (await world.again(one)).state == "reading", "what the person wants is done next"


async def test_a_list_that_was_accepted_keeps_its_file(world: ImportWorld) -> None:
    one = await world.send("Name;Phone\nAnn;+12025550123\n")
    await world.desk.discard(one)
    assert (await world.go_on(one)).tally == {"ready": 1}


async def test_a_tenant_has_so_many_lists_under_way(world: ImportWorld) -> None:
    for number in range(contact_imports.AT_ONCE):
        await world.send(f"Name;Phone\nAnn {number};+12025550123\n")
    with pytest.raises(ConflictError, match="send this one when one of them is done") as refused:
        await world.send("Name;Phone\nLast;+12025550123\n")
    assert refused.value.code == "too_many_imports"
    await users.add_tenant(world.db, "second", "Second", NOW)
    await ImportWorld(world.db, "second").send("Name;Phone\nAnn;+12025550123\n")


async def test_a_legal_hold_keeps_a_contact(world: ImportWorld) -> None:
    await world.brought(await world.checked(LIST))
    (ann,) = (await contacts.by_numbers(world.db, TENANT, ["+12025550123"])).values()
    hold = LegalHold(
        id="0" * 32,
        tenant_id=TENANT,
        kind="recipient",
        subject=ann.number,
        reason="suit",
        placed_by="x",
        since_ms=1,
    )
    async with world.db.tx() as tx:
        await legal_holds.place(tx, hold, NOW)
    async with world.db.tx() as tx:
        with pytest.raises(ConflictError, match="legal hold"):
            await contacts.forget(tx, TENANT, ann.id)
    assert await contacts.by_numbers(world.db, TENANT, [ann.number])


async def test_a_list_that_is_ended_while_it_comes_leaves_no_file(world: ImportWorld) -> None:
    async def coming() -> AsyncIterator[bytes]:
        yield b"Name;Phone\n" + b"x" * contact_imports.PIECE_BYTES
        (one,) = await contact_imports.newest(world.db, TENANT)
        async with world.db.tx() as tx:
            await world.desk.cancel(tx, TENANT, one.id)
        yield b"y" * contact_imports.PIECE_BYTES

    with pytest.raises(ConflictError, match="ended meanwhile"):
        await world.desk.receive(TENANT, "a.csv", coming(), target="contacts", options=Options(), by="user:test")
    (one,) = await contact_imports.newest(world.db, TENANT)
    assert (one.state, one.problem) == ("cancelled", "")
    assert await world.db.fetch("SELECT seq FROM contact_import_pieces") == []


async def test_a_long_list_makes_way_for_a_short_one(world: ImportWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CHUNK", 2), ("CHUNK_IN", 2), ("TURN_S", 0.0)):
        monkeypatch.setattr(f"app.contacts.runner.{name}", value)
    long = await world.send("Phone\n" + "".join(f"+1202555{n:04d}\n" for n in range(100, 106)))
    short = await world.send("Phone\n+12025550199\n", target="do_not_call")

    async def served() -> list[str]:
        turns: list[str] = []
        while (one := await contact_imports.hold(world.db, world.clock.unix_ms())) is not None:
            turns.append(one.id)
            await world.importer._held(one)
            world.clock.advance(0.01)
        return turns

    for state in ("review", "done"):
        turns = await served()
        assert turns.count(long.id) >= 3
        assert short.id in turns[:2], "one turn is waited for at most"
        after = [await world.again(one) for one in (long, short)]
        assert [one.state for one in after] == [state, state]
        if state == "review":
            for one in (long, short):
                await world.ordered(one)
    assert [one.tally["imported"] for one in after] == [6, 1]
