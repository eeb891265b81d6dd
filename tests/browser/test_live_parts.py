"""Parts of pages put anew, in Chromium on pages of the test: the focus, half-filled forms, order of answers."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
STATIC = Path(__file__).parents[2] / "web" / "static"
SOCKET = "globalThis.changed = {}; export const onChanged = (kind, work) => { globalThis.changed[kind] = work; };"


class Shown:
    """A page whose next answers the test decides; an answer that is held back comes when it is let go."""

    def __init__(self, page: Page, script: str) -> None:
        self.page, self.script = page, script
        self.body, self.asked = "", 0
        self.hold, self.held = False, list[tuple[Route, str]]()
        page.route("http://here.test/**", self._answer)

    def _answer(self, route: Route) -> None:
        name = route.request.url.split("/")[-1]
        if name == "socket.js":
            route.fulfill(body=SOCKET, content_type="text/javascript")
        elif name.endswith(".js"):
            route.fulfill(body=(STATIC / name).read_text(), content_type="text/javascript")
        else:
            self.asked += 1
            whole = f'<!doctype html><body>{self.body}<script type="module" src="/static/{self.script}"></script>'
            if self.hold:
                self.held.append((route, whole))
            else:
                route.fulfill(body=whole, content_type="text/html")

    def open(self, body: str) -> None:
        self.body = body
        self.page.goto("http://here.test/page")
        self.page.wait_for_function("globalThis.changed !== undefined && Object.keys(changed).length > 0")

    def becomes(self, body: str, kind: str) -> None:
        """Something changed, and the page has taken what came of it."""
        self.body = body
        self.page.evaluate("(kind) => changed[kind]()", kind)

    def focused(self) -> Any:
        return self.page.evaluate("document.activeElement.outerHTML")


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def tasks(*rows: str) -> str:
    links = "".join(f'<p><a href="/tasks/{row.split()[0]}">{row}</a></p>' for row in rows)
    return f'<div id="live" data-live="list">{links}</div>'


def test_a_list_goes_on_while_one_of_its_links_has_the_focus(page: Page) -> None:
    shown = Shown(page, "tasks.js")
    shown.open(tasks("a queued", "b queued"))
    page.locator("a", has_text="b queued").focus()
    shown.becomes(tasks("c queued", "a queued", "b calling"), "tasks")
    expect(page.locator("a")).to_have_text(["c queued", "a queued", "b calling"])
    assert shown.focused() == '<a href="/tasks/b">b calling</a>'


def test_what_was_left_alone_while_a_form_was_filled_in_is_put_in_place_afterwards(page: Page) -> None:
    def one(state: str) -> str:
        form = '<form><input id="why"><button>Hold</button></form>'
        return f'<div id="live" data-live="task"><section id="actions"><b>{state}</b>{form}</section></div>'

    shown = Shown(page, "tasks.js")
    shown.open(one("queued"))
    page.locator("#why").fill("half")
    shown.becomes(one("held"), "tasks")
    expect(page.locator("b")).to_have_text("queued")
    page.locator("button").focus()
    page.evaluate("changed.tasks()")
    expect(page.locator("b")).to_have_text("queued")
    page.locator("#why").fill("")
    page.locator("button").focus()
    expect(page.locator("b")).to_have_text("held")


def test_what_came_back_with_a_refusal_is_left_alone(page: Page) -> None:
    def one(state: str, typed: str = "") -> str:
        form = f'<section id="actions"><form><input value="{typed}" {typed and "data-typed"}></form></section>'
        return f'<div id="live" data-live="task"><section id="facts"><b>{state}</b></section>{form}</div>'

    shown = Shown(page, "tasks.js")
    shown.open(one("queued", "half a sentence"))
    shown.becomes(one("held"), "tasks")
    expect(page.locator("b")).to_have_text("held")
    expect(page.locator("input")).to_have_value("half a sentence")


def test_an_older_answer_is_not_put_over_a_newer_one(page: Page) -> None:
    def at(count: str) -> str:
        return f'<section data-live="state"><i>{count}</i><form action="/x"><button>Go</button></form></section>'

    shown = Shown(page, "campaigns.js")
    shown.open(at("1"))
    page.locator("button").focus()
    for count, kind in (("2", "calls"), ("3", "campaigns")):
        shown.hold, shown.body = True, at(count)
        page.evaluate("(kind) => { globalThis[kind] = changed[kind](); }", kind)
    while len(shown.held) < 2:
        page.evaluate("0")
    for (route, whole), kind, now in zip(reversed(shown.held), ("campaigns", "calls"), "33", strict=True):
        route.fulfill(body=whole, content_type="text/html")
        page.evaluate("(kind) => globalThis[kind]", kind)
        expect(page.locator("i")).to_have_text(now)
    assert shown.focused() == "<button>Go</button>"


def test_the_focus_goes_to_no_button_that_does_something_else(page: Page) -> None:
    def row(name: str) -> str:
        return f'<form action="/{name}"><button>Undo</button></form>'

    shown = Shown(page, "tasks.js")
    shown.open(f'<div id="live" data-live="list" data-kind="decisions">{row("a")}{row("b")}</div>')
    page.locator("form[action='/a'] button").focus()
    new = f'<div id="live" data-live="list" data-kind="decisions">{row("c")}{row("a")}{row("b")}</div>'
    shown.becomes(new, "decisions")
    assert page.evaluate("document.activeElement.form.getAttribute('action')") == "/a"
    shown.becomes(new.replace(row("a"), ""), "decisions")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
