"""The audit log in the console: filters, pages, words of others as text; both databases answer alike."""

import re
from typing import Any

import pytest

from app.domain.people import Role
from app.store import audit, users
from app.store.audit import Deed, Only
from tests.unit.app.conftest import Opener, opener
from tests.unit.app.store_world import TENANT
from tests.unit.web.test_access import OTHER, House, house
from web.audit.page import Wanted, only

__all__ = ["house", "opener"]
DAY_MS = 86_400_000
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}"


def page(house: House, query: str = "", role: Role = Role.AUDITOR, tenant: str = TENANT) -> Any:
    return house.ask("GET", f"/audit{query}", house.cookies[tenant, role])


def write(house: House, *deeds: Deed, at_ms: int = 0, tenant: str = TENANT) -> None:
    async def work() -> None:
        async with house.db.tx() as tx:
            for deed in deeds:
                await audit.add(tx, tenant, deed, at_ms)

    house.client.blocking_portal.call(work)


def test_filters_narrow_and_stay_in_the_links(house: House) -> None:
    later = 2_000_000_000_000
    write(
        house,
        *(Deed(actor="user:filter", action="thing_done", object=f"thing:{n}") for n in range(120)),
        at_ms=later,
    )
    first = page(house, "?who=user:filter&what=thing+done")
    assert first.text.count("thing done</td>") == 100
    older = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert older is not None
    link = older[1].replace("&amp;", "&")
    assert "who=user%3Afilter" in link
    second = house.ask("GET", link, house.cookies[TENANT, Role.AUDITOR])
    assert second.text.count("thing done</td>") == 20
    assert 'rel="next"' not in second.text
    assert "Newest entries" in second.text
    assert page(house, "?about=thing:7").text.count("thing done</td>") == 1
    assert page(house, "?who=user:filter&first=2033-05-18&last=2033-05-18").text.count("thing done</td>") == 100
    assert "No entry fits" in page(house, "?who=user:filter&last=2033-05-17").text
    assert "No entry fits" in page(house, "?about=thing:7", tenant=OTHER).text


@pytest.mark.parametrize("query", ["?first=yesterday", "?last=2026-13-01", "?first=2026-11-27T00"])
def test_a_day_that_is_none_is_told(house: House, query: str) -> None:
    answer = page(house, query)
    assert answer.status_code == 422
    assert "A day is written like" in answer.text


def test_hostile_words_come_out_as_text(house: House) -> None:
    write(house, Deed(actor=HOSTILE, action="x", object=HOSTILE, detail={"answer": HOSTILE}, address=HOSTILE))
    for query in ("", f"?about={HOSTILE}", f"?what={HOSTILE}", f"?who={HOSTILE}"):
        text = page(house, query).text
        assert "<script>alert" not in text
        assert "49" not in re.sub(r"\d{2}:\d{2}:\d{2}", "", text) or "7*7" in text


@pytest.mark.anyio
async def test_the_store_filters(opener: Opener) -> None:
    async with opener() as db:
        await users.add_tenant(db, "other", "Other", 0)
        async with db.tx() as tx:
            for number in range(40):
                deed = Deed(actor=f"user:{number % 2}", action=f"a{number % 3}", object=f"o{number % 5}")
                await audit.add(tx, TENANT, deed, number * DAY_MS)
                await audit.add(tx, "other", deed, number * DAY_MS)
        everything = await audit.newest(db, TENANT)
        assert len(everything) == 40
        for asked in (
            Only(actor="user:1"),
            Only(action="a2", object="o1"),
            Only(since_ms=10 * DAY_MS),
            Only(until_ms=10 * DAY_MS),
            Only(since_ms=5 * DAY_MS, until_ms=30 * DAY_MS, actor="user:0"),
            Only(since_ms=41 * DAY_MS),
            Only(until_ms=0),
        ):
            wanted = [row for row in everything if _fits(asked, row)]
            assert await audit.newest(db, TENANT, only=asked) == wanted, asked
            assert await audit.newest(db, TENANT, only=asked, before=20) == [one for one in wanted if one.seq < 20]


def _fits(asked: Only, row: Any) -> bool:
    given = {"actor": asked.actor, "action": asked.action, "object": asked.object}
    same = all(value is None or getattr(row, name) == value for name, value in given.items())
    return same and (asked.since_ms or 0) <= row.at_ms < (1 << 62 if asked.until_ms is None else asked.until_ms)


def test_the_last_day_is_meant_whole() -> None:
    asked, wrong = only(Wanted(first="1970-01-02", last="1970-01-02", what="role set"))
    assert (asked.since_ms, asked.until_ms, asked.action, wrong) == (DAY_MS, 2 * DAY_MS, "role_set", "")
    assert only(Wanted(last="9999-12-31"))[0].until_ms is None
