"""The ARI event stream breaks: on SimAsterisk in every state, on the real one through a TCP relay."""

import asyncio
from collections.abc import Callable
from functools import partial

from app.domain.task import CallTask
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, WaitForAgent
from scripts.lib.faults.machine import stall
from scripts.lib.faults.tcp import TcpRelay, tcp_relay
from scripts.promises.faults.ground import (
    GOES_ON,
    LOST_RINGING,
    LOST_TALKING,
    NOT_PLACED,
    Ground,
    Row,
    Story,
)
from scripts.promises.faults.real import desk
from scripts.promises.faults.simulated import Blow, Strike, struck
from tests.flow.rig import Rig
from tests.flow.single import PAUSE
from tests.flow.stages import callee_channels, pick_up, preparing, ringing, talking
from tests.real.phones import Callee
from tests.real.rig import number

ON: frozenset[Story] = frozenset({GOES_ON})
WAITS = CalleeScript((Ring(0.05), Answer(60.0), PAUSE, Say("hey"), WaitForAgent()))
FOUND_ANSWERED: Story = ("pending", "canceled", "system_failure")
"""Answered while nobody of ours heard of it, found, and let go: tried again later."""


async def lost(ground: Ground) -> None:
    """Dropped in each state; audio needs no events, and what was missed is found by the comparison afterwards."""

    async def drop(when: Strike, house: Rig, task: CallTask) -> None:
        await when(house, task)
        house.asterisk.drop_websocket()

    async def answers(house: Rig, task: CallTask) -> None:
        await drop(ringing, house, task)
        await house.asterisk.wait_until(lambda: not house.asterisk.websockets)
        pick_up(house.asterisk.callee(task.number))

    async def callee_leaves(house: Rig, task: CallTask) -> None:
        await talking(house, task)
        (channel,) = callee_channels(house)
        house.asterisk.drop_websocket()
        house.asterisk.exchange.end(channel, cause=16)

    def slowly(house: Rig) -> None:
        house.asterisk.delay_events(0.3)

    answered = frozenset({LOST_RINGING, FOUND_ANSWERED})
    await struck(
        ground,
        [
            Blow(
                name="preparing",
                allowed=frozenset({NOT_PLACED}),
                invites=0,
                prepare=slowly,
                strike=partial(drop, preparing),
            ),
            Blow(name="ringing", allowed=ON | answered, invites=1, strike=partial(drop, ringing)),
            Blow(name="answered meanwhile", allowed=answered, invites=1, script=WAITS, strike=answers),
            Blow(name="talking", allowed=ON, invites=1, strike=partial(drop, talking)),
            Blow(name="callee leaves", allowed=frozenset({LOST_TALKING}), invites=1, strike=callee_leaves),
        ],
    )


# --- the real Asterisk -------------------------------------------------------------------------------------------
def _cut(between: TcpRelay) -> None:
    between.cut()


def _closed(between: TcpRelay) -> None:
    between.close()


def _half_open(between: TcpRelay) -> None:
    between.dead = True


def _mid_frame(between: TcpRelay) -> None:
    between.cut_after(3)


def _well_again(between: TcpRelay) -> None:
    if between.dead:
        between.dead = False
        between.cut()


async def broken(ground: Ground, breaks: Callable[[TcpRelay], None], away_s: float) -> None:
    """One talks, one rings for long, one answers while the stream is away."""
    talks, rings, answers = number(0), number(1), number(2)
    callees = (Callee(talks), Callee(rings, ring_ms=round(away_s * 1000) + 6_000), Callee(answers, ring_ms=2_000))
    async with tcp_relay(ground.asterisk.http_port) as between, desk(ground, *callees, through=between) as at:
        talk, ring, answer = await at.dial(talks), await at.dial(rings), await at.dial(answers)
        await at.here.reaches(ring, "ringing")
        await at.here.reaches(talk, "bridged")
        await at.here.reaches(answer, "ringing", "answered", "bridged")  # on a slow machine it is the last to ring
        at.heard_before_break = len(at.phones[talks].audio())
        breaks(between)
        await at.here.banner("ari", "lost", timeout_s=12.0)
        await asyncio.sleep(away_s if between.dead else 0.0)
        _well_again(between)
        await at.here.banner("ari", "connected", times=2, timeout_s=20.0)
        ground.account.expect(
            "the callee heard nothing more while the stream was away",
            len(at.phones[talks].audio()) > at.heard_before_break,
        )
        at.replies(talks)
        await at.judge("talking", talk, ON, 1)
        at.replies(rings)
        await at.judge("ringing", ring, ON, 1)
        at.replies(answers)
        await at.judge("answering", answer, ON | {LOST_RINGING, FOUND_ANSWERED}, 1)
        await at.clean()


async def application_taken(ground: Ground) -> None:
    """Another client uses our name: nothing is dialed any more; who talks goes on, who rings is let go."""
    talks, rings, waits = number(0), number(1), number(2)
    callees = Callee(talks, hang_up_after_ms=6_000), Callee(rings, ring_ms=15_000), Callee(waits)
    async with desk(ground, *callees) as at:
        talk, ring = await at.dial(talks), await at.dial(rings)
        await at.here.reaches(ring, "ringing")
        await at.here.reaches(talk, "bridged")
        async with ground.asterisk.client(at.here.settings.ari_app):
            await at.here.banner("ari", "replaced")
            wait = await at.dial(waits)
            await at.judge("ringing", ring, frozenset({NOT_PLACED, ("pending", "canceled", "system_failure")}), 1)
            await at.judge("talking", talk, None, 1)
            ground.account.expect("dialed after our application was taken", not at.phones.invites[waits])
            ground.account.expect("a call was opened", await at.here.call(wait) is None)
        await at.clean()


async def reader_stalls(ground: Ground) -> None:
    """Our loop stands still for 0.2, 1 and 3 s: the stream is kept, or made again; the talk goes on."""
    talks = number(0)
    async with desk(ground, Callee(talks), media_mode="process") as at:
        talk = await at.dial(talks)
        await at.here.reaches(talk, "bridged")
        for seconds in (0.2, 1.0, 3.0):
            stall(seconds)
            await asyncio.sleep(0.5)
        at.replies(talks)
        await at.judge("talking", talk, ON, 1)
        await at.clean()


def _real(name: str, fault: str, run: partial[object]) -> Row:
    return Row(name=name, fault=fault, during="D L", on="Asterisk", run=run)  # type: ignore[arg-type]


ROWS = (
    Row(name="stream-lost", fault="ARI websocket dropped, in every state", during="D L", run=lost),
    _real("ws-cut", "ARI websocket reset", partial(broken, breaks=_cut, away_s=0.0)),
    _real("ws-closed", "ARI websocket closed in order", partial(broken, breaks=_closed, away_s=0.0)),
    _real("ws-cut-mid-frame", "ARI websocket cut inside a frame", partial(broken, breaks=_mid_frame, away_s=0.0)),
    _real("ws-half-open", "ARI websocket half-open", partial(broken, breaks=_half_open, away_s=2.0)),
    _real("ws-slow-reader", "Websocket slow reader", partial(reader_stalls)),
    _real("application-taken", "Second client takes our application", partial(application_taken)),
)
