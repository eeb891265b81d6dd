"""Lists of calls on both databases: filters, order, pages, and how far a page looks."""

import random
from collections.abc import AsyncIterator

import pytest

from app.domain.call import Turn
from app.ids import new_id
from app.store import attempts, call_lists, campaigns, transcripts
from app.store.call_lists import Place, Wanted
from app.store.campaigns import NewCampaign
from app.store.db import Database
from tests.unit.app.conftest import Opener
from tests.unit.app.store_world import AGENT, NOW, TENANT, add_agent, begun_call, claimed_task, ended

pytestmark = pytest.mark.anyio
CAMPAIGN = "c" * 32


@pytest.fixture
async def db(opener: Opener) -> AsyncIterator[Database]:
    async with opener() as opened:
        await add_agent(opened)
        async with opened.tx() as tx:
            await campaigns.create(tx, TENANT, NewCampaign(id=CAMPAIGN, name="Spring"), [], NOW)
        yield opened


async def make(db: Database, n: int, outcome: str | None = None, said: str = "", **task: object) -> str:
    call = await begun_call(db, await claimed_task(db, f"+1202555{n:04}", **task), NOW + n)
    if said:
        await transcripts.add(db, TENANT, call.id, Turn(speaker="callee", item_id="i", text=said), NOW)
    if outcome is not None:
        async with db.tx() as tx:
            await attempts.finish_call(tx, TENANT, ended(call, outcome, ended_ms=NOW + n), NOW + n)
    return call.id


async def ids(db: Database, **wanted: object) -> list[str]:
    page = await call_lists.page(db, TENANT, Wanted(**wanted), after=None)
    return [call.id for call in page.calls]


async def test_every_filter_narrows(db: Database) -> None:
    plain = await make(db, 1)
    busy = await make(db, 2, "busy")
    spring = await make(db, 3, "completed", campaign_id=CAMPAIGN, callee_name="Zoë 100%")
    said = await make(db, 4, "completed", said="I'd rather come on TUESDAY_morning")
    living = await make(db, 5, campaign_id=CAMPAIGN)
    assert await ids(db) == [living, said, spring, busy, plain]
    for wanted, found in (
        ({"state": "alive"}, [living, plain]),
        ({"state": "ended"}, [said, spring, busy]),
        ({"outcome": "busy"}, [busy]),
        ({"ended_by": "operator"}, []),
        ({"campaign_id": CAMPAIGN}, [living, spring]),
        ({"agent_id": AGENT.id}, [living, said, spring, busy, plain]),
        ({"agent_id": new_id(1)}, []),
        ({"campaign_id": CAMPAIGN, "agent_id": AGENT.id, "outcome": "busy"}, []),
        ({"campaign_id": CAMPAIGN, "state": "ended"}, [spring]),
        ({"from_ms": NOW + 2, "until_ms": NOW + 4}, [spring, busy]),
        ({"text": "tuesday_MORNING"}, [said]),
        ({"text": "tuesday_morning", "in_words": False}, []),
        ({"text": "tuesday%"}, []),
        ({"text": "tuesdayXmorning"}, []),
        ({"text": "100%"}, [spring]),
        ({"text": "zoë"}, [spring]),
        ({"text": "0004", "number": "%0004"}, [said]),
    ):
        assert await ids(db, **wanted) == found, wanted


async def test_another_tenants_calls_are_not_listed(db: Database) -> None:
    await make(db, 1)
    page = await call_lists.page(db, "other", Wanted(), after=None)
    assert (page.calls, page.older) == ([], None)


async def test_pages_meet_however_many_calls_began_at_once(db: Database) -> None:
    seed = random.randrange(1 << 30)
    choose = random.Random(seed)
    made = [await make(db, choose.randrange(4) + 10 * n) for n in range(3)]
    for n in range(9):
        call = await begun_call(db, await claimed_task(db, f"+1202556{n:04}"), NOW + choose.randrange(3))
        made.append(call.id)
    seen: list[tuple[int, str]] = []
    after: Place | None = None
    while True:
        page = await call_lists.page(db, TENANT, Wanted(), after=after, limit=choose.randrange(1, 4))
        seen += [(call.created_ms, call.id) for call in page.calls]
        if page.older is None:
            break
        after = page.older
    assert seen == sorted(seen, reverse=True), seed
    assert sorted(call_id for _, call_id in seen) == sorted(made), seed


async def test_a_page_says_how_far_it_looked_and_goes_on_there(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_lists, "LOOKED", 3)
    made = [await make(db, n, "busy" if n in {0, 6} else "no_answer") for n in range(7)]
    wanted = Wanted(outcome="busy")
    found: list[list[str]] = []
    after: Place | None = None
    for _ in range(4):
        page = await call_lists.page(db, TENANT, wanted, after=after)
        found.append([call.id for call in page.calls])
        after = page.older
        if after is None:
            break
    assert found == [[made[6]], [], [made[0]]]
