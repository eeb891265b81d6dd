"""The pages of campaigns: every number leads to what it counts, steps are audited, hostile names stay text."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.domain.command import CommandKind
from app.domain.people import Role
from app.domain.report_words import ReportWords
from app.domain.task import TaskState
from app.ids import new_id
from app.store import audit, campaign_reports, campaigns, commands, tasks
from app.store.campaigns import NewCampaign
from tests.unit.app.store_world import NOW, NUMBER, TENANT, begun_call, claimed_task, new_task
from tests.unit.web.campaign_pages import Console, console
from web.campaigns.view import CHART_HEIGHT, columns, dollars
from web.campaigns.view import Hour as ViewHour
from web.view import moment

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}"


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Console]:
    with console(tmp_path) as made:
        yield made


def add_campaign(shown: Console, size: int = 2, **changes: object) -> str:
    campaign_id = new_id(NOW)

    async def add() -> None:
        batch = [new_task(f"+1202555{n:04d}", id=new_id(NOW + n)) for n in range(size)]
        async with shown.db.tx() as tx:
            new = NewCampaign(**{"id": campaign_id, "name": "Check-ups", **changes})  # type: ignore[arg-type]
            await campaigns.create(tx, TENANT, new, batch, NOW)

    shown.do(add)
    return campaign_id


def test_an_empty_list_teaches_how_campaigns_come(shown: Console) -> None:
    page = shown.page("/campaigns")
    assert "No campaign yet." in page
    assert 'href="/chat"' in page
    assert 'href="/contacts"' in page
    assert "There is none here." in shown.page("/campaigns?show=paused")


def test_every_number_leads_to_as_many_rows(shown: Console) -> None:
    made = shown.made(20)
    page = shown.page(f"/campaigns/{made.id}")
    links = re.findall(rf'<a href="(/campaigns/{made.id}/(?:tasks|calls)[^"]*)" aria-label="(\d+) ', page)
    assert len(links) > 8
    for href, count in links:
        behind = shown.page(html.unescape(href))
        assert behind.count("<tr>") - 1 == int(count), href
    assert not re.search(r'href="[^"]*">0</a>', page), "what is none is no link"


def test_the_list_goes_on_from_page_to_page(shown: Console) -> None:
    wanted = {add_campaign(shown, 1, name=f"C{n}") for n in range(60)}
    seen: list[str] = []
    address = "/campaigns"
    while address:
        page = shown.page(address)
        seen += re.findall(r'<a href="/campaigns/([0-9a-f]{32})"', page)
        older = re.search(r'<a href="([^"]+)">Older campaigns', page)
        address = html.unescape(older[1]) if older else ""
    assert len(seen) == 60
    assert set(seen) == wanted


@pytest.mark.parametrize(
    "address", ["?before=x", "?before=1-x", "?show=x", "/x/tasks", "/{id}/tasks?reached=x", "/{id}/tasks?show=x"]
)
def test_addresses_that_name_nothing_are_told_so(shown: Console, address: str) -> None:
    campaign_id = add_campaign(shown)
    assert shown.client.get("/campaigns" + address.replace("{id}", campaign_id)).status_code in {404, 422}


def test_pause_says_why_and_resume_goes_on(shown: Console) -> None:
    campaign_id = add_campaign(shown)
    assert shown.post(f"/campaigns/{campaign_id}/pause", reason="Boss is away").status_code == 303
    page = shown.page(f"/campaigns/{campaign_id}?said=pause")
    assert "Paused: Boss is away. Nothing is dialed until it is resumed." in page
    again = shown.post(f"/campaigns/{campaign_id}/pause")
    assert again.status_code == 409
    assert "The campaign is paused; it cannot be told to pause." in again.text
    assert shown.post(f"/campaigns/{campaign_id}/resume").status_code == 303
    assert "Boss is away" not in shown.page(f"/campaigns/{campaign_id}")
    rows = shown.do(audit.newest, shown.db, TENANT)
    deeds = [(row.action, row.object) for row in rows if row.action.startswith("campaign_")]
    assert deeds == [(f"campaign_{step}", f"campaign:{campaign_id}") for step in ("resume", "pause")]
    assert shown.post(f"/campaigns/{campaign_id}/explode").status_code == 404


@pytest.mark.parametrize(("live", "orders"), [("finish", 0), ("goodbye", 1)])
def test_stop_lets_live_calls_finish_or_say_goodbye(shown: Console, live: str, orders: int) -> None:
    campaign_id = add_campaign(shown, 0)
    call = shown.do(living_call, shown, campaign_id)
    page = shown.page(f"/campaigns/{campaign_id}")
    assert "1 on the line or being prepared" in page
    assert "end them politely" in page
    assert shown.post(f"/campaigns/{campaign_id}/stop", live=live).status_code == 303
    assert shown.do(campaigns.get, shown.db, TENANT, campaign_id).state == "cancelled"
    told = shown.do(commands.list_of_call, shown.db, TENANT, call.id)
    assert [(one.kind, 'polite":true' in one.payload) for one in told] == [(CommandKind.END_CALL, True)] * orders
    (row,) = [row for row in shown.do(audit.newest, shown.db, TENANT) if row.action == "campaign_stop"]
    assert f'"told_goodbye":{orders}' in row.detail


async def living_call(shown: Console, campaign_id: str) -> object:
    return await begun_call(shown.db, await claimed_task(shown.db, campaign_id=campaign_id))


def test_whoever_only_looks_has_no_buttons_and_may_not_press_them(shown: Console) -> None:
    campaign_id = add_campaign(shown)
    shown.become(Role.VIEWER)
    assert '<form class="row" method="post" action="/campaigns' not in shown.page(f"/campaigns/{campaign_id}")
    assert shown.post(f"/campaigns/{campaign_id}/stop").status_code == 403
    assert shown.do(campaigns.get, shown.db, TENANT, campaign_id).state == "active"


@pytest.mark.parametrize(("role", "full"), [(Role.VIEWER, False), (Role.OPERATOR, True)])
def test_numbers_are_masked_for_those_who_may_not_see_them(shown: Console, role: Role, full: bool) -> None:
    campaign_id = add_campaign(shown, 0)
    shown.do(tasks.create, shown.db, TENANT, new_task(campaign_id=campaign_id), NOW)
    shown.become(role)
    assert (NUMBER in shown.page(f"/campaigns/{campaign_id}/tasks")) is full


def test_why_nothing_is_dialed_is_said(shown: Console) -> None:
    campaign_id = add_campaign(shown, 0)
    later = NOW + 3_600_000
    shown.do(tasks.create, shown.db, TENANT, new_task(campaign_id=campaign_id, next_action_time=later), NOW)
    page = shown.page(f"/campaigns/{campaign_id}")
    assert "Why nothing is dialed now:" in page
    assert "2027-01-15 09:00:00" in page
    spent = add_campaign(shown, 1, budget_micro_usd=0)
    page = shown.page(f"/campaigns/{spent}")
    assert "budget" in page.split("Why nothing is dialed now:")[1].split("</p>")[0]


def test_an_open_breaker_is_said(shown: Console) -> None:
    campaign_id = add_campaign(shown)
    put = "INSERT INTO breakers (lane, failures, opened, until_ms, reason) VALUES (:lane, 5, 1, :until, 'a fault')"
    shown.do(shown.db.execute, put, {"lane": campaign_id, "until": NOW + 60_000})
    assert "The error breaker holds calls back: a fault." in shown.page(f"/campaigns/{campaign_id}")


def test_hostile_names_come_out_as_text(shown: Console) -> None:
    campaign_id = add_campaign(shown, 0, name=HOSTILE)
    task = new_task(campaign_id=campaign_id, callee_name=HOSTILE)
    shown.do(tasks.create, shown.db, TENANT, task, NOW)
    for path in ("/campaigns", f"/campaigns/{campaign_id}", f"/campaigns/{campaign_id}/tasks"):
        page = shown.page(path)
        assert HOSTILE not in page
        assert "alert(1)" in page
        assert "style=" not in page
        assert page.count("<script") == page.count(' src="/static/')


def test_a_round_of_the_chart_draws_the_hours_between() -> None:
    assert columns([]) is None
    chart = columns([ViewHour(100, 4, 1), ViewHour(103, 2, 2)])
    assert chart is not None
    assert [one.calls for one in chart.columns] == [4, 0, 0, 2]
    assert [one.height for one in chart.columns] == [CHART_HEIGHT, 0, 0, CHART_HEIGHT / 2]
    assert all(one.y + one.height == CHART_HEIGHT for one in chart.columns)
    long = columns([ViewHour(1, 1, 0), ViewHour(1_000, 1, 0)])
    assert long is not None
    assert len(long.columns) == 48


@pytest.mark.parametrize(
    ("micro_usd", "text"), [(0, "$0.00"), (1, "$0.0000"), (17_600, "$0.0176"), (1_234_567_890, "$1,234.57")]
)
def test_money(micro_usd: int, text: str) -> None:
    assert dollars(micro_usd) == text


def test_states_have_words(shown: Console) -> None:
    for state in TaskState:
        shown.page(f"/campaigns/{add_campaign(shown)}/tasks?show={state}")


def test_a_report_that_is_finished_while_it_is_asked_for_is_answered(shown: Console) -> None:
    campaign_id = add_campaign(shown)
    finished = """
        CREATE TRIGGER at_once AFTER INSERT ON campaign_reports
        BEGIN UPDATE campaign_reports SET state = 'done', done_ms = 1, written_by = 'code' WHERE id = NEW.id; END
    """
    shown.do(shown.db.execute, finished)
    assert shown.post(f"/campaigns/{campaign_id}/report").status_code == 303


def test_a_campaign_with_many_reports_says_from_when_on_it_gets_another(shown: Console) -> None:
    address = f"/campaigns/{add_campaign(shown)}/report"
    done = "UPDATE campaign_reports SET state = 'done', done_ms = 1, written_by = 'code'"
    words = {"words": msgspec.json.encode(ReportWords(headline="h", summary="s")).decode()}
    first_ms = shown.clock.unix_ms()
    for _ in range(campaign_reports.INTERIM_A_DAY):
        assert "Write one about" in shown.page(address)
        assert shown.post(address).status_code == 303
        shown.do(shown.db.execute, f"{done}, words = :words", words)
        shown.clock.advance(60)
    assert shown.post(address).status_code == 303
    page = shown.page(address)
    assert "Write one about" not in page
    assert "24 reports within a day" in page
    assert f"{moment(first_ms + campaign_reports.DAY_MS)} UTC" in page
    shown.become(Role.VIEWER)
    assert "within a day" not in shown.page(address)
