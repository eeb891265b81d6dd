"""A rehearsal in Chromium: asked for on an agent's page, seen while it runs, and its verdict without a reload."""

from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.crawl import AXE, signed_in
from tests.browser.test_tryout import FILE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
OVER_MS = 240_000


def test_an_agent_is_rehearsed(browser: Browser, hostile_console: str, session: str) -> None:
    with signed_in(browser, hostile_console, "light", 1280, session) as page:
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        page.goto(urljoin(hostile_console, "/agents/new"))
        page.locator("#agent-text").fill(FILE.replace("Desk on trial", "Desk that rehearses"))
        page.get_by_role("button", name="Make this agent").click()
        expect(page.get_by_text("Not rehearsed yet")).to_be_visible()
        agent = page.url
        page.get_by_role("button", name="Rehearse against personas").click()
        expect(page.get_by_role("progressbar", name="Callees that are done")).to_be_visible()
        page.evaluate("window.sameDocument = true")
        verdict = page.locator(".rehearsal-verdict")
        expect(verdict).not_to_have_attribute("data-mark", "open", timeout=OVER_MS)
        assert page.evaluate("window.sameDocument"), "the verdict came without a reload"
        expect(verdict).to_contain_text("Passed: all")
        page.locator(".rehearsal-one summary").filter(has_text="opt out").click()
        expect(page.locator(".rehearsal-one[open] .rehearsal-said li").first).to_be_visible()
        violations = AXE.run(page).response["violations"]
        assert not violations, [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]
        page.goto(agent)
        expect(page.get_by_role("link", name="Version 1").first).to_be_visible()
        expect(page.get_by_text("Passed: all").first).to_be_visible()
        assert troubles == [], troubles
