"""Walks through the whole console as somebody who follows every link, and notes what is wrong on each page."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page

ID = re.compile(r"[0-9a-f]{32}")
SAME_KIND = 1
"""How many pages of one form (`/calls/{id}`) are looked at."""
AXE = Axe()


@dataclass
class Visit:
    """What was seen on one page."""

    path: str
    status: int = 0
    problems: list[str] = field(default_factory=list[str])
    text: str = ""


@contextmanager
def signed_in(browser: Browser, link: str, scheme: str, width: int, state: str | None = None) -> Iterator[Page]:
    """A page of a browser that has used the link; `state` is the file of a session to use instead."""
    context = browser.new_context(
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        storage_state=state,
        permissions=["microphone"],
    )
    try:
        page = context.new_page()
        if state is None:
            page.goto(link)
            page.wait_for_url(lambda url: "/enter" not in url)
        yield page
    finally:
        context.close()


def shape(url: str) -> str:
    """The form of an address: ids and questions taken out."""
    return ID.sub("{id}", urlsplit(url).path)


def visit_all(page: Page, start: str, *, axe: bool, narrow: bool) -> list[Visit]:
    """Every form of page that can be reached by links from `start`, each once."""
    visits: list[Visit] = []
    waiting, seen = [start], dict[str, int]()
    heard: list[str] = []
    page.on("console", lambda said: heard.append(_told(said)) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(f"script error: {error}"))
    page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    while waiting:
        url = waiting.pop(0)
        if seen.get(shape(url), 0) >= SAME_KIND:
            continue
        seen[shape(url)] = seen.get(shape(url), 0) + 1
        heard.clear()
        visit = Visit(shape(url))
        response = page.goto(url, wait_until="load")
        page.wait_for_timeout(300)  # the websocket's first snapshot is painted
        visit.status = response.status if response else 0
        visit.text = page.inner_text("body")
        visit.problems = [*heard, *_looked_at(page, axe=axe, narrow=narrow)]
        if visit.status >= 400:
            visit.problems.append(f"answered {visit.status}")
        visits.append(visit)
        waiting += _links(page, url)
    return visits


def _told(said: ConsoleMessage) -> str:
    return f"console {said.type}: {said.text[:300]}"


def _looked_at(page: Page, *, axe: bool, narrow: bool) -> list[str]:
    found: list[str] = []
    if page.title() == "XSS":
        found.append("hostile text was executed")
    if narrow and (over := page.evaluate("document.documentElement.scrollWidth - window.innerWidth")) > 0:
        found.append(f"{over} px wider than the window")
    if axe:
        for one in AXE.run(page).response["violations"]:
            if one["impact"] in {"serious", "critical"}:
                where = ", ".join(str(node["target"]) for node in one["nodes"][:3])
                found.append(f"axe {one['id']} ({one['impact']}): {where}")
    return found


def _links(page: Page, url: str) -> list[str]:
    """Same-site links that show a page: no downloads, no API."""
    hrefs = page.eval_on_selector_all("a[href]:not([download])", "all => all.map(a => a.getAttribute('href'))")
    absolute = [urljoin(url, str(one)) for one in hrefs if not str(one).startswith(("#", "mailto:", "tel:"))]
    here = urlsplit(url).netloc
    return [one for one in absolute if urlsplit(one).netloc == here and _page(urlsplit(one).path)]


def _page(path: str) -> bool:
    return not path.startswith("/api/") or path.endswith("/docs")
