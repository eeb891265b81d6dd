"""A new question is told by the desktop: only after a press of the button, once for all pages, without numbers."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Console
from tests.browser.stage import ASKERS, QUESTION

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
SOON_MS = 60_000
EVERY_MS = 100
WITNESS = """(() => {
  const before = () => JSON.parse(localStorage.getItem("seen") ?? "[]");
  const told = (what) => localStorage.setItem("seen", JSON.stringify([...before(), what]));
  const real = window.Notification;
  window.Notification = class extends real {
    constructor(title, options) { super(title, options); told({ title, ...options }); this.told = options.tag; }
    close() { told({ closed: this.told }); super.close(); }
    static requestPermission() { told({ asked: true }); return real.requestPermission(); }
  };
  document.hasFocus = () => localStorage.getItem("focus") === "yes";
})();"""


SEEN = 'JSON.parse(localStorage.getItem("seen") ?? "[]")'


def seen(page: Page) -> list[dict[str, str]]:
    return page.evaluate(SEEN)


def until(page: Page, true: Callable[[], bool]) -> None:
    """Asks again and again from outside: `wait_for_function` evaluates inside, which the page's policy refuses."""
    for _ in range(SOON_MS // EVERY_MS):
        if true():
            return
        page.wait_for_timeout(EVERY_MS)
    pytest.fail(f"not within {SOON_MS} ms, seen: {seen(page)}")


def opened(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(url)
    expect(page.locator("html")).to_have_attribute("data-connected", "yes", timeout=SOON_MS)
    return page


def test_once_for_all_pages_and_only_when_wanted(browser: Browser, story_console: Console) -> None:
    context = browser.new_context(permissions=["notifications"])
    context.add_init_script(WITNESS)
    try:
        entry = context.new_page()
        entry.goto(story_console.link)
        entry.wait_for_url(lambda url: "/enter" not in url)
        home = entry.url.partition("?")[0].rstrip("/")
        inbox = opened(context, f"{home}/questions")
        for path in ("", "calls"):
            opened(context, f"{home}/{path}")
        switch = inbox.get_by_role("button", name="Notify me on this computer")
        expect(switch).to_have_attribute("aria-pressed", "false")
        story_console.call()
        asked = inbox.get_by_role("heading", name=QUESTION)
        expect(asked).to_have_count(1, timeout=SOON_MS)
        inbox.wait_for_timeout(1_500)
        assert seen(inbox) == [], "off by default, and nobody is asked for permission"
        switch.click()
        expect(inbox.get_by_role("button", name="Stop notifying me")).to_have_attribute("aria-pressed", "true")
        story_console.call("second call")
        expect(asked).to_have_count(2, timeout=SOON_MS)
        until(inbox, lambda: len(seen(inbox)) > 1)
        inbox.wait_for_timeout(1_500)  # the other pages would have told it too by now
        permission, told = seen(inbox)
        assert permission == {"asked": True}
        assert (told["title"], told["body"]) == ("An agent asks", QUESTION)
        assert not [number for number in ASKERS.values() if number.lstrip("+") in str(told)]
        for left in (1, 0):
            inbox.locator("#questions button", has_text="1").first.click()
            expect(asked).to_have_count(left, timeout=SOON_MS)
        # Answered: the desktop need not tell any more.
        until(inbox, lambda: any("closed" in one for one in seen(inbox)))
        inbox.evaluate('localStorage.setItem("focus", "yes")')
        story_console.call("third call")
        expect(asked).to_have_count(1, timeout=SOON_MS)
        inbox.wait_for_timeout(2_500)
        assert len([one for one in seen(inbox) if "title" in one]) == 1, "whoever looks at OpenDeep sees it there"
    finally:
        context.close()
