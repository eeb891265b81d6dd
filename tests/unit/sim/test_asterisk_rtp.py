"""The RTP rules of chan_rtp, audio both ways judged by content, and what the callee keeps."""

import asyncio
import socket
from itertools import pairwise

import numpy as np
import pytest
import soxr

from app.sim import tonevoice
from app.sim.asterisk import Answer, CalleeScript, HangUp, Interrupt, Ring, Say, SimAsterisk, WaitForAgent
from app.sim.asterisk.personas import hangs_up_mid_sentence
from media.g711 import ALAW, ULAW
from media.g722 import G722Decoder, G722Encoder
from tests.unit.sim.test_asterisk_rig import APP, NUMBER, B, C, Engine, M, Rig

pytestmark = pytest.mark.anyio

QUICK = Ring(0.01), Answer(0.01)


def sim_with(*steps: object, **more: object) -> SimAsterisk:
    return SimAsterisk(callees={NUMBER: CalleeScript(steps, **more)})  # type: ignore[arg-type]


def encoded(text: str, form: str = "ulaw") -> bytes:
    """Speech and 100 ms of silence, in which a listener notices its end."""
    rate_hz = 16_000 if form == "g722" else 8_000
    samples = np.concatenate([tonevoice.speak(text, rate_hz), np.zeros(rate_hz // 10, np.int16)])
    match form:
        case "g722":
            return G722Encoder().encode(samples)
        case "alaw":
            return ALAW.encode_bytes(samples)
        case _:
            return ULAW.encode_bytes(samples)


def decoded(payload: bytes, form: str) -> np.ndarray:
    match form:
        case "g722":
            return soxr.resample(G722Decoder().decode(payload), 16_000, 8_000)
        case "alaw":
            return ALAW.decode_bytes(payload)
        case _:
            return ULAW.decode_bytes(payload)


@pytest.mark.parametrize(("form", "payload_type"), [("ulaw", 0), ("alaw", 8), ("g722", 9)])
async def test_audio_both_ways_by_content(form: str, payload_type: int) -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK, WaitForAgent("go"), Say("hey"))) as rig:
            await rig.talk(engine, format=form)
            callee = rig.sim.callees[0]
            await engine.speak(encoded("go", form), payload_type=payload_type)
            await rig.sim.wait_until(lambda: callee.heard_texts == ["go"])
            packets = [await engine.receive() for _ in range(12)]
            heard = tonevoice.listen(decoded(b"".join(packet.payload for packet in packets), form), 8_000)
            assert [(found.text, found.complete) for found in heard] == [("hey", True)]
            assert {packet.payload_type for packet in packets} == {payload_type}
            assert [packet.marker for packet in packets] == [True, *[False] * 11]
            assert {(b.sequence_number - a.sequence_number) & 0xFFFF for a, b in pairwise(packets)} == {1}
            assert {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(packets)} == {160}
            assert [found.text for found in tonevoice.listen(callee.recording, 8_000)] == ["go"]


async def test_callee_speaks_in_real_time_and_is_silent_otherwise() -> None:
    """Two-party bridge: no packets while the callee sends none; timestamps go on by wall time."""
    with Engine() as engine:
        async with Rig(
            sim_with(*QUICK, WaitForAgent("a"), Say("b"), WaitForAgent("c"), Say("d"), ptime_ms=40)
        ) as rig:
            await rig.talk(engine)
            loop = asyncio.get_running_loop()
            await engine.speak(encoded("a"))
            first = await engine.receive()
            began = loop.time()
            rest = [await engine.receive() for _ in range(3)]
            assert 0.08 <= loop.time() - began < 0.25, "four packets of 40 ms"
            assert {len(packet.payload) for packet in (first, *rest)} == {320}
            await rig.sim.wait_until(lambda: not rig.sim.callees[0].talking)
            assert engine.received_nothing()
            await engine.speak(encoded("c"))
            later = await engine.receive()
            gap_ms = ((later.timestamp - rest[-1].timestamp) & 0xFFFFFFFF) / 8
            assert later.marker
            assert later.sequence_number == (rest[-1].sequence_number + 1) & 0xFFFF
            assert abs(gap_ms - (loop.time() - began - 0.12) * 1_000) < 80


async def test_comfort_packets_never_stop() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK, comfort=True)) as rig:
            await rig.talk(engine)
            packets = [await engine.receive() for _ in range(4)]
            assert {packet.payload for packet in packets} == {b"\xff" * 160}


