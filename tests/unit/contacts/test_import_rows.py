"""Rows of a list that are mended, left out and taken in again while it waits for a person, on both databases."""

from typing import Any

import pytest

from app.contacts import desk
from app.domain.contacts.contact import Terms
from app.errors import ConflictError
from app.store import contact_rows, contacts
from tests.unit.app.store_world import TENANT
from tests.unit.contacts.import_world import ImportWorld
from tests.unit.contacts.test_import import LIST, issues

pytestmark = pytest.mark.anyio


async def test_rows_are_mended_one_by_one(world: ImportWorld) -> None:
    one = await world.checked(LIST)
    mended = await world.desk.edit(TENANT, one.id, 4, {1: "+1 202 555 0199"})
    assert (mended.state, mended.issue, mended.edited) == ("ready", "", True)
    twice = await world.desk.edit(TENANT, one.id, 4, {1: "+12025550124"})
    assert (twice.issue, "row 3" in twice.sentence) == ("duplicate", True), (
        "rows are named as the file counts them"
    )
    first = await world.desk.edit(TENANT, one.id, 1, {1: "+12025550140"})
    assert first.state == "ready"
    freed = await contact_rows.get(world.db, TENANT, one.id, 3)
    assert (freed.state, freed.issue) == ("ready", ""), "its duplicate is one no more"
    skipped = await world.desk.skip(TENANT, one.id, 2)
    assert skipped.state == "skipped"
    counted = (await world.again(one)).tally
    states = [state for state, _ in await issues(world, one)]
    assert {key: count for key, count in counted.items() if ":" not in key} == {
        state: states.count(state) for state in set(states)
    }
    assert states[3] == "ready", "and so is that of a row that is left out"
    await world.desk.skip(TENANT, one.id, 4)
    await world.desk.skip(TENANT, one.id, 2, undo=True)
    assert (await issues(world, one))[1] == ("ready", "")


async def test_a_row_that_is_left_out_makes_room_for_its_duplicate(world: ImportWorld) -> None:
    one = await world.checked("Name,Phone\nAnn,+12025550123\nAnna,+12025550123\nAnne,+12025550123\n")
    assert (await world.desk.skip(TENANT, one.id, 1)).state == "skipped"
    assert await issues(world, one) == [("skipped", ""), ("ready", ""), ("rejected", "duplicate")]
    assert (await world.again(one)).tally == {"skipped": 1, "ready": 1, "rejected": 1, "issue:duplicate": 1}
    await world.desk.remap(TENANT, one.id, [], one.chosen)
    one = await world.go_on(one)
    assert await issues(world, one) == [("skipped", ""), ("ready", ""), ("rejected", "duplicate")]
    back = await world.desk.skip(TENANT, one.id, 1, undo=True)
    assert (back.state, back.issue, "row 3" in back.sentence) == ("rejected", "duplicate", True)
    await world.desk.skip(TENANT, one.id, 2)
    assert await issues(world, one) == [("ready", ""), ("skipped", ""), ("rejected", "duplicate")]
    assert (await world.again(one)).tally == {"skipped": 1, "ready": 1, "rejected": 1, "issue:duplicate": 1}
    await world.brought(one)
    assert [found.name for found in (await contacts.search(world.db, TENANT)).contacts] == ["Ann"]
    with pytest.raises(ConflictError, match="done"):
        await world.desk.skip(TENANT, one.id, 1)


async def test_a_row_that_changes_while_it_is_judged_stays_as_it_is_now(
    world: ImportWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await world.checked("Name,Phone\nAnn,+12025550123\nAnna,+12025550123\n")
    terms, pending = desk.terms_of, [1]

    async def and_another_edits(*asked: Any) -> Terms:
        if pending:
            await world.desk.edit(TENANT, one.id, pending.pop(), {0: "Ann Lee"})
        return await terms(*asked)

    monkeypatch.setattr(desk, "terms_of", and_another_edits)
    with pytest.raises(ConflictError, match="meanwhile"):
        await world.desk.skip(TENANT, one.id, 1)
    row = await contact_rows.get(world.db, TENANT, one.id, 1)
    assert (row.state, row.values[0]) == ("ready", "Ann Lee")
    assert (await world.again(one)).tally == {"ready": 1, "rejected": 1, "issue:duplicate": 1}
