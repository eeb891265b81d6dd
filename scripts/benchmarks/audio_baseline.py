"""RTP through the same Asterisk and nothing else: what a packet takes from a phone to a plain socket and back.

The bridge and the external-media channel are made as the product makes them, but behind the channel is a second
`RtpPhone`, which stamps what comes and sends what it is given. Subtracted from the product's delay by `audio`.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.benchmarks.audio_rounds import numbers
from tests.real.conftest import RealAsterisk
from tests.real.phones import Callee, Phones
from tests.real.raw_ari import RawAri
from tests.real.rtp_phone import RtpPhone

APP = "bench-baseline"
NOISE_AMPLITUDE = 3000
SETTLE_S = 1.0


@dataclass(frozen=True)
class Baseline:
    """Delays in ms of every packet, over all calls, and the gaps between packets at the phones."""

    up_ms: list[float]
    down_ms: list[float]
    gaps_ms: list[float]


def measure(place: RealAsterisk, codec: str, calls: int, folder: Path, talk_s: float = 5.0) -> Baseline:
    """All calls at once, both directions at once."""
    folder.mkdir()
    phones = Phones(place.trunk_port, tuple(Callee(n, codec=codec) for n in numbers(calls)), folder / "phones")
    sockets = {number: phones.bank.phone(codec) for number in phones.phone}
    phones.start()
    try:
        asyncio.run(_talk(place, phones, sockets, talk_s))
    finally:
        phones.close()
    up: list[float] = []
    down: list[float] = []
    gaps: list[float] = []
    for number, far in sockets.items():
        near = phones[number]
        up += delays_ms(near, far)
        down += delays_ms(far, near)
        gaps += (np.diff([one.arrival for one in near.audio()])[int(SETTLE_S * 50) :] * 1e3).tolist()
    return Baseline(up, down, gaps)


def delays_ms(mouth: RtpPhone, ear: RtpPhone) -> list[float]:
    """From `sendto` to the kernel's receive stamp, by payload: noise makes every packet unlike every other."""
    arrived = {one.payload: one.arrival for one in ear.audio()}
    steady = mouth.sent[int(SETTLE_S * 50) :]
    return [(arrived[payload] - at) * 1e3 for at, payload in steady if payload in arrived]


async def _talk(place: RealAsterisk, phones: Phones, sockets: dict[str, RtpPhone], talk_s: float) -> None:
    async with RawAri(place.url, place.username, place.password, APP) as ari:
        async with asyncio.TaskGroup() as group:
            for number, far in sockets.items():
                group.create_task(_connect(ari, number, far))
                await asyncio.sleep(0.02)
        random = np.random.default_rng(7)
        for number, far in sockets.items():
            for one in (phones[number], far):
                noise = random.integers(-NOISE_AMPLITUDE, NOISE_AMPLITUDE, int(one.rate_hz * talk_s))
                one.speak(noise.astype(np.int16))
            await asyncio.sleep(0.007)  # phases of their own, as real calls have
        await asyncio.sleep(talk_s + 0.3)
        for number in sockets:
            for path in (f"channels/{number}-c", f"channels/{number}-m", f"bridges/{number}-b"):
                await ari.ask("DELETE", path)


async def _connect(ari: RawAri, number: str, far: RtpPhone) -> None:
    """Bridge and media leg first, then the call: the order of the product."""
    await ari.ask("POST", "bridges", {"type": "mixing", "bridgeId": f"{number}-b"})
    body = {"app": APP, "channelId": f"{number}-m", "format": far.codec}
    made = await ari.ask("POST", "channels/externalMedia", {**body, "external_host": f"127.0.0.1:{far.port}"})
    far.remote = ("127.0.0.1", int(made.body["channelvars"]["UNICASTRTP_LOCAL_PORT"]))
    await ari.event("StasisStart", f"{number}-m")
    await ari.ask("POST", f"bridges/{number}-b/addChannel", {"channel": f"{number}-m"})
    await ari.dial(number, f"{number}-c", variables={"TIMEOUT(absolute)": "60"})
    await ari.event("StasisStart", f"{number}-c")
    await ari.ask("POST", f"bridges/{number}-b/addChannel", {"channel": f"{number}-c"})
    await ari.event("ChannelEnteredBridge", f"{number}-c")
