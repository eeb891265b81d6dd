"""ARI answers badly, or its events come in another order. On SimAsterisk: the real one cannot be told to."""

import asyncio
from functools import partial

import msgspec

from app.domain.task import CallTask
from app.sim.asterisk.faults import Failure
from scripts.promises.faults.ground import CUT_OFF, GOES_ON, NOT_PLACED, Ground, Row, Story
from scripts.promises.faults.simulated import Blow, struck
from tests.flow.rig import Rig
from tests.flow.stages import callee_channels, hanging_up, talking

UNKNOWN: frozenset[Story] = frozenset(
    {
        ("pending", "lost", "network"),
        ("pending", "lost", "system_failure"),
        ("pending", "failed", "system_failure"),
    }
)
"""Nobody knows whether it rang: it counts as an attempt, and a rule says when the next one is due."""
TRUNK_FAULT: frozenset[Story] = frozenset({("pending", "trunk_fault", "system_failure")})
STATUSES: tuple[Failure, ...] = (404, 409, 422)


def failing(method: str, pattern: str, failure: Failure, house: Rig) -> None:
    house.asterisk.fail_next(method, pattern, failure)


async def originate_fails(ground: Ground) -> None:
    """The POST is never repeated: the id is looked up, and the event stream tells the rest."""
    cases: dict[Failure, tuple[frozenset[Story], int]] = {
        500: (TRUNK_FAULT, 0),
        503: (UNKNOWN, 0),
        "timeout": (UNKNOWN, 0),
        "lost_reply": (frozenset({GOES_ON}), 1),
    }

    async def asked_once(house: Rig, task: CallTask) -> list[str]:
        del task
        asked = house.asterisk.requests.count(("POST", "/channels"))
        return [] if asked == 1 else [f"originate was sent {asked} times"]

    await struck(
        ground,
        [
            Blow(
                name=f"originate {failure}",
                allowed=allowed,
                invites=invites,
                prepare=partial(failing, "POST", "/channels", failure),
                check=asked_once,
            )
            for failure, (allowed, invites) in cases.items()
        ],
    )


async def originate_conflicts(ground: Ground) -> None:
    """409 for our own id: the channel is ours and goes on; where it is not there, nobody was rung."""
    twice = partial(failing, "POST", "/channels", "twice")
    nothing = partial(failing, "POST", "/channels", 409)
    await struck(
        ground,
        [
            Blow(name="repeated on the way", allowed=frozenset({GOES_ON}), invites=1, prepare=twice),
            Blow(name="no such channel", allowed=UNKNOWN, invites=0, prepare=nothing),
        ],
    )


async def verbs_refused(ground: Ground) -> None:
    """Before dialing: nobody is rung. While hanging up: asked again until it is gone."""
    preparing = {"bridge": "/bridges*", "media": "/channels/externalMedia", "join": "/bridges/*/addChannel"}
    blows = [
        Blow(
            name=f"{name} {status}",
            allowed=frozenset({NOT_PLACED}),
            invites=0,
            prepare=partial(failing, "POST", pattern, status),
        )
        for name, pattern in preparing.items()
        for status in STATUSES
    ]
    ends = {"callee": "/channels/*-c", "media": "/channels/*-m", "bridge": "/bridges/*-b"}
    blows += [
        Blow(
            name=f"hang up {name} {status}",
            allowed=frozenset({GOES_ON}),
            invites=1,
            strike=partial(_failing_later, pattern, status),
        )
        for name, pattern in ends.items()
        for status in (409, 422, 500)  # a 404 means that it is gone; below it really is
    ]
    blows.append(
        Blow(name="gone before the hang-up", allowed=frozenset({GOES_ON}), invites=1, strike=_gone_before_delete)
    )
    blows.append(
        Blow(
            name="callee cannot join",
            allowed=frozenset({CUT_OFF}),
            invites=1,
            strike=partial(_failing_join, 500),
        )
    )
    await struck(ground, blows)


async def _failing_later(pattern: str, status: Failure, house: Rig, task: CallTask) -> None:
    await house.asterisk.wait_until(lambda: house.invited(task.number) > 0)
    house.asterisk.fail_next("DELETE", pattern, status)


async def _failing_join(status: Failure, house: Rig, task: CallTask) -> None:
    await house.asterisk.wait_until(lambda: house.invited(task.number) > 0)
    house.asterisk.fail_next("POST", "/bridges/*/addChannel", status)


async def _gone_before_delete(house: Rig, task: CallTask) -> None:
    """Our DELETE meets a 404: the channel ended in the moment before, and nobody was told."""
    await talking(house, task)
    for _ in range(3):
        house.asterisk.hold_back_event("ChannelDestroyed", 20.0)
    await hanging_up(house, task)
    for channel in callee_channels(house):
        house.asterisk.exchange.end(channel, cause=16)


KINDS = ("StasisStart", "ChannelStateChange", "Dial", "ChannelEnteredBridge", "ChannelDestroyed", "StasisEnd")


async def events_in_any_order(ground: Ground) -> None:
    """StasisStart before the reply, each kind of event overtaken by those after it, everything said twice."""

    def early(house: Rig) -> None:
        house.asterisk.stasis_start_before_reply = True

    def held_back(kind: str, house: Rig) -> None:
        for _ in range(3):
            house.asterisk.hold_back_event(kind, 0.2)

    goes_on = frozenset({GOES_ON})
    blows = [Blow(name="StasisStart before the reply", allowed=goes_on, invites=1, prepare=early)]
    blows += [
        Blow(name=f"{kind} late", allowed=goes_on, invites=1, prepare=partial(held_back, kind)) for kind in KINDS
    ]
    blows.append(Blow(name="everything twice", allowed=goes_on, invites=1, strike=_repeat))
    await struck(ground, blows)


async def _repeat(house: Rig, task: CallTask) -> None:
    """All events of a call so far once more, in order: while it rings, while they talk, while it ends."""
    for stage in (_rung, talking, hanging_up):
        await stage(house, task)
        for event, _ in house.asterisk.events:
            house.asterisk.inject_event(msgspec.json.encode(event))
        await asyncio.sleep(0)


async def _rung(house: Rig, task: CallTask) -> None:
    await house.asterisk.wait_until(lambda: house.invited(task.number) > 0)


ROWS = (
    Row(name="originate-fails", fault="REST 500, 503, timeout on originate", during="D", run=originate_fails),
    Row(name="originate-409", fault="REST 409 on originate", during="D", run=originate_conflicts),
    Row(
        name="verbs-refused",
        fault="REST 404, 409, 422 on hangup, bridge, externalMedia",
        during="D L",
        run=verbs_refused,
    ),
    Row(
        name="event-order",
        fault="StasisStart before the reply; late, reordered and duplicate events",
        during="D L",
        run=events_in_any_order,
    ),
)
