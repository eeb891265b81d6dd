"""Every page of the console in Chromium, with hostile text in everything that people, callees and models say."""

from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser

from tests.browser.crawl import signed_in, visit_all
from web.render import PLACES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 1280), ("light", 360), ("dark", 360)])
def test_every_page(
    browser: Browser, hostile_console: str, session: str, scheme: str, width: int, tmp_path: Path
) -> None:
    narrow = width < 400
    with signed_in(browser, hostile_console, scheme, width, session) as page:
        visits = visit_all(page, urljoin(hostile_console, "/"), axe=True, narrow=narrow)
    print(*(f"{one.status} {one.path}" for one in visits), sep="\n")
    assert {one.path: one.problems for one in visits if one.problems} == {}
    assert {place[0] for place in PLACES} <= {one.path for one in visits}


def test_hostile_text_is_shown_as_text(browser: Browser, hostile_console: str, session: str) -> None:
    """The corpus is really on the pages: otherwise the visits above would prove nothing."""
    with signed_in(browser, hostile_console, "dark", 1280, session) as page:
        visits = visit_all(page, urljoin(hostile_console, "/"), axe=False, narrow=False)
    showing = [one.path for one in visits if "<script>document.title='XSS'</script>" in one.text]
    print("hostile text is shown on", *showing)
    assert {"/", "/calls", "/calls/{id}", "/campaigns", "/campaigns/{id}", "/tasks", "/tasks/{id}"} <= set(showing)
