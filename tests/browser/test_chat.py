"""The planner's chat in Chromium: a brief to its campaign and back to its news, with the hostile corpus in what is
typed, attached and looked up; nothing of it is ever executed.
"""

from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.crawl import AXE, signed_in
from tests.browser.hostile import CORPUS, MARKUP

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
BRIEF = "Book a table for four on Friday evening at an Italian restaurant near the station."
WAIT_MS = 30_000


@pytest.fixture
def page(browser: Browser, hostile_console: str, session: str) -> Iterator[Page]:
    """The empty chat; script errors and executed text fail the test."""
    heard: list[str] = []
    with signed_in(browser, hostile_console, "light", 1280, session) as page:
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
        page.goto(urljoin(hostile_console, "/chat"))
        yield page
        assert "XSS" not in page.title()
        assert heard == []


def say(page: Page, text: str) -> None:
    page.locator("#message").fill(text)
    page.locator("#message").press("Enter")


def plans(page: Page) -> int:
    return page.locator(".plan").count()


def serious(page: Page) -> list[str]:
    return [one["id"] for one in AXE.run(page).response["violations"] if one["impact"] in {"serious", "critical"}]


def test_a_brief_becomes_a_form_a_plan_a_correction_one_campaign_and_news(page: Page) -> None:
    say(page, BRIEF)
    form = page.locator("form.ask")
    expect(form).to_be_visible(timeout=WAIT_MS)
    expect(form.locator("input").first).to_be_focused()
    assert MARKUP[0] in page.locator(".looked").inner_text(), "what was found is shown as text"
    assert serious(page) == []
    form.get_by_role("button", name="Send answers").click()
    expect(form.locator("[data-wrong=place]")).to_be_visible(timeout=WAIT_MS)
    expect(form.locator("[aria-invalid]").first).to_be_focused()
    form.get_by_label("Osteria Luna").check()
    form.locator("input[type=datetime-local]").fill("2027-12-04T19:30")
    form.get_by_label("a high chair").check()
    form.get_by_role("button", name="Send answers").click()
    card = page.locator(".plan[data-state=open]")
    expect(card).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".answers")).to_contain_text("2027-12-04 19:30")
    assert "+15552000500" in card.inner_text()
    card.get_by_role("button", name="Change something").click()
    expect(page.locator("#message")).to_be_focused()
    say(page, "Make it half past eight.")
    expect(page.locator(".diff ins").first).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".plan[data-state=open]")).to_have_count(1)
    assert serious(page) == []
    page.reload()
    confirm = page.locator(".plan[data-state=open]").get_by_role("button", name="Confirm this call")
    expect(confirm).to_be_visible(timeout=WAIT_MS)
    confirm.dblclick()
    link = page.get_by_role("link", name="Open the campaign")
    expect(link).to_have_count(1, timeout=WAIT_MS)
    thread = page.url
    expect(page.locator("#untold")).to_be_visible(timeout=120_000)
    expect(page.locator("#chat-news")).to_have_text("1")
    link.click()
    expect(page.locator("#chat-news")).to_have_text("1")  # wherever one is
    page.goto(thread)
    page.get_by_role("button", name="What became of the calls?").click()
    expect(page.locator(".news")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator("#chat-news")).to_be_hidden(timeout=WAIT_MS)
    expect(page.locator("#untold")).to_be_hidden()


def test_hostile_words_and_tables_are_text(page: Page) -> None:
    page.locator("#paste").click()
    page.locator("#pasted").fill('Name,Phone,Note\nAda,+15551000500,x\n"' + CORPUS.replace('"', '""') + '",12,y\n')
    page.locator("#take-pasted").click()
    say(page, f"Remind everybody of {CORPUS}")
    card = page.locator(".plan[data-state=open]")
    expect(card).to_be_visible(timeout=WAIT_MS)
    assert MARKUP[0] in card.inner_text()
    expect(card.locator(".refused")).to_contain_text("1 row is not called")
    assert page.locator("#turns script, #turns img, #turns svg, #turns [onload]").count() == 0
    assert serious(page) == []


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("dark", 360), ("light", 360)])
def test_the_thread_on_other_screens(
    browser: Browser, hostile_console: str, session: str, scheme: str, width: int
) -> None:
    with signed_in(browser, hostile_console, scheme, width, session) as page:
        page.goto(urljoin(hostile_console, "/chat"))
        page.locator("#threads a").first.click()
        expect(page.locator("#turns > li").first).to_be_visible(timeout=WAIT_MS)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert serious(page) == []


def test_a_reload_while_the_message_is_on_its_way_sends_it_once(page: Page) -> None:
    """The answer to the first request never comes; what was typed is sent again by the page that follows."""
    lost: list[str] = []

    def swallow(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.request.post_data or "")
        route.fetch()  # the server has it, the browser does not know
        page.reload(wait_until="commit")

    page.route("**/api/chat_interaction", swallow)
    say(page, "Call Ada on +1 555 1000 041 and ask whether Monday suits her.")
    expect(page.locator(".plan")).to_have_count(1, timeout=WAIT_MS)
    page.unroute("**/api/chat_interaction")
    expect(page.locator("#turns > li.user")).to_have_count(1)
    page.goto(urljoin(page.url, "/chat"))
    expect(page.locator("#threads a", has_text="Monday suits")).to_have_count(1)
    assert len(lost) == 1


def test_a_message_stopped_on_its_way_is_not_sent_by_the_page_that_follows(page: Page) -> None:
    """Nobody has taken it; "Stop" gives it back to its field, and a reload does not send it after all."""
    words = "Call Zoe on +1 555 1000 042 and ask whether Tuesday suits her."
    reached: list[str] = []

    def lose(route: Route) -> None:
        reached.append(route.request.post_data or "")
        route.abort("connectionfailed")

    page.route("**/api/chat_interaction", lose)
    say(page, words)
    expect(page.locator("#doing")).to_contain_text("sent again")
    page.locator("#stop").click()
    expect(page.locator("#message")).to_have_value(words)
    expect(page.locator("#turns > li")).to_have_count(0)
    expect(page.locator("#send")).to_be_enabled()
    page.unroute("**/api/chat_interaction", lose)
    page.reload()
    expect(page.locator("#send")).to_be_enabled()
    expect(page.locator("#message")).to_have_value(words)
    page.goto(urljoin(page.url, "/chat"))
    expect(page.locator("#threads a", has_text="Tuesday suits")).to_have_count(0)
    assert len(reached) >= 1
    say(page, words)
    expect(page.locator(".plan")).to_have_count(1, timeout=WAIT_MS)


def test_stop_while_the_server_takes_its_time_stops_the_reply(page: Page) -> None:
    """Pressed before the answer's first byte is here: it is remembered until the message was taken."""

    def slow(route: Route) -> None:
        page.locator("#stop").click()
        route.continue_()

    page.route("**/api/chat_interaction", slow)
    say(page, "Call Yan on +1 555 1000 043 and ask whether Sunday suits them.")
    expect(page.locator("#live")).to_be_hidden(timeout=WAIT_MS)
    page.unroute("**/api/chat_interaction", slow)
    expect(page.locator("#turns > li.user, #problem:not([hidden])")).not_to_have_count(0)
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.includes('pending')).length") == 0


def test_shift_and_enter_begins_a_line(page: Page) -> None:
    page.locator("#message").fill("one")
    page.locator("#message").press("Shift+Enter")
    assert page.locator("#message").input_value() == "one\n"
    assert page.locator("#turns > li").count() == 0
    page.reload()
    expect(page.locator("#message")).to_have_value("one\n")  # what was begun is still there
    page.locator("#message").fill("")
