"""The speech model fails: drops, stalls, refuses, talks nonsense, calls unknown tools. On SimAsterisk."""

from functools import partial

import msgspec

from app.domain.task import CallTask
from app.sim.asterisk import Answer, CalleeScript, Ring, Say, StaySilent, WaitForAgent
from app.sim.realtime.brain import Step, ToolCall
from app.sim.realtime.faults import Fault, FaultKind
from scripts.promises.faults.ground import CUT_OFF, GOES_ON, NOT_PLACED, Ground, Row, Story
from scripts.promises.faults.simulated import LONG, Blow, struck
from tests.flow.rig import BYE, Rig
from tests.flow.single import PAUSE

ON: frozenset[Story] = frozenset({GOES_ON})
KEEPS_TALKING = CalleeScript(
    (Ring(0.05), Answer(0.1), PAUSE, Say("hey"), *(StaySilent(2.5), Say("more")) * 3, WaitForAgent())
)
"""Speaks again and again, whatever the agent does: one answer of the model fails, the next one says goodbye."""
DATE = ToolCall(name="send_dtmf", arguments='{"digits": "7"}')


def strikes(name: str, *faults: Fault, **more: object) -> Blow:
    """The first answer of the model fails so."""
    blow = Blow(name=name, allowed=ON, invites=1, script=KEEPS_TALKING, steps=(Step(say=LONG, faults=faults), BYE))
    return msgspec.structs.replace(blow, **more)  # type: ignore[arg-type]


def refusing(status: int, times: int, house: Rig) -> None:
    for _ in range(times):
        house.realtime.faults.add(Fault(kind=FaultKind.REFUSE, status=status))


async def dropped(ground: Ground) -> None:
    """In the middle of a sentence, or while a tool's answer is on its way: reconnected, and the talk goes on."""
    drop, close = Fault(kind=FaultKind.DROP), Fault(kind=FaultKind.CLOSE, status=1011)

    async def once(house: Rig, task: CallTask) -> list[str]:
        pressed = house.asterisk.callee(task.number).digits_heard
        return [] if pressed == "7" else [f"the tool was carried out as {pressed!r}"]

    mid_tool = (Step(say="one moment", call=(DATE,), faults=(Fault(kind=FaultKind.DROP, after_deltas=9),)), BYE)
    await struck(
        ground,
        [
            strikes("reset in mid-turn", drop),
            strikes("closed in mid-turn", close),
            strikes("reset twice", drop, steps=(*[Step(say=LONG, faults=(drop,))] * 2, BYE)),
            Blow(
                name="reset in mid-tool",
                allowed=ON,
                invites=1,
                script=KEEPS_TALKING,
                steps=mid_tool,
                check=once,
            ),
        ],
    )


async def slow(ground: Ground) -> None:
    """Five seconds to the first word, deltas that stop: nobody is left on the line, the call ends by the talk."""
    stall = Fault(kind=FaultKind.STALL, seconds=5.0, after_deltas=0)
    midway = Fault(kind=FaultKind.STALL, seconds=5.0, after_deltas=1)
    await struck(ground, [strikes("first word after 5 s", stall), strikes("deltas stop for 5 s", midway)])


async def expired(ground: Ground) -> None:
    """The session limit: another session takes over."""

    def expire(house: Rig) -> None:
        house.realtime.faults.add(Fault(kind=FaultKind.EXPIRE, seconds=1.5))

    await struck(ground, [strikes("session expired", prepare=expire)])


async def refused(ground: Ground) -> None:
    """Before dialing nobody is rung. In a talk whose model is gone for good, the call ends and is to be read."""
    blows = [
        Blow(name=f"{status} before dialing", allowed=frozenset({NOT_PLACED}), invites=0, prepare=prepare)
        for status, prepare in ((s, partial(refusing, s, 99)) for s in (401, 403, 404, 429, 503))
    ]
    blows += [
        Blow(
            name=f"{status} in mid-talk",
            allowed=frozenset({CUT_OFF}),
            invites=1,
            strike=partial(_gone_for_good, status),
        )
        for status in (401, 429)
    ]
    await struck(ground, blows)


