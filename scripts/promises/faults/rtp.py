"""Audio on a bad line: real Asterisk, a UDP relay at the phone; malformed packets on SimAsterisk."""

import asyncio
import random
from contextlib import ExitStack
from functools import partial

from app.domain.task import CallTask
from app.sim.asterisk import Answer, CalleeScript, HangUp, Ring, Say, StaySilent
from media.jitter import JitterBuffer
from media.rtp import RtpPacket, serialize
from scripts.lib.faults.udp import CLEAR, Path, UdpRelay, sprayed
from scripts.promises.faults.ground import GOES_ON, Ground, Row, Story
from scripts.promises.faults.real import Desk, desk
from scripts.promises.faults.simulated import Blow, struck
from tests.flow.rig import Rig
from tests.flow.single import PAUSE
from tests.flow.test_bad_rtp import LOUD, malformed, stranger, unknown_payload
from tests.real.phones import Callee
from tests.real.rig import number

ON: frozenset[Story] = frozenset({GOES_ON})
SAID_AT_ALL: frozenset[Story] = frozenset({GOES_ON, ("completed", "completed", "system_timeout")})
"""Where a fifth is lost, a callee may not be understood and is asked whether he is still there."""
DRIFT_MS = 60
KEYS = "7"

LOSS = {
    "1 %": Path(loss=0.01),
    "5 %": Path(loss=0.05),
    "20 %": Path(loss=0.2),
    "bursts of 200 ms": Path(burst_rate=0.01, burst_ms=200),
}
DISORDER = {
    "jitter 0-120 ms": Path(jitter_ms=120),
    "reordered": Path(reorder=0.1),
    "duplicated": Path(duplicate=0.2),
    "late": Path(reorder=0.05, reorder_ms=300),
    "held back 300 ms each second": Path(hold_ms=300),
}


async def on_a_bad_line(ground: Ground, lines: dict[str, Path]) -> None:
    """Both directions are bad. The talk goes on, a key is one key, the model's time line keeps to the clock."""
    numbers = {name: number(at) for at, name in enumerate(lines)}
    with ExitStack() as stack:
        relays = {
            numbers[name]: stack.enter_context(UdpRelay(ground.seed + at, to_far=path, to_near=path))
            for at, (name, path) in enumerate(lines.items())
        }
        async with desk(ground, *(Callee(one) for one in numbers.values()), relays=relays) as at:
            made = {name: await at.dial(one) for name, one in numbers.items()}
            async with asyncio.TaskGroup() as group:
                for name, task in made.items():
                    group.create_task(_talk(at, name, task, lines[name]))
            await at.clean()
        for name, relay in zip(lines, relays.values(), strict=True):
            up, down = relay.counted
            what = f"{up.lost + down.lost} lost, {up.reordered + down.reordered} late, "
            ground.account.figures[name] = (
                f"{what}{up.duplicated + down.duplicated} twice, of {up.arrived + down.arrived}"
            )


async def _talk(at: Desk, name: str, task: str, path: Path) -> None:
    account, called = at.ground.account, at.numbers[task]
    await at.here.reaches(task, "bridged")
    at.phones[called].press(KEYS)
    await asyncio.sleep(4.0)
    at.replies(called)
    await at.judge(name, task, SAID_AT_ALL if path.loss >= 0.2 or path.burst_rate else ON, 1)
    ended = await at.here.ended(task)
    pressed = ended.noted("dtmf_in")
    account.expect(f"{name}: the key {KEYS} came as {pressed}", pressed == [KEYS])
    call = ended.call
    account.expect(f"{name}: {call.detail}", call.answered_ms is not None)


async def one_way(ground: Ground) -> None:
    """Nothing comes from the callee, or nothing at all: asked, then let go; never a monologue to nobody."""
    silent, deaf = number(0), number(1)
    closed = Path(closed=True)
    with ExitStack() as stack:
        relays = {
            silent: stack.enter_context(UdpRelay(ground.seed, to_far=closed, to_near=CLEAR)),
            deaf: stack.enter_context(UdpRelay(ground.seed, to_far=closed, to_near=closed)),
        }
        async with desk(ground, Callee(silent), Callee(deaf), relays=relays, no_input_s=6.0) as at:
            made = {"one way": await at.dial(silent), "none": await at.dial(deaf)}
            for name, task in made.items():
                await at.judge(name, task, NO_MEDIA, 1)
                call = await at.here.call(task)
                assert call is not None
                talked_s = ((call.ended_ms or 0) - (call.answered_ms or 0)) / 1000
                ground.account.figures[f"{name}_s"] = round(talked_s, 1)
                ground.account.expect(f"{name}: {talked_s:.0f} s to nobody", talked_s < 45)
            await at.clean()


NO_MEDIA: frozenset[Story] = frozenset({("failed", "completed", "system_timeout")})
"""Answered, and nothing was ever heard of it: to be read, not done."""


