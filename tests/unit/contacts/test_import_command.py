"""`opendeep import` beside the console: a list that somebody else began is theirs."""

import importlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.domain.contacts.contact import Options
from app.domain.tenant import DEFAULT_TENANT_ID
from app.errors import ConflictError
from app.store import dnd
from app.store.db import Database
from tests.unit.contacts.import_world import ImportWorld, pieces

pytestmark = pytest.mark.anyio
command: Any = importlib.import_module("app.cli.import")
LIST = b"Name;Phone\nAnn;+12025550123\n"


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(("by", "state"), [("user:ann", "review"), (command.ACTOR, None)])
async def test_only_what_the_command_line_began_is_gone_on_with(
    world: ImportWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool, by: str, state: str | None
) -> None:
    @asynccontextmanager
    async def opened(settings: Settings) -> AsyncGenerator[Database]:
        yield world.db

    monkeypatch.setattr(command, "open_store", opened)
    file = tmp_path / "list.csv"
    file.write_bytes(LIST)
    world.tenant_id = DEFAULT_TENANT_ID
    one = await world.desk.receive(
        DEFAULT_TENANT_ID, "list.csv", pieces(LIST), target="contacts", options=Options(), by=by
    )
    await world.go_on(one)
    settings = Settings.model_validate({"ari_app": "x", "allowed_countries": "US"})
    wanted = command.Wanted(file=file, target="contacts", options=Options(), dry_run=dry_run, rejected=None)
    if state is None:
        assert (await command.bring(settings, wanted)).import_id == one.id
        assert (await world.again(one)).state == ("cancelled" if dry_run else "done")
        return
    with pytest.raises(ConflictError, match=one.id):
        await command.bring(settings, wanted)
    assert (await world.again(one)).state == state


async def test_the_first_number_of_a_list_without_heading_is_listed_too(world: ImportWorld) -> None:
    body = "+1 650 253 0000 ext. 12\n+1 650 253 0001\n"
    done = await world.brought(await world.checked(body, target="do_not_call"))
    assert (done.rows_total, done.tally) == (2, {"imported": 2})
    numbers = ["+16502530000", "+16502530001"]
    assert await dnd.own_of(world.db, world.tenant_id, numbers) == set(numbers)
