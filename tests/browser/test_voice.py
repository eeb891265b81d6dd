"""Speaking with the planner in Chromium, with a microphone that plays a file: press, speak, words, a plan card."""

import wave
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.conftest import CHROMIUM, FLAGS, Console
from tests.browser.crawl import AXE, signed_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
WAIT_MS = 40_000
RATE_HZ = 48_000
SILENT_S, SOUND_S = 9.0, 1.5


def recording(path: Path) -> Path:
    """Silence while the assistant greets, something like a voice, then silence for good."""
    at = np.arange(int(SOUND_S * RATE_HZ)) / RATE_HZ
    pitch = np.cumsum(140 + 25 * np.sin(2 * np.pi * 3 * at)) / RATE_HZ
    voiced = sum(np.sin(2 * np.pi * n * pitch) / n**0.5 for n in range(1, 16))
    syllables = np.clip(np.sin(2 * np.pi * 4 * at) + 0.4, 0, 1)
    sound = voiced / np.max(np.abs(voiced)) * syllables * 0.7
    whole = np.concatenate([np.zeros(int(SILENT_S * RATE_HZ)), sound, np.zeros(60 * RATE_HZ)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((whole * 32_000).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def speaker(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    file = recording(tmp_path_factory.mktemp("voice") / "voice.wav")
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={file}%noloop"]
    chromium = browser.browser_type.launch(executable_path=CHROMIUM, args=flags)
    yield chromium
    chromium.close()


def serious(page: Page) -> list[str]:
    return [one["id"] for one in AXE.run(page).response["violations"] if one["impact"] in {"serious", "critical"}]


def test_press_speak_and_read_the_plan(speaker: Browser, story_console: Console) -> None:
    with signed_in(speaker, story_console.link, "dark", 1280) as page:
        heard: list[str] = []
        sockets: list[WebSocketRoute] = []

        def through(socket: WebSocketRoute) -> None:
            socket.connect_to_server()
            sockets.append(socket)

        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("console", lambda one: heard.append(one.text) if one.type == "error" else None)
        page.route_web_socket("**/api/chat/voice*", through)
        page.goto(urljoin(story_console.link, "/chat"))
        button = page.locator("#speak")
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#voice-status")).to_contain_text("assistant is speaking", timeout=WAIT_MS)
        expect(page.locator("#voice-note")).to_contain_text("Simulation")
        card = page.locator(".plan[data-state=open]")
        expect(card).to_be_visible(timeout=WAIT_MS)
        expect(page.locator("#turns > .user .said").first).to_contain_text("Call Ada")
        assert "+15551000500" in card.inner_text()
        assert serious(page) == []
        sockets[0].close(code=1011, reason="the network")
        expect(page.locator("#voice-line")).to_contain_text("Reconnecting", timeout=WAIT_MS)
        expect(page.locator("#voice-line")).to_contain_text("restored", timeout=WAIT_MS)
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert serious(page) == []
        page.keyboard.press("Escape")
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#voice")).to_be_hidden()
        confirm = card.get_by_role("button", name="Confirm this call")
        expect(confirm).to_be_visible()
        assert heard == []


def test_without_a_microphone_it_says_why(browser: Browser, story_console: Console) -> None:
    with signed_in(browser, story_console.link, "light", 1280) as page:
        page.add_init_script(
            "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))"
        )
        page.goto(urljoin(story_console.link, "/chat"))
        page.locator("#speak").click()
        expect(page.locator("#problem")).to_contain_text("There is no microphone")
        expect(page.locator("#speak")).to_have_attribute("aria-pressed", "false")