async def garbage(ground: Ground) -> None:
    """Truncated, lying, foreign, other payload types, another SSRC, jumps of sequence and time stamp."""

    async def spray(house: Rig, task: CallTask) -> None:
        await house.talking(task)
        (leg,) = house.asterisk.exchange.legs.values()
        chance = random.Random(ground.seed)
        foreign = [stranger(leg, at) for at in range(20)] + [chance.randbytes(n) for n in (1, 7, 12, 1_500)]
        async with sprayed(leg.external_host, foreign, 500, ground.seed):
            for at in range(40):
                for datagram in (*malformed(chance), unknown_payload(leg, at), chance.randbytes(1_500)):
                    leg._socket.sendto(datagram, leg.external_host)
                await asyncio.sleep(0.02)
        for ssrc, sequence, timestamp in (
            (leg.ssrc, 40_000, 9),
            (leg.ssrc ^ 1, 5, 2**31),
            (leg.ssrc, 9, 2**32 - 1),
        ):
            packet = RtpPacket(
                payload_type=0,
                sequence_number=sequence,
                timestamp=timestamp,
                ssrc=ssrc,
                marker=False,
                payload=LOUD,
            )
            leg._socket.sendto(serialize(packet), leg.external_host)

    async def counted(house: Rig, task: CallTask) -> list[str]:
        found = await house.statistics(await house.call(task))
        return [] if found["packets_malformed"] >= 40 else [f"only {found['packets_malformed']} counted malformed"]

    await struck(ground, [Blow(name="garbage", allowed=ON, invites=1, strike=spray, check=counted)])


async def port_closed(ground: Ground) -> None:
    """Asterisk's RTP port is gone (ICMP): counted, the worker and the other calls go on."""
    leaves = CalleeScript((Ring(0.05), Answer(0.1), PAUSE, Say("hey"), StaySilent(2.0), HangUp()))

    async def close(house: Rig, task: CallTask) -> None:
        await house.talking(task)
        for leg in house.asterisk.exchange.legs.values():
            leg.close()

    ended = frozenset({("completed", "completed", "callee"), *ON})
    await struck(
        ground,
        [
            Blow(name="closed", allowed=ended, invites=1, script=leaves, strike=close),
            Blow(name="while it rings", allowed=ended | NO_MEDIA, invites=1, script=leaves, strike=_close_early),
        ],
    )


async def _close_early(house: Rig, task: CallTask) -> None:
    await house.asterisk.wait_until(lambda: house.invited(task.number) > 0)
    for leg in house.asterisk.exchange.legs.values():
        leg.close()


async def drift(ground: Ground) -> None:
    """A sender 200 ppm fast or slow for an hour, in virtual time: nothing is lost, made up or held back."""
    for ppm in (-200, 200):
        buffer = JitterBuffer(payload_types=[0])
        chance = random.Random(ground.seed)
        worst_ms = held_ms = 0.0
        for at in range(180_000):
            sent_s = at * 0.02 * (1 + ppm / 1e6)
            packet = RtpPacket(
                payload_type=0,
                sequence_number=at & 0xFFFF,
                timestamp=(at * 160) & 0xFFFFFFFF,
                ssrc=1,
                marker=False,
                payload=LOUD,
            )
            now = sent_s + chance.uniform(0, 0.01)
            buffer.poll(now)
            buffer.push(packet, now)
            worst_ms = max(worst_ms, abs(buffer.position_samples / 8 - (at + 1) * 20))
            held_ms = max(held_ms, 20.0 * len(buffer._pending))
        ground.account.calls += 1
        ground.account.figures |= {f"{ppm:+} ppm worst_ms": round(worst_ms, 1), f"{ppm:+} ppm held_ms": held_ms}
        ground.account.expect(f"{ppm:+} ppm: {worst_ms:.0f} ms beside what was sent", worst_ms <= DRIFT_MS)
        ground.account.expect(f"{ppm:+} ppm: {buffer.stats.packets_lost} lost", buffer.stats.packets_lost == 0)


ROWS = (
    Row(
        name="rtp-loss",
        fault="RTP loss 1, 5, 20 %, bursts 200 ms",
        during="L",
        on="Asterisk",
        run=partial(on_a_bad_line, lines=LOSS),
    ),
    Row(
        name="rtp-disorder",
        fault="RTP jitter, reorder, duplicate, late, in bursts",
        during="L",
        on="Asterisk",
        run=partial(on_a_bad_line, lines=DISORDER),
    ),
    Row(name="rtp-one-way", fault="RTP one-way or none", during="L", on="Asterisk", run=one_way),
    Row(name="rtp-garbage", fault="SSRC, sequence, payload type, lies; foreign RTP", during="L", run=garbage),
    Row(name="rtp-port-closed", fault="Peer port closed (ICMP)", during="D L", run=port_closed),
    Row(name="rtp-clock-drift", fault="Sender clock 200 ppm off for 1 h", during="L", run=drift),
)
