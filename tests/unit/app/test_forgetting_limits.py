"""What forgetting must not do: delete unasked, let somebody be dialed more often, never end, hold up writers, take
words from agents that speak with everybody. On both databases where SQL is concerned.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from app.config import Settings, load_settings
from app.domain.call import NewCall
from app.domain.erasure import DAY_MS, Days, Kind, Marks, check_days, in_force
from app.domain.policy.pack import Rules
from app.domain.webhook import RETRY_S
from app.erasure.days import TRIES_MS, Horizon, cutoffs_of, house_days
from app.erasure.runner import Eraser
from app.errors import ConfigError, ConflictError, ValidationFailed
from app.store import (
    backup,
    callbacks,
    calls,
    consents,
    free_text,
    history,
    legal_holds,
    retention,
    tasks,
    tenants,
)
from app.store.consents import NewConsent
from app.store.legal_holds import LegalHold
from app.store.sqlite import SqliteDatabase
from tests.fresh_sqlite import fresh_sqlite
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import NOW, NUMBER, SITE, TENANT, add_agent, new_task
from tests.unit.app.test_backup import copy, filled, installation
from tests.unit.app.test_erasure import House

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


@pytest.fixture
def house(db: AnyDatabase, tmp_path: Path) -> House:
    return House(db, tmp_path / "data")


# --- nobody set days ------------------------------------------------------------------------------------------
async def test_without_days_nothing_is_swept_and_a_tenant_may_set_its_own(house: House) -> None:
    plain = Settings(_env_file=None)  # type: ignore[call-arg]
    assert house_days(plain) == Days(webhooks=30)
    house.eraser = Eraser(plain.model_copy(update={"data_dir": house.settings.data_dir}), house.db, house.clock)
    await house.talked()
    house.clock.advance(3_000 * 86_400)
    assert await house.sweep() == {}
    assert house.files() == 1
    check_days(Days(), Days(talks=3_650))
    with pytest.raises(ValidationFailed, match="between 1 and 3650 days"):
        check_days(Days(), Days(talks=3_651))
    assert in_force(Days(), Days(talks=9)) == {Kind.TALKS: 9}


# --- calling rules go on counting -----------------------------------------------------------------------------
async def test_attempts_to_somebody_who_was_forgotten_are_counted_as_before(house: House) -> None:
    await house.talked()
    before = await history.attempts_to(house.db, NUMBER, 0)
    assert len(before) == 1
    one = await house.ask()
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"
    assert await history.attempts_to(house.db, NUMBER, 0) == before
    assert await history.attempts_to(house.db, NUMBER, before[0].at_ms) == ()
    ((kept,),) = await house.db.fetch("SELECT number_hash FROM attempts_kept")
    assert NUMBER[1:] not in kept
    house.clock.advance(61 * 86_400)
    await house.sweep()
    assert await house.db.fetch("SELECT 1 FROM attempts_kept") == []


async def test_talks_stay_as_long_as_any_rule_looks_back(house: House) -> None:
    settings = house.settings.model_copy(update={"policy_packs": "fr", "callback_days": 70})
    assert await Horizon(settings).rules_ms(house.db) == 60 * DAY_MS
    assert await Horizon(settings).talks_ms(house.db) == 70 * DAY_MS
    terms = msgspec.structs.replace(
        await tenants.terms(house.db, TENANT), rules=Rules(cool_off_h={"answered": 24 * 90})
    )
    await tenants.set_terms(house.db, TENANT, terms)
    assert await Horizon(settings).rules_ms(house.db) == 90 * DAY_MS
    assert cutoffs_of(Days(), Days(talks=1, chats=1), NOW, 90 * DAY_MS) == {
        Kind.TALKS: NOW - 90 * DAY_MS, Kind.CHATS: NOW - DAY_MS,
    }  # fmt: skip


# --- forgotten again ------------------------------------------------------------------------------------------
async def test_somebody_can_be_forgotten_twice(house: House) -> None:
    for evidence in ("form 1", "form 2"):
        new = NewConsent(number=NUMBER, purpose="service", level="express", evidence=evidence, given_ms=NOW)
        await consents.give(house.db, TENANT, new)
        one = await house.ask()
        done = await house.eraser.finish(TENANT, one.id)
        assert done.state == "done", evidence
    assert await house.db.fetch("SELECT number, evidence FROM consents") == [(one.pseudonym, "[erased]")]


# --- who else writes ------------------------------------------------------------------------------------------
async def test_a_reader_of_old_rows_holds_up_no_writer(tmp_path: Path) -> None:
    path = fresh_sqlite(tmp_path / "test.db")
    async with SqliteDatabase(path, busy_timeout_ms=3_000) as db:
        with closing(sqlite3.connect(path)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM tenants").fetchone()
            await db.execute("UPDATE tenants SET name = 'other'")
            began = time.monotonic()
            async with asyncio.TaskGroup() as group:
                scouring = group.create_task(db.scour(()))
                group.create_task(db.execute("UPDATE tenants SET name = 'third'"))
            assert not scouring.result()
            assert time.monotonic() - began < 1.5, "the checkpoint waited under the lock"
        assert await db.scour(())
        async with db.tx() as tx:
            assert await tx.one("PRAGMA busy_timeout") == (3_000,)


# --- words of agents ------------------------------------------------------------------------------------------
async def test_a_name_stays_in_what_agents_say_to_everybody_and_a_number_goes(house: House) -> None:
    prompt = f"You call for Smith Dental.\nAsk for the Front Desk.\nOr ring {NUMBER}."
    await house.db.execute(
        "UPDATE agents SET prompt = :prompt, greeting = 'Smith Dental here'", {"prompt": prompt}
    )
    body = msgspec.json.encode({"prompt": prompt, "name": "Smith Dental"}).decode()
    await house.db.execute("UPDATE agent_versions SET body = :body", {"body": body})
    marks = Marks(NUMBER, ("Smith Dental", "Front Desk"))
    async with house.db.tx() as tx:
        for walk in free_text.WALKS:
            await free_text.walk(tx, TENANT, marks, walk, ())
    left = "You call for Smith Dental.\nAsk for the Front Desk.\n[erased]"
    assert await house.db.fetch("SELECT prompt, greeting FROM agents") == [(left, "Smith Dental here")]
    for (version,) in await house.db.fetch("SELECT body FROM agent_versions"):
        assert msgspec.json.decode(version) == {"prompt": left, "name": "Smith Dental"}


# --- what is in the way of a restore --------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_log_that_was_left_is_not_played_into_a_restored_file(tmp_path: Path, suffix: str) -> None:
    copy(filled(tmp_path / "a"), tmp_path / "copy")
    target = installation(tmp_path / "b")
    target.database.parent.mkdir()
    left = target.database.with_name(target.database.name + suffix)
    left.write_bytes(b"old")
    with pytest.raises(ConflictError, match="nothing is written over it"):
        backup.restore(tmp_path / "copy", target, now_ms=5)
    assert list(target.database.parent.iterdir()) == [left]


# --- holds that come late -------------------------------------------------------------------------------------
async def held(house: House, kind: legal_holds.Held, subject: str) -> str:
    new = LegalHold(
        id="", tenant_id=TENANT, kind=kind, subject=subject, reason="case 7", placed_by="u", since_ms=0
    )
    async with house.db.tx() as tx:
        return (await legal_holds.place(tx, new, NOW)).id


async def test_a_hold_placed_while_somebody_is_forgotten_stops_it_until_it_is_lifted(house: House) -> None:
    call_id = await house.talked()
    one = await house.ask()
    hold = await held(house, "call", call_id)
    waits = await house.eraser.finish(TENANT, one.id)
    assert (waits.state, waits.step, waits.waits_for) == ("open", "tasks", 1)
    assert (await calls.get(house.db, TENANT, call_id)).number_dialed == NUMBER
    number = msgspec.structs.replace(waits, step="number", lease_owner="me", lease_until=NOW * 2)
    sql = "UPDATE erasures SET step = 'number', lease_owner = 'me', lease_until = 1"
    await house.db.execute(sql)
    assert (await house.eraser.step(number)).lease_owner is None
    async with house.db.tx() as tx:
        await legal_holds.lift(tx, TENANT, hold, "u", NOW)
    house.clock.advance(6)
    assert (await house.eraser.finish(TENANT, one.id)).state == "done"


async def chat(house: House, task_state: str) -> str:
    """A chat whose plan became a campaign with one call, settled or not; answers the call."""
    call_id = await house.talked()
    for sql in (
        "INSERT INTO campaigns (id, tenant_id, name, state, created_ms, updated_ms)"
        " VALUES ('c', 'default', 'C', 'active', 0, 0)",
        "INSERT INTO conversations (id, tenant_id, owner, display_name, created_ms, updated_ms)"
        f" VALUES ('v', 'default', 'u', 'V', 0, {NOW})",
        "INSERT INTO plans (id, tenant_id, conversation_id, turn_seq, state, plan, forecast, campaign_id,"
        " confirmed_by, created_ms, confirmed_ms)"
        " VALUES ('p', 'default', 'v', 1, 'confirmed', '{}', '{}', 'c', 'u', 0, 0)",
        f"UPDATE tasks SET campaign_id = 'c', state = '{task_state}'",
    ):
        await house.db.execute(sql)
    return call_id


@pytest.mark.parametrize("kind", ["call", "recipient", "campaign"])
async def test_a_chat_stays_while_a_hold_keeps_what_it_planned(house: House, kind: legal_holds.Held) -> None:
    call_id = await chat(house, "completed")
    await held(house, kind, {"call": call_id, "recipient": NUMBER, "campaign": "c"}[kind])
    async with house.db.tx() as tx:
        assert await retention.sweep_chats(tx, TENANT, NOW * 2, NOW) == {}
        await tx.execute("UPDATE legal_holds SET lifted_ms = 1, lifted_by = 'u'")
        assert (await retention.sweep_chats(tx, TENANT, NOW * 2, NOW))["conversations"] == 1


async def test_a_chat_stays_while_its_campaign_still_calls(house: House) -> None:
    await chat(house, "pending")
    async with house.db.tx() as tx:
        assert await retention.sweep_chats(tx, TENANT, NOW * 2, NOW) == {}


# --- agents and chats that serve others too -------------------------------------------------------------------
async def emptied(house: House) -> bool:
    async with house.db.tx() as tx:
        await free_text.empty_own_chats(tx, TENANT, NUMBER, "+999", now_ms=NOW)
    return await house.db.one("SELECT 1 FROM agents WHERE prompt = ''") is not None


async def test_an_agent_keeps_its_prompt_while_it_has_a_task_for_somebody_else(house: House) -> None:
    await chat(house, "completed")
    other = await tasks.create(house.db, TENANT, new_task("+12025550199"), NOW)
    assert not await emptied(house)
    assert (await tasks.get(house.db, TENANT, other.id)).number == "+12025550199"


async def test_a_chat_with_another_open_plan_is_not_emptied(house: House) -> None:
    await chat(house, "completed")
    sql = (
        "INSERT INTO plans (id, tenant_id, conversation_id, turn_seq, state, plan, forecast, confirmed_by,"
        " created_ms) VALUES ('q', 'default', 'v', 2, 'open', '{}', '{}', '', 0)"
    )
    await house.db.execute(sql)
    assert not await emptied(house)
    await house.db.execute("UPDATE plans SET state = 'superseded' WHERE id = 'q'")
    assert await emptied(house)


# --- small ones -----------------------------------------------------------------------------------------------
def test_messages_are_tried_to_the_end_whatever_the_days() -> None:
    assert sum(RETRY_S) * 1_200 < TRIES_MS
    assert cutoffs_of(Days(webhooks=30), Days(webhooks=1), NOW, 0) == {Kind.WEBHOOKS: NOW - TRIES_MS}


def test_a_short_key_of_pseudonyms_is_refused_at_the_start(tmp_path: Path) -> None:
    assert load_settings(tmp_path, {"simulate": True, "erasure_key": "k" * 32}).erasure_key
    with pytest.raises(ConfigError, match="ERASURE_KEY"):
        load_settings(tmp_path, {"simulate": True, "erasure_key": "k" * 31})


async def test_who_was_forgotten_meanwhile_is_nobody_who_calls_back(house: House) -> None:
    call_id = await house.talked()
    found = await tasks.get(house.db, TENANT, (await calls.get(house.db, TENANT, call_id)).task_id)
    one = await house.ask()
    await house.eraser.finish(TENANT, one.id)
    new = NewCall(
        id="0" * 32, task_id=found.id, node="n", number_dialed=NUMBER, caller_channel="c", agent_version=1
    )
    async with house.db.tx() as tx:
        assert await callbacks.begin(tx, found, new, NOW, NOW, site=SITE) is None
