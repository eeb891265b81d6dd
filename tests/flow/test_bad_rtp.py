"""Datagrams that are no RTP, or do not come from our peer, sprayed at the engine during a talk."""

import asyncio
import random
import socket
from pathlib import Path

import numpy as np
import pytest

from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from app.sim.asterisk.rtp_leg import RtpLeg
from app.sim.realtime.brain import Step
from media.g711 import ULAW
from media.rtp import RtpPacket, serialize
from tests.flow.rig import BYE, STALL_S, heard_in, rig
from tests.flow.single import NUMBER, PAUSE

pytestmark = pytest.mark.anyio
WORDS = "can you hear me through all of this"
ROUNDS = 40
LOUD = ULAW.encode_bytes((np.sin(np.arange(160) * 0.7) * 25_000).astype(np.int16))
UNKNOWN_PAYLOAD_TYPE = 96


def malformed(random_: random.Random) -> list[bytes]:
    """No RTP by RFC 3550 A.1: short, other versions, lengths that lie."""
    header = bytes((0x80, 0)) + random_.randbytes(10)
    return [
        b"\x80",
        header[:11],
        b"\x00" + header[1:] + LOUD,
        b"\xff" * 12,
        bytes((0x8F,)) + header[1:] + b"1234",
        bytes((0x90,)) + header[1:] + b"\xbe\xde\xff\xff",
        bytes((0xA0,)) + header[1:] + b"\xff",
    ]


def stranger(leg: RtpLeg, at: int) -> bytes:
    """What would be heard if the source address were not looked at."""
    packet = RtpPacket(
        payload_type=0, sequence_number=at, timestamp=at * 160, ssrc=leg.ssrc, marker=False, payload=LOUD
    )
    return serialize(packet)


def unknown_payload(leg: RtpLeg, at: int) -> bytes:
    numbers = {"sequence_number": at, "timestamp": 0, "ssrc": leg.ssrc}
    return serialize(RtpPacket(payload_type=UNKNOWN_PAYLOAD_TYPE, marker=False, payload=LOUD, **numbers))


async def test_bad_datagrams_are_counted_and_not_heard(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media.engine.LOAD_PERIOD_S", 0.2)
    random_ = random.Random(seed)
    script = CalleeScript((Ring(0.05), Answer(0.05), PAUSE, Say(WORDS), WaitForAgent()))
    async with rig(tmp_path, callees={NUMBER: script}, recording=True) as house:
        house.think("listen", Step(say="all of it, bye", call=BYE.call))
        task = await house.add(NUMBER, "listen well", opening="wait_for_hello")
        await house.asterisk.wait_until(
            lambda: bool(house.asterisk.callees) and house.asterisk.callees[-1].talking
        )
        (leg,) = house.asterisk.exchange.legs.values()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
            foreign.bind(("127.0.0.2", 0))
            for at in range(ROUNDS):
                for datagram in malformed(random_):
                    leg._socket.sendto(datagram, leg.external_host)
                leg._socket.sendto(unknown_payload(leg, at), leg.external_host)
                foreign.sendto(stranger(leg, at), leg.external_host)
                foreign.sendto(random_.randbytes(random_.randrange(1_600)), leg.external_host)
                await asyncio.sleep(0.02)  # over the whole length of what the callee says
        await house.settled(task)
        call = await house.call(task)
        assert (call.outcome, call.ended_by) == ("completed", "agent")
        await house.expect_turns(call, ("callee", WORDS), ("agent", "all of it, bye"))
        assert call.recording_path is not None
        if house.watch.longest_stall_s < STALL_S:
            assert heard_in(call.recording_path, 0) == [WORDS]
        assert house.asterisk.callee(NUMBER).heard_texts == ["all of it, bye"]
        counted = await house.statistics(call)
        assert counted["packets_malformed"] == ROUNDS * len(malformed(random_))
        assert counted["packets_wrong_payload_type"] == ROUNDS
        assert (counted["packets_lost"], counted["ssrc_changes"]) == (0, 0)
        load = house.engine.board.media.load
        assert load is not None
        assert load.unknown_source_packets == 2 * ROUNDS
