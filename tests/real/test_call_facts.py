"""Facts that calls depend on: two of the real Asterisk, which the simulated one shares, and one of the kernel."""

from itertools import pairwise
from pathlib import Path

import pytest

from app.calls.keys import sounding_ms
from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.machine import group_niceness
from tests.real.phones import Callee
from tests.real.rig import NUMBER, office, settings_for, worker_pid
from tests.real.rtp_phone import keys_heard
from tests.real.test_asterisk_smoke import prepare_media, tear_down, tone

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]


async def test_only_the_reply_says_where_the_media_leg_listens(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    """No `channelvars` line is needed in ari.conf, and without one no event and no GET repeats the address."""
    engine = phones(Callee(NUMBER)).bank.phone("ulaw")
    variables = {"TIMEOUT(absolute)": "60", "PLAIN": "p", "SHOWN": {"value": "s", "report_events": True}}
    body = {"app": "facts", "channelId": "x-m", "format": "ulaw", "external_host": f"127.0.0.1:{engine.port}"}
    async with asterisk.client("facts") as ari:
        made = await ari.ask("POST", "channels/externalMedia", {**body, "variables": variables})
        started = await ari.event("StasisStart", "x-m")
        asked = await ari.ask("GET", "channels/x-m")
        await ari.ask("DELETE", "channels/x-m")
        await ari.event("ChannelDestroyed", "x-m")
    assert set(made.body["channelvars"]) == {
        "PLAIN",
        "SHOWN",
        "UNICASTRTP_LOCAL_ADDRESS",
        "UNICASTRTP_LOCAL_PORT",
    }
    assert asked.body["channelvars"] == started["channel"]["channelvars"] == {"SHOWN": "s"}


async def test_how_long_keys_silence_the_line(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    """100 ms before the first key, 160 ms a key without voice, 80 ms after it, 500 ms for a `w`."""
    at = phones(Callee(NUMBER))
    engine = at.bank.phone("ulaw")
    async with asterisk.client("facts") as ari:
        await prepare_media(ari, engine, "keys")
        await ari.dial(NUMBER, "keys-c")
        await ari.event("StasisStart", "keys-c")
        await ari.ask("POST", "bridges/keys-b/addChannel", {"channel": "keys-c"})
        await ari.event("ChannelEnteredBridge", "keys-c")
        engine.speak(tone(8000, 700, 2.0))
        voice = await at[NUMBER].hears(5)
        await ari.ask("POST", "channels/keys-c/dtmf?dtmf=1w2&duration=160&between=80")
        await engine.spoken()
        await tear_down(ari, "keys")
        await ari.event("ChannelDestroyed", "keys-c")
    (_, first_at, first_end), (_, second_at, second_end) = keys_heard(at[NUMBER])
    gaps = [b.arrival - a.arrival for a, b in pairwise(at[NUMBER].audio()) if b.arrival - a.arrival > 0.1]
    print(f"keys at {first_at - voice.arrival:.3f} and {second_at - voice.arrival:.3f} s; silent for {gaps}")
    assert first_end - first_at == pytest.approx(0.16, abs=0.05)
    assert second_at - first_end == pytest.approx(0.08 + 0.5, abs=0.06)
    assert len(gaps) >= 2, "no voice while a key is down"
    assert second_end - first_at + 0.1 < sounding_ms("1w2") / 1000, "what the product reckons with"


async def test_the_media_worker_comes_first(nothing_left: None, asterisk: RealAsterisk, tmp_path: Path) -> None:
    """A busy machine must not be heard. Where each session is a group of its own, niceness alone does nothing."""
    settings = settings_for(asterisk, tmp_path, "ws://127.0.0.1:9", media_mode="process")
    async with office(settings):
        worker = worker_pid(settings.runtime_dir)
        assert worker is not None
        niceness = group_niceness(worker)
    if niceness is None:
        pytest.skip("this kernel has no autogroups")
    assert niceness == -10
