"""The whole story in Chromium, as an operator lives it: from a brief in the chat to the report."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Console
from tests.browser.crawl import signed_in
from tests.browser.stage import EMAIL, PASSWORD, QUESTION

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
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
        del campaign
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
    page.keyboard.press("2")
    expect(asked).to_be_hidden(timeout=SOON_MS)
    expect(page).to_have_url(re.compile("/questions$"))
    page.goto(page.url.replace("/questions", "/"))
    cleo = page.locator("[data-call]", has_text="Cleo").first
    expect(cleo).to_contain_text("answered", timeout=3 * SOON_MS)
