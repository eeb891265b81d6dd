"""The whole story in Chromium, as an operator lives it: from a brief in the chat to the report."""

import csv
import io
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Console
from tests.browser.crawl import signed_in
from tests.browser.stage import ASKER, BOSS, EMAIL, LISTENER, PASSWORD, QUESTION, REPLY
from tests.flow.ordering import HELLO, NOTED

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
SOON_MS = 20_000


def test_from_the_brief_to_the_report(browser: Browser, story_console: Console) -> None:
    with signed_in(browser, story_console.link, "dark", 1280) as page:
        page.set_default_timeout(SOON_MS)
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
        page.on(
            "console",
            lambda said: troubles.append(f"{said.text} {said.location}") if said.type == "error" else None,
        )
        campaign = brief_to_campaign(page)
        the_wallboard_moves(page)
        a_question_is_answered(page, story_console)
        a_person_takes_over_and_hands_back(page, story_console)
        the_report_is_true(page, story_console, campaign)
        results_are_taken_along(page)
        assert troubles == [], troubles


def test_out_and_in_again_by_password(browser: Browser, story_console: Console) -> None:
    with signed_in(browser, story_console.link, "light", 1280) as page:
        page.get_by_role("button", name="Sign out").click()
        page.goto(page.url.partition("/sign")[0] + "/questions")
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(re.compile("/questions$"))
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def brief_to_campaign(page: Page) -> str:
    """Brief, form, plan, a double click on Confirm; the address of the one campaign."""
    page.get_by_role("link", name="Chat", exact=True).first.click()
    page.wait_for_url("**/chat")
    page.wait_for_load_state("load")
    page.locator("#message").fill("Please remind Ben of his appointment on Friday.")
    page.locator("#send").click()
    page.get_by_label("Telephone number of Ben").fill("+1 202 555 0111")
    page.get_by_role("button", name="Send answers").click()
    page.get_by_role("button", name="Confirm this call").dblclick()
    link = page.get_by_role("link", name="Open the campaign")
    expect(link).to_have_count(1, timeout=SOON_MS)
    address = link.get_attribute("href")
    assert address
    return address


def the_wallboard_moves(page: Page) -> None:
    """The call appears by itself and ends by itself."""
    page.get_by_role("link", name="OpenDeep").first.click()
    ben = page.locator("[data-call]", has_text="Ben").first
    expect(ben).to_be_visible(timeout=SOON_MS)
    expect(ben).to_contain_text("answered", timeout=3 * SOON_MS)


def a_question_is_answered(page: Page, console: Console) -> None:
    """It appears without a reload, a digit answers it, and the call goes on."""
    page.goto(page.url.partition("?")[0].rstrip("/") + "/questions")
    expect(page.locator("#empty")).to_be_visible()
    console.call()
    asked = page.get_by_role("heading", name=QUESTION)
    expect(asked).to_be_visible(timeout=SOON_MS)
    page.wait_for_timeout(1_000)  # nobody has read it sooner, and a digit before that answers nothing
    page.keyboard.press("2")
    expect(asked).to_be_hidden(timeout=SOON_MS)
    expect(page).to_have_url(re.compile("/questions$"))
    page.goto(page.url.replace("/questions", "/"))
    cleo = page.locator("[data-call]", has_text="Cleo").first
    expect(cleo).to_contain_text("answered", timeout=3 * SOON_MS)