async def test_only_static_payload_types_from_exactly_external_host() -> None:
    with Engine() as engine, Engine() as stranger:
        async with Rig(sim_with(*QUICK)) as rig:
            await rig.open_media(engine)
            leg = rig.sim.exchange.legs[M]
            engine.send(bytes(160))
            await rig.originate()
            await rig.stream.wait_for(C, "StasisStart")
            await rig.ok("POST", f"/bridges/{B}/addChannel", {"channel": C})
            for payload_type in (118, 123, 101, 35):
                engine.send(bytes(160), payload_type=payload_type)
            engine.send(bytes(160), payload_type=34)
            for _ in range(6):
                engine.send(bytes(160), from_socket=stranger.socket)
            engine.socket.sendto(b"rubbish", engine.peer)
            engine.send(bytes(160))
            callee = rig.sim.callees[0]
            await rig.sim.wait_until(lambda: callee.arrivals != [])
            counted = leg.counters
            assert (counted.unbridged, counted.dynamic, counted.undecodable) == (1, 4, 1)
            assert (counted.foreign, counted.malformed, counted.passed) == (6, 1, 1)
            assert [arrival.payload_type for arrival in callee.arrivals] == [0]


async def test_burst_reaches_the_callee_unpaced_with_headers() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK)) as rig:
            await rig.talk(engine)
            for _ in range(50):
                engine.send(b"\xff" * 160)
            callee = rig.sim.callees[0]
            await rig.sim.wait_until(lambda: len(callee.arrivals) == 50)
            assert callee.arrivals[-1].at_s - callee.arrivals[0].at_s < 0.6, "paced, it would have been 0.98 s"
            assert [arrival.sequence_number for arrival in callee.arrivals] == list(range(100, 150))
            assert callee.arrivals[1].timestamp - callee.arrivals[0].timestamp == 160
            assert len(callee.recording) >= 50 * 160
            assert callee.first_packet_ms is not None
            assert callee.first_audio_ms is None, "digital silence is no audio"


async def test_nobody_listens_after_the_engine_died() -> None:
    """Asterisk does not notice: the channel stays up."""
    with Engine() as engine:
        async with Rig(sim_with(*QUICK, WaitForAgent("x"), Say("is"), HangUp())) as rig:
            await rig.talk(engine)
            await engine.speak(encoded("x"))
            await engine.receive()
            engine.socket.close()
            await rig.stream.wait_for(C, "Destroyed")
            assert (await rig.ok("GET", f"/channels/{M}"))["state"] == "Up"


async def test_ended_media_channels_free_their_ports() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK)) as rig:
            ports: set[int] = set()
            for round_number in range(10):
                media_id = f"m{round_number}"
                body = {"channelId": media_id, "app": APP, "external_host": engine.address, "format": "ulaw"}
                engine.use((await rig.ok("POST", "/channels/externalMedia", body))["channelvars"])
                await rig.stream.wait_for(media_id, "StasisStart")
                leg = rig.sim.exchange.legs[media_id]
                engine.send(bytes(160))
                await rig.sim.wait_until(lambda leg=leg: leg.counters.unbridged == 1)
                await rig.ok("DELETE", f"/channels/{media_id}")
                assert (await rig.stream.wait_for(media_id, "Destroyed"))[-3:] == [
                    "HangupRequest 32 soft",
                    "StasisEnd",
                    "Destroyed 16",
                ]
                assert leg.closed
                ports.add(engine.peer[1])
            await rig.sim.wait_until(lambda: rig.sim.tasks == 0)
            for port in ports:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
                    again.bind(("127.0.0.1", port))


async def test_interrupter_talks_over_the_agent() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK, Interrupt(100, "stop"))) as rig:
            await rig.talk(engine)
            callee = rig.sim.callees[0]
            audio = encoded("a much longer sentence")
            for start in range(0, len(audio), 160):
                engine.send(audio[start : start + 160])
                await asyncio.sleep(0.01)
                if callee.said:
                    break
            assert callee.said[0][0] == "stop"
            assert callee.heard_texts == [], "the agent had not finished"
            assert callee.first_audio_ms is not None


async def test_hangs_up_mid_sentence() -> None:
    with Engine() as engine:
        script = CalleeScript((*QUICK, *hangs_up_mid_sentence(100).steps[3:]))
        async with Rig(SimAsterisk(callees={NUMBER: script})) as rig:
            await rig.talk(engine)
            audio = encoded("a longer one")
            for start in range(0, len(audio), 160):
                engine.send(audio[start : start + 160])
                await asyncio.sleep(0.015)
            await rig.stream.wait_for(C, "Destroyed 16")
            heard = rig.sim.callees[0].heard
            assert len(heard) == 1
            assert not heard[0].complete
            assert "a longer one".startswith(heard[0].text)


async def test_reordered_packet_lands_in_its_place() -> None:
    with Engine() as engine:
        async with Rig(sim_with(*QUICK)) as rig:
            await rig.talk(engine)
            callee = rig.sim.callees[0]
            payloads = [bytes([value]) * 160 for value in (0x10, 0x20, 0x30)]
            for position in (0, 2, 1):
                engine.sequence, engine.timestamp = 100 + position, 5_000 + 160 * position
                engine.send(payloads[position])
            await rig.sim.wait_until(lambda: len(callee.arrivals) == 3)
            expected = ULAW.decode_bytes(b"".join(payloads))
            assert np.array_equal(callee.recording[-480:], expected)
