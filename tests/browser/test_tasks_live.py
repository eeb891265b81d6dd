"""A task's page in Chromium: what others change appears without a reload, and a form being filled in stays."""

from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import console
from tests.browser.crawl import signed_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
POST = """async ([path, body]) => {
  const answer = await fetch(`/api/v1/tasks${path}`, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return await answer.json();
}"""
HOUR_MS = 3_600_000


def post(page: Page, path: str, **body: object) -> dict[str, object]:
    return page.evaluate(POST, [path, body])


def test_a_change_appears_and_a_half_filled_form_stays(browser: Browser, tmp_path: Path) -> None:
    with console(tmp_path / "data") as stage, signed_in(browser, stage.link, "light", 1280) as page:
        now_ms = int(page.evaluate("Date.now()"))
        made = post(page, "", number="+15551000500", objective="Live", earliest="2099-01-01T10:00", zone="UTC")
        assert "detail" in made, "too far ahead is refused with words"
        day = str(page.evaluate("new Date(Date.now() + 864e5).toISOString().slice(0, 10)"))
        made = post(page, "", number="+15551000500", objective="Live", earliest=f"{day}T10:00", zone="UTC")
        page.goto(urljoin(page.url, f"/tasks/{made['id']}"))
        page.evaluate("window.kept = 'the same page'")
        facts = page.locator("#facts")
        before = facts.inner_text()
        page.locator("#hold-why").fill("half a sentence")
        moved = post(page, f"/{made['id']}/reschedule", at_ms=now_ms + 30 * HOUR_MS)
        assert moved["next_action_ms"] == now_ms + 30 * HOUR_MS
        expect(facts).not_to_have_text(before, timeout=60_000, use_inner_text=True)
        expect(page.locator("#hold-why")).to_have_value("half a sentence")
        assert page.evaluate("window.kept") == "the same page"
        post(page, f"/{made['id']}/cancel", reason="sold")
        expect(page.locator("#facts .state")).to_have_text("– cancelled", timeout=60_000)
        expect(page.locator(".lane")).to_contain_text("sold")
        assert page.evaluate("window.kept") == "the same page"
