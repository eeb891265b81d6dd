"""What the real Asterisk does, stated without any of our own client code: the facts the product is built on.

Every row here was first measured; a newer Asterisk that behaves differently fails the row that names it.
"""

import re

import numpy as np
import pytest

from tests.real.conftest import RealAsterisk, StartPhones
from tests.real.phones import Callee, still_sent
from tests.real.raw_ari import RawAri
from tests.real.rtp_phone import PAYLOAD_TYPES, TELEPHONE_EVENT, RtpPhone, Samples

pytestmark = [pytest.mark.anyio, pytest.mark.asterisk]
NUMBER = "15550000001"


def tone(rate_hz: int, hz: float, seconds: float) -> Samples:
    t = np.arange(int(rate_hz * seconds)) / rate_hz
    return (8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def test_version_modules_and_contexts(asterisk: RealAsterisk) -> None:
    version = asterisk.get("asterisk/info?only=system")["system"]["version"]
    assert tuple(int(one) for one in re.findall(r"\d+", version)[:2]) >= (22, 10), version
    assert asterisk.get("asterisk/ping")["ping"] == "pong"
    plan = asterisk.cli("dialplan show")
    for context in ("inbound", "outbound", "policy", "allowed", "refused", "send", "transfer", "amd", "test"):
        assert f"[ Context 'opendeep-{context}'" in plan
    assert "Context 'default'" not in plan
    loaded = asterisk.cli("module show")
    for absent in ("func_shell", "app_system", "func_curl", "res_agi", "pbx_spool", "anonymous"):
        assert absent not in loaded
    for wrong in ("not initialized", "declined to load", "Error loading"):
        assert wrong not in asterisk.cli("core show settings")


async def prepare_media(ari: RawAri, engine: RtpPhone, call: str) -> None:
    """Bridge and external-media leg, ready before anything rings."""
    assert (await ari.ask("POST", "bridges", {"type": "mixing", "bridgeId": f"{call}-b"})).status == 200
    body = {"app": ari.app, "channelId": f"{call}-m", "format": engine.codec}
    body["external_host"] = f"127.0.0.1:{engine.port}"
    made = await ari.ask("POST", "channels/externalMedia", body)
    assert made.status == 200, made.body
    engine.remote = ("127.0.0.1", int(made.body["channelvars"]["UNICASTRTP_LOCAL_PORT"]))
    await ari.event("StasisStart", f"{call}-m")
    added = await ari.ask("POST", f"bridges/{call}-b/addChannel", {"channel": f"{call}-m"})
    assert added.status == 204, added.body


async def tear_down(ari: RawAri, call: str) -> None:
    for path in (f"channels/{call}-c", f"channels/{call}-m", f"bridges/{call}-b"):
        assert (await ari.ask("DELETE", path)).status in (204, 404)


@pytest.mark.parametrize("codec", ["ulaw", "alaw", "g722"])
async def test_audio_passes_both_ways_untouched(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, codec: str
) -> None:
    at = phones(Callee(NUMBER, codec=codec))
    phone, engine = at[NUMBER], at.bank.phone(codec)
    async with asterisk.client("smoke") as ari:
        await prepare_media(ari, engine, "media")
        variables = {"TIMEOUT(absolute)": "60"}
        formats = {"formats": codec} if codec == "g722" else {}
        assert (await ari.dial(NUMBER, "media-c", variables=variables, **formats)).status == 200
        await ari.event("StasisStart", "media-c")
        added = await ari.ask("POST", "bridges/media-b/addChannel", {"channel": "media-c"})
        assert added.status == 204
        await ari.event("ChannelEnteredBridge", "media-c")
        phone.speak(tone(phone.rate_hz, 700, 1.0))
        engine.speak(tone(engine.rate_hz, 1100, 1.0))
        await engine.hears(50)
        await phone.hears(50)
        statistics = await ari.ask("GET", "channels/media-c/rtp_statistics")
        assert statistics.body["rxcount"] >= 50
        await tear_down(ari, "media")
        await ari.event("ChannelDestroyed", "media-c", cause=16)
    for ear, mouth in ((engine, phone), (phone, engine)):
        assert b"".join(one.payload for one in ear.audio()) == b"".join(one for _, one in mouth.sent)
        assert {len(one.payload) for one in ear.audio()} == {160}
        assert {one.payload_type for one in ear.packets} == {PAYLOAD_TYPES[codec]}
        assert len({one.ssrc for one in ear.audio()}) == 1
        steps = np.diff([one.timestamp for one in ear.audio()])
        assert set(steps) == {160}
        assert peak_hz(ear.heard(), ear.rate_hz) == pytest.approx(700 if mouth is phone else 1100, abs=5)


def peak_hz(samples: Samples, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


FAILURES = [
    pytest.param(Callee(NUMBER, status=486), 17, 486, "BUSY", True, id="busy"),
    pytest.param(Callee(NUMBER, status=600), 17, 600, "BUSY", True, id="busy everywhere"),
    pytest.param(Callee(NUMBER, status=403, ring_ms=0), 21, 403, "NOANSWER", False, id="forbidden"),
    pytest.param(Callee(NUMBER, status=603), 21, 603, "NOANSWER", True, id="declined"),
    pytest.param(Callee(NUMBER, status=404, ring_ms=0), 1, 404, "NOANSWER", False, id="unknown number"),
    pytest.param(Callee(NUMBER, status=410, ring_ms=0), 22, 410, "NOANSWER", False, id="gone"),
    pytest.param(Callee(NUMBER, status=484, ring_ms=0), 28, 484, "NOANSWER", False, id="incomplete"),
    pytest.param(Callee(NUMBER, status=480, ring_ms=0), 19, 480, "NOANSWER", False, id="unavailable"),
    pytest.param(Callee(NUMBER, status=408, ring_ms=0), 18, 408, "NOANSWER", False, id="timeout upstream"),
    pytest.param(Callee(NUMBER, status=500, ring_ms=0), 38, 500, "NOANSWER", False, id="server error"),
    pytest.param(Callee(NUMBER, status=503, ring_ms=0), 34, 503, "CONGESTION", False, id="carrier down"),
    pytest.param(Callee(NUMBER, status=488, ring_ms=0), 58, 488, "NOANSWER", False, id="no common codec"),
]


@pytest.mark.parametrize(("callee", "cause", "tech_cause", "dial_status", "rings"), FAILURES)
async def test_refusals(
    nothing_left: None,
    asterisk: RealAsterisk,
    phones: StartPhones,
    callee: Callee,
    cause: int,
    tech_cause: int,
    dial_status: str,
    rings: bool,
) -> None:
    at = phones(callee)
    async with asterisk.client("smoke") as ari:
        assert (await ari.dial(NUMBER, "x-c")).status == 200
        end = await ari.event("ChannelDestroyed", "x-c")
        story = ari.about("x-c")
    assert (end["cause"], end["tech_cause"]) == (cause, tech_cause)
    assert story[0] == "Dial"
    assert story[-3:] == ["ChannelHangupRequest", f"Dial {dial_status}", "ChannelDestroyed"]
    assert ("Dial RINGING" in story) == rings
    assert at.invites == {NUMBER: 1}


async def test_rings_out(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    at = phones(Callee(NUMBER, status=None))
    async with asterisk.client("smoke") as ari:
        await ari.dial(NUMBER, "x-c", timeout=1)
        end = await ari.event("ChannelDestroyed", "x-c")
        story = ari.about("x-c")
    assert (end["cause"], end["tech_cause"]) == (19, 480)
    assert sorted(story[:3]) == ["ChannelStateChange", "Dial", "Dial RINGING"]
    assert story[3:] == ["ChannelDestroyed"], "no final Dial, no ChannelHangupRequest"
    await at.until("CANCEL", NUMBER)


@pytest.mark.parametrize("listening", [True, False], ids=["deaf peer", "closed port"])
async def test_dead_peer(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, listening: bool) -> None:
    peer = phones(Callee(NUMBER, deaf=True)) if listening else None
    async with asterisk.client("smoke") as ari:
        await ari.dial(NUMBER, "x-c", timeout=2)
        end = await ari.event("ChannelDestroyed", "x-c")
        story = ari.about("x-c")
    if peer is not None:
        peer.unplug()
    await phones(still_sent(NUMBER)).until("ACK", NUMBER)
    assert (end["cause"], end["tech_cause"]) == (19, 480)
    assert story == ["Dial", "ChannelDestroyed"]


async def test_we_cancel_while_it_rings(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    at = phones(Callee(NUMBER, status=None))
    async with asterisk.client("smoke") as ari:
        await ari.dial(NUMBER, "x-c")
        await ari.event("Dial", "x-c", dialstatus="RINGING")
        assert (await ari.ask("DELETE", "channels/x-c")).status == 204
        request = await ari.event("ChannelHangupRequest", "x-c")
        end = await ari.event("ChannelDestroyed", "x-c")
        story = ari.about("x-c")
    assert (request["cause"], request["soft"]) == (32, True)
    assert end["cause"] == 16
    assert story[-3:] == ["ChannelHangupRequest", "Dial NOANSWER", "ChannelDestroyed"]
    await at.until("CANCEL", NUMBER)


@pytest.mark.parametrize(("bye_cause", "cause"), [(16, 16), (None, 0), (17, 17)])
async def test_callee_hangs_up(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, bye_cause: int | None, cause: int
) -> None:
    phones(Callee(NUMBER, hang_up_after_ms=100, bye_cause=bye_cause))
    async with asterisk.client("smoke") as ari:
        await ari.dial(NUMBER, "x-c")
        end = await ari.event("ChannelDestroyed", "x-c")
        request = await ari.event("ChannelHangupRequest", "x-c")
        story = ari.about("x-c")
    assert "soft" not in request
    assert end["cause"] == cause
    assert story[-3:] == ["ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"]


async def test_we_hang_up(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    at = phones(Callee(NUMBER))
    async with asterisk.client("smoke") as ari:
        await ari.dial(NUMBER, "x-c")
        await ari.event("StasisStart", "x-c")
        await ari.ask("DELETE", "channels/x-c")
        end = await ari.event("ChannelDestroyed", "x-c")
        request = await ari.event("ChannelHangupRequest", "x-c")
    assert (request["cause"], request["soft"]) == (32, True)
    assert end["cause"] == 16
    await at.until("BYE-IN", NUMBER)


@pytest.mark.parametrize(("bridged", "cause"), [(True, 16), (False, 0)])
async def test_absolute_timeout_ends_the_call(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones, bridged: bool, cause: int
) -> None:
    at = phones(Callee(NUMBER))
    async with asterisk.client("smoke") as ari:
        await ari.ask("POST", "bridges", {"type": "mixing", "bridgeId": "x-b"})
        await ari.dial(NUMBER, "x-c", variables={"TIMEOUT(absolute)": "1"})
        await ari.event("StasisStart", "x-c")
        if bridged:
            await ari.ask("POST", "bridges/x-b/addChannel", {"channel": "x-c"})
        end = await ari.event("ChannelDestroyed", "x-c")
        story = ari.about("x-c")
        await ari.ask("DELETE", "bridges/x-b")
    assert end["cause"] == cause
    assert "ChannelHangupRequest" not in story
    await at.until("BYE-IN", NUMBER)


async def test_early_media(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    phones(Callee(NUMBER, early_media=True, ring_ms=200, hang_up_after_ms=100))
    async with asterisk.client("smoke") as ari:
        await ari.dial(NUMBER, "x-c")
        progress = await ari.event("Dial", "x-c", dialstatus="PROGRESS")
        await ari.event("ChannelDestroyed", "x-c")
    assert progress["peer"]["state"] == "Down"


async def test_what_originate_refuses(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    phones(Callee(NUMBER))
    async with asterisk.client("smoke") as ari:
        nowhere = {"app": ari.app, "endpoint": "PJSIP/1@no-such-trunk"}
        assert await status(ari, nowhere) == (500, {"error": "Allocation failed"})
        assert (await status(ari, {"app": ari.app, "endpoint": "rubbish"}))[0] == 400
        assert (await status(ari, {"endpoint": f"PJSIP/{NUMBER}@opendeep-trunk"}))[0] == 400
        await ari.dial(NUMBER, "x-c")
        assert (await ari.dial(NUMBER, "x-c")).status == 409
        await ari.event("StasisStart", "x-c")
        await ari.ask("DELETE", "channels/x-c")
        await ari.event("ChannelDestroyed", "x-c")


async def status(ari: RawAri, body: dict[str, object]) -> tuple[int, object]:
    answer = await ari.ask("POST", "channels", body)
    return answer.status, answer.body


async def test_answered_for_an_application_nobody_serves(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    at = phones(Callee(NUMBER))
    async with asterisk.client("smoke") as ari:
        assert (await ari.dial(NUMBER, "x-c", app="nobody")).status == 200
        await at.until("BYE-IN", NUMBER)
        assert ari.about("x-c") == []
    assert len(at.seen("ANSWER")) == 1, "the callee picked up and was dropped: a silent call"


async def test_keys_pass_both_ways(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    at = phones(Callee(NUMBER))
    async with asterisk.client("smoke") as ari:
        await ari.dial(NUMBER, "x-c")
        await ari.event("StasisStart", "x-c")
        at[NUMBER].press("59#")
        for digit in "59#":
            await ari.event("ChannelDtmfReceived", "x-c", digit=digit)
        sent = await ari.ask("POST", "channels/x-c/dtmf?dtmf=17&duration=160&between=80")
        assert sent.status == 204
        await at.bank.until(lambda: len(pressed(at[NUMBER])) == 2, 5, "two keys")
        await ari.ask("DELETE", "channels/x-c")
        await ari.event("ChannelDestroyed", "x-c")
        received = [event["digit"] for _, event in ari.events if event["type"] == "ChannelDtmfReceived"]
    assert received[:3] == ["5", "9", "#"], "one press is one event"
    assert pressed(at[NUMBER]) == [1, 7]


def pressed(phone: RtpPhone) -> list[int]:
    """Keys heard: RFC 4733 event codes with the end bit, one per timestamp."""
    ends = {
        one.timestamp: one.payload[0]
        for one in phone.packets
        if one.payload_type == TELEPHONE_EVENT and one.payload[1] & 0x80
    }
    return list(ends.values())


async def test_a_silent_callee_sends_nothing_and_slin16_is_deaf(
    nothing_left: None, asterisk: RealAsterisk, phones: StartPhones
) -> None:
    """Two-party bridges have no clock of their own, and dynamic payload types towards Asterisk vanish."""
    at = phones(Callee(NUMBER))
    engine = at.bank.phone("ulaw")
    async with asterisk.client("smoke") as ari:
        await prepare_media(ari, engine, "quiet")
        await ari.dial(NUMBER, "quiet-c")
        await ari.event("StasisStart", "quiet-c")
        await ari.ask("POST", "bridges/quiet-b/addChannel", {"channel": "quiet-c"})
        await ari.event("ChannelEnteredBridge", "quiet-c")
        assert engine.remote is not None
        for n in range(10):
            header = bytes([0x80, 118, 0, n]) + (320 * n).to_bytes(4, "big") + b"abcd"
            engine.rtp.sendto(header + bytes(640), engine.remote)
        engine.speak(tone(8000, 1000, 0.2))
        await at[NUMBER].hears(10)
        await tear_down(ari, "quiet")
        await ari.event("ChannelDestroyed", "quiet-c")
    assert engine.packets == []
    assert len(at[NUMBER].packets) == 10, "the ulaw packets and nothing of slin16"


async def test_twenty_calls_at_once(nothing_left: None, asterisk: RealAsterisk, phones: StartPhones) -> None:
    numbers = [str(15550000100 + n) for n in range(20)]
    at = phones(*(Callee(one, ring_ms=50, hang_up_after_ms=1500) for one in numbers))
    engines = {one: at.bank.phone("ulaw") for one in numbers}
    async with asterisk.client("smoke") as ari:
        for one in numbers:
            await prepare_media(ari, engines[one], one)
        for one in numbers:
            assert (await ari.dial(one, f"{one}-c")).status == 200
        for one in numbers:
            await ari.event("StasisStart", f"{one}-c")
            await ari.ask("POST", f"bridges/{one}-b/addChannel", {"channel": f"{one}-c"})
            engines[one].speak(tone(8000, 1000, 0.5))
        for one in numbers:
            await at[one].hears(25)
            assert (await ari.event("ChannelDestroyed", f"{one}-c"))["cause"] == 16
            await tear_down(ari, one)
    assert at.invites == dict.fromkeys(numbers, 1)
    for one in numbers:
        assert [p.payload for p in at[one].audio()] == [payload for _, payload in engines[one].sent]