def a_person_takes_over_and_hands_back(page: Page, console: Console) -> None:
    """The telephone hears the microphone and not the agent, then the agent again."""
    page.goto(urljoin(page.url, "/"))
    console.call("listener")
    tile = page.locator("#tiles [data-call]", has_text="Tara")
    expect(tile).to_contain_text(HELLO, timeout=2 * SOON_MS)
    call_id = tile.get_attribute("data-call")
    page.goto(urljoin(page.url, f"/calls/{call_id}"))
    page.get_by_role("button", name="Take over").click()
    back = page.get_by_role("button", name="Hand back to the agent")
    expect(back).to_be_visible(timeout=SOON_MS)
    expect(page.locator("#steer")).to_contain_text("The callee hears you.", timeout=SOON_MS)
    heard_them = REPLY.partition(" ")[2]  # they answer only whom they have understood
    expect(page.locator("#entries")).to_contain_text(heard_them, timeout=2 * SOON_MS)
    expect(page.locator("#entries")).to_contain_text(BOSS, timeout=SOON_MS)
    first, *later = console.heard(LISTENER)
    assert first == HELLO
    assert later
    assert all("boss" in text for text in later), f"the agent is silent meanwhile: {later}"
    back.click()
    expect(page.get_by_role("button", name="Take over")).to_be_enabled(timeout=SOON_MS)
    expect(page.locator("#entries")).to_contain_text(NOTED, timeout=SOON_MS)
    page.wait_for_timeout(2_000)  # the microphone would have said it again by now
    said = [text for text in console.heard(LISTENER) if text != HELLO]
    assert said[-1] == NOTED, said
    page.get_by_role("button", name="Hang up at once").click()
    page.get_by_role("dialog").get_by_role("button", name="Hang up").click()
    expect(page.locator("#head")).to_have_attribute("data-alive", "", timeout=SOON_MS)


def the_report_is_true(page: Page, console: Console, campaign: str) -> None:
    """It is written by itself; its numbers are those of the database, in the table and in the file."""
    page.goto(urljoin(page.url, f"{campaign}/report"))
    table = page.get_by_role("table", name="Numbers of the report")
    expect(table).to_be_visible(timeout=2 * SOON_MS)
    shown = dict(
        zip(
            *[table.locator(f"[data-label='{name}']").all_inner_texts() for name in ("What", "How many")],
            strict=True,
        )
    )
    counted = recounted(console.folder, campaign.rpartition("/")[2])
    assert {name: shown[name] for name in counted} == counted
    assert counted["calls"] == "1"
    cells = exported(page, "CSV")
    assert {row[2]: row[5] for row in cells if row[0] == "number"} == shown
    headline = page.locator("article.report h2").inner_text()
    assert [row[5] for row in cells if row[0] == "headline"] == [headline]


def results_are_taken_along(page: Page) -> None:
    """A name that a spreadsheet would run is text in the file, and so is a telephone number."""
    page.get_by_role("link", name="Results", exact=True).first.click()
    expect(page.get_by_text("=2+3 Cleo").first).to_be_visible(timeout=SOON_MS)
    head, *rows = exported(page, "CSV")
    found = next(dict(zip(head, row, strict=True)) for row in rows if "Cleo" in row[2])
    assert (found["callee"], found["number"]) == ("'=2+3 Cleo", f"'{ASKER}")
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def exported(page: Page, name: str) -> list[list[str]]:
    """The rows of a file, downloaded by its link."""
    with page.expect_download() as coming:
        page.get_by_role("link", name=name, exact=True).click()
    assert coming.value.suggested_filename.endswith(f".{name.lower()}")
    return list(csv.reader(io.StringIO(coming.value.path().read_text("utf-8-sig"), newline="")))


def recounted(folder: Path, campaign_id: str) -> dict[str, str]:
    """Some numbers of a report, from the rows themselves."""
    tables = "calls c JOIN tasks t ON t.id = c.task_id WHERE t.campaign_id = ?"
    questions = {
        "tasks": "count(*) FROM tasks WHERE campaign_id = ?",
        "tasks that reached their goal": "count(*) FROM tasks WHERE campaign_id = ? AND state = 'completed'",
        "tasks that were dialed": f"count(DISTINCT t.id) FROM {tables} AND c.dialed = 1",
        "calls": f"count(*) FROM {tables}",
        "calls that were answered": f"count(*) FROM {tables} AND c.outcome = 'completed'",
        "talk on all calls": f"((sum(c.ended_ms - c.answered_ms) + 30000) / 60000) || ' min' FROM {tables}",
    }
    (path,) = folder.rglob("opendeep.db")
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {
            name: str(db.execute(f"SELECT {sql}", [campaign_id]).fetchone()[0]) for name, sql in questions.items()
        }
