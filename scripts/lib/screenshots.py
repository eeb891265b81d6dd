"""Looks at every screen of a console with simulated calls behind it, and keeps small pictures for the README."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, free_port, listening
from tests.browser.crawl import shape, signed_in
from tests.browser.test_tryout import RAW, write
from web.render import PLACES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "web/screens"
QUALITY = 50
WIDE, NARROW = 1280, 360
DETAILS = ("/calls/{id}", "/campaigns/{id}", "/tasks/{id}", "/agents/{id}")
"""Screens that no place of the navigation names; reached by the first link to one."""
CAMPAIGN_MS = 180_000
"""The demo's first campaign is over by then, on a slow machine too."""


def main() -> None:
    """Take all pictures; prints their sizes."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="od-") as data, _demo(Path(data)) as link, sync_playwright() as p:
        chromium = p.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        state = str(Path(data) / "session.json")
        listening(int(link.split(":")[2].split("/", maxsplit=1)[0]))
        with signed_in(chromium, link, "dark", WIDE) as page:
            page.context.storage_state(path=state)
        _all(chromium, link, state, folder)
        chromium.close()
        write(Path(data) / "voice.wav")
        voice = f"--use-file-for-fake-audio-capture={data}/voice.wav"
        speaking = p.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, voice])
        with signed_in(speaking, link, "dark", WIDE, state) as page:
            page.add_init_script(RAW)
            _tried(page, urljoin(link, "/agents"), folder)
        speaking.close()
    for picture in sorted(folder.glob("*.jpg")):
        print(f"{picture.name} {picture.stat().st_size // 1024} kB")


@contextmanager
def _demo(folder: Path) -> Generator[str]:
    """`opendeep demo` on a free port; its sign-in link."""
    port = free_port()
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "WEB_PORT": str(port)}
    command = [sys.executable, "-u", "-m", "app", "demo"]
    log = (folder / "demo.log").open("w")
    with subprocess.Popen(
        command, cwd=folder, env=settings, stdout=subprocess.PIPE, stderr=log, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if line.strip().startswith("http"))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
            log.close()


def _all(chromium: Browser, link: str, state: str, folder: Path) -> None:
    with signed_in(chromium, link, "dark", WIDE, state) as page:
        page.goto(urljoin(link, "/campaigns"))
        page.get_by_text("completed").first.wait_for(timeout=CAMPAIGN_MS)
        details: dict[str, str] = {}
        for place in PLACES[1:]:
            _take(page, urljoin(link, place[0]), folder / f"{_name(place[0])}.jpg")
            for href in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
                details.setdefault(shape(href), href)
        for form in DETAILS:
            if form in details:
                _take(page, details[form], folder / f"{_name(form)}.jpg")
    for scheme, width in (("dark", WIDE), ("light", WIDE), ("light", NARROW)):
        with signed_in(chromium, link, scheme, width, state) as page:
            page.goto(urljoin(link, "/"))
            page.locator("[data-call][data-state=bridged]").nth(2).wait_for(timeout=CAMPAIGN_MS)
            page.wait_for_timeout(1_500)  # a sentence or two
            path = folder / f"wallboard-{scheme}-{width}.jpg"
            page.screenshot(path=path, type="jpeg", quality=QUALITY)


def _tried(page: Page, agents: str, folder: Path) -> None:
    """A test call by microphone and a rehearsal of the first agent, with what came of them."""
    page.goto(agents)
    page.locator("main a[href^='/agents/']:not([href$=new])").first.click()
    agent = page.url
    page.get_by_label("What the call is about").fill("Ask whether Friday suits.")
    page.get_by_role("button", name="Talk to this agent").click()
    page.get_by_role("button", name="Begin: open the microphone").click()
    page.locator("#tryout-lines li").nth(2).wait_for(timeout=CAMPAIGN_MS)
    page.wait_for_timeout(2_000)
    page.screenshot(path=folder / "test-calls-one.jpg", type="jpeg", quality=QUALITY)
    page.get_by_role("button", name="End the test call").click()
    page.goto(agent)
    page.get_by_role("button", name="Rehearse against personas").click()
    page.locator(".rehearsal-verdict:not([data-mark=open])").wait_for(timeout=CAMPAIGN_MS)
    page.screenshot(path=folder / "rehearsals-one.jpg", type="jpeg", quality=QUALITY)


def _take(page: Page, url: str, path: Path) -> None:
    page.goto(url, wait_until="load")
    page.wait_for_timeout(600)  # the first snapshot is painted
    page.screenshot(path=path, type="jpeg", quality=QUALITY)


def _name(path: str) -> str:
    return path.strip("/").replace("/{id}", "-one").replace("/", "-")


if __name__ == "__main__":
    main()