async def _gone_for_good(status: int, house: Rig, task: CallTask) -> None:
    await house.talking(task)
    session = await house.session("talk to them")
    refusing(status, 99, house)
    session.drop()


async def closes_at_once(ground: Ground) -> None:
    """Accepted, configured, and closed again at once, every time: given up, not tried for ever."""

    def expire(house: Rig) -> None:
        for _ in range(30):
            house.realtime.faults.add(Fault(kind=FaultKind.EXPIRE, seconds=0.05))

    given_up = frozenset({CUT_OFF, NOT_PLACED})
    await struck(ground, [Blow(name="closes at once", allowed=given_up, prepare=expire)])


NONSENSE = (
    FaultKind.UNKNOWN_EVENT,
    FaultKind.NOT_JSON,
    FaultKind.BINARY_FRAME,
    FaultKind.HUGE_FRAME,
    FaultKind.DONE_WITHOUT_CREATED,
    FaultKind.DUPLICATE_DELTA,
    FaultKind.TEXT_ONLY,
    FaultKind.ERROR,
    FaultKind.FAIL,
    FaultKind.INCOMPLETE,
    FaultKind.RATE_LIMIT,
)


async def nonsense(ground: Ground) -> None:
    """Events that are malformed, unknown, huge, binary or out of order are counted; the talk goes on."""
    await struck(ground, [strikes(str(kind), Fault(kind=kind, seconds=0.3)) for kind in NONSENSE])


TOOLS = {
    "cut JSON": ToolCall(name="end_call", arguments='{"reason": "cut off in the mid'),
    "a list": ToolCall(name="end_call", arguments="[1, 2]"),
    "wrong type": ToolCall(name="end_call", arguments='{"reason": 5}'),
    "extra key": ToolCall(name="end_call", arguments='{"reason": "x", "also": 1}'),
    "unknown tool": ToolCall(name="transfer_money", arguments='{"amount": 5}'),
    "letters for keys": ToolCall(name="send_dtmf", arguments='{"digits": "12; rm -rf"}'),
    "half a surrogate": ToolCall(name="end_call", arguments='{"reason": "\\ud800"}'),
}


async def tool_garbage(ground: Ground) -> None:
    """Never carried out; the model is told; fifty in a row end nothing."""

    async def nothing_done(house: Rig, task: CallTask) -> list[str]:
        refused_ones = await house.events(await house.call(task), "tool_refused")
        pressed = house.asterisk.callee(task.number).digits_heard
        wrong = [] if refused_ones else ["no tool call was refused"]
        return wrong + ([f"keys {pressed} were pressed"] if pressed else [])

    blows = [strikes(name, steps=(Step(call=(call,)), BYE), check=nothing_done) for name, call in TOOLS.items()]
    many = Step(call=(ToolCall(name="nothing", arguments="{}"),) * 50)
    blows.append(strikes("fifty in a row", steps=(many, BYE), check=nothing_done))
    await struck(ground, blows)


ROWS = (
    Row(name="model-dropped", fault="AI websocket drop mid-turn, mid-tool", during="L", run=dropped),
    Row(name="model-slow", fault="AI slow first token 5 s; stalled deltas", during="L", run=slow),
    Row(name="model-session-limit", fault="AI session limit", during="L", run=expired),
    Row(name="model-refuses", fault="429, invalid key, model gone", during="D L", run=refused),
    Row(name="model-closes-at-once", fault="Connects then closes at once", during="D L", run=closes_at_once),
    Row(
        name="model-nonsense",
        fault="Malformed, unknown, huge, non-UTF-8, binary events",
        during="L",
        run=nonsense,
    ),
    Row(name="model-tools", fault="Tool-call garbage, unknown tool, 50 in a row", during="L", run=tool_garbage),
)
