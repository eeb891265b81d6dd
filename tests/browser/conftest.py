"""Chromium of the system on a console of our own; one browser and one console for all tests of this folder."""

import json
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from app.sim.tonevoice import speak
from tests.browser.crawl import signed_in
from tests.browser.stage import BOSS

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
READY_S = 20
RATE_HZ = 24_000


@dataclass(frozen=True)
class Console:
    """A running stage: its one-time sign-in link, its process, and where its data is."""

    link: str
    process: "subprocess.Popen[str]"
    folder: Path

    def call(self, whom: str = "call") -> None:
        """Somebody is called: who asks a question, or the "listener"."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{whom}\n")
        self.process.stdin.flush()

    def heard(self, number: str) -> list[str]:
        """Whole sentences that a telephone has heard, of agents and operators."""
        self.call("heard")
        assert self.process.stdout is not None
        told = next(line for line in self.process.stdout if line.startswith("{"))  # between lines of the log
        return json.loads(told).get(number.lstrip("+"), [])


@pytest.fixture(scope="session")
def driver() -> Generator[Playwright]:
    """One for the whole run: two of them in one process refuse each other."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(driver: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    words = tmp_path_factory.mktemp("microphone") / "words.wav"
    spoken(words)
    flags = [*FLAGS, f"--use-file-for-fake-audio-capture={words}"]
    chromium = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield chromium
    chromium.close()


def spoken(path: Path) -> None:
    """What the microphone hears, over and over: `BOSS`, and a pause."""
    samples = np.concatenate([speak(BOSS, RATE_HZ), np.zeros(RATE_HZ, np.int16)])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())


@contextmanager
def console(folder: Path, *arguments: str) -> Iterator[Console]:
    """The stage as a process of its own."""
    port = free_port()
    command = [sys.executable, "-u", "-m", "tests.browser.stage", str(folder), str(port), *arguments]
    log = (folder.parent / f"{folder.name}.log").open("w+")
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        assert process.stdout is not None
        link = next((line.strip() for line in process.stdout if line.startswith("http")), None)
        log.seek(0)
        assert link, log.read()[-4000:]
        listening(port)
        yield Console(link, process, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        log.close()


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def listening(port: int) -> None:
    """The link is printed just before the console listens."""
    until = time.monotonic() + READY_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def hostile_console(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A console whose every free text is hostile."""
    with console(tmp_path_factory.mktemp("hostile") / "data", "--hostile") as here:
        yield here.link


@pytest.fixture(scope="session")
def session(browser: Browser, hostile_console: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The link of the hostile console signs in once; its session serves all tests."""
    path = tmp_path_factory.mktemp("session") / "state.json"
    with signed_in(browser, hostile_console, "dark", 1280) as page:
        page.context.storage_state(path=path)
    return str(path)


@pytest.fixture
def story_console(tmp_path: Path) -> Generator[Console]:
    """A console without calls yet."""
    with console(tmp_path / "data", "--story") as here:
        yield here
