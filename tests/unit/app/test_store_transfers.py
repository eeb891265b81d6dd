"""The intent of a transfer: what it is refused for, and what is left when its call ends. On both databases."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from app.domain.admission_site import Site
from app.domain.call import Call
from app.domain.transfer import CallTransfer, NewTransfer
from app.errors import LeaseLost
from app.ids import new_id
from app.store import admission, attempts, calls, dnd, tasks, tenants, transfers, trunks
from app.store.dnd import DoNotCall
from app.store.tenants import TenantTerms
from app.store.transfers import TEST_MODE_BUSY, TransferRefusal
from tests.unit.app.conftest import AnyDatabase, Opener
from tests.unit.app.store_world import (
    NOW,
    NUMBER,
    SITE,
    TENANT,
    add_agent,
    begun_call,
    claimed_task,
    ended,
    new_task,
)

pytestmark = pytest.mark.anyio
DESK = "+12025550177"
REDIRECT = "+12025550199"
REAL = msgspec.structs.replace(SITE, fictional=False, allowed_countries=("US",))
TEST_MODE = msgspec.structs.replace(SITE, test_mode=True, redirect=REDIRECT)
NARROW = msgspec.structs.replace(SITE, max_concurrent_calls=1)
SLOW = msgspec.structs.replace(SITE, calls_per_second=1.0)


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[AnyDatabase]:
    async with opener() as opened:
        await add_agent(opened)
        yield opened


async def call_of(db: AnyDatabase, number: str = NUMBER) -> Call:
    call = await begun_call(db, await claimed_task(db, number))
    await calls.set_state(db, TENANT, call.id, "bridged", NOW)
    await db.execute("DELETE FROM trunk_buckets")
    return await calls.get(db, TENANT, call.id)


async def begin(
    db: AnyDatabase, call: Call, number: str = DESK, *, site: Site = SITE, token: int | None = None
) -> CallTransfer | TransferRefusal:
    wish = NewTransfer(target="desk", number=number, mode="cold", reason="asks for a person", wanted_by="agent")
    async with db.tx() as tx:
        return await transfers.begin(tx, TENANT, call.id, wish, NOW, site=site, token=token)


async def test_a_committed_transfer_is_a_row(db: AnyDatabase) -> None:
    call = await call_of(db)
    task = await tasks.get(db, TENANT, call.task_id)
    row = await begin(db, call, token=task.lease_token)
    assert isinstance(row, CallTransfer), row
    assert (row.seq, row.state, row.number_dialed, row.outcome) == (1, "dialing", DESK, None)
    assert await transfers.of_call(db, TENANT, call.id) == [row]
    again = await begin(db, call)
    assert isinstance(again, TransferRefusal)
    assert "already" in again.sentence
    with pytest.raises(LeaseLost):
        await begin(db, call, token=task.lease_token + 1)


async def test_its_life_and_what_the_end_of_the_call_makes_of_it(db: AnyDatabase) -> None:
    call = await call_of(db)
    row = await begin(db, call)
    assert isinstance(row, CallTransfer)
    for at, state in enumerate(("ringing", "answered", "joining", "joined", "joined"), 1):
        assert await transfers.move(db, row, state, None, "", now_ms=NOW + at)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW + 9)
    (left,) = await transfers.of_call(db, TENANT, call.id)
    assert (left.state, left.outcome, left.ended_ms) == ("over", "connected", NOW + 9)
    assert (left.ringing_ms, left.answered_ms, left.joined_ms) == (NOW + 1, NOW + 2, NOW + 4)
    assert not await transfers.move(db, row, "ringing", None, "", now_ms=NOW + 10)


async def test_an_unfinished_one_is_canceled_with_its_call(db: AnyDatabase) -> None:
    call = await call_of(db)
    await begin(db, call)
    async with db.tx() as tx:
        await attempts.finish_call(tx, TENANT, ended(call, "completed"), NOW + 9)
    assert [one.outcome for one in await transfers.of_call(db, TENANT, call.id)] == ["canceled"]
    late = await begin(db, call)
    assert isinstance(late, TransferRefusal)
    assert "not in progress" in late.sentence


@pytest.mark.parametrize(
    ("number", "site", "why"),
    [
        ("+19005551234", REAL, "premium"),
        ("+1911", REAL, "cannot be called"),
        ("+49112", REAL, "cannot be called"),
        ("+442079460000", REAL, "not among the allowed countries"),
        ("+870123456789", SITE, "satellite"),
        (NUMBER, SITE, "on a call of ours already"),
        (DESK, NARROW, "All lines are taken"),
        (DESK, msgspec.structs.replace(TEST_MODE, redirect=""), "Test mode is on"),
    ],
)
async def test_what_is_refused(db: AnyDatabase, number: str, site: Site, why: str) -> None:
    call = await call_of(db)
    refused = await begin(db, call, number, site=site)
    assert isinstance(refused, TransferRefusal), refused
    assert why in refused.sentence
    assert "Nothing was done." in refused.sentence
    assert await transfers.of_call(db, TENANT, call.id) == []


async def test_a_real_number_of_an_allowed_country_passes(db: AnyDatabase) -> None:
    call = await call_of(db)
    assert isinstance(await begin(db, call, site=REAL), CallTransfer)


async def test_a_tenant_narrows_the_countries(db: AnyDatabase) -> None:
    call = await call_of(db)
    await tenants.set_terms(db, TENANT, TenantTerms(allowed_countries=()))
    refused = await begin(db, call, site=REAL)
    assert isinstance(refused, TransferRefusal)


@pytest.mark.parametrize("listed", [DESK, REDIRECT])
async def test_a_listed_number_is_never_rung(db: AnyDatabase, listed: str) -> None:
    call = await call_of(db)
    entry = DoNotCall(id=new_id(NOW), tenant_id=TENANT, number=listed, reason="asked", source="operator")
    async with db.tx() as tx:
        await dnd.add(tx, entry, NOW)
    refused = await begin(db, call, site=TEST_MODE)
    assert isinstance(refused, TransferRefusal)
    assert "do-not-call" in refused.sentence


async def test_test_mode_dials_the_redirect_number_once_at_a_time(db: AnyDatabase) -> None:
    """A call-back in test mode may be anybody's; our own call is on the redirect number, so that is taken."""
    call = await call_of(db)
    row = await begin(db, call, site=TEST_MODE)
    assert isinstance(row, CallTransfer)
    assert (row.number, row.number_dialed) == (DESK, REDIRECT)
    other = await call_of(db, "+12025550124")
    busy = await begin(db, other, site=TEST_MODE)
    assert isinstance(busy, TransferRefusal)
    assert busy.sentence == TEST_MODE_BUSY
    await db.execute("UPDATE calls SET number_dialed = :redirect", {"redirect": REDIRECT})
    await db.execute("UPDATE call_transfers SET state = 'over', outcome = 'busy', ended_ms = 1")
    busy = await begin(db, other, site=TEST_MODE)
    assert isinstance(busy, TransferRefusal)
    assert busy.sentence == TEST_MODE_BUSY


async def test_it_waits_for_the_pace_of_the_trunk_and_takes_a_line(db: AnyDatabase) -> None:
    call, other = await call_of(db), await call_of(db, "+12025550124")
    assert isinstance(await begin(db, call, site=SLOW), CallTransfer)
    wait = await begin(db, other, "+12025550178", site=SLOW)
    assert isinstance(wait, TransferRefusal)
    assert wait.again_ms == NOW + 1000
    bucket = await trunks.bucket(db, SLOW.trunk, 1.0, NOW)
    assert bucket.tokens_micro == 0
    waiting = await tasks.create(db, TENANT, new_task("+12025550125"), NOW)
    three = msgspec.structs.replace(SITE, max_concurrent_calls=3)
    judged = await admission.judge(db, waiting, three, NOW)
    assert "3" in judged.decision.sentence, judged.decision.sentence
    assert getattr(judged.decision, "rule", "") == "caps"
