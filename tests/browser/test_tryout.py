"""A test call in Chromium: a fake microphone speaks, the agent answers it, and everything is seen on the page."""

import wave
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from app.sim.tonevoice import speak
from tests.browser.conftest import CHROMIUM, FLAGS, Console
from tests.browser.crawl import AXE, signed_in
from tests.browser.stage import DESK

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
RATE_HZ = 48_000
SAYS = (("yes, i can", 4.0), ("at ten", 4.0))
SOON_MS = 40_000
RAW = """
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const off = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
navigator.mediaDevices.getUserMedia = () => real({ audio: off });
"""
"""The voice of the tests is made of tones, which a browser takes for noise to be suppressed."""
FILE = f"""name = "Desk on trial"
prompt = "{DESK}"
opening = "greet_first"
tools = ["save_field", "end_call"]

[[data_to_fill]]
name = "attends"
type = "yes_no"
help = "Can you come on Friday?"
required = true

[[data_to_fill]]
name = "arrival"
type = "text"
help = "When will you come?"
required = true
"""


@pytest.fixture(scope="module")
def speaking(driver: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    """A browser whose microphone says the same sentences again and again."""
    path = tmp_path_factory.mktemp("voice") / "voice.wav"
    write(path)
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={path}", "--autoplay-policy=no-user-gesture-required"]
    chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield chromium
    chromium.close()


def write(path: Path) -> None:
    """Sentences, each after a silence, as a WAV file."""
    parts: list[np.ndarray[tuple[int], np.dtype[np.int16]]] = []
    for text, silence_s in SAYS:
        parts += [np.zeros(int(silence_s * RATE_HZ), np.int16), speak(text, RATE_HZ)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.concatenate(parts).tobytes())


def test_somebody_talks_with_an_agent(speaking: Browser, story_console: Console) -> None:
    with signed_in(speaking, story_console.link, "dark", 1280) as page:
        page.set_default_timeout(SOON_MS)
        page.add_init_script(RAW)
        troubles: list[str] = []
        page.on("pageerror", lambda error: troubles.append(f"script error: {error}"))
        page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
        begin(page)
        lines = page.locator("#tryout-lines li")
        expect(lines.filter(has_text="Can you come on Friday?").first).to_be_visible(timeout=SOON_MS)
        expect(page.locator("#tryout-fields")).to_contain_text("attends", timeout=SOON_MS)
        expect(lines.filter(has_text="yes, i can").first).to_be_visible()
        expect(page.locator("#tryout-agent")).not_to_have_js_property("value", 0)
        expect(page.locator("#tryout-delay")).to_contain_text("ms", timeout=SOON_MS)
        expect(page.locator("#tryout-cost")).not_to_have_text("$0.0000")
        violations = AXE.run(page).response["violations"]
        assert not violations, [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations]
        page.get_by_role("button", name="End the test call").click()
        page.get_by_role("link", name="See what is kept of it").click()
        kept(page)
        assert troubles == [], troubles


def begin(page: Page) -> None:
    """From an agent's file to a living test call."""
    origin = page.url.partition("/sign")[0].rstrip("/").rpartition("//")[2].partition("/")[0]
    page.goto(f"http://{origin}/agents/new")
    page.locator("#agent-text").fill(FILE)
    page.get_by_role("button", name="Make this agent").click()
    page.get_by_label("What the call is about").fill("Confirm the check-up")
    page.get_by_role("button", name="Talk to this agent").click()
    page.get_by_role("button", name="Begin: open the microphone").click()


def kept(page: Page) -> None:
    """The page afterwards, and that no list of calls has it."""
    expect(page.get_by_text("ended at the microphone").first).to_be_visible()
    expect(page.locator("#tryout-lines li").filter(has_text="Can you come on Friday?").first).to_be_visible()
    expect(page.locator("#tryout-fields")).to_contain_text("true")
    page.get_by_role("link", name="Calls", exact=True).click()
    expect(page.get_by_role("heading", name="Calls")).to_be_visible()
    expect(page.locator('main a[href^="/calls/"]')).to_have_count(0)
